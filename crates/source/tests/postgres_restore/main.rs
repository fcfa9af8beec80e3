//! Databases of a real PostgreSQL server, backed up and restored.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test that fails is to say where")]

mod compare;
mod needs;
mod round;
mod schema;
mod sweep;
mod trouble;
mod whole;

#[path = "../support/mod.rs"]
mod support;

use testkit::PostgresServer;

/// The server that these tests share.
fn server() -> &'static PostgresServer {
    testkit::shared().unwrap()
}

/// A database filled by `sql`.
fn filled(sql: &str) -> String {
    support::postgres::filled(server(), sql)
}

fn ask(database: &str, sql: &str) -> String {
    server().psql(database, sql).unwrap()
}
