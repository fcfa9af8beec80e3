//! What the source of a chain keeps between two backups of it, in folders of the console's own.
//!
//! ```text
//! <folder>/<hash of root, server and database>/chain.json    which chain it is
//!                                              <label>/      filled by the source while that backup is read
//! ```
//!
//! A folder is filled before its backup exists, and those of earlier backups are removed after: whatever a crash leaves, the state
//! of the newest backup is there. All of it can be lost without losing a backup.
//!
//! Two backups at once would each remove what the other has made. So whoever works on a chain locks its folder: among all processes one
//! at a time, and the kernel drops the lock with the process.

use domain::{Code, Destination, Error, Label, Result};
use repository::{Instance, ServerRef};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use source::{Context, Following, Owner, Source};
use std::{
    fs::{self, File, TryLockError},
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

/// How a chain is followed: incrementals can come after its backups.
#[derive(Clone, Debug)]
pub struct Follow {
    /// The root, by an address that stays the same.
    root: String,
    /// Whether it cannot be found, so that its address may be another one once it is there.
    away: bool,
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
        Follow { root: self.root.clone(), away: false, folder: folder.to_owned() }
    }

    /// What looks after it on its server.
    #[must_use]
    pub fn following(&self, source: &dyn Source, instance: &Instance) -> Box<dyn Following> {
        let owner = self.follow(Path::new("")).owner(instance.fingerprint().to_string(), &self.server);
        source.follow(&self.database, &owner)
    }

    /// Takes hold of it and its state under `folder`: no backup of it begins meanwhile. Waits up to `patience` for whoever has it.
    ///
    /// # Errors
    /// [`Code::Busy`] while a backup of it is under way; [`Code::DataDir`]; [`Code::Cancelled`].
    pub fn hold(&self, folder: &Path, patience: Duration, context: &Context) -> Result<HeldChain> {
        let kept = self.follow(folder).kept(&self.server, &self.database);
        let hold = kept.hold(&self.database, patience, context)?;
        Ok(HeldChain { chain: self.clone(), kept, _hold: hold })
    }
}

/// A chain that no backup works on.
pub struct HeldChain {
    pub(crate) chain: KeptChain,
    pub(crate) kept: Kept,
    _hold: Hold,
}

impl HeldChain {
    /// Gives it up, and says why: what is kept on its server went, or is about to. Its backups stay, and the next one is a full one
    /// that tells the reason.
    ///
    /// # Errors
    /// [`Code::DataDir`].
    pub fn give_up(self, why: &str) -> Result<()> {
        self.kept.write(&KeptChain { given_up: Some(why.into()), ..self.chain })?;
        self.kept.remove_but(None);
        Ok(())
    }

    /// Forgets its state. Its backups stay, and the next one is a full one.
    ///
    /// # Errors
    /// [`Code::DataDir`].
    pub fn forget(self) -> Result<()> {
        remove(&self.kept.0).map_err(|error| failed(&self.kept.0, error))
    }
}

impl Follow {
    /// How the chains under a root are followed, with their state under `folder`.
    #[must_use]
    pub fn new(root: &Destination, folder: PathBuf) -> Self {
        let Destination::Local { root: named } = root;
        // The same folder by whatever way it is named; where a link leads to is not known while its disk is not mounted.
        let found = named.canonicalize();
        let away = found.is_err();
        Self { root: found.as_ref().unwrap_or(named).to_string_lossy().into_owned(), away, folder }
    }

    /// Whether the root cannot be found at the moment. Its chains may be known by another address than its name then.
    #[must_use]
    pub fn is_away(&self) -> bool {
        self.away
    }

