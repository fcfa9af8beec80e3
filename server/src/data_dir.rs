//! The data directory: this installation's key, and the instances that it trusts.

use domain::{Code, Error, Result};
use repository::{Fingerprint, Instance, Trust};
use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{ErrorKind, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
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
        Ok(Self { path })
    }

    /// This installation's key, made at the first call.
    pub fn instance(&self) -> Result<Instance> {
        let path = self.path.join(KEY);
        loop {
            match read(&path)? {
                Some(json) => return Instance::from_json(&json),
                // Another process may be first; then its key is read.
                None => self.write_new(&path, Instance::generate()?.to_json().as_bytes())?,
            }
        }
    }

    /// Whom this installation trusts: itself, and those that the user accepted. `accept` is added for good.
    pub fn trust(&self, instance: &Instance, accept: Option<Fingerprint>) -> Result<Trust> {
        let mut accepted = self.accepted()?;
        if let Some(fingerprint) = accept.filter(|fingerprint| !accepted.contains(fingerprint)) {
            accepted.push(fingerprint);
            self.replace(
                &self.path.join(ACCEPTED),
                &serde_json::to_vec(&accepted).map_err(|error| Error::internal("A list could not be written.").because(error))?,
            )?;
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

    /// Writes a file that must not exist yet, whole or not at all.
    fn write_new(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        let temporary = self.temporary(bytes).map_err(|error| failed(path, "cannot be written", error))?;
        let linked = fs::hard_link(&temporary, path);
        let removed = fs::remove_file(&temporary);
        match linked {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(failed(path, "cannot be written", error)),
            _ => removed.and_then(|()| self.sync()).map_err(|error| failed(path, "cannot be written", error)),
        }
    }

    fn replace(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        let replaced = self.temporary(bytes).and_then(|temporary| fs::rename(temporary, path)).and_then(|()| self.sync());
        replaced.map_err(|error| failed(path, "cannot be written", error))
    }

    fn temporary(&self, bytes: &[u8]) -> std::io::Result<PathBuf> {
        let path = self.path.join(format!(".{}-{}", std::process::id(), jiff::Timestamp::now().as_nanosecond()));
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        Ok(path)
    }

    fn sync(&self) -> std::io::Result<()> {
        File::open(&self.path)?.sync_all()
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
}
