//! What users may do.

use crate::{Code, Error, Result};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// A user's role. Each one may do all that those before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Sees everything and changes nothing.
    Viewer,
    /// Starts, stops and verifies.
    Operator,
    /// Everything.
    Administrator,
}

impl Role {
    /// All, the weakest first.
    pub const ALL: [Self; 3] = [Self::Viewer, Self::Operator, Self::Administrator];

    /// The word shown and stored.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Administrator => "administrator",
        }
    }

    /// What the role is for, a sentence.
    #[must_use]
    pub fn purpose(self) -> &'static str {
        match self {
            Self::Viewer => "Sees everything, changes nothing.",
            Self::Operator => "Sees everything, and starts, stops and verifies backups.",
            Self::Administrator => "May do everything, restores and users included.",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or_else(|| Error::new(Code::Usage, format!("{text:?} is not a role."), "Choose viewer, operator or administrator."))
    }
}
