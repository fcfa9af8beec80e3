//! Everything that Rookery writes under a root, and how it is read back.
//!
//! A repository is readable without the console: names are readable, archives are ZIP files of zstd
//! members, sealed for who has a key if the task says so, manifests are signed JSON. docs/FORMAT.md is the whole of it for a stranger.

pub mod archive;
pub mod body;
mod chain;
pub mod envelope;
pub mod instance;
pub mod layout;
pub mod manifest;
pub mod marker;
pub mod repository;
mod zip;

pub use archive::{ArchiveReader, ArchiveWriter, Written};
pub use body::{Body, Key, Pieces, ProvenBody, SealedBody, StoredBody};
pub use instance::{Instance, Trust};
pub use layout::Place;
pub use manifest::{ArchiveRef, Manifest, Prior, ServerRef};
pub use repository::{Point, Repository};
pub use seal::Fingerprint;
