//! Encoded rows taken apart again.

use crate::encode::WideForm;
use base64::{Engine, engine::general_purpose::STANDARD};
use domain::{Code, Error, Result};
use std::borrow::Cow;

/// One value of an encoded row.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// SQL NULL.
    Null,
    /// A bare literal: number or boolean, in the server's own text.
    Bare(&'a [u8]),
    /// A string; bytes, because text of `{"text":…}` need not be UTF-8.
    Text(Cow<'a, [u8]>),
    /// Binary.
    Binary(Vec<u8>),
    /// A value that lies in [`crate::encode::wide_member`].
    Wide {
        /// XXH3-128 of its bytes.
        hash: u128,
        /// Number of its bytes.
        size_bytes: u64,
        /// What the bytes are.
        form: WideForm,
    },
    /// An array or another object, raw: a document, or a form that only the Dbms knows.
    Raw(&'a [u8]),
}

/// The error for an archive that cannot be decoded.
pub fn damaged(sentence: impl Into<String>) -> Error {
    Error::new(Code::Damaged, sentence, "Run `rookery verify` on the repository, and choose another restore point.")
}

/// Splits an encoded row into its values, in order, calling `each` for every one.
///
/// # Errors
/// [`Code::Damaged`] if the line is not one JSON array of the forms in [`crate::encode`].
pub fn split<'a>(line: &'a [u8], mut each: impl FnMut(Value<'a>) -> Result<()>) -> Result<()> {
    split_raw(line, |raw| each(parse(raw)?))
}

/// The values of an encoded row as they stand in it.
///
/// # Errors
/// [`Code::Damaged`] if the line is not one JSON array.
pub fn raw(line: &[u8]) -> Result<Vec<&[u8]>> {
    let mut values = vec![];
    split_raw(line, |raw| {
        values.push(raw);
        Ok(())
    })?;
    Ok(values)
}

/// Appends the values at `places` of an encoded row as an encoded row of their own. What follows the last of them is not looked at.
///
/// # Errors
/// [`Code::Damaged`] if the line is not one JSON array with so many values.
pub fn pick(line: &[u8], places: &[usize], out: &mut Vec<u8>) -> Result<()> {
    let broken = || damaged("A row in the archive has fewer values than its table has columns.");
    let inner = line.strip_prefix(b"[").and_then(|rest| rest.strip_suffix(b"]")).ok_or_else(broken)?;
    let (mut at, mut rest) = (0, inner);
    out.push(b'[');
    for (number, place) in places.iter().enumerate() {
        if *place < at {
            (at, rest) = (0, inner);
        }
        while at < *place {
            let end = end_of_value(rest).ok_or_else(broken)?;
            rest = rest.get(end + 1..).ok_or_else(broken)?;
            at += 1;
        }
        let end = end_of_value(rest).filter(|end| *end > 0).ok_or_else(broken)?;
        if number > 0 {
            out.push(b',');
        }
        out.extend_from_slice(&rest[..end]);
    }
    out.push(b']');
    Ok(())
}

/// Calls `each` for every value of an encoded row, as it stands in it.
pub(crate) fn split_raw<'a>(line: &'a [u8], mut each: impl FnMut(&'a [u8]) -> Result<()>) -> Result<()> {
    let broken = || damaged("A row in the archive is not a JSON array.");
    let inner = line.strip_prefix(b"[").and_then(|rest| rest.strip_suffix(b"]")).ok_or_else(broken)?;
    let mut rest = inner;
    loop {
        let end = end_of_value(rest).ok_or_else(broken)?;
        if end == 0 {
            return if inner.is_empty() { Ok(()) } else { Err(broken()) };
        }
        each(&rest[..end])?;
        match rest.get(end) {
            None => return Ok(()),
            Some(b',') => rest = &rest[end + 1..],
            Some(_) => return Err(broken()),
        }
    }
}

/// Length of the JSON value at the start of `text`, up to a comma outside of it or the end.
fn end_of_value(text: &[u8]) -> Option<usize> {
    let (mut depth, mut at) = (0_u32, 0);
    while let Some(&byte) = text.get(at) {
        match byte {
            b'"' => at = end_of_string(text, at)?,
            b'[' | b'{' => (depth, at) = (depth.checked_add(1)?, at + 1),
            b']' | b'}' => (depth, at) = (depth.checked_sub(1)?, at + 1),
            b',' if depth == 0 => return Some(at),
            _ => at += 1,
        }
    }
    (depth == 0).then_some(at)
}

/// Index after the string that begins at `start`.
fn end_of_string(text: &[u8], start: usize) -> Option<usize> {
    let mut at = start + 1;
    loop {
        at += memchr::memchr2(b'"', b'\\', text.get(at..)?)?;
        if text[at] == b'"' {
            return Some(at + 1);
        }
        at += 2;
    }
}

fn parse(text: &[u8]) -> Result<Value<'_>> {
    match text.first() {
        Some(b'n') if text == b"null" => Ok(Value::Null),
        Some(b'"') => unescape(text).map(Value::Text),
        Some(b'{') => object(text),
        Some(b'[') => Ok(Value::Raw(text)),
        Some(b't') if text == b"true" => Ok(Value::Bare(text)),
        Some(b'f') if text == b"false" => Ok(Value::Bare(text)),
        Some(b'-' | b'0'..=b'9') if text.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E')) => {
            Ok(Value::Bare(text))
        }
        _ => Err(damaged("A row in the archive holds something that is not a value.")),
    }
}

