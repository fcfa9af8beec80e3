//! The order-independent digest of a table's rows.

use crate::{Code, Error, Result};
use std::{fmt, str::FromStr};

/// Sum modulo 2^128 of one 128-bit hash per row (XXH3-128 over the row's encoded bytes).
///
/// Independent of row order, and parts add up, so that several readers can share a table. It guards against
/// our own mistakes; the archive's SHA-256 and the manifest's signature guard against others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RowDigest(u128);

impl RowDigest {
    /// Adds one row's hash.
    pub fn add(&mut self, row_hash: u128) {
        self.0 = self.0.wrapping_add(row_hash);
    }

    /// Adds another part of the same table.
    pub fn merge(&mut self, other: Self) {
        self.0 = self.0.wrapping_add(other.0);
    }

    /// Takes a part of the table away.
    pub fn take_away(&mut self, part: Self) {
        self.0 = self.0.wrapping_sub(part.0);
    }
}

impl fmt::Display for RowDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl FromStr for RowDigest {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let valid = text.len() == 32 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        let value = valid.then(|| u128::from_str_radix(text, 16).ok()).flatten();
        value.map(Self).ok_or_else(|| {
            Error::new(Code::Damaged, "A table's digest in the archive is not 32 hexadecimal digits.", "Choose another restore point.")
        })
    }
}

impl serde::Serialize for RowDigest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for RowDigest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(|error: Error| serde::de::Error::custom(error.to_string()))
    }
}
