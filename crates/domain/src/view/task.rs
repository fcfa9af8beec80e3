//! Tasks and the wizard.

use super::{
    retention::RetentionState,
    run::RoundLine,
    server::{DatabaseLine, Tally},
};
use crate::{DestinationId, FieldError, KeyId, RoundId, ServerId, Task, TaskId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A task in a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskLine {
    /// Identifier.
    pub id: TaskId,
    /// Name.
    pub name: String,
    /// Its server.
    pub server: ServerId,
    /// Whether its schedule is followed.
    pub enabled: bool,
    /// The schedule in words.
    pub schedule: String,
    /// The schedule's time zone.
    pub time_zone: String,
    /// When it is due next; none while it is not enabled.
    pub next: Option<Timestamp>,
    /// The destination's name.
    pub destination: String,
    /// The root there, as people write it.
    pub root: String,
    /// The destination.
    pub destination_id: DestinationId,
    /// Names that it leaves out.
    pub excluded: Vec<String>,
    /// Names of the keys that its archives are sealed for.
    pub keys: Vec<String>,
    /// Its round that is under way.
    pub running: Option<RoundId>,
    /// Its last round that ended.
    pub last_round: Option<RoundLine>,
}

/// A task with all there is to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskView {
    /// What its line in a list shows.
    pub line: TaskLine,
    /// The task itself.
    pub task: Task,
    /// Its server's name.
    pub server_name: String,
    /// How safe its databases are.
    pub tally: Tally,
    /// The databases that it covers, ordered by name; at most as many as fit a page, those that need attention first.
    pub databases: Vec<DatabaseLine>,
    /// Its newest rounds, newest first.
    pub rounds: Vec<RoundLine>,
    /// How its backups are kept.
    pub retention: RetentionState,
    /// Number of the edit that this shows.
    pub version: i64,
    /// When this was read.
    pub now: Timestamp,
}

/// What a task would do, told while its form is filled in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskPreview {
    /// What is wrong, by field.
    pub errors: Vec<FieldError>,
    /// The server's name.
    pub server_name: String,
    /// The schedule in words, if it is one.
    pub schedule: Option<String>,
    /// The next five times, if it is a schedule; as the time zone's clocks show them, such as `Sun 29 Nov 2026, 02:00 CET`.
    pub next: Vec<(Timestamp, String)>,
    /// Databases of the server that it would back up, by name.
    pub included: Vec<String>,
    /// Databases of the server that it would leave out.
    pub excluded: Vec<String>,
    /// Names to leave out that no database has today.
    pub unknown: Vec<String>,
    /// Size of the included databases together, as far as the server tells.
    pub size_bytes: u64,
    /// The root of the chosen destination, as people write it.
    pub root: Option<String>,
    /// Child folders of the first included databases under that root.
    pub folders: Vec<String>,
    /// Destinations to choose from: identifier, name, root.
    pub destinations: Vec<(DestinationId, String, String)>,
    /// Keys to seal for: identifier, name, fingerprint.
    pub keys: Vec<(KeyId, String, String)>,
    /// What encrypts the server's own files, as it says itself; none if it says nothing of the kind.
    pub encrypted_at_rest: Option<String>,
    /// Names of the time zones that can be chosen.
    pub time_zones: Vec<String>,
    /// When this was made.
    pub now: Timestamp,
}
