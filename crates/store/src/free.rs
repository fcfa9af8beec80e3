//! How much room a destination has.

use crate::local;
use domain::{Destination, Result};

/// Bytes that can still be written, if the place tells; of a share that is not reachable, waiting may take long.
pub async fn free_bytes(destination: &Destination) -> Option<u64> {
    match destination {
        Destination::Local { root } => {
            let root = root.clone();
            let asked: Result<_> = local::blocking(move || Ok(rustix::fs::statvfs(&root).ok())).await;
            asked.ok()?.map(|room| room.f_bavail.saturating_mul(room.f_frsize))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_folder_tells_its_room_and_what_is_not_there_does_not() {
        let folder = tempfile::tempdir().unwrap();
        assert!(free_bytes(&Destination::Local { root: folder.path().into() }).await.is_some_and(|bytes| bytes > 0));
        assert_eq!(free_bytes(&Destination::Local { root: folder.path().join("missing") }).await, None);
    }
}
