//! What servers keep for chains between two backups.

use crate::{TaskId, Told};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The replication slots of Rookery's on a server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SlotsView {
    /// The slots, by database.
    pub slots: Vec<SlotLine>,
    /// Why the server could not be asked.
    pub error: Option<Told>,
    /// Bytes of log that each may keep.
    pub limit_bytes: u64,
    /// When this was read.
    pub now: Timestamp,
}

/// A replication slot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SlotLine {
    /// Its name on the server.
    pub name: String,
    /// The database that it follows.
    pub database: String,
    /// For whom.
    pub owner: SlotOwner,
    /// Bytes of log that the server keeps for it.
    pub held_bytes: u64,
    /// How it is.
    pub state: SlotState,
    /// When a backup last read from it.
    pub last_read: Option<Timestamp>,
}

/// For whom a slot is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SlotOwner {
    /// For the chain of a task.
    Task {
        /// The task.
        id: TaskId,
        /// Its name.
        name: String,
    },
    /// For a chain that no task goes on with: it is about to be dropped.
    Nobody,
    /// For a chain of the command line with this console's data directory.
    CommandLine,
    /// For a chain that this console does not know any more. It is dropped when it keeps more than the limit.
    Unknown,
    /// For another installation.
    Other,
}

/// How a slot is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SlotState {
    /// Somebody reads from it now.
    Active,
    /// The server keeps what the next backup needs.
    Reserved,
    /// The server may remove what it needs at any moment.
    AtRisk,
    /// The server has removed what it needs.
    Lost,
}

/// From this share of its limit on, in percent, a slot needs somebody to look.
const NEAR: u64 = 80;

impl SlotLine {
    /// Whether it keeps nearly as much as it may.
    #[must_use]
    pub fn is_near(&self, limit_bytes: u64) -> bool {
        u128::from(self.held_bytes) * 100 >= u128::from(limit_bytes) * u128::from(NEAR)
    }

    /// Why it cannot be dropped from here, if it cannot.
    #[must_use]
    pub fn kept_because(&self) -> Option<&'static str> {
        match (&self.owner, self.state) {
            (SlotOwner::Other, _) => Some("It belongs to another installation of Rookery, which drops it itself."),
            (_, SlotState::Active) => Some("A backup reads from it at this moment."),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_near_its_limit_from_four_fifths_on() {
        let held = |held_bytes| SlotLine {
            name: String::new(),
            database: String::new(),
            owner: SlotOwner::Unknown,
            held_bytes,
            state: SlotState::Reserved,
            last_read: None,
        };
        assert!(!held(79).is_near(100) && held(80).is_near(100) && held(u64::MAX).is_near(u64::MAX));
        let other = SlotLine { owner: SlotOwner::Other, ..held(0) };
        assert!(held(0).kept_because().is_none() && other.kept_because().is_some());
    }
}
