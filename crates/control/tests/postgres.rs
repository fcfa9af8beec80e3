//! Rounds of a real PostgreSQL server.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod world;

use domain::{Code, DestinationForm, RestoreForm, RoundState, RunState, ServerForm};
use seal::PrivateKey;
use testkit::PostgresServer;
use world::{Console, World, assert_state, of, opened};

async fn console(world: &World, postgres: &PostgresServer, user: &str) -> (Console, domain::ServerId, domain::DestinationId) {
    let console = world.start().await;
    let form = ServerForm {
        name: "db".into(),
        dbms: "postgresql".into(),
        host: "127.0.0.1".into(),
        port: postgres.port().to_string(),
        user: user.into(),
        tls: "disable".into(),
        ..Default::default()
    };
    let server = console.control.add_server(&console.permit, &form).await.unwrap();
    let form = DestinationForm { name: "vault".into(), root: world.path("root").display().to_string(), note: String::new() };
    let destination = console.control.add_destination(&console.permit, &form).await.unwrap();
    (console, server, destination)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_permission_that_is_taken_away_makes_the_round_partly_succeed() {
    let postgres = PostgresServer::start().unwrap();
    postgres.psql("postgres", "CREATE ROLE keeper LOGIN SUPERUSER").unwrap();
    for name in ["shop", "blog"] {
        postgres.create_database(name).unwrap();
        postgres
            .psql(name, "CREATE TABLE t (id int PRIMARY KEY, x text); INSERT INTO t SELECT i, 'x' FROM generate_series(1, 100) i")
            .unwrap();
    }
    let world = World::new();
    let (console, server, destination) = console(&world, &postgres, "keeper").await;
    let task = console.add_task("nightly", server, destination, "postgres\ntemplate1").await;
    let round = console.back_up(task).await;
    assert_state(&round, RoundState::Succeeded);
    assert!(round.runs.iter().any(|run| run.database == "_globals"), "{round:#?}");

    // From now on the role may read all data but for the connection to one database.
    postgres
        .psql("postgres", "ALTER ROLE keeper NOSUPERUSER; GRANT pg_read_all_data TO keeper; REVOKE CONNECT ON DATABASE blog FROM PUBLIC")
        .unwrap();
    postgres.psql("shop", "GRANT SELECT ON t TO keeper").unwrap();
    let round = console.back_up(task).await;
    assert_state(&round, RoundState::Partly);
    assert_eq!(of(&round, "shop").state, RunState::Succeeded);
    let blog = of(&round, "blog");
    let told = blog.error.clone().unwrap();
    assert_eq!((blog.state, told.code), (RunState::Failed, Code::Privilege), "{told:?}");
    assert!(told.sentence.contains("blog") && !told.next_step.is_empty(), "{told:?}");
    assert_eq!(blog.attempt, 1, "no privilege comes back by itself");
    console.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_locked_is_tried_again_and_can_be_given_up() {
    let postgres = PostgresServer::start().unwrap();
    postgres.create_database("shop").unwrap();
    postgres.psql("shop", "CREATE TABLE t (id int)").unwrap();
    let world = World::new();
    let (console, server, destination) = console(&world, &postgres, "postgres").await;
    let task = console.add_task("nightly", server, destination, "").await;
    let mut holder = postgres.client("psql", "shop").args(["-Xqc", "BEGIN; LOCK TABLE t; SELECT pg_sleep(600)"]).spawn().unwrap();
    let waits =
        || postgres.psql("shop", "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND relation = 't'::regclass").unwrap();
    testkit::eventually("the table is locked", || waits().trim() == "1").unwrap();
    let id = console.control.back_up_now(&console.permit, task, Some("shop".into()), None).await.unwrap();
    let round = console.round_when(id, "waiting for another attempt", |round| round.runs.iter().any(|run| run.attempt == 2)).await;
    let run = of(&round, "shop");
    assert_eq!((run.state, run.error.as_ref().map(|told| told.code)), (RunState::Queued, Some(Code::Busy)), "{run:?}");
    assert!(run.retry_at.is_some() && run.waits_for.as_deref() == Some("Waits for the time of its next attempt."), "{run:?}");
    console.control.abort_run(&console.permit, run.id).await.unwrap();
    let round = console.round_ended(id).await;
    assert_state(&round, RoundState::Aborted);
    assert_eq!(round.runs[0].retry_at, None);

    holder.kill().unwrap();
    holder.wait().unwrap();
    postgres
        .psql(
            "shop",
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)%' AND pid <> pg_backend_pid()",
        )
        .unwrap();
    console.control.retry_failed(&console.permit, id).await.unwrap();
    assert_state(&console.round_ended(id).await, RoundState::Succeeded);
    console.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_is_restored_under_a_new_name_and_proven() {
    let postgres = PostgresServer::start().unwrap();
    postgres.create_database("shop").unwrap();
    postgres.psql("shop", "CREATE TABLE t AS SELECT i AS id, 'x' || i AS x FROM generate_series(1, 1000) i").unwrap();
    let world = World::new();
    let (console, server, destination) = console(&world, &postgres, "postgres").await;
    let task = console.add_task("nightly", server, destination, "").await;
    console.back_up(task).await;
    let mut form = RestoreForm { destination: destination.to_string(), database: "shop".into(), ..Default::default() };
    let preview = console.control.preview_restore(&console.permit, &form, &Default::default()).await.unwrap();
    form.point = preview.points[0].label.to_string();
    let preview = console.control.preview_restore(&console.permit, &form, &Default::default()).await.unwrap();
    assert_eq!(preview.proposed_name.as_deref(), Some("shop_restored"));
    assert_eq!(preview.targets, [(server, "db".into(), true)]);
    (form.server, form.name) = (server.to_string(), "shop restored \"by\" ana".into());
    let id = console.control.restore(&console.permit, &form, None).await.unwrap();
    let run = console.run_ended(id).await;
    assert_eq!((run.line.state, run.line.proven, run.line.rows), (RunState::Succeeded, Some(true), Some(1000)), "{run:#?}");
    assert_eq!(postgres.psql(&form.name, "SELECT count(*) FROM t").unwrap().trim(), "1000");
    let view = console.control.databases(&console.permit, server, &Default::default()).await.unwrap();
    assert!(view.items.iter().find(|line| line.name == "shop").unwrap().last_proven.is_some());
    console.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_step_tells_what_the_server_lacks_before_anything_begins() {
    let postgres = PostgresServer::start().unwrap();
    postgres.psql("postgres", "CREATE ROLE clerk").unwrap();
    postgres.create_database("shop").unwrap();
    postgres.psql("shop", "CREATE TABLE t (id int); ALTER TABLE t OWNER TO clerk").unwrap();
    let world = World::new();
    let (console, server, destination) = console(&world, &postgres, "postgres").await;
    let task = console.add_task("nightly", server, destination, "").await;
    console.back_up(task).await;
    postgres.psql("shop", "ALTER TABLE t OWNER TO postgres; DROP ROLE clerk").unwrap();
    let mut form = RestoreForm { destination: destination.to_string(), database: "shop".into(), ..Default::default() };
    let preview = console.control.preview_restore(&console.permit, &form, &Default::default()).await.unwrap();
    form.point = preview.points[0].label.to_string();
    (form.server, form.name) = (server.to_string(), "again".into());

    let reviewed = async |form: &RestoreForm| console.control.review_restore(&console.permit, form, None).await.unwrap().review.unwrap();
    let told = reviewed(&form).await.obstacle.unwrap();
    assert_eq!(told.code, Code::RestoreNeeds);
    assert!(told.sentence.contains("\"clerk\"") && !told.next_step.contains("--"), "{told:?}");
    form.create_roles = "on".into();
    assert_eq!(reviewed(&form).await.obstacle, None);

    // Made behind the console's back, so that only the server knows.
    postgres.create_database("again").unwrap();
    let told = reviewed(&form).await.obstacle.unwrap();
    assert_eq!(told.code, Code::NameTaken, "{told:?}");
    let left = postgres.psql("postgres", "SELECT count(*) FROM pg_database WHERE datname LIKE '%rookery%'").unwrap();
    assert_eq!(left.trim(), "0", "asking makes nothing");
    console.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_sealed_comes_back_with_the_key_and_what_it_needs_is_known_with_it_alone() {
    let postgres = PostgresServer::start().unwrap();
    postgres.psql("postgres", "CREATE ROLE clerk").unwrap();
    postgres.create_database("shop").unwrap();
    let table = "CREATE TABLE t AS SELECT i AS id, repeat('secret row ', 50) || i AS x FROM generate_series(1, 5000) i; ALTER TABLE t OWNER TO clerk";
    postgres.psql("shop", table).unwrap();
    let world = World::new();
    let (console, server, destination) = console(&world, &postgres, "postgres").await;
    let task = console.add_task("nightly", server, destination, "postgres\ntemplate1").await;
    let key = PrivateKey::generate().unwrap();
    let id = console.add_key("Operator", &key).await;
    console.seal_for(task, &[id]).await;
    assert_state(&console.back_up(task).await, RoundState::Succeeded);
    for database in ["shop", "_globals"] {
        let folder = console.control.folder(&console.permit, destination, database).await.unwrap();
        assert!(folder.chains.iter().flat_map(|chain| &chain.points).all(|point| point.sealed && point.fault.is_none()), "{folder:?}");
    }
    postgres.psql("shop", "ALTER TABLE t OWNER TO postgres").unwrap();
    postgres.psql("postgres", "DROP ROLE clerk").unwrap();

    let point = console.control.folder(&console.permit, destination, "shop").await.unwrap().chains[0].points[0].label.to_string();
    let data_key = opened(&console.sealed_point(destination, "shop", &point).await, &key);
    let mut form = RestoreForm {
        destination: destination.to_string(),
        database: "shop".into(),
        point,
        server: server.to_string(),
        name: "back".into(),
        ..Default::default()
    };
    let obstacle = async |form: &RestoreForm, key: Option<String>| {
        console.control.review_restore(&console.permit, form, key).await.unwrap().review.unwrap().obstacle
    };
    assert_eq!(obstacle(&form, None).await.unwrap().code, Code::KeyNeeded);
    let lacks = obstacle(&form, Some(data_key.clone())).await.unwrap();
    assert!(lacks.code == Code::RestoreNeeds && lacks.sentence.contains("clerk"), "{lacks:?}");
    form.create_roles = "on".into();
    assert_eq!(obstacle(&form, Some(data_key.clone())).await, None);
    let id = console.control.restore(&console.permit, &form, Some(data_key)).await.unwrap();
    let run = console.run_ended(id).await;
    assert_eq!((run.line.state, run.line.proven, run.line.rows), (RunState::Succeeded, Some(true), Some(5000)), "{run:#?}");
    assert_eq!(postgres.psql("back", "SELECT tableowner FROM pg_tables WHERE tablename = 't'").unwrap().trim(), "clerk");
    console.stop().await;
}
