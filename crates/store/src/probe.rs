//! Tries a destination now.

use crate::{ObjectName, Store, put};
use bytes::Bytes;
use domain::{Code, Error, Result};

/// Writes an object, reads it back, lists it, tries to write it again, and removes it.
/// What is tried is exactly what a backup relies on.
///
/// # Errors
/// The first thing that the place cannot do.
pub async fn probe(store: &dyn Store) -> Result<()> {
    let name = ObjectName::new(format!(".rookery-probe-{}/probe", uuid::Uuid::new_v4()))?;
    let bytes = Bytes::from_static(b"Rookery tried whether this place can be written to. The file may be removed.\n");
    put(store, &name, bytes.clone()).await?;
    let tried = try_object(store, &name, &bytes).await;
    store.remove(&name).await?;
    tried
}

async fn try_object(store: &dyn Store, name: &ObjectName, bytes: &Bytes) -> Result<()> {
    let cannot =
        |what: &str| Error::new(Code::StoreFailed, format!("The place {what}."), "It cannot keep backups safely: choose another one.");
    if store.read(name, 0..bytes.len() as u64).await? != *bytes {
        return Err(cannot("gave other bytes back than were written"));
    }
    if !store.list(name.folder().as_ref()).await?.iter().any(|entry| entry.name == *name) {
        return Err(cannot("does not list what was written"));
    }
    match put(store, name, Bytes::from_static(b"other")).await {
        Err(error) if error.code() == Code::NameTaken => Ok(()),
        Err(error) => Err(error),
        Ok(()) => Err(cannot("replaced a file that was there already")),
    }
}
