//! Sizes as people set them: a number and its unit, exact.

use crate::{Code, Error, Result};

/// Binary units first: a server's own settings are in those.
const UNITS: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("TB", 1_000_000_000_000),
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("kB", 1_000),
    ("B", 1),
];

/// Bytes of a size such as `4 GiB` or `500MB`.
///
/// # Errors
/// [`Code::Usage`].
pub fn parse(text: &str) -> Result<u64> {
    let unknown =
        || Error::new(Code::Usage, format!("{text:?} is not a size."), "Give a whole number with its unit, such as 4 GiB or 800 MB.");
    let text = text.trim();
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).ok_or_else(unknown)?);
    let (_, bytes) = UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit.trim())).ok_or_else(unknown)?;
    number.parse::<u64>().ok().and_then(|number| number.checked_mul(*bytes)).ok_or_else(unknown)
}

/// The shortest way to write a size without rounding it.
#[must_use]
pub fn exact(bytes: u64) -> String {
    let fits = UNITS.iter().filter(|(_, unit)| bytes >= *unit && bytes.is_multiple_of(*unit));
    match fits.min_by_key(|(_, unit)| bytes / unit) {
        Some((name, unit)) => format!("{} {name}", bytes / unit),
        None => format!("{bytes} B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_as_the_same() {
        for (text, bytes) in [("4 GiB", 4 << 30), ("500 MB", 500_000_000), ("64 MiB", 64 << 20), ("1 B", 1), ("0 B", 0), ("3 TiB", 3 << 40)]
        {
            assert_eq!((parse(text).unwrap(), exact(bytes).as_str()), (bytes, text));
        }
        assert_eq!(parse(" 12gb ").unwrap(), 12_000_000_000);
        assert_eq!(exact(1_048_577), "1048577 B");
    }

    #[test]
    fn what_is_no_size_is_said() {
        for text in ["", "GiB", "4", "-4 GiB", "4.5 GiB", "4 giga", "99999999999 TiB", "4 GiB more"] {
            assert_eq!(parse(text).unwrap_err().code(), Code::Usage, "{text:?}");
        }
    }
}
