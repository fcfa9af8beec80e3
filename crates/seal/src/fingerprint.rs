//! What people compare instead of keys.

use domain::{Code, Error, Result};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::{fmt, str::FromStr};

/// The first 16 bytes of SHA-256(purpose || public key), shown as hexadecimal digits in groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 16]);

impl Fingerprint {
    /// The fingerprint of a public key that serves this purpose.
    #[must_use]
    pub fn of(purpose: &str, key: &[u8; 32]) -> Self {
        let hash = Sha256::new().chain_update(purpose).chain_update(key).finalize();
        let mut out = [0; 16];
        out.copy_from_slice(&hash[..16]);
        Self(out)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, pair) in self.0.chunks(2).enumerate() {
            write!(f, "{}{}", if number == 0 { "" } else { "-" }, hex::encode(pair))?;
        }
        Ok(())
    }
}

impl FromStr for Fingerprint {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let digits: String = text.chars().filter(|c| !matches!(c, '-' | ' ' | ':')).collect();
        let mut out = [0; 16];
        hex::decode_to_slice(&digits, &mut out).map(|()| Self(out)).map_err(|error| {
            Error::new(
                Code::Usage,
                format!("{text:?} is not a fingerprint."),
                "Give its 32 hexadecimal digits; dashes between them are welcome.",
            )
            .because(error)
        })
    }
}

impl Serialize for Fingerprint {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Fingerprint {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(|error: Error| serde::de::Error::custom(error.to_string()))
    }
}
