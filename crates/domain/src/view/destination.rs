//! Destinations.

use crate::{Destination, DestinationId, Told};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A destination.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DestinationView {
    /// Identifier.
    pub id: DestinationId,
    /// Name.
    pub name: String,
    /// Where it is.
    pub destination: Destination,
    /// Note.
    pub note: String,
    /// Names of the tasks that write to it.
    pub tasks: Vec<String>,
    /// Databases that have backups there, as far as is known.
    pub databases: u64,
    /// Backups there.
    pub backups: u64,
    /// Their bytes.
    pub stored_bytes: u64,
    /// Bytes that are free there, if that can be told.
    pub free_bytes: Option<u64>,
    /// When it was last read, or could not be; none before the first time.
    pub read_at: Option<Timestamp>,
    /// Why the last reading failed, if it did.
    pub read_error: Option<Told>,
    /// Number of the edit that this shows.
    pub version: i64,
    /// When this was read.
    pub now: Timestamp,
}
