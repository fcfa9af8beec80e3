//! What lies under a root.

use super::Page;
use crate::{BackupKind, BackupType, Covered, Dbms, DestinationId, Label};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How a list of database folders is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FolderQuery {
    /// Part of a name or a pattern.
    pub filter: String,
    /// From 1; 0 counts as 1.
    pub page: u64,
}

/// A root with its database folders, ordered by name, then by server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RootView {
    /// The destination.
    pub destination: DestinationId,
    /// Its name.
    pub name: String,
    /// The root as people write it.
    pub root: String,
    /// The database folders that were asked for.
    pub folders: Page<FolderLine>,
    /// How many there are, whatever was asked for.
    pub all: u64,
    /// The folders of what belongs to whole servers.
    pub globals: Vec<FolderLine>,
    /// When this was read.
    pub now: Timestamp,
}

/// A database's child folder, or the part of it that came from one server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FolderLine {
    /// The database; `_globals` for roles and tablespaces.
    pub database: String,
    /// The server that it came from, as its manifests name it; none where no manifest can be read.
    pub origin: Option<String>,
    /// That server's kind.
    pub dbms: Option<Dbms>,
    /// Restore points.
    pub points: u64,
    /// The newest one's moment.
    pub newest: Option<Timestamp>,
    /// The oldest one's moment.
    pub oldest: Option<Timestamp>,
    /// Bytes stored.
    pub stored_bytes: u64,
    /// Backups that are damaged or not trusted.
    pub bad: u64,
}

/// A database folder with its chains, newest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FolderView {
    /// The destination.
    pub destination: DestinationId,
    /// Its name.
    pub name: String,
    /// The root as people write it.
    pub root: String,
    /// The database.
    pub database: String,
    /// The chains.
    pub chains: Vec<ChainView>,
    /// When this was read.
    pub now: Timestamp,
}

/// A full and the incrementals that depend on it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChainView {
    /// Its folder, from the root on.
    pub folder: String,
    /// The server that it came from.
    pub origin: Option<String>,
    /// Who pinned it, if somebody did: it is not deleted until it is released.
    pub held: Option<Held>,
    /// Its restore points, newest first.
    pub points: Vec<PointLine>,
}

/// That a chain was pinned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// By whom.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// What for; empty if that was not said.
    pub note: String,
}

/// A restore point.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PointLine {
    /// Label.
    pub label: Label,
    /// Full or incremental.
    pub kind: BackupKind,
    /// Logical or snapshot.
    pub backup_type: BackupType,
    /// Its moment.
    pub at: Timestamp,
    /// The moments that it can restore, by the clock of the server that was read; none if its own alone.
    pub covers: Option<Covered>,
    /// Bytes stored.
    pub size_bytes: Option<u64>,
    /// Rows of all tables.
    pub rows: Option<u64>,
    /// Whether it is encrypted.
    pub sealed: bool,
    /// The task that ordered it; none for the command line.
    pub task: Option<String>,
    /// The server that it came from.
    pub origin: Option<String>,
    /// How far it is proven.
    pub verified: Verified,
    /// Why it cannot be used.
    pub fault: Option<String>,
    /// Why it may lack something, a sentence.
    pub suspicion: Option<String>,
}

/// How far a backup is proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verified {
    /// Its bytes were read back and decoded when it was made, or by a verification since.
    Checked {
        /// When last.
        at: Timestamp,
    },
    /// It was restored, and every table was equal.
    Proven {
        /// When last.
        at: Timestamp,
    },
    /// Its signer is not trusted here.
    Untrusted,
    /// It cannot be used.
    Damaged,
}
