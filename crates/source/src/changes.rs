//! The changes of an incremental, on their way into and out of an archive.
//!
//! They lie in members `changes/<part>.ndjson.zst`, transactions in the order of their commits, one JSON array a line:
//!
//! ```text
//! ["table","public.t",{"columns":["id","name"],"types":["integer","text"],"key":["id"]}]   before a part's first change of the table
//! ["begin",{"xid":"735","at":"2026-11-22T03:10:12.123456Z"}]
//! ["insert","public.t",[1,"a"]]
//! ["update","public.t",[1],[1,"b"]]                                                        the key that the row had, and the row
//! ["delete","public.t",[1]]
//! ["truncate",["public.t"]]
//! ["commit"]
//! ```
//!
//! A value of an updated row that was not read because it did not change is `{"unchanged":true}`.

use crate::{
    Context, Member, Members, Sink, encode, gently,
    members::from_io,
    value::{self, damaged},
};
use domain::{ChangeSummary, Error, Result};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::{
    borrow::Cow,
    collections::BTreeMap,
    io::{BufRead, BufReader, Read},
    sync::Arc,
    thread::{self, ScopedJoinHandle},
};

const FOLDER: &str = "changes/";

/// Bytes after which the next change begins a new part: less than parts of tables have, for the last one is compressed, and all of them are
/// checked, when nothing is left to do beside.
const PART_BYTES: usize = 1 << 20;

/// Stands for a value that did not change and was not read.
pub const UNCHANGED: &[u8] = b"{\"unchanged\":true}";

/// How the rows and keys of a table are written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shape {
    /// Names of the columns that rows hold, in their order.
    pub columns: Vec<String>,
    /// Their types, as the Dbms names them.
    pub types: Vec<String>,
    /// Names of the columns that keys hold, in their order; empty where no row is ever named by its key.
    pub key: Vec<String>,
}

/// What a transaction says at its beginning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transaction {
    /// Its number, in the server's own text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub xid: Option<String>,
    /// When it was committed, by the server's clock.
    pub at: Timestamp,
}

