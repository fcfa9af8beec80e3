//! A store in memory, for tests and rehearsals.

use crate::{Entry, ObjectName, Sha256, Store, Upload};
use async_trait::async_trait;
use bytes::Bytes;
use domain::{Code, Error, Result};
use jiff::Timestamp;
use sha2::Digest;
use std::{
    collections::BTreeMap,
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Objects in memory. Clones share them, so that one can be wrapped while another looks on.
#[derive(Clone, Default)]
pub struct Memory(Arc<Mutex<Objects>>);

type Objects = BTreeMap<ObjectName, (Bytes, Timestamp)>;

impl Memory {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// No method panics while it holds the objects half-changed, so a poisoned lock is as good as a sound one.
    fn objects(&self) -> MutexGuard<'_, Objects> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn bytes(&self, name: &ObjectName) -> Result<Bytes> {
        match self.objects().get(name) {
            Some((bytes, _)) => Ok(bytes.clone()),
            None => Err(Error::new(Code::NotFound, format!("{name} does not exist."), "Check what the root holds.")),
        }
    }
}

/// Refuses a name that is an object or a folder, or that lies below an object.
fn check_free(objects: &Objects, name: &ObjectName) -> Result<()> {
    let mut above = std::iter::successors(Some(name.clone()), ObjectName::folder);
    let is_folder = objects.keys().any(|other| below(other, Some(name)).is_some());
    if is_folder || above.any(|name| objects.contains_key(&name)) {
        return Err(Error::new(Code::NameTaken, format!("{name} exists already."), "Nothing was replaced; start again to get a new name."));
    }
    Ok(())
}

/// The part of `name` below `folder`, if it lies there.
fn below<'a>(name: &'a ObjectName, folder: Option<&ObjectName>) -> Option<&'a str> {
    match folder {
        None => Some(name.as_str()),
        Some(folder) => name.as_str().strip_prefix(folder.as_str())?.strip_prefix('/'),
    }
}

#[async_trait]
impl Store for Memory {
    async fn create(&self, name: &ObjectName) -> Result<Box<dyn Upload>> {
        check_free(&self.objects(), name)?;
        Ok(Box::new(MemoryUpload { store: self.clone(), name: name.clone(), bytes: Vec::new() }))
    }

    async fn read(&self, name: &ObjectName, range: Range<u64>) -> Result<Bytes> {
        let bytes = self.bytes(name)?;
        if range.end > bytes.len() as u64 {
            return Err(Error::new(Code::Damaged, format!("{name} ends before byte {}.", range.end), "Use another copy of this backup."));
        }
        // Both edges fit in usize: they are at most the length.
        Ok(bytes.slice(range.start.min(range.end) as usize..range.end as usize))
    }

    async fn size(&self, name: &ObjectName) -> Result<u64> {
        Ok(self.bytes(name)?.len() as u64)
    }

    async fn list(&self, folder: Option<&ObjectName>) -> Result<Vec<Entry>> {
        let mut entries = BTreeMap::new();
        for (name, (bytes, modified)) in self.objects().iter() {
            let Some((first, rest)) = below(name, folder).map(|path| path.split_once('/').unwrap_or((path, ""))) else { continue };
            let name = folder.map_or_else(|| ObjectName::new(first), |folder| folder.join(first))?;
            let size_bytes = rest.is_empty().then_some(bytes.len() as u64);
            entries.insert(name.clone(), Entry { name, size_bytes, modified: *modified });
        }
        Ok(entries.into_values().collect())
    }

    async fn remove(&self, name: &ObjectName) -> Result<()> {
        self.objects().remove(name);
        Ok(())
    }

    /// Does nothing: what is not committed dies with the process.
    async fn sweep(&self) -> Result<()> {
        Ok(())
    }
}

struct MemoryUpload {
    store: Memory,
    name: ObjectName,
    bytes: Vec<u8>,
}

#[async_trait]
impl Upload for MemoryUpload {
    async fn write(&mut self, bytes: Bytes) -> Result<()> {
        self.bytes.extend_from_slice(&bytes);
        Ok(())
    }

    async fn commit(self: Box<Self>, sha256: Sha256) -> Result<()> {
        if <Sha256 as From<_>>::from(sha2::Sha256::digest(&self.bytes)) != sha256 {
            return Err(Error::new(Code::Damaged, format!("{} has other bytes than were written.", self.name), "Start the backup again."));
        }
        let mut objects = self.store.objects();
        check_free(&objects, &self.name)?;
        objects.insert(self.name, (self.bytes.into(), Timestamp::now()));
        Ok(())
    }
}
