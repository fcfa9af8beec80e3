//! Destination → Store.

use crate::{Local, Store, local};
use domain::{Destination, Result};
use std::sync::Arc;

/// What a store is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Reading: the root must exist.
    Read,
    /// Writing: the root is made if only its last folder is missing, and it must be writable.
    Write,
}

/// Opens a destination, with an error of code `not-found` or `root-unusable` if that cannot be.
pub async fn open(destination: &Destination, mode: Mode) -> Result<Arc<dyn Store>> {
    match destination {
        Destination::Local { root } => {
            let root = root.clone();
            let local = local::blocking(move || match mode {
                Mode::Read => Local::open(&root),
                Mode::Write => Local::create(&root),
            });
            Ok(Arc::new(local.await?))
        }
    }
}
