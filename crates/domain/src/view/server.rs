//! Servers and their databases.

use super::{run::RoundLine, task::TaskLine};
use crate::{Connection, Dbms, Protection, RoundId, RunId, ServerId, Told};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How many databases of a server are how safe.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// As young a backup as promised.
    pub protected: u64,
    /// Older than promised.
    pub overdue: u64,
    /// Covered and never backed up.
    pub never: u64,
    /// Covered by no enabled task.
    pub uncovered: u64,
}

impl Tally {
    /// Counts one database.
    pub fn add(&mut self, protection: Protection) {
        match protection {
            Protection::Protected => self.protected += 1,
            Protection::Overdue { .. } => self.overdue += 1,
            Protection::Never => self.never += 1,
            Protection::Uncovered => self.uncovered += 1,
        }
    }

    /// Counts those of another server.
    pub fn merge(&mut self, other: Self) {
        self.protected += other.protected;
        self.overdue += other.overdue;
        self.never += other.never;
        self.uncovered += other.uncovered;
    }

    /// All databases.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.protected + self.overdue + self.never + self.uncovered
    }
}

/// What the last look at a server found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sighting {
    /// When.
    pub at: Timestamp,
    /// The server's version, if it was reached.
    pub version: Option<String>,
    /// Why it was not reached.
    pub error: Option<Told>,
}

/// A server in a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ServerLine {
    /// Identifier.
    pub id: ServerId,
    /// Name.
    pub name: String,
    /// Kind.
    pub dbms: Dbms,
    /// Where it is, as people say it.
    pub address: String,
    /// How safe its databases are.
    pub tally: Tally,
    /// Size of its databases together, as far as the server tells.
    pub size_bytes: u64,
    /// What the last look found; none before the first.
    pub seen: Option<Sighting>,
    /// Its tasks.
    pub tasks: Vec<TaskLine>,
    /// The last round that began, if any did; running if it has not ended.
    pub last_round: Option<RoundLine>,
}

/// A server with its settings.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ServerView {
    /// What its line in a list shows.
    pub line: ServerLine,
    /// How to reach it, without the password.
    pub connection: Connection,
    /// Whether a password is stored.
    pub has_password: bool,
    /// Runs at once, if set.
    pub jobs: Option<u16>,
    /// Bytes of its log that it may keep for each chain, if set.
    pub most_held_bytes: Option<u64>,
    /// Note.
    pub note: String,
    /// Number of the edit that this shows; an edit that was begun from an older one is refused.
    pub version: i64,
    /// The newest rounds, newest first.
    pub rounds: Vec<RoundLine>,
    /// When this was read.
    pub now: Timestamp,
}

/// One database of a server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DatabaseLine {
    /// Name.
    pub name: String,
    /// Size on the server, if the server tells.
    pub size_bytes: Option<u64>,
    /// How safe it is.
    pub protection: Protection,
    /// Whether the server no longer has it.
    pub gone: bool,
    /// Whether a task of the server leaves it out by name.
    pub excluded: bool,
    /// When the last good backup began.
    pub last_good: Option<Timestamp>,
    /// Restore points that are known.
    pub restore_points: u64,
    /// When a restore of it was last proven equal.
    pub last_proven: Option<Timestamp>,
    /// When a task will back it up next.
    pub next: Option<Timestamp>,
    /// Its newest backup run.
    pub last_run: Option<LastRun>,
    /// A destination that holds backups of it, for the way to a restore.
    pub destination: Option<crate::DestinationId>,
    /// When it was first seen.
    pub first_seen: Timestamp,
}

/// How the newest backup run of a database went.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LastRun {
    /// The run.
    pub id: RunId,
    /// Its round, if it has one.
    pub round: Option<RoundId>,
    /// Its state.
    pub state: crate::RunState,
    /// Why it failed.
    pub error: Option<Told>,
}

/// How a list of databases is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DatabaseQuery {
    /// Part of a name or a pattern.
    pub filter: String,
    /// `name` (default), `size`, `last` or `state`; with `-` in front for the other way round.
    pub sort: String,
    /// `attention` for those that are not protected alone.
    pub only: String,
    /// From 1; 0 counts as 1.
    pub page: u64,
}

/// What a test of a connection found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ServerProbe {
    /// Kind.
    pub dbms: Dbms,
    /// The server's version.
    pub version: String,
    /// Milliseconds until it had answered who it is.
    pub answered_ms: u64,
    /// Its databases.
    pub databases: u64,
    /// Their size together, as far as the server tells.
    pub size_bytes: u64,
    /// What would make a backup fail or lack something, with the database: one sentence each.
    pub obstacles: Vec<String>,
    /// Other things worth knowing.
    pub notes: Vec<String>,
}
