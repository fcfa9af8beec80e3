//! A folder of this machine.
//!
//! Write order: partial file, locked → sync → read back and hash → name, never replacing → sync of the folder and of
//! every folder above it up to the root. What a crash leaves is a partial, which a sweep removes, or a whole object.

mod beneath;
mod partial;
mod root;
mod upload;

use crate::{Entry, ObjectName, Store, Upload, object_name::PARTIAL_PREFIX};
use async_trait::async_trait;
use beneath::{Trail, file_type, is_regular, sync_folder};
use bytes::Bytes;
use domain::{Code, Error, Result};
use jiff::Timestamp;
use root::Root;
use rustix::{
    buffer::spare_capacity,
    fs::{self, AtFlags, FileType, OFlags, Stat},
    io::Errno,
};
use std::{fs::File, ops::Range, path::Path, sync::Arc};

/// A local folder, opened. Nothing below it is reached through a link.
pub struct Local(Arc<Root>);

impl Local {
    /// Opens a folder that exists: code `not-found` if it does not, `root-unusable` if it is not a folder.
    pub fn open(root: &Path) -> Result<Self> {
        Root::open(root).map(|root| Self(Arc::new(root)))
    }

    /// Opens a folder for writing, and makes it if only its last segment is missing. It must be writable: else
    /// code `root-unusable`.
    pub fn create(root: &Path) -> Result<Self> {
        Root::create(root).map(|root| Self(Arc::new(root)))
    }

    /// Runs file work on a thread that may block.
    async fn run<T: Send + 'static>(&self, work: impl FnOnce(&Arc<Root>) -> Result<T> + Send + 'static) -> Result<T> {
        let root = self.0.clone();
        blocking(move || work(&root)).await
    }
}

/// Runs work on a thread that may block. Dropping the future does not stop the work: it must clean up by itself.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome,
        Err(error) => Err(Error::internal("Work on a file broke off.").because(error)),
    }
}

#[async_trait]
impl Store for Local {
    async fn create(&self, name: &ObjectName) -> Result<Box<dyn Upload>> {
        let name = name.clone();
        let upload = self.run(|root| upload::LocalUpload::begin(root.clone(), name)).await?;
        Ok(Box::new(upload))
    }

    async fn read(&self, name: &ObjectName, range: Range<u64>) -> Result<Bytes> {
        let name = name.clone();
        self.run(move |root| {
            let (file, stat) = find(root, &name)?;
            // Asked before memory is taken: the range may come from a manifest that lies.
            if range.end > stat.st_size.unsigned_abs() {
                return Err(too_short(root, &name, range.end));
            }
            match read_range(&file, &range) {
                Ok(bytes) if bytes.len() as u64 == range.end.saturating_sub(range.start) => Ok(bytes.into()),
                Ok(_) => Err(too_short(root, &name, range.end)),
                Err(errno) => Err(root.error("read", &name, errno)),
            }
        })
        .await
    }

    async fn size(&self, name: &ObjectName) -> Result<u64> {
        let name = name.clone();
        self.run(move |root| find(root, &name).map(|(_, stat)| stat.st_size.unsigned_abs())).await
    }

    async fn list(&self, folder: Option<&ObjectName>) -> Result<Vec<Entry>> {
        let folder = folder.cloned();
        self.run(move |root| {
            let found = match Trail::open(root, folder.as_ref()).and_then(|trail| trail.entries()) {
                // Not for the root: that it has vanished is no reason to believe that there are no backups.
                Err(Errno::NOENT | Errno::NOTDIR) if folder.is_some() => Vec::new(),
                found => found.map_err(|errno| root.error("listed", shown(folder.as_ref()), errno))?,
            };
            let mut entries: Vec<_> = found.iter().filter_map(|(name, stat)| entry(folder.as_ref(), name, stat)).collect();
            entries.sort_unstable_by(|a, b| a.name.cmp(&b.name));
            Ok(entries)
        })
        .await
    }

    async fn remove(&self, name: &ObjectName) -> Result<()> {
        let name = name.clone();
        self.run(move |root| remove(root, &name).map_err(|errno| root.error("removed", &name, errno))).await
    }

    async fn sweep(&self) -> Result<()> {
        self.run(|root| partial::sweep(root).map_err(|errno| root.error("swept", "What uploads had left", errno))).await
    }
}

fn find(root: &Arc<Root>, name: &ObjectName) -> Result<(File, Stat)> {
    Trail::open(root, name.folder().as_ref())
        .and_then(|trail| trail.open_file(name.last(), OFlags::RDONLY))
        .map_err(|errno| root.error("read", name, errno))
}

/// The bytes of a range, fewer if the file ends before.
fn read_range(file: &File, range: &Range<u64>) -> Result<Vec<u8>, Errno> {
    let wanted = usize::try_from(range.end.saturating_sub(range.start)).map_err(|_| Errno::NOMEM)?;
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(wanted).map_err(|_| Errno::NOMEM)?;
    while bytes.len() < wanted {
        let at = range.start + bytes.len() as u64;
        if rustix::io::pread(file, spare_capacity(&mut bytes), at)? == 0 {
            break;
        }
    }
    bytes.truncate(wanted);
    Ok(bytes)
}

fn too_short(root: &Root, name: &ObjectName, end: u64) -> Error {
    Error::new(Code::Damaged, format!("{name} under {} ends before byte {end}.", root.shown()), "Use another copy of this backup.")
}

fn shown(folder: Option<&ObjectName>) -> &str {
    folder.map_or("The root", ObjectName::as_str)
}

/// What a file tells of itself; nothing for links, special files, partials, and names that no object can have.
fn entry(folder: Option<&ObjectName>, name: &str, stat: &Stat) -> Option<Entry> {
    let size_bytes = match file_type(stat) {
        FileType::Directory => None,
        FileType::RegularFile if !name.starts_with(PARTIAL_PREFIX) => Some(stat.st_size.unsigned_abs()),
        _ => return None,
    };
    let name = folder.map_or_else(|| ObjectName::new(name), |folder| folder.join(name)).ok()?;
    let modified = Timestamp::new(stat.st_mtime, i32::try_from(stat.st_mtime_nsec).ok()?).ok()?;
    Some(Entry { name, size_bytes, modified })
}

fn remove(root: &Arc<Root>, name: &ObjectName) -> Result<(), Errno> {
    let mut trail = match Trail::open(root, name.folder().as_ref()) {
        Err(Errno::NOENT | Errno::NOTDIR) => return Ok(()),
        trail => trail?,
    };
    match trail.stat(name.last()) {
        Ok(stat) if file_type(&stat) == FileType::Directory => return Ok(()),
        Ok(stat) if !is_regular(&stat) => return Err(Errno::LOOP),
        Ok(_) | Err(Errno::NOENT) => {}
        Err(errno) => return Err(errno),
    }
    match fs::unlinkat(trail.folder(), name.last(), AtFlags::empty()) {
        // Gone already, but perhaps by a process that was killed before it removed the folders.
        Ok(()) | Err(Errno::NOENT) => {}
        Err(errno) => return Err(errno),
    }
    trail.prune();
    sync_folder(trail.folder())
}
