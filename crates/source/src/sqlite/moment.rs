//! One consistent moment of a user's database, held open for reading.

use super::{
    connect::{self, patiently},
    fault::{Subject, needs_copy},
    folder::companion,
    held::Held,
    image,
};
use crate::Context;
use domain::Result;
use rusqlite::Connection;
use std::{
    fs::OpenOptions,
    path::{Path, PathBuf},
    time::Duration,
};

/// How often the readers are begun anew until no commit came between them.
const ATTEMPTS: usize = 50;

/// Databases below this size are read by one connection: more would cost more than they save.
pub const SHARED_FROM_BYTES: u64 = 32 << 20;

/// How to open a moment.
pub struct Opening<'a> {
    /// The database file.
    pub path: &'a Path,
    /// What it is called.
    pub subject: &'a Subject,
    /// How many connections may read.
    pub readers: usize,
    /// How long to wait for locks of others.
    pub patience: Duration,
}

/// Connections that all see the same state, and what has to be put in order after them.
pub struct Moment {
    // Fields are dropped in this order: connections, then what they left, then the claim on the file.
    /// Connections, at least one, each with that state.
    pub readers: Vec<Connection>,
    /// `wal`, or a rollback-journal mode.
    pub journal_mode: String,
    _tidy: Option<Tidy>,
}

impl Opening<'_> {
    /// Takes hold of the present state.
    pub fn open(&self, context: &Context) -> Result<Moment> {
        let held = Held::new(self.path).map_err(|error| self.subject.io_fault("Opening", self.path, error))?;
        let tidy = Tidy::new(self.path, held);
        let result = patiently(self.patience, context, || {
            let first = connect::read_only(self.path, context)?;
            begin(&first)?;
            Ok(first)
        })?;
        match result {
            Ok(first) => self.with(tidy, first, context),
            Err(error) if needs_copy(&error) => self.copied(tidy, context).map_err(|second| second.because(error)),
            Err(error) => Err(self.subject.fault("Opening the database", error)),
        }
    }

    // Parameters are dropped from the last to the first: the connection before what is tidied after it.
    fn with(&self, tidy: Tidy, first: Connection, context: &Context) -> Result<Moment> {
        let fault = |error| self.subject.fault("Opening the database", error);
        let journal_mode: String = first.query_row("PRAGMA journal_mode", [], |row| row.get(0)).map_err(fault)?;
        let size_bytes = size_bytes(&first).map_err(fault)?;
        let readers = if size_bytes < SHARED_FROM_BYTES { 1 } else { self.readers.max(1) };
        if journal_mode != "wal" {
            let readers = image::of_pages(&first, size_bytes, readers, self.subject, context)?;
            // The original is let go of here, so its writers wait for the copy alone.
            return Ok(Moment { readers, journal_mode, _tidy: None });
        }
        let readers = if readers == 1 { vec![first] } else { same_state(self.path, first, readers, context, begin).map_err(fault)? };
        Ok(Moment { readers, journal_mode, _tidy: Some(tidy) })
    }

    fn copied(&self, tidy: Tidy, context: &Context) -> Result<Moment> {
        let size_bytes = self.path.symlink_metadata().map_or(0, |data| data.len());
        let readers = if size_bytes < SHARED_FROM_BYTES { 1 } else { self.readers.max(1) };
        let copy = || image::of_files(self.path, readers, self.patience, self.subject, context);
        let (readers, journal_mode) = tidy.held.alone(copy).unwrap_or_else(|| {
            Err(domain::Error::new(
                domain::Code::Busy,
                format!("The database {:?} must be copied before it can be read, but another run reads it.", self.subject.0),
                "Run again when the other run has ended.",
            ))
        })?;
        Ok(Moment { readers, journal_mode, _tidy: None })
    }
}

/// Begins a read transaction and makes it take its state now.
fn begin(connection: &Connection) -> rusqlite::Result<()> {
    if !connection.is_autocommit() {
        connection.execute_batch("ROLLBACK")?;
    }
    connection.execute_batch("BEGIN")?;
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))
}

