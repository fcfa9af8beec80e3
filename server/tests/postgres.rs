//! The command line against a PostgreSQL server: what users meet when something is wrong there.

#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]

mod support;

use serde_json::Value;
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Stdio},
};
use support::{Ran, World, ran};
use testkit::{PostgresServer, Puppet};

/// Enough for a run to be caught in the middle of it.
const BIG: &str = "create table big(id int primary key, t text); \
                   insert into big select i, repeat(md5(i::text), 30) from generate_series(1, 150000) i;";

fn run_of<'a>(report: &'a Value, database: &str) -> &'a Value {
    report["runs"].as_array().unwrap().iter().find(|run| run["database"] == database).unwrap()
}

fn backup(world: &World, address: &str) -> Ran {
    world.run(["backup", address, "--to", &world.root(), "--json"])
}

/// Every listed backup holds, and nothing temporary lies under the root.
fn nothing_half_made(world: &World, listed: usize) {
    let list = world.run(["list", &world.root(), "--json"]).succeeds().json();
    assert_eq!(list["databases"].as_array().unwrap().len(), listed, "{list}");
    if listed > 0 {
        world.verify().succeeds();
    }
    let partial: Vec<_> = world.files().into_iter().filter(|(path, _)| path.to_string_lossy().contains(".partial-")).collect();
    assert!(partial.is_empty(), "a temporary file stayed behind");
}

fn staging_databases(server: &PostgresServer) -> String {
    server.psql("postgres", "select count(*) from pg_database where datname like 'rookery_staging_%'").unwrap()
}

#[test]
fn a_server_that_cannot_be_reached_or_refuses_us_is_named() {
    let world = World::new();
    let server = PostgresServer::builder().hba("host all all 127.0.0.1/32 scram-sha-256").start().unwrap();
    server.psql("postgres", "create role backup login superuser password 'right'").unwrap();
    let address = format!("postgres://backup@127.0.0.1:{}", server.port());

    backup(&world, "postgres://u@127.0.0.1:1").fails(1, &["127.0.0.1:1", "unreachable"]);
    backup(&world, "postgres://u@no.such.host.invalid").fails(1, &["no.such.host.invalid", "unreachable"]);
    backup(&world, &address).fails(1, &["password", "PGPASSWORD", "auth-failed"]);

    let with = |password: &str, arguments: &[&str]| {
        let mut command = world.command(arguments);
        command.env("PGPASSWORD", password);
        ran(command)
    };
    let wrong = with("hunter2", &["backup", &address, "--to", &world.root()]);
    wrong.fails(1, &["password"]);
    assert!(!wrong.stderr.contains("hunter2"));
    with("right", &["backup", &address, "--to", &world.root(), "--json"]).succeeds();
    with("right", &["probe", &address]).succeeds();

    let file = world.path("pgpass");
    fs::write(&file, format!("127.0.0.1:{}:*:backup:right\n", server.port())).unwrap();
    let by_file = || {
        let mut command = world.command(["probe", &address]);
        command.env("PGPASSFILE", &file);
        ran(command)
    };
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    by_file().fails(2, &["read by others", "chmod 600"]);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    by_file().succeeds();
    let tls = with("right", &["probe", &format!("{address}/?sslmode=require")]);
    tls.fails(1, &["TLS"]);
}

#[test]
fn a_table_that_may_not_be_read_fails_its_database_alone() {
    let world = World::new();
    let server = PostgresServer::start().unwrap();
    server.psql("postgres", "create role reader login; create role owner").unwrap();
    for name in ["open", "closed"] {
        server.create_database(name).unwrap();
        server.psql(name, "create table a(x int); insert into a values(1); create table b(x int); grant select on a, b to reader").unwrap();
    }
    server.psql("closed", "revoke select on b from reader").unwrap();
    let address = format!("postgres://reader@127.0.0.1:{}", server.port());

    let report = world.run(["backup", &address, "--to", &world.root(), "--database", "open", "--database", "closed", "--json"]);
    let report = report.fails(3, &["next_step"]).json();
    assert_eq!(report["result"], "partly");
    assert_eq!(run_of(&report, "open")["result"], "succeeded");
    let error = &run_of(&report, "closed")["error"];
    assert_eq!(error["code"], "privilege");
    assert!(error["sentence"].as_str().unwrap().contains("public.b"), "{error}");
    nothing_half_made(&world, 1);
    let probe = world.run(["probe", &address]);
    assert!(probe.code == 3 && probe.stdout.contains("public.b"), "{probe:?}");
}

