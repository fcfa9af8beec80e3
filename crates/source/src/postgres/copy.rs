//! Lines of COPY's text format (<https://www.postgresql.org/docs/current/sql-copy.html#id-1.9.3.55.9.2>) as encoded rows.
//!
//! PostgreSQL adds one form to those of [`crate::encode`]. A `jsonb` array or object stands raw; a scalar, and an object
//! that begins like one of our own forms, is wrapped: `{"jsonb":…}`.

use crate::encode;
use domain::{Error, Result};

/// Keys that would let a document be taken for one of our forms, if it began with them.
const OUR_KEYS: [&[u8]; 4] = [b"{\"b64\"", b"{\"text\"", b"{\"wide\"", b"{\"jsonb\""];

/// How a column is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A bare literal where it is a finite number, else a string.
    Number,
    /// `true` or `false`.
    Bool,
    /// A document.
    Jsonb,
    /// A string.
    Text,
}

impl Kind {
    /// The kind of a type, by its number in `pg_type` (the same in every server), domains taken off.
    #[must_use]
    pub fn of(type_oid: u32) -> Self {
        match type_oid {
            16 => Self::Bool,
            // int8, int2, int4, oid, float4, float8, numeric
            20 | 21 | 23 | 26 | 700 | 701 | 1700 => Self::Number,
            3802 => Self::Jsonb,
            _ => Self::Text,
        }
    }
}

/// Turns lines of COPY text into encoded rows.
#[derive(Clone, Debug)]
pub struct Encoder {
    kinds: Vec<Kind>,
}

impl Encoder {
    /// An encoder for rows of these columns.
    #[must_use]
    pub fn new(kinds: Vec<Kind>) -> Self {
        Self { kinds }
    }

    /// Writes one line of COPY text, line end included, into `out` (cleared first) as a JSON array.
    pub fn row(&self, line: &[u8], out: &mut Vec<u8>) -> Result<()> {
        self.row_with(line, &[], out)
    }

    /// The same, with the columns that `replaced` holds a value for written as that value.
    pub fn row_with(&self, line: &[u8], replaced: &[Option<Vec<u8>>], out: &mut Vec<u8>) -> Result<()> {
        out.clear();
        out.reserve(line.len() + 4 * self.kinds.len() + 2);
        out.push(b'[');
        let line = line.strip_suffix(b"\n").ok_or_else(broken)?;
        // Escapes and separators are ASCII: a valid line has valid fields, and what is not valid is looked for one by one.
        let valid = std::str::from_utf8(line).is_ok();
        let mut rest = Some(line);
        for (at, kind) in self.kinds.iter().enumerate() {
            let Some(start) = rest else { return Err(broken()) };
            if at > 0 {
                out.push(b',');
            }
            rest = match replaced.get(at) {
                Some(Some(value)) => {
                    out.extend_from_slice(value);
                    after(start, field(start))
                }
                _ => value(*kind, start, valid, out)?,
            };
        }
        let ended = if self.kinds.is_empty() { line.is_empty() } else { rest.is_none() };
        if !ended {
            return Err(broken());
        }
        out.push(b']');
        Ok(())
    }
}

/// Appends one value that no COPY has escaped, in the form that it would have in a row of COPY.
pub fn plain(kind: Kind, text: &[u8], out: &mut Vec<u8>) {
    match kind {
        Kind::Number if number_bytes(text) == Some(text.len()) => out.extend_from_slice(text),
        Kind::Bool if matches!(text, b"t" | b"true") => out.extend_from_slice(b"true"),
        Kind::Bool if matches!(text, b"f" | b"false") => out.extend_from_slice(b"false"),
        Kind::Jsonb if std::str::from_utf8(text).is_ok() && !text.iter().any(|byte| *byte < 0x20) => {
            let raw = is_raw(text);
            out.extend_from_slice(if raw { b"" } else { b"{\"jsonb\":" });
            out.extend_from_slice(text);
            out.extend_from_slice(if raw { b"" } else { b"}" });
        }
        _ => encode::text(out, text),
    }
}

/// Whether a document stands in a row as it is.
fn is_raw(document: &[u8]) -> bool {
    matches!(document.first(), Some(b'[' | b'{')) && !OUR_KEYS.iter().any(|key| document.starts_with(key))
}

