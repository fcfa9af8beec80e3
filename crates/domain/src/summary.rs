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

/// How one side of a new database compares with what a backup recorded of its origin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Comparison {
    /// What was compared, in the plural: `sequences`, `definitions` …
    pub what: String,
    /// How many of the recorded ones were compared.
    pub count: u64,
    /// What differs, a sentence each, with both sides where they are short.
    pub different: Vec<String>,
    /// What of it was not compared, and why: one sentence.
    pub not_compared: Option<String>,
}

impl Comparison {
    /// So many compared, and what differs.
    #[must_use]
    pub fn new(what: &str, count: usize, different: Vec<String>) -> Self {
        Self { what: what.into(), count: count as u64, different, not_compared: None }
    }

    /// The same, with a sentence about what was not compared.
    #[must_use]
    pub fn without(self, sentence: impl Into<String>) -> Self {
        Self { not_compared: Some(sentence.into()), ..self }
    }

    /// Whether everything that was compared is equal.
    #[must_use]
    pub fn is_equal(&self) -> bool {
        self.different.is_empty()
    }
}
