//! Connections that cannot harm: how users' files, private images and new databases are opened.

use super::fault::is_busy;
use crate::Context;
use domain::{Code, Error, Result};
use rusqlite::{Connection, OpenFlags, config::DbConfig};
use std::{
    path::Path,
    time::{Duration, Instant},
};

/// The oldest SQLite that does not lose commits of a WAL under rare timing
/// (<https://www.sqlite.org/wal.html#walresetbug>).
const OLDEST: i32 = 3_051_003;

/// How often SQLite asks whether to stop, in steps of its virtual machine.
const STEPS_BETWEEN_CHECKS: i32 = 20_000;

/// Fails if the linked SQLite is one that may lose data.
pub fn check_version() -> Result<()> {
    if rusqlite::version_number() >= OLDEST {
        return Ok(());
    }
    Err(Error::new(
        Code::Unsupported,
        format!("This program was built with SQLite {}, which can lose data; 3.51.3 or newer is needed.", rusqlite::version()),
        "Use a build of Rookery as it is released.",
    ))
}

/// Opens a file that is not ours: read-only, through no link, and never changing its WAL.
pub fn read_only(path: &Path, context: &Context) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NOFOLLOW | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.execute_batch("PRAGMA wal_autocheckpoint=0")?;
    harden(&connection, context)?;
    Ok(connection)
}

/// Opens a file of ours to write.
pub fn read_write(path: &Path, context: &Context) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    harden(&connection, context)?;
    Ok(connection)
}

/// What holds for every connection: a database's content cannot make SQLite do more than hold data.
pub fn harden(connection: &Connection, context: &Context) -> rusqlite::Result<()> {
    connection.busy_timeout(Duration::ZERO)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, false)?;
    // A misspelt column in double quotes must be an error, never a string.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
    connection.execute_batch("PRAGMA cell_size_check=ON")?;
    // A collating sequence that only the user's program knows stands for the order of bytes. Reading a table
    // needs no order at all, but SQLite wants the name to mean something.
    connection.collation_needed(|connection, name| connection.create_collation(name, |a, b| a.cmp(b)))?;
    let cancel = context.cancel.clone();
    connection.progress_handler(STEPS_BETWEEN_CHECKS, Some(move || cancel.is_cancelled()))
}

/// Tries `work` until it is not refused by somebody's lock, at most for `patience`.
pub fn patiently<T>(patience: Duration, context: &Context, mut work: impl FnMut() -> rusqlite::Result<T>) -> Result<rusqlite::Result<T>> {
    let began = Instant::now();
    loop {
        match work() {
            Err(error) if is_busy(&error) && began.elapsed() < patience => {
                context.check()?;
                std::thread::sleep(Duration::from_millis(10));
            }
            result => return Ok(result),
        }
    }
}

/// A name as SQL.
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
