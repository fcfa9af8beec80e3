//! Values written as JSON so that every byte survives.
//!
//! | value | written as |
//! |---|---|
//! | NULL | `null` |
//! | number, boolean | a bare literal, in the server's own text |
//! | text | a string |
//! | text that is not valid UTF-8 | `{"text":"<base64>"}` |
//! | binary (where the Dbms has no text form) | `{"b64":"<base64>"}` |
//! | a value over [`WIDE_BYTES`] | `{"wide":"<XXH3-128>","size_bytes":N}`, its bytes in a member of its own |
//!
//! A Dbms adds forms of its own where it must (see its module); each is an object with one known first key,
//! and nothing else is ever written as an object except documents whose columns are documents.

use base64::{Engine, engine::general_purpose::STANDARD};
use xxhash_rust::xxh3::xxh3_128;

/// Values with more bytes than this go out of line, so that no row has to fit in memory.
pub const WIDE_BYTES: usize = 16 << 20;

/// Bytes of rows after which a member is ended and the next part begun.
pub const PART_BYTES: usize = 4 << 20;

/// Appends `text` as a JSON string, or as `{"text":…}` if it is not UTF-8.
pub fn text(out: &mut Vec<u8>, text: &[u8]) {
    match std::str::from_utf8(text) {
        Ok(text) => string(out, text),
        Err(_) => {
            out.extend_from_slice(b"{\"text\":\"");
            base64(out, text);
            out.extend_from_slice(b"\"}");
        }
    }
}

/// Appends a JSON string (RFC 8259, section 7): only what must be escaped is escaped.
pub fn string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let mut rest = text.as_bytes();
    loop {
        let clean = clean_bytes(rest);
        out.extend_from_slice(&rest[..clean]);
        let Some(&byte) = rest.get(clean) else { break };
        escape(out, byte);
        rest = &rest[clean + 1..];
    }
    out.push(b'"');
}

/// Number of bytes at the start that stand in a JSON string as they are: no control byte, quote or backslash.
/// Eight bytes at a time; of a word's marks the lowest is exact, whatever a borrow did to those above it.
pub(crate) fn clean_bytes(bytes: &[u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let equal = |word: u64, byte: u8| {
        let word = word ^ (ONES * u64::from(byte));
        word.wrapping_sub(ONES) & !word
    };
    let (words, rest) = bytes.as_chunks::<8>();
    for (at, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let control = word.wrapping_sub(ONES * 0x20) & !word;
        let marks = (control | equal(word, b'"') | equal(word, b'\\')) & HIGH;
        if marks != 0 {
            return at * 8 + marks.trailing_zeros() as usize / 8;
        }
    }
    let special = |byte: &u8| *byte < 0x20 || *byte == b'"' || *byte == b'\\';
    words.len() * 8 + rest.iter().position(special).unwrap_or(rest.len())
}

/// Appends one byte below 0x20, a quote or a backslash, escaped.
pub fn escape(out: &mut Vec<u8>, byte: u8) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    match byte {
        b'"' => out.extend_from_slice(b"\\\""),
        b'\\' => out.extend_from_slice(b"\\\\"),
        b'\n' => out.extend_from_slice(b"\\n"),
        b'\r' => out.extend_from_slice(b"\\r"),
        b'\t' => out.extend_from_slice(b"\\t"),
        0x08 => out.extend_from_slice(b"\\b"),
        0x0c => out.extend_from_slice(b"\\f"),
        _ => out.extend_from_slice(&[b'\\', b'u', b'0', b'0', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]),
    }
}

/// Appends `{"b64":…}`.
pub fn binary(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(b"{\"b64\":\"");
    base64(out, bytes);
    out.extend_from_slice(b"\"}");
}

/// Appends a reference to a value that is kept in the member [`wide_member`].
/// `form` says what the bytes are where the Dbms needs to know: `text` or `b64`.
pub fn wide(out: &mut Vec<u8>, hash: u128, size_bytes: u64, form: WideForm) {
    let form = form.as_str();
    out.extend_from_slice(format!("{{\"wide\":\"{hash:032x}\",\"size_bytes\":{size_bytes},\"form\":\"{form}\"}}").as_bytes());
}

/// What the bytes of a wide value are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WideForm {
    /// The value's text.
    Text,
    /// The value's bytes.
    Binary,
}

impl WideForm {
    /// The word in the reference.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Binary => "b64",
        }
    }
}

/// Name of the member that holds a wide value. Equal values share it.
#[must_use]
pub fn wide_member(hash: u128) -> String {
    format!("wide/{hash:032x}.zst")
}

/// The hash of one encoded row, for [`domain::RowDigest`].
#[must_use]
pub fn row_hash(line: &[u8]) -> u128 {
    xxh3_128(line)
}

fn base64(out: &mut Vec<u8>, bytes: &[u8]) {
    let start = out.len();
    let size = base64::encoded_len(bytes.len(), true).unwrap_or(0);
    out.resize(start + size, 0);
    let written = STANDARD.encode_slice(bytes, &mut out[start..]).unwrap_or(0);
    out.truncate(start + written);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn clean_bytes_are_counted(bytes in proptest::collection::vec(prop_oneof![4 => Just(b'x'), 1 => any::<u8>()], 0..64)) {
            let special = |byte: &u8| *byte < 0x20 || *byte == b'"' || *byte == b'\\';
            prop_assert_eq!(clean_bytes(&bytes), bytes.iter().position(special).unwrap_or(bytes.len()));
        }

        #[test]
        fn any_string_is_json_that_says_it(text in ".{0,40}|[\\x00-\\x1f\"\\\\a]{0,40}") {
            let mut out = vec![];
            string(&mut out, &text);
            prop_assert_eq!(serde_json::from_slice::<String>(&out).ok(), Some(text));
        }
    }
}
