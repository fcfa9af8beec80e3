//! Retention of tasks over real folders: what goes, and what stays whatever the rule.

#![allow(clippy::unwrap_used, reason = "tests")]

mod world;

use catalog::RunRecord;
use control::{Control, Wanted};
use domain::{
    Code, DestinationId, RestoreForm, RoundState, RunId, RunState, TaskForm, TaskId,
    view::{
        download::{DownloadPart, DownloadQuery},
        people::AuditQuery,
        retention::RetentionView,
    },
};
use jiff::Timestamp;
use std::{
    fs,
    time::{Duration, Instant},
};
use uuid::Uuid;
use world::{Console, World, assert_state, audit, refused};

/// A console at work with a task over one database, and so many backups of it.
async fn with_backups(world: &World, count: usize) -> (Console, DestinationId, TaskId) {
    world.make("shop.db");
    let console = world.start().await;
    let (_, destination, task) = world.task(&console, "1").await;
    for _ in 0..count {
        assert_state(&console.back_up(task).await, RoundState::Succeeded);
    }
    // While it is paused, nothing goes by itself.
    pause(&console, task, true).await;
    (console, destination, task)
}

async fn pause(console: &Console, task: TaskId, paused: bool) {
    console.control.enable_task(&console.permit, task, !paused).await.unwrap();
}

async fn keep(console: &Console, task: TaskId, how: &str) {
    console.control.confirm_password(&console.permit, "correct horse").await.unwrap();
    let (mut form, version) = console.control.task_form(&console.permit, task).await.unwrap();
    form.keep_how = "all".into();
    if how != "all" {
        form = form.keeping(Some(&how.parse().unwrap()));
    }
    console.control.change_task(&console.permit, task, version, &form).await.unwrap();
}

/// Folders of the chains that lie under the root, oldest first.
fn chains(world: &World) -> Vec<String> {
    let Ok(entries) = fs::read_dir(world.path("root/shop.db")) else { return vec![] };
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Changes one bit of the first archive of a chain.
fn damage(world: &World, chain: &str) {
    let files = fs::read_dir(world.path("root/shop.db").join(chain)).unwrap().map(|entry| entry.unwrap().path());
    let archive = files.filter(|path| path.extension().is_some_and(|it| it == "zip")).min().unwrap();
    let mut bytes = fs::read(&archive).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&archive, bytes).unwrap();
}

