//! Chains: full backups that incrementals can follow, and what is kept between them.
//!
//! Some of what an incremental goes on from is in the [`domain::Summary::position`] of its prior, which everybody can read. The rest
//! (hashes of rows, fingerprints of definitions) is too large or tells too much: it lies in a folder of the console's own, the
//! *state* of that backup. State can be lost: then it is made anew from the chain's archives where they can be read, and the
//! next backup is a full one where they cannot.

use crate::{Context, Members, Reading};
use domain::Result;
use std::path::Path;

/// Whose a chain is. Two owners never share what is kept for a chain on the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The installation: the fingerprint of its key, in hexadecimal digits.
    pub instance: String,
    /// The root that the chain lies under, and the server by the name that its folder carries.
    pub root: String,
}

/// What an incremental goes on from, and where it leaves what the next one needs.
#[derive(Clone, Copy, Debug)]
pub struct Since<'a> {
    /// The position of its prior.
    pub position: &'a serde_json::Value,
    /// The state of its prior; the folder may be missing.
    pub state: &'a Path,
    /// An empty folder for its own.
    pub next: &'a Path,
}

/// What came of the wish for an incremental.
pub enum Begun {
    /// There is something to read.
    Changes(Box<dyn Reading>),
    /// Nothing has changed.
    Unchanged,
    /// The state of the prior is lost, and can be made anew from archives with [`Following::rebuild`].
    StateLost,
    /// The next backup has to be a full one: why, a sentence.
    MustBeFull(String),
}

/// The chain of one database. What it needs on the server (a replication slot) it makes with a full backup and removes with
/// [`Following::release`].
pub trait Following: Send + Sync {
    /// Begins a full backup as [`crate::Source::begin_full`] does, and fills the empty folder `next` with its state while it is read.
    fn begin_full(&self, next: &Path, context: &Context) -> Result<Box<dyn Reading>>;

    /// Looks for what has changed since the prior.
    fn begin_incremental(&self, since: &Since<'_>, context: &Context) -> Result<Begun>;

    /// Makes the state of the last of these archives, the full one first, in the empty folder `state`.
    fn rebuild(&self, chain: &[&dyn Members], state: &Path, context: &Context) -> Result<()>;

    /// Called once the backup that ended at `position` exists, and again whenever that may not have happened: lets the server
    /// forget what came before it.
    fn settle(&self, position: &serde_json::Value, context: &Context) -> Result<()>;

    /// Whether any moment between the backup with this position and the incremental after it will be one that can be restored.
    fn gives_moments(&self, _position: &serde_json::Value) -> bool {
        false
    }

    /// Lets the server forget log in which nothing of the database changed since the backup with this position and state; so much of
    /// it as takes some seconds. Returns whether it could: what changed is left for the next incremental, and so is every reason for
    /// a full backup.
    fn let_go(&self, _position: &serde_json::Value, _state: &Path, _context: &Context) -> Result<bool> {
        Ok(false)
    }

    /// Bytes of its log that the server keeps for the chain, if it keeps any.
    fn held_bytes(&self, context: &Context) -> Result<Option<u64>>;

    /// Whether a replication slot is one that is kept for it.
    fn owns(&self, _slot: &str) -> bool {
        false
    }

    /// Removes all that is kept on the server for chains of this owner.
    fn release(&self, context: &Context) -> Result<()>;
}
