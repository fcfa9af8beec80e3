//! What a backup counted while it read: the last member of an archive, and the measure of a restore.

use crate::RowDigest;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// One table's rows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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

/// What a backup counted and where it ended.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Every table whose rows lie in the archive, ordered by name: of a full backup all that hold rows of their own, of an
    /// incremental those that it replaces as a whole.
    pub tables: Vec<TableSummary>,
    /// The changes in an incremental's archive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changes: Option<ChangeSummary>,
    /// Of an incremental: tables whose rows after it are known without being in it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<TableSummary>,
    /// Of an incremental: tables that were there before it and are not any more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gone: Vec<String>,
    /// The range of moments that an incremental can restore; `None` if its end alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub covers: Option<Covered>,
    /// Where the server's log of changes stood at the end, for an incremental to go on from: in the form of the Dbms.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub position: serde_json::Value,
    /// What only the Dbms understands, such as the values of sequences.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub extra: serde_json::Value,
}

impl Summary {
    /// Rows and changed rows in the archive.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.tables.iter().map(|table| table.rows).sum::<u64>() + self.changes.map_or(0, |changes| changes.rows())
    }
}

/// The changes of an incremental, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeSummary {
    /// Transactions.
    pub transactions: u64,
    /// Rows that were inserted.
    pub inserts: u64,
    /// Rows that were changed.
    pub updates: u64,
    /// Rows that were deleted.
    pub deletes: u64,
    /// Tables that were emptied as a whole, each time.
    pub truncates: u64,
    /// Digest over all lines.
    pub digest: RowDigest,
}

impl ChangeSummary {
    /// Adds another part of the same archive.
    pub fn merge(&mut self, other: Self) {
        self.transactions += other.transactions;
        self.inserts += other.inserts;
        self.updates += other.updates;
        self.deletes += other.deletes;
        self.truncates += other.truncates;
        self.digest.merge(other.digest);
    }

    /// Rows that are named.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.inserts + self.updates + self.deletes
    }
}

/// A range of moments, by the clock of the server that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Covered {
    /// It begins after this one.
    pub from: Timestamp,
    /// It ends with this one.
    pub to: Timestamp,
}

impl Covered {
    /// Whether a moment lies in it.
    #[must_use]
    pub fn holds(self, at: Timestamp) -> bool {
        self.from < at && at <= self.to
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
    /// What of it is known to be of another moment than the one that was asked for, by name. Nothing is proven of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub elsewhere: Vec<String>,
}

impl Comparison {
    /// So many compared, and what differs.
    #[must_use]
    pub fn new(what: &str, count: usize, different: Vec<String>) -> Self {
        Self { what: what.into(), count: count as u64, different, not_compared: None, elsewhere: vec![] }
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
