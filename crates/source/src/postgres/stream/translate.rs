//! Lines of the stream as the changes of an archive.
//!
//! Of all transactions those are taken that the backup's snapshot sees and the one before did not. So nothing is taken twice,
//! whatever the server gives again, and what is read whole under the same snapshot fits exactly.

use super::{
    line::{self, Datum, Line, Tuple},
    lsn::Lsn,
    visible::Visible,
};
use crate::{
    changes::{ChangeWriter, Transaction, UNCHANGED},
    postgres::{copy::plain, follow::known::Known, names},
};
use domain::{Error, Result};
use jiff::Timestamp;
use std::{
    collections::{BTreeSet, HashMap},
    io::{BufReader, Read, Seek, SeekFrom, Write},
};
use tempfile::SpooledTempFile;

/// A transaction beyond this is kept in a file until its end, which alone tells when it was committed.
const SPOOL_BYTES: usize = 8 << 20;

/// Which transactions of a stream are taken, and how far it may be forgotten afterwards.
pub(in crate::postgres) struct Sieve<'a> {
    sees: &'a Visible,
    saw: &'a Visible,
    progress: Progress,
}

/// How far a stream was looked at.
#[derive(Clone, Debug)]
pub(in crate::postgres) struct Progress {
    /// The number of the transaction that is being read, if it is taken.
    taken: Option<u32>,
    /// End of the last transaction of which, with all before it, nothing is needed again.
    done: Lsn,
    /// Whether a transaction was met that the snapshot does not see: it belongs to the next backup.
    is_held: bool,
}

impl Progress {
    /// Nothing yet of a stream that begins at `from`.
    pub fn none(from: Lsn) -> Self {
        Self { taken: None, done: from, is_held: false }
    }
}

impl<'a> Sieve<'a> {
    /// For the rest of a stream: what `sees` sees and `saw` did not.
    pub fn new(sees: &'a Visible, saw: &'a Visible, progress: Progress) -> Self {
        Self { sees, saw, progress }
    }

    /// How far it is.
    pub fn progress(self) -> Progress {
        self.progress
    }

    fn is_taken(&self) -> bool {
        self.progress.taken.is_some()
    }

    fn begin(&mut self, xid: u32) {
        let wide = self.sees.widen(xid);
        self.progress.is_held |= !self.sees.sees(wide);
        self.progress.taken = (self.sees.sees(wide) && !self.saw.sees(wide)).then_some(xid);
    }

    fn commit(&mut self, end: Lsn) -> Option<u32> {
        if !self.progress.is_held {
            self.progress.done = end;
        }
        self.progress.taken.take()
    }

    /// Looks at a line; says whether it is a change that is taken, of a table whose name `is_wanted`.
    pub fn is_change(&mut self, lsn: Lsn, line: &[u8], is_wanted: &mut dyn FnMut(&str) -> Result<bool>) -> Result<bool> {
        if !self.is_taken() && line.starts_with(b"table ") {
            return Ok(false);
        }
        let mut is_wanted = |(schema, table): &line::Name| label(schema, table).map_or(Ok(false), |label| is_wanted(&label));
        match line::parse(line)? {
            Line::Begin { xid } => self.begin(xid),
            Line::Commit { .. } => drop(self.commit(lsn)),
            Line::Message => {}
            Line::Insert { table, .. } | Line::Update { table, .. } | Line::Delete { table, .. } => {
                return line::table_name(table).map_or(Ok(false), |(name, _)| is_wanted(&name));
            }
            Line::Truncate { tables } => {
                for name in line::table_names(tables)? {
                    if is_wanted(&name)? {
                        return Ok(true);
                    }
                }
            }
        }
        Ok(false)
    }

    /// Where the next stream may begin, when this one was read up to `upto`.
    pub fn advance(&self, upto: Lsn) -> Lsn {
        let Progress { done, is_held, .. } = self.progress;
        if is_held { done } else { done.max(upto) }
    }
}

/// What is known of a table while its changes are read.
struct Streamed<'a> {
    known: &'a Known,
    /// Whether its rows come otherwise, or from here on.
    is_over: bool,
}

/// Writes the changes of a stream.
pub(in crate::postgres) struct Translator<'a, 's> {
    sieve: Sieve<'a>,
    tables: Vec<Streamed<'a>>,
    by_name: HashMap<Vec<u8>, Option<usize>>,
    by_label: HashMap<&'a str, usize>,
    out: ChangeWriter<'s>,
    spool: SpooledTempFile,
    spooled: u64,
    /// Tables whose rows are to be read whole, because a change did not tell which row it meant.
    unclear: BTreeSet<u32>,
    row: Vec<u8>,
    key: Vec<u8>,
}