/// Lets `work` write changes into `sink`. While one part is gathered, the sink compresses the one before it, on a thread that gives way
/// if `context` says so.
///
/// # Errors
/// Those of `work` and of the sink.
pub fn write<T>(sink: &dyn Sink, context: &Context, work: impl FnOnce(ChangeWriter<'_>) -> Result<T>) -> Result<T> {
    thread::scope(|scope| {
        work(ChangeWriter {
            sink,
            end: Box::new(move |member| gently::spawn(scope, context, || member.finish())),
            ending: None,
            member: None,
            member_bytes: 0,
            next_part: 0,
            told: BTreeMap::new(),
            line: vec![],
            counted: ChangeSummary::default(),
        })
    })
}

/// The end of a member, under way.
type Ending<'a> = ScopedJoinHandle<'a, Result<()>>;

/// Writes changes, a part at a time, and counts them. See [`write()`].
pub struct ChangeWriter<'a> {
    sink: &'a dyn Sink,
    end: Box<dyn Fn(Box<dyn Member + 'a>) -> Ending<'a> + 'a>,
    /// The part before.
    ending: Option<Ending<'a>>,
    member: Option<Box<dyn Member + 'a>>,
    member_bytes: usize,
    next_part: u32,
    /// Tables that the part has told of.
    told: BTreeMap<String, Arc<Shape>>,
    line: Vec<u8>,
    counted: ChangeSummary,
}

impl ChangeWriter<'_> {
    /// Begins a transaction.
    pub fn begin(&mut self, transaction: &Transaction) -> Result<()> {
        self.counted.transactions += 1;
        self.json(&("begin", transaction))
    }

    /// A row, encoded, that was inserted.
    pub fn insert(&mut self, table: &str, shape: &Arc<Shape>, row: &[u8]) -> Result<()> {
        self.counted.inserts += 1;
        self.change("insert", table, shape, &[row])
    }

    /// A row that was changed: the key that it had, encoded, and what it is now.
    pub fn update(&mut self, table: &str, shape: &Arc<Shape>, key: &[u8], row: &[u8]) -> Result<()> {
        self.counted.updates += 1;
        self.change("update", table, shape, &[key, row])
    }

    /// The key of a row that was deleted, encoded.
    pub fn delete(&mut self, table: &str, shape: &Arc<Shape>, key: &[u8]) -> Result<()> {
        self.counted.deletes += 1;
        self.change("delete", table, shape, &[key])
    }

    /// Tables that were emptied as a whole.
    pub fn truncate(&mut self, tables: &[&str]) -> Result<()> {
        self.counted.truncates += tables.len() as u64;
        self.json(&("truncate", tables))
    }

    /// Ends a transaction.
    pub fn commit(&mut self) -> Result<()> {
        self.json(&("commit",))?;
        // Only here, so that no transaction lies in two parts unless it is larger than both.
        if self.member_bytes >= PART_BYTES { self.end_part() } else { Ok(()) }
    }

    /// Ends the writer and says what it wrote.
    pub fn finish(mut self) -> Result<ChangeSummary> {
        self.end_part()?;
        self.ended()?;
        Ok(self.counted)
    }

    fn change(&mut self, what: &str, table: &str, shape: &Arc<Shape>, arrays: &[&[u8]]) -> Result<()> {
        if self.member_bytes >= PART_BYTES {
            self.end_part()?;
        }
        if self.told.get(table) != Some(shape) {
            self.json(&("table", table, &**shape))?;
            self.told.insert(table.to_owned(), Arc::clone(shape));
        }
        self.line.clear();
        self.line.extend_from_slice(b"[\"");
        self.line.extend_from_slice(what.as_bytes());
        self.line.extend_from_slice(b"\",");
        encode::string(&mut self.line, table);
        for array in arrays {
            self.line.push(b',');
            self.line.extend_from_slice(array);
        }
        self.line.push(b']');
        self.write_line()
    }

    fn json(&mut self, value: &impl Serialize) -> Result<()> {
        self.line.clear();
        serde_json::to_writer(&mut self.line, value)
            .map_err(|error| Error::internal("A line of changes could not be written.").because(error))?;
        self.write_line()
    }

    fn write_line(&mut self) -> Result<()> {
        // A sink may keep all others waiting for the end of a member that grows large: none before it may be open then, and none after it
        // may be begun before its end.
        let is_large = self.line.len() > PART_BYTES;
        if is_large {
            self.ended()?;
        }
        if self.member.is_none() {
            self.member = Some(self.sink.member(&format!("{FOLDER}{:06}.ndjson.zst", self.next_part))?);
            self.next_part += 1;
        }
        self.counted.digest.add(encode::row_hash(&self.line));
        self.line.push(b'\n');
        self.member_bytes += self.line.len();
        self.member.as_mut().map_or(Ok(()), |member| member.write(&self.line))?;
        if is_large { self.end_part() } else { Ok(()) }
    }

    fn end_part(&mut self) -> Result<()> {
        self.member_bytes = 0;
        // Each part stands for itself, so that it can be read without those before it.
        self.told.clear();
        let Some(member) = self.member.take() else { return Ok(()) };
        // One at a time, so that they stay in their order.
        self.ended()?;
        self.ending = Some((self.end)(member));
        Ok(())
    }

    /// Waits for the end of the part before.
    fn ended(&mut self) -> Result<()> {
        let ended = self.ending.take().map_or(Ok(Ok(())), ScopedJoinHandle::join);
        ended.map_err(|_| Error::internal("A thread that compressed changes ended."))?
    }
}

/// One line of changes. Rows and keys are raw JSON arrays, to be taken apart by [`crate::value::split`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change<'l> {
    /// How rows of a table are written from here on.
    Table(String, Shape),
    /// A transaction begins.
    Begin(Transaction),
    /// A row was inserted into a table.
    Insert(Cow<'l, str>, &'l [u8]),
    /// The row of a table that had this key was changed into this one.
    Update(Cow<'l, str>, &'l [u8], &'l [u8]),
    /// The row of a table that had this key was deleted.
    Delete(Cow<'l, str>, &'l [u8]),
    /// Tables were emptied.
    Truncate(Vec<String>),
    /// The transaction ends.
    Commit,
}

/// Names of the members that hold changes, in their order.
pub fn parts(archive: &dyn Members) -> Vec<String> {
    let mut names: Vec<_> = archive.names().into_iter().filter(|name| is_part(name)).collect();
    names.sort_unstable();
    names
}

/// Whether a member holds changes.
#[must_use]
pub fn is_part(member: &str) -> bool {
    member.starts_with(FOLDER)
}