async fn eventually(what: &str, is: impl Fn() -> bool) {
    let began = Instant::now();
    while !is() {
        assert!(began.elapsed() < Duration::from_secs(60), "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn plan(console: &Console, task: TaskId) -> RetentionView {
    console.control.retention_plan(&console.permit, task).await.unwrap()
}

async fn audit_of(control: &Control, console: &Console, action: &str) -> Vec<String> {
    let page = control.audit(&console.permit, &AuditQuery { filter: action.into(), ..AuditQuery::default() }).await.unwrap();
    page.items.into_iter().map(|line| line.detail).collect()
}

#[tokio::test]
async fn after_a_backup_goes_what_no_rule_keeps_and_history_tells_of_it() {
    let world = World::new();
    let (console, destination, task) = with_backups(&world, 3).await;
    keep(&console, task, "count=2").await;
    let before = chains(&world);
    pause(&console, task, false).await;
    let round = console.back_up(task).await;
    eventually("two chains are left", || chains(&world).len() == 2).await;
    assert!(chains(&world)[0] == before[2], "the newest stay");

    let control = &console.control;
    let began = Instant::now();
    let state = loop {
        let state = control.task(&console.permit, task).await.unwrap().retention;
        if state.expired.len() == 2 && state.expired.iter().all(|line| line.error.is_none()) {
            break state;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "{state:#?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!(state.rule.as_deref(), Some("The 2 newest chains."));
    assert!(state.expired.iter().all(|line| line.database == "shop.db" && line.size_bytes > 0 && line.actor == "console"));
    let told = audit_of(control, &console, "chain expires").await;
    assert!(told.len() == 2 && told.iter().all(|line| line.contains("No rule keeps it.")), "{told:?}");
    let folder = control.folder(&console.permit, destination, "shop.db").await.unwrap();
    assert_eq!(folder.chains.len(), 2, "the catalog follows");
    let log =
        console.round_when(round.line.id, "told", |round| round.log.iter().any(|line| line.text.contains("Retention: 2 chains"))).await;
    assert!(!log.log.is_empty());
    console.stop().await;
}

#[tokio::test]
async fn what_was_shown_goes_and_nothing_else() {
    let world = World::new();
    let (console, _, task) = with_backups(&world, 3).await;
    let control = &console.control;
    let unasked = plan(&console, task).await;
    assert_eq!((unasked.go, unasked.stay, unasked.rule), (0, 3, None), "without a rule all stay");
    keep(&console, task, "count=1").await;
    let shown = plan(&console, task).await;
    assert_eq!((shown.go, shown.stay, shown.total, shown.databases[0].go), (2, 1, 1, 2));
    assert!(shown.freed_bytes > 0 && shown.databases[0].chains[0].keep && !shown.databases[0].chains[2].keep);
    let old = refused(control.apply_retention(&console.permit, task, &unasked.seen).await);
    assert_eq!((old.code(), chains(&world).len()), (Code::Conflict, 3));
    let freed = control.apply_retention(&console.permit, task, &shown.seen).await.unwrap();
    assert_eq!((freed.chains, freed.size_bytes, chains(&world).len()), (2, shown.freed_bytes, 1));
    assert_eq!(audit_of(control, &console, "retention applied").await.len(), 1);
    console.stop().await;
}

#[tokio::test]
async fn a_place_that_cannot_be_read_loses_nothing_and_says_so() {
    let world = World::new();
    let (console, _, task) = with_backups(&world, 3).await;
    keep(&console, task, "count=1").await;
    let shown = plan(&console, task).await;
    fs::rename(world.path("root"), world.path("away")).unwrap();
    fs::create_dir(world.path("root")).unwrap();
    let error = refused(console.control.apply_retention(&console.permit, task, &shown.seen).await);
    assert_eq!(error.code(), Code::RootUnusable);
    assert!(plan(&console, task).await.error.is_some());
    fs::remove_dir(world.path("root")).unwrap();
    fs::rename(world.path("away"), world.path("root")).unwrap();
    assert_eq!(chains(&world).len(), 3);
    console.stop().await;
}

#[tokio::test]
async fn a_held_chain_stays_until_it_is_released() {
    let world = World::new();
    let (console, destination, task) = with_backups(&world, 3).await;
    let control = &console.control;
    let folder = format!("shop.db/{}", chains(&world)[0]);
    control.hold_chain(&console.permit, destination, &folder, " For the auditor ").await.unwrap();
    let view = control.folder(&console.permit, destination, "shop.db").await.unwrap();
    let held = view.chains.iter().find(|chain| chain.folder == folder).unwrap().held.clone().unwrap();
    assert_eq!((held.by.as_str(), held.note.as_str()), ("ana", "For the auditor"));
    keep(&console, task, "count=1").await;
    let shown = plan(&console, task).await;
    assert_eq!((shown.go, shown.stay), (1, 2));
    assert_eq!(shown.databases[0].chains[2].reason, "ana holds it: For the auditor");
    control.apply_retention(&console.permit, task, &shown.seen).await.unwrap();
    assert_eq!(chains(&world).len(), 2);
    control.release_chain(&console.permit, destination, &folder).await.unwrap();
    let shown = plan(&console, task).await;
    assert_eq!(shown.go, 1);
    control.apply_retention(&console.permit, task, &shown.seen).await.unwrap();
    assert_eq!(chains(&world).len(), 1);
    assert_eq!(refused(control.hold_chain(&console.permit, destination, &folder, "").await).code(), Code::NotFound);
    console.stop().await;
}

#[tokio::test]
async fn a_chain_stays_while_something_of_it_is_downloaded() {
    let world = World::new();
    let (console, destination, task) = with_backups(&world, 2).await;
    let control = &console.control;
    let folder = format!("shop.db/{}", chains(&world)[0]);
    let view = control.folder(&console.permit, destination, "shop.db").await.unwrap();
    let point = view.chains.iter().find(|chain| chain.folder == folder).unwrap().points[0].label.to_string();
    let asked = DownloadQuery { database: "shop.db".into(), folder, point, part: DownloadPart::Archive };
    let download = control.download(&console.permit, destination, &asked, &Wanted::default()).await.unwrap();
    keep(&console, task, "count=1").await;
    let shown = plan(&console, task).await;
    assert_eq!((shown.go, shown.databases[0].chains[1].reason.as_str()), (0, "It is being downloaded."));
    let sent: Vec<_> = futures::StreamExt::collect::<Vec<_>>(download.body).await;
    let bytes: usize = sent.into_iter().map(|piece| piece.unwrap().len()).sum();
    assert_eq!(bytes as u64, download.size_bytes);
    // Whoever left half of it behind holds nothing either.
    drop(control.download(&console.permit, destination, &asked, &Wanted::default()).await.unwrap());
    let shown = plan(&console, task).await;
    assert_eq!(shown.go, 1);
    control.apply_retention(&console.permit, task, &shown.seen).await.unwrap();
    assert_eq!(chains(&world).len(), 1);
    let gone = refused(control.download(&console.permit, destination, &asked, &Wanted::default()).await);
    assert_eq!(gone.code(), Code::NotFound);
    console.stop().await;
}

#[tokio::test]
async fn the_safest_of_several_tasks_wins() {
    let world = World::new();
    let (console, destination, task) = with_backups(&world, 4).await;
    keep(&console, task, "count=1").await;
    assert_eq!(plan(&console, task).await.go, 3);
    let server: domain::ServerId = console.control.task_form(&console.permit, task).await.unwrap().0.servers.parse().unwrap();
    let other = console.add_task("second", server, destination, "").await;
    pause(&console, other, true).await;
    let shown = plan(&console, task).await;
    assert_eq!((shown.go, shown.others), (0, vec!["second".to_owned()]), "a task without a rule keeps everything");
    assert_eq!(shown.databases[0].chains[3].reason, "The task \"second\" keeps it. It keeps everything.");
    keep(&console, other, "count=3").await;
    assert_eq!(plan(&console, task).await.go, 1);
    // A task that is only being written has its word in its preview.
    let form = TaskForm {
        name: "fourth".into(),
        servers: server.to_string(),
        destination: destination.to_string(),
        keep_how: "own".into(),
        keep_count: "2".into(),
        ..TaskForm::default()
    };
    let preview = async |form: &TaskForm| console.control.preview_retention(&console.permit, None, form).await.unwrap();
    let shown = preview(&form).await.unwrap();
    assert_eq!((shown.go, shown.stay, shown.others), (1, 3, vec!["nightly".to_owned(), "second".to_owned()]));
    assert_eq!(shown.rule.as_deref(), Some("The 2 newest chains."));
    assert_eq!(preview(&TaskForm { destination: String::new(), ..form.clone() }).await, None);
    assert_eq!(preview(&TaskForm { keep_count: "x".into(), ..form.clone() }).await, None);
    // Of the one that is changed, only the form counts.
    let changed = console.control.preview_retention(&console.permit, Some(other), &form).await.unwrap().unwrap();
    assert_eq!((changed.go, changed.others), (2, vec!["nightly".to_owned()]));
    // One that does not cover the database has no word about it.
    let elsewhere = console.add_task("third", server, destination, "shop.db").await;
    assert_eq!(plan(&console, task).await.go, 1);
    assert_eq!(plan(&console, elsewhere).await.total, 0);
    console.stop().await;
}

#[tokio::test]
async fn nothing_goes_while_newer_backups_fail() {
    let world = World::new();
    let (console, _, task) = with_backups(&world, 3).await;
    fs::remove_file(world.db("shop.db")).unwrap();
    world.make_broken("shop.db");
    assert_state(&console.back_up(task).await, RoundState::Failed);
    keep(&console, task, "count=1").await;
    let shown = plan(&console, task).await;
    assert_eq!(shown.go, 0, "{shown:#?}");
    assert!(shown.databases[0].chains[2].reason.contains("The newest run did not succeed"), "{shown:#?}");
    fs::remove_file(world.db("shop.db")).unwrap();
    world.make("shop.db");
    pause(&console, task, false).await;
    assert_state(&console.back_up(task).await, RoundState::Succeeded);
    eventually("one chain is left", || chains(&world).len() == 1).await;
    console.stop().await;
}

#[tokio::test]
async fn nothing_goes_after_a_backup_that_failed_while_the_next_one_waits() {
    let world = World::new();
    let (console, _, task) = with_backups(&world, 3).await;
    fs::remove_file(world.db("shop.db")).unwrap();
    world.make_broken("shop.db");
    let failed = console.back_up(task).await.line.id;
    keep(&console, task, "count=1").await;
    console.stop().await;
    // One that does nothing by itself: what is queued stays queued.
    let console = world.open().await;
    let catalog = world.catalog().await;
    let stays = async |when: &str| {
        let shown = plan(&console, task).await;
        assert!(shown.go == 0 && shown.databases[0].chains[2].reason.contains("The newest run did not succeed"), "{when}: {shown:#?}");
    };
    // The run of another task over the database waits, and is put off.
    let run = catalog.runs_of_round(failed).await.unwrap().remove(0);
    let (id, now) = (RunId::new(Uuid::now_v7()), Timestamp::now());
    let waiting = RunRecord { id, round: None, state: RunState::Queued, queued_at: now, ended_at: None, error: None, ..run.clone() };
    catalog.insert_runs(&[waiting], &audit()).await.unwrap();
    stays("another waits").await;
    console.control.delay_run(&console.permit, id, 7 * 24 * 60).await.unwrap();
    stays("another is put off").await;
    // The one that failed is tried again, and put off.
    console.control.retry_failed(&console.permit, failed).await.unwrap();
    stays("it is tried again").await;
    console.control.delay_round(&console.permit, failed, 7 * 24 * 60).await.unwrap();
    let run = catalog.run(run.id).await.unwrap();
    assert_eq!((run.state, run.retry_at.is_some()), (RunState::Queued, true));
    stays("it is put off").await;
}

#[tokio::test]
async fn nothing_goes_while_the_newest_backup_does_not_hold() {
    let world = World::new();
    let (console, destination, task) = with_backups(&world, 3).await;
    damage(&world, &chains(&world)[2]);
    let label = console.control.folder(&console.permit, destination, "shop.db").await.unwrap().chains[0].points[0].label.to_string();
    let run = console.control.verify_now(&console.permit, destination, "shop.db", &label, None, None).await.unwrap();
    assert_eq!(console.run_ended(run).await.line.state, RunState::Failed);
    keep(&console, task, "count=1").await;
    let shown = plan(&console, task).await;
    assert_eq!(shown.go, 0, "{shown:#?}");
    assert!(shown.databases[0].chains[2].reason.starts_with("The newest backup cannot be used"), "{shown:#?}");
    // With a new good one, the damaged one goes with the rest.
    pause(&console, task, false).await;
    assert_state(&console.back_up(task).await, RoundState::Succeeded);
    eventually("one chain is left", || chains(&world).len() == 1).await;
    console.stop().await;
}

#[tokio::test]
async fn a_chain_whose_verification_failed_takes_no_more_incrementals() {
    let world = World::new();
    let (console, destination, task) = with_backups(&world, 0).await;
    let change = || world.insert("shop.db");
    let full = console.back_up_changes(task).await.runs[0].label.clone().unwrap();
    change();
    let round = console.back_up_changes(task).await;
    assert_eq!(round.runs[0].reason.as_deref(), Some("An incremental backup was asked for."));
    damage(&world, &chains(&world)[0]);
    let run = console.control.verify_now(&console.permit, destination, "shop.db", &full, None, None).await.unwrap();
    let run = console.run_ended(run).await;
    assert_eq!(run.line.state, RunState::Failed, "{run:?}");
    change();
    let round = console.back_up_changes(task).await;
    assert_state(&round, RoundState::Succeeded);
    let reason = round.runs[0].reason.clone().unwrap();
    assert!(reason.starts_with("A verification of its chain failed: "), "{reason}");
    // The new chain goes on.
    change();
    assert_eq!(console.back_up_changes(task).await.runs[0].reason.as_deref(), Some("An incremental backup was asked for."));
    assert_eq!(chains(&world).len(), 2);
    console.stop().await;
}

#[tokio::test]
async fn the_newest_is_read_back_before_others_go_for_it() {
    let world = World::new();
    let (console, destination, task) = with_backups(&world, 3).await;
    damage(&world, &chains(&world)[2]);
    keep(&console, task, "count=1").await;
    let shown = plan(&console, task).await;
    assert_eq!(shown.go, 2, "nobody has seen it yet");
    // It was read back when it was made, and that is long ago.
    let catalog = world.catalog().await;
    for backup in catalog.backups_of(destination, None).await.unwrap() {
        catalog.set_checked(destination, &backup.folder, backup.label, "2020-01-01T00:00:00Z".parse().unwrap()).await.unwrap();
    }
    let error = refused(console.control.apply_retention(&console.permit, task, &shown.seen).await);
    assert!(error.to_string().contains("does not hold, so nothing is deleted"), "{error}");
    assert_eq!(chains(&world).len(), 3);
    // That is known from now on.
    let view = console.control.folder(&console.permit, destination, "shop.db").await.unwrap();
    assert!(view.chains[0].points[0].fault.is_some() && view.chains[1].points[0].fault.is_none());
    assert_eq!(plan(&console, task).await.go, 0);
    console.stop().await;
}

#[tokio::test]
async fn what_was_read_back_and_holds_is_not_read_again_at_the_next_look() {
    let world = World::new();
    let (console, destination, task) = with_backups(&world, 2).await;
    keep(&console, task, "count=1").await;
    let (shown, catalog) = (plan(&console, task).await, world.catalog().await);
    let long_ago: Timestamp = "2020-01-01T00:00:00Z".parse().unwrap();
    for backup in catalog.backups_of(destination, None).await.unwrap() {
        catalog.set_checked(destination, &backup.folder, backup.label, long_ago).await.unwrap();
    }
    console.control.apply_retention(&console.permit, task, &shown.seen).await.unwrap();
    let left = catalog.backups_of(destination, None).await.unwrap();
    assert!(left.len() == 1 && left[0].checked_at > long_ago, "{left:?}");
    console.stop().await;
}

#[tokio::test]
async fn a_restore_that_waits_holds_its_chain() {
    let world = World::new();
    let (console, destination, task) = with_backups(&world, 3).await;
    let view = console.control.folder(&console.permit, destination, "shop.db").await.unwrap();
    let oldest = view.chains[2].points[0].label.to_string();
    console.stop().await;
    // One that does nothing by itself: what is queued stays queued.
    let console = world.open().await;
    let server: domain::ServerId = console.control.task_form(&console.permit, task).await.unwrap().0.servers.parse().unwrap();
    let form = RestoreForm {
        destination: destination.to_string(),
        database: "shop.db".into(),
        point: oldest,
        server: server.to_string(),
        name: "back.db".into(),
        ..RestoreForm::default()
    };
    console.control.restore(&console.permit, &form, None).await.unwrap();
    keep(&console, task, "count=1").await;
    let shown = plan(&console, task).await;
    assert_eq!((shown.go, shown.stay), (1, 2), "{shown:#?}");
    assert_eq!(shown.databases[0].chains[2].reason, "A restore that waits or works reads it.");
    console.control.apply_retention(&console.permit, task, &shown.seen).await.unwrap();
    assert_eq!(chains(&world).len(), 2);
}

#[tokio::test]
async fn a_backup_that_is_far_too_small_is_told_and_nothing_goes_for_it() {
    let world = World::new();
    let (console, destination, task) = with_backups(&world, 2).await;
    let connection = rusqlite::Connection::open(world.db("shop.db")).unwrap();
    connection.execute_batch("DELETE FROM t WHERE id > 1").unwrap();
    drop(connection);
    assert_state(&console.back_up(task).await, RoundState::Succeeded);
    keep(&console, task, "count=1").await;
    let shown = plan(&console, task).await;
    assert_eq!(shown.go, 0, "{shown:#?}");
    assert!(shown.databases[0].chains[2].reason.contains("suspicious"), "{shown:#?}");
    let view = console.control.folder(&console.permit, destination, "shop.db").await.unwrap();
    let suspicion = view.chains[0].points[0].suspicion.clone().unwrap();
    assert_eq!(suspicion, "It has far fewer rows than those before it: 1 where 3 are usual.");
    assert!(view.chains[1].points[0].suspicion.is_none());
    let troubles = console.control.overview(&console.permit).await.unwrap().troubles;
    assert!(matches!(troubles.as_slice(), [domain::view::overview::Trouble::Suspicious { database, .. }] if database == "shop.db"));
    console.stop().await;
}
