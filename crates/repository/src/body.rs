//! The bytes of an archive as its reader sees them, wherever they lie and however they were stored.

use async_trait::async_trait;
use bytes::Bytes;
use domain::Result;
use std::{ops::Range, sync::Arc};
use store::{ObjectName, Store};

/// Plain archive bytes at random. A sealed archive is unsealed below this trait, so that nothing above it differs.
#[async_trait]
pub trait Body: Send + Sync {
    /// Number of bytes.
    fn size_bytes(&self) -> u64;

    /// The bytes of `range`.
    async fn read(&self, range: Range<u64>) -> Result<Bytes>;
}

/// An archive that is stored as it is.
pub struct StoredBody {
    store: Arc<dyn Store>,
    name: ObjectName,
    size_bytes: u64,
}

impl StoredBody {
    /// The body of an object whose size is known from its manifest.
    pub fn new(store: Arc<dyn Store>, name: ObjectName, size_bytes: u64) -> Self {
        Self { store, name, size_bytes }
    }
}

#[async_trait]
impl Body for StoredBody {
    fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    async fn read(&self, range: Range<u64>) -> Result<Bytes> {
        self.store.read(&self.name, range).await
    }
}
