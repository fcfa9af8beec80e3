//! Files that are written whole or not at all, that only their owner may read, and that are still there after a power cut.
//!
//! A file is written under a temporary name in its own folder, and then named. A process that is killed in between leaves the
//! temporary one.

use rustix::{fs, io::Errno};
use std::{
    fs::{File, Metadata, OpenOptions},
    io::{self, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

/// Writes a file that must not exist yet ([`io::ErrorKind::AlreadyExists`]).
pub fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    publish(path, bytes, |temporary| {
        name(temporary, path)?;
        // A name that may be gone after a power cut is taken back: it is ours, for nothing was replaced.
        sync(path).inspect_err(|_| remove(path))
    })
}

/// Writes a file, in place of the one that may be there.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    publish(path, bytes, |temporary| std::fs::rename(temporary, path).and_then(|()| sync(path)))
}

/// Writes a file under a temporary name: a dot, the process, the time.
pub fn temporary(folder: &Path, bytes: &[u8]) -> io::Result<PathBuf> {
    let path = folder.join(format!(".{}-{}", std::process::id(), jiff::Timestamp::now().as_nanosecond()));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).inspect_err(|_| remove(&path))?;
    Ok(path)
}

/// Exactly the names that [`temporary`] gives.
pub fn is_temporary(name: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    name.strip_prefix('.').and_then(|name| name.split_once('-')).is_some_and(|(process, time)| digits(process) && digits(time))
}

/// Whether its owner alone may do anything with a file.
pub fn is_private(metadata: &Metadata) -> bool {
    metadata.permissions().mode() & 0o077 == 0
}

fn publish(path: &Path, bytes: &[u8], publish: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
    let temporary = temporary(folder(path), bytes)?;
    let published = publish(&temporary);
    remove(&temporary);
    published
}

/// Renames without replacing; file systems that cannot (NFS, sshfs) get a second link instead, which never replaces either.
fn name(temporary: &Path, path: &Path) -> io::Result<()> {
    match fs::renameat_with(fs::CWD, temporary, fs::CWD, path, fs::RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS) => std::fs::hard_link(temporary, path),
        renamed => Ok(renamed?),
    }
}

fn sync(path: &Path) -> io::Result<()> {
    File::open(folder(path))?.sync_all()
}

/// Removes what may be there. What cannot be removed does no harm to what is written, and the first error is the one to tell.
fn remove(path: &Path) {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::debug!(file = %path.display(), %error, "a temporary file stays");
        }
        _ => {}
    }
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_file_is_private_replaces_nothing_and_leaves_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        write_new(&path, b"first").unwrap();
        assert!(is_private(&std::fs::metadata(&path).unwrap()));
        assert_eq!(write_new(&path, b"second").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read(&path).unwrap(), b"first");
        replace(&path, b"third").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"third");
        assert!(write_new(&folder.path().join("none/key"), b"x").is_err() && replace(folder.path(), b"x").is_err());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
