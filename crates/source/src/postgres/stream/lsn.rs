//! A place in the server's log.

use domain::{Error, Result};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// Written as PostgreSQL does: `16/B374D848`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(in crate::postgres) struct Lsn(pub u64);

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:X}/{:X}", self.0 >> 32, self.0 & 0xffff_ffff)
    }
}

impl FromStr for Lsn {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let half = |part: &str| u32::from_str_radix(part, 16).ok().map(u64::from);
        let whole = text.split_once('/').and_then(|(high, low)| Some(half(high)? << 32 | half(low)?));
        whole.map(Self).ok_or_else(|| Error::internal(format!("A place in the server's log, {text:?}, has an unknown form.")))
    }
}

impl TryFrom<String> for Lsn {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Lsn> for String {
    fn from(lsn: Lsn) -> Self {
        lsn.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::Lsn;

    #[test]
    fn places_are_written_as_the_server_writes_them() {
        let lsn: Lsn = "16/B374D848".parse().unwrap();
        assert_eq!((lsn.0, lsn.to_string().as_str()), (0x16_B374_D848, "16/B374D848"));
        assert!(["", "16", "x/1", "1/100000000", "1/2/3"].iter().all(|text| text.parse::<Lsn>().is_err()));
        assert!(Lsn(1 << 32) > Lsn(0xffff_ffff));
    }
}
