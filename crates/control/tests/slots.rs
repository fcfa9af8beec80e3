//! What a PostgreSQL server keeps for chains: shown, limited, dropped by hand; and the next backup tells what became of it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod world;

use domain::{
    BackupKind, Code, DestinationForm, DestinationId, RoundState, ServerForm, ServerId, TaskForm, TaskId,
    view::{
        people::AuditQuery,
        slot::{SlotLine, SlotOwner, SlotState},
    },
};
use std::time::{Duration, Instant};
use testkit::PostgresServer;
use world::{Console, World, assert_state, of, refused};

fn postgres() -> PostgresServer {
    let postgres = PostgresServer::builder().conf("wal_level = logical").start().unwrap();
    postgres.create_database("shop").unwrap();
    postgres.psql("shop", "CREATE TABLE t (id int PRIMARY KEY, x text); INSERT INTO t VALUES (1, 'a')").unwrap();
    postgres
}

/// A console with the server, and a task over one database that has its first backup.
async fn followed(world: &World, postgres: &PostgresServer, most_held: &str) -> (Console, ServerId, ServerForm, DestinationId, TaskId) {
    let console = world.start().await;
    let (server, form) = console.add_postgres("db", postgres, most_held).await;
    let root = world.path("root").display().to_string();
    let destination = DestinationForm { name: "vault".into(), root, note: String::new() };
    let destination = console.control.add_destination(&console.permit, &destination).await.unwrap();
    let task = console.add_task("nightly", server, destination, "postgres\ntemplate1").await;
    assert_eq!(backed_up(&console, task).await, (BackupKind::Full, "There is no full backup yet.".to_owned()));
    (console, server, form, destination, task)
}

/// Kind and reason of an incremental that was asked for.
async fn backed_up(console: &Console, task: TaskId) -> (BackupKind, String) {
    let round = console.back_up_changes(task).await;
    assert_state(&round, RoundState::Succeeded);
    let run = of(&round, "shop");
    let kind = if run.label.as_ref().unwrap().contains("full") { BackupKind::Full } else { BackupKind::Incremental };
    (kind, run.reason.clone().unwrap_or_default())
}

async fn slots(console: &Console, server: ServerId) -> Vec<SlotLine> {
    let view = console.control.slots(&console.permit, server).await.unwrap();
    assert_eq!(view.error, None);
    view.slots
}

/// Lets so many segments of 16 MiB of log pass.
fn write_log(postgres: &PostgresServer, segments: u32) {
    for _ in 0..segments {
        postgres.psql("shop", "INSERT INTO t SELECT max(id) + 1, 'more' FROM t; SELECT pg_switch_wal()").unwrap();
    }
}

