//! Rows on their way into the staging database.

use super::{
    crew::Crew,
    fates::Becomes,
    fold::{Counted, Fold, Folds},
    spool::Spool,
};
use crate::{
    Members,
    changes::Shape,
    encode::{WideForm, wide_member},
    members::from_io,
    postgres::{
        archive::LARGE_OBJECTS,
        decode::{self, Field},
        sql::is_table_name,
        wire::{Parameter, Session, quote_ident, quote_literal},
    },
    table::{self, Header, RowReader},
    value::damaged,
};
use domain::{Code, Error, Result};
use std::{collections::BTreeMap, io::Read};

/// Bytes of COPY text that are collected before they are handed on.
const PIECE_BYTES: usize = 64 << 10;

/// A member with rows, and the archive that it lies in.
pub(super) type Place<'a> = (&'a dyn Members, String);

/// One piece of the work.
enum Job<'a> {
    Part(&'a Place<'a>),
    /// Rows of a table that changes have added to it.
    New(&'a str, &'a Fold, &'a Spool),
}

/// Loads rows, part by part over several sessions, with changes put into them.
pub(super) fn load(parts: &[Place<'_>], folds: &Folds, crew: &Crew<'_>) -> Result<()> {
    let new = folds.all().map(|(table, fold, spool)| Job::New(table, fold, spool));
    let jobs: Vec<_> = parts.iter().map(Job::Part).chain(new).collect();
    crew.each(&jobs, Ok, |session: &mut Session, job| {
        let (table, loaded) = match job {
            Job::Part((archive, name)) => {
                let mut rows = RowReader::new(archive.open(name)?)?;
                (rows.header().table.clone(), Part { archive: *archive, crew, folds }.copy(session, &mut rows))
            }
            Job::New(table, fold, spool) => ((*table).to_owned(), copy_new(table, fold, spool, session, crew)),
        };
        loaded.map_err(|error| match error.code() {
            Code::Cancelled | Code::ConnectionLost => error,
            _ => error.during(format!("Loading the table {table}")),
        })
    })
}

fn copy_new(table: &str, fold: &Fold, spool: &Spool, session: &mut Session, crew: &Crew<'_>) -> Result<()> {
    let Shape { columns, types, .. } = &fold.shape;
    let target = Target::new(&Header { table: table.to_owned(), columns: columns.clone(), types: types.clone() })?;
    let mut copy = session.copy_in(&format!("COPY {}{} FROM STDIN", target.table, target.columns))?;
    let (mut text, mut sent) = (Vec::with_capacity(2 * PIECE_BYTES), 0);
    fold.new_rows(spool, |row| {
        if !decode::copy_line(row, columns.len(), &mut text)? {
            return Err(damaged(format!("A changed row of {table} in the archive is not in its place.")));
        }
        sent += 1;
        if text.len() >= PIECE_BYTES {
            copy.write(&text)?;
            text.clear();
            crew.context.check()?;
        }
        Ok(())
    })?;
    copy.write(&text)?;
    all_taken(copy.finish()?, sent, &target)
}

fn all_taken(taken: u64, sent: u64, target: &Target) -> Result<()> {
    if taken == sent { Ok(()) } else { Err(Error::internal(format!("The server took {taken} of {sent} rows of {}.", target.table))) }
}

/// The folders of tables in an archive, each with its parts; those of large objects are none.
pub(super) fn folders(archive: &dyn Members) -> BTreeMap<String, Vec<String>> {
    let mut tables: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for name in archive.names() {
        if let Some(end) = name.strip_prefix("data/").and_then(|rest| rest.find('/')) {
            tables.entry(name[..end + "data//".len()].to_owned()).or_default().push(name);
        }
    }
    tables.remove(&table::folder(LARGE_OBJECTS));
    tables
}

/// The parts of all tables, one of each table in turn: tables get in their own way least where many are written at once.
/// Those with most parts come first, so that no big one is left at the end.
pub(super) fn interleaved(mut tables: Vec<Vec<Place<'_>>>) -> Vec<Place<'_>> {
    tables.sort_by_key(|parts| std::cmp::Reverse(parts.len()));
    let longest = tables.first().map_or(0, Vec::len);
    (0..longest).flat_map(|turn| tables.iter().filter_map(move |parts| parts.get(turn).cloned()).collect::<Vec<_>>()).collect()
}

/// One part of a table.
struct Part<'a> {
    archive: &'a dyn Members,
    crew: &'a Crew<'a>,
    folds: &'a Folds,
}

impl Part<'_> {
    fn copy<R: Read>(&self, session: &mut Session, rows: &mut RowReader<R>) -> Result<()> {
        let header = rows.header().clone();
        let target = Target::new(&header)?;
        let fold = self.folds.of(&header.table);
        if fold.is_some_and(|(fold, _)| fold.is_emptied()) {
            return Ok(());
        }
        let mut copy = session.copy_in(&format!("COPY {}{} FROM STDIN", target.table, target.columns))?;
        let (mut text, mut wide, mut sent) = (Vec::with_capacity(2 * PIECE_BYTES), vec![], 0_u64);
        let (mut unreported, mut key, mut counted, mut becomes) = ((0, 0), vec![], Counted::default(), Becomes::Same);
        while let Some(row) = rows.next_row()? {
            unreported = (unreported.0 + 1, unreported.1 + row.len() as u64);
            if let Some((fold, spool)) = fold {
                becomes = fold.becomes(row, &mut key, &mut counted, spool)?;
            }
            let row = match &becomes {
                Becomes::Same => row,
                Becomes::Other(row) => row,
                Becomes::Nothing => continue,
            };
            if decode::copy_line(row, header.columns.len(), &mut text)? {
                sent += 1;
            } else {
                wide.push(row.to_vec());
            }
            if text.len() >= PIECE_BYTES {
                copy.write(&text)?;
                text.clear();
                self.report(&mut unreported)?;
            }
        }
        copy.write(&text)?;
        all_taken(copy.finish()?, sent, &target)?;
        self.report(&mut unreported)?;
        if let Some((fold, _)) = fold {
            fold.count(counted);
        }
        if wide.is_empty() {
            return Ok(());
        }
        let types = target.types(session, &header)?;
        wide.iter().try_for_each(|row| self.insert(session, &types, &target, row))
    }

    fn report(&self, unreported: &mut (u64, u64)) -> Result<()> {
        let (rows, bytes) = std::mem::take(unreported);
        self.crew.context.meter.add(rows, bytes);
        self.crew.context.check()
    }

    /// Inserts a row with values that lie in members of their own; they are streamed from there.
    fn insert(&self, session: &mut Session, types: &[String], target: &Target, row: &[u8]) -> Result<()> {
        self.crew.context.check()?;
        let fields = decode::fields(row, types.len())?;
        let mut readers = self.readers(&fields)?;
        let mut streams = readers.iter_mut();
        let parameters: Option<Vec<_>> = fields
            .iter()
            .map(|field| match field {
                Field::Null => Some(Parameter::Null),
                Field::Text(text) => Some(Parameter::Text(text)),
                Field::Wide { size_bytes, .. } => {
                    streams.next().map(|reader| Parameter::Binary { size_bytes: *size_bytes, reader: reader.as_mut() })
                }
            })
            .collect();
        let mut parameters = parameters.ok_or_else(|| Error::internal("A wide value has no reader."))?;
        let values: Vec<_> = fields.iter().zip(types).enumerate().map(|(at, (field, kind))| placeholder(at + 1, field, kind)).collect();
        let sql = format!("INSERT INTO {}{} OVERRIDING SYSTEM VALUE VALUES ({})", target.table, target.columns, values.join(", "));
        session.execute_with(&sql, &mut parameters)
    }

    fn readers(&self, fields: &[Field<'_>]) -> Result<Vec<Box<dyn Read + Send + '_>>> {
        let hashes = fields.iter().filter_map(|field| match field {
            Field::Wide { hash, .. } => Some(*hash),
            Field::Null | Field::Text(_) => None,
        });
        hashes.map(|hash| self.archive.open(&wide_member(hash))).collect()
    }
}

/// The expression for a value: what is streamed as text is cast to the column's type by the server.
fn placeholder(number: usize, field: &Field<'_>, column_type: &str) -> String {
    match field {
        Field::Wide { form: WideForm::Text, .. } => format!("CAST(${number}::pg_catalog.text AS {column_type})"),
        Field::Wide { form: WideForm::Binary, .. } => format!("${number}::pg_catalog.bytea"),
        Field::Null | Field::Text(_) => format!("${number}"),
    }
}

/// A table as statements name it.
pub(super) struct Target {
    pub table: String,
    /// ` ("a", "b")`, or nothing where there are no columns: SQL has no empty list.
    pub columns: String,
}

impl Target {
    /// Names come from the archive and go into statements: what is not a name is refused.
    pub fn new(header: &Header) -> Result<Self> {
        if !is_table_name(&header.table) || header.types.len() != header.columns.len() {
            return Err(damaged("A part of a table in the archive has a header line that contradicts itself."));
        }
        let names: Vec<_> = header.columns.iter().map(|name| quote_ident(name)).collect();
        let columns = if names.is_empty() { String::new() } else { format!(" ({})", names.join(", ")) };
        Ok(Self { table: header.table.clone(), columns })
    }

    /// The types of the columns, as the new database has them: what the archive says of them goes into no statement.
    fn types(&self, session: &mut Session, header: &Header) -> Result<Vec<String>> {
        let sql = format!(
            "SELECT attname, pg_catalog.format_type(atttypid, atttypmod) FROM pg_catalog.pg_attribute \
             WHERE attrelid = {}::pg_catalog.regclass AND attnum > 0 AND NOT attisdropped",
            quote_literal(&self.table)
        );
        let rows = session.query(&sql)?;
        let known: BTreeMap<_, _> = rows.iter().filter_map(|row| row.get(0).zip(row.get(1))).collect();
        let types = header.columns.iter().map(|name| known.get(name.as_str()).map(|kind| (*kind).to_owned()));
        types.collect::<Option<_>>().ok_or_else(|| damaged(format!("The rows of {} in the archive are not of its columns.", self.table)))
    }
}

/// Reads the bytes of a member that must be small.
pub(super) fn small_member(archive: &dyn Members, name: &str) -> Result<Vec<u8>> {
    const MAX_BYTES: u64 = 1 << 30;
    let mut bytes = vec![];
    archive.open(name)?.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(from_io)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(Error::new(Code::TooLarge, format!("The member {name} of the archive is too large."), "Choose another restore point."));
    }
    Ok(bytes)
}
