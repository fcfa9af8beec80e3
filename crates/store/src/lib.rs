//! A destination, opened.
//!
//! A [`Store`] keeps objects under names. It knows nothing of archives: the repository decides what is
//! written, and in which order.

pub mod faulty;
mod free;
pub mod local;
pub mod memory;
pub mod object_name;
pub mod open;
pub mod probe;
pub mod small;

use async_trait::async_trait;
use bytes::Bytes;
use domain::Result;
use jiff::Timestamp;
use std::{ops::Range, sync::Arc};

pub use faulty::{Fault, Faulty};
pub use free::free_bytes;
pub use local::Local;
pub use memory::Memory;
pub use object_name::ObjectName;
pub use open::{Mode, open};
pub use probe::probe;
pub use small::{put, read_small};

/// SHA-256 of an object's bytes.
pub type Sha256 = [u8; 32];

/// A destination, opened. The conformance suite is this contract's proof.
///
/// * An object appears whole or not at all, under a name that nothing had before, and never changes.
/// * Once [`Upload::commit`] has returned, the object survives a power failure.
/// * A name is either an object or a folder, never both; folders come and go with the objects in them.
/// * Nothing outside the root is ever read, written or followed to: links are refused with code `root-foreign`.
/// * Every method may be cancelled by dropping its future; what it had begun is removed then or by [`Store::sweep`].
///   An object whose commit was dropped is either visible and whole at that moment, or never will be.
#[async_trait]
pub trait Store: Send + Sync {
    /// Begins a new object. It is not visible before [`Upload::commit`].
    /// A name that is in use, or that lies below an object, may be refused here already with code `name-taken`.
    async fn create(&self, name: &ObjectName) -> Result<Box<dyn Upload>>;

    /// Reads the bytes of `range`; a range that reaches past the end is an error of code `damaged`.
    /// An object that does not exist gives code `not-found`.
    async fn read(&self, name: &ObjectName, range: Range<u64>) -> Result<Bytes>;

    /// The size of an object in bytes. An object that does not exist gives code `not-found`.
    async fn size(&self, name: &ObjectName) -> Result<u64>;

    /// What lies directly in a folder, ordered by name; `None` is the root. A folder that does not exist is empty.
    /// Objects that are not committed are not listed, though the folder that one of them will lie in may be.
    async fn list(&self, folder: Option<&ObjectName>) -> Result<Vec<Entry>>;

    /// Removes an object, and the folders that this leaves empty. An object that is gone already is no error.
    async fn remove(&self, name: &ObjectName) -> Result<()>;

    /// Removes what uploads of processes that no longer live left behind.
    async fn sweep(&self) -> Result<()>;
}

/// An object being written. Dropping it without [`Upload::commit`] removes what was written.
#[async_trait]
pub trait Upload: Send {
    /// Appends bytes.
    async fn write(&mut self, bytes: Bytes) -> Result<()>;

    /// Proves that what is stored has this hash, then makes the object visible. If it has not, the error has code
    /// `damaged`; if the name is in use meanwhile, nothing is replaced and the code is `name-taken`.
    async fn commit(self: Box<Self>, sha256: Sha256) -> Result<()>;
}

/// One thing in a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its full name, from the root.
    pub name: ObjectName,
    /// Its size, or `None` for a folder.
    pub size_bytes: Option<u64>,
    /// When it was last written, by the clock of the destination.
    pub modified: Timestamp,
}

/// A shared store is a store, so that wrappers can be put around one that others hold as well.
#[async_trait]
impl<S: Store + ?Sized> Store for Arc<S> {
    async fn create(&self, name: &ObjectName) -> Result<Box<dyn Upload>> {
        (**self).create(name).await
    }

    async fn read(&self, name: &ObjectName, range: Range<u64>) -> Result<Bytes> {
        (**self).read(name, range).await
    }

    async fn size(&self, name: &ObjectName) -> Result<u64> {
        (**self).size(name).await
    }

    async fn list(&self, folder: Option<&ObjectName>) -> Result<Vec<Entry>> {
        (**self).list(folder).await
    }

    async fn remove(&self, name: &ObjectName) -> Result<()> {
        (**self).remove(name).await
    }

    async fn sweep(&self) -> Result<()> {
        (**self).sweep().await
    }
}
