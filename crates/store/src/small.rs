//! Small objects, written and read whole.

use crate::{ObjectName, Store};
use bytes::Bytes;
use domain::{Code, Error, Result};
use sha2::{Digest, Sha256};

/// Writes `bytes` as a new object: visible, proven and durable once this returns.
///
/// Fails with code `name-taken` if the name is in use.
pub async fn put(store: &dyn Store, name: &ObjectName, bytes: Bytes) -> Result<()> {
    let sha256 = Sha256::digest(&bytes).into();
    let mut upload = store.create(name).await?;
    upload.write(bytes).await?;
    upload.commit(sha256).await
}

/// Reads a whole object of at most `max_bytes`, so that a foreign file cannot fill the memory.
///
/// Fails with code `too-large` above that, and with `not-found` if there is no such object.
pub async fn read_small(store: &dyn Store, name: &ObjectName, max_bytes: u64) -> Result<Bytes> {
    let size_bytes = store.size(name).await?;
    if size_bytes > max_bytes {
        return Err(Error::new(
            Code::TooLarge,
            format!("{name} has {size_bytes} bytes; at most {max_bytes} are expected there."),
            "It was not written by Rookery: move it away, or restore from another copy.",
        ));
    }
    store.read(name, 0..size_bytes).await
}
