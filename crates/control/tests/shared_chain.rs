//! Tasks that cover the same database, on real SQLite folders.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod world;

use domain::{BackupKind, RoundState, RunState};
use world::{World, assert_state};

#[tokio::test(flavor = "multi_thread")]
async fn two_tasks_over_one_database_take_turns_and_their_chain_goes_on() {
    let world = World::new();
    world.make("shop.db");
    let console = world.start().await;
    let (server, destination, first) = world.task(&console, "4").await;
    let second = console.add_task("hourly", server, destination, "").await;
    let incremental = Some(BackupKind::Incremental);
    for turn in 0..3 {
        rusqlite::Connection::open(world.db("shop.db")).unwrap().execute_batch("INSERT INTO t (x) VALUES ('new')").unwrap();
        let hold = world.hold("shop.db");
        let one = console.control.back_up_now(&console.permit, first, None, incremental).await.unwrap();
        console.round_when(one, "at work", |round| round.runs.iter().any(|run| run.state == RunState::Running)).await;
        let other = console.control.back_up_now(&console.permit, second, None, incremental).await.unwrap();
        let waits = console.round_when(other, "in line", |round| round.runs.iter().any(|run| run.waits_for.is_some())).await;
        let said = "Number 1 in line for this database: another backup of it to the same destination is under way.";
        assert_eq!((waits.runs[0].state, waits.runs[0].waits_for.as_deref()), (RunState::Queued, Some(said)));
        drop(hold);
        let (one, other) = (console.round_ended(one).await, console.round_ended(other).await);
        assert_state(&one, RoundState::Succeeded);
        assert_state(&other, RoundState::Succeeded);
        let made = one.runs[0].label.clone().unwrap();
        assert!(made.contains(if turn == 0 { "full" } else { "incremental" }), "{made}");
        assert_eq!((other.runs[0].attempt, other.runs[0].label.clone()), (1, None), "nothing changed since the other one");
    }
    let folder = console.control.folder(&console.permit, destination, "shop.db").await.unwrap();
    assert_eq!(folder.chains.iter().map(|chain| chain.points.len()).collect::<Vec<_>>(), [3]);
    console.stop().await;
}
