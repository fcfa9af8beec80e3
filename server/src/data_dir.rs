//! The data directory: this installation's key, and the instances that it trusts.
//!
//! Whoever writes a file ([`whole_file`]) holds the lock of the directory, so a temporary file that is there while the lock is free
//! was left by a process that was killed.

use crate::whole_file;
use domain::{Code, Error, Result};
use repository::{Fingerprint, Instance, Trust};
use std::{
    fs::{self, DirBuilder, File},
    io::{ErrorKind, Read},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

const KEY: &str = "instance-key.json";
const ACCEPTED: &str = "accepted-instances.json";

/// The data directory, opened.
pub struct DataDir {
    path: PathBuf,
}

impl DataDir {
    /// Opens the directory named on the command line, else the platform's, and makes it if it is new.
    pub fn open(named: Option<PathBuf>) -> Result<Self> {
        let path = match named {
            Some(path) => path,
            None => directories::ProjectDirs::from("", "", "rookery").map(|dirs| dirs.data_dir().to_owned()).ok_or_else(|| {
                Error::new(
                    Code::DataDir,
                    "This user has no home folder to keep Rookery's key in.",
                    "Name a folder with --data-dir or ROOKERY_DATA_DIR.",
                )
            })?,
        };
        DirBuilder::new().recursive(true).mode(0o700).create(&path).map_err(|error| failed(&path, "cannot be made", error))?;
        let data_dir = Self { path };
        data_dir.sweep();
        Ok(data_dir)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// This installation's key, made at the first call.
    pub fn instance(&self) -> Result<Instance> {
        let path = self.path.join(KEY);
        loop {
            match read(&path)? {
                Some(json) => return Instance::from_json(&json),
                // Another process may be first; then its key is read.
                None => {
                    let _lock = self.lock()?;
                    match whole_file::write_new(&path, Instance::generate()?.to_json().as_bytes()) {
                        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(failed(&path, "cannot be written", error)),
                        _ => {}
                    }
                }
            }
        }
    }

    /// Whom this installation trusts: itself, and those that the user accepted. `accept` is added for good.
    pub fn trust(&self, instance: &Instance, accept: Option<Fingerprint>) -> Result<Trust> {
        // Held from reading to writing, so that two processes that accept at once do not lose one of the two.
        let _lock = accept.map(|_| self.lock()).transpose()?;
        let mut accepted = self.accepted()?;
        if let Some(fingerprint) = accept.filter(|fingerprint| !accepted.contains(fingerprint)) {
            accepted.push(fingerprint);
            let path = self.path.join(ACCEPTED);
            let json = serde_json::to_vec(&accepted).map_err(|error| Error::internal("A list could not be written.").because(error))?;
            whole_file::replace(&path, &json).map_err(|error| failed(&path, "cannot be written", error))?;
        }
        Ok(Trust::new(accepted.into_iter().chain([instance.fingerprint()])))
    }

    fn accepted(&self) -> Result<Vec<Fingerprint>> {
        let path = self.path.join(ACCEPTED);
        let Some(json) = read(&path)? else { return Ok(vec![]) };
        serde_json::from_str(&json).map_err(|error| {
            let sentence = format!("The list of accepted instances in {} is damaged.", path.display());
            Error::new(Code::DataDir, sentence, "Remove that file and accept the fingerprints again.").because(error)
        })
    }

    /// The lock of the directory, until the file is dropped; the kernel drops it with the process. Where the file system
    /// gives none, nothing is swept, and files are written whole all the same.
    fn lock(&self) -> Result<Option<File>> {
        let folder = File::open(&self.path).map_err(|error| failed(&self.path, "cannot be opened", error))?;
        Ok(folder.lock().is_ok().then_some(folder))
    }

    /// Removes what killed processes left, unless somebody is writing now.
    fn sweep(&self) {
        let Ok(folder) = File::open(&self.path) else { return };
        if folder.try_lock().is_err() {
            return;
        }
        for entry in fs::read_dir(&self.path).into_iter().flatten().flatten() {
            if whole_file::is_temporary(&entry.file_name().to_string_lossy())
                && let Err(error) = fs::remove_file(entry.path())
            {
                // No harm but the room that it takes; what is wrong with the directory shows when it is used.
                tracing::debug!(file = %entry.path().display(), %error, "a temporary file stays");
            }
        }
    }
}

fn read(path: &Path) -> Result<Option<String>> {
    let mut text = String::new();
    match File::open(path).and_then(|mut file| file.read_to_string(&mut text)) {
        Ok(_) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(path, "cannot be read", error)),
    }
}

fn failed(path: &Path, what: &str, error: std::io::Error) -> Error {
    let sentence = format!("{} in the data directory {what}: {error}.", path.display());
    Error::new(Code::DataDir, sentence, "Name another folder with --data-dir or ROOKERY_DATA_DIR, or mend this one's permissions.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_key_is_made_once_and_only_its_owner_can_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/data");
        let fingerprints: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> =
                (0..8).map(|_| scope.spawn(|| DataDir::open(Some(path.clone())).unwrap().instance().unwrap().fingerprint())).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(fingerprints.windows(2).all(|pair| pair[0] == pair[1]), "two processes made two keys");
        assert_eq!(fs::metadata(path.join(KEY)).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(&path).unwrap().count(), 1, "temporary files stayed behind");
    }

    #[test]
    fn an_accepted_instance_is_remembered() {
        let folder = tempfile::tempdir().unwrap();
        let data_dir = DataDir::open(Some(folder.path().into())).unwrap();
        let (ours, other) = (data_dir.instance().unwrap(), Instance::generate().unwrap());
        assert!(!data_dir.trust(&ours, None).unwrap().includes(other.fingerprint()));
        data_dir.trust(&ours, Some(other.fingerprint())).unwrap();
        let trust = data_dir.trust(&ours, None).unwrap();
        assert!(trust.includes(other.fingerprint()) && trust.includes(ours.fingerprint()));
    }

    #[test]
    fn what_a_killed_process_left_is_removed_and_what_a_living_one_writes_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let data_dir = DataDir::open(Some(folder.path().into())).unwrap();
        let open = || DataDir::open(Some(folder.path().into())).unwrap();
        let lock = data_dir.lock().unwrap().unwrap();
        let temporary = whole_file::temporary(folder.path(), b"half").unwrap();
        fs::write(folder.path().join(".12-user"), "a user's").unwrap();
        open();
        assert!(temporary.exists(), "the file of a living process was removed");
        drop(lock);
        open();
        assert!(!temporary.exists() && folder.path().join(".12-user").exists());
    }
}
