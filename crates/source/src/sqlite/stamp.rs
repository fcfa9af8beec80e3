//! Whether a database may have changed, by what the file system says alone.
//!
//! A file that SQLite has open must not be opened beside it (see the module `held`), so neither the change counter nor the salt of
//! the WAL is read: every commit writes to the file, its journal or its WAL, and the file system notes that.

use super::folder::{COMPANIONS, companion};
use serde::{Deserialize, Serialize};
use std::{
    io,
    os::unix::fs::MetadataExt,
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Identity, size and time of change of a database file and of what lies beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp(Vec<Option<(u64, u64, i64, i64)>>);

impl Stamp {
    /// The files as they are now.
    pub fn of(path: &Path) -> io::Result<Self> {
        path.symlink_metadata()?;
        let one = |suffix: &str| -> io::Result<_> {
            match companion(path, suffix).symlink_metadata() {
                // A reader of a database in WAL mode makes an empty one.
                Ok(data) if data.size() == 0 && !suffix.is_empty() => Ok(None),
                Ok(data) => Ok(Some((data.ino(), data.size(), data.ctime(), data.ctime_nsec()))),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(error),
            }
        };
        [""].iter().chain(COMPANIONS.iter().take(2)).map(|suffix| one(suffix)).collect::<io::Result<_>>().map(Self)
    }

    /// Whether the last change is so long ago that the next one must get another time: clocks of file systems
    /// tick in milliseconds.
    pub fn is_settled(&self) -> bool {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.0.iter().flatten().all(|&(.., seconds, nanoseconds)| {
            let changed = Duration::new(u64::try_from(seconds).unwrap_or(0), u32::try_from(nanoseconds).unwrap_or(0));
            now < changed || now - changed > Duration::from_millis(50)
        })
    }
}
