//! Rounds and runs.

use crate::{BackupKind, DestinationId, Origin, RoundId, RoundState, RunId, RunKind, RunState, ServerId, TaskId, Told, progress::Reading};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A round in a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RoundLine {
    /// Identifier.
    pub id: RoundId,
    /// Its task, unless that was deleted.
    pub task: Option<TaskId>,
    /// The task's name when it began.
    pub task_name: String,
    /// Its servers, in order.
    pub servers: Vec<RoundServer>,
    /// State.
    pub state: RoundState,
    /// The kind of backup that was asked for.
    pub wanted: BackupKind,
    /// What started it.
    pub origin: Origin,
    /// Who started it, if a user did.
    pub started_by: Option<String>,
    /// When it was due.
    pub due_at: Timestamp,
    /// When it began.
    pub began_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// When it is prepared, if that was put off or is to be tried again.
    pub retry_at: Option<Timestamp>,
    /// How many runs it has.
    pub runs: u64,
    /// How many of them succeeded.
    pub succeeded: u64,
    /// How many of them failed, were aborted or interrupted.
    pub failed: u64,
    /// Bytes that were stored.
    pub stored_bytes: u64,
    /// Why it failed or was skipped as a whole: what every one of its servers says, if they all say the same.
    pub error: Option<Told>,
}

/// A server of a round, and how the look at it for its databases stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RoundServer {
    /// The server.
    pub server: ServerId,
    /// Its name.
    pub name: String,
    /// Whether that waits, succeeded, failed or was stopped.
    pub state: RunState,
    /// Why it failed; while it waits for another attempt, why the last one did.
    pub error: Option<Told>,
}

impl RoundLine {
    /// Names of its servers.
    #[must_use]
    pub fn server_names(&self) -> Vec<String> {
        self.servers.iter().map(|server| server.name.clone()).collect()
    }

    /// Servers that could not be looked at, where that is not so of the round as a whole.
    pub fn unread(&self) -> impl Iterator<Item = (&RoundServer, &Told)> {
        let of_whole = self.error.is_some();
        self.servers.iter().filter(move |_| !of_whole).filter_map(|server| Some((server, server.error.as_ref()?)))
    }
}

/// A run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunLine {
    /// Identifier.
    pub id: RunId,
    /// What it does.
    pub kind: RunKind,
    /// The kind of backup that was asked for, if it makes one.
    pub wanted: Option<BackupKind>,
    /// Its round.
    pub round: Option<RoundId>,
    /// The server that is read or written; of a verification, the one that the backup came from, if it is known.
    pub server: Option<ServerId>,
    /// That server's name.
    pub server_name: String,
    /// The database that is backed up, the new one of a restore, or the one whose backup is verified.
    pub database: String,
    /// State.
    pub state: RunState,
    /// Number of the attempt, from 1.
    pub attempt: u32,
    /// When it was queued.
    pub queued_at: Timestamp,
    /// When its last attempt began.
    pub began_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// When it will be tried again, if it waits for that; without an error, the time that it was put off to.
    pub retry_at: Option<Timestamp>,
    /// What it waits for, if it waits: a sentence with its place in the queue.
    pub waits_for: Option<String>,
    /// How far it is, while it runs.
    pub progress: Option<Progress>,
    /// Label of the backup that it made, restores or verifies.
    pub label: Option<String>,
    /// Bytes that were stored.
    pub stored_bytes: Option<u64>,
    /// Rows that were read, restored or counted.
    pub rows: Option<u64>,
    /// Why the backup is of its kind.
    pub reason: Option<String>,
    /// Whether a restore was compared and equal.
    pub proven: Option<bool>,
    /// Why it failed; while it waits for another attempt, why the last one did.
    pub error: Option<Told>,
}

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Phase and counters of the phase.
    pub reading: Reading,
    /// Bytes per second over the phase so far.
    pub bytes_per_second: u64,
    /// Seconds that the phase will still take, if a size is known: an estimate.
    pub seconds_left: Option<u64>,
}

impl Progress {
    /// Share of the phase that is done, from 0 to 100, if a size is known.
    #[must_use]
    pub fn percent(&self) -> Option<u8> {
        let expected = self.reading.expected_bytes?;
        let share = self.reading.bytes.saturating_mul(100).checked_div(expected)?;
        Some(u8::try_from(share.min(100)).unwrap_or(100))
    }
}

/// A line of a log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// When.
    pub at: Timestamp,
    /// The run that it is about; none for the round as a whole.
    pub run: Option<RunId>,
    /// Its server, in a round of several.
    pub server: String,
    /// The database; empty for the round as a whole.
    pub database: String,
    /// What happened, a sentence.
    pub text: String,
    /// Whether it tells of something that went wrong.
    pub bad: bool,
}

/// A round with its runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RoundView {
    /// What its line in a list shows.
    pub line: RoundLine,
    /// Its runs: those that work first, then those that wait, then those that went wrong, then the rest, by name.
    pub runs: Vec<RunLine>,
    /// The end of its log, oldest first.
    pub log: Vec<LogLine>,
    /// When this was read.
    pub now: Timestamp,
}

/// A run with all there is to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunView {
    /// What its line in a list shows.
    pub line: RunLine,
    /// The task's name, if a task ordered it.
    pub task_name: Option<String>,
    /// Who started it, if a user did.
    pub started_by: Option<String>,
    /// The destination that it writes or reads.
    pub destination: Option<DestinationId>,
    /// The root there, as people write it.
    pub root: String,
    /// The database that a restore or verification reads the backup of.
    pub from_database: Option<String>,
    /// Tables that a restore compared; those that differ first.
    pub tables: Vec<ComparedTable>,
    /// What is left out or special, one sentence each.
    pub notes: Vec<String>,
    /// Its log, oldest first.
    pub log: Vec<LogLine>,
    /// When this was read.
    pub now: Timestamp,
}

/// A table that a restore compared with the backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComparedTable {
    /// The table.
    pub table: String,
    /// Rows in the new database.
    pub rows: u64,
    /// Whether rows and digest are those of the backup.
    pub equal: bool,
}

/// How a list of rounds or runs is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunQuery {
    /// `rounds` (default), or `runs` for restores and verifications.
    pub show: String,
    /// `failed` for those that did not end well alone.
    pub only: String,
    /// From 1; 0 counts as 1.
    pub page: u64,
}
