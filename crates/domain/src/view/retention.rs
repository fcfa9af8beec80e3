//! What retention would do, and what it did.

use crate::{DestinationId, Told};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What a task's rule means for the backups that lie at its destination.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RetentionView {
    /// The rule in words; none keeps everything.
    pub rule: Option<String>,
    /// The destination.
    pub destination: DestinationId,
    /// Its name.
    pub destination_name: String,
    /// Other tasks that have a word about some of the same backups, by name.
    pub others: Vec<String>,
    /// The databases of which something goes, and then the others, by server and name; at most as many as fit a page.
    pub databases: Vec<DatabasePlan>,
    /// How many databases there are, of all its servers.
    pub total: u64,
    /// Chains that stay.
    pub stay: u64,
    /// Chains that go.
    pub go: u64,
    /// Bytes that they free.
    pub freed_bytes: u64,
    /// Names exactly what goes, so that nothing else does when this is acted upon.
    pub seen: String,
    /// Why the destination could not be read: then nothing goes.
    pub error: Option<Told>,
    /// When this was made.
    pub now: Timestamp,
}

/// What becomes of the chains of one database.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DatabasePlan {
    /// The name of its server.
    pub server_name: String,
    /// The database.
    pub database: String,
    /// Its chains, newest first.
    pub chains: Vec<ChainPlan>,
    /// How many go.
    pub go: u64,
    /// Bytes that they free.
    pub freed_bytes: u64,
}

/// What becomes of a chain.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChainPlan {
    /// The moment of its full backup.
    pub from: Timestamp,
    /// That of its newest one.
    pub to: Timestamp,
    /// Its backups.
    pub backups: u64,
    /// Bytes stored.
    pub size_bytes: u64,
    /// Whether it stays.
    pub keep: bool,
    /// Why, a sentence.
    pub reason: String,
}

/// How a task's retention goes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RetentionState {
    /// The rule in words; none keeps everything.
    pub rule: Option<String>,
    /// When all backups were looked at last: those of the server whose turn is longest ago, if each had one.
    pub looked_at: Option<Timestamp>,
    /// Why the last look failed.
    pub error: Option<Told>,
    /// What was deleted lately, the newest deletion first.
    pub expired: Vec<ExpiredLine>,
}

/// A chain that was deleted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExpiredLine {
    /// The name of its server.
    pub server_name: String,
    /// The database.
    pub database: String,
    /// The moment of its full backup.
    pub from: Timestamp,
    /// That of its newest one.
    pub to: Timestamp,
    /// Its backups.
    pub backups: u64,
    /// Bytes that were freed.
    pub size_bytes: u64,
    /// Why it went, a sentence.
    pub reason: String,
    /// Who asked for it; `console` if nobody did.
    pub actor: String,
    /// When.
    pub at: Timestamp,
    /// Why something of it is still there, or that this is not known.
    pub error: Option<String>,
}

/// What was deleted when somebody asked for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Freed {
    /// Chains.
    pub chains: u64,
    /// Bytes.
    pub size_bytes: u64,
}

impl Freed {
    /// In words, a sentence.
    #[must_use]
    pub fn in_words(self) -> String {
        match self.chains {
            0 => "Nothing was deleted.".into(),
            1 => format!("One chain was deleted: {} are free.", crate::display::size(self.size_bytes)),
            chains => format!("{} chains were deleted: {} are free.", crate::display::count(chains), crate::display::size(self.size_bytes)),
        }
    }
}

impl std::ops::AddAssign for Freed {
    fn add_assign(&mut self, more: Self) {
        self.chains += more.chains;
        self.size_bytes += more.size_bytes;
    }
}
