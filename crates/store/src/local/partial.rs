//! Files that hold an object before its commit.
//!
//! A partial is locked as long as its writer lives; the kernel drops the lock with the process. Whoever gets the
//! lock of a partial may therefore remove it. Between its creation and its lock it can be taken for abandoned;
//! so the writer looks, once it has the lock, whether the file still has its name, and begins again if not.

use super::{
    beneath::{Trail, file_type, is_regular},
    root::Root,
};
use crate::{ObjectName, object_name::PARTIAL_PREFIX};
use rustix::{
    fs::{self, AtFlags, FileType, FlockOperation, Mode, OFlags, RenameFlags},
    io::{Errno, Result},
};
use std::{fs::File, sync::Arc};
use uuid::Uuid;

/// How often a partial is begun anew when another process sweeps or prunes what this one is about to use.
const ATTEMPTS: usize = 16;

/// A locked file that has no object's name yet. It is removed on drop, and the folders with it that this leaves empty.
pub(super) struct Partial {
    trail: Trail,
    name: String,
    file: Arc<File>,
    published: bool,
}

impl Partial {
    /// Makes the folders and the file. `EEXIST` means that the object exists; `ENOTDIR`, that a folder of it is an object.
    pub fn create(root: &Arc<Root>, name: &ObjectName) -> Result<Self> {
        let mut outcome = Err(Errno::NOENT);
        for _ in 0..ATTEMPTS {
            outcome = Self::attempt(root, name);
            if !matches!(outcome, Err(Errno::NOENT | Errno::AGAIN)) {
                break;
            }
        }
        outcome
    }

    fn attempt(root: &Arc<Root>, object: &ObjectName) -> Result<Self> {
        let mut trail = Trail::make(root, object.folder().as_ref())?;
        match trail.stat(object.last()) {
            Err(Errno::NOENT) => {}
            Ok(_) => return Err(Errno::EXIST),
            Err(errno) => return Err(errno),
        }
        let name = format!("{PARTIAL_PREFIX}{}", Uuid::new_v4());
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match fs::openat(trail.folder(), &name, flags, Mode::RUSR | Mode::WUSR) {
            Ok(fd) => Self { trail, name, file: Arc::new(fd.into()), published: false }.locked(),
            Err(errno) => {
                trail.prune();
                Err(errno)
            }
        }
    }

    /// Takes the lock; `EAGAIN` if a sweep was quicker.
    fn locked(self) -> Result<Self> {
        fs::flock(&self.file, FlockOperation::NonBlockingLockExclusive)?;
        let mine = fs::fstat(&self.file)?;
        match self.trail.stat(&self.name) {
            Ok(named) if (named.st_dev, named.st_ino) == (mine.st_dev, mine.st_ino) => Ok(self),
            Ok(_) | Err(Errno::NOENT) => Err(Errno::AGAIN),
            Err(errno) => Err(errno),
        }
    }

    /// The file, to be written and read back.
    pub fn file(&self) -> &Arc<File> {
        &self.file
    }

    /// Gives the file its object's name, never in place of something else (`EEXIST`).
    pub fn publish(&mut self, object: &ObjectName) -> Result<()> {
        let folder = self.trail.folder();
        match fs::renameat_with(folder, &self.name, folder, object.last(), RenameFlags::NOREPLACE) {
            Ok(()) => {
                self.published = true;
                Ok(())
            }
            Err(Errno::INVAL | Errno::NOSYS) => self.publish_by_link(object),
            Err(errno) => Err(errno),
        }
    }

    /// The same for file systems without that call (NFS, sshfs): a link never replaces either. The partial's own
    /// name stays until the drop; killed before that, a sweep removes it and the object keeps its bytes.
    fn publish_by_link(&mut self, object: &ObjectName) -> Result<()> {
        let folder = self.trail.folder();
        match fs::linkat(folder, &self.name, folder, object.last(), AtFlags::empty()) {
            // How file systems say that they have no links.
            Err(Errno::PERM) => Err(Errno::OPNOTSUPP),
            linked => linked,
        }
    }

    /// Makes the published name durable. A name of which that is not certain is taken back.
    pub fn sync_name(&mut self, object: &ObjectName) -> Result<()> {
        self.trail.sync().inspect_err(|_| {
            // The first error is the one to report; if this fails too, the object stays, whole.
            let _ = fs::unlinkat(self.trail.folder(), object.last(), AtFlags::empty());
            self.published = false;
        })
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.published {
            // What cannot be removed now is removed by a sweep.
            let _ = fs::unlinkat(self.trail.folder(), &self.name, AtFlags::empty());
            self.trail.prune();
        }
    }
}

