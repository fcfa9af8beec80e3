//! One task over several servers, from the button to the backups.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod world;

use control::OneDatabase;
use domain::{
    BackupKind, Code, DestinationForm, DestinationId, RoundState, RunState, ServerForm, ServerId, TaskForm, TaskId,
    view::run::{RoundView, RunLine},
};
use rusqlite::Connection;
use std::{collections::BTreeSet, fs};
use world::{Console, World, assert_state, refused};

/// A folder with databases, beside the others of a world.
fn make(world: &World, folder: &str, names: &[&str]) {
    fs::create_dir_all(world.path(folder)).unwrap();
    for name in names {
        let connection = Connection::open(world.path(folder).join(name)).unwrap();
        connection.execute_batch("CREATE TABLE t (x); INSERT INTO t VALUES ('a'), ('b');").unwrap();
    }
}

async fn add_server(console: &Console, world: &World, name: &str) -> ServerId {
    let folder = world.path(name).display().to_string();
    let form = ServerForm { name: name.into(), dbms: "sqlite".into(), folder, ..Default::default() };
    console.control.add_server(&console.permit, &form).await.unwrap()
}

fn form(servers: &[ServerId], destination: DestinationId) -> TaskForm {
    TaskForm {
        name: "everything".into(),
        servers: servers.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
        full: world::far_off(),
        incremental: String::new(),
        destination: destination.to_string(),
        encryption: "none".into(),
        ..Default::default()
    }
}

/// Two servers, both with a database of one name, and a task over both.
async fn two(world: &World, console: &Console) -> ([ServerId; 2], DestinationId, TaskId) {
    make(world, "east", &["shop.db", "blog.db"]);
    make(world, "west", &["shop.db", "till.db"]);
    let servers = [add_server(console, world, "east").await, add_server(console, world, "west").await];
    let vault = DestinationForm { name: "vault".into(), root: world.path("root").display().to_string(), note: String::new() };
    let destination = console.control.add_destination(&console.permit, &vault).await.unwrap();
    let task = console.control.add_task(&console.permit, &form(&servers, destination)).await.unwrap();
    (servers, destination, task)
}

/// Server and database of each run, in order.
fn names(round: &RoundView) -> Vec<(String, String)> {
    let mut names: Vec<_> = round.runs.iter().map(|run| (run.server_name.clone(), run.database.clone())).collect();
    names.sort();
    names
}