/// What a spooled change is.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Kind {
    Insert,
    Update,
    Delete,
    Truncate,
}

impl<'a, 's> Translator<'a, 's> {
    /// Changes of `tables`, without those whose rows come `otherwise`.
    pub fn new(sieve: Sieve<'a>, tables: &'a [Known], otherwise: &BTreeSet<u32>, out: ChangeWriter<'s>) -> Self {
        let streamed = |known: &'a Known| Streamed { known, is_over: known.is_compared || otherwise.contains(&known.oid) };
        Self {
            sieve,
            by_label: tables.iter().enumerate().map(|(at, known)| (known.label.as_str(), at)).collect(),
            tables: tables.iter().map(streamed).collect(),
            by_name: HashMap::new(),
            out,
            spool: SpooledTempFile::new(SPOOL_BYTES),
            spooled: 0,
            unclear: BTreeSet::new(),
            row: vec![],
            key: vec![],
        }
    }

    /// Takes one line.
    pub fn line(&mut self, lsn: Lsn, text: &[u8]) -> Result<()> {
        if !self.sieve.is_taken() && text.starts_with(b"table ") {
            return Ok(());
        }
        match line::parse(text)? {
            Line::Begin { xid } => self.sieve.begin(xid),
            Line::Commit { at } => {
                if let Some(xid) = self.sieve.commit(lsn).filter(|_| self.spooled > 0) {
                    self.write_transaction(xid, at)?;
                }
            }
            Line::Message => {}
            Line::Insert { table, new } => {
                if let Some(at) = self.table(table) {
                    let known = self.tables[at].known;
                    self.key.clear();
                    if row(known, new, &mut self.row)? { self.spool(Kind::Insert, at)? } else { self.unclear(at)? }
                }
            }
            Line::Update { table, old, new } => {
                if let Some(at) = self.table(table) {
                    let known = self.tables[at].known;
                    let clear = key(known, old.unwrap_or(new), &mut self.key)? && row(known, new, &mut self.row)?;
                    if clear { self.spool(Kind::Update, at)? } else { self.unclear(at)? }
                }
            }
            Line::Delete { table, old } => {
                if let Some(at) = self.table(table) {
                    let known = self.tables[at].known;
                    let clear = old.map_or(Ok(false), |old| key(known, old, &mut self.key))?;
                    self.row.clear();
                    if clear { self.spool(Kind::Delete, at)? } else { self.unclear(at)? }
                }
            }
            Line::Truncate { tables } => {
                for (schema, table) in line::table_names(tables)? {
                    if let Some(at) = self.by_parts(&schema, &table).filter(|at| !self.tables[*at].is_over) {
                        self.row.clear();
                        self.key.clear();
                        self.spool(Kind::Truncate, at)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Ends the changes: what was written, how far the stream may be forgotten, and which tables are to be read whole.
    pub fn finish(self, upto: Lsn) -> Result<(domain::ChangeSummary, Lsn, BTreeSet<u32>)> {
        let advance = self.sieve.advance(upto);
        Ok((self.out.finish()?, advance, self.unclear))
    }

    /// The table of a change, if its changes are wanted. A name that no table has any more is of one that was dropped, or
    /// renamed, which its mark tells.
    fn table(&mut self, name: &[u8]) -> Option<usize> {
        let found = match self.by_name.get(name) {
            Some(found) => *found,
            None => {
                let found = line::table_name(name).and_then(|((schema, table), _)| self.by_parts(&schema, &table));
                self.by_name.insert(name.to_vec(), found);
                found
            }
        };
        found.filter(|at| !self.tables[*at].is_over)
    }

    fn by_parts(&self, schema: &[u8], table: &[u8]) -> Option<usize> {
        self.by_label.get(label(schema, table)?.as_str()).copied()
    }

    /// From here on only reading the whole table tells its rows. A delete without a key stands for all that follows.
    fn unclear(&mut self, at: usize) -> Result<()> {
        self.row.clear();
        self.key.clear();
        self.key.extend_from_slice(b"[]");
        self.spool(Kind::Delete, at)?;
        self.tables[at].is_over = true;
        self.unclear.insert(self.tables[at].known.oid);
        Ok(())
    }

    fn spool(&mut self, kind: Kind, at: usize) -> Result<()> {
        let mut head = [0; 13];
        head[0] = kind as u8;
        for (place, number) in [(1, at), (5, self.key.len()), (9, self.row.len())] {
            let number = u32::try_from(number).map_err(|error| Error::internal("A change is too large.").because(error))?;
            head[place..place + 4].copy_from_slice(&number.to_le_bytes());
        }
        self.spooled += 1;
        [&head[..], &self.key, &self.row].into_iter().try_for_each(|bytes| self.spool.write_all(bytes)).map_err(spool_failed)
    }

    fn write_transaction(&mut self, xid: u32, at: &str) -> Result<()> {
        let broken = || Error::internal(format!("A transaction was committed at {at:?}, which is no time."));
        let at: Timestamp = at.parse().map_err(|error| broken().because(error))?;
        self.out.begin(&Transaction { xid: Some(xid.to_string()), at })?;
        self.spool.seek(SeekFrom::Start(0)).map_err(spool_failed)?;
        let mut spool = BufReader::with_capacity(64 << 10, &mut self.spool);
        for _ in 0..std::mem::take(&mut self.spooled) {
            let mut head = [0; 13];
            spool.read_exact(&mut head).map_err(spool_failed)?;
            let number = |place: usize| u32::from_le_bytes([head[place], head[place + 1], head[place + 2], head[place + 3]]) as usize;
            self.key.resize(number(5), 0);
            self.row.resize(number(9), 0);
            spool.read_exact(&mut self.key).and_then(|()| spool.read_exact(&mut self.row)).map_err(spool_failed)?;
            let Known { label, shape, .. } = self.tables[number(1)].known;
            match head[0] {
                kind if kind == Kind::Insert as u8 => self.out.insert(label, shape, &self.row)?,
                kind if kind == Kind::Update as u8 => self.out.update(label, shape, &self.key, &self.row)?,
                kind if kind == Kind::Delete as u8 => self.out.delete(label, shape, &self.key)?,
                _ => self.out.truncate(&[label.as_str()])?,
            }
        }
        drop(spool);
        self.spool.set_len(0).and_then(|()| self.spool.seek(SeekFrom::Start(0))).map_err(spool_failed)?;
        self.out.commit()
    }
}

/// The name of a table as the archive has it; `None` if it is not UTF-8, and so not that of a table that is read.
fn label(schema: &[u8], table: &[u8]) -> Option<String> {
    Some(names::label(std::str::from_utf8(schema).ok()?, std::str::from_utf8(table).ok()?))
}

fn spool_failed(error: std::io::Error) -> Error {
    Error::new(
        domain::Code::NoSpace,
        "A transaction of the change stream could not be kept in a temporary file.",
        "Make room in the folder for temporary files (TMPDIR), then start again.",
    )
    .because(error)
}

/// Writes a row; `false` if its columns are not those of the table.
fn row(known: &Known, mut tuple: Tuple<'_>, out: &mut Vec<u8>) -> Result<bool> {
    out.clear();
    out.push(b'[');
    for column in &known.columns {
        let mut ahead = tuple;
        let found = ahead.next()?.filter(|(name, _)| is_named(name, &column.name));
        // A generated column may be there, and is not written.
        let Some(kind) = column.kind else {
            tuple = if found.is_some() { ahead } else { tuple };
            continue;
        };
        let Some((_, value)) = found else { return Ok(false) };
        tuple = ahead;
        if out.len() > 1 {
            out.push(b',');
        }
        match value {
            Datum::Null => out.extend_from_slice(b"null"),
            Datum::Unchanged => out.extend_from_slice(UNCHANGED),
            Datum::Text(text) => plain(kind, &text, out),
        }
    }
    out.push(b']');
    Ok(tuple.next()?.is_none())
}

/// Writes the key of a row; `false` if there is none in it. Of an old row only what is not NULL is there.
fn key(known: &Known, tuple: Tuple<'_>, out: &mut Vec<u8>) -> Result<bool> {
    out.clear();
    out.push(b'[');
    for wanted in &known.shape.key {
        let column = known.columns.iter().find(|column| column.name == *wanted);
        let Some(kind) = column.and_then(|column| column.kind) else { return Ok(false) };
        let mut columns = tuple;
        let value = loop {
            match columns.next()? {
                Some((name, Datum::Text(text))) if is_named(name, wanted) => break text,
                Some((name, _)) if is_named(name, wanted) => return Ok(false),
                Some(_) => {}
                None => return Ok(false),
            }
        };
        if out.len() > 1 {
            out.push(b',');
        }
        plain(kind, &value, out);
    }
    out.push(b']');
    Ok(!known.is_keyless())
}

fn is_named(written: &[u8], name: &str) -> bool {
    if written.first() == Some(&b'"') { line::unquoted(written) == name.as_bytes() } else { written == name.as_bytes() }
}
