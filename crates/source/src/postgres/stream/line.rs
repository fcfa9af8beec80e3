//! What the plugin `test_decoding` writes, one line a change
//! (<https://www.postgresql.org/docs/current/test-decoding.html>; the form is that of `contrib/test_decoding/test_decoding.c`).
//!
//! ```text
//! BEGIN 752
//! table public.t: INSERT: id[integer]:1 name[text]:'it''s' tags[text[]]:null
//! table public.t: UPDATE: old-key: id[integer]:1 new-tuple: id[integer]:2 name[text]:unchanged-toast-datum
//! table public.t: DELETE: (no-tuple-data)
//! table public.a, public.b: TRUNCATE: restart_seqs
//! COMMIT 752 (at 2026-11-22 03:10:12.123456+00)
//! ```
//!
//! Names and types are quoted where PostgreSQL needs it; in values a quote is doubled and nothing else is changed, so that a
//! value can hold anything, line ends and what looks like the rest of a line too.

use domain::{Error, Result};
use std::borrow::Cow;

/// One line, taken apart as far as its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    /// A transaction begins.
    Begin { xid: u32 },
    /// It ends; `at` is when it was committed, as the server writes a time.
    Commit { at: &'a str },
    /// A row was inserted.
    Insert { table: &'a [u8], new: Tuple<'a> },
    /// A row was changed. Without `old` the row's key is what it was, if the table has one.
    Update { table: &'a [u8], old: Option<Tuple<'a>>, new: Tuple<'a> },
    /// A row was deleted; `None` if nothing says which.
    Delete { table: &'a [u8], old: Option<Tuple<'a>> },
    /// Tables were emptied.
    Truncate { tables: &'a [u8] },
    /// Something that somebody wrote into the log with `pg_logical_emit_message`.
    Message,
}

/// The columns of a row, to be taken one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tuple<'a>(&'a [u8]);

/// A value of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Datum<'a> {
    /// SQL NULL.
    Null,
    /// A large value that did not change.
    Unchanged,
    /// The text form of the type.
    Text(Cow<'a, [u8]>),
}

/// Takes a line apart.
pub(super) fn parse(line: &[u8]) -> Result<Line<'_>> {
    if let Some(change) = line.strip_prefix(b"table ") {
        return table(change);
    }
    if let Some(xid) = line.strip_prefix(b"BEGIN ") {
        return Ok(Line::Begin { xid: number(xid)? });
    }
    if let Some(rest) = line.strip_prefix(b"COMMIT ") {
        let at = memchr::memmem::find(rest, b" (at ").map(|start| &rest[start + 5..]);
        let at = at.and_then(|at| at.strip_suffix(b")")).and_then(|at| std::str::from_utf8(at).ok());
        return Ok(Line::Commit { at: at.ok_or_else(broken)? });
    }
    if line.starts_with(b"message: ") { Ok(Line::Message) } else { Err(broken()) }
}

fn table(change: &[u8]) -> Result<Line<'_>> {
    let (table, rest) = names(change)?;
    let (action, rest) = split_at(rest, b":").ok_or_else(broken)?;
    match action {
        b"INSERT" => Ok(Line::Insert { table, new: Tuple(rest) }),
        b"UPDATE" => match rest.strip_prefix(b" old-key:") {
            None => Ok(Line::Update { table, old: None, new: Tuple(rest) }),
            Some(both) => {
                let mut old = Tuple(both);
                while old.0.first() == Some(&b' ') && !old.0.starts_with(NEW_TUPLE) {
                    old.next()?;
                }
                let new = old.0.strip_prefix(NEW_TUPLE).ok_or_else(broken)?;
                let old = Tuple(&both[..both.len() - old.0.len()]);
                Ok(Line::Update { table, old: Some(old), new: Tuple(new) })
            }
        },
        b"DELETE" if rest == NO_TUPLE => Ok(Line::Delete { table, old: None }),
        b"DELETE" => Ok(Line::Delete { table, old: Some(Tuple(rest)) }),
        b"TRUNCATE" => Ok(Line::Truncate { tables: table }),
        _ => Err(broken()),
    }
}

