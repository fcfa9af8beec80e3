//! Following runs and rounds live.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod world;

use domain::{
    Code, RoundId, RoundState, RunState,
    view::run::{RoundView, RunView},
};
use futures::StreamExt;
use std::{sync::Arc, time::Duration};
use uuid::Uuid;
use world::{World, refused};

#[tokio::test(flavor = "multi_thread")]
async fn fifty_viewers_get_the_same_text_until_the_end() {
    let world = World::new();
    ["a.db", "b.db"].iter().for_each(|name| world.make(name));
    let console = world.start().await;
    let (_, _, task) = world.task(&console, "1").await;
    let held = world.hold("a.db");
    let round = console.at_work(task).await;
    let id = round.line.id;
    let viewers: Vec<_> = futures::future::join_all((0..50).map(|_| console.control.watch_round(&console.permit, id))).await;
    let mut viewers: Vec<_> = viewers.into_iter().map(|viewer| Box::pin(viewer.unwrap())).collect();
    let mut firsts = vec![];
    for viewer in &mut viewers {
        firsts.push(viewer.next().await.unwrap());
    }
    assert!(firsts.windows(2).all(|pair| Arc::ptr_eq(&pair[0], &pair[1])), "the text was made more than once");
    let first: RoundView = serde_json::from_str(&firsts[0]).unwrap();
    assert_eq!(first.line.state, RoundState::Running);
    let run = console.control.watch_run(&console.permit, round.runs[0].id).await.unwrap();
    let run = tokio::spawn(run.map(|text| serde_json::from_str::<RunView>(&text).unwrap().line.state).collect::<Vec<_>>());
    assert!(console.control.metrics().await.contains("rookery_live_screens 2"));

    drop(held);
    let ends = viewers.into_iter().map(|viewer| tokio::spawn(viewer.collect::<Vec<_>>()));
    for texts in futures::future::join_all(ends).await {
        let texts = texts.unwrap();
        let last: RoundView = serde_json::from_str(texts.last().unwrap()).unwrap();
        assert_eq!(last.line.state, RoundState::Succeeded);
        assert!(texts.windows(2).all(|pair| pair[0] != pair[1]));
    }
    assert_eq!(run.await.unwrap().last(), Some(&RunState::Succeeded));
    // What has ended is told once.
    let after: Vec<_> = console.control.watch_round(&console.permit, id).await.unwrap().collect().await;
    assert_eq!(after.len(), 1);
    let unknown = RoundId::new(Uuid::now_v7());
    assert_eq!(refused(console.control.watch_round(&console.permit, unknown).await).code(), Code::NotFound);
    console.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_made_for_nobody_and_a_stop_lets_viewers_go() {
    let world = World::new();
    world.make("a.db");
    let console = world.start().await;
    let (_, _, task) = world.task(&console, "1").await;
    let _held = world.hold("a.db");
    let id = console.control.back_up_now(&console.permit, task, None, None).await.unwrap();
    drop(console.control.watch_round(&console.permit, id).await.unwrap());
    let limit = std::time::Instant::now() + Duration::from_secs(20);
    while !console.control.metrics().await.contains("rookery_live_screens 0") {
        assert!(std::time::Instant::now() < limit, "a screen is still made");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let viewer = console.control.watch_round(&console.permit, id).await.unwrap();
    let texts = tokio::spawn(viewer.collect::<Vec<_>>());
    console.control.stop(Duration::ZERO).await;
    assert!(!texts.await.unwrap().is_empty());
}
