//! The root folder, and what its errors mean to a person.

use domain::{Code, Error, Result};
use rustix::{
    fd::OwnedFd,
    fs::{self, Access, AtFlags, Mode, OFlags},
    io::Errno,
    process::geteuid,
};
use std::{
    fmt::Display,
    path::{Path, PathBuf},
};

/// Folders are opened to be read and synced, and never through a link.
pub(super) const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

const READ_ONLY: &str = "its file system is mounted read-only";
const MOUNT_IT: &str = "Mount it for writing, or choose another destination.";
const MAKE_ROOM: &str = "Free some room there or choose another destination, then start again; nothing half-made was kept.";

/// The root folder, held open: what is done below it stays below it, whatever its path comes to name.
pub(super) struct Root {
    pub fd: OwnedFd,
    path: PathBuf,
}

impl Root {
    /// Opens a root that exists. The root itself may be reached through links: the user named it.
    pub fn open(path: &Path) -> Result<Self> {
        let shown = std::path::absolute(path).unwrap_or_else(|_| path.into());
        match fs::open(path, FOLDER.difference(OFlags::NOFOLLOW), Mode::empty()) {
            Ok(fd) => Ok(Self { fd, path: shown }),
            Err(errno) => Err(cannot_open(&shown, errno)),
        }
    }

    /// Opens a root for writing, and makes it if it is missing. Folders above it are not made: a path that is
    /// misspelt, or whose disk is not mounted, shall be an error and not a backup in the wrong place.
    pub fn create(path: &Path) -> Result<Self> {
        match fs::mkdir(path, Mode::RWXU) {
            // Whether it is a folder, and whether it is missing together with the one above, shows when it is opened.
            Ok(()) | Err(Errno::EXIST | Errno::NOTDIR) => {}
            Err(Errno::NOENT) => return Err(missing_parent(path)),
            // The root of a disk that is mounted read-only exists, but the answer to mkdir is not EEXIST.
            Err(_) if path.is_dir() => {}
            Err(errno) => return Err(cannot_open(path, errno)),
        }
        let root = Self::open(path)?;
        fs::accessat(&root.fd, ".", Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS)
            .map_err(|errno| cannot_open(&root.path, errno))?;
        // If the folder above cannot be opened, this process cannot have made an entry in it that needs to be synced.
        if let Ok(parent) = fs::openat(&root.fd, "..", FOLDER, Mode::empty()) {
            super::beneath::sync_folder(&parent).map_err(|errno| root.error("written", "its entry in the folder above", errno))?;
        }
        Ok(root)
    }

    /// The root's path, for sentences.
    pub fn shown(&self) -> impl Display + '_ {
        self.path.display()
    }

    /// What `errno` means when `what` could not be `done` ("written", "read" …).
    pub fn error(&self, done: &str, what: impl Display, errno: Errno) -> Error {
        let (root, user) = (self.shown(), geteuid().as_raw());
        let (code, reason, next_step) = match errno {
            Errno::NOSPC => (Code::NoSpace, format!("the destination is full ({})", self.room()), MAKE_ROOM),
            Errno::DQUOT => (Code::NoSpace, format!("the quota of user id {user} is used up"), MAKE_ROOM),
            Errno::ROFS => (Code::RootUnusable, READ_ONLY.into(), MOUNT_IT),
            Errno::ACCESS | Errno::PERM => (
                Code::Privilege,
                format!("user id {user} has no right to"),
                "Give that user the right to read and write everything there, then start again.",
            ),
            Errno::LOOP | Errno::NXIO => (
                Code::RootForeign,
                "a link or a special file lies there, and Rookery does not follow those".into(),
                "Find out who put it there, and keep the root for Rookery alone.",
            ),
            Errno::NOENT | Errno::NOTDIR => {
                (Code::NotFound, "it does not exist".into(), "Check what the root holds, and whether its disk is mounted.")
            }
            Errno::EXIST => (Code::NameTaken, "the name is in use".into(), "Nothing was replaced; start again to get a new name."),
            Errno::NOLCK | Errno::NOSYS | Errno::OPNOTSUPP => (
                Code::Unsupported,
                "the file system lacks locks, or a way to name a file without replacing another".into(),
                "Choose a destination on another file system; a network share may allow it by other mount options.",
            ),
            _ => (
                Code::StoreFailed,
                std::io::Error::from(errno).to_string(),
                "Look in the system's log for trouble with the disk, then start again; nothing half-made was kept.",
            ),
        };
        Error::new(code, format!("{what} under {root} could not be {done}: {reason}."), next_step).because(errno)
    }

    /// What is left on a file system that is full: the bytes or the file entries (inodes) may have run out.
    fn room(&self) -> String {
        let Ok(room) = fs::fstatvfs(&self.fd) else { return "how much is free is unknown".into() };
        let bytes = room.f_bavail.saturating_mul(room.f_frsize);
        match room.f_files {
            // Some file systems do not count them.
            0 => format!("{bytes} bytes are free by its own count"),
            entries => format!("{bytes} bytes and {} of {entries} file entries are free by its own count", room.f_favail),
        }
    }
}

fn missing_parent(path: &Path) -> Error {
    let parent = path.parent().unwrap_or(path).display();
    Error::new(
        Code::RootUnusable,
        format!("The root {} cannot be made: the folder above it, {parent}, does not exist.", path.display()),
        "Check the path and whether its disk is mounted, or make the folder above it first.",
    )
}

fn cannot_open(path: &Path, errno: Errno) -> Error {
    let (root, user) = (path.display(), geteuid().as_raw());
    let (code, sentence, next_step) = match errno {
        Errno::NOENT => (Code::NotFound, format!("The root {root} does not exist."), "Check the path and whether its disk is mounted."),
        Errno::NOTDIR => (Code::RootUnusable, format!("The root {root} is not a folder."), "Give the path of a folder."),
        Errno::NOSPC | Errno::DQUOT => (Code::NoSpace, format!("The root {root} cannot be made: its disk is full."), MAKE_ROOM),
        Errno::ROFS => (Code::RootUnusable, format!("The root {root} cannot be used: {READ_ONLY}."), MOUNT_IT),
        Errno::ACCESS | Errno::PERM => (
            Code::RootUnusable,
            format!("The root {root} cannot be used by user id {user}, as which Rookery runs."),
            "Give that user the right to read, write and enter it, or run Rookery as another user.",
        ),
        _ => (
            Code::RootUnusable,
            format!("The root {root} cannot be opened: {}.", std::io::Error::from(errno)),
            "Check the path and the disk it lies on.",
        ),
    };
    Error::new(code, sentence, next_step).because(errno)
}
