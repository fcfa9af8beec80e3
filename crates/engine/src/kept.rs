//! What the source of a chain keeps between two backups of it, in folders of the console's own.
//!
//! ```text
//! <folder>/<hash of root, server and database>/<label>/      filled by the source while that backup is read
//! ```
//!
//! A folder is filled before its backup exists, and those of earlier backups are removed after: whatever a crash leaves, the state
//! of the newest backup is there. All of it can be lost without losing a backup.

use domain::{Code, Destination, Error, Label, Result};
use sha2::{Digest, Sha256};
use source::Owner;
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// How a chain is followed: incrementals can come after its backups.
#[derive(Clone, Debug)]
pub struct Follow {
    /// The root, by an address that stays the same.
    root: String,
    /// The folder under which state is kept.
    folder: PathBuf,
}

/// The states of one chain.
#[derive(Clone, Debug)]
pub(crate) struct Kept(PathBuf);

impl Follow {
    /// How the chains under a root are followed, with their state under `folder`.
    #[must_use]
    pub fn new(root: &Destination, folder: PathBuf) -> Self {
        let root = match root {
            // The same folder by whatever way it is named.
            Destination::Local { root } => root.canonicalize().unwrap_or_else(|_| root.clone()).to_string_lossy().into_owned(),
        };
        Self { root, folder }
    }

    /// Whose the chain is.
    pub(crate) fn owner(&self, instance: String, server: &str) -> Owner {
        // With a byte between them that neither holds.
        Owner { instance, root: format!("{}\0{server}", self.root) }
    }

    /// The states of the chain of a database.
    pub(crate) fn kept(&self, server: &str, database: &str) -> Kept {
        let mut hash = Sha256::new();
        for part in [&self.root, server, database] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        let name: String = hash.finalize()[..16].iter().map(|byte| format!("{byte:02x}")).collect();
        Kept(self.folder.join(name))
    }
}

impl Kept {
    /// The state of a backup; the folder need not be there.
    pub fn of(&self, label: Label) -> PathBuf {
        self.0.join(label.to_string())
    }

    /// An empty folder for the state of a backup. It is removed when the guard is dropped, unless that was kept.
    pub fn begin(&self, label: Label) -> Result<Next> {
        let path = self.of(label);
        remove(&path).and_then(|()| fs::create_dir_all(&path)).map_err(|error| failed(&path, error))?;
        Ok(Next { path, keep: false })
    }

    /// Removes the states of all other backups. Not being able to costs room alone.
    pub fn keep_only(&self, label: Label) {
        let keep = label.to_string();
        for entry in fs::read_dir(&self.0).into_iter().flatten().flatten() {
            if *entry.file_name() != *keep
                && let Err(error) = remove(&entry.path())
            {
                tracing::debug!(%error, folder = %entry.path().display(), "the state of an earlier backup stays");
            }
        }
    }
}

/// The state of a backup that is being made.
pub(crate) struct Next {
    path: PathBuf,
    keep: bool,
}

impl Next {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Keeps it.
    pub fn keep(mut self) {
        self.keep = true;
    }
}

impl Drop for Next {
    fn drop(&mut self) {
        if !self.keep
            && let Err(error) = remove(&self.path)
        {
            tracing::debug!(%error, folder = %self.path.display(), "the state of a backup that failed stays");
        }
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn failed(path: &Path, error: io::Error) -> Error {
    let sentence = format!("The folder {}, which keeps what the next backup builds on, cannot be written: {error}.", path.display());
    Error::new(Code::DataDir, sentence, "See to the data directory: its permissions, and the room on its disk.")
}