/// Removes every partial below the root whose writer is dead.
pub(super) fn sweep(root: &Arc<Root>) -> Result<()> {
    let mut folders = vec![None];
    while let Some(folder) = folders.pop() {
        let opened = Trail::open(root, folder.as_ref()).and_then(|trail| Ok((trail.entries()?, trail)));
        let (entries, mut trail) = match opened {
            Ok(opened) => opened,
            // It vanished, was replaced, or is another user's: nothing of ours can be in it.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::ACCESS) => continue,
            Err(errno) => return Err(errno),
        };
        let mut removed = false;
        for (name, stat) in entries {
            if is_regular(&stat) && is_partial(&name) {
                removed |= remove_abandoned(&trail, &name)?;
            } else if file_type(&stat) == FileType::Directory {
                let name = folder.as_ref().map_or_else(|| ObjectName::new(&name), |folder| folder.join(&name));
                folders.extend(name.ok().map(Some));
            }
        }
        if removed {
            trail.prune();
        }
    }
    Ok(())
}

/// Exactly the names that [`Partial::create`] gives: a file of somebody else's with a similar name is let be.
fn is_partial(name: &str) -> bool {
    name.strip_prefix(PARTIAL_PREFIX).is_some_and(|id| Uuid::try_parse(id).is_ok())
}

/// Removes a partial if its lock can be had. The lock is held until it is gone, so that its writer notices.
fn remove_abandoned(trail: &Trail, name: &str) -> Result<bool> {
    // Open for writing, because NFS locks nothing else exclusively.
    let file = match trail.open_file(name, OFlags::RDWR) {
        Ok((file, _)) => file,
        Err(Errno::NOENT | Errno::LOOP) => return Ok(false),
        Err(errno) => return Err(errno),
    };
    match fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(Errno::WOULDBLOCK) => return Ok(false),
        Err(errno) => return Err(errno),
    }
    match fs::unlinkat(trail.folder(), name, AtFlags::empty()) {
        Ok(()) => {
            tracing::info!(name, "removed what an upload of a dead process had left");
            Ok(true)
        }
        Err(Errno::NOENT) => Ok(false),
        Err(errno) => Err(errno),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begun(object: &ObjectName) -> (tempfile::TempDir, Arc<Root>, Partial) {
        let folder = tempfile::tempdir().unwrap();
        let root = Arc::new(Root::open(folder.path()).unwrap());
        let partial = Partial::create(&root, object).unwrap();
        (folder, root, partial)
    }

    /// The gap between creation and lock, held open.
    #[test]
    fn a_partial_that_was_swept_before_it_was_locked_is_not_used() {
        let object = ObjectName::new("folder/object").unwrap();
        let (folder, root, partial) = begun(&object);
        fs::flock(partial.file(), FlockOperation::Unlock).unwrap();
        sweep(&root).unwrap();
        assert!(!folder.path().join("folder").exists());
        assert_eq!(partial.locked().err(), Some(Errno::AGAIN));

        let partial = Partial::create(&root, &object).unwrap();
        fs::flock(partial.file(), FlockOperation::Unlock).unwrap();
        let (sweeper, _) = partial.trail.open_file(&partial.name, OFlags::RDWR).unwrap();
        fs::flock(&sweeper, FlockOperation::NonBlockingLockExclusive).unwrap();
        assert_eq!(partial.locked().err(), Some(Errno::AGAIN));

        let partial = Partial::create(&root, &object).unwrap();
        let path = folder.path().join("folder").join(&partial.name);
        std::fs::remove_file(&path).and_then(|()| std::fs::write(&path, "another file")).unwrap();
        assert_eq!(partial.locked().err(), Some(Errno::AGAIN));
    }

    #[test]
    fn where_renaming_would_replace_a_link_names_the_object_and_never_replaces_one() {
        let object = ObjectName::new("folder/object").unwrap();
        let (folder, root, mut partial) = begun(&object);
        let mut late = Partial::create(&root, &object).unwrap();
        std::fs::write(folder.path().join("folder").join(&partial.name), "first").unwrap();
        partial.publish_by_link(&object).unwrap();
        partial.sync_name(&object).unwrap();
        drop(partial);
        assert_eq!(late.publish_by_link(&object), Err(Errno::EXIST));
        drop(late);
        assert_eq!(std::fs::read(folder.path().join("folder/object")).unwrap(), b"first");
        assert_eq!(std::fs::read_dir(folder.path().join("folder")).unwrap().count(), 1);
    }
}