/// Our own forms; any other object is a document.
fn object(text: &[u8]) -> Result<Value<'_>> {
    let broken = || damaged("A row in the archive holds a value whose form is not known.");
    let inside = |prefix: &[u8]| text.strip_prefix(prefix).and_then(|rest| rest.strip_suffix(b"\"}"));
    if let Some(encoded) = inside(b"{\"b64\":\"") {
        return STANDARD.decode(encoded).map(Value::Binary).map_err(|error| broken().because(error));
    }
    if let Some(encoded) = inside(b"{\"text\":\"") {
        return STANDARD.decode(encoded).map(|bytes| Value::Text(Cow::Owned(bytes))).map_err(|error| broken().because(error));
    }
    if !text.starts_with(b"{\"wide\":\"") {
        return Ok(Value::Raw(text));
    }
    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Wide<'a> {
        wide: &'a str,
        size_bytes: u64,
        form: &'a str,
    }
    let wide: Wide<'_> = serde_json::from_slice(text).map_err(|error| broken().because(error))?;
    let hash = u128::from_str_radix(wide.wide, 16).map_err(|error| broken().because(error))?;
    let form = [WideForm::Text, WideForm::Binary].into_iter().find(|form| form.as_str() == wide.form).ok_or_else(broken)?;
    Ok(Value::Wide { hash, size_bytes: wide.size_bytes, form })
}

