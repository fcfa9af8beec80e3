//! Names of objects.

use domain::{Error, Result};
use std::fmt;

/// A relative path of safe segments, separated by `/`: what the repository's layout makes, never user text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectName(String);

/// Longest segment, as most file systems allow.
const MAX_SEGMENT_BYTES: usize = 255;

/// What the names of files begin with that hold an object before its commit; no object can be called so.
pub(crate) const PARTIAL_PREFIX: &str = ".partial-";

impl ObjectName {
    /// Checks a name: segments are not empty, not `.` or `..`, at most 255 bytes, hold no separator
    /// or control byte, and do not begin with `.partial-`, which drivers keep for objects that are not committed.
    pub fn new(name: impl Into<String>) -> Result<Self> {
        let name = name.into();
        let fine = name.split('/').all(|segment| {
            !segment.is_empty()
                && segment.len() <= MAX_SEGMENT_BYTES
                && segment != "."
                && segment != ".."
                && !segment.starts_with(PARTIAL_PREFIX)
                && segment.bytes().all(|byte| byte >= 0x20 && byte != 0x7f && byte != b'\\')
        });
        if fine { Ok(Self(name)) } else { Err(Error::internal(format!("{name:?} was used as the name of an object."))) }
    }

    /// The object `segment` in this folder.
    pub fn join(&self, segment: &str) -> Result<Self> {
        Self::new(format!("{}/{segment}", self.0))
    }

    /// The folder that this object lies in, if it is not the root.
    #[must_use]
    pub fn folder(&self) -> Option<Self> {
        self.0.rsplit_once('/').map(|(folder, _)| Self(folder.into()))
    }

    /// The last segment.
    #[must_use]
    pub fn last(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }

    /// All segments from the root.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.0.split('/')
    }

    /// The whole name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
