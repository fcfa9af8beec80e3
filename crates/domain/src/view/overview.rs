//! Is everything backed up?

use super::{
    run::RoundLine,
    server::{ServerLine, Tally},
};
use crate::{DestinationId, KeyId, Protection, RoundId, RunId, ServerId, TaskId, Told};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The first page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Overview {
    /// How safe all databases are.
    pub tally: Tally,
    /// When the oldest of all last good backups was made, over databases that are covered.
    pub oldest_good: Option<Timestamp>,
    /// When the newest backup was made.
    pub newest_good: Option<Timestamp>,
    /// Every server, by name.
    pub servers: Vec<ServerLine>,
    /// Rounds of the last 24 hours, oldest first.
    pub rounds: Vec<RoundLine>,
    /// When tasks are due within the next 12 hours: moment and task's name, in order.
    pub due: Vec<(Timestamp, String)>,
    /// What needs attention, the worst first; at most fifty.
    pub attention: Vec<Attention>,
    /// How many more need attention.
    pub attention_more: u64,
    /// What else needs attention: what is wrong with all databases of a task or of a destination at once.
    pub troubles: Vec<Trouble>,
    /// Destinations with the bytes stored there: identifier, name, bytes, free bytes.
    pub space: Vec<(DestinationId, String, u64, Option<u64>)>,
    /// A folder of sample databases that can be added as the first server, while there is none.
    pub sample: Option<String>,
    /// When this was read.
    pub now: Timestamp,
}

/// A database that is not as safe as it should be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attention {
    /// Its server.
    pub server: ServerId,
    /// The server's name.
    pub server_name: String,
    /// The database; empty for the server as a whole.
    pub database: String,
    /// How safe it is.
    pub protection: Protection,
    /// Its last good backup.
    pub last_good: Option<Timestamp>,
    /// What its task promises, in words.
    pub promise: Option<String>,
    /// Why the last run failed.
    pub error: Option<Told>,
    /// That run.
    pub run: Option<RunId>,
    /// The task that would back it up, if one covers it.
    pub task: Option<TaskId>,
}

/// Something other than a database that is not as it should be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "is")]
pub enum Trouble {
    /// The last round of an enabled task failed on a server: no database of it had its turn. Its page is `/rounds/{id}`.
    Round {
        /// The round.
        id: RoundId,
        /// The task's name.
        task_name: String,
        /// The server's name.
        server_name: String,
        /// When it ended.
        at: Timestamp,
        /// Why it failed.
        error: Told,
    },
    /// A destination could not be read at the last look. Its page is `/destinations/{id}`.
    Destination {
        /// The destination.
        id: DestinationId,
        /// Its name.
        name: String,
        /// When that was tried.
        at: Timestamp,
        /// Why it could not be read.
        error: Told,
    },
    /// The newest backup of a database at a destination is so small that something may be missing from it. Its page is
    /// `/backups/{destination}/{database}`.
    Suspicious {
        /// The destination.
        destination: DestinationId,
        /// Its name.
        name: String,
        /// The database.
        database: String,
        /// When it was made.
        at: Timestamp,
        /// Why it is suspicious, a sentence.
        why: String,
    },
    /// Nobody proved for long that a key is at hand which backups are sealed for. Its page is `/keys/{id}`.
    Key {
        /// The key.
        id: KeyId,
        /// Its name.
        name: String,
        /// When somebody proved it last, or it was added.
        at: Timestamp,
    },
}
