//! Users, sessions, the audit log, settings.

use crate::{Role, UserId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserLine {
    /// Identifier.
    pub id: UserId,
    /// Name.
    pub name: String,
    /// Role.
    pub role: Role,
    /// When the user was added.
    pub created_at: Timestamp,
    /// When the user last signed in.
    pub signed_in_at: Option<Timestamp>,
    /// Whether this is who looks.
    pub is_you: bool,
}

/// A session of whoever looks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionLine {
    /// A name for it that opens nothing.
    pub handle: String,
    /// When it began.
    pub created_at: Timestamp,
    /// When it was last used.
    pub seen_at: Timestamp,
    /// Network address.
    pub address: String,
    /// What the browser calls itself.
    pub agent: String,
    /// Whether it is the one that looks.
    pub is_this: bool,
}

/// A line of the audit log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditLine {
    /// When.
    pub at: Timestamp,
    /// Who: a user's name, or `console` for what the console did by itself.
    pub actor: String,
    /// From which address, if from one.
    pub address: String,
    /// What was done, such as `task added`.
    pub action: String,
    /// To what: its name.
    pub subject: String,
    /// The path of its page, if it has one.
    pub path: Option<String>,
    /// More, a sentence.
    pub detail: String,
}

/// How the audit log is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AuditQuery {
    /// Part of an actor's, action's or subject's text.
    pub filter: String,
    /// From 1; 0 counts as 1.
    pub page: u64,
}

/// Settings of the console.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettingsView {
    /// Runs at once over all servers.
    pub jobs: u16,
    /// Whether backups and verifications give way to others on the machine: `gentle`, or `full` for full speed.
    pub pace: String,
    /// Only folders below this one can be local roots, if it is set.
    pub local_root: String,
    /// Fingerprint of this installation.
    pub fingerprint: String,
    /// Fingerprints of the other installations whose backups are trusted.
    pub accepted: Vec<String>,
    /// Version of the console.
    pub version: String,
    /// Where the catalog is, as people write it.
    pub catalog: String,
    /// What works in the background, and how it is: name, when last, how it went.
    pub background: Vec<(String, Option<Timestamp>, String)>,
    /// Number of the edit that this shows.
    pub edit: i64,
    /// When this was read.
    pub now: Timestamp,
}

/// What can be set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SettingsForm {
    /// Runs at once over all servers.
    pub jobs: String,
    /// `gentle` or `full`; empty for what it was at first, which is `gentle`.
    pub pace: String,
    /// Folder below which all local roots must lie; empty for anywhere.
    pub local_root: String,
}
