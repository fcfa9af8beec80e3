//! Encoded rows turned back into what PostgreSQL reads: lines of COPY text, or values for an INSERT.
//!
//! PostgreSQL's own forms beside those of [`crate::encode`]: an object or array that stands raw is a `jsonb` document;
//! `{"jsonb":…}` holds one that would read as something else (a string, a number, `null`, or an object that
//! begins like one of our forms).

use crate::{
    encode::WideForm,
    value::{self, Value, damaged},
};
use domain::Result;
use std::borrow::Cow;

/// Prefix of a document that is wrapped.
const WRAPPED: &[u8] = b"{\"jsonb\":";

/// Appends a row as a line of COPY's text format
/// (<https://www.postgresql.org/docs/current/sql-copy.html#id-1.9.3.55.9.2>) and says `true`. A row with a wide value has no
/// place in a line: then nothing is appended, and the answer is `false`.
///
/// # Errors
/// [`domain::Code::Damaged`] if the row has not as many values as there are columns, or cannot be decoded.
pub fn copy_line(row: &[u8], columns: usize, out: &mut Vec<u8>) -> Result<bool> {
    let start = out.len();
    let (mut count, mut narrow) = (0, true);
    value::split(row, |value| {
        if count > 0 {
            out.push(b'\t');
        }
        count += 1;
        match value {
            Value::Null => out.extend_from_slice(b"\\N"),
            Value::Bare(text) => out.extend_from_slice(text),
            Value::Text(text) => escape(&text, out),
            Value::Raw(text) => escape(document(text), out),
            Value::Binary(bytes) => {
                out.push(b'\\');
                hexadecimal(&bytes, out);
            }
            Value::Wide { .. } => narrow = false,
        }
        Ok(())
    })?;
    if count != columns {
        return Err(damaged("A row in the archive has not as many values as its table has columns."));
    }
    if narrow {
        out.push(b'\n');
    } else {
        out.truncate(start);
    }
    Ok(narrow)
}

/// A value of a row that goes by an INSERT.
#[derive(Clone, Debug, PartialEq)]
pub enum Field<'a> {
    /// SQL NULL.
    Null,
    /// The text form of its type.
    Text(Cow<'a, [u8]>),
    /// A value that lies in a member of its own.
    Wide {
        /// XXH3-128 of its bytes, which names the member.
        hash: u128,
        /// Number of its bytes.
        size_bytes: u64,
        /// What the bytes are.
        form: WideForm,
    },
}

/// The values of a row, each as its type's text or where it lies.
///
/// # Errors
/// As [`copy_line`].
pub fn fields(row: &[u8], columns: usize) -> Result<Vec<Field<'_>>> {
    let mut fields = Vec::with_capacity(columns);
    value::split(row, |value| {
        fields.push(match value {
            Value::Null => Field::Null,
            Value::Bare(text) => Field::Text(Cow::Borrowed(text)),
            Value::Raw(text) => Field::Text(Cow::Borrowed(document(text))),
            Value::Text(text) => Field::Text(text),
            Value::Binary(bytes) => {
                let mut text = Vec::with_capacity(2 + 2 * bytes.len());
                hexadecimal(&bytes, &mut text);
                Field::Text(Cow::Owned(text))
            }
            Value::Wide { hash, size_bytes, form } => Field::Wide { hash, size_bytes, form },
        });
        Ok(())
    })?;
    if fields.len() == columns { Ok(fields) } else { Err(damaged("A row in the archive has not as many values as its table has columns.")) }
}

/// The document in an object or array of a row.
fn document(text: &[u8]) -> &[u8] {
    text.strip_prefix(WRAPPED).and_then(|rest| rest.strip_suffix(b"}")).unwrap_or(text)
}

/// Appends text with the bytes escaped that mean something in a line of COPY: the rest may stand as it is.
fn escape(text: &[u8], out: &mut Vec<u8>) {
    let mut done = 0;
    for (at, &byte) in text.iter().enumerate() {
        let letter = match byte {
            b'\\' => b'\\',
            b'\n' => b'n',
            b'\t' => b't',
            b'\r' => b'r',
            _ => continue,
        };
        out.extend_from_slice(&text[done..at]);
        out.extend_from_slice(&[b'\\', letter]);
        done = at + 1;
    }
    out.extend_from_slice(&text[done..]);
}

