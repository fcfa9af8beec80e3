//! The definitions of a big database, read by the tools and run statement by statement, are the same again.

use source::{
    Context,
    postgres::{
        sql::{self, Class},
        tools,
        wire::{Session, Target},
    },
};
use std::collections::HashSet;
use testkit::PostgresServer;

const ZOO: &str = include_str!("zoo.sql");

fn target(server: &PostgresServer) -> Target {
    Target {
        host: "127.0.0.1".into(),
        port: server.port(),
        user: server.user().into(),
        password: None,
        maintenance_database: "postgres".into(),
        tls: domain::TlsMode::Disable,
        root_certificate: None,
    }
}

/// The definitions of `database`, read at a snapshot that a session holds.
fn read(server: &PostgresServer, database: &str, context: &Context) -> tools::Schema {
    let target = target(server);
    let mut session = Session::connect(&target, database, context).unwrap();
    session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").unwrap();
    let snapshot = session.query("SELECT pg_export_snapshot()").unwrap()[0].text(0).unwrap().to_owned();
    tools::schema(&target, database, &snapshot, session.server_version(), context).unwrap()
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
    assert_eq!(classes.len(), 13, "every class but REFRESH occurs: {classes:?}");
}
