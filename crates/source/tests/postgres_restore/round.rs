//! Backup into memory and back, on one server.

use crate::support::{
    self, load_whole,
    postgres::{connection_at, fresh_name},
};
use domain::{Result, Summary};
use source::{Context, Description, Scope, Source, StageRequest, Staging, postgres::Postgres};
use testkit::PostgresServer;

/// An archive and what its description says.
pub struct Archive {
    pub members: support::Archive,
    pub description: Description,
    pub summary: Summary,
}

/// The server as `user` opens it.
pub fn source(server: &PostgresServer, user: &str) -> Postgres {
    source_at(server.port(), user)
}

/// The server on this port as `user` opens it.
pub fn source_at(port: u16, user: &str) -> Postgres {
    source_from(port, user, "postgres")
}

/// The same, with another maintenance database.
pub fn source_from(port: u16, user: &str, maintenance_database: &str) -> Postgres {
    Postgres::new(&connection_at(port, user, maintenance_database), 3).unwrap()
}

/// Reads a database as the engine does.
pub fn back_up(server: &PostgresServer, database: &str) -> Archive {
    back_up_by(&source(server, "postgres"), database)
}

/// Reads a database of an opened server.
pub fn back_up_by(source: &Postgres, database: &str) -> Archive {
    let (members, context) = (support::Archive::default(), Context::default());
    let reading = source.begin_full(&Scope::Database(database.into()), &context).unwrap();
    let description = reading.description().clone();
    let summary = reading.read(&members, &context).unwrap();
    members.put("summary.json", serde_json::to_vec(&summary).unwrap());
    Archive { members, description, summary }
}

impl Archive {
    /// A request for a database of this name, nothing special.
    pub fn request(&self, name: &str) -> StageRequest {
        StageRequest {
            name: name.into(),
            description: self.description.clone(),
            no_owner: false,
            create_roles: false,
            only_table: None,
            keep_going: false,
        }
    }

    /// Restores as the engine does, and compares.
    pub fn restore(&self, server: &PostgresServer, request: &StageRequest) -> Result<Vec<String>> {
        let context = Context::default();
        let mut staging = self.load(server, request, &context)?;
        let notes = staging.notes();
        if request.only_table.is_none() {
            assert_eq!(staging.tables(None, &context)?, self.summary.tables);
        }
        for compared in staging.compare(&self.members, &context)? {
            // Whoever keeps going looks at what differs himself.
            assert!(compared.is_equal() || request.keep_going, "{compared:?}");
        }
        staging.publish(&context)?;
        Ok(notes)
    }

    /// Restores up to the moment before the comparison.
    pub fn load(&self, server: &PostgresServer, request: &StageRequest, context: &Context) -> Result<Box<dyn Staging>> {
        let mut staging = source(server, "postgres").stage(request, context)?;
        load_whole(&mut *staging, &self.members, context)?;
        Ok(staging)
    }
}

/// Backs a database up and restores it; both are equal to the server's own dump.
pub fn round_trip(server: &PostgresServer, database: &str) -> String {
    let archive = back_up(server, database);
    let name = fresh_name();
    let notes = archive.restore(server, &archive.request(&name)).unwrap();
    assert_eq!(notes, [""; 0]);
    same(server, database, &name);
    name
}

/// Both databases are the same to pg_dump, in their own encoding.
pub fn same(server: &PostgresServer, a: &str, b: &str) {
    let (a, b) = (dumped(server, a), dumped(server, b));
    if let Some((a, b)) = a.iter().zip(&b).find(|(a, b)| a != b) {
        panic!("the dumps differ: {:?} became {:?}", String::from_utf8_lossy(a), String::from_utf8_lossy(b));
    }
    assert_eq!(a.len(), b.len(), "one dump has lines that the other has not");
}

/// The lines of a dump, sorted, without what differs between equal databases.
fn dumped(server: &PostgresServer, database: &str) -> Vec<Vec<u8>> {
    let out = server.client("pg_dump", database).env_remove("PGCLIENTENCODING").arg("--no-sync").output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let noise: [&[u8]; 4] = [b"--", b"\\restrict", b"\\unrestrict", b"SELECT pg_catalog.lo_create"];
    let is_noise = |line: &&[u8]| line.is_empty() || noise.iter().any(|start| line.starts_with(start));
    let mut lines: Vec<_> = out.stdout.split(|&byte| byte == b'\n').filter(|line| !is_noise(line)).map(<[u8]>::to_vec).collect();
    lines.sort_unstable();
    lines
}

/// Names of staging databases on the server.
pub fn staged(server: &PostgresServer) -> Vec<String> {
    let names = server.psql("postgres", "select datname from pg_database where datname like 'rookery_staging%' order by 1").unwrap();
    names.lines().map(str::to_owned).collect()
}
