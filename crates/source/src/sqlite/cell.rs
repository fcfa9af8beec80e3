//! Values of SQLite as JSON, storage class and all.
//!
//! | storage class | written as |
//! |---|---|
//! | INTEGER | a bare literal without `.` and exponent |
//! | REAL | a bare literal with `.` or exponent, the shortest that reads back as the same number |
//! | REAL, infinite | `{"real":"inf"}` or `{"real":"-inf"}` |
//! | TEXT | a string; `{"text":…}` if it is not valid UTF-8 |
//! | TEXT in a UTF-16 database that is not valid UTF-16 | `{"utf16":"<base64>"}`, the bytes as stored |
//! | BLOB | `{"b64":…}` |
//!
//! Values over [`encode::WIDE_BYTES`] lie in members of their own. A REAL is never a NaN: SQLite stores NULL instead.

use crate::{
    Sink, encode,
    encode::WideForm,
    value::{Value, damaged},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use domain::Result;
use rusqlite::types::{ToSqlOutput, Value as Owned, ValueRef};
use std::{
    collections::HashSet,
    io::Write as _,
    sync::{Mutex, PoisonError},
};

/// The text encoding of a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Encoding {
    /// UTF-8.
    #[serde(rename = "UTF-8")]
    Utf8,
    /// UTF-16, least significant byte first.
    #[serde(rename = "UTF-16le")]
    Utf16Le,
    /// UTF-16, most significant byte first.
    #[serde(rename = "UTF-16be")]
    Utf16Be,
}

impl Encoding {
    /// The encoding that `PRAGMA encoding` names so.
    pub fn from_pragma(text: &str) -> Option<Self> {
        [Self::Utf8, Self::Utf16Le, Self::Utf16Be].into_iter().find(|encoding| encoding.as_pragma() == text)
    }

    /// As `PRAGMA encoding` names it.
    pub fn as_pragma(self) -> &'static str {
        match self {
            Self::Utf8 => "UTF-8",
            Self::Utf16Le => "UTF-16le",
            Self::Utf16Be => "UTF-16be",
        }
    }

    /// The text that stored UTF-16 means, if it is valid.
    fn decode(self, stored: &[u8]) -> Option<String> {
        let (units, rest) = stored.as_chunks::<2>();
        let unit = |pair: &[u8; 2]| if self == Self::Utf16Be { u16::from_be_bytes(*pair) } else { u16::from_le_bytes(*pair) };
        rest.is_empty().then(|| char::decode_utf16(units.iter().map(unit)).collect::<Result<_, _>>().ok())?
    }
}

/// Writes values that are too large for a row, each once.
pub struct Wide<'a> {
    sink: &'a dyn Sink,
    written: Mutex<HashSet<u128>>,
}

impl<'a> Wide<'a> {
    /// A writer into `sink`.
    pub fn new(sink: &'a dyn Sink) -> Self {
        Self { sink, written: Mutex::default() }
    }

    /// Where it writes to.
    pub fn sink(&self) -> &'a dyn Sink {
        self.sink
    }

    fn put(&self, out: &mut Vec<u8>, bytes: &[u8], form: WideForm) -> Result<()> {
        let hash = encode::row_hash(bytes);
        if self.written.lock().unwrap_or_else(PoisonError::into_inner).insert(hash) {
            let mut member = self.sink.member(&encode::wide_member(hash))?;
            member.write(bytes)?;
            member.finish()?;
        }
        encode::wide(out, hash, bytes.len() as u64, form);
        Ok(())
    }
}

