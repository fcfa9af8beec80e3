//! A lock that says: whoever made this file or folder still lives.
//!
//! It is a `flock`, so the kernel drops it when the process dies, however that happens; and it does not
//! disturb the POSIX locks that SQLite takes on the same file.

use rustix::fs::{FlockOperation, flock};
use std::{fs::File, io, os::unix::fs::MetadataExt};

/// Held as long as the maker needs the file.
pub struct Lease(File);

impl Lease {
    /// Takes the lease, unless another process holds it or the file was removed before the lease was taken.
    pub fn take(file: File) -> io::Result<Option<Self>> {
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok((file.metadata()?.nlink() > 0).then_some(Self(file))),
            Err(error) if error == rustix::io::Errno::WOULDBLOCK => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The file itself.
    pub fn file(&self) -> &File {
        &self.0
    }
}