/// The longest line of changes: two rows of the largest size.
const MAX_LINE_BYTES: u64 = 2 << 30;

/// Reads the lines of one part.
pub struct ChangeReader<R> {
    input: BufReader<R>,
    line: Vec<u8>,
}

impl<R: Read> ChangeReader<R> {
    /// A reader of `input`.
    pub fn new(input: R) -> Self {
        Self { input: BufReader::with_capacity(256 << 10, input), line: vec![] }
    }

    /// The next line, without its end, or `None` at the end.
    pub fn next_line(&mut self) -> Result<Option<&[u8]>> {
        self.line.clear();
        let read = (&mut self.input).take(MAX_LINE_BYTES).read_until(b'\n', &mut self.line).map_err(from_io)?;
        if read == 0 {
            return Ok(None);
        }
        if self.line.pop() != Some(b'\n') {
            return Err(damaged("The changes in the archive end inside a line."));
        }
        Ok(Some(&self.line))
    }

    /// The next change, or `None` at the end.
    pub fn next_change(&mut self) -> Result<Option<Change<'_>>> {
        if self.next_line()?.is_none() {
            return Ok(None);
        }
        parse(&self.line).map(Some)
    }
}

/// Counts a line as the writer did, and gives the rows and keys in it, which are not looked into: the count has a hash of the line.
///
/// # Errors
/// [`domain::Code::Damaged`] if it is none.
pub fn count<'l>(line: &'l [u8], counted: &mut ChangeSummary) -> Result<impl Iterator<Item = &'l [u8]>> {
    let (counter, arrays) = match parse(line)? {
        Change::Begin(_) => (Some((&mut counted.transactions, 1)), [None; 2]),
        Change::Insert(_, row) => (Some((&mut counted.inserts, 1)), [Some(row), None]),
        Change::Update(_, key, row) => (Some((&mut counted.updates, 1)), [Some(key), Some(row)]),
        Change::Delete(_, key) => (Some((&mut counted.deletes, 1)), [Some(key), None]),
        Change::Truncate(tables) => (Some((&mut counted.truncates, tables.len() as u64)), [None; 2]),
        Change::Table(..) | Change::Commit => (None, [None; 2]),
    };
    if let Some((counter, more)) = counter {
        *counter += more;
    }
    counted.digest.add(encode::row_hash(line));
    Ok(arrays.into_iter().flatten())
}

/// Takes one line apart.
///
/// # Errors
/// [`domain::Code::Damaged`] if it is none.
fn parse(line: &[u8]) -> Result<Change<'_>> {
    let (mut fields, mut count) = ([&b""[..]; 4], 0);
    value::split_raw(line, |field| {
        *fields.get_mut(count).ok_or_else(broken)? = field;
        count += 1;
        Ok(())
    })
    .map_err(|error| broken().because(error))?;
    match &fields[..count] {
        [b"\"table\"", table, shape] => Ok(Change::Table(name(table)?.into_owned(), json(shape)?)),
        [b"\"begin\"", transaction] => Ok(Change::Begin(json(transaction)?)),
        [b"\"insert\"", table, row] => Ok(Change::Insert(name(table)?, array(row)?)),
        [b"\"update\"", table, key, row] => Ok(Change::Update(name(table)?, array(key)?, array(row)?)),
        [b"\"delete\"", table, key] => Ok(Change::Delete(name(table)?, array(key)?)),
        [b"\"truncate\"", tables] => Ok(Change::Truncate(json(tables)?)),
        [b"\"commit\""] => Ok(Change::Commit),
        _ => Err(broken()),
    }
}

fn broken() -> Error {
    damaged("A line of changes in the archive cannot be read.")
}

fn json<'l, T: Deserialize<'l>>(text: &'l [u8]) -> Result<T> {
    serde_json::from_slice(text).map_err(|error| broken().because(error))
}

fn name(text: &[u8]) -> Result<Cow<'_, str>> {
    match text.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")) {
        Some(plain) if !plain.contains(&b'\\') => std::str::from_utf8(plain).map(Cow::Borrowed).map_err(|error| broken().because(error)),
        _ => json::<String>(text).map(Cow::Owned),
    }
}

fn array(text: &[u8]) -> Result<&[u8]> {
    if text.starts_with(b"[") { Ok(text) } else { Err(broken()) }
}
