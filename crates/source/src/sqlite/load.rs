//! Rows from an archive into the tables of a new database.

use super::{
    cell::{self, Bound},
    connect::quoted,
    define,
    fault::Subject,
    schema::Table,
};
use crate::{
    Context, Members, encode,
    members::from_io,
    table::RowReader,
    value::{self, Value, damaged},
};
use domain::{Code, Error, Result};
use rusqlite::{
    Connection, Statement,
    types::{ToSqlOutput, ValueRef},
};
use std::{
    io::Read as _,
    sync::mpsc::{Receiver, SyncSender, sync_channel},
};

/// Bytes of rows that travel from a thread that unpacks to the one that inserts.
const BATCH_BYTES: usize = 256 << 10;

/// Batches that may wait, for each thread.
const BATCHES_WAITING: usize = 2;

/// The largest value that SQLite can hold (`SQLITE_MAX_LENGTH`).
const MAX_VALUE_BYTES: u64 = 1_000_000_000;

/// Loads tables one after the other; parts are unpacked by several threads.
pub struct Loader<'a> {
    /// The new database, inside a transaction.
    pub connection: &'a Connection,
    /// The archive.
    pub archive: &'a dyn Members,
    /// Threads that unpack.
    pub workers: usize,
    /// The new database's name, for sentences.
    pub subject: &'a Subject,
    /// The wish to stop, and the counters.
    pub context: &'a Context,
}

/// Encoded rows, one after the other.
#[derive(Default)]
struct Batch {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Loader<'_> {
    /// Loads the rows of `table` from its `parts`.
    pub fn load(&self, table: &Table, parts: &[String]) -> Result<()> {
        if parts.is_empty() {
            return Err(damaged(format!("The archive holds no rows and no header of the table {:?}.", table.name)));
        }
        let mut insert = Insert::new(self, table)?;
        let threads = self.workers.clamp(1, parts.len());
        let unpacker = Unpacker { archive: self.archive, table };
        std::thread::scope(|scope| {
            let channels: Vec<Receiver<Result<Option<Batch>>>> = (0..threads)
                .map(|first| {
                    let (sender, receiver) = sync_channel(BATCHES_WAITING);
                    let mine = parts.iter().skip(first).step_by(threads);
                    scope.spawn(move || unpacker.unpack_all(mine, &sender));
                    receiver
                })
                .collect();
            // In the order of the parts, which is nearly that of rowids: appending is what SQLite does fastest.
            (0..parts.len()).try_for_each(|part| self.insert_part(&mut insert, &channels[part % threads]))
        })
    }

    fn insert_part(&self, insert: &mut Insert<'_>, batches: &Receiver<Result<Option<Batch>>>) -> Result<()> {
        loop {
            let Ok(batch) = batches.recv() else {
                return Err(Error::internal("A thread that unpacks rows ended early."));
            };
            let Some(batch) = batch? else { return Ok(()) };
            self.context.check()?;
            let mut start = 0;
            for &end in &batch.ends {
                insert.row(&batch.bytes[start..end])?;
                start = end;
            }
            self.context.meter.add(batch.ends.len() as u64, batch.bytes.len() as u64);
        }
    }

    fn bound<'v>(&self, value: &'v Value<'_>) -> Result<Bound<'v>> {
        cell::decode_value(value, |hash, size_bytes| self.fetch(hash, size_bytes))
    }

    /// The bytes of a wide value.
    fn fetch(&self, hash: u128, size_bytes: u64) -> Result<Vec<u8>> {
        let broken = || damaged("A value in the archive is not what its row says.");
        if size_bytes > MAX_VALUE_BYTES {
            return Err(broken());
        }
        let mut bytes = Vec::new();
        self.archive.open(&encode::wide_member(hash))?.take(size_bytes + 1).read_to_end(&mut bytes).map_err(from_io)?;
        if bytes.len() as u64 == size_bytes && encode::row_hash(&bytes) == hash { Ok(bytes) } else { Err(broken()) }
    }
}

/// Unpacks parts of one table.
#[derive(Clone, Copy)]
struct Unpacker<'a> {
    archive: &'a dyn Members,
    table: &'a Table,
}

impl Unpacker<'_> {
    fn unpack_all<'p>(&self, parts: impl Iterator<Item = &'p String>, batches: &SyncSender<Result<Option<Batch>>>) {
        for part in parts {
            let end = self.unpack(part, batches).map(|()| None);
            let failed = end.is_err();
            // An error of sending means that the other side has stopped, for a reason of its own.
            if batches.send(end).is_err() || failed {
                return;
            }
        }
    }

    fn unpack(&self, part: &str, batches: &SyncSender<Result<Option<Batch>>>) -> Result<()> {
        let mut rows = RowReader::new(self.archive.open(part)?)?;
        let expected = self.table.header();
        if rows.header().table != expected.table || rows.header().columns != expected.columns {
            return Err(damaged(format!("The columns in {part} are not those of the table {:?}.", self.table.name)));
        }
        let mut batch = Batch::default();
        while let Some(row) = rows.next_row()? {
            batch.bytes.extend_from_slice(row);
            batch.ends.push(batch.bytes.len());
            if batch.bytes.len() >= BATCH_BYTES && batches.send(Ok(Some(std::mem::take(&mut batch)))).is_err() {
                return Err(Error::cancelled());
            }
        }
        if batch.ends.is_empty() || batches.send(Ok(Some(batch))).is_ok() { Ok(()) } else { Err(Error::cancelled()) }
    }
}