const NEW_TUPLE: &[u8] = b" new-tuple:";
const NO_TUPLE: &[u8] = b" (no-tuple-data)";

impl<'a> Tuple<'a> {
    /// The next column: its name as written, and its value.
    pub fn next(&mut self) -> Result<Option<(&'a [u8], Datum<'a>)>> {
        if self.0.is_empty() || self.0 == NO_TUPLE {
            return Ok(None);
        }
        let rest = self.0.strip_prefix(b" ").ok_or_else(broken)?;
        let name = &rest[..end_of_name(rest).ok_or_else(broken)?];
        let rest = rest[name.len()..].strip_prefix(b"[").ok_or_else(broken)?;
        let rest = &rest[end_of_type(rest).ok_or_else(broken)? + 2..];
        let (value, length) = datum(rest)?;
        self.0 = &rest[length..];
        Ok(Some((name, value)))
    }
}

/// The value at the start of `rest`, and its length.
fn datum(rest: &[u8]) -> Result<(Datum<'_>, usize)> {
    let quoted = match rest {
        [b'\'', ..] => 1,
        // Strings of bits.
        [b'B', b'\'', ..] => 2,
        _ => {
            let length = memchr::memchr(b' ', rest).unwrap_or(rest.len());
            let value = match &rest[..length] {
                b"null" => Datum::Null,
                b"unchanged-toast-datum" => Datum::Unchanged,
                b"" => return Err(broken()),
                text => Datum::Text(Cow::Borrowed(text)),
            };
            return Ok((value, length));
        }
    };
    let (mut at, mut doubled) = (quoted, false);
    loop {
        at += memchr::memchr(b'\'', &rest[at..]).ok_or_else(broken)?;
        if rest.get(at + 1) != Some(&b'\'') {
            break;
        }
        (at, doubled) = (at + 2, true);
    }
    let text = &rest[quoted..at];
    Ok((Datum::Text(if doubled { Cow::Owned(undoubled(text, b'\'')) } else { Cow::Borrowed(text) }), at + 1))
}

fn undoubled(text: &[u8], quote: u8) -> Vec<u8> {
    let (mut out, mut rest) = (Vec::with_capacity(text.len()), text);
    while let Some(at) = memchr::memchr(quote, rest) {
        out.extend_from_slice(&rest[..=at]);
        rest = rest.get(at + 2..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
    out
}

/// One or more names of tables up to the colon, and what follows the colon and its blank.
fn names(text: &[u8]) -> Result<(&[u8], &[u8])> {
    let mut at = 0;
    loop {
        at += end_of_name(&text[at..]).ok_or_else(broken)?;
        match text.get(at) {
            Some(b'.') => at += 1,
            Some(b',') => at += 2,
            Some(b':') => return Ok((&text[..at], text.get(at + 2..).ok_or_else(broken)?)),
            _ => return Err(broken()),
        }
        if at >= text.len() {
            return Err(broken());
        }
    }
}

/// A schema and a table in it, as they are.
pub(super) type Name = (Vec<u8>, Vec<u8>);

/// Schema and table out of one name, and what follows it.
pub(super) fn table_name(text: &[u8]) -> Option<(Name, &[u8])> {
    let schema = end_of_name(text)?;
    let rest = text[schema..].strip_prefix(b".")?;
    let table = end_of_name(rest)?;
    Some(((unquoted(&text[..schema]), unquoted(&rest[..table])), &rest[table..]))
}

/// The names in the list of a TRUNCATE.
pub(super) fn table_names(mut text: &[u8]) -> Result<Vec<Name>> {
    let mut found = vec![];
    loop {
        let (name, rest) = table_name(text).ok_or_else(broken)?;
        found.push(name);
        match rest.strip_prefix(b", ") {
            Some(more) => text = more,
            None if rest.is_empty() => return Ok(found),
            None => return Err(broken()),
        }
    }
}

/// A name as it is, without the quotes it was written in.
pub(super) fn unquoted(name: &[u8]) -> Vec<u8> {
    match name.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")) {
        Some(inner) => undoubled(inner, b'"'),
        None => name.to_vec(),
    }
}

/// Length of the name at the start: quoted, or up to a byte that stands in none without quotes.
fn end_of_name(text: &[u8]) -> Option<usize> {
    if text.first() != Some(&b'"') {
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_' || *byte == b'$' || *byte >= 0x80;
        let length = text.iter().position(|byte| !plain(byte)).unwrap_or(text.len());
        return (length > 0).then_some(length);
    }
    end_of_quoted(text)
}

fn end_of_quoted(text: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        at += memchr::memchr(b'"', text.get(at..)?)?;
        if text.get(at + 1) != Some(&b'"') {
            return Some(at + 1);
        }
        at += 2;
    }
}

