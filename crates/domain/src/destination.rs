//! A place where backups go, as a record.

use crate::{Code, Error, Result};
use serde::{Deserialize, Serialize};
use std::{fmt, path::PathBuf, str::FromStr};

/// A destination together with the root inside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "kind")]
pub enum Destination {
    /// A folder of this machine.
    Local {
        /// The root folder.
        root: PathBuf,
    },
}

/// The root as people write it.
impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local { root } => write!(f, "{}", root.display()),
        }
    }
}

impl FromStr for Destination {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if text.is_empty() {
            return Err(Error::new(Code::Usage, "The root is empty.", "Give the path of a folder."));
        }
        if let Some((scheme, _)) = text.split_once("://") {
            return Err(Error::new(
                Code::Usage,
                format!("Destinations of the kind {scheme:?} cannot be used yet."),
                "Give the path of a folder on this machine or on a mounted share.",
            ));
        }
        Ok(Self::Local { root: PathBuf::from(text) })
    }
}