#[test]
fn client_tools_that_are_missing_or_too_old_are_named_with_the_package_to_install() {
    let world = World::new();
    let server = PostgresServer::start().unwrap();
    let with_tools = |folder: &Path| {
        let mut command = world.command(["backup", &server.address(), "--to", &world.root(), "--database", "postgres", "--json"]);
        command.env("ROOKERY_PG_BIN", folder).env("PATH", folder);
        ran(command)
    };
    let folder = world.path("tools");
    fs::create_dir(&folder).unwrap();
    with_tools(&folder).fails(1, &["tool-missing", "postgresql-client"]);
    for tool in ["pg_dump", "pg_restore", "pg_dumpall"] {
        fs::write(folder.join(tool), format!("#!/bin/sh\necho '{tool} (PostgreSQL) 9.6.24'\n")).unwrap();
        fs::set_permissions(folder.join(tool), fs::Permissions::from_mode(0o755)).unwrap();
    }
    with_tools(&folder).fails(1, &["tool-too-old", "9.6", "postgresql-client"]);
    nothing_half_made(&world, 0);
}

#[test]
fn what_a_restore_needs_is_said_before_it_begins() {
    let world = World::new();
    let from = PostgresServer::start().unwrap();
    from.psql("postgres", "create role anna; create role bert").unwrap();
    from.create_database("shop").unwrap();
    from.psql("shop", "create table t(x int); insert into t values(1); alter table t owner to anna; grant select on t to bert").unwrap();
    world.run(["backup", &from.address(), "--to", &world.root(), "--database", "shop"]).succeeds();

    let to = PostgresServer::start().unwrap();
    let restore = |more: &[&str], name: &str| {
        let address = to.address();
        let root = world.root();
        world.run([&["restore", &root, "--database", "shop", "--into", &address, "--as", name, "--json"], more].concat())
    };
    restore(&[], "back").fails(1, &["anna", "bert", "restore-needs"]);
    restore(&["--no-owner"], "plain").succeeds();
    assert_eq!(to.psql("plain", "select tableowner from pg_tables where tablename = 't'").unwrap(), "postgres");
    restore(&["--create-roles"], "owned").succeeds();
    assert_eq!(to.psql("owned", "select tableowner from pg_tables where tablename = 't'").unwrap(), "anna");
    assert_eq!(to.psql("postgres", "select rolcanlogin from pg_roles where rolname = 'anna'").unwrap(), "f");
    restore(&[], "owned").fails(1, &["name-taken", "exist"]);
    restore(&[], &"x".repeat(64)).fails(2, &["63"]);
    assert_eq!(staging_databases(&to), "0");

    let sqlite = world.run(["restore", &world.root(), "--database", "shop", "--into", &world.server(), "--as", "x.db"]);
    sqlite.fails(2, &["PostgreSQL"]);
}

#[test]
fn a_database_that_lacks_a_constraint_is_kept_on_demand_and_never_called_proven() {
    let world = World::new();
    let server = PostgresServer::start().unwrap();
    server.create_database("shop").unwrap();
    let orphan = "create table a(id int primary key); create table b(up int); insert into b values (7); \
                  set session_replication_role = replica; alter table b add foreign key (up) references a not valid; \
                  update pg_constraint set convalidated = true where conname = 'b_up_fkey'";
    server.psql("shop", orphan).unwrap();
    world.run(["backup", &server.address(), "--to", &world.root(), "--database", "shop"]).succeeds();
    let (root, address) = (world.root(), server.address());
    let arguments = ["restore", &root, "--database", "shop", "--into", &address, "--as", "back", "--json"];
    world.run(arguments).fails(1, &["b_up_fkey", "--keep-different"]);
    assert_eq!(server.psql("postgres", "select count(*) from pg_database where datname = 'back'").unwrap(), "0");

    let kept = world.run([arguments.as_slice(), &["--keep-different"]].concat());
    let report = kept.fails(1, &["b_up_fkey", "kept"]).json();
    assert!(report["proven"] == false && report["tables"][0]["equal"] == true, "{report}");
    let definitions = &report["compared"][1];
    assert!(definitions["what"] == "definitions" && definitions["different"][0].as_str().unwrap().contains("b_up_fkey"), "{definitions}");
    assert_eq!(server.psql("back", "select up from b").unwrap(), "7");
}

#[test]
fn what_was_compared_is_printed_and_what_was_not() {
    let world = World::new();
    let server = PostgresServer::start().unwrap();
    server.create_database("shop").unwrap();
    let sql = "create table a(id int primary key); create sequence s; create materialized view m as select * from a";
    server.psql("shop", sql).unwrap();
    world.run(["backup", &server.address(), "--to", &world.root(), "--database", "shop"]).succeeds();
    let ran = world.run(["restore", &world.root(), "--database", "shop", "--into", &server.address(), "--as", "back"]);
    let text = &ran.succeeds().stdout;
    assert!(text.contains("Compared: tables (1), definitions (") && text.contains("), sequences (1), materialized views (1), "), "{text}");
    assert!(text.contains("Not compared, of materialized views: Their rows"), "{text}");
}

