//! Backup into memory and back, on one server.

use domain::{Connection, Result, Summary, TlsMode};
use source::{Context, Description, Member, Members, Scope, Sink, Source, StageRequest, Staging, postgres::Postgres};
use std::{
    collections::BTreeMap,
    io::{Cursor, Read},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};
use testkit::PostgresServer;

/// Members by name, in memory.
#[derive(Default)]
pub struct Memory(Mutex<BTreeMap<String, Arc<[u8]>>>);

impl Memory {
    /// The bytes of a member.
    pub fn bytes(&self, name: &str) -> Vec<u8> {
        self.0.lock().unwrap()[name].to_vec()
    }

    /// Puts other bytes in the place of a member.
    pub fn replace(&self, name: &str, bytes: &[u8]) {
        let before = self.0.lock().unwrap().insert(name.into(), bytes.into());
        assert!(before.is_some(), "there is no member {name}");
    }
}

impl Sink for Memory {
    fn member(&self, name: &str) -> Result<Box<dyn Member + '_>> {
        Ok(Box::new(Open { memory: self, name: name.into(), bytes: vec![] }))
    }
}

struct Open<'a> {
    memory: &'a Memory,
    name: String,
    bytes: Vec<u8>,
}

impl Member for Open<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<()> {
        self.memory.0.lock().unwrap().insert(self.name, self.bytes.into());
        Ok(())
    }
}

impl Members for Memory {
    fn names(&self) -> Vec<String> {
        self.0.lock().unwrap().keys().cloned().collect()
    }

    fn open(&self, name: &str) -> Result<Box<dyn Read + Send + '_>> {
        Ok(Box::new(Cursor::new(self.0.lock().unwrap()[name].clone())))
    }
}

/// An archive and what its description says.
pub struct Archive {
    pub members: Memory,
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
    let connection = Connection::Postgresql {
        host: "127.0.0.1".into(),
        port,
        user: user.into(),
        password: None,
        maintenance_database: maintenance_database.into(),
        tls: TlsMode::Disable,
        root_certificate: None,
    };
    Postgres::new(&connection, 3).unwrap()
}

/// Reads a database as the engine does.
pub fn back_up(server: &PostgresServer, database: &str) -> Archive {
    back_up_by(&source(server, "postgres"), database)
}

/// Reads a database of an opened server.
pub fn back_up_by(source: &Postgres, database: &str) -> Archive {
    let (members, context) = (Memory::default(), Context::default());
    let reading = source.begin_full(&Scope::Database(database.into()), &context).unwrap();
    let description = reading.description().clone();
    let summary = reading.read(&members, &context).unwrap();
    Sink::member(&members, "summary.json")
        .and_then(|mut member| member.write(&serde_json::to_vec(&summary).unwrap()).and_then(|()| member.finish()))
        .unwrap();
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

/// A name that no other test has.
pub fn fresh_name() -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(1);
    format!("back_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
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

/// Loads a single archive as the engine does: all that comes before the comparison.
pub fn load_whole(staging: &mut dyn Staging, archive: &dyn Members, context: &Context) -> Result<()> {
    staging.load(&[archive], context)?;
    staging.finish(archive, context)
}
