//! Names that come from users, made safe as one path segment.

use sha2::{Digest, Sha256};

/// Longest segment that [`escape`] gives, in bytes.
pub const MAX_SEGMENT_BYTES: usize = 200;

/// Turns any name into one path segment, injectively.
///
/// Bytes other than `A-Z a-z 0-9 _ -` and inner `.` become `%XX`. A leading `_` is escaped as well, because
/// segments that begin with it are Rookery's own, and so is the first letter of a name that Windows reserves.
/// A result longer than [`MAX_SEGMENT_BYTES`] is cut and ends in `%-` and 32 hexadecimal digits of the
/// name's SHA-256. The empty name is `%`.
#[must_use]
pub fn escape(name: &str) -> String {
    if name.is_empty() {
        return "%".into();
    }
    let last = name.len() - 1;
    let reserved = is_reserved_on_windows(name);
    let mut out = String::with_capacity(name.len());
    for (i, byte) in name.bytes().enumerate() {
        let plain = match byte {
            b'.' => i != 0 && i != last,
            b'_' => i != 0,
            b'-' => true,
            _ => byte.is_ascii_alphanumeric(),
        };
        if plain && !(i == 0 && reserved) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    if out.len() > MAX_SEGMENT_BYTES { cut(&out, name, MAX_SEGMENT_BYTES) } else { out }
}

/// [`escape`] for a segment that shares its room with other text: cut to `max_bytes` (at least 40) when it is longer.
#[must_use]
pub fn escape_within(name: &str, max_bytes: usize) -> String {
    let escaped = escape(name);
    if escaped.len() > max_bytes { cut(&escaped, name, max_bytes) } else { escaped }
}

/// The name that [`escape`] turned into `segment`, unless it was cut or is not one of ours.
#[must_use]
pub fn unescape(segment: &str) -> Option<String> {
    if segment == "%" {
        return Some(String::new());
    }
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        if byte == b'%' {
            let digits = std::str::from_utf8(tail.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &tail[2..];
        } else {
            bytes.push(byte);
            rest = tail;
        }
    }
    let name = String::from_utf8(bytes).ok()?;
    (escape(&name) == segment).then_some(name)
}

fn cut(escaped: &str, name: &str, max_bytes: usize) -> String {
    const SUFFIX: usize = 2 + 32;
    let mut end = max_bytes - SUFFIX;
    // Never cut inside a %XX.
    if let Some(at) = escaped[end - 2..end].find('%') {
        end = end - 2 + at;
    }
    let hash: String = Sha256::digest(name.as_bytes()).iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("{}%-{hash}", &escaped[..end])
}

/// Device names that Windows shares refuse, whatever their extension.
fn is_reserved_on_windows(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or(name).to_ascii_uppercase();
    matches!(stem.as_str(), "CON" | "PRN" | "AUX" | "NUL")
        || (stem.len() == 4 && (stem.starts_with("COM") || stem.starts_with("LPT")) && stem.as_bytes()[3].is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_become_segments() {
        for (name, segment) in [
            ("shop.db", "shop.db"),
            ("Mixed Case", "Mixed%20Case"),
            ("a/b", "a%2Fb"),
            ("a-b", "a-b"),
            ("..", "%2E%2E"),
            (".hidden", "%2Ehidden"),
            ("_globals", "%5Fglobals"),
            ("a_b", "a_b"),
            ("con.txt", "%63on.txt"),
            ("console", "console"),
            ("line\nbreak", "line%0Abreak"),
            ("é🐦", "%C3%A9%F0%9F%90%A6"),
            ("100%", "100%25"),
            ("", "%"),
        ] {
            assert_eq!(escape(name), segment);
            assert_eq!(unescape(segment).as_deref(), Some(name));
        }
    }

    #[test]
    fn a_segment_that_escape_never_gives_is_not_unescaped() {
        for segment in ["_globals", "%2e", "%41", "a%", "%-0011", "."] {
            assert_eq!(unescape(segment), None, "{segment}");
        }
    }

    proptest! {
        #[test]
        fn every_name_is_one_safe_segment(name in ".{0,120}") {
            let segment = escape(&name);
            prop_assert!(segment.len() <= MAX_SEGMENT_BYTES);
            prop_assert!(!segment.is_empty() && !segment.starts_with(['.', '_']) && !segment.ends_with('.'));
            prop_assert!(segment.bytes().all(|b| b.is_ascii_alphanumeric() || b"%._-".contains(&b)));
            if !segment.contains("%-") {
                prop_assert_eq!(unescape(&segment), Some(name));
            }
        }

        #[test]
        fn long_names_that_share_a_beginning_differ(a in "[é/]{150,160}", b in "[é/]{150,160}") {
            prop_assert_eq!(a == b, escape(&a) == escape(&b));
        }
    }
}
