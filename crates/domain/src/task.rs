//! A standing order.

use crate::{ChainLimit, DestinationId, KeyId, Schedules, Selection, ServerId, retention::Rule};
use serde::{Deserialize, Serialize};

/// A task: a template over all databases of one or more servers, today's and tomorrow's, or for one database of one server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// Its name.
    pub name: String,
    /// The servers, in order: at least one, none twice.
    pub servers: Vec<ServerId>,
    /// What is backed up.
    pub selection: Selection,
    /// When, and which kind.
    pub schedules: Schedules,
    /// The longest that chains may grow.
    pub chain_limit: ChainLimit,
    /// Whether a time at which the console did not run is made up for.
    pub catch_up: bool,
    /// Where to.
    pub destination: DestinationId,
    /// How long its backups are kept; none keeps everything.
    pub retention: Option<Rule>,
    /// The keys that its archives are sealed for; none for archives that everybody can read who gets at them.
    pub recipients: Vec<KeyId>,
}

/// What is ordered of one round that no task stands behind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Once {
    /// What is backed up.
    pub selection: Selection,
    /// The keys that its archives are sealed for.
    pub recipients: Vec<KeyId>,
}