    /// An error if the root cannot be found: what would be kept for a chain now would be found by nobody later.
    pub(crate) fn ensure_there(&self) -> Result<()> {
        if !self.away {
            return Ok(());
        }
        let sentence = format!("The root {} is not there at the moment.", self.root);
        Err(Error::new(Code::RootUnusable, sentence, "Check where it leads to, and whether its disk is mounted."))
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

/// The right to work on a chain, until it is dropped.
pub(crate) struct Hold {
    /// The chain's folder, locked.
    _folder: File,
}

/// So long a chain may be held by who only looks at what its server keeps for it, which is asked over the network meanwhile.
pub const A_LOOK: Duration = Duration::from_secs(30);

/// How long is slept before another look whether a chain is free.
const NAP: Duration = Duration::from_millis(20);

impl Kept {
    /// Takes hold of the chain of a database, for this process and against all others. Waits up to `patience` for whoever has it.
    ///
    /// # Errors
    /// [`Code::Busy`] if somebody else has it still; [`Code::DataDir`]; [`Code::Cancelled`].
    pub fn hold(&self, database: &str, patience: Duration, context: &Context) -> Result<Hold> {
        let began = Instant::now();
        loop {
            context.check()?;
            if let Some(hold) = self.try_hold()? {
                return Ok(hold);
            }
            if began.elapsed() >= patience {
                let sentence = format!("Another backup of {database:?} to the same destination is under way.");
                return Err(Error::new(Code::Busy, sentence, "Wait until it has ended, then try again."));
            }
            thread::sleep(NAP);
        }
    }

    /// None if somebody else has it, or has just forgotten it.
    fn try_hold(&self) -> Result<Option<Hold>> {
        let folder = match fs::create_dir_all(&self.0).and_then(|()| File::open(&self.0)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(|error| failed(&self.0, error))?,
        };
        match folder.try_lock() {
            // Whoever forgot the chain just before has removed the folder that this is the lock of.
            Ok(()) => Ok(self.is_at(&folder).then_some(Hold { _folder: folder })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => {
                let sentence = format!("The folder {}, which keeps what the next backup builds on, cannot be locked.", self.0.display());
                Err(Error::new(Code::DataDir, sentence, "Put the data directory on a file system that has locks.").because(error))
            }
        }
    }

    /// Whether the chain's folder is still the one that was opened.
    fn is_at(&self, opened: &File) -> bool {
        let identity = |metadata: &fs::Metadata| (metadata.dev(), metadata.ino());
        matches!((opened.metadata(), fs::metadata(&self.0)), (Ok(opened), Ok(there)) if identity(&opened) == identity(&there))
    }

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
        for other in self.others(label) {
            if let Err(error) = remove(&other) {
                tracing::debug!(%error, folder = %other.display(), "the state of an earlier backup stays");
            }
        }
    }

    /// Whether there are states of other backups.
    pub fn has_others(&self, label: Label) -> bool {
        self.others(Some(label)).next().is_some()
    }

    fn others(&self, label: Option<Label>) -> impl Iterator<Item = PathBuf> {
        let keep = label.map(|label| label.to_string());
        let entries = fs::read_dir(&self.0).into_iter().flatten().flatten();
        entries
            .filter(move |entry| keep.as_deref().is_none_or(|keep| *entry.file_name() != *keep))
            .map(|entry| entry.path())
            .filter(|path| path.is_dir())
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

#[cfg(test)]
mod tests {
    use super::*;

    fn at_once(kept: &Kept) -> Result<Hold> {
        kept.hold("shop", Duration::ZERO, &Context::default())
    }

    fn chain(folder: &Path) -> (KeptChain, Kept) {
        let text = |text: &str| text.to_owned();
        let chain = KeptChain {
            root: text("/backups"),
            server: text("here"),
            server_instance: text("one"),
            database: text("shop"),
            task: None,
            given_up: None,
        };
        let kept = chain.follow(folder).kept("here", "shop");
        (chain, kept)
    }

    #[test]
    fn one_at_a_time_works_on_a_chain_and_nobody_forgets_it_meanwhile() {
        let folder = tempfile::tempdir().unwrap();
        let (chain, kept) = chain(folder.path());
        let hold = at_once(&kept).unwrap();
        kept.note(&chain).unwrap();
        let refused = at_once(&kept).err().unwrap();
        assert!(refused.code() == Code::Busy && refused.code().is_transient(), "{refused}");
        assert_eq!(refused.to_string(), "Another backup of \"shop\" to the same destination is under way.");
        assert_eq!(chain.hold(folder.path(), Duration::ZERO, &Context::default()).err().unwrap().code(), Code::Busy);
        assert_eq!(kept_chains(folder.path()), std::slice::from_ref(&chain));
        // Another database is another chain.
        at_once(&chain.follow(folder.path()).kept("here", "blog")).unwrap();

        drop(hold);
        chain.hold(folder.path(), Duration::ZERO, &Context::default()).unwrap().forget().unwrap();
        assert_eq!((kept_chains(folder.path()), kept.0.exists()), (vec![], false));
        at_once(&kept).unwrap();
    }

    #[test]
    fn a_chain_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let (chain, kept) = chain(folder.path());
        let context = Context::default();
        let hold = at_once(&kept).unwrap();
        let waiter = thread::spawn({
            let (folder, context) = (folder.path().to_owned(), context.clone());
            move || chain.hold(&folder, Duration::MAX, &context).map(drop)
        });
        thread::sleep(NAP);
        assert!(!waiter.is_finished());
        drop(hold);
        waiter.join().unwrap().unwrap();
        let _hold = at_once(&kept).unwrap();
        context.cancel.cancel();
        assert_eq!(kept.hold("shop", Duration::MAX, &context).err().unwrap().code(), Code::Cancelled);
    }

    #[test]
    fn the_lock_of_a_folder_that_was_removed_holds_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (_, kept) = chain(folder.path());
        let _before = at_once(&kept).unwrap();
        fs::remove_dir_all(&kept.0).unwrap();
        let _now = at_once(&kept).unwrap();
        assert_eq!(at_once(&kept).err().unwrap().code(), Code::Busy);
    }
}
