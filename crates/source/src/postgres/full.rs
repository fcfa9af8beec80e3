//! A full reading of one database.

use super::{
    archive::{DatabaseProperties, LARGE_OBJECTS_METADATA, LargeObject, POST_DATA, PRE_DATA, SCHEMA_ARCHIVE, to_json},
    blobs,
    pieces::Queue,
    properties,
    reader::Reader,
    snapshot::Snapshot,
    tools,
    wire::{self, Session, Target},
};
use crate::{Context, Description, Member, Reading, Sink};
use domain::{Code, Dbms, Error, Result, Summary, TableSummary};
use std::{
    sync::{Mutex, PoisonError},
    thread,
};

/// A database below this size is read by one session: more would cost more than they bring.
const ALONE_BYTES: u64 = 8 << 20;

/// One moment of a database, ready to be read.
pub(super) struct Full {
    target: Target,
    database: String,
    workers: usize,
    snapshot: Snapshot,
    objects: Vec<LargeObject>,
    block_bytes: u64,
    description: Description,
    with_schema: bool,
}

impl Full {
    /// Takes the moment, and finds out everything that would make the reading fail or lack something.
    pub fn begin(target: &Target, database: &str, workers: usize, context: &Context) -> Result<Self> {
        let begun = Self::begin_on(target, database, workers, context);
        begun.map_err(|error| gone(error, target, database, context))
    }

    fn begin_on(target: &Target, database: &str, workers: usize, context: &Context) -> Result<Self> {
        let mut snapshot = Snapshot::take(target, database, context)?;
        let leader = &mut snapshot.leader;
        super::discover::supported(leader)?;
        let tools = tools::find(leader.server_version())?;
        let objects = blobs::list(leader, database)?;
        let properties = properties::properties(leader, database)?;
        let block_bytes = leader.query("SHOW block_size")?.first().map_or(Ok(8192), |row| row.parse(0))?;
        let description = Description {
            format: Description::FORMAT,
            dbms: Dbms::Postgresql,
            version: leader.server_version_text().into(),
            database: database.into(),
            notes: notes(&properties),
            properties: to_json(&properties)?,
            tools: vec![format!("pg_dump {}", tools.version)],
            position: serde_json::Value::Null,
        };
        Ok(Self {
            target: target.clone(),
            database: database.into(),
            workers: workers.max(1),
            snapshot,
            objects,
            block_bytes,
            description,
            with_schema: true,
        })
    }

    /// Bytes as the server stores them: what comes out is about as much.
    fn stored_bytes(&self) -> u64 {
        self.snapshot.tables.iter().map(|table| table.total_bytes).sum()
    }

    fn read_on(self, sink: &dyn Sink, context: &Context) -> Result<Summary> {
        let sessions = if self.stored_bytes() < ALONE_BYTES && self.objects.is_empty() { 1 } else { self.workers };
        let Self { target, database, mut snapshot, objects, .. } = self;
        // A wish to stop of our own: the first error ends the other sessions and the tools as well.
        let context = &Context { cancel: context.cancel.child_token(), meter: context.meter.clone() };
        let oids: Vec<_> = objects.iter().map(|object| object.oid).collect();
        let version = snapshot.leader.server_version();
        let queue = Queue::new(&snapshot.tables, &oids, version, self.block_bytes);
        let mut reader = Reader::new(&snapshot.tables, !objects.is_empty(), queue, sink, context)?;
        reader.keeps_values = self.with_schema;
        let (leader, id) = (&mut snapshot.leader, snapshot.id.as_str());
        leader.obey(context);
        let first = Mutex::new(None);
        let guard = |result: Result<()>| {
            if let Err(error) = result {
                first.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                context.cancel.cancel();
            }
        };
        thread::scope(|scope| {
            if self.with_schema {
                scope.spawn(|| guard(schema(&target, &database, id, version, sink, context)));
            }
            for _ in 1..sessions.min(reader.left()) {
                scope.spawn(|| guard(reader.help(&target, &database, id)));
            }
            guard(reader.work(leader));
        });
        if let Some(error) = first.into_inner().unwrap_or_else(PoisonError::into_inner) {
            // The server was there a moment ago: one that cannot be reached any more, by whichever session or tool, was lost.
            let lost = matches!(error.code(), Code::Unreachable | Code::ConnectionLost);
            return Err(if lost { wire::lost(&target, &database, error) } else { error });
        }
        if self.with_schema && !objects.is_empty() {
            member(sink, LARGE_OBJECTS_METADATA, &to_json(&objects)?.to_string().into_bytes())?;
        }
        let tables = reader.finish()?;
        let extra = properties::extra(leader, &database)?;
        leader.execute("COMMIT")?;
        Ok(Summary { tables, extra: to_json(&extra)? })
    }
}

impl Reading for Full {
    fn description(&self) -> &Description {
        &self.description
    }

    fn expected_bytes(&self) -> u64 {
        self.stored_bytes()
    }

    fn read(self: Box<Self>, sink: &dyn Sink, context: &Context) -> Result<Summary> {
        let (target, database) = (self.target.clone(), self.database.clone());
        let read = self.read_on(sink, context);
        read.map_err(|error| gone(error, &target, &database, context))
    }
}

fn notes(properties: &DatabaseProperties) -> Vec<String> {
    let mut notes = Vec::new();
    if !properties.foreign_tables.is_empty() {
        let tables = super::catalog::list(&properties.foreign_tables);
        notes.push(format!("Of foreign tables only the definition is in the backup, not the rows that lie elsewhere: {tables}."));
    }
    notes
}

fn schema(target: &Target, database: &str, snapshot: &str, version: u32, sink: &dyn Sink, context: &Context) -> Result<()> {
    let schema = tools::schema(target, database, snapshot, version, context)?;
    member(sink, SCHEMA_ARCHIVE, &schema.archive)?;
    member(sink, PRE_DATA, &schema.pre_data)?;
    member(sink, POST_DATA, &schema.post_data)
}

/// Writes a whole small member.
pub(super) fn member(sink: &dyn Sink, name: &str, bytes: &[u8]) -> Result<()> {
    let mut member = sink.member(name)?;
    member.write(bytes)?;
    member.finish()
}

/// A connection that broke because its database was dropped says only that it was ended: ask the server.
fn gone(error: Error, target: &Target, database: &str, context: &Context) -> Error {
    if error.code() != Code::ConnectionLost {
        return error;
    }
    let exists = || -> Result<bool> {
        let mut session = Session::connect(target, &target.maintenance_database, context)?;
        let sql = format!("SELECT 1 FROM pg_database WHERE datname = {}", wire::quote_literal(database));
        Ok(!session.query(&sql)?.is_empty())
    };
    match exists() {
        Ok(false) => Error::new(
            Code::DatabaseGone,
            format!("The database {database:?} at {target} was dropped while it was being read."),
            "If that was meant, leave it out of the backup; its earlier backups can still be restored.",
        )
        .because(error),
        _ => error,
    }
}

/// Takes bytes and drops them.
struct Nowhere;

impl Sink for Nowhere {
    fn member(&self, _: &str) -> Result<Box<dyn Member + '_>> {
        Ok(Box::new(Self))
    }
}

impl Member for Nowhere {
    fn write(&mut self, _: &[u8]) -> Result<()> {
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

/// Reads a database as a backup does and keeps nothing but what was counted, ordered by name.
pub fn digest_tables(target: &Target, database: &str, workers: usize, context: &Context) -> Result<Vec<TableSummary>> {
    let mut full = Full::begin(target, database, workers, context)?;
    full.with_schema = false;
    Ok(Box::new(full).read(&Nowhere, context)?.tables)
}
