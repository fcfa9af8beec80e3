//! An incremental: the rows that differ from those of the last backup.

use super::{
    cell::{self, Bound, Encoding, Wide},
    connect::quoted,
    encoder::{Encoder, key_as_json, rowid_of},
    full::Full,
    job::select,
    load::bind_all,
    read::{Fault, Reader, keys_file},
    schema::Table,
};
use crate::{
    Context, Description, Reading, Sink,
    changes::{self, ChangeWriter, Shape, Transaction},
    keys::{Difference, differences, lost},
    value,
};
use domain::{Error, Result, Summary, TableSummary};
use jiff::Timestamp;
use rusqlite::{Connection, Statement};
use std::{path::PathBuf, sync::Arc};

/// A moment with what differs in it from the last backup.
pub struct Incremental {
    /// The moment, and where its own state goes.
    pub full: Full,
    /// The state of the last backup.
    pub from: PathBuf,
    /// Every stored table, as it is now.
    pub tables: Vec<TableSummary>,
    /// Those that differ.
    pub changed: Vec<Table>,
    /// When the moment was taken.
    pub begun_at: Timestamp,
}

impl Reading for Incremental {
    fn description(&self) -> &Description {
        self.full.description()
    }

    fn expected_bytes(&self) -> u64 {
        0
    }

    fn read(mut self: Box<Self>, sink: &dyn Sink, context: &Context) -> Result<Summary> {
        let wide = Wide::new(sink);
        // SQLite's own tables come last: loading the others changes them.
        self.changed.sort_by_key(|table| table.name.starts_with("sqlite_"));
        let (compared, whole): (Vec<_>, Vec<_>) = std::mem::take(&mut self.changed).into_iter().partition(|table| !table.key_at.is_empty());
        let changes = changes::write(sink, context, |mut writer| {
            writer.begin(&Transaction { xid: None, at: self.begun_at })?;
            for table in &compared {
                self.write(table, &mut writer, &wide, context)?;
            }
            writer.commit()?;
            writer.finish()
        })?;

        let is_whole = |name: &str| whole.iter().any(|table| table.name == name);
        let objects: Vec<_> = self.full.objects.iter().filter(|object| is_whole(&object.name)).cloned().collect();
        let reader = Reader { subject: &self.full.subject, encoding: self.full.properties.encoding, objects: &objects, keys: None };
        let tables = reader.read(&mut self.full.moment.readers, &wide, context)?;
        let after = self.tables.into_iter().filter(|table| !is_whole(&table.table)).collect();
        Ok(Summary { tables, after, changes: Some(changes), position: self.full.position()?, ..Summary::default() })
    }
}

impl Incremental {
    fn write(&self, table: &Table, writer: &mut ChangeWriter<'_>, wide: &Wide<'_>, context: &Context) -> Result<()> {
        let encoding = self.full.properties.encoding;
        let fault = |error| match error {
            Fault::Sqlite(error) => self.full.subject.fault(format_args!("Reading the table {:?}", table.name), error),
            Fault::Ours(error) => error,
        };
        let shape = shape(table);
        let mut fetch = Fetch::new(self.full.connection()?, table, encoding).map_err(fault)?;
        let files = [&self.from, self.full.state()?].map(|folder| keys_file(folder, &table.name));
        differences(&files[0], &files[1], |difference, key| {
            context.check()?;
            let named = key_as_json(table, key)?;
            if difference == Difference::Deleted {
                return writer.delete(&table.name, &shape, &named);
            }
            let row = fetch.row(key, wide).map_err(fault)?;
            context.meter.add(1, row.len() as u64);
            match difference {
                Difference::Inserted => writer.insert(&table.name, &shape, row),
                _ => writer.update(&table.name, &shape, &named, row),
            }
        })
    }
}

/// How changes of a table are written.
pub fn shape(table: &Table) -> Arc<Shape> {
    let header = table.header();
    let key = table.key_at.iter().map(|at| header.columns[*at].clone()).collect();
    Arc::new(Shape { columns: header.columns, types: header.types, key })
}

/// Reads single rows of one table.
struct Fetch<'a> {
    connection: &'a Connection,
    table: &'a Table,
    encoding: Encoding,
    statement: Statement<'a>,
    encoder: Encoder<'a>,
}

impl<'a> Fetch<'a> {
    fn new(connection: &'a Connection, table: &'a Table, encoding: Encoding) -> Result<Self, Fault> {
        let sql = match table.rowid {
            Some(_) => select(table, encoding, true),
            None => by_key(table, encoding, &vec!["?"; table.key_at.len()]),
        };
        Ok(Self { connection, table, encoding, statement: connection.prepare(&sql)?, encoder: Encoder::new(encoding, table) })
    }

    fn row(&mut self, key: &[u8], wide: &Wide<'_>) -> Result<&[u8], Fault> {
        let encoder = &mut self.encoder;
        let taken = if self.table.rowid.is_some() {
            let rowid = rowid_of(key).ok_or_else(lost)?;
            self.statement.raw_bind_parameter(1, rowid)?;
            self.statement.raw_bind_parameter(2, rowid)?;
            take_one(&mut self.statement, encoder, wide)?
        } else {
            let mut values = vec![];
            value::split(key, |value| {
                values.push(value);
                Ok(())
            })?;
            let bound = values.iter().map(|value| cell::decode_value(value, |_, _| Err(lost()))).collect::<Result<Vec<_>>>()?;
            if bound.iter().any(|value| matches!(value, Bound::StoredText(_))) {
                let casts: Vec<_> =
                    bound.iter().map(|value| if matches!(value, Bound::StoredText(_)) { "CAST(? AS TEXT)" } else { "?" }).collect();
                let mut statement = self.connection.prepare_cached(&by_key(self.table, self.encoding, &casts))?;
                bind_all(&mut statement, &bound)?;
                take_one(&mut statement, encoder, wide)?
            } else {
                bind_all(&mut self.statement, &bound)?;
                take_one(&mut self.statement, encoder, wide)?
            }
        };
        if taken == 1 {
            return Ok(self.encoder.row());
        }
        // The same moment holds the rows whose keys were read.
        Err(Error::internal(format!("{taken} rows of the table {:?} have the key that one has.", self.table.name)).into())
    }
}

/// Encodes the row that a statement finds, and says how many it found.
fn take_one(statement: &mut Statement<'_>, encoder: &mut Encoder<'_>, wide: &Wide<'_>) -> Result<usize, Fault> {
    let mut rows = statement.raw_query();
    let mut found = 0;
    while let Some(row) = rows.next()? {
        encoder.encode(row, wide)?;
        found += 1;
    }
    Ok(found)
}

fn by_key(table: &Table, encoding: Encoding, parameters: &[&str]) -> String {
    let names = table.values();
    let terms: Vec<String> = table.key_at.iter().zip(parameters).map(|(at, parameter)| format!("{} IS {parameter}", names[*at])).collect();
    let sql = select(table, encoding, false);
    debug_assert!(sql.contains(&quoted(&table.name)));
    // The index is the table itself.
    format!("{} WHERE {}", sql.replace(" NOT INDEXED", ""), terms.join(" AND "))
}
