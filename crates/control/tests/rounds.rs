//! Rounds of real SQLite folders, from the button to the backups.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod world;

use domain::{
    BackupKind, Code, DestinationForm, Origin, Protection, RoundState, RunState,
    view::{overview::Trouble, run::RunQuery},
};
use std::{fs, time::Duration};
use world::{World, assert_state, audit, of, refused};

#[tokio::test(flavor = "multi_thread")]
async fn one_database_that_fails_stops_no_other() {
    let world = World::new();
    world.make("shop.db");
    world.make("team/blog.db");
    world.make_broken("broken.db");
    let console = world.start().await;
    let (server, destination, task) = world.task(&console, "").await;
    let round = console.back_up(task).await;
    assert_state(&round, RoundState::Partly);
    assert_eq!((round.line.runs, round.line.succeeded, round.line.failed), (3, 2, 1));
    assert_eq!((round.line.origin, round.line.started_by.as_deref()), (Origin::User, Some("ana")));
    assert!(round.line.stored_bytes > 0 && round.line.ended_at.is_some() && round.line.server_names() == ["apps"]);

    let good = of(&round, "shop.db");
    assert_eq!((good.state, good.rows, good.attempt), (RunState::Succeeded, Some(3), 1));
    assert!(good.label.is_some() && good.reason.is_some() && good.began_at <= good.ended_at);
    let bad = &round.runs[0];
    assert_eq!((bad.database.as_str(), bad.state), ("broken.db", RunState::Failed), "what went wrong comes first");
    let told = bad.error.clone().unwrap();
    assert!(!told.sentence.is_empty() && !told.next_step.is_empty(), "{told:?}");
    assert!(round.log.iter().any(|line| line.bad && line.database == "broken.db"));
    console.round_when(round.line.id, "told", |round| round.log.iter().any(|line| line.text.contains("2 of 3"))).await;

    let root = console.control.root(&console.permit, destination, &Default::default()).await.unwrap();
    let folders: Vec<_> = root.folders.items.iter().map(|folder| (folder.database.as_str(), folder.points)).collect();
    assert_eq!(folders, [("shop.db", 1), ("team/blog.db", 1)]);
    let folder = console.control.folder(&console.permit, destination, "shop.db").await.unwrap();
    assert_eq!(folder.chains[0].points[0].task.as_deref(), Some("nightly"));
    assert_eq!(folder.chains[0].points[0].label.to_string(), good.label.clone().unwrap());
    // What was backed up counts at once, without a reading of the repository.
    let databases = console.control.databases(&console.permit, server, &Default::default()).await.unwrap();
    assert_eq!(databases.items.iter().filter(|line| line.last_good.is_some()).count(), 2);
    console.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_database_is_in_the_next_round_and_one_that_is_left_out_is_in_none() {
    let world = World::new();
    world.make("shop.db");
    world.make("scratch.db");
    let console = world.start().await;
    let (server, destination, _) = world.task(&console, "").await;
    let task = console.add_task("most", server, destination, "scratch.db").await;
    let names = |round: &domain::view::run::RoundView| round.runs.iter().map(|run| run.database.clone()).collect::<Vec<_>>();
    assert_eq!(names(&console.back_up(task).await), ["shop.db"]);
    world.make("new.db");
    let round = console.back_up(task).await;
    assert_eq!(names(&round), ["new.db", "shop.db"]);
    assert_state(&round, RoundState::Succeeded);

    let one = console.control.back_up_now(&console.permit, task, Some("new.db".into()), None).await.unwrap();
    let one = console.round_ended(one).await;
    assert_eq!((names(&one), one.line.wanted, one.runs[0].wanted), (vec!["new.db".to_owned()], BackupKind::Full, Some(BackupKind::Full)));
    // Of either kind, whatever the task schedules.
    let kind = Some(BackupKind::Incremental);
    let one = console.control.back_up_now(&console.permit, task, Some("new.db".into()), kind).await.unwrap();
    let one = console.round_ended(one).await;
    assert_eq!((one.line.wanted, one.runs[0].wanted), (BackupKind::Incremental, kind));
    assert!(one.log.iter().any(|line| line.text.contains("incremental, for \"new.db\" alone")), "{:?}", one.log);
    let error = refused(console.control.back_up_now(&console.permit, task, Some("scratch.db".into()), None).await);
    assert!(error.told().field("database").is_some());
    let gone = console.control.back_up_now(&console.permit, task, Some("gone.db".into()), None).await.unwrap();
    let gone = console.round_ended(gone).await;
    assert_eq!((gone.line.state, gone.line.error.map(|told| told.code)), (RoundState::Failed, Some(Code::DatabaseGone)));
    console.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_that_wait_and_runs_that_work_can_be_stopped_and_tried_again() {
    let world = World::new();
    ["a.db", "b.db", "c.db"].iter().for_each(|name| world.make(name));
    let console = world.start().await;
    let (_, _, task) = world.task(&console, "1").await;
    let held = world.hold("a.db");
    let round = console.at_work(task).await;
    let id = round.line.id;
    let (a, b, c) = (of(&round, "a.db"), of(&round, "b.db"), of(&round, "c.db"));
    assert_eq!((a.state, b.state, c.state), (RunState::Running, RunState::Queued, RunState::Queued));
    assert!(a.progress.is_some());
    let waits = c.waits_for.clone().unwrap();
    assert!(waits.starts_with("Number 2 in line for this server"), "{waits}");

    let error = refused(console.control.back_up_now(&console.permit, task, Some("c.db".into()), None).await);
    assert_eq!((error.code(), error.told().field("round")), (Code::Busy, Some(id.to_string().as_str())));

    console.control.abort_run(&console.permit, b.id).await.unwrap();
    assert_eq!(console.run(b.id).await.line.state, RunState::Aborted);
    assert_eq!(refused(console.control.abort_run(&console.permit, b.id).await).code(), Code::Conflict);
    console.control.abort_run(&console.permit, a.id).await.unwrap();
    let round = console.round_ended(id).await;
    assert_state(&round, RoundState::Partly);
    assert_eq!([of(&round, "a.db").state, of(&round, "c.db").state], [RunState::Aborted, RunState::Succeeded]);
    assert!(console.run(a.id).await.log.iter().any(|line| line.text == "Stopped by ana."));

    drop(held);
    console.control.retry_failed(&console.permit, id).await.unwrap();
    let round = console.round_ended(id).await;
    assert_state(&round, RoundState::Succeeded);
    assert_eq!(refused(console.control.retry_failed(&console.permit, id).await).code(), Code::Conflict);
    console.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_round_can_be_stopped() {
    let world = World::new();
    ["a.db", "b.db", "c.db", "d.db"].iter().for_each(|name| world.make(name));
    let console = world.start().await;
    let (_, _, task) = world.task(&console, "2").await;
    let _held = [world.hold("a.db"), world.hold("b.db")];
    let id = console.control.back_up_now(&console.permit, task, None, None).await.unwrap();
    console.round_when(id, "at work", |round| round.runs.iter().filter(|run| run.state == RunState::Running).count() == 2).await;
    console.control.abort_round(&console.permit, id).await.unwrap();
    let round = console.round_ended(id).await;
    assert_state(&round, RoundState::Aborted);
    assert!(round.runs.iter().all(|run| run.state == RunState::Aborted && run.error.is_none()), "{round:#?}");
    assert_eq!(refused(console.control.abort_round(&console.permit, id).await).code(), Code::Conflict);
    let failed = RunQuery { only: "failed".into(), ..Default::default() };
    assert_eq!(console.control.rounds(&console.permit, &failed).await.unwrap().items[0].id, id);
    console.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_round_that_cannot_be_prepared_is_tried_again_and_can_be_stopped_while_it_waits() {
    let world = World::new();
    let console = world.start().await;
    let (_, destination, _) = world.task(&console, "").await;
    let closed = testkit::closed_port().unwrap();
    let form = domain::ServerForm {
        name: "away".into(),
        dbms: "postgresql".into(),
        host: "127.0.0.1".into(),
        port: closed.port().to_string(),
        tls: "disable".into(),
        ..Default::default()
    };
    let server = console.control.add_server(&console.permit, &form).await.unwrap();
    let task = console.add_task("away", server, destination, "").await;
    let id = console.control.back_up_now(&console.permit, task, None, None).await.unwrap();
    let waiting = console.round_when(id, "waiting", |round| round.line.error.is_some()).await;
    assert_eq!((waiting.line.state, waiting.line.runs), (RoundState::Preparing, 0));
    assert_eq!(waiting.line.error.map(|told| told.code), Some(Code::Unreachable));
    assert!(waiting.log.iter().any(|line| line.bad && line.text.starts_with("Attempt 1")), "{:?}", waiting.log);
    let error = refused(console.control.remove_server(&console.permit, server, "away").await);
    assert_eq!(error.code(), Code::Busy);

    console.control.abort_round(&console.permit, id).await.unwrap();
    assert_state(&console.round(id).await, RoundState::Aborted);
    console.control.retry_failed(&console.permit, id).await.unwrap();
    console.round_when(id, "waiting again", |round| round.line.state == RoundState::Preparing && round.line.error.is_some()).await;
    // Its task vanishes: there is nothing to be prepared any more.
    console.control.abort_round(&console.permit, id).await.unwrap();
    console.control.remove_task(&console.permit, task, "away").await.unwrap();
    assert_eq!(refused(console.control.retry_failed(&console.permit, id).await).code(), Code::Conflict);
    assert_state(&console.round(id).await, RoundState::Aborted);
    console.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_written_where_the_disk_of_the_backups_should_be() {
    let world = World::new();
    world.make("shop.db");
    let console = world.start().await;
    let (server, destination, task) = world.task(&console, "").await;
    assert_state(&console.back_up(task).await, RoundState::Succeeded);
    let last_good = async || console.control.databases(&console.permit, server, &Default::default()).await.unwrap().items[0].last_good;
    let first = last_good().await;

    // The disk is gone, and the empty folder that it was mounted on can be written to.
    fs::rename(world.path("root"), world.path("disk")).unwrap();
    fs::create_dir(world.path("root")).unwrap();
    let round = console.back_up(task).await;
    assert_state(&round, RoundState::Failed);
    let told = round.line.error.unwrap();
    assert_eq!(told.code, Code::RootUnusable);
    assert!(told.sentence.contains("Is its disk mounted?") && told.next_step.starts_with("Mount it"), "{told:?}");
    assert_eq!(fs::read_dir(world.path("root")).unwrap().count(), 0, "something was written into the mount point");
    // Neither is anything made anew where the mount point itself is missing.
    fs::remove_dir(world.path("root")).unwrap();
    assert_state(&console.back_up(task).await, RoundState::Failed);
    assert!(!world.path("root").exists());
    assert_eq!(refused(console.control.read_again(&console.permit, destination).await).code(), Code::RootUnusable);
    assert_eq!(last_good().await, first, "what is known of the backups was forgotten");
    let troubles = console.control.overview(&console.permit).await.unwrap().troubles;
    let is_round = |trouble: &Trouble| matches!(trouble, Trouble::Round { task_name, .. } if task_name == "nightly");
    assert!(troubles.iter().any(is_round), "{troubles:?}");

    fs::rename(world.path("disk"), world.path("root")).unwrap();
    assert_state(&console.back_up(task).await, RoundState::Succeeded);
    assert!(last_good().await > first);
    let root = console.control.root(&console.permit, destination, &Default::default()).await.unwrap();
    assert_eq!(root.folders.items[0].points, 2);
    let troubles = console.control.overview(&console.permit).await.unwrap().troubles;
    assert!(!troubles.iter().any(is_round), "{troubles:?}");
    console.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destination_that_moves_begins_anew_and_leaves_the_old_place_alone() {
    let world = World::new();
    world.make("shop.db");
    let console = world.start().await;
    let (server, destination, task) = world.task(&console, "").await;
    console.back_up(task).await;
    let line = async || console.control.databases(&console.permit, server, &Default::default()).await.unwrap().items.remove(0);
    assert_eq!((line().await.protection, line().await.restore_points), (Protection::Protected, 1));
    let form = |root: &str| DestinationForm { name: "vault".into(), root: world.path(root).display().to_string(), note: String::new() };
    let change = async |version, root: &str| console.control.change_destination(&console.permit, destination, version, &form(root)).await;

    let held = world.hold("shop.db");
    let under_way = console.at_work(task).await.line.id;
    let error = refused(change(1, "moved").await);
    assert!(error.code() == Code::Busy && error.told().field("root").is_some(), "{error:?}");
    drop(held);
    console.round_ended(under_way).await;

    change(1, "moved").await.unwrap();
    assert_eq!((line().await.protection, line().await.restore_points), (Protection::Never, 0));
    assert_state(&console.back_up(task).await, RoundState::Succeeded);
    console.control.read_again(&console.permit, destination).await.unwrap();
    assert_eq!((line().await.protection, line().await.restore_points), (Protection::Protected, 1));
    // What lies at the old place counts again when the destination is back there.
    change(2, "root").await.unwrap();
    console.control.read_again(&console.permit, destination).await.unwrap();
    assert_eq!(line().await.restore_points, 2);
    console.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_whose_databases_are_all_gone_needs_attention() {
    let world = World::new();
    world.make("shop.db");
    let console = world.start().await;
    let (_, _, task) = world.task(&console, "").await;
    console.back_up(task).await;
    fs::remove_file(world.db("shop.db")).unwrap();
    let id = console.control.back_up_now(&console.permit, task, None, None).await.unwrap();
    assert_state(&console.round_ended(id).await, RoundState::Failed);
    let overview = async || console.control.overview(&console.permit).await.unwrap();
    let Trouble::Round { id: told, server_name, error, .. } = overview().await.troubles.remove(0) else { panic!("no round") };
    assert_eq!((told, server_name.as_str(), error.code), (id, "apps", Code::NoDatabases));
    // Nobody waits for a task that is disabled.
    console.control.enable_task(&console.permit, task, false).await.unwrap();
    assert!(overview().await.troubles.is_empty());
    console.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_is_disabled_lets_its_round_end_and_one_with_a_round_is_not_removed() {
    let world = World::new();
    ["a.db", "b.db"].iter().for_each(|name| world.make(name));
    let console = world.start().await;
    let (server, _, task) = world.task(&console, "1").await;
    let held = world.hold("a.db");
    let id = console.at_work(task).await.line.id;
    console.control.enable_task(&console.permit, task, false).await.unwrap();
    assert_eq!(refused(console.control.remove_task(&console.permit, task, "nightly").await).code(), Code::Busy);
    // Even if it vanishes at that moment, its round and runs hold all that they need.
    let catalog = world.catalog().await;
    catalog.delete_task(task, &audit()).await.unwrap();
    assert_eq!(refused(console.control.remove_server(&console.permit, server, "apps").await).code(), Code::Busy);
    drop(held);
    let round = console.round_ended(id).await;
    assert_state(&round, RoundState::Succeeded);
    assert_eq!((round.line.task, round.line.task_name.as_str()), (None, "nightly"));
    console.control.remove_server(&console.permit, server, "apps").await.unwrap();
    assert_eq!(refused(console.control.round(&console.permit, id).await).code(), Code::NotFound);
    console.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_console_does_not_work_with_the_same_data() {
    let world = World::new();
    let first = world.start().await;
    let second = world.open().await;
    let error = refused(second.control.start().await);
    assert_eq!(error.code(), Code::Busy);
    assert!(error.to_string().contains("Another console"), "{error}");
    first.stop().await;
    second.control.start().await.unwrap();
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_and_background_tell_how_the_console_is() {
    let world = World::new();
    world.make("shop.db");
    let console = world.start().await;
    let (_, _, task) = world.task(&console, "").await;
    console.back_up(task).await;
    console.control.ready().await.unwrap();
    let metrics = console.control.metrics().await;
    for line in [
        "rookery_build_info{version=\"0.0.0-test\"} 1",
        "rookery_catalog_up 1",
        "rookery_databases{server=\"apps\",state=\"protected\"} 1",
        "rookery_background_failed{work=\"queue\"} 0",
        "rookery_backup_runs_last_day{state=\"succeeded\"} 1",
        "rookery_backup_runs_last_day{state=\"failed\"} 0",
        "rookery_backup_runs_last_day{state=\"open\"} 0",
    ] {
        assert!(metrics.lines().any(|there| there == line), "{line} is not in\n{metrics}");
    }
    let settings = console.control.settings(&console.permit).await.unwrap();
    assert!(settings.background.iter().any(|(name, at, _)| name == "Schedule" && at.is_some()), "{:?}", settings.background);
    let control = console.control.clone();
    console.stop().await;
    assert_eq!(refused(control.ready().await).code(), Code::Busy);
    tokio::time::timeout(Duration::from_secs(5), control.stop(Duration::ZERO)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_round_that_no_task_stands_behind_is_made_and_kept_in_the_history() {
    let world = World::new();
    ["shop.db", "tmp_1.db", "tmp_2.db"].iter().for_each(|name| world.make(name));
    let console = world.start().await;
    let (server, destination, _) = world.task(&console, "").await;
    let form = domain::TaskForm {
        servers: server.to_string(),
        excluded: "tmp_*".into(),
        encryption: "none".into(),
        destination: destination.to_string(),
        ..Default::default()
    };
    let id = console.control.back_up_once(&console.permit, &form).await.unwrap();
    let round = console.round_ended(id).await;
    assert_state(&round, RoundState::Succeeded);
    assert_eq!(round.runs.iter().map(|run| run.database.as_str()).collect::<Vec<_>>(), ["shop.db"]);
    let page = console.control.rounds(&console.permit, &RunQuery::default()).await.unwrap();
    assert_eq!((page.items[0].id, page.items[0].task, page.items[0].wanted), (id, None, BackupKind::Full));
    let folder = console.control.folder(&console.permit, destination, "shop.db").await.unwrap();
    assert_eq!(folder.chains[0].points[0].task.as_deref(), Some("One-time backup"));
    console.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_works_can_be_put_off_and_is_made_at_its_time() {
    let world = World::new();
    ["a.db", "b.db"].iter().for_each(|name| world.make(name));
    let console = world.start().await;
    let (_, _, task) = world.task(&console, "1").await;
    let held = world.hold("a.db");
    let id = console.at_work(task).await.line.id;
    console.control.delay_round(&console.permit, id, 60).await.unwrap();
    let is_put_off = |run: &domain::view::run::RunLine| run.state == RunState::Queued && run.retry_at.is_some();
    let round = console.round_when(id, "put off", |round| round.runs.iter().all(is_put_off)).await;
    assert_state(&round, RoundState::Running);
    assert!(round.runs.iter().all(|run| run.attempt == 1 && run.error.is_none()), "{:?}", round.runs);
    assert!(round.log.iter().any(|line| line.text.contains("by ana")), "{:?}", round.log);
    drop(held);
    console.control.abort_round(&console.permit, id).await.unwrap();
    assert_state(&console.round_ended(id).await, RoundState::Aborted);
    // Nothing half-made is left, and what was stopped can be made again.
    console.control.retry_failed(&console.permit, id).await.unwrap();
    assert_state(&console.round_ended(id).await, RoundState::Succeeded);
    assert!(refused(console.control.delay_round(&console.permit, id, 60).await).code() == Code::Conflict);
    console.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_run_that_works_is_put_off_and_the_others_go_on() {
    let world = World::new();
    ["a.db", "b.db"].iter().for_each(|name| world.make(name));
    let console = world.start().await;
    let (_, _, task) = world.task(&console, "1").await;
    let _held = world.hold("a.db");
    let round = console.at_work(task).await;
    let (id, a) = (round.line.id, of(&round, "a.db").id);
    assert_eq!(of(&round, "a.db").state, RunState::Running);
    // So that it is due at no time that the run could stand in the way of.
    console.control.enable_task(&console.permit, task, false).await.unwrap();
    let error = refused(console.control.delay_run(&console.permit, a, 7 * 24 * 60 + 1).await);
    assert!(error.told().field("minutes").is_some(), "{error:?}");
    console.control.delay_run(&console.permit, a, 60).await.unwrap();
    let is_done = |round: &domain::view::run::RoundView| {
        let (a, b) = (of(round, "a.db"), of(round, "b.db"));
        a.state == RunState::Queued && a.retry_at.is_some() && b.state == RunState::Succeeded
    };
    let round = console.round_when(id, "put off", is_done).await;
    assert_state(&round, RoundState::Running);
    assert_eq!((of(&round, "a.db").attempt, of(&round, "a.db").error.clone()), (1, None));
    let log = console.run(a).await.log;
    assert!(log.iter().any(|line| line.text.starts_with("Put off until") && line.text.ends_with("by ana.")), "{log:?}");
    console.control.abort_run(&console.permit, a).await.unwrap();
    assert_state(&console.round_ended(id).await, RoundState::Partly);
    assert_eq!(refused(console.control.delay_run(&console.permit, a, 60).await).code(), Code::Conflict);
    console.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn incrementals_come_after_a_full_backup_and_write_nothing_where_nothing_changed() {
    let world = World::new();
    world.make("shop.db");
    let console = world.start().await;
    let (server, destination, task) = world.task(&console, "").await;
    let back_up = async |kind| {
        let id = console.control.back_up_now(&console.permit, task, None, Some(kind)).await.unwrap();
        let round = console.round_ended(id).await;
        assert_state(&round, RoundState::Succeeded);
        round.runs[0].clone()
    };
    // The task of this test schedules no incrementals; whoever asks for one gets a full one that others can come after.
    let first = back_up(BackupKind::Incremental).await;
    assert!(first.label.as_ref().unwrap().contains("full") && first.reason.is_some(), "{first:?}");
    let change = |sql: &str| rusqlite::Connection::open(world.db("shop.db")).unwrap().execute_batch(sql).unwrap();
    change("INSERT INTO t (x) VALUES ('d')");
    let second = back_up(BackupKind::Incremental).await;
    assert!(second.label.as_ref().unwrap().contains("incremental"), "{second:?}");
    let third = back_up(BackupKind::Incremental).await;
    assert_eq!((third.state, third.label), (RunState::Succeeded, None));
    // A database that did not change is as safe as one that was backed up again.
    let line = console.control.databases(&console.permit, server, &Default::default()).await.unwrap().items.remove(0);
    assert!(line.last_good >= third.began_at, "{line:?}");
    assert_eq!(line.restore_points, 2);
    let folder = console.control.folder(&console.permit, destination, "shop.db").await.unwrap();
    assert_eq!(folder.chains.iter().map(|chain| chain.points.len()).collect::<Vec<_>>(), [2]);
    console.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_by_another_name_begins_with_full_backups() {
    let world = World::new();
    world.make("shop.db");
    let console = world.start().await;
    let (server, destination, task) = world.task(&console, "").await;
    assert_state(&console.back_up_changes(task).await, RoundState::Succeeded);
    let folder = world.path("dbs").display().to_string();
    let form = domain::ServerForm { name: "programs".into(), dbms: "sqlite".into(), folder, ..Default::default() };
    console.control.change_server(&console.permit, server, 1, &form).await.unwrap();
    // Folders of chains carry the server's name, as the form says.
    world.insert("shop.db");
    let round = console.back_up_changes(task).await;
    assert!(round.runs[0].label.as_ref().unwrap().contains("full"), "{round:#?}");
    world.insert("shop.db");
    let round = console.back_up_changes(task).await;
    assert!(round.runs[0].label.as_ref().unwrap().contains("incremental"), "{round:#?}");
    let folder = console.control.folder(&console.permit, destination, "shop.db").await.unwrap();
    assert_eq!(folder.chains.iter().map(|chain| chain.points.len()).collect::<Vec<_>>(), [2, 1]);
    console.stop().await;
}
