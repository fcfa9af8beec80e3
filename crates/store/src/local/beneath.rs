//! Folders below the root, reached one segment at a time and never through a link.

use super::root::{FOLDER, Root};
use crate::ObjectName;
use rustix::{
    fd::{AsFd, BorrowedFd, OwnedFd},
    fs::{self, AtFlags, Dir, FileType, Mode, OFlags, Stat},
    io::{Errno, Result},
};
use std::{fs::File, sync::Arc};

/// The folders from the root down to one of them, all held open.
pub(super) struct Trail {
    root: Arc<Root>,
    below: Vec<(String, OwnedFd)>,
}

impl Trail {
    /// Opens a folder that exists. `ELOOP` means that a link or the like lies on the way, `ENOTDIR` an object.
    pub fn open(root: &Arc<Root>, folder: Option<&ObjectName>) -> Result<Self> {
        let mut trail = Self { root: root.clone(), below: Vec::new() };
        for segment in folder.iter().flat_map(|folder| folder.segments()) {
            trail.enter(segment)?;
        }
        Ok(trail)
    }

    /// Opens a folder and makes what is missing of it. On failure nothing that was made stays.
    pub fn make(root: &Arc<Root>, folder: Option<&ObjectName>) -> Result<Self> {
        let mut trail = Self::open(root, None)?;
        for segment in folder.iter().flat_map(|folder| folder.segments()) {
            if let Err(errno) = trail.enter_or_make(segment) {
                trail.prune();
                return Err(errno);
            }
        }
        Ok(trail)
    }

    fn enter_or_make(&mut self, segment: &str) -> Result<()> {
        match self.enter(segment) {
            Err(Errno::NOENT) => {}
            entered => return entered,
        }
        match fs::mkdirat(self.folder(), segment, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => self.enter(segment),
            Err(errno) => Err(errno),
        }
    }

    fn enter(&mut self, segment: &str) -> Result<()> {
        match fs::openat(self.folder(), segment, FOLDER, Mode::empty()) {
            Ok(fd) => {
                self.below.push((segment.into(), fd));
                Ok(())
            }
            // The same answer for an object, a link and a special file.
            Err(Errno::NOTDIR) if !is_regular(&self.stat(segment)?) => Err(Errno::LOOP),
            Err(errno) => Err(errno),
        }
    }

    /// The deepest folder.
    pub fn folder(&self) -> BorrowedFd<'_> {
        self.below.last().map_or(self.root.fd.as_fd(), |(_, fd)| fd.as_fd())
    }

    /// What lies under a name in the folder; a link is described, not followed.
    pub fn stat(&self, segment: &str) -> Result<Stat> {
        fs::statat(self.folder(), segment, AtFlags::SYMLINK_NOFOLLOW)
    }

    /// Opens an object. Whatever else lies there gives `ELOOP`, at once: opening a pipe would wait for its other
    /// end without `O_NONBLOCK`. A folder is no object: `ENOENT`.
    pub fn open_file(&self, segment: &str, access: OFlags) -> Result<(File, Stat)> {
        let fd = fs::openat(self.folder(), segment, access | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty())?;
        let stat = fs::fstat(&fd)?;
        match file_type(&stat) {
            FileType::RegularFile => Ok((fd.into(), stat)),
            FileType::Directory => Err(Errno::NOENT),
            _ => Err(Errno::LOOP),
        }
    }

    /// Everything in the folder whose name is UTF-8; what vanishes meanwhile is left out. `ENOENT` if it is the
    /// folder that has vanished, which reading alone does not tell from an empty one.
    pub fn entries(&self) -> Result<Vec<(String, Stat)>> {
        let mut entries = Vec::new();
        for entry in Dir::read_from(self.folder())? {
            let entry = entry?;
            let Ok(name) = entry.file_name().to_str() else { continue };
            if name == "." || name == ".." {
                continue;
            }
            match self.stat(name) {
                Ok(stat) => entries.push((name.into(), stat)),
                Err(Errno::NOENT) => {}
                Err(errno) => return Err(errno),
            }
        }
        if entries.is_empty() && fs::fstat(self.folder())?.st_nlink == 0 { Err(Errno::NOENT) } else { Ok(entries) }
    }

    /// Makes the entries of all these folders durable, the deepest first. All of them and not the new ones alone:
    /// another writer may have made one and not have synced it yet.
    pub fn sync(&self) -> Result<()> {
        self.below.iter().rev().try_for_each(|(_, fd)| sync_folder(fd))?;
        sync_folder(&self.root.fd)
    }

    /// Removes folders that are empty, from the deepest up, and leaves the trail at the first that is not.
    pub fn prune(&mut self) {
        while let Some((segment, fd)) = self.below.pop() {
            match fs::unlinkat(self.folder(), &segment, AtFlags::REMOVEDIR) {
                // Removed by somebody else who was pruning too.
                Ok(()) | Err(Errno::NOENT) => {}
                Err(_) => {
                    self.below.push((segment, fd));
                    return;
                }
            }
        }
    }
}

/// Makes the entries of a folder durable. A file system that has no such call (some network shares) answers
/// `EINVAL`; there is nothing more that could be done there.
pub(super) fn sync_folder(folder: impl AsFd) -> Result<()> {
    match fs::fsync(folder) {
        Err(Errno::INVAL) => Ok(()),
        synced => synced,
    }
}

pub(super) fn file_type(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

pub(super) fn is_regular(stat: &Stat) -> bool {
    file_type(stat) == FileType::RegularFile
}
