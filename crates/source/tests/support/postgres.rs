//! Real PostgreSQL servers for tests: ways in, and databases of their own.

use domain::{Connection, TlsMode};
use source::{
    Context,
    postgres::wire::{Session, Target},
};
use std::sync::atomic::{AtomicUsize, Ordering};
use testkit::PostgresServer;

/// How `user` comes in.
pub fn connection(server: &PostgresServer, user: &str) -> Connection {
    connection_at(server.port(), user, "postgres")
}

/// The same, on this port and with another maintenance database.
pub fn connection_at(port: u16, user: &str, maintenance_database: &str) -> Connection {
    Connection::Postgresql {
        host: "127.0.0.1".into(),
        port,
        user: user.into(),
        password: None,
        maintenance_database: maintenance_database.into(),
        tls: TlsMode::Disable,
        root_certificate: None,
    }
}

/// Where the administrator connects to.
pub fn target(server: &PostgresServer) -> Target {
    Target::new(&connection(server, "postgres")).unwrap()
}

/// A session of the administrator's.
pub fn session(server: &PostgresServer, database: &str) -> Session {
    Session::connect(&target(server), database, &Context::default()).unwrap()
}

/// A new database, filled by `sql`.
pub fn filled(server: &PostgresServer, sql: &str) -> String {
    let name = server.fresh_database().unwrap();
    server.psql(&name, sql).unwrap();
    name
}

/// A name that no other database has.
pub fn fresh_name() -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(1);
    format!("named_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}
