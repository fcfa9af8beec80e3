//! What the source of a chain keeps between two backups of it, in folders of the console's own.
//!
//! ```text
//! <folder>/<hash of root, server and database>/chain.json    which chain it is
//!                                              <label>/      filled by the source while that backup is read
//! ```
//!
//! A folder is filled before its backup exists, and those of earlier backups are removed after: whatever a crash leaves, the state
//! of the newest backup is there. All of it can be lost without losing a backup.

use domain::{Code, Destination, Error, Label, Result};
use repository::{Instance, ServerRef};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use source::{Following, Owner, Source};
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

/// A chain that something is kept for, here and maybe on its server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptChain {
    /// The root, as [`Follow`] has it.
    pub root: String,
    /// The server: its name in folders, and what stays the same while it is the same server.
    pub server: String,
    /// See [`ServerRef::instance`].
    pub server_instance: String,
    /// The database.
    pub database: String,
    /// The task that ordered its last backup; none for the command line.
    pub task: Option<String>,
}

/// The file in the folder of a chain that says which one it is.
const CHAIN: &str = "chain.json";

/// All chains that something is kept for under `folder`.
pub fn kept_chains(folder: &Path) -> Vec<KeptChain> {
    let read = |entry: io::Result<fs::DirEntry>| serde_json::from_slice(&fs::read(entry.ok()?.path().join(CHAIN)).ok()?).ok();
    fs::read_dir(folder).into_iter().flatten().filter_map(read).collect()
}

impl KeptChain {
    /// How it is followed, with state under `folder`.
    fn follow(&self, folder: &Path) -> Follow {
        Follow { root: self.root.clone(), folder: folder.to_owned() }
    }

    /// What looks after it on its server.
    #[must_use]
    pub fn following(&self, source: &dyn Source, instance: &Instance) -> Box<dyn Following> {
        let owner = self.follow(Path::new("")).owner(instance.fingerprint().to_string(), &self.server);
        source.follow(&self.database, &owner)
    }

    /// Forgets its state under `folder`. Its backups stay, and the next one is a full one.
    ///
    /// # Errors
    /// [`Code::DataDir`].
    pub fn forget(&self, folder: &Path) -> Result<()> {
        let Kept(path) = self.follow(folder).kept(&self.server, &self.database);
        remove(&path).map_err(|error| failed(&path, error))
    }
}

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

    /// Which chain that of a database is.
    pub(crate) fn chain(&self, server: &ServerRef, database: &str, task: Option<&str>) -> KeptChain {
        KeptChain {
            root: self.root.clone(),
            server: server.name.clone(),
            server_instance: server.instance.clone(),
            database: database.into(),
            task: task.map(str::to_owned),
        }
    }

    /// Whether a chain lies under this root.
    #[must_use]
    pub fn covers(&self, chain: &KeptChain) -> bool {
        self.root == chain.root
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

    /// Notes which chain it is, before anything is made for it on its server.
    pub fn note(&self, chain: &KeptChain) -> Result<()> {
        let json = serde_json::to_vec(chain).map_err(|error| Error::internal("What a chain is could not be written.").because(error))?;
        let write = || {
            fs::create_dir_all(&self.0)?;
            let file = self.0.join(CHAIN);
            if fs::read(&file).is_ok_and(|there| there == json) {
                return Ok(());
            }
            // Whole or not at all.
            let new = self.0.join(format!("{CHAIN}.new"));
            fs::write(&new, &json)?;
            fs::rename(&new, &file)
        };
        write().map_err(|error| failed(&self.0, error))
    }

    /// An empty folder for the state of a backup. It is removed when the guard is dropped, unless that was kept.
    pub fn begin(&self, label: Label) -> Result<Next> {
        let path = self.of(label);
        remove(&path).and_then(|()| fs::create_dir_all(&path)).map_err(|error| failed(&path, error))?;
        Ok(Next { path, keep: false })
    }

    /// Removes the states of all other backups. Not being able to costs room alone.
    pub fn keep_only(&self, label: Label) {
        for other in self.others(label) {
            if let Err(error) = remove(&other) {
                tracing::debug!(%error, folder = %other.display(), "the state of an earlier backup stays");
            }
        }
    }

    /// Whether there are states of other backups.
    pub fn has_others(&self, label: Label) -> bool {
        self.others(label).next().is_some()
    }

    fn others(&self, label: Label) -> impl Iterator<Item = PathBuf> {
        let keep = label.to_string();
        let entries = fs::read_dir(&self.0).into_iter().flatten().flatten();
        entries.filter(move |entry| *entry.file_name() != *keep).map(|entry| entry.path()).filter(|path| path.is_dir())
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
