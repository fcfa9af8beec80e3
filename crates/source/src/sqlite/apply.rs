//! The changes of an incremental, applied to a new database.
//!
//! All rows that are deleted or changed go before any comes, so that no row ever meets the old version of another one that had
//! the same unique value.

use super::{
    connect::quoted,
    incremental::shape,
    load::{Insert, Loader, execute},
    schema::{Layout, Object, Table},
};
use crate::{
    changes::{self, Change, ChangeReader, Shape},
    table,
    value::damaged,
};
use domain::{Error, Result};
use rusqlite::types::Value;
use std::{borrow::Cow, collections::BTreeMap};

/// What is to be done with the rows that a change names.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pass {
    Delete,
    Insert,
}

/// A row of `sqlite_sequence`: rowid, name and counter.
type Sequence = (i64, Value, Value);

/// Applies one archive.
pub struct Applier<'a> {
    /// Loads rows of the archive.
    pub loader: &'a Loader<'a>,
    /// All tables that are wanted.
    pub objects: &'a [&'a Object],
    /// Whether changes of other tables may be there.
    pub only_some: bool,
}

impl Applier<'_> {
    /// Applies all changes and returns how many rows they named.
    pub fn apply(&self) -> Result<u64> {
        let layout = Layout::new(self.loader.connection, self.loader.subject)?;
        let mut tables = BTreeMap::new();
        for object in self.objects {
            tables.insert(object.name.as_str(), (layout.table(&object.name)?, object.is_internal()));
        }
        let sequences = self.sequences()?;
        let users = self.pass(&tables, false, Pass::Delete)? + self.pass(&tables, false, Pass::Insert)?;
        self.replace(&tables, false)?;
        // SQLite counts along while rows are inserted; its counters change only as the archive tells.
        self.put_sequences(sequences)?;
        let own = self.pass(&tables, true, Pass::Delete)? + self.pass(&tables, true, Pass::Insert)?;
        self.replace(&tables, true)?;
        Ok(users + own)
    }

    /// Goes once through all changes of the users' tables or of SQLite's own.
    fn pass(&self, tables: &BTreeMap<&str, (Table, bool)>, internal: bool, pass: Pass) -> Result<u64> {
        let mut open: BTreeMap<&str, Open<'_>> = BTreeMap::new();
        let mut count = 0;
        for part in changes::parts(self.loader.archive) {
            let mut reader = ChangeReader::new(self.loader.archive.open(&part)?);
            while let Some(change) = reader.next_change()? {
                let find = |name: &str| match tables.get_key_value(name) {
                    Some((name, (table, is_internal))) => Ok(Some((*name, table)).filter(|_| *is_internal == internal)),
                    None if self.only_some => Ok(None),
                    None => Err(damaged(format!("The archive changes a table {name:?} that it does not define."))),
                };
                let (name, key, row): (Cow<'_, str>, Option<&[u8]>, Option<&[u8]>) = match change {
                    Change::Table(name, told) => {
                        find(&name)?.map_or(Ok(()), |(_, table)| check_shape(table, &told))?;
                        continue;
                    }
                    Change::Begin(_) | Change::Commit => continue,
                    Change::Truncate(_) => return Err(damaged("The archive empties a table in a way that SQLite has not.")),
                    Change::Insert(name, row) => (name, None, Some(row)),
                    Change::Update(name, key, row) => (name, Some(key), Some(row)),
                    Change::Delete(name, key) => (name, Some(key), None),
                };
                let Some((name, table)) = find(&name)? else { continue };
                let open = match open.entry(name) {
                    std::collections::btree_map::Entry::Occupied(open) => open.into_mut(),
                    std::collections::btree_map::Entry::Vacant(empty) => empty.insert(Open::new(self.loader, table)?),
                };
                match (pass, key, row) {
                    (Pass::Delete, Some(key), _) => open.delete(key)?,
                    (Pass::Insert, _, Some(row)) => open.insert.row(row)?,
                    _ => continue,
                }
                // One that is changed is deleted and inserted; it counts once.
                count += u64::from(pass == Pass::Insert || row.is_none());
                if count % 1024 == 0 {
                    self.loader.context.check()?;
                }
                self.loader.context.meter.add(1, row.or(key).map_or(0, <[u8]>::len) as u64);
            }
        }
        Ok(count)
    }

    /// Loads anew the tables that the archive holds as a whole.
    fn replace(&self, tables: &BTreeMap<&str, (Table, bool)>, internal: bool) -> Result<()> {
        for (name, (table, _)) in tables.iter().filter(|(_, (_, is_internal))| *is_internal == internal) {
            let parts = table::parts(self.loader.archive, name);
            if parts.is_empty() {
                continue;
            }
            self.run(&format!("DELETE FROM main.{}", quoted(name)))?;
            self.loader.load(table, &parts)?;
        }
        Ok(())
    }

    /// What SQLite counts for tables with `AUTOINCREMENT`.
    fn sequences(&self) -> Result<Vec<Sequence>> {
        if !self.has_sequences() {
            return Ok(vec![]);
        }
        let read = || -> rusqlite::Result<Vec<Sequence>> {
            let mut statement = self.loader.connection.prepare("SELECT rowid, name, seq FROM main.sqlite_sequence")?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
            rows.collect()
        };
        read().map_err(|error| self.fault(error))
    }

    fn put_sequences(&self, rows: Vec<Sequence>) -> Result<()> {
        if !self.has_sequences() {
            return Ok(());
        }
        self.run("DELETE FROM main.sqlite_sequence")?;
        for row in rows {
            let sql = "INSERT INTO main.sqlite_sequence (rowid, name, seq) VALUES (?1, ?2, ?3)";
            self.loader.connection.execute(sql, row).map_err(|error| self.fault(error))?;
        }
        Ok(())
    }

    fn has_sequences(&self) -> bool {
        self.objects.iter().any(|object| object.name == "sqlite_sequence")
    }

    fn run(&self, sql: &str) -> Result<()> {
        self.loader.connection.execute_batch(sql).map_err(|error| self.fault(error))
    }

    fn fault(&self, error: rusqlite::Error) -> Error {
        self.loader.subject.fault("Applying changes", error)
    }
}

fn check_shape(table: &Table, told: &Shape) -> Result<()> {
    if *told == *shape(table) {
        return Ok(());
    }
    Err(damaged(format!("The columns of the changes are not those of the table {:?}.", table.name)))
}

/// One table while changes are applied.
struct Open<'a> {
    loader: &'a Loader<'a>,
    table: &'a Table,
    insert: Insert<'a>,
}

impl<'a> Open<'a> {
    fn new(loader: &'a Loader<'a>, table: &'a Table) -> Result<Self> {
        Ok(Self { loader, table, insert: Insert::new(loader, table)? })
    }

    fn delete(&self, key: &[u8]) -> Result<()> {
        let names = self.table.values();
        let gone = execute(self.loader, self.table, key, self.table.key_at.len(), |parameters| {
            let terms = self.table.key_at.iter().zip(parameters).map(|(at, parameter)| format!("{} IS {parameter}", names[*at]));
            format!("DELETE FROM main.{} WHERE {}", quoted(&self.table.name), terms.collect::<Vec<_>>().join(" AND "))
        })?;
        if gone == 1 {
            return Ok(());
        }
        Err(damaged(format!(
            "A change of the table {:?} names a row by the key {}, and there are {gone} such rows.",
            self.table.name,
            String::from_utf8_lossy(key)
        )))
    }
}