/// The command line, to be frozen or interrupted.
fn puppet(world: &World, arguments: &[&str]) -> Puppet {
    let given = world.command(arguments);
    let mut command = Puppet::command(given.get_program());
    command.args(given.get_args());
    command.envs(given.get_envs().filter_map(|(key, value)| Some((key, value?))));
    Puppet::start(command).unwrap()
}

/// Starts a backup of a big database, freezes it once it writes, does something to the server, and lets it go on.
fn meanwhile(world: &World, server: &mut PostgresServer, act: impl FnOnce(&mut PostgresServer)) -> (i32, String) {
    server.create_database("big").unwrap();
    server.psql("big", BIG).unwrap();
    let mut puppet = puppet(world, &["backup", &server.address(), "--to", &world.root(), "--database", "big", "--json"]);
    let writes = || world.files().iter().any(|(path, bytes)| path.to_string_lossy().contains(".partial-") && !bytes.is_empty());
    puppet.wait_until("the archive is being written", writes).unwrap();
    puppet.freeze().unwrap();
    act(server);
    puppet.thaw().unwrap();
    let ended = puppet.wait().unwrap();
    (ended.status.code().unwrap_or(-1), ended.lines.join("\n"))
}

#[test]
fn a_database_dropped_in_the_middle_leaves_nothing_half_made() {
    let world = World::new();
    let mut server = PostgresServer::start().unwrap();
    let (code, printed) = meanwhile(&world, &mut server, |server| {
        server.psql("postgres", "drop database big with (force)").unwrap();
    });
    assert!(code == 1 && printed.contains("next_step"), "{printed}");
    assert!(printed.contains("database-gone") || printed.contains("connection-lost"), "{printed}");
    nothing_half_made(&world, 0);
}

#[test]
fn a_server_stopped_in_the_middle_leaves_nothing_half_made_and_the_next_run_works() {
    let world = World::new();
    let mut server = PostgresServer::start().unwrap();
    let (code, printed) = meanwhile(&world, &mut server, |server| server.stop().unwrap());
    // A thread that connects only now finds nobody there.
    assert!(code == 1 && (printed.contains("connection-lost") || printed.contains("unreachable")), "{printed}");
    nothing_half_made(&world, 0);
    server.restart().unwrap();
    world.run(["backup", &server.address(), "--to", &world.root(), "--database", "big"]).succeeds();
    nothing_half_made(&world, 1);
}

#[test]
fn a_run_that_is_interrupted_cleans_up_after_itself() {
    let world = World::new();
    let server = PostgresServer::start().unwrap();
    server.create_database("big").unwrap();
    server.psql("big", BIG).unwrap();
    let (address, root) = (server.address(), world.root());

    let mut backup = puppet(&world, &["backup", &address, "--to", &root, "--database", "big"]);
    let writes = || world.files().iter().any(|(path, _)| path.to_string_lossy().contains(".partial-"));
    backup.wait_until("the archive is being written", writes).unwrap();
    backup.interrupt().unwrap();
    let ended = backup.wait().unwrap();
    assert!(ended.status.code() == Some(1) && ended.lines.concat().contains("cancelled"), "{ended:?}");
    nothing_half_made(&world, 0);

    world.run(["backup", &address, "--to", &root, "--database", "big"]).succeeds();
    let mut restore = puppet(&world, &["restore", &root, "--database", "big", "--into", &address, "--as", "back"]);
    restore.wait_until("the staging database is there", || staging_databases(&server) != "0").unwrap();
    restore.interrupt().unwrap();
    let ended = restore.wait().unwrap();
    assert!(ended.status.code() == Some(1) && ended.lines.concat().contains("cancelled"), "{ended:?}");
    assert_eq!(staging_databases(&server), "0");
    assert_eq!(server.psql("postgres", "select count(*) from pg_database where datname = 'back'").unwrap(), "0");
}

#[test]
fn rows_go_through_a_pipe_that_ends_early() {
    let world = World::new();
    let server = PostgresServer::start().unwrap();
    server.create_database("big").unwrap();
    server.psql("big", BIG).unwrap();
    world.run(["backup", &server.address(), "--to", &world.root(), "--database", "big"]).succeeds();
    let mut cat = world.command(["cat", &world.root(), "--database", "big", "--table", "public.big"]);
    let mut cat = cat.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let head = Command::new("head").args(["-n", "2"]).stdin(cat.stdout.take().unwrap()).output().unwrap();
    assert_eq!(String::from_utf8(head.stdout).unwrap().lines().count(), 2);
    let ended = cat.wait_with_output().unwrap();
    assert!(ended.status.success() && ended.stderr.is_empty(), "{ended:?}");
}
