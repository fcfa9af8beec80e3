//! All rows of a database into an archive, by several connections with the same state.

use super::{
    cell::{Encoding, Wide},
    connect::quoted,
    encoder::Encoder,
    fault::Subject,
    job::Job,
    moment::{SHARED_FROM_BYTES, size_bytes},
    schema::{Layout, Object},
};
use crate::{
    Context, Sink, encode, gently,
    keys::{self, Sorter},
    table::RowWriter,
};
use domain::{Error, Result, TableSummary};
use rusqlite::{Connection, Row};
use std::{
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

/// A table is split in ranges of about this many bytes of the database file.
const RANGE_BYTES: u64 = 4 << 20;

/// What is read, and how.
pub struct Reader<'a> {
    /// The database, for sentences.
    pub subject: &'a Subject,
    /// Its text encoding.
    pub encoding: Encoding,
    /// The objects whose rows are read.
    pub objects: &'a [Object],
    /// The folder for the keys of all rows, if they are wanted.
    pub keys: Option<&'a Path>,
}

/// What the threads of one reading share.
struct Shared<'a> {
    jobs: Vec<Job<'a>>,
    wide: &'a Wide<'a>,
    context: &'a Context,
    failed: AtomicBool,
    first_error: Mutex<Option<Error>>,
}

impl Reader<'_> {
    /// Reads all stored tables and returns what was counted, ordered by name.
    pub fn read(&self, connections: &mut [Connection], wide: &Wide<'_>, context: &Context) -> Result<Vec<TableSummary>> {
        let shared = Shared {
            jobs: self.jobs(connections, wide.sink())?,
            wide,
            context,
            failed: AtomicBool::new(false),
            first_error: Mutex::default(),
        };
        std::thread::scope(|scope| {
            let shared = &shared;
            for connection in &mut *connections {
                gently::spawn(scope, context, move || self.work(connection, shared));
            }
        });
        if let Some(error) = shared.first_error.into_inner().unwrap_or_else(PoisonError::into_inner) {
            return Err(error);
        }
        let mut tables = shared.jobs.into_iter().map(|job| self.finish(job, connections)).collect::<Result<Vec<_>>>()?;
        tables.sort_by(|a, b| a.table.cmp(&b.table));
        Ok(tables)
    }

    fn jobs<'s>(&self, connections: &[Connection], sink: &'s dyn Sink) -> Result<Vec<Job<'s>>> {
        let first = connections.first().ok_or_else(|| Error::internal("A database was to be read by no connection."))?;
        let file_bytes = size_bytes(first).map_err(|error| self.subject.fault("Reading", error))?;
        let split = connections.len() > 1 && file_bytes >= SHARED_FROM_BYTES;
        let pieces = if split { file_bytes / RANGE_BYTES } else { 1 };
        let layout = Layout::new(first, self.subject)?;
        let stored = self.objects.iter().filter(|object| object.is_stored_table());
        stored.map(|object| Job::new(first, layout.table(&object.name)?, self.encoding, pieces, sink, self.subject)).collect()
    }

    fn work(&self, connection: &Connection, shared: &Shared<'_>) {
        if let Err(error) = shared.jobs.iter().try_for_each(|job| self.read_table(connection, job, shared)) {
            // What the others fail with after the first is only that they stop.
            if !shared.failed.swap(true, Relaxed) {
                *shared.first_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            }
        }
    }

    fn read_table(&self, connection: &Connection, job: &Job<'_>, shared: &Shared<'_>) -> Result<()> {
        let mut writer = None;
        let mut keys = self.keys.filter(|_| !job.table.key_at.is_empty()).map(Sorter::new);
        while let Some(piece) = job.claim() {
            let writer = writer.get_or_insert_with(|| job.output.writer(shared.context));
            self.read_piece(connection, job, piece, shared, writer, keys.as_mut()).map_err(|error| match error {
                Fault::Sqlite(error) => self.subject.fault(format_args!("Reading the table {:?}", job.table.name), error),
                Fault::Ours(error) => error,
            })?;
        }
        if let Some(writer) = writer {
            job.add(&writer.finish()?, keys);
        }
        Ok(())
    }

    fn read_piece(
        &self,
        connection: &Connection,
        job: &Job<'_>,
        piece: u64,
        shared: &Shared<'_>,
        writer: &mut RowWriter<'_>,
        mut keys: Option<&mut Sorter>,
    ) -> Result<(), Fault> {
        let mut statement = connection.prepare_cached(&job.select)?;
        let mut rows = match job.range(piece) {
            Some((first, last)) => statement.query([first, last])?,
            None => statement.query([])?,
        };
        let mut encoder = Encoder::new(self.encoding, &job.table);
        let mut last_rowid = None;
        while let Some(row) = rows.next()? {
            encoder.encode(row, shared.wide)?;
            if !self.is_in_order(row, job, &mut last_rowid)? {
                return Err(self.subject.contradicts(format_args!("rows of the table {:?} are out of order", job.table.name)).into());
            }
            writer.row(encoder.row())?;
            if let Some(keys) = &mut keys {
                let hash = encode::row_hash(encoder.row());
                keys.push(encoder.key()?, hash)?;
            }
            if shared.failed.load(Relaxed) {
                return Err(Error::cancelled().into());
            }
        }
        Ok(())
    }

    /// A damaged page can hold rows in the wrong place, where ranges would miss them in silence.
    fn is_in_order(&self, row: &Row<'_>, job: &Job<'_>, last: &mut Option<i64>) -> rusqlite::Result<bool> {
        let Some(at) = job.table.rowid_at else { return Ok(true) };
        let rowid: i64 = row.get(if self.encoding == Encoding::Utf8 { at } else { 2 * at })?;
        Ok(last.replace(rowid).is_none_or(|before| before < rowid))
    }

    /// Ends a table; one read in ranges must have given as many rows as its pages hold.
    fn finish(&self, job: Job<'_>, connections: &[Connection]) -> Result<TableSummary> {
        job.output.finish()?;
        let (name, in_ranges, has_key) = (job.table.name.clone(), job.span.is_some(), !job.table.key_at.is_empty());
        let (summary, sorters) = job.counted();
        if let Some(connection) = connections.first().filter(|_| in_ranges) {
            let sql = format!("SELECT count(*) FROM main.{} NOT INDEXED", quoted(&name));
            let fault = |error| self.subject.fault(format_args!("Counting the rows of the table {name:?}"), error);
            let rows: i64 = connection.query_row(&sql, [], |row| row.get(0)).map_err(fault)?;
            if u64::try_from(rows) != Ok(summary.rows) {
                return Err(self
                    .subject
                    .contradicts(format_args!("its table {name:?} holds {rows} rows, but {} can be found", summary.rows)));
            }
        }
        if let (Some(folder), true) = (self.keys, has_key) {
            keys::merge(sorters, &keys_file(folder, &name))?;
        }
        Ok(summary)
    }
}

/// The file with the keys of a table.
pub fn keys_file(folder: &Path, table: &str) -> PathBuf {
    folder.join(format!("{:032x}.keys", encode::row_hash(table.as_bytes())))
}

/// What can go wrong with a row.
pub enum Fault {
    Sqlite(rusqlite::Error),
    Ours(Error),
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Ours(error)
    }
}
