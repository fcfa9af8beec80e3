//! Kinds of server and of backup.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The kind of a database server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dbms {
    /// A folder of SQLite database files.
    Sqlite,
    /// A PostgreSQL server, 12 or newer.
    Postgresql,
}

impl fmt::Display for Dbms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sqlite => "SQLite",
            Self::Postgresql => "PostgreSQL",
        })
    }
}

/// Whether a backup stands alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BackupKind {
    /// Everything; the first of its chain.
    Full,
    /// What changed since its prior.
    Incremental,
}

/// How a backup holds its data. A logical one is shown to users as "Backup".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BackupType {
    /// Rows and definitions.
    Logical,
    /// Pages or files as the server keeps them.
    Snapshot,
}

impl BackupKind {
    /// `full` or `incremental`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Incremental => "incremental",
        }
    }

    /// The one of the two that this is not.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Full => Self::Incremental,
            Self::Incremental => Self::Full,
        }
    }

    /// The kind of a stored word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Full, Self::Incremental].into_iter().find(|kind| kind.as_str() == word)
    }
}

impl BackupType {
    /// The word in names under a root: `backup` or `snapshot`.
    #[must_use]
    pub fn as_name(self) -> &'static str {
        match self {
            Self::Logical => "backup",
            Self::Snapshot => "snapshot",
        }
    }
}
