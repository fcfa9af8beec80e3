//! An upload into the local folder: write, sync, read back, name, sync the name.

use super::{blocking, partial::Partial, root::Root};
use crate::{ObjectName, Sha256, Upload};
use async_trait::async_trait;
use bytes::Bytes;
use domain::{Code, Error, Result};
use rustix::{
    fs::{self, Advice},
    io::Errno,
};
use sha2::Digest;
use std::{
    fs::File,
    io::Write,
    sync::{Arc, Mutex, PoisonError},
};

/// Small writes are gathered up to this, so that each trip to a blocking thread carries a worthwhile load.
const BUFFER_BYTES: usize = 1 << 20;

pub(super) struct LocalUpload {
    root: Arc<Root>,
    name: ObjectName,
    buffer: Vec<u8>,
    /// None once a write has failed or was cancelled: the file is gone, and so is the upload.
    partial: Option<Partial>,
}

impl LocalUpload {
    pub fn begin(root: Arc<Root>, name: ObjectName) -> Result<Self> {
        let partial = Partial::create(&root, &name).map_err(|errno| match errno {
            // What lies in the way of its folders is an object.
            Errno::NOTDIR => root.error("written", &name, Errno::EXIST),
            errno => root.error("written", &name, errno),
        })?;
        Ok(Self { root, name, buffer: Vec::new(), partial: Some(partial) })
    }

    fn failed_before(&self) -> Error {
        Error::internal(format!("{} was written to after a write had failed.", self.name))
    }

    /// All of a commit. What it returns early from, it leaves nothing of: the partial is dropped.
    fn finish(self, sha256: Sha256, wish: &Wish) -> Result<()> {
        let mut partial = self.partial.ok_or_else(|| Error::internal("An upload was committed after a write had failed."))?;
        let (root, name) = (&self.root, &self.name);
        write_all(partial.file(), &self.buffer).map_err(|errno| root.error("written", name, errno))?;
        // After an error the kernel may have dropped the pages and call the next sync a success: never again.
        fs::fsync(partial.file()).map_err(|errno| root.error("written to the disk", name, errno))?;
        if hash_from_disk(partial.file(), wish).map_err(|errno| root.error("read back", name, errno))? != sha256 {
            return Err(differs(root, name));
        }
        wish.unless_cancelled(|| partial.publish(name).map_err(|errno| root.error("given its name", name, errno)))?;
        partial.sync_name(name).map_err(|errno| root.error("written to the disk", name, errno))
    }
}

#[async_trait]
impl Upload for LocalUpload {
    async fn write(&mut self, bytes: Bytes) -> Result<()> {
        if self.buffer.len() + bytes.len() <= BUFFER_BYTES {
            self.buffer.extend_from_slice(&bytes);
            return Ok(());
        }
        // Taken for as long as the write lasts: dropped with the future, or with an error, it removes the file.
        let partial = self.partial.take().ok_or_else(|| self.failed_before())?;
        let (file, mut buffer) = (partial.file().clone(), std::mem::take(&mut self.buffer));
        let (root, name) = (self.root.clone(), self.name.clone());
        self.buffer = blocking(move || {
            write_all(&file, &buffer).and_then(|()| write_all(&file, &bytes)).map_err(|errno| root.error("written", name, errno))?;
            buffer.clear();
            Ok(buffer)
        })
        .await?;
        self.partial = Some(partial);
        Ok(())
    }

    async fn commit(self: Box<Self>, sha256: Sha256) -> Result<()> {
        let wish = Arc::new(Wish::default());
        let _cancelled_on_drop = CancelOnDrop(wish.clone());
        blocking(move || self.finish(sha256, &wish)).await
    }
}

/// Whether the caller has gone away. The object gets its name under this lock, so that once the caller's future is
/// dropped it is known whether the object is visible.
#[derive(Default)]
struct Wish(Mutex<bool>);

impl Wish {
    fn unless_cancelled<T>(&self, act: impl FnOnce() -> Result<T>) -> Result<T> {
        let cancelled = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if *cancelled { Err(Error::cancelled()) } else { act() }
    }

    fn is_cancelled(&self) -> bool {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct CancelOnDrop(Arc<Wish>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
    }
}

fn write_all(mut file: &File, bytes: &[u8]) -> Result<(), Errno> {
    // An error without a number is a write of 0 bytes, which the kernel gives when it cannot go on.
    file.write_all(bytes).map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
}

/// Hashes what the disk holds. The pages are clean after the sync, so the kernel lets go of them when it is asked;
/// where it does not (a file system in memory), the hash is of the pages that it would serve anyway.
fn hash_from_disk(file: &File, wish: &Wish) -> Result<Sha256, Errno> {
    let _best_effort = fs::fadvise(file, 0, None, Advice::DontNeed);
    let _best_effort = fs::fadvise(file, 0, None, Advice::Sequential);
    let (mut hash, mut buffer, mut at) = (sha2::Sha256::new(), vec![0; BUFFER_BYTES], 0);
    while !wish.is_cancelled() {
        match rustix::io::pread(file, &mut buffer, at)? {
            0 => return Ok(hash.finalize().into()),
            read => {
                hash.update(&buffer[..read]);
                at += read as u64;
            }
        }
    }
    Err(Errno::CANCELED)
}

fn differs(root: &Root, name: &ObjectName) -> Error {
    Error::new(
        Code::Damaged,
        format!("{name} under {} came back from the disk with other bytes than were written.", root.shown()),
        "Do not trust this disk or this machine's memory before they are tested; nothing half-made was kept.",
    )
}
