//! The definitions of a big database, read by the tools and run statement by statement, are the same again.

use crate::support::postgres::target;
use domain::{Code, Secret};
use source::{
    Context,
    postgres::{
        sql::{self, Class},
        tools::{self, Asked, Passwords, Remarks},
        wire::{Session, Target},
    },
};
use std::collections::HashSet;
use testkit::PostgresServer;

const ZOO: &str = include_str!("zoo.sql");

#[test]
fn tools_log_in_by_password_and_say_what_is_refused() {
    let server = PostgresServer::builder().hba("host all all 127.0.0.1/32 scram-sha-256").start().unwrap();
    let context = Context::default();
    server.psql("postgres", r#"create role poor login password 'a:b\c "d'"#).unwrap();
    server.psql("postgres", "create database own owner poor").unwrap();
    let mut target = Target { user: "poor".into(), password: Some(Secret::new(r#"a:b\c "d"#.into())), ..target(&server) };
    let mut session = Session::connect(&target, "own", &context).unwrap();
    session.execute("CREATE TABLE t (a int)").unwrap();
    session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ").unwrap();
    let snapshot = session.query("SELECT pg_export_snapshot()").unwrap()[0].text(0).unwrap().to_owned();
    let asked = |database| Asked { database, snapshot: &snapshot, server_version: session.server_version(), remarks: Remarks::POSSIBLE };
    let read = |target: &Target| tools::schema(target, asked("own"), &context);
    assert!(memchr::memmem::find(&read(&target).unwrap().pre_data, b"CREATE TABLE public.t").is_some());
    // Roles without their passwords, which he may not see, and said so.
    let error = tools::globals(&target, 150_000, Passwords::Kept, &context).unwrap_err();
    assert!(error.code() == Code::Privilege && error.to_string().contains("pg_authid"), "{error}");
    let (roles, tool) = tools::globals(&target, 150_000, Passwords::LeftOut, &context).unwrap();
    let roles = String::from_utf8(roles).unwrap();
    assert!(
        roles.starts_with("-- The user")
            && roles.contains("CREATE ROLE poor")
            && !roles.contains("SCRAM")
            && tool.starts_with("pg_dumpall")
    );

    server.psql("own", "alter table t owner to postgres").unwrap();
    let error = read(&target).err().unwrap();
    assert!(error.code() == Code::Privilege && error.to_string().contains("table t"), "{error}");
    let error = tools::schema(&target, asked("gone=1"), &context).err().unwrap();
    assert!(error.code() == Code::DatabaseGone && error.to_string().contains("gone=1"), "{error}");
    target.password = Some(Secret::new("hunter2".into()));
    let error = read(&target).err().unwrap();
    assert!(error.code() == Code::AuthFailed && !format!("{error:?}").contains("hunter2"), "{error}");
}

/// The definitions of `database`, read at a snapshot that a session holds.
fn read(server: &PostgresServer, database: &str, context: &Context) -> tools::Schema {
    let target = target(server);
    let mut session = Session::connect(&target, database, context).unwrap();
    session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").unwrap();
    let snapshot = session.query("SELECT pg_export_snapshot()").unwrap()[0].text(0).unwrap().to_owned();
    let asked = Asked { database, snapshot: &snapshot, server_version: session.server_version(), remarks: Remarks::POSSIBLE };
    tools::schema(&target, asked, context).unwrap()
}

fn dumped(server: &PostgresServer, database: &str) -> String {
    let dump = server.client("pg_dump", database).args(["--schema-only", "--no-sync"]).output().unwrap();
    assert!(dump.status.success(), "{}", String::from_utf8_lossy(&dump.stderr));
    let text = String::from_utf8(dump.stdout).unwrap();
    text.lines().filter(|line| !line.starts_with("\\restrict") && !line.starts_with("\\unrestrict")).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_zoo_of_objects_survives_statement_by_statement() {
    let server = PostgresServer::start().unwrap();
    let context = Context::default();
    server.create_database("--file=zoo dbname=evil").unwrap();
    server.psql("--file=zoo dbname=evil", ZOO).unwrap();
    let schema = read(&server, "--file=zoo dbname=evil", &context);
    assert!(schema.archive.starts_with(b"PGDMP") && schema.tool.starts_with("pg_dump "));

    server.create_database("again").unwrap();
    let mut session = Session::connect(&target(&server), "again", &context).unwrap();
    let mut classes = HashSet::new();
    for part in [&schema.pre_data, &schema.post_data] {
        assert!(memchr::memmem::find(part, b"\\restrict ").is_none_or(|_| ZOO.contains("\\restrict")));
        // Event triggers stand in the middle of the text and refuse what comes after them: they go last.
        let statements = sql::split(part).unwrap();
        let is_late = |statement: &&sql::Statement<'_>| sql::classify(statement.text) == Class::EventTrigger;
        for statement in statements.iter().filter(|s| !is_late(s)).chain(statements.iter().filter(is_late)) {
            classes.insert(sql::classify(statement.text));
            session.execute_bytes(statement.text).unwrap_or_else(|error| panic!("{}: {error}", statement.title()));
        }
    }
    assert_eq!(dumped(&server, "again"), dumped(&server, "--file=zoo dbname=evil"));
    assert_eq!(classes.len(), 14, "every class but REFRESH occurs: {classes:?}");
}
