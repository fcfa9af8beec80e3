//! Private copies of a database's pages, to be read while its writers go on.

use super::{connect, fault::Subject, folder::companion, held::open_plain, stamp::Stamp};
use crate::{
    Context,
    room::{self, Room},
};
use domain::{Code, Error, Result};
use rusqlite::{
    Connection,
    backup::{Backup, StepResult},
};
use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// How folders of images begin.
const PREFIX: &str = "rookery-image-";

/// Images up to this size are kept in memory.
const IN_MEMORY_BYTES: u64 = 8 << 20;

/// Pages copied between two looks at the wish to stop.
const PAGES_PER_STEP: i32 = 1024;

/// Where images lie: as large as databases, so not in a `/tmp` that may be memory unless the user says so.
fn base() -> PathBuf {
    let disk = Path::new("/var/tmp");
    let base = if std::env::var_os("TMPDIR").is_none() && disk.is_dir() { disk.to_owned() } else { std::env::temp_dir() };
    // SQLite is told to follow no link.
    base.canonicalize().unwrap_or(base)
}

/// Removes the images of processes that were killed.
pub fn sweep() -> io::Result<()> {
    room::sweep(&base(), PREFIX)
}

fn new_room() -> io::Result<Room> {
    Room::new(&base(), PREFIX)
}

fn file(room: &Room) -> PathBuf {
    room.path().join("image")
}

/// Copies all pages of `source`, which holds a read transaction, and opens `readers` connections to the copy.
/// Once they are open the copy has no name any more, so nothing is left behind however the process ends.
pub fn of_pages(source: &Connection, size_bytes: u64, readers: usize, subject: &Subject, context: &Context) -> Result<Vec<Connection>> {
    let fault = |error| subject.fault("Copying the pages", error);
    if size_bytes <= IN_MEMORY_BYTES {
        let mut copy = Connection::open_in_memory().map_err(fault)?;
        copy_pages(source, &mut copy, subject, context)?;
        connect::harden(&copy, context).map_err(fault)?;
        return Ok(vec![copy]);
    }
    let room = new_room().map_err(|error| subject.io_fault("Making a private copy", &base(), error))?;
    let mut copy = connect::read_write(&file(&room), context).map_err(fault)?;
    copy.execute_batch("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF").map_err(fault)?;
    copy_pages(source, &mut copy, subject, context)?;
    open_all(&room, readers, context).map_err(fault)
}

fn open_all(room: &Room, readers: usize, context: &Context) -> rusqlite::Result<Vec<Connection>> {
    (0..readers)
        .map(|_| {
            let reader = connect::read_only(&file(room), context)?;
            // Reading once makes SQLite look for journals now, while the folder is there.
            reader.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
            Ok(reader)
        })
        .collect()
}

fn copy_pages(source: &Connection, copy: &mut Connection, subject: &Subject, context: &Context) -> Result<()> {
    let fault = |error| subject.fault("Copying the pages", error);
    let backup = Backup::new(source, copy).map_err(fault)?;
    // The transaction of `source` keeps writers from committing, so no step can find another version.
    loop {
        context.check()?;
        match backup.step(PAGES_PER_STEP).map_err(fault)? {
            StepResult::Done => return Ok(()),
            StepResult::More => {}
            _ => return Err(Error::internal("The private copy of a database was locked.")),
        }
    }
}

/// Copies the file and its journals as they lie, and lets SQLite recover the copy. Used where SQLite cannot read
/// the original: see [`super::fault::needs_copy`]. Nobody may write meanwhile; that is checked by all times and sizes
/// being the same before and after.
///
/// Returns the connections and the journal mode of the original.
pub fn of_files(
    path: &Path,
    readers: usize,
    patience: Duration,
    subject: &Subject,
    context: &Context,
) -> Result<(Vec<Connection>, String)> {
    let fault = |error| subject.fault("Recovering a private copy", error);
    let room = new_room().map_err(|error| subject.io_fault("Making a private copy", &base(), error))?;
    copy_quiet_files(path, &file(&room), patience, subject, context)?;
    let copy = connect::read_write(&file(&room), context).map_err(fault)?;
    let mode: String = copy.query_row("PRAGMA journal_mode", [], |row| row.get(0)).map_err(fault)?;
    copy.execute_batch("BEGIN IMMEDIATE; COMMIT; PRAGMA journal_mode=DELETE").map_err(fault)?;
    drop(copy);
    Ok((open_all(&room, readers, context).map_err(fault)?, mode))
}

fn copy_quiet_files(path: &Path, to: &Path, patience: Duration, subject: &Subject, context: &Context) -> Result<()> {
    let began = Instant::now();
    loop {
        context.check()?;
        let before = Stamp::of(path).map_err(|error| subject.io_fault("Copying", path, error))?;
        if before.is_settled() {
            // The shared memory is not copied: it is made anew from the WAL.
            for suffix in ["", "-journal", "-wal"] {
                copy_file(&companion(path, suffix), &companion(to, suffix), context)
                    .or_else(|error| if error.kind() == io::ErrorKind::NotFound && !suffix.is_empty() { Ok(()) } else { Err(error) })
                    .map_err(|error| subject.io_fault("Copying", path, error))?;
            }
            if Stamp::of(path).is_ok_and(|after| after == before) {
                return Ok(());
            }
        }
        if began.elapsed() >= patience {
            return Err(Error::new(
                Code::Busy,
                format!("The database {:?} must be copied before it can be read, but another program keeps writing to it.", subject.0),
                "Let the program that writes to it finish, then run again.",
            ));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn copy_file(from: &Path, to: &Path, context: &Context) -> io::Result<()> {
    use io::{Read, Write};
    let _ = std::fs::remove_file(to);
    let mut input = open_plain(from)?;
    let mut output = File::create_new(to)?;
    let mut chunk = vec![0; 1 << 20];
    loop {
        context.check().map_err(io::Error::other)?;
        match input.read(&mut chunk)? {
            0 => return Ok(()),
            read => output.write_all(&chunk[..read])?,
        }
    }
}