/// Appends one value of a UTF-8 database, or any value but text of a UTF-16 one.
pub fn encode_value(out: &mut Vec<u8>, value: ValueRef<'_>, wide: &Wide<'_>) -> Result<()> {
    // Writing to a Vec cannot fail.
    match value {
        ValueRef::Null => out.extend_from_slice(b"null"),
        ValueRef::Integer(number) => {
            let _ = write!(out, "{number}");
        }
        ValueRef::Real(number) if number.is_finite() => {
            // `Debug` is the shortest text that reads back the same, and always has a point or an exponent.
            let _ = write!(out, "{number:?}");
        }
        ValueRef::Real(number) => out.extend_from_slice(if number > 0.0 { b"{\"real\":\"inf\"}" } else { b"{\"real\":\"-inf\"}" }),
        ValueRef::Text(text) if text.len() > encode::WIDE_BYTES => wide.put(out, text, WideForm::Text)?,
        ValueRef::Text(text) => encode::text(out, text),
        ValueRef::Blob(bytes) if bytes.len() > encode::WIDE_BYTES => wide.put(out, bytes, WideForm::Binary)?,
        ValueRef::Blob(bytes) => encode::binary(out, bytes),
    }
    Ok(())
}

/// Appends text of a UTF-16 database from its stored bytes.
pub fn encode_utf16(out: &mut Vec<u8>, stored: &[u8], encoding: Encoding, wide: &Wide<'_>) -> Result<()> {
    if let Some(text) = encoding.decode(stored) {
        return encode_value(out, ValueRef::Text(text.as_bytes()), wide);
    }
    out.extend_from_slice(b"{\"utf16\":\"");
    out.extend_from_slice(STANDARD.encode(stored).as_bytes());
    out.extend_from_slice(b"\"}");
    Ok(())
}

/// A value to be bound to a parameter.
pub enum Bound<'a> {
    /// As it is.
    Plain(ToSqlOutput<'a>),
    /// Text, valid or not.
    Text(Vec<u8>),
    /// Bytes that become text with `CAST(? AS TEXT)`.
    StoredText(Vec<u8>),
}

/// Takes an encoded value as one to be bound; wide values are fetched with `fetch`.
pub fn decode_value<'a>(value: &'a Value<'_>, fetch: impl FnOnce(u128, u64) -> Result<Vec<u8>>) -> Result<Bound<'a>> {
    use ToSqlOutput::{Borrowed, Owned as Own};
    Ok(Bound::Plain(match value {
        Value::Null => Borrowed(ValueRef::Null),
        Value::Bare(literal) => Own(number(literal)?),
        Value::Text(text) => Borrowed(ValueRef::Text(text)),
        Value::Binary(bytes) => Borrowed(ValueRef::Blob(bytes)),
        Value::Wide { hash, size_bytes, form } => {
            let bytes = fetch(*hash, *size_bytes)?;
            return Ok(if *form == WideForm::Text { Bound::Text(bytes) } else { Bound::Plain(Own(Owned::Blob(bytes))) });
        }
        Value::Raw(b"{\"real\":\"inf\"}") => Own(Owned::Real(f64::INFINITY)),
        Value::Raw(b"{\"real\":\"-inf\"}") => Own(Owned::Real(f64::NEG_INFINITY)),
        Value::Raw(raw) => return stored_text(raw),
    }))
}

fn stored_text(raw: &[u8]) -> Result<Bound<'static>> {
    let broken = || damaged("A row in the archive holds a value whose form is not known.");
    let encoded = raw.strip_prefix(b"{\"utf16\":\"").and_then(|rest| rest.strip_suffix(b"\"}")).ok_or_else(broken)?;
    STANDARD.decode(encoded).map(Bound::StoredText).map_err(|error| broken().because(error))
}

fn number(literal: &[u8]) -> Result<Owned> {
    let broken = || damaged("A row in the archive holds a number that SQLite cannot hold.");
    let text = std::str::from_utf8(literal).map_err(|error| broken().because(error))?;
    if text.bytes().any(|byte| matches!(byte, b'.' | b'e' | b'E')) {
        let number: f64 = text.parse().map_err(|error: std::num::ParseFloatError| broken().because(error))?;
        return if number.is_finite() { Ok(Owned::Real(number)) } else { Err(broken()) };
    }
    text.parse().map(Owned::Integer).map_err(|error: std::num::ParseIntError| broken().because(error))
}
