//! `rookery.json` at the root: this folder is a repository, and this instance began it.

use crate::instance::PublicInstance;
use domain::{Code, Error, Result};
use serde::{Deserialize, Serialize};

/// The marker's content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marker {
    /// Version of the repository's format.
    pub format: u32,
    /// The instance that began the repository.
    pub instance: PublicInstance,
}

/// The format that this code reads and writes.
pub const FORMAT: u32 = 1;

impl Marker {
    /// The marker of a repository that `instance` begins.
    #[must_use]
    pub fn new(instance: PublicInstance) -> Self {
        Self { format: FORMAT, instance }
    }

    /// Reads a marker; a newer format is refused.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let marker: Self = serde_json::from_slice(bytes).map_err(|error| {
            Error::new(
                Code::Damaged,
                "The file rookery.json at the root is not a marker of Rookery.",
                "Restore that file from a copy, or choose another root.",
            )
            .because(error)
        })?;
        if marker.format != FORMAT {
            return Err(Error::new(
                Code::Unsupported,
                format!("The repository has format {}, and this version of Rookery reads format {FORMAT}.", marker.format),
                "Use a newer version of Rookery.",
            ));
        }
        Ok(marker)
    }

    /// The marker's bytes.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let mut bytes =
            serde_json::to_vec_pretty(self).map_err(|error| Error::internal("The marker could not be written.").because(error))?;
        bytes.push(b'\n');
        Ok(bytes)
    }
}
