//! The rows of one table on their way into and out of an archive.
//!
//! A table's rows lie in members `data/<table>/<part>.ndjson.zst`, each beginning with a header line.
//! Several threads may write parts of the same table; which rows are in which part means nothing.

use crate::{Context, Members, Sink, encode, gently, members::from_io, value};
use domain::{Code, Error, Result, RowDigest, TableSummary, name};
use serde::{Deserialize, Serialize};
use std::{
    io::{BufRead, BufReader},
    sync::atomic::{AtomicU32, Ordering::Relaxed},
};

/// The first line of every part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The table, as in [`TableSummary::table`].
    pub table: String,
    /// Names of the columns that the rows hold, in their order.
    pub columns: Vec<String>,
    /// Their types, as the Dbms names them.
    pub types: Vec<String>,
}

/// Where the parts of `table` lie, with the trailing slash.
#[must_use]
pub fn folder(table: &str) -> String {
    format!("data/{}/", name::escape(table))
}

/// A table being written; shared by the threads that read it.
pub struct Table<'a> {
    sink: &'a dyn Sink,
    table: String,
    header: Vec<u8>,
    next_part: AtomicU32,
}

impl<'a> Table<'a> {
    /// A table that begins with part 0.
    pub fn new(sink: &'a dyn Sink, header: &Header) -> Result<Self> {
        let mut line = serde_json::to_vec(header).map_err(|error| Error::internal("A header line could not be written.").because(error))?;
        line.push(b'\n');
        Ok(Self { sink, table: header.table.clone(), header: line, next_part: AtomicU32::new(0) })
    }

    /// A writer for one thread.
    pub fn writer(&'a self, context: &'a Context) -> RowWriter<'a> {
        RowWriter {
            table: self,
            context,
            member: None,
            member_bytes: 0,
            unreported: (0, 0),
            rows: 0,
            bytes: 0,
            digest: RowDigest::default(),
        }
    }

    /// Writes an empty part if no thread wrote any, so that the table and its columns are in the archive.
    pub fn finish(&self) -> Result<()> {
        if self.next_part.load(Relaxed) == 0 { self.begin()?.finish() } else { Ok(()) }
    }

    fn begin(&self) -> Result<Box<dyn crate::Member + '_>> {
        let part = self.next_part.fetch_add(1, Relaxed);
        let mut member = self.sink.member(&format!("{}{part:06}.ndjson.zst", folder(&self.table)))?;
        member.write(&self.header)?;
        Ok(member)
    }
}

/// Writes rows of one table from one thread, a part at a time, and counts them.
pub struct RowWriter<'a> {
    table: &'a Table<'a>,
    context: &'a Context,
    member: Option<Box<dyn crate::Member + 'a>>,
    member_bytes: usize,
    unreported: (u64, u64),
    rows: u64,
    bytes: u64,
    digest: RowDigest,
}

impl RowWriter<'_> {
    /// Writes one row: a JSON array without a line end.
    pub fn row(&mut self, line: &[u8]) -> Result<()> {
        self.rows(&[line])
    }

    fn rows(&mut self, lines: &[&[u8]]) -> Result<()> {
        for line in lines {
            let member = match &mut self.member {
                Some(member) => member,
                none => none.insert(self.table.begin()?),
            };
            member.write(line)?;
            member.write(b"\n")?;
            self.digest.add(encode::row_hash(line));
            self.rows += 1;
            self.bytes += line.len() as u64;
            self.unreported = (self.unreported.0 + 1, self.unreported.1 + line.len() as u64);
            self.member_bytes += line.len() + 1;
            if self.unreported.1 >= 256 << 10 {
                self.report()?;
            }
            if self.member_bytes >= encode::PART_BYTES {
                self.end_part()?;
            }
        }
        Ok(())
    }

    /// Ends the writer and returns what it wrote, to be merged with other writers of the table.
    pub fn finish(mut self) -> Result<TableSummary> {
        self.end_part()?;
        self.report()?;
        Ok(TableSummary { table: self.table.table.clone(), rows: self.rows, bytes: self.bytes, digest: self.digest })
    }

    fn end_part(&mut self) -> Result<()> {
        self.member_bytes = 0;
        self.member.take().map_or(Ok(()), crate::Member::finish)
    }

    fn report(&mut self) -> Result<()> {
        let (rows, bytes) = std::mem::take(&mut self.unreported);
        self.context.meter.add(rows, bytes);
        gently::go_on(self.context)
    }
}

/// Names of the members that hold rows of `table`.
pub fn parts(archive: &dyn Members, table: &str) -> Vec<String> {
    let folder = folder(table);
    archive.names().into_iter().filter(|name| name.starts_with(&folder)).collect()
}

/// The longest line that a reader accepts. Values over [`encode::WIDE_BYTES`] lie out of line where the Dbms
/// tells their size beforehand; what remains (arrays, documents) is bounded by the servers themselves at 1 GB.
const MAX_LINE_BYTES: usize = 1 << 30;

/// Reads one part, line by line.
pub struct RowReader<R> {
    input: BufReader<R>,
    header: Header,
    line: Vec<u8>,
}

impl<R: std::io::Read> RowReader<R> {
    /// Reads the header line.
    pub fn new(input: R) -> Result<Self> {
        let mut reader = Self {
            input: BufReader::with_capacity(256 << 10, input),
            header: Header { table: String::new(), columns: vec![], types: vec![] },
            line: vec![],
        };
        let header = reader.next_line()?.and_then(|line| serde_json::from_slice(line).ok());
        reader.header = header.ok_or_else(|| value::damaged("A part of a table has no header line."))?;
        Ok(reader)
    }

    /// The header line.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The next row, without its line end, or `None` at the end.
    pub fn next_row(&mut self) -> Result<Option<&[u8]>> {
        self.next_line()
    }

    fn next_line(&mut self) -> Result<Option<&[u8]>> {
        self.line.clear();
        loop {
            let chunk = self.input.fill_buf().map_err(from_io)?;
            if chunk.is_empty() {
                return if self.line.is_empty() { Ok(None) } else { Err(value::damaged("A part of a table ends inside a row.")) };
            }
            let end = memchr::memchr(b'\n', chunk);
            let taken = end.unwrap_or(chunk.len());
            if self.line.len() + taken > MAX_LINE_BYTES {
                return Err(Error::new(
                    Code::TooLarge,
                    "A row in the archive is larger than any server can hold.",
                    "Choose another restore point.",
                ));
            }
            self.line.extend_from_slice(&chunk[..taken]);
            self.input.consume(taken + usize::from(end.is_some()));
            if end.is_some() {
                return Ok(Some(&self.line));
            }
        }
    }
}