/// Bytes of all pages.
pub fn size_bytes(connection: &Connection) -> rusqlite::Result<u64> {
    let pragma = |name: &str| connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, i64>(0));
    Ok(u64::try_from(pragma("page_count")?.saturating_mul(pragma("page_size")?)).unwrap_or(0))
}

/// More readers beside `first`, all with the same state of a database in WAL mode.
///
/// A connection of its own watches: `PRAGMA data_version` changes with every commit of anybody else, so an equal
/// number before and after means that all transactions begun in between see the same commits
/// (<https://www.sqlite.org/pragma.html#pragma_data_version>). Where writers leave no such gap, one reader stays.
fn same_state(
    path: &Path,
    first: Connection,
    readers: usize,
    context: &Context,
    begin: impl Fn(&Connection) -> rusqlite::Result<()>,
) -> rusqlite::Result<Vec<Connection>> {
    let watcher = connect::read_only(path, context)?;
    let version = || watcher.query_row("PRAGMA data_version", [], |row| row.get::<_, i64>(0));
    let mut all = vec![first];
    for _ in 1..readers {
        all.push(connect::read_only(path, context)?);
    }
    for _ in 0..ATTEMPTS {
        let before = version()?;
        all.iter().try_for_each(&begin)?;
        if version()? == before {
            return Ok(all);
        }
    }
    all.truncate(1);
    Ok(all)
}

/// Puts the folder in order after reading a database in WAL mode.
///
/// Even a reader makes SQLite create `-wal` and `-shm` where there are none. What was not there before is removed,
/// under the lock that SQLite itself takes for that: if it can be had, no other process has the database open.
struct Tidy {
    path: PathBuf,
    had_wal: bool,
    had_shm: bool,
    held: Held,
}

impl Tidy {
    fn new(path: &Path, held: Held) -> Self {
        let exists = |suffix| companion(path, suffix).symlink_metadata().is_ok();
        Self { path: path.to_owned(), had_wal: exists("-wal"), had_shm: exists("-shm"), held }
    }

    fn remove_new(&self) -> std::io::Result<()> {
        let (wal, shm) = (companion(&self.path, "-wal"), companion(&self.path, "-shm"));
        if (self.had_wal || !wal.exists()) && (self.had_shm || !shm.exists()) {
            return Ok(());
        }
        let file = OpenOptions::new().read(true).write(true).open(&self.path)?;
        rustix::fs::fcntl_lock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive)?;
        if !self.had_wal && wal.symlink_metadata().is_ok_and(|data| data.len() == 0) {
            std::fs::remove_file(&wal)?;
        }
        if !self.had_shm && (self.had_wal || !wal.exists()) {
            std::fs::remove_file(&shm)?;
        }
        Ok(())
    }
}

impl Drop for Tidy {
    fn drop(&mut self) {
        // Not being able to is no harm: the files are empty, and the next writer uses them.
        if let Some(Err(error)) = self.held.alone(|| self.remove_new()) {
            tracing::debug!(path = %self.path.display(), %error, "files beside a database were left");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    /// Readers begun while a writer commits after each of the first `commits` of them, and what each then counts.
    fn counts(commits: u32) -> Vec<i64> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w.db");
        let writer = Connection::open(&path).unwrap();
        writer.execute_batch("PRAGMA journal_mode=WAL; CREATE TABLE t(x)").unwrap();
        let left = Cell::new(commits);
        let begin_and_write = |connection: &Connection| {
            begin(connection)?;
            if left.get() > 0 {
                left.set(left.get() - 1);
                writer.execute_batch("INSERT INTO t VALUES (1)")?;
            }
            Ok(())
        };
        let first = Connection::open(&path).unwrap();
        let readers = same_state(&path, first, 3, &Context::default(), begin_and_write).unwrap();
        readers.iter().map(|reader| reader.query_row("SELECT count(*) FROM t", [], |row| row.get(0)).unwrap()).collect()
    }

    #[test]
    fn readers_see_the_same_commits_or_there_is_one() {
        assert_eq!(counts(0), [0, 0, 0]);
        assert_eq!(counts(1), [1, 1, 1]);
        assert_eq!(counts(7), [7, 7, 7]);
        assert_eq!(counts(u32::MAX).len(), 1);
    }
}
