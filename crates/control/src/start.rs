//! The beginning and the end of the console's work.

use crate::{Control, underway::Ending};
use domain::{Code, Error, Result};
use std::{
    fs::{File, OpenOptions, TryLockError},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    sync::PoisonError,
    time::Duration,
};

/// The file in the data directory that one console holds locked. The kernel lets go of it with the process.
const LOCK: &str = "console.lock";

/// How long runs that were asked to end may take to clean up.
const CLEAN_UP: Duration = Duration::from_secs(30);

/// The right to work with a data directory, which one console has at a time. Whoever has it may bring the catalog up to date
/// and make a set-up token; so it is taken before either is touched.
pub struct Claim(File);

impl Claim {
    /// Takes it.
    ///
    /// # Errors
    /// [`Code::Busy`] if another process works with the same data directory; [`Code::DataDir`].
    pub fn take(data_dir: &Path) -> Result<Self> {
        lock(data_dir).map(Self)
    }
}

impl Control {
    /// Takes the data directory, and starts to work.
    ///
    /// # Errors
    /// Those of [`Claim::take`]; [`Code::Catalog`].
    pub async fn start(&self) -> Result<()> {
        self.start_with(Claim::take(&self.data_dir)?).await
    }

    /// Starts to work: mends what a crash left, then schedules, runs and reads. Once in the life of a console.
    ///
    /// # Errors
    /// [`Code::Catalog`].
    pub async fn start_with(&self, Claim(lock): Claim) -> Result<()> {
        *self.underway.lock.lock().unwrap_or_else(PoisonError::into_inner) = Some(lock);
        let mended = self.mend().await?;
        tracing::info!("The console works. {mended}");
        self.start_reconciling();
        Ok(())
    }

    /// Stops working: nothing new begins, and what works may go on for `grace`. What has not ended by then is asked to,
    /// cleans up, and is queued again at the next start.
    pub async fn stop(&self, grace: Duration) {
        self.underway.stopping.cancel();
        if !self.idle_within(grace).await {
            tracing::info!("Runs are still working: they are interrupted.");
            self.underway.end_all(&Ending::Stop);
            if !self.idle_within(CLEAN_UP).await {
                tracing::warn!("Runs did not end in time; the next start mends what they leave.");
            }
        }
        self.underway.lock.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Waits until nothing works any more; false if that takes too long.
    async fn idle_within(&self, limit: Duration) -> bool {
        let mut changes = self.underway.changes();
        let idle = async {
            while self.underway.is_busy() {
                if changes.changed().await.is_err() {
                    break;
                }
            }
        };
        tokio::time::timeout(limit, idle).await.is_ok()
    }
}

fn lock(data_dir: &Path) -> Result<File> {
    let path = data_dir.join(LOCK);
    let unusable = |cause: std::io::Error| {
        let sentence = format!("{} cannot be locked: {cause}.", path.display());
        Error::new(Code::DataDir, sentence, "Let the console's user write to the data directory, on a file system that has locks.")
            .because(cause)
    };
    let file = OpenOptions::new().create(true).append(true).mode(0o600).open(&path).map_err(unusable)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::new(
            Code::Busy,
            format!("Another console works with the data directory {}.", data_dir.display()),
            "Stop it first, or give this one a data directory of its own with --data-dir.",
        )),
        Err(TryLockError::Error(cause)) => Err(unusable(cause)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_console_at_a_time_works_with_a_data_directory() {
        let folder = tempfile::tempdir().unwrap();
        let held = lock(folder.path()).unwrap();
        let error = lock(folder.path()).unwrap_err();
        assert_eq!(error.code(), Code::Busy);
        assert!(error.to_string().contains("Another console"));
        drop(held);
        lock(folder.path()).unwrap();
        assert_eq!(lock(&folder.path().join("not there")).unwrap_err().code(), Code::DataDir);
    }
}
