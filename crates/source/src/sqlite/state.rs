//! What is kept of a backup for the next one to build on.

use super::{
    full::Properties,
    schema::{self, Object},
    stamp::Stamp,
};
use crate::keys::lost;
use domain::{Code, Error, Result, TableSummary};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// What everybody can read of it: the position in a manifest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The files, if it is certain that they stood like this when the rows were read.
    pub stamp: Option<Stamp>,
}

impl Position {
    /// The position that a manifest tells; nothing is known by one of another version.
    pub fn of(position: &serde_json::Value) -> Self {
        serde_json::from_value(position.clone()).unwrap_or_default()
    }
}

const FILE: &str = "tables.json";

/// The tables as they were, beside the files with the keys of their rows ([`super::read::keys_file`]).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// Hash of all definitions.
    pub definitions: String,
    /// Properties of the database.
    pub properties: Properties,
    /// Every stored table.
    pub tables: Vec<TableSummary>,
}

impl State {
    /// The state after these were read.
    pub fn of(objects: &[Object], properties: &Properties, tables: &[TableSummary]) -> Self {
        Self { definitions: schema::fingerprint(objects), properties: properties.clone(), tables: tables.to_vec() }
    }

    /// Writes it into its folder.
    pub fn save(&self, folder: &Path) -> Result<()> {
        let json =
            serde_json::to_vec(self).map_err(|error| Error::internal("The state of a backup could not be written.").because(error))?;
        std::fs::write(folder.join(FILE), json).map_err(|error| {
            let sentence = format!("What the next backup builds on could not be written to {}: {error}.", folder.display());
            Error::new(Code::DataDir, sentence, "See to the data directory: its permissions, and the room on its disk.")
        })
    }

    /// Reads it from its folder.
    ///
    /// # Errors
    /// [`Code::StateLost`].
    pub fn load(folder: &Path) -> Result<Self> {
        let json = std::fs::read(folder.join(FILE)).map_err(|error| lost().because(error))?;
        serde_json::from_slice(&json).map_err(|error| lost().because(error))
    }
}