fn pairs(all: &[(&str, &str)]) -> Vec<(String, String)> {
    all.iter().map(|(server, database)| ((*server).to_owned(), (*database).to_owned())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_round_covers_all_servers_and_databases_of_one_name_stay_apart() {
    let world = World::new();
    let console = world.start().await;
    let (servers, destination, task) = two(&world, &console).await;
    let round = console.back_up(task).await;
    assert_state(&round, RoundState::Succeeded);
    assert_eq!(names(&round), pairs(&[("east", "blog.db"), ("east", "shop.db"), ("west", "shop.db"), ("west", "till.db")]));
    assert_eq!(round.line.server_names(), ["east", "west"]);
    let told: BTreeSet<_> = round.log.iter().filter_map(|line| Some((line.run?, line.server.clone(), line.database.clone()))).collect();
    let runs = round.runs.iter().map(|run| (run.id, run.server_name.clone(), run.database.clone())).collect();
    assert_eq!(told, runs, "lines about databases of one name cannot be told apart");
    let folder = console.control.folder(&console.permit, destination, "shop.db").await.unwrap();
    assert_eq!(folder.chains.len(), 2, "each server has a chain of its own");

    let view = console.control.task(&console.permit, task).await.unwrap();
    let covered: Vec<_> = view.databases.iter().map(|one| (one.server_name.clone(), one.line.name.clone())).collect();
    assert_eq!(covered, names(&round));
    assert_eq!((view.tally.protected, view.line.servers.len()), (4, 2));
    for server in servers {
        let view = console.control.server(&console.permit, server).await.unwrap();
        assert_eq!((view.rounds[0].id, view.line.tasks[0].id), (round.line.id, task));
    }
    // Incrementals go on with the chain of their server.
    Connection::open(world.path("west/shop.db")).unwrap().execute_batch("INSERT INTO t VALUES ('c')").unwrap();
    let next = console.back_up_changes(task).await;
    assert_state(&next, RoundState::Succeeded);
    console.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_database_is_backed_up_on_the_server_that_is_meant() {
    let world = World::new();
    let console = world.start().await;
    let (servers, _, task) = two(&world, &console).await;
    let back_up = async |server, name: &str| {
        let only = OneDatabase { server, name: name.into() };
        console.control.back_up_now(&console.permit, task, Some(only), Some(BackupKind::Full)).await
    };
    let error = refused(back_up(None, "shop.db").await);
    assert!(error.told().field("server").is_some(), "{error:?}");
    let round = console.round_ended(back_up(Some(servers[1]), "shop.db").await.unwrap()).await;
    assert_eq!((names(&round), round.line.server_names()), (pairs(&[("west", "shop.db")]), vec!["west".to_owned()]));
    assert!(round.log.iter().all(|line| line.server.is_empty()), "there is nothing to tell apart");
    // Where just one of them has it, it need not be said.
    let round = console.round_ended(back_up(None, "blog.db").await.unwrap()).await;
    assert_eq!(names(&round), pairs(&[("east", "blog.db")]));
    let other = add_server(&console, &world, "dbs").await;
    assert!(refused(back_up(Some(other), "shop.db").await).told().field("server").is_some());
    console.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_away_fails_alone_and_is_all_that_is_tried_again() {
    let world = World::new();
    let console = world.start().await;
    let (servers, _, task) = two(&world, &console).await;
    fs::rename(world.path("west"), world.path("away")).unwrap();
    let round = console.back_up(task).await;
    assert_state(&round, RoundState::Partly);
    assert_eq!(names(&round), pairs(&[("east", "blog.db"), ("east", "shop.db")]));
    assert!(round.runs.iter().all(|run| run.state == RunState::Succeeded), "{round:#?}");
    assert!(round.line.error.is_none(), "it is not so of the round as a whole");
    let unread: Vec<_> = round.line.unread().map(|(server, told)| (server.server, server.state, told.next_step.is_empty())).collect();
    assert_eq!(unread, [(servers[1], RunState::Failed, false)]);
    let done: Vec<_> = round.runs.iter().map(|run: &RunLine| (run.id, run.ended_at)).collect();

    fs::rename(world.path("away"), world.path("west")).unwrap();
    console.control.retry_failed(&console.permit, round.line.id).await.unwrap();
    let round = console.round_when(round.line.id, "all there", |round| round.line.state == RoundState::Succeeded).await;
    assert_eq!(round.runs.len(), 4);
    for (id, ended_at) in done {
        let run = round.runs.iter().find(|run| run.id == id).unwrap();
        assert_eq!(run.ended_at, ended_at, "what was backed up is not backed up again");
    }
    assert_eq!(round.line.unread().count(), 0);
    assert_eq!(refused(console.control.retry_failed(&console.permit, round.line.id).await).code(), Code::Conflict);
    console.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_round_that_could_look_at_no_server_fails_and_what_waits_for_a_server_can_be_stopped() {
    let world = World::new();
    let console = world.start().await;
    let (servers, destination, task) = two(&world, &console).await;
    for name in ["east", "west"] {
        fs::rename(world.path(name), world.path(&format!("{name} away"))).unwrap();
    }
    let round = console.back_up(task).await;
    assert_state(&round, RoundState::Failed);
    assert_eq!((round.line.unread().count(), round.runs.len()), (2, 0));
    fs::rename(world.path("east away"), world.path("east")).unwrap();

    // A server that may answer later: its part waits for the next attempt while the other one is backed up.
    let closed = testkit::closed_port().unwrap();
    let silent = ServerForm {
        name: "silent".into(),
        dbms: "postgresql".into(),
        host: "127.0.0.1".into(),
        port: closed.port().to_string(),
        tls: "disable".into(),
        ..Default::default()
    };
    let silent = console.control.add_server(&console.permit, &silent).await.unwrap();
    let (_, version) = console.control.task_form(&console.permit, task).await.unwrap();
    let changed = form(&[servers[0], silent], destination);
    console.control.change_task(&console.permit, task, version, &changed).await.unwrap();
    let id = console.control.back_up_now(&console.permit, task, None, None).await.unwrap();
    let is_waiting = |round: &RoundView| {
        round.line.retry_at.is_some() && round.runs.len() == 2 && round.runs.iter().all(|run| run.state == RunState::Succeeded)
    };
    let round = console.round_when(id, "waiting for a server", is_waiting).await;
    assert_state(&round, RoundState::Running);
    console.control.abort_round(&console.permit, id).await.unwrap();
    assert_state(&console.round_ended(id).await, RoundState::Partly);
    console.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_joins_and_leaves_a_task() {
    let world = World::new();
    let console = world.start().await;
    let (servers, destination, task) = two(&world, &console).await;
    let control = &console.control;
    let error = refused(control.remove_server(&console.permit, servers[1], "west").await);
    assert!(error.code() == Code::Busy && error.to_string().contains("\"everything\""), "{error}");
    console.back_up(task).await;

    let (stored, version) = control.task_form(&console.permit, task).await.unwrap();
    let one = TaskForm { servers: servers[0].to_string(), ..stored.clone() };
    control.change_task(&console.permit, task, version, &one).await.unwrap();
    // Somebody else had the form open: both values are shown.
    let error = refused(control.change_task(&console.permit, task, version, &stored).await);
    assert!(error.code() == Code::Conflict && error.told().field("servers").is_some_and(|it| it.contains(&servers[0].to_string())));
    let round = console.back_up(task).await;
    assert_eq!(names(&round), pairs(&[("east", "blog.db"), ("east", "shop.db")]));
    let left = control.databases(&console.permit, servers[1], &Default::default()).await.unwrap();
    assert!(left.items.iter().all(|line| line.protection == domain::Protection::Uncovered), "{left:#?}");

    // For one database there is one server.
    let only = TaskForm { only: "shop.db".into(), ..stored.clone() };
    assert!(refused(control.change_task(&console.permit, task, version + 1, &only).await).told().field("servers").is_some());
    let preview = control.preview_task(&console.permit, Some(task), &stored, false).await.unwrap();
    let shown: Vec<_> = preview.servers.iter().map(|server| (server.name.as_str(), server.included.len())).collect();
    assert_eq!((shown, preview.all_servers.len()), (vec![("east", 2), ("west", 2)], 2));
    assert_eq!(preview.folders.len(), 3, "databases of one name share their folder: {:?}", preview.folders);
    control.remove_server(&console.permit, servers[1], "west").await.unwrap();
    let gone = refused(control.add_task(&console.permit, &TaskForm { name: "x".into(), ..form(&servers, destination) }).await);
    assert!(gone.told().field("servers").is_some(), "{gone:?}");
    console.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn retention_lets_chains_go_by_server_and_database() {
    let world = World::new();
    let console = world.start().await;
    let (_, destination, task) = two(&world, &console).await;
    console.back_up(task).await;
    console.back_up(task).await;
    let (stored, version) = console.control.task_form(&console.permit, task).await.unwrap();
    console.control.enable_task(&console.permit, task, false).await.unwrap();
    let keeping = stored.keeping(Some(&"count=1".parse().unwrap()));
    let preview = console.control.preview_retention(&console.permit, Some(task), &keeping).await.unwrap().unwrap();
    assert_eq!((preview.go, preview.stay, preview.total), (4, 4, 4));
    console.control.change_task(&console.permit, task, version, &keeping).await.unwrap();
    let plan = console.control.retention_plan(&console.permit, task).await.unwrap();
    let shops: Vec<_> = plan.databases.iter().filter(|one| one.database == "shop.db").map(|one| one.server_name.as_str()).collect();
    assert_eq!((plan.go, shops), (4, vec!["east", "west"]));
    let freed = console.control.apply_retention(&console.permit, task, &plan.seen).await.unwrap();
    assert_eq!(freed.chains, 4);
    let folder = console.control.folder(&console.permit, destination, "shop.db").await.unwrap();
    assert_eq!(folder.chains.len(), 2, "the newest of each server stays");
    console.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_goes_for_a_server_that_cannot_be_read_whatever_was_backed_up_elsewhere() {
    let world = World::new();
    let console = world.start().await;
    let (servers, _, task) = two(&world, &console).await;
    console.back_up(task).await;
    console.back_up(task).await;
    console.control.enable_task(&console.permit, task, false).await.unwrap();
    let (stored, version) = console.control.task_form(&console.permit, task).await.unwrap();
    let keeping = stored.keeping(Some(&"count=1".parse().unwrap()));
    console.control.change_task(&console.permit, task, version, &keeping).await.unwrap();
    fs::rename(world.path("west"), world.path("away")).unwrap();
    assert_state(&console.back_up(task).await, RoundState::Partly);
    // A later round succeeds, and says nothing of the other server.
    let only = OneDatabase { server: Some(servers[0]), name: "shop.db".into() };
    let by_hand = console.control.back_up_now(&console.permit, task, Some(only), Some(BackupKind::Full)).await.unwrap();
    assert_state(&console.round_ended(by_hand).await, RoundState::Succeeded);
    let plan = console.control.retention_plan(&console.permit, task).await.unwrap();
    let goes = |server: &str| {
        let of_server = plan.databases.iter().filter(|one| one.server_name == server).flat_map(|one| &one.chains);
        of_server.filter(|chain| !chain.keep).count()
    };
    assert!(goes("east") > 0 && goes("west") == 0, "{plan:#?}");
    console.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn chains_of_a_server_that_left_its_task_are_forgotten() {
    let world = World::new();
    let console = world.start().await;
    let (servers, _, task) = two(&world, &console).await;
    let kept = |server: &str| {
        let read = |entry: fs::DirEntry| fs::read_to_string(entry.path().join("chain.json")).unwrap_or_default();
        let notes = fs::read_dir(world.path("data/chains")).into_iter().flatten().map(|entry| read(entry.unwrap()));
        notes.filter(|note| note.contains(&format!("\"server\":\"{server}\""))).count()
    };
    assert_state(&console.back_up_changes(task).await, RoundState::Succeeded);
    assert_eq!((kept("east"), kept("west")), (2, 2));
    let (stored, version) = console.control.task_form(&console.permit, task).await.unwrap();
    let one = TaskForm { servers: servers[0].to_string(), ..stored };
    console.control.change_task(&console.permit, task, version, &one).await.unwrap();
    let began = std::time::Instant::now();
    while kept("west") > 0 {
        assert!(began.elapsed().as_secs() < 60, "the chains of the server are still kept");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(kept("east"), 2);
    console.stop().await;
}