fn broken() -> Error {
    Error::internal("A row came out of a COPY in a form that PostgreSQL does not document.")
}

/// The field at the start of `rest`.
fn field(rest: &[u8]) -> &[u8] {
    &rest[..memchr::memchr(b'\t', rest).unwrap_or(rest.len())]
}

/// What follows the field; `None` after the last one.
fn after<'a>(rest: &'a [u8], field: &[u8]) -> Option<&'a [u8]> {
    rest.get(field.len() + 1..)
}

/// Appends the value at the start of `rest` and returns what follows it.
fn value<'a>(kind: Kind, rest: &'a [u8], valid: bool, out: &mut Vec<u8>) -> Result<Option<&'a [u8]>> {
    if rest.starts_with(b"\\N") && matches!(rest.get(2), None | Some(b'\t')) {
        out.extend_from_slice(b"null");
        return Ok(rest.get(3..));
    }
    if kind == Kind::Text && valid {
        return string(rest, out);
    }
    if kind == Kind::Number
        && let Some(length) = number_bytes(rest)
    {
        out.extend_from_slice(&rest[..length]);
        return Ok(rest.get(length + 1..));
    }
    let field = field(rest);
    match kind {
        Kind::Bool if field == b"t" => out.extend_from_slice(b"true"),
        Kind::Bool if field == b"f" => out.extend_from_slice(b"false"),
        Kind::Jsonb if document(field, out) => {}
        _ if valid || std::str::from_utf8(field).is_ok() => drop(string(field, out)?),
        _ => encode::text(out, &unescape(field)?),
    }
    Ok(after(rest, field))
}

/// Length of the field at the start of `rest`, if it is a number as JSON writes them (RFC 8259, section 6). PostgreSQL
/// writes finite ones exactly so; anything else that calls itself a number goes as a string.
fn number_bytes(rest: &[u8]) -> Option<usize> {
    let digits = |from: usize| from + rest[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let start = usize::from(rest.first() == Some(&b'-'));
    let mut at = digits(start);
    if at == start || (rest[start] == b'0' && at > start + 1) {
        return None;
    }
    if rest.get(at) == Some(&b'.') {
        let fraction = at + 1;
        at = digits(fraction);
        if at == fraction {
            return None;
        }
    }
    if matches!(rest.get(at), Some(b'e' | b'E')) {
        let exponent = at + 1 + usize::from(matches!(rest.get(at + 1), Some(b'+' | b'-')));
        at = digits(exponent);
        if at == exponent {
            return None;
        }
    }
    matches!(rest.get(at), None | Some(b'\t')).then_some(at)
}

/// Appends the field as a JSON string and returns what follows its tab. COPY's escapes are JSON's, but for `\v`: they
/// are copied with the text around them.
fn string<'a>(mut rest: &'a [u8], out: &mut Vec<u8>) -> Result<Option<&'a [u8]>> {
    out.push(b'"');
    let mut at = 0;
    loop {
        at += encode::clean_bytes(&rest[at..]);
        let escaped = match rest[at..] {
            [] | [b'\t', ..] => {
                out.extend_from_slice(&rest[..at]);
                out.push(b'"');
                return Ok(rest.get(at + 1..));
            }
            [b'\\', b'\\' | b'n' | b't' | b'r' | b'b' | b'f', ..] => {
                at += 2;
                continue;
            }
            [b'\\', b'v', ..] => (0x0b, 2),
            [b'\\', ..] => return Err(broken()),
            [byte, ..] => (byte, 1),
        };
        out.extend_from_slice(&rest[..at]);
        encode::escape(out, escaped.0);
        rest = &rest[at + escaped.1..];
        at = 0;
    }
}

