//! A standing order.

use crate::{DestinationId, KeyId, Schedule, ServerId, retention::Rule};
use serde::{Deserialize, Serialize};

/// A server-wide task: a template over all databases of a server, today's and tomorrow's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// Its name.
    pub name: String,
    /// The server.
    pub server: ServerId,
    /// What is backed up.
    pub selection: Selection,
    /// When.
    pub schedule: Schedule,
    /// Whether a time at which the console did not run is made up for.
    pub catch_up: bool,
    /// Where to.
    pub destination: DestinationId,
    /// How long its backups are kept; none keeps everything.
    pub retention: Option<Rule>,
    /// The keys that its archives are sealed for; none for archives that everybody can read who gets at them.
    pub recipients: Vec<KeyId>,
}

/// Which databases of a server a task backs up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Selection {
    /// Exact names of databases to leave out, also of such as do not exist yet.
    pub excluded: Vec<String>,
}
