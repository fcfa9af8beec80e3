//! What a backup counted while it read: the last member of an archive, and the measure of a restore.

use crate::RowDigest;
use serde::{Deserialize, Serialize};

/// One table's rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableSummary {
    /// The table as the Dbms would quote it, unique within its database.
    pub table: String,
    /// Number of rows.
    pub rows: u64,
    /// Bytes of the encoded rows, line ends not counted.
    pub bytes: u64,
    /// Digest over all rows.
    pub digest: RowDigest,
}

/// All tables of one database, ordered by name, and what else the source wants compared or set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Every table that holds rows of its own.
    pub tables: Vec<TableSummary>,
    /// What only the Dbms understands, such as the values of sequences.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub extra: serde_json::Value,
}

impl Summary {
    /// Rows of all tables.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.tables.iter().map(|table| table.rows).sum()
    }
}