/// Appends a document; `false`, with nothing appended, if it has to go as a string. The server never writes a control
/// byte into a document, and one must not break our lines.
fn document(field: &[u8], out: &mut Vec<u8>) -> bool {
    let start = out.len();
    let raw = is_raw(field);
    if !raw {
        out.extend_from_slice(b"{\"jsonb\":");
    }
    let (mut rest, mut good) = (field, std::str::from_utf8(field).is_ok());
    while let Some(at) = memchr::memchr(b'\\', rest) {
        good &= rest.get(at + 1) == Some(&b'\\');
        out.extend_from_slice(&rest[..=at]);
        rest = rest.get(at + 2..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
    if !raw {
        out.push(b'}');
    }
    if !good || field.iter().any(|byte| *byte < 0x20) {
        out.truncate(start);
        return false;
    }
    true
}

/// The bytes of a field that is not UTF-8.
fn unescape(field: &[u8]) -> Result<Vec<u8>> {
    let (mut out, mut rest) = (Vec::with_capacity(field.len()), field);
    while let Some(at) = memchr::memchr(b'\\', rest) {
        out.extend_from_slice(&rest[..at]);
        out.push(match rest.get(at + 1) {
            Some(b'\\') => b'\\',
            Some(b'n') => b'\n',
            Some(b't') => b'\t',
            Some(b'r') => b'\r',
            Some(b'b') => 0x08,
            Some(b'f') => 0x0c,
            Some(b'v') => 0x0b,
            _ => return Err(broken()),
        });
        rest = &rest[at + 2..];
    }
    out.extend_from_slice(rest);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{postgres::decode, value};
    use domain::Code;
    use proptest::prelude::*;

    fn encode(kinds: &[Kind], line: &[u8]) -> Result<String> {
        let mut out = b"what was there".to_vec();
        Encoder::new(kinds.to_vec()).row(line, &mut out)?;
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn every_kind_has_its_form() {
        use Kind::{Bool, Jsonb, Number, Text};
        let numbers = b"1\t-1.50\t1e-300\t-0\t0.5E+20\tNaN\t-Infinity\t\\N\n";
        assert_eq!(encode(&[Number; 8], numbers).unwrap(), r#"[1,-1.50,1e-300,-0,0.5E+20,"NaN","-Infinity",null]"#);
        for strange in ["", "-", "0+", "01", "-00", "1.", ".5", "1e", "1e+", "1e5.0", "1-2", "1.5.5", "+1", "1 "] {
            let row = encode(&[Number], format!("{strange}\n").as_bytes()).unwrap();
            assert_eq!(row, format!("[\"{strange}\"]"));
        }
        assert_eq!(encode(&[Bool; 3], b"t\tf\t\\N\n").unwrap(), "[true,false,null]");
        let texts = b"\t\\\\N\t\\N\ta\"b\\n\\t\\r\\b\\f\\v\\\\\x01\x7f\n";
        assert_eq!(encode(&[Text; 4], texts).unwrap(), "[\"\",\"\\\\N\",null,\"a\\\"b\\n\\t\\r\\b\\f\\u000b\\\\\\u0001\x7f\"]");
        let documents = b"{}\t[1]\t{\"a\": \"\\\\n\"}\t\"x\"\tnull\t1.0\t{\"text\": 1}\t{\"b64x\": 1}\t\\N\n";
        let expected = r#"[{},[1],{"a": "\n"},{"jsonb":"x"},{"jsonb":null},{"jsonb":1.0},{"jsonb":{"text": 1}},{"b64x": 1},null]"#;
        assert_eq!(encode(&[Jsonb; 9], documents).unwrap(), expected);
        assert_eq!(encode(&[], b"\n").unwrap(), "[]");
        assert_eq!(encode(&[Text, Text, Jsonb], b"ok\ta\xff\\n\t\"\xfe\"\n").unwrap(), r#"["ok",{"text":"Yf8K"},{"text":"Iv4i"}]"#);
    }

    #[test]
    fn a_replaced_value_takes_the_place_of_its_field() {
        let encoder = Encoder::new(vec![Kind::Text; 3]);
        let mut out = vec![];
        encoder.row_with(b"a\t\\N\tc\n", &[None, Some(b"{\"wide\":1}".to_vec())], &mut out).unwrap();
        assert_eq!(out, b"[\"a\",{\"wide\":1},\"c\"]");
    }

    #[test]
    fn what_postgresql_does_not_write_is_refused() {
        for line in ["", "a", "a\tb\n", "\\q\n", "a\\\n"] {
            assert_eq!(encode(&[Kind::Text], line.as_bytes()).unwrap_err().code(), Code::Internal, "{line:?}");
        }
        assert!(encode(&[Kind::Text; 2], b"a\n").is_err() && encode(&[], b"a\n").is_err());
    }

    /// COPY's text of a value, as the server writes it.
    fn copy_text(bytes: &[u8]) -> Vec<u8> {
        let mut out = vec![];
        for &byte in bytes {
            match byte {
                b'\\' => out.extend_from_slice(b"\\\\"),
                b'\n' => out.extend_from_slice(b"\\n"),
                b'\t' => out.extend_from_slice(b"\\t"),
                b'\r' => out.extend_from_slice(b"\\r"),
                0x08 => out.extend_from_slice(b"\\b"),
                0x0c => out.extend_from_slice(b"\\f"),
                0x0b => out.extend_from_slice(b"\\v"),
                _ => out.push(byte),
            }
        }
        out
    }

    fn any_value() -> impl Strategy<Value = Option<Vec<u8>>> {
        prop_oneof![
            1 => Just(None),
            4 => ".{0,40}".prop_map(|text| Some(text.into_bytes())),
            2 => proptest::collection::vec(prop_oneof![Just(b'\\'), Just(b'"'), Just(b'N'), 1..=40_u8], 0..40).prop_map(Some),
            2 => proptest::collection::vec(1..=255_u8, 0..40).prop_map(Some),
        ]
    }

    proptest! {
        #[test]
        fn any_row_survives(values in proptest::collection::vec(any_value(), 1..6), kind in prop_oneof![Just(Kind::Text), Just(Kind::Number), Just(Kind::Bool)]) {
            let fields: Vec<_> = values.iter().map(|value| value.as_deref().map_or(b"\\N".to_vec(), copy_text)).collect();
            let line = [fields.join(&b'\t'), b"\n".to_vec()].concat();
            let row = encode(&vec![kind; values.len()], &line).unwrap();
            prop_assert!(!row.contains('\n') && serde_json::from_str::<Vec<serde::de::IgnoredAny>>(&row).is_ok());
            let mut back = vec![];
            value::split(row.as_bytes(), |value| {
                back.push(match value {
                    value::Value::Null => None,
                    value::Value::Text(text) => Some(text.into_owned()),
                    value::Value::Bare(b"true") => Some(b"t".to_vec()),
                    value::Value::Bare(b"false") => Some(b"f".to_vec()),
                    value::Value::Bare(text) => Some(text.to_vec()),
                    other => panic!("{other:?}"),
                });
                Ok(())
            }).unwrap();
            prop_assert_eq!(&back, &values);
            // The same values without COPY's escapes have the same forms.
            let mut plainly = b"[".to_vec();
            for (at, value) in values.iter().enumerate() {
                plainly.extend_from_slice(if at > 0 { b"," } else { b"" });
                match value {
                    Some(text) => plain(kind, text, &mut plainly),
                    None => plainly.extend_from_slice(b"null"),
                }
            }
            plainly.push(b']');
            prop_assert!(kind == Kind::Bool || plainly == row.as_bytes());
            // And the way back gives a line that is encoded as the same row.
            let mut again = vec![];
            prop_assert!(decode::copy_line(row.as_bytes(), values.len(), &mut again).unwrap());
            if kind != Kind::Bool {
                prop_assert_eq!(encode(&vec![kind; values.len()], &again).unwrap(), row);
            }
        }

        #[test]
        fn a_document_has_one_form_whatever_brought_it(document in "[\\[{\"]?[\"a-z0-9:, {}\\\\\x01\n]{0,30}|\\{\"(text|b64|wide|jsonb|unchanged)\": 1\\}") {
            let mut out = b"[".to_vec();
            plain(Kind::Jsonb, document.as_bytes(), &mut out);
            out.push(b']');
            let line = [copy_text(document.as_bytes()), b"\n".to_vec()].concat();
            prop_assert_eq!(encode(&[Kind::Jsonb], &line).unwrap().into_bytes(), out);
        }

        #[test]
        fn any_line_is_encoded_or_refused(line in proptest::collection::vec(any::<u8>(), 0..60)) {
            for kind in [Kind::Text, Kind::Jsonb, Kind::Number, Kind::Bool] {
                let mut out = vec![];
                if Encoder::new(vec![kind; 2]).row(&line, &mut out).is_ok() {
                    prop_assert!(!out.contains(&b'\n') && std::str::from_utf8(&out).is_ok());
                }
            }
        }
    }
}
