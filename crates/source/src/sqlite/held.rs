//! Which database files this process has open through SQLite.
//!
//! POSIX drops all locks of a process on a file as soon as the process closes *any* descriptor of it
//! (<https://www.sqlite.org/howtocorrupt.html>, section 2.2). So a file that SQLite has open is never
//! opened beside it: whoever wants to look at bytes asks here first.

use rustix::fs::{Mode, OFlags};
use std::{
    collections::HashMap,
    fs::File,
    io::{self, Read},
    os::unix::fs::MetadataExt,
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
};

type Key = (u64, u64);

/// Readers per file (device and inode).
static HELD: Mutex<Option<HashMap<Key, usize>>> = Mutex::new(None);

fn table() -> MutexGuard<'static, Option<HashMap<Key, usize>>> {
    // The map is changed by single operations only, so a panic elsewhere cannot leave it half-changed.
    HELD.lock().unwrap_or_else(PoisonError::into_inner)
}

fn key(path: &Path) -> io::Result<Key> {
    path.symlink_metadata().map(|data| (data.dev(), data.ino()))
}

/// A file that SQLite may open, until this is dropped.
pub struct Held(Key);

impl Held {
    /// Announces that SQLite will open `path`.
    pub fn new(path: &Path) -> io::Result<Self> {
        let mut table = table();
        let key = key(path)?;
        *table.get_or_insert_default().entry(key).or_default() += 1;
        Ok(Self(key))
    }

    /// Runs `work`, which may open and close the file itself, if nothing else here has it open.
    /// `None` if something has. All connections of this holder must be closed.
    pub fn alone<T>(&self, work: impl FnOnce() -> T) -> Option<T> {
        let table = table();
        let count = table.as_ref().and_then(|table| table.get(&self.0)).copied();
        (count == Some(1)).then(work)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut table = table();
        let table = table.get_or_insert_default();
        if let Some(count) = table.get_mut(&self.0) {
            *count -= 1;
            if *count == 0 {
                table.remove(&self.0);
            }
        }
    }
}

/// First bytes of every SQLite database (<https://www.sqlite.org/fileformat2.html>, section 1.3).
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// Whether the file begins as a SQLite database does. One that is open here does.
pub fn looks_like_database(path: &Path) -> io::Result<bool> {
    let table = table();
    let key = key(path)?;
    if table.as_ref().is_some_and(|table| table.contains_key(&key)) {
        return Ok(true);
    }
    let mut start = Vec::with_capacity(MAGIC.len());
    open_plain(path)?.take(MAGIC.len() as u64).read_to_end(&mut start)?;
    Ok(start == MAGIC)
}

/// Opens a regular file for reading, never through a link and never waiting for a pipe's other end.
pub fn open_plain(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    Ok(File::from(rustix::fs::open(path, flags, Mode::empty())?))
}