async fn until_gone(console: &Console, server: ServerId) {
    let began = Instant::now();
    while !slots(console, server).await.is_empty() {
        assert!(began.elapsed() < Duration::from_secs(60), "the slot stays");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn audited(console: &Console) -> Vec<(String, String)> {
    let query = AuditQuery { filter: "slot dropped".into(), ..AuditQuery::default() };
    let page = console.control.audit(&console.permit, &query).await.unwrap();
    page.items.into_iter().map(|line| (line.actor, line.detail)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_is_shown_and_given_up_over_the_limit_and_the_next_backup_says_so() {
    let (world, postgres) = (World::new(), postgres());
    let (console, server, form, _, task) = followed(&world, &postgres, "").await;
    let shown = slots(&console, server).await;
    assert_eq!(shown.len(), 1, "{shown:?}");
    assert_eq!((shown[0].database.as_str(), shown[0].state), ("shop", SlotState::Reserved));
    assert_eq!(shown[0].owner, SlotOwner::Task { id: task, name: "nightly".into() });
    assert!(shown[0].last_read.is_some() && shown[0].held_bytes < 64 << 20, "{shown:?}");
    write_log(&postgres, 6);
    let held = slots(&console, server).await[0].held_bytes;
    assert!(held > 80 << 20 && !slots(&console, server).await[0].is_near(4 << 30), "{held}");

    // Wrong limits are told at their field, and of two edits the second is refused with what the first set.
    let limited = |most_held: &str| ServerForm { most_held: most_held.into(), ..form.clone() };
    let wrong = refused(console.control.change_server(&console.permit, server, 1, &limited("5")).await);
    assert!(wrong.told().field("most_held").unwrap().contains("from 64 MiB to 64 TiB"), "{wrong:?}");
    console.control.change_server(&console.permit, server, 1, &limited("64 MiB")).await.unwrap();
    let late = refused(console.control.change_server(&console.permit, server, 1, &limited("1 GiB")).await);
    assert_eq!((late.code(), late.told().field("most_held")), (Code::Conflict, Some("It is now: 64 MiB")));

    until_gone(&console, server).await;
    let (kind, reason) = backed_up(&console, task).await;
    assert_eq!(kind, BackupKind::Full, "{reason}");
    assert!(reason.contains("more than the limit of 64 MiB: it was dropped"), "{reason}");
    let audited = audited(&console).await;
    assert!(audited.len() == 1 && audited[0].0 == "console" && audited[0].1.contains("64 MiB"), "{audited:?}");
    // It was told once.
    write_log(&postgres, 1);
    assert_eq!(backed_up(&console, task).await, (BackupKind::Incremental, "An incremental backup was asked for.".to_owned()));
    assert_eq!(console.control.slots(&console.permit, server).await.unwrap().limit_bytes, 64 << 20);
    console.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_backup_ends_the_chain_before_it_and_both_are_listed() {
    let (world, postgres) = (World::new(), postgres());
    let (console, server, _, destination, task) = followed(&world, &postgres, "").await;
    let (form, version) = console.control.task_form(&console.permit, task).await.unwrap();
    let form = TaskForm { incremental: world::far_off(), ..form };
    console.control.change_task(&console.permit, task, version, &form).await.unwrap();
    postgres.psql("shop", "INSERT INTO t VALUES (2, 'b')").unwrap();
    let id = console.control.back_up_now(&console.permit, task, None, Some(BackupKind::Full)).await.unwrap();
    let round = console.round_ended(id).await;
    assert_state(&round, RoundState::Succeeded);
    let run = of(&round, "shop");
    assert!(run.label.as_ref().unwrap().contains("full"), "{run:?}");
    let notes = console.control.run(&console.permit, run.id).await.unwrap().notes;
    assert!(notes.iter().any(|note| note.contains("was made first")), "{notes:?}");
    // Without a reading of the repository in between.
    let known = world.catalog().await.backups_of(destination, Some("shop")).await.unwrap();
    let kinds: Vec<_> = known.iter().map(|backup| backup.label.kind()).collect();
    assert_eq!(kinds, [BackupKind::Full, BackupKind::Incremental, BackupKind::Full], "{known:?}");
    assert_eq!(known[1].folder, known[2].folder);
    let folder = console.control.folder(&console.permit, destination, "shop").await.unwrap();
    assert_eq!(folder.chains.iter().map(|chain| chain.points.len()).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(slots(&console, server).await.len(), 1);
    console.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_is_dropped_by_hand_and_the_next_backup_says_so() {
    let (world, postgres) = (World::new(), postgres());
    let (console, server, _, _, task) = followed(&world, &postgres, "1 GiB").await;
    let name = slots(&console, server).await[0].name.clone();
    let drop_it = async |name: &str, typed: &str| console.control.drop_slot(&console.permit, server, name, typed).await;
    assert!(refused(drop_it(&name, "nightly").await).told().field("typed_name").is_some());
    drop_it(&name, "shop").await.unwrap();
    assert_eq!(slots(&console, server).await, []);
    assert_eq!(refused(drop_it(&name, "shop").await).code(), Code::NotFound);
    assert_eq!(backed_up(&console, task).await, (BackupKind::Full, "Its replication slot was dropped by ana.".to_owned()));
    write_log(&postgres, 1);
    assert_eq!(backed_up(&console, task).await.0, BackupKind::Incremental);
    let audited = audited(&console).await;
    assert!(audited.len() == 1 && audited[0].0 == "ana" && audited[0].1.starts_with(&name), "{audited:?}");

    // Dropped behind our back, that is told as well.
    let name = slots(&console, server).await[0].name.clone();
    postgres.psql("shop", &format!("SELECT pg_drop_replication_slot('{name}')")).unwrap();
    let (kind, reason) = backed_up(&console, task).await;
    assert!(kind == BackupKind::Full && reason == format!("The replication slot {name} is gone."), "{reason}");
    console.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn slots_of_others_are_shown_and_left_alone_and_strays_go_over_the_limit() {
    let (world, postgres) = (World::new(), postgres());
    let (console, server, form, _, task) = followed(&world, &postgres, "").await;
    let own: String = world.fingerprint().chars().filter(char::is_ascii_hexdigit).take(8).collect();
    let (stray, other) = (format!("rookery_{own}_000000000000_1"), "rookery_ffff0000_000000000000_1");
    for name in [stray.as_str(), other, "somebody_elses"] {
        postgres.psql("shop", &format!("SELECT pg_create_logical_replication_slot('{name}', 'test_decoding')")).unwrap();
    }
    let owner = async |name: &str| slots(&console, server).await.into_iter().find(|slot| slot.name == name).map(|slot| slot.owner);
    assert_eq!(owner(&stray).await, Some(SlotOwner::Unknown));
    assert_eq!((owner(other).await, owner("somebody_elses").await), (Some(SlotOwner::Other), None));
    let refused_at = refused(console.control.drop_slot(&console.permit, server, other, "shop").await);
    assert_eq!(refused_at.code(), Code::Forbidden);
    let unknown = refused(console.control.drop_slot(&console.permit, server, "somebody_elses", "shop").await);
    assert_eq!(unknown.code(), Code::NotFound);

    // While its task is paused, nobody reads from the third one. All keep the same log, and only ours go.
    console.control.enable_task(&console.permit, task, false).await.unwrap();
    assert_eq!(slots(&console, server).await.len(), 3);
    write_log(&postgres, 6);
    console.control.change_server(&console.permit, server, 1, &ServerForm { most_held: "64 MiB".into(), ..form }).await.unwrap();
    let began = Instant::now();
    while slots(&console, server).await.len() > 1 {
        assert!(began.elapsed() < Duration::from_secs(60), "{:?}", slots(&console, server).await);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(owner(other).await, Some(SlotOwner::Other));
    assert_eq!(audited(&console).await.len(), 2);
    console.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_does_not_answer_is_an_answer_of_the_page() {
    let (world, mut postgres) = (World::new(), postgres());
    let (console, server, ..) = followed(&world, &postgres, "").await;
    postgres.stop().unwrap();
    let view = console.control.slots(&console.permit, server).await.unwrap();
    assert!(view.slots.is_empty() && view.error.is_some_and(|told| told.code == Code::Unreachable));
    console.stop().await;
}
