//! Chains that nobody goes on with: the console removes what servers keep for them, and nothing that is needed.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod world;

use domain::{DestinationForm, DestinationId, RoundState, ServerForm, TaskForm, view::people::AuditQuery};
use source::Context;
use std::time::{Duration, Instant};
use testkit::PostgresServer;
use world::{Console, World, assert_state, of};

fn postgres(databases: &[&str]) -> PostgresServer {
    let postgres = PostgresServer::builder().conf("wal_level = logical").start().unwrap();
    for database in databases {
        postgres.create_database(database).unwrap();
        postgres.psql(database, "CREATE TABLE t (id int PRIMARY KEY, x text); INSERT INTO t VALUES (1, 'a')").unwrap();
    }
    postgres
}

/// Databases that the server keeps something of ours for.
fn kept(postgres: &PostgresServer) -> Vec<String> {
    let found = postgres.psql("postgres", "SELECT database FROM pg_replication_slots ORDER BY 1").unwrap();
    found.lines().map(str::to_owned).collect()
}

fn write_log(postgres: &PostgresServer, database: &str) {
    for _ in 0..6 {
        postgres.psql(database, "INSERT INTO t SELECT max(id) + 1, 'more' FROM t; SELECT pg_switch_wal()").unwrap();
    }
}

async fn eventually(what: &str, is: impl Fn() -> bool) {
    let began = Instant::now();
    while !is() {
        assert!(began.elapsed() < Duration::from_secs(60), "{what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn vault(console: &Console, world: &World) -> DestinationId {
    let form = DestinationForm { name: "vault".into(), root: world.path("root").display().to_string(), note: String::new() };
    console.control.add_destination(&console.permit, &form).await.unwrap()
}

/// What the background work says of chains, once that has these words.
async fn said(console: &Console, words: &str) -> String {
    let began = Instant::now();
    loop {
        let background = console.control.settings(&console.permit).await.unwrap().background;
        let said = background.into_iter().find(|(name, ..)| name == "Chains").map(|(.., said)| said).unwrap_or_default();
        if said.contains(words) {
            return said;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "{words:?} is not in {said:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_slots_of_a_task_that_was_deleted_go_and_those_of_others_stay() {
    let (world, postgres) = (World::new(), postgres(&["blog", "shop"]));
    let console = world.start().await;
    let (server, _) = console.add_postgres("db", &postgres, "").await;
    let destination = vault(&console, &world).await;
    let blog = console.add_task("blogs", server, destination, "postgres\ntemplate1\nshop").await;
    let shop = console.add_task("shops", server, destination, "postgres\ntemplate1\nblog").await;
    for task in [blog, shop] {
        console.back_up_changes(task).await;
    }
    assert_eq!(kept(&postgres), ["blog", "shop"]);
    console.control.remove_task(&console.permit, blog, "blogs").await.unwrap();
    eventually("the slot of the deleted task goes", || kept(&postgres) == ["shop"]).await;
    said(&console, "nobody follows any more were forgotten (1)").await;
    // The other chain goes on.
    postgres.psql("shop", "INSERT INTO t VALUES (2, 'b')").unwrap();
    let round = console.back_up_changes(shop).await;
    assert_eq!(of(&round, "shop").reason.as_deref(), Some("An incremental backup was asked for."));
    console.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_keeps_too_much_goes_and_is_told_and_a_chain_at_work_is_left_alone() {
    let (world, postgres) = (World::new(), postgres(&["blog", "shop"]));
    let console = world.start().await;
    let (server, form) = console.add_postgres("db", &postgres, "").await;
    let destination = vault(&console, &world).await;
    let task = console.add_task("nightly", server, destination, "postgres\ntemplate1").await;
    console.back_up_changes(task).await;
    assert_eq!(kept(&postgres), ["blog", "shop"]);
    postgres.psql("blog", "INSERT INTO t VALUES (2, 'b')").unwrap();
    write_log(&postgres, "shop");
    // As a backup of the command line does.
    let folder = world.path("data/chains");
    let shop = engine::kept_chains(&folder).into_iter().find(|chain| chain.database == "shop").unwrap();
    let hold = shop.hold(&folder, engine::A_LOOK, &Context::default()).unwrap();
    let limited = ServerForm { most_held: "64 MiB".into(), ..form };
    console.control.change_server(&console.permit, server, 1, &limited).await.unwrap();
    eventually("the slot that nobody needs goes", || !kept(&postgres).contains(&"blog".to_owned())).await;
    said(&console, "What kept back too much log was dropped: blog.").await;
    assert!(kept(&postgres).contains(&"shop".to_owned()), "a backup at work needs it");
    drop(hold);
    let round = console.back_up_changes(task).await;
    assert_eq!(of(&round, "shop").reason.as_deref(), Some("An incremental backup was asked for."));
    let reason = of(&round, "blog").reason.clone().unwrap();
    assert!(reason.contains("more than the limit of 64 MiB: it was dropped"), "{reason}");
    console.stop().await;
}

/// Where the slot of a database stands.
fn place(postgres: &PostgresServer, database: &str) -> String {
    postgres.psql("postgres", &format!("SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE database = '{database}'")).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_of_an_idle_database_beside_a_busy_one_is_let_go() {
    let (world, postgres) = (World::new(), postgres(&["blog", "shop"]));
    let console = world.start().await;
    let (server, form) = console.add_postgres("db", &postgres, "").await;
    let destination = vault(&console, &world).await;
    let task = console.add_task("nightly", server, destination, "postgres\ntemplate1").await;
    console.back_up_changes(task).await;
    write_log(&postgres, "shop");
    postgres.psql("postgres", "CHECKPOINT").unwrap();
    let before = ["blog", "shop"].map(|database| place(&postgres, database));
    // Each keeps more than a quarter of this.
    let limited = ServerForm { most_held: "256 MiB".into(), ..form.clone() };
    console.control.change_server(&console.permit, server, 1, &limited).await.unwrap();
    let told = said(&console, "was let go: blog.").await;
    assert!(!told.contains("dropped"), "{told}");
    let after = ["blog", "shop"].map(|database| place(&postgres, database));
    assert!(after[0] != before[0] && after[1] == before[1], "{before:?} {after:?}");

    // One that is idle does not come to the limit that a busy one is dropped at.
    write_log(&postgres, "shop");
    postgres.psql("postgres", "CHECKPOINT").unwrap();
    console.control.change_server(&console.permit, server, 2, &ServerForm { most_held: "64 MiB".into(), ..form }).await.unwrap();
    let told = said(&console, "What kept back too much log was dropped: shop.").await;
    assert!(told.contains("was let go: blog."), "{told}");
    assert_eq!(kept(&postgres), ["blog"]);
    postgres.psql("blog", "INSERT INTO t VALUES (2, 'b')").unwrap();
    let round = console.back_up_changes(task).await;
    assert_eq!(of(&round, "blog").reason.as_deref(), Some("An incremental backup was asked for."));
    assert!(of(&round, "shop").reason.as_ref().is_some_and(|reason| reason.contains("it was dropped")), "{round:#?}");
    console.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_reached_holds_up_no_other() {
    let (world, mut gone, there) = (World::new(), postgres(&["one", "two"]), postgres(&["shop"]));
    let console = world.start().await;
    let destination = vault(&console, &world).await;
    let (first, _) = console.add_postgres("a-gone", &gone, "").await;
    let (second, _) = console.add_postgres("b-there", &there, "").await;
    let excluded = "postgres\ntemplate1";
    let lost = console.add_task("lost", first, destination, excluded).await;
    let task = console.add_task("found", second, destination, excluded).await;
    for task in [lost, task] {
        console.back_up_changes(task).await;
    }
    assert_eq!((kept(&gone).len(), kept(&there).len()), (2, 1));
    gone.stop().unwrap();
    console.control.remove_task(&console.permit, lost, "lost").await.unwrap();
    console.control.remove_task(&console.permit, task, "found").await.unwrap();
    eventually("the slot of the server that is reached goes", || kept(&there).is_empty()).await;
    let said = said(&console, "cannot be reached").await;
    // It is told once, and not for each of the server's chains.
    assert_eq!(said.matches("one: ").count() + said.matches("two: ").count(), 1, "{said}");
    // Once it is back, the rest goes as well.
    gone.restart().unwrap();
    let another = console.add_task("another", second, destination, excluded).await;
    console.control.remove_task(&console.permit, another, "another").await.unwrap();
    eventually("what was left goes", || kept(&gone).is_empty()).await;
    console.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_is_made_once_ends_no_chain_of_a_task() {
    let (world, postgres) = (World::new(), postgres(&["shop"]));
    let console = world.start().await;
    let (server, _) = console.add_postgres("db", &postgres, "").await;
    let destination = vault(&console, &world).await;
    let task = console.add_task("nightly", server, destination, "postgres\ntemplate1").await;
    console.back_up_changes(task).await;
    let once = TaskForm {
        servers: server.to_string(),
        only: "shop".into(),
        encryption: "none".into(),
        destination: destination.to_string(),
        ..TaskForm::default()
    };
    let once = console.control.back_up_once(&console.permit, &once).await.unwrap();
    assert_state(&console.round_ended(once).await, RoundState::Succeeded);
    postgres.psql("shop", "INSERT INTO t VALUES (2, 'b')").unwrap();
    let round = console.back_up_changes(task).await;
    assert_eq!(of(&round, "shop").reason.as_deref(), Some("An incremental backup was asked for."));
    let folder = console.control.folder(&console.permit, destination, "shop").await.unwrap();
    let mut points: Vec<_> = folder.chains.iter().map(|chain| chain.points.len()).collect();
    points.sort_unstable();
    assert_eq!(points, [1, 2]);
    console.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_root_that_is_not_mounted_ends_no_chain() {
    let (world, postgres) = (World::new(), postgres(&["blog", "shop"]));
    let console = world.start().await;
    let (server, _) = console.add_postgres("db", &postgres, "").await;
    let there = vault(&console, &world).await;
    std::fs::create_dir(world.path("disk")).unwrap();
    std::os::unix::fs::symlink(world.path("disk"), world.path("link")).unwrap();
    let form = DestinationForm { name: "nas".into(), root: world.path("link").display().to_string(), note: String::new() };
    let nas = console.control.add_destination(&console.permit, &form).await.unwrap();
    let task = console.add_task("shops", server, nas, "postgres\ntemplate1\nblog").await;
    let other = console.add_task("blogs", server, there, "postgres\ntemplate1\nshop").await;
    for task in [task, other] {
        console.back_up_changes(task).await;
    }
    assert_eq!(kept(&postgres), ["blog", "shop"]);

    // The disk that the link leads to goes. What is known not to be under it is forgotten all the same.
    std::fs::rename(world.path("disk"), world.path("unmounted")).unwrap();
    console.control.remove_task(&console.permit, other, "blogs").await.unwrap();
    let told = said(&console, "were forgotten (1)").await;
    assert!(told.contains("nas: its root is not there at the moment"), "{told}");
    assert_eq!(kept(&postgres), ["shop"]);
    let round = console.back_up_changes(task).await;
    assert_state(&round, RoundState::Failed);
    let chains = engine::kept_chains(&world.path("data/chains"));
    assert_eq!(chains.iter().map(|chain| chain.database.as_str()).collect::<Vec<_>>(), ["shop"], "{chains:?}");

    std::fs::rename(world.path("unmounted"), world.path("disk")).unwrap();
    postgres.psql("shop", "INSERT INTO t VALUES (2, 'b')").unwrap();
    let round = console.back_up_changes(task).await;
    assert_eq!(of(&round, "shop").reason.as_deref(), Some("An incremental backup was asked for."));
    console.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_removed_keeps_nothing_for_us() {
    let (world, there, mut gone) = (World::new(), postgres(&["shop"]), postgres(&["blog"]));
    let console = world.start().await;
    let destination = vault(&console, &world).await;
    let mut servers = vec![];
    for (name, postgres) in [("there", &there), ("gone", &gone)] {
        let (server, _) = console.add_postgres(name, postgres, "").await;
        let task = console.add_task(name, server, destination, "postgres\ntemplate1").await;
        console.back_up_changes(task).await;
        assert_eq!(kept(postgres).len(), 1);
        servers.push((server, task));
    }
    gone.stop().unwrap();
    for ((server, task), name) in servers.into_iter().zip(["there", "gone"]) {
        // At once: the background work has had no time to look.
        console.control.remove_task(&console.permit, task, name).await.unwrap();
        console.control.remove_server(&console.permit, server, name).await.unwrap();
    }
    assert_eq!(kept(&there), [""; 0]);
    let query = AuditQuery { filter: "server removed".into(), ..AuditQuery::default() };
    let audited = console.control.audit(&console.permit, &query).await.unwrap().items;
    let said = |name: &str| audited.iter().find(|line| line.subject == name).unwrap().detail.clone();
    assert!(said("there").ends_with("Its backups stay."), "{}", said("there"));
    assert!(said("gone").contains("Replication slots of this console may be left on it"), "{}", said("gone"));
    console.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_under_two_names_keeps_the_chains_of_both() {
    let (world, postgres) = (World::new(), postgres(&["shop"]));
    let console = world.start().await;
    let destination = vault(&console, &world).await;
    let mut tasks = vec![];
    for name in ["first", "second"] {
        let (server, _) = console.add_postgres(name, &postgres, "").await;
        tasks.push(console.add_task(name, server, destination, "postgres\ntemplate1").await);
        console.back_up_changes(*tasks.last().unwrap()).await;
    }
    assert_eq!(kept(&postgres), ["shop", "shop"]);
    // Deleting one lets the background work look at all of them.
    console.control.remove_task(&console.permit, tasks[0], "first").await.unwrap();
    said(&console, "were forgotten (1)").await;
    assert_eq!(kept(&postgres), ["shop"]);
    postgres.psql("shop", "INSERT INTO t VALUES (2, 'b')").unwrap();
    let round = console.back_up_changes(tasks[1]).await;
    assert_eq!(of(&round, "shop").reason.as_deref(), Some("An incremental backup was asked for."));
    console.stop().await;
}
