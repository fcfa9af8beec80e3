//! The data directory: this installation's key, and the instances that it trusts.
//!
//! The key is sealed with that of the [`Safe`], which lies beside it unless another place is named: whoever keeps it elsewhere
//! loses nothing with the directory that could sign a backup.
//!
//! Whoever writes a file ([`whole_file`]) holds the lock of the directory, so a temporary file that is there while the lock is free
//! was left by a process that was killed.

use crate::{arguments::Home, whole_file};
use control::Safe;
use domain::{Code, Destination, Error, Result, Secret};
use engine::Follow;
use repository::{Fingerprint, Instance, Trust};
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, DirBuilder, File},
    io::{ErrorKind, Read},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

const KEY: &str = "instance-key.json";
const CHAINS: &str = "chains";
const ACCEPTED: &str = "accepted-instances.json";

/// The place of the key in the safe.
const SEALED_AS: (&str, &str) = ("instance", "key");

/// The file of the key.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SealedKey {
    sealed: String,
}

/// The data directory, opened.
#[derive(Clone)]
pub struct DataDir {
    path: PathBuf,
    safe_key: Option<PathBuf>,
}

impl DataDir {
    /// Opens the directory named on the command line, else the platform's, and makes it if it is new.
    pub fn open(home: Home) -> Result<Self> {
        let path = match home.data_dir {
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
        let data_dir = Self { path, safe_key: home.safe_key };
        data_dir.sweep();
        Ok(data_dir)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How the chains under a root are followed.
    pub fn follow(&self, root: &Destination) -> Follow {
        Follow::new(root, self.path.join(CHAINS))
    }

    /// What seals this installation's secrets.
    pub fn safe(&self) -> Result<Safe> {
        match &self.safe_key {
            Some(file) => Safe::with_key_in(file),
            None => {
                // It may be made now.
                let _lock = self.lock()?;
                Safe::open(&self.path)
            }
        }
    }

    /// This installation's key, made at the first call.
    pub fn instance(&self) -> Result<Instance> {
        let (path, safe) = (self.path.join(KEY), self.safe()?);
        loop {
            if let Some(json) = read(&path)?.map(Zeroizing::new) {
                return match serde_json::from_str::<SealedKey>(&json) {
                    Ok(SealedKey { sealed }) => unsealed(&safe, &sealed),
                    // An older version kept it as it is.
                    Err(_) => {
                        let instance = Instance::from_json(&json)?;
                        let _lock = self.lock()?;
                        whole_file::replace(&path, &sealed(&safe, &instance)?)
                            .map_err(|error| failed(&path, "cannot be written", error))?;
                        Ok(instance)
                    }
                };
            }
            // Another process may be first; then its key is read.
            let _lock = self.lock()?;
            match whole_file::write_new(&path, &sealed(&safe, &Instance::generate()?)?) {
                Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(failed(&path, "cannot be written", error)),
                _ => {}
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

fn sealed(safe: &Safe, instance: &Instance) -> Result<Vec<u8>> {
    let (kind, id) = SEALED_AS;
    let sealed = safe.seal(kind, id, &Secret::new(instance.to_json().to_string()))?;
    serde_json::to_vec(&SealedKey { sealed }).map_err(|error| Error::internal("A key could not be written.").because(error))
}

fn unsealed(safe: &Safe, sealed: &str) -> Result<Instance> {
    let (kind, id) = SEALED_AS;
    let json = safe.unseal(kind, id, sealed).map_err(|error| {
        Error::new(
            Code::DataDir,
            "The instance key in the data directory cannot be opened: it was sealed with another key, or is damaged.",
            "Bring back the file catalog-key that belongs to it, or name its key with --safe-key; or move instance-key.json away to start as a new instance and accept the old one's fingerprint.",
        )
        .because(error)
    })?;
    Instance::from_json(json.expose())
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

    fn open(path: &Path) -> Result<DataDir> {
        DataDir::open(Home { data_dir: Some(path.into()), safe_key: None })
    }

    #[test]
    fn the_key_is_made_once_and_only_its_owner_can_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/data");
        let fingerprints: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| open(&path).unwrap().instance().unwrap().fingerprint())).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(fingerprints.windows(2).all(|pair| pair[0] == pair[1]), "two processes made two keys");
        assert_eq!(fs::metadata(path.join(KEY)).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(&path).unwrap().count(), 2, "temporary files stayed behind");
    }

    #[test]
    fn the_key_is_sealed_and_needs_its_other_half() {
        let folder = tempfile::tempdir().unwrap();
        let instance = Instance::generate().unwrap();
        // As an older version left it.
        fs::write(folder.path().join(KEY), instance.to_json().as_bytes()).unwrap();
        assert_eq!(open(folder.path()).unwrap().instance().unwrap().fingerprint(), instance.fingerprint());
        let kept = fs::read_to_string(folder.path().join(KEY)).unwrap();
        let private = instance.to_json();
        let private = private.split('"').nth(7).unwrap();
        assert!(private.len() == 44 && !kept.contains(private), "{kept}");
        assert_eq!(open(folder.path()).unwrap().instance().unwrap().fingerprint(), instance.fingerprint());
        // The other half, kept elsewhere.
        let elsewhere = tempfile::tempdir().unwrap();
        let safe_key = elsewhere.path().join("key");
        fs::rename(folder.path().join("catalog-key"), &safe_key).unwrap();
        let home = |safe_key: &Path| Home { data_dir: Some(folder.path().into()), safe_key: Some(safe_key.into()) };
        assert_eq!(DataDir::open(home(&safe_key)).unwrap().instance().unwrap().fingerprint(), instance.fingerprint());
        assert!(!folder.path().join("catalog-key").exists());
        for error in [
            DataDir::open(home(&elsewhere.path().join("none"))).unwrap().instance().err().unwrap(),
            open(folder.path()).unwrap().instance().err().unwrap(),
        ] {
            assert_eq!(error.code(), Code::DataDir, "{error}");
        }
    }

    #[test]
    fn an_accepted_instance_is_remembered() {
        let folder = tempfile::tempdir().unwrap();
        let data_dir = open(folder.path()).unwrap();
        let (ours, other) = (data_dir.instance().unwrap(), Instance::generate().unwrap());
        assert!(!data_dir.trust(&ours, None).unwrap().includes(other.fingerprint()));
        data_dir.trust(&ours, Some(other.fingerprint())).unwrap();
        let trust = data_dir.trust(&ours, None).unwrap();
        assert!(trust.includes(other.fingerprint()) && trust.includes(ours.fingerprint()));
    }

    #[test]
    fn what_a_killed_process_left_is_removed_and_what_a_living_one_writes_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let data_dir = open(folder.path()).unwrap();
        let lock = data_dir.lock().unwrap().unwrap();
        let temporary = whole_file::temporary(folder.path(), b"half").unwrap();
        fs::write(folder.path().join(".12-user"), "a user's").unwrap();
        open(folder.path()).unwrap();
        assert!(temporary.exists(), "the file of a living process was removed");
        drop(lock);
        open(folder.path()).unwrap();
        assert!(!temporary.exists() && folder.path().join(".12-user").exists());
    }
}