/// The text of a JSON string, borrowed where nothing is escaped.
pub fn unescape(quoted: &[u8]) -> Result<Cow<'_, [u8]>> {
    let broken = || damaged("A row in the archive holds a string that is not JSON.");
    let inner = quoted.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")).ok_or_else(broken)?;
    let Some(first) = memchr::memchr(b'\\', inner) else { return Ok(Cow::Borrowed(inner)) };
    let mut out = Vec::with_capacity(inner.len());
    out.extend_from_slice(&inner[..first]);
    let mut rest = &inner[first..];
    while let Some(at) = memchr::memchr(b'\\', rest) {
        out.extend_from_slice(&rest[..at]);
        let byte = *rest.get(at + 1).ok_or_else(broken)?;
        rest = &rest[at + 2..];
        match byte {
            b'n' => out.push(b'\n'),
            b'r' => out.push(b'\r'),
            b't' => out.push(b'\t'),
            b'b' => out.push(0x08),
            b'f' => out.push(0x0c),
            b'"' | b'\\' | b'/' => out.push(byte),
            b'u' => {
                // The encoder writes \u for single bytes below 0x20 only.
                let digits = rest.get(..4).and_then(|digits| std::str::from_utf8(digits).ok()).ok_or_else(broken)?;
                let code = u8::from_str_radix(digits, 16).map_err(|error| broken().because(error))?;
                out.push(code);
                rest = &rest[4..];
            }
            _ => return Err(broken()),
        }
    }
    out.extend_from_slice(rest);
    Ok(Cow::Owned(out))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode;
    use proptest::prelude::*;

    fn values(line: &[u8]) -> Result<Vec<Value<'_>>> {
        let mut out = vec![];
        split(line, |value| {
            out.push(value);
            Ok(())
        })?;
        Ok(out)
    }

    #[test]
    fn every_form_is_read_back() {
        let mut line = b"[null,-1.50e+3,true,".to_vec();
        encode::string(&mut line, "a\"\\\n\u{1}é");
        line.push(b',');
        encode::text(&mut line, b"\xff\xfe");
        line.push(b',');
        encode::binary(&mut line, b"\0\x01");
        line.push(b',');
        encode::wide(&mut line, 7, 99, WideForm::Binary);
        line.extend_from_slice(b",{\"a\": [1, \"]\"]},[2]]");
        assert_eq!(
            values(&line).unwrap(),
            [
                Value::Null,
                Value::Bare(b"-1.50e+3"),
                Value::Bare(b"true"),
                Value::Text(Cow::Owned("a\"\\\n\u{1}é".into())),
                Value::Text(Cow::Owned(b"\xff\xfe".to_vec())),
                Value::Binary(b"\0\x01".to_vec()),
                Value::Wide { hash: 7, size_bytes: 99, form: WideForm::Binary },
                Value::Raw(b"{\"a\": [1, \"]\"]}"),
                Value::Raw(b"[2]"),
            ]
        );
    }

    #[test]
    fn values_are_picked_in_any_order() {
        let picked = |places: &[usize]| {
            let mut out = b"x".to_vec();
            pick(br#"[1,"a,]",[2,{"b":3}],null]"#, places, &mut out).map(|()| String::from_utf8(out).unwrap())
        };
        assert_eq!(picked(&[]).unwrap(), "x[]");
        assert_eq!(picked(&[1]).unwrap(), r#"x["a,]"]"#);
        assert_eq!(picked(&[2, 3, 0, 0]).unwrap(), r#"x[[2,{"b":3}],null,1,1]"#);
        assert_eq!(picked(&[4]).unwrap_err().code(), Code::Damaged);
        assert!(pick(b"[]", &[0], &mut vec![]).is_err() && pick(b"[1,[2]", &[1], &mut vec![]).is_err());
    }

    #[test]
    fn nonsense_is_refused() {
        for line in [
            "",
            "[",
            "1",
            "[1,]",
            "[,1]",
            "[1 2]",
            "[nul]",
            "[\"a]",
            "[\"a\\]",
            "[\"\\q\"]",
            "[{\"b64\":\"*\"}]",
            "[{\"wide\":\"x\"}]",
            "[1]]",
            "[[1]",
            "[\"\\u12\"]",
        ] {
            assert_eq!(values(line.as_bytes()).unwrap_err().code(), Code::Damaged, "{line}");
        }
        assert!(values(b"[]").unwrap().is_empty());
    }

    proptest! {
        #[test]
        fn any_bytes_survive_as_text_and_as_binary(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut line = b"[".to_vec();
            encode::text(&mut line, &bytes);
            line.push(b',');
            encode::binary(&mut line, &bytes);
            line.push(b']');
            prop_assert!(!line.contains(&b'\n'));
            let values = values(&line).unwrap();
            prop_assert_eq!(values, vec![Value::Text(Cow::Owned(bytes.clone())), Value::Binary(bytes)]);
        }

        #[test]
        fn any_line_is_read_or_refused(line in ".{0,80}") {
            let _ = values(line.as_bytes());
        }
    }
}
