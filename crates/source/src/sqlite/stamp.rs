//! Whether a database may have changed, by what the file system says alone.
//!
//! A file that SQLite has open must not be opened beside it (see the module `held`), so neither the change counter nor the salt of
//! the WAL is read: every commit writes to the file, its journal or its WAL, and the file system notes that.

use super::folder::{COMPANIONS, companion};
use serde::{Deserialize, Serialize};
use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Where one is kept in the state of a backup.
const FILE: &str = "unchanged.json";

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

    /// The one that was kept beside the state of a backup.
    pub fn kept(state: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(state.join(FILE)).ok()?).ok()
    }

    /// Keeps it beside the state of a backup that the files are still as at, though not by the stamp that it noted. Not being able to
    /// costs one more look at all rows.
    pub fn keep(&self, state: &Path) {
        let kept = serde_json::to_vec(self).map_err(io::Error::other).and_then(|json| fs::write(state.join(FILE), json));
        if let Err(error) = kept {
            tracing::debug!(%error, folder = %state.display(), "that a database has not changed could not be noted");
        }
    }

    /// Whether the last change is so long ago that the next one must get another time: clocks of file systems
    /// tick in milliseconds, and those of some (FAT, ext3, shares) in seconds, which their times show.
    pub fn is_settled(&self) -> bool {
        self.is_settled_at(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
    }

    fn is_settled_at(&self, now: Duration) -> bool {
        self.0.iter().flatten().all(|&(.., seconds, nanoseconds)| {
            let changed = Duration::new(u64::try_from(seconds).unwrap_or(0), u32::try_from(nanoseconds).unwrap_or(0));
            let tick = Duration::from_millis(if nanoseconds == 0 { 2_100 } else { 50 });
            now < changed || now - changed > tick
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_shows_no_parts_of_a_second_is_waited_for_longer() {
        let changed = |nanoseconds| Stamp(vec![None, Some((1, 1, 100, nanoseconds))]);
        let settled = |nanoseconds, milliseconds| changed(nanoseconds).is_settled_at(Duration::from_millis(milliseconds));
        assert_eq!([100_040, 100_060].map(|at| settled(1_000, at)), [false, true]);
        assert_eq!([101_900, 102_200].map(|at| settled(0, at)), [false, true]);
        assert!(settled(1_000, 99_000), "the clock was set back");
    }
}