/// Appends `\x` and hexadecimal digits, the text form of `bytea`.
fn hexadecimal(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"\\x");
    let start = out.len();
    out.resize(start + 2 * bytes.len(), 0);
    // Fails only for a slice of another length.
    let _ = hex::encode_to_slice(bytes, &mut out[start..]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode;
    use domain::Code;
    use proptest::prelude::*;

    fn line(row: &[u8], columns: usize) -> Vec<u8> {
        let mut out = b"before\n".to_vec();
        assert!(copy_line(row, columns, &mut out).unwrap());
        out.split_off(7)
    }

    #[test]
    fn every_form_becomes_copy_text() {
        let row = br#"[null,-1.50,true,"a\"\\\n\t\r\u0001\/","",{"text":"/wo="},{"b64":"wP8="},{"a": "\n\\"},[1, 2],{"jsonb":"x\\y"},{"jsonb":null},{"jsonb":{"text": 1}}]"#;
        let expected =
            b"\\N\t-1.50\ttrue\ta\"\\\\\\n\\t\\r\x01/\t\t\xff\\n\t\\\\xc0ff\t{\"a\": \"\\\\n\\\\\\\\\"}\t[1, 2]\t\"x\\\\\\\\y\"\tnull\t{\"text\": 1}\n";
        assert_eq!(String::from_utf8_lossy(&line(row, 12)), String::from_utf8_lossy(expected));
        assert_eq!(line(b"[]", 0), b"\n");
        let texts: Vec<_> = fields(row, 12).unwrap();
        assert_eq!(texts[6], Field::Text(Cow::Borrowed(b"\\xc0ff")));
        assert_eq!(texts[10], Field::Text(Cow::Borrowed(b"null")));
    }

    #[test]
    fn a_wide_value_is_left_to_an_insert() {
        let mut row = b"[1,".to_vec();
        encode::wide(&mut row, 7, 99, WideForm::Text);
        row.push(b']');
        let mut out = b"before\n".to_vec();
        assert!(!copy_line(&row, 2, &mut out).unwrap());
        assert_eq!(out, b"before\n");
        let expected = [Field::Text(Cow::Borrowed(b"1".as_slice())), Field::Wide { hash: 7, size_bytes: 99, form: WideForm::Text }];
        assert_eq!(fields(&row, 2).unwrap(), expected);
    }

    #[test]
    fn a_row_of_another_width_is_damaged() {
        for (row, columns) in [("[1]", 2), ("[1,2]", 1), ("[]", 1), ("[1]", 0)] {
            assert_eq!(copy_line(row.as_bytes(), columns, &mut vec![]).unwrap_err().code(), Code::Damaged);
            assert_eq!(fields(row.as_bytes(), columns).unwrap_err().code(), Code::Damaged);
        }
    }

    /// What COPY reads in one line, by the rules of its documentation.
    fn copied(line: &[u8]) -> Vec<Option<Vec<u8>>> {
        let mut bytes = line.strip_suffix(b"\n").unwrap().iter().copied();
        let (mut values, mut value, mut null) = (vec![], vec![], false);
        while let Some(byte) = bytes.next() {
            match byte {
                b'\t' => values.push(Some(std::mem::take(&mut value)).filter(|_| !std::mem::take(&mut null))),
                b'\\' => match bytes.next().unwrap() {
                    b'n' => value.push(b'\n'),
                    b't' => value.push(b'\t'),
                    b'r' => value.push(b'\r'),
                    b'N' => null = true,
                    other => value.push(other),
                },
                b'\n' | b'\r' => panic!("a bare line end"),
                _ => value.push(byte),
            }
        }
        values.push(Some(value).filter(|_| !null));
        values
    }

    proptest! {
        #[test]
        fn any_text_survives(values in proptest::collection::vec(proptest::option::of(proptest::collection::vec(any::<u8>(), 0..30)), 1..6)) {
            let mut row = b"[".to_vec();
            for (at, value) in values.iter().enumerate() {
                if at > 0 {
                    row.push(b',');
                }
                match value {
                    Some(text) => encode::text(&mut row, text),
                    None => row.extend_from_slice(b"null"),
                }
            }
            row.push(b']');
            prop_assert_eq!(copied(&line(&row, values.len())), values);
        }
    }
}
