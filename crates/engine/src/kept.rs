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
    /// Why it was given up, if it was: a sentence. The next backup is a full one then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub given_up: Option<String>,
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

    /// Gives it up under `folder`, and says why: what is kept on its server went, or is about to. Its backups stay, and the next
    /// one is a full one that tells the reason.
    ///
    /// # Errors
    /// [`Code::DataDir`].
    pub fn give_up(&self, folder: &Path, why: &str) -> Result<()> {
        let kept = self.follow(folder).kept(&self.server, &self.database);
        kept.write(&Self { given_up: Some(why.into()), ..self.clone() })?;
        kept.remove_but(None);
        Ok(())
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
            given_up: None,
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

    /// Notes which chain it is, before anything is made for it on its server. If it was given up, why: that stays noted until there
    /// is another backup.
    pub fn note(&self, chain: &KeptChain) -> Result<Option<String>> {
        let given_up = self.noted().and_then(|chain| chain.given_up);
        self.write(&KeptChain { given_up: given_up.clone(), ..chain.clone() })?;
        Ok(given_up)
    }

    fn noted(&self) -> Option<KeptChain> {
        serde_json::from_slice(&fs::read(self.0.join(CHAIN)).ok()?).ok()
    }

    fn write(&self, chain: &KeptChain) -> Result<()> {
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

    /// Removes the states of all other backups, and that an earlier chain was given up. Not being able to costs room, or one full
    /// backup too many.
    pub fn keep_only(&self, label: Label) {
        self.remove_but(Some(label));
        if let Some(chain) = self.noted().filter(|chain| chain.given_up.is_some())
            && let Err(error) = self.write(&KeptChain { given_up: None, ..chain })
        {
            tracing::debug!(%error, "that a chain was given up stays noted");
        }
    }

    fn remove_but(&self, label: Option<Label>) {
        let keep = label.map(|label| label.to_string());
        for entry in fs::read_dir(&self.0).into_iter().flatten().flatten() {
            let name = entry.file_name();
            if keep.as_deref().is_none_or(|keep| *name != *keep)
                && *name != *CHAIN
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