/// Length of the type's name up to its `]:`, which may have brackets and quoted names in it.
fn end_of_type(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        match text.get(at)? {
            b'"' => at += end_of_quoted(&text[at..])?,
            b']' if text.get(at + 1) == Some(&b':') => return Some(at),
            _ => at += 1,
        }
    }
}

fn split_at<'a>(text: &'a [u8], mark: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = memchr::memmem::find(text, mark)?;
    Some((&text[..at], &text[at + mark.len()..]))
}

fn number(text: &[u8]) -> Result<u32> {
    std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).ok_or_else(broken)
}

fn broken() -> Error {
    Error::internal("A change came out of the server's stream in a form that test_decoding does not write.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn columns(mut tuple: Tuple<'_>) -> Vec<(String, Datum<'_>)> {
        let mut found = vec![];
        while let Some((name, value)) = tuple.next().unwrap() {
            found.push((String::from_utf8(unquoted(name)).unwrap(), value));
        }
        found
    }

    fn text(text: &str) -> Datum<'static> {
        Datum::Text(Cow::Owned(text.as_bytes().to_vec()))
    }

    #[test]
    fn every_line_of_the_documentation_is_read() {
        assert_eq!(parse(b"BEGIN 752").unwrap(), Line::Begin { xid: 752 });
        assert_eq!(parse(b"COMMIT 752 (at 2026-11-22 03:10:12.123456+00)").unwrap(), Line::Commit { at: "2026-11-22 03:10:12.123456+00" });
        let Line::Insert { table, new } =
            parse(b"table public.t: INSERT: id[integer]:1 \"a \"\"b\"[text[]]:'{it''s,x: INSERT:}' c[bit varying]:B'01' d[boolean]:true e[text]:null").unwrap()
        else {
            panic!()
        };
        assert_eq!(table, b"public.t");
        let expected =
            [("id", text("1")), ("a \"b", text("{it's,x: INSERT:}")), ("c", text("01")), ("d", text("true")), ("e", Datum::Null)];
        assert_eq!(columns(new), expected.map(|(name, value)| (name.to_owned(), value)));
        let Line::Update { old: Some(old), new, .. } = parse(
            b"table public.t: UPDATE: old-key: \"new-tuple:\"[text]:' new-tuple: x[text]:''y''' new-tuple: id[\"we]:ird\".\"t[]\"[]]:unchanged-toast-datum",
        )
        .unwrap() else {
            panic!()
        };
        assert_eq!(columns(old), [("new-tuple:".to_owned(), text(" new-tuple: x[text]:'y'"))]);
        assert_eq!(columns(new), [("id".to_owned(), Datum::Unchanged)]);
        assert_eq!(parse(b"table public.t: DELETE: (no-tuple-data)").unwrap(), Line::Delete { table: b"public.t", old: None });
        let Line::Insert { new, .. } = parse(b"table public.nothing: INSERT:").unwrap() else { panic!() };
        assert_eq!(columns(new), []);
        let Line::Truncate { tables } = parse(b"table public.a, \"x, y\".\"b: \"\".\": TRUNCATE: restart_seqs cascade").unwrap() else {
            panic!()
        };
        let names: Vec<_> = table_names(tables).unwrap().into_iter().map(|(_, table)| String::from_utf8(table).unwrap()).collect();
        assert_eq!(names, ["a", "b: \"."]);
        assert_eq!(parse(b"message: transactional: 1 prefix: x, sz: 1 content:y").unwrap(), Line::Message);
    }

    #[test]
    fn what_the_plugin_does_not_write_is_refused() {
        for line in
            ["", "BEGIN x", "COMMIT 1", "table", "table t: INSERT:", "table public.t", "table public.t: MERGE: x", "table \"a.b: INSERT:"]
        {
            let failed = match parse(line.as_bytes()) {
                Ok(Line::Insert { table, .. }) => table_name(table).is_none(),
                other => other.is_err(),
            };
            assert!(failed, "{line}");
        }
        for row in [" a", " a[", " a[text]", " a[text]:", " a[text]:'x", " [text]:1", "x", " a[text]:1b[text]:2x y"] {
            let mut tuple = Tuple(row.as_bytes());
            let mut read = || -> Result<()> {
                while tuple.next()?.is_some() {}
                Ok(())
            };
            assert!(read().is_err(), "{row}");
        }
    }

    /// A name as PostgreSQL writes it.
    fn ident(name: &str) -> String {
        let plain = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase());
        if plain { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
    }

    fn tuple(values: &[(String, Option<String>)]) -> String {
        let one = |(name, value): &(String, Option<String>)| match value {
            Some(value) => format!(" {}[\"t]:'\".x[]]:'{}'", ident(name), value.replace('\'', "''")),
            None => format!(" {}[text]:null", ident(name)),
        };
        values.iter().map(one).collect()
    }

    fn rows() -> impl Strategy<Value = Vec<(String, Option<String>)>> {
        let name = prop_oneof!["[a-z]{1,5}", "[ \\[\\]:'\".,a-z-]{1,9}", Just("old-key:".to_owned()), Just("new-tuple:".to_owned())];
        let value = prop_oneof!["[ \\[\\]:'\"\\\\,a-z\n-]{0,20}", ".{0,20}", Just("' new-tuple: a[text]:'x".to_owned())];
        proptest::collection::vec((name, proptest::option::of(value)), 0..5)
    }

    proptest! {
        #[test]
        fn any_change_is_read_back(schema in "[ :,'\".a-z]{1,9}", table in "[ :,'\".a-z]{1,9}", old in rows(), new in rows()) {
            let names = format!("{}.{}", ident(&schema), ident(&table));
            let back = |found: Tuple<'_>| -> Vec<(String, Option<String>)> {
                columns(found).into_iter().map(|(name, value)| (name, match value {
                    Datum::Null => None,
                    Datum::Text(text) => Some(String::from_utf8(text.into_owned()).unwrap()),
                    Datum::Unchanged => panic!(),
                })).collect()
            };
            let update = format!("table {names}: UPDATE: old-key:{} new-tuple:{}", tuple(&old), tuple(&new));
            let Line::Update { table: found, old: Some(found_old), new: found_new } = parse(update.as_bytes()).unwrap() else { panic!() };
            let expected = ((schema.clone().into_bytes(), table.clone().into_bytes()), &b""[..]);
            prop_assert_eq!(table_name(found), Some(expected));
            prop_assert_eq!(back(found_old), old);
            prop_assert_eq!(back(found_new), new.clone());
            let insert = format!("table {names}: INSERT:{}", tuple(&new));
            let Line::Insert { new: found_new, .. } = parse(insert.as_bytes()).unwrap() else { panic!() };
            prop_assert_eq!(back(found_new), new);
            let truncate = format!("table {names}, {names}: TRUNCATE: (no-flags)");
            let Line::Truncate { tables } = parse(truncate.as_bytes()).unwrap() else { panic!() };
            prop_assert_eq!(table_names(tables).unwrap(), vec![(schema.into_bytes(), table.into_bytes()); 2]);
        }

        #[test]
        fn any_line_is_read_or_refused(rest in "(table |BEGIN |COMMIT )?[ \\[\\]:'\".,a-zA-Z(-]{0,60}") {
            if let Ok(Line::Insert { new, .. } | Line::Update { new, .. }) = parse(rest.as_bytes()) {
                let mut new = new;
                while let Ok(Some(_)) = new.next() {}
            }
        }
    }
}
