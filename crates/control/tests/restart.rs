//! What a crash or a stop leaves in the catalog comes right at the next start, whatever state the rows are in.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod world;

use catalog::{RoundRecord, RoundServerRecord, RunRecord};
use domain::{BackupKind, Code, DestinationId, Origin, RoundId, RoundState, RunId, RunKind, RunState, ServerId, TaskId};
use jiff::Timestamp;
use std::time::Duration;
use uuid::Uuid;
use world::{Console, World, assert_state, audit, of};

fn round(server: ServerId, destination: DestinationId, task: TaskId, state: RoundState) -> RoundRecord {
    let now = Timestamp::now();
    let looked_at = if state == RoundState::Preparing { RunState::Queued } else { RunState::Succeeded };
    RoundRecord {
        id: RoundId::new(Uuid::now_v7()),
        task: Some(task),
        task_name: "nightly".into(),
        servers: vec![RoundServerRecord { state: looked_at, ..RoundServerRecord::new(server) }],
        destination,
        only_database: None,
        wanted: BackupKind::Full,
        once: None,
        state,
        origin: Origin::Schedule,
        started_by: None,
        attempt: 1,
        retry_at: None,
        due_at: now,
        began_at: now,
        ended_at: state.has_ended().then_some(now),
        error: None,
    }
}

fn run(round: &RoundRecord, database: &str, state: RunState, attempt: u32) -> RunRecord {
    let now = Timestamp::now();
    RunRecord {
        id: RunId::new(Uuid::now_v7()),
        round: Some(round.id),
        kind: RunKind::Backup,
        wanted: Some(BackupKind::Full),
        server: Some(round.servers[0].server),
        destination: round.destination,
        database: database.into(),
        state,
        attempt,
        started_by: None,
        queued_at: now,
        began_at: Some(now),
        ended_at: state.has_ended().then_some(now),
        retry_at: None,
        reason: None,
        request: None,
        label: None,
        stored_bytes: None,
        rows: None,
        proven: None,
        compared: vec![],
        notes: vec![],
        error: None,
    }
}

/// A world with three databases and a task, and no console at work.
async fn quiet() -> (World, ServerId, DestinationId, TaskId) {
    let world = World::new();
    ["a.db", "b.db", "c.db"].iter().for_each(|name| world.make(name));
    let console = world.open().await;
    let (server, destination, task) = world.task(&console, "1").await;
    (world, server, destination, task)
}

