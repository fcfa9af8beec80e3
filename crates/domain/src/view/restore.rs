//! The guided restore.

use super::{
    Page,
    backup::{FolderLine, PointLine},
};
use crate::{Dbms, DestinationId, FieldError, ServerId, Told};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What the restore wizard knows after the steps that were filled in so far. Each list is empty until the step before it
/// has its answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RestorePreview {
    /// What is wrong, by field; of steps that have not been reached too.
    pub errors: Vec<FieldError>,
    /// Destinations to choose from: identifier, name, root.
    pub destinations: Vec<(DestinationId, String, String)>,
    /// Database folders under the chosen root, those that were asked for.
    pub folders: Page<FolderLine>,
    /// Whether there are folders of what belongs to whole servers.
    pub has_globals: bool,
    /// Kind of the server that the chosen backup came from.
    pub dbms: Option<Dbms>,
    /// Restore points of the chosen folder, newest first.
    pub points: Vec<PointLine>,
    /// Servers that can take the new database: identifier, name, whether it is the origin.
    pub targets: Vec<(ServerId, String, bool)>,
    /// A name for the new database that is free, as a proposal.
    pub proposed_name: Option<String>,
    /// What will happen, once everything is chosen.
    pub review: Option<RestoreReview>,
    /// When this was made.
    pub now: Timestamp,
}

/// What a restore will do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreReview {
    /// Archives that are read.
    pub files: u64,
    /// Their bytes.
    pub size_bytes: u64,
    /// Bytes when decompressed.
    pub plain_bytes: u64,
    /// Rows.
    pub rows: u64,
    /// The server's version that the backup was taken from.
    pub from_version: String,
    /// The target server's version.
    pub into_version: Option<String>,
    /// What should be known before the start, one sentence each.
    pub notes: Vec<String>,
    /// What the server lacks, so that the restore could not begin. Nothing where the server was not asked.
    pub obstacle: Option<Told>,
}
