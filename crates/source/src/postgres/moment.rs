//! The rows of one database at one moment, read by several sessions.

use super::{
    archive::LargeObject,
    blobs, discover,
    pieces::Queue,
    reader::Reader,
    snapshot::{Import, Snapshot, pinned},
    wire::{self, Target, quote_literal},
};
use crate::{Context, Nowhere, Sink, gently};
use domain::{Code, Error, Result, TableSummary};
use std::{
    sync::{Mutex, PoisonError},
    thread,
};

/// A database below this size is read by one session: more would cost more than they bring.
const ALONE_BYTES: u64 = 8 << 20;

/// A snapshot with everything known that holds rows.
pub(super) struct Moment {
    pub target: Target,
    pub database: String,
    pub snapshot: Snapshot,
    pub objects: Vec<LargeObject>,
    workers: usize,
    block_bytes: u64,
}

impl Moment {
    /// Takes the snapshot, or joins one. What may not be read is an error now.
    pub fn take(target: &Target, database: &str, workers: usize, import: Import<'_>, context: &Context) -> Result<Self> {
        let taken = Snapshot::take(target, database, import, context).and_then(|mut snapshot| {
            discover::supported(&snapshot.leader)?;
            let objects = blobs::list(&mut snapshot.leader, database)?;
            Self::of(target, database, workers, snapshot, objects)
        });
        taken.map_err(|error| discover::nameless(gone(error, target, database, context), database))
    }

    /// The moment of a snapshot that is held already.
    pub fn of(target: &Target, database: &str, workers: usize, mut snapshot: Snapshot, objects: Vec<LargeObject>) -> Result<Self> {
        let block_bytes = snapshot.leader.query("SHOW block_size")?.first().map_or(Ok(8192), |row| row.parse(0))?;
        Ok(Self { target: target.clone(), database: database.into(), snapshot, objects, workers: workers.max(1), block_bytes })
    }

    /// Bytes as the server stores them: what comes out is about as much.
    pub fn stored_bytes(&self) -> u64 {
        self.snapshot.tables.iter().map(|table| table.total_bytes).sum()
    }

    /// Reads all rows; the first error ends all sessions. With `keeps_values` the bytes of
    /// large values are read as well as their hashes.
    pub fn read(mut self, sink: &dyn Sink, keeps_values: bool, context: &Context) -> Result<Vec<TableSummary>> {
        let read = self.read_on(sink, keeps_values, context).and_then(|tables| {
            self.snapshot.leader.execute("COMMIT")?;
            Ok(tables)
        });
        read.map_err(|error| gone(error, &self.target, &self.database, context))
    }

    /// The same, and the moment is still held afterwards.
    pub fn read_on(&mut self, sink: &dyn Sink, keeps_values: bool, context: &Context) -> Result<Vec<TableSummary>> {
        // A wish to stop of our own: the first error ends the other sessions as well.
        let context = &Context { cancel: context.cancel.child_token(), ..context.clone() };
        let sessions = if self.stored_bytes() < ALONE_BYTES && self.objects.is_empty() { 1 } else { self.workers };
        let oids: Vec<_> = self.objects.iter().map(|object| object.oid).collect();
        let Snapshot { leader, id, tables, .. } = &mut self.snapshot;
        let version = leader.server_version();
        let queue = Queue::new(tables, &oids, version, self.block_bytes);
        let reader = Reader::new(tables, !oids.is_empty(), queue, sink, keeps_values, context)?;
        leader.obey(context);
        leader.execute("SET LOCAL lock_timeout = 0")?;
        let snapshotted = Snapshotted { target: &self.target, database: &self.database, id, context };
        let first = Mutex::new(None);
        let guard = |result: Result<()>| {
            if let Err(error) = result {
                first.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                context.cancel.cancel();
            }
        };
        thread::scope(|scope| {
            for _ in 1..sessions.min(reader.left()) {
                gently::spawn(scope, context, || guard(reader.help(&snapshotted)));
            }
            gently::spawn(scope, context, || guard(reader.lead(leader)));
        });
        if !context.cancel.is_cancelled() {
            gently::run(context, || guard(reader.lead_kept(leader)));
        }
        if let Some(error) = first.into_inner().unwrap_or_else(PoisonError::into_inner) {
            // The server was there a moment ago: one that cannot be reached any more, by whichever session, was lost.
            let lost = matches!(error.code(), Code::Unreachable | Code::ConnectionLost);
            return Err(if lost { wire::lost(&self.target, &self.database, error) } else { error });
        }
        reader.finish()
    }
}

/// What another session needs to see the same moment.
pub(super) struct Snapshotted<'a> {
    pub target: &'a Target,
    pub database: &'a str,
    /// Identifier of the snapshot.
    pub id: &'a str,
    /// Cancelled by the first error, too.
    pub context: &'a Context,
}

/// A connection that broke because its database was dropped says only that it was ended: ask the server.
pub(super) fn gone(error: Error, target: &Target, database: &str, context: &Context) -> Error {
    if error.code() != Code::ConnectionLost {
        return error;
    }
    let exists = || -> Result<bool> {
        let mut session = pinned(target, &target.maintenance_database, context)?;
        let sql = format!("SELECT 1 FROM pg_database WHERE datname = {}", quote_literal(database));
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

/// Reads a database as a backup does and keeps nothing but what was counted, ordered by name. Needs no client tools.
pub fn digest_tables(target: &Target, database: &str, workers: usize, context: &Context) -> Result<Vec<TableSummary>> {
    Moment::take(target, database, workers, &mut || Ok(None), context)?.read(&Nowhere, false, context)
}