async fn crashed(world: &World, round: &RoundRecord, runs: &[RunRecord]) -> Console {
    let catalog = world.catalog().await;
    catalog.insert_round(round, &audit()).await.unwrap();
    catalog.insert_runs(runs, &audit()).await.unwrap();
    catalog.close().await;
    world.start().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_round_that_was_cut_off_in_the_middle_is_completed() {
    let (world, server, destination, task) = quiet().await;
    let cut_off = round(server, destination, task, RoundState::Running);
    let mut retry = run(&cut_off, "c.db", RunState::Queued, 2);
    retry.retry_at = Some(Timestamp::now());
    let runs = [run(&cut_off, "a.db", RunState::Running, 1), run(&cut_off, "b.db", RunState::Interrupted, 2), retry];
    let console = crashed(&world, &cut_off, &runs).await;
    let ended = console.round_ended(cut_off.id).await;
    assert_state(&ended, RoundState::Succeeded);
    assert_eq!(["a.db", "b.db", "c.db"].map(|name| of(&ended, name).attempt), [2, 3, 2]);
    let log = console.run(runs[0].id).await.log;
    assert!(log.iter().any(|line| line.bad && line.text.contains("stopped in the middle")), "{log:?}");
    let root = console.control.root(&console.permit, destination, &Default::default()).await.unwrap();
    assert!(root.folders.items.iter().all(|folder| folder.points == 1 && folder.bad == 0) && root.folders.items.len() == 3, "{root:?}");
    console.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_round_that_was_cut_off_while_it_prepared_is_prepared_again_and_gets_its_runs_once() {
    let (world, server, destination, task) = quiet().await;
    let preparing = round(server, destination, task, RoundState::Preparing);
    let console = crashed(&world, &preparing, &[]).await;
    let ended = console.round_ended(preparing.id).await;
    assert_state(&ended, RoundState::Succeeded);
    assert_eq!(ended.runs.len(), 3);
    console.stop().await;

    // Its runs were written, and then came the crash.
    let almost = round(server, destination, task, RoundState::Preparing);
    let console = crashed(&world, &almost, &[run(&almost, "a.db", RunState::Queued, 1)]).await;
    let ended = console.round_ended(almost.id).await;
    assert_state(&ended, RoundState::Succeeded);
    assert_eq!(ended.runs.len(), 1);
    console.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rounds_follow_their_runs_where_the_crash_came_between() {
    let (world, server, destination, task) = quiet().await;
    // All runs have ended, and the round does not know.
    let open = round(server, destination, task, RoundState::Running);
    let runs = [run(&open, "a.db", RunState::Succeeded, 1), run(&open, "b.db", RunState::Failed, 1)];
    let console = crashed(&world, &open, &runs).await;
    let ended = console.round_ended(open.id).await;
    assert_state(&ended, RoundState::Partly);
    assert_eq!(ended.line.ended_at.map(|at| at.as_second()), runs[1].ended_at.map(|at| at.as_second()));
    console.stop().await;

    // A run of an ended round was queued again, and the round does not know.
    let over = round(server, destination, task, RoundState::Failed);
    let console = crashed(&world, &over, &[run(&over, "a.db", RunState::Queued, 1)]).await;
    console.round_when(over.id, "succeeded", |round| round.line.state == RoundState::Succeeded).await;
    console.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_be_the_reason_of_the_crash_is_not_tried_for_ever() {
    let (world, server, destination, task) = quiet().await;
    let open = round(server, destination, task, RoundState::Running);
    let console = crashed(&world, &open, &[run(&open, "a.db", RunState::Running, 4), run(&open, "b.db", RunState::Running, 3)]).await;
    let ended = console.round_ended(open.id).await;
    assert_state(&ended, RoundState::Partly);
    let a = of(&ended, "a.db");
    assert_eq!((a.state, a.error.as_ref().map(|told| told.code)), (RunState::Interrupted, Some(Code::Interrupted)));
    // A person may.
    console.control.retry_failed(&console.permit, open.id).await.unwrap();
    assert_state(&console.round_ended(open.id).await, RoundState::Succeeded);
    console.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_that_was_cut_off_is_left_to_a_person() {
    let (world, server, destination, task) = quiet().await;
    let over = round(server, destination, task, RoundState::Succeeded);
    let restore = RunRecord { round: None, kind: RunKind::Restore, ..run(&over, "new.db", RunState::Running, 1) };
    let console = crashed(&world, &over, std::slice::from_ref(&restore)).await;
    let view = console.run(restore.id).await;
    assert_eq!(view.line.state, RunState::Interrupted);
    assert!(view.line.error.unwrap().next_step.contains("Start the restore again"));
    console.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_interrupts_what_does_not_end_and_the_next_start_goes_on() {
    let (world, _, _, task) = quiet().await;
    let console = world.start().await;
    let held = world.hold("a.db");
    let id = console.at_work(task).await.line.id;
    console.control.stop(Duration::from_millis(100)).await;
    let stopped = console.round(id).await;
    assert_state(&stopped, RoundState::Running);
    assert_eq!([of(&stopped, "a.db").state, of(&stopped, "b.db").state], [RunState::Interrupted, RunState::Queued]);
    drop((console, held));

    let console = world.start().await;
    let ended = console.round_ended(id).await;
    assert_state(&ended, RoundState::Succeeded);
    assert_eq!(["a.db", "b.db"].map(|name| of(&ended, name).attempt), [2, 1]);
    console.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_with_patience_lets_runs_end_and_begins_no_other() {
    let (world, _, _, task) = quiet().await;
    let console = world.start().await;
    let held = world.hold("a.db");
    let id = console.at_work(task).await.line.id;
    let stopping = tokio::spawn({
        let control = console.control.clone();
        async move { control.stop(Duration::from_secs(30)).await }
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!stopping.is_finished());
    drop(held);
    stopping.await.unwrap();
    let stopped = console.round(id).await;
    assert_eq!([of(&stopped, "a.db").state, of(&stopped, "b.db").state], [RunState::Succeeded, RunState::Queued]);
    drop(console);
    let console = world.start().await;
    assert_state(&console.round_ended(id).await, RoundState::Succeeded);
    console.stop().await;
}

/// Runs a part of a test in a process of its own, as far as that goes: when it is over, whatever still works is cut off
/// where it happens to be.
fn cut_off_after<T>(part: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let out = runtime.block_on(part);
    runtime.shutdown_background();
    out
}

#[test]
fn a_round_that_is_cut_off_at_any_moment_is_completed() {
    let world = World::new();
    let names = ["a.db", "b.db", "c.db", "d.db"];
    for name in names {
        let rows = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) INSERT INTO t (x) SELECT hex(randomblob(40)) FROM n";
        world.make(name);
        rusqlite::Connection::open(world.db(name)).unwrap().execute_batch(rows).unwrap();
    }
    let (destination, task) = cut_off_after(async {
        let console = world.open().await;
        let (_, destination, task) = world.task(&console, "2").await;
        (destination, task)
    });
    for moment in 0..12_u64 {
        let id = cut_off_after(async {
            let console = world.start_when_free().await;
            let id = console.control.back_up_now(&console.permit, task, None, None).await.unwrap();
            tokio::time::sleep(Duration::from_millis(moment * 40)).await;
            id
        });
        cut_off_after(async {
            let console = world.start_when_free().await;
            let round = console.round_ended(id).await;
            assert_state(&round, RoundState::Succeeded);
            assert_eq!(round.runs.iter().map(|run| run.database.as_str()).collect::<Vec<_>>(), names, "cut off after {} ms", moment * 40);
            let root = console.control.root(&console.permit, destination, &Default::default()).await.unwrap();
            // A backup may have been made just before what it was made for could be written down.
            assert!(root.folders.items.iter().all(|folder| folder.points > moment && folder.bad == 0), "{root:#?}");
            console.stop().await;
        });
    }
}
