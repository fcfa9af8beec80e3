//! Tasks and the wizard.

use super::{
    retention::RetentionState,
    run::RoundLine,
    server::{DatabaseLine, Tally},
};
use crate::{BackupKind, DestinationId, Due, FieldError, KeyId, RoundId, Selection, ServerId, Task, TaskId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A task in a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskLine {
    /// Identifier.
    pub id: TaskId,
    /// Name.
    pub name: String,
    /// Its servers in order: identifier and name.
    pub servers: Vec<(ServerId, String)>,
    /// Whether its schedule is followed.
    pub enabled: bool,
    /// The schedules in words.
    pub schedule: String,
    /// Their time zone.
    pub time_zone: String,
    /// When it is due next, and the kind; none while it is not enabled.
    pub next: Option<Due>,
    /// The due time that was put off until then, if one was.
    pub put_off_from: Option<Timestamp>,
    /// The kind that is made when somebody does not say which.
    pub usual: BackupKind,
    /// The destination's name.
    pub destination: String,
    /// The root there, as people write it.
    pub root: String,
    /// The destination.
    pub destination_id: DestinationId,
    /// Which databases it covers.
    pub selection: Selection,
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
    /// How safe its databases are.
    pub tally: Tally,
    /// The databases that it covers, by server and name; at most as many as fit a page, those that need attention first.
    pub databases: Vec<TaskDatabase>,
    /// Its newest rounds, newest first.
    pub rounds: Vec<RoundLine>,
    /// How its backups are kept.
    pub retention: RetentionState,
    /// Number of the edit that this shows.
    pub version: i64,
    /// When this was read.
    pub now: Timestamp,
}

/// A database that a task covers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskDatabase {
    /// Its server.
    pub server: ServerId,
    /// That one's name.
    pub server_name: String,
    /// What a list of the server's databases shows of it.
    pub line: DatabaseLine,
}

/// A time that is told ahead.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NextTime {
    /// When, and which kind.
    pub due: Due,
    /// As the clocks of the task's time zone show it, such as `Sun 29 Nov 2026, 02:00 CET`.
    pub clock: String,
}

/// What a task would do, told while its form is filled in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskPreview {
    /// What is wrong, by field.
    pub errors: Vec<FieldError>,
    /// The schedules in words, if they can be read.
    pub schedule: Option<String>,
    /// The full backups' alone, if it can be read.
    pub full: Option<String>,
    /// The incremental backups' alone, if it can be read.
    pub incremental: Option<String>,
    /// The next five times of both together, if both can be read.
    pub next: Vec<NextTime>,
    /// What it would do with each of the servers that are chosen, in their order.
    pub servers: Vec<ServerPreview>,
    /// Every server that could be chosen: identifier, name, kind and address.
    pub all_servers: Vec<(ServerId, String, String)>,
    /// Names to leave out that no database of them has today.
    pub unknown: Vec<String>,
    /// Each pattern of names to leave out, with the databases that it fits.
    pub patterns: Vec<(String, Vec<String>)>,
    /// The root of the chosen destination, as people write it.
    pub root: Option<String>,
    /// Child folders of the first included databases under that root.
    pub folders: Vec<String>,
    /// Destinations to choose from: identifier, name, root.
    pub destinations: Vec<(DestinationId, String, String)>,
    /// Keys to seal for: identifier, name, fingerprint.
    pub keys: Vec<(KeyId, String, String)>,
    /// What encrypts the files of one of the servers, as that says itself; none if none says anything of the kind.
    pub encrypted_at_rest: Option<String>,
    /// Names of the time zones that can be chosen.
    pub time_zones: Vec<String>,
    /// When this was made.
    pub now: Timestamp,
}

/// What a task would do with one of its servers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ServerPreview {
    /// The server.
    pub id: ServerId,
    /// Its name.
    pub name: String,
    /// Databases that would be backed up, by name.
    pub included: Vec<String>,
    /// Databases that somebody left out.
    pub excluded: Vec<String>,
    /// Every database, by name.
    pub databases: Vec<String>,
    /// Size of the included databases together, as far as the server tells.
    pub size_bytes: u64,
}

impl TaskPreview {
    /// Databases of all its servers that it would back up.
    pub fn included(&self) -> impl Iterator<Item = &String> {
        self.servers.iter().flat_map(|server| &server.included)
    }

    /// Databases of all its servers that it would leave out.
    pub fn excluded(&self) -> impl Iterator<Item = &String> {
        self.servers.iter().flat_map(|server| &server.excluded)
    }
}