/// Inserts rows into one table.
pub struct Insert<'a> {
    loader: &'a Loader<'a>,
    table: &'a Table,
    names: Vec<String>,
    statement: Statement<'a>,
}

impl<'a> Insert<'a> {
    /// Prepares it.
    pub fn new(loader: &'a Loader<'a>, table: &'a Table) -> Result<Self> {
        let names = table.values();
        let plain: Vec<String> = (1..=names.len()).map(|at| format!("?{at}")).collect();
        let sql = insert_sql(table, &names, &plain);
        let statement = loader.connection.prepare(&sql).map_err(|error| refused(loader, table, error))?;
        Ok(Self { loader, table, names, statement })
    }

    /// Inserts an encoded row.
    pub fn row(&mut self, line: &[u8]) -> Result<()> {
        let values = split(self.table, line, self.names.len())?;
        let bound = values.iter().map(|value| self.loader.bound(value)).collect::<Result<Vec<_>>>()?;
        let result = if bound.iter().any(|value| matches!(value, Bound::StoredText(_))) {
            run(self.loader, &bound, |parameters| insert_sql(self.table, &self.names, parameters))
        } else {
            bind_all(&mut self.statement, &bound).and_then(|()| self.statement.raw_execute())
        };
        result.map(|_| ()).map_err(|error| refused(self.loader, self.table, error))
    }
}

/// Runs a statement with the values of an encoded row of `count` values. `sql` is given what stands for each of them.
pub fn execute(loader: &Loader<'_>, table: &Table, line: &[u8], count: usize, sql: impl FnOnce(&[String]) -> String) -> Result<usize> {
    let values = split(table, line, count)?;
    let bound = values.iter().map(|value| loader.bound(value)).collect::<Result<Vec<_>>>()?;
    run(loader, &bound, sql).map_err(|error| refused(loader, table, error))
}

/// Text that is not valid UTF-16 is rare, and only a cast brings its bytes in unchanged.
fn run(loader: &Loader<'_>, bound: &[Bound<'_>], sql: impl FnOnce(&[String]) -> String) -> rusqlite::Result<usize> {
    let parameter = |(at, value): (usize, &Bound<'_>)| match value {
        Bound::StoredText(_) => format!("CAST(?{} AS TEXT)", at + 1),
        _ => format!("?{}", at + 1),
    };
    let parameters: Vec<String> = bound.iter().enumerate().map(parameter).collect();
    let mut statement = loader.connection.prepare_cached(&sql(&parameters))?;
    bind_all(&mut statement, bound)?;
    statement.raw_execute()
}

fn split<'l>(table: &Table, line: &'l [u8], want: usize) -> Result<Vec<Value<'l>>> {
    let mut values = Vec::with_capacity(want);
    value::split(line, |value| {
        values.push(value);
        Ok(())
    })?;
    if values.len() == want {
        return Ok(values);
    }
    let (name, have) = (&table.name, values.len());
    Err(damaged(format!("A row of the table {name:?} has {have} values, but {want} were to be there.")))
}

fn insert_sql(table: &Table, names: &[String], parameters: &[String]) -> String {
    format!("INSERT INTO main.{} ({}) VALUES ({})", quoted(&table.name), names.join(", "), parameters.join(", "))
}

/// Binds all parameters of a statement.
pub fn bind_all(statement: &mut Statement<'_>, bound: &[Bound<'_>]) -> rusqlite::Result<()> {
    for (at, value) in bound.iter().enumerate() {
        match value {
            Bound::Plain(value) => statement.raw_bind_parameter(at + 1, value)?,
            Bound::Text(bytes) => statement.raw_bind_parameter(at + 1, ToSqlOutput::Borrowed(ValueRef::Text(bytes)))?,
            Bound::StoredText(bytes) => statement.raw_bind_parameter(at + 1, ToSqlOutput::Borrowed(ValueRef::Blob(bytes)))?,
        }
    }
    Ok(())
}

fn refused(loader: &Loader<'_>, table: &Table, error: rusqlite::Error) -> Error {
    if error.to_string().contains(define::STRANGER) {
        let sentence = format!("Rows of the table {:?} cannot be written: {error}.", table.name);
        let next = "A generated column needs it, so make the table in your own program; `rookery cat` reads the rows without restoring.";
        return Error::new(Code::RestoreNeeds, sentence, next).because(error);
    }
    loader.subject.fault(format_args!("Writing rows of the table {:?}", table.name), error)
}
