//! What was kept of a backup, made anew from the archives of its chain.

use super::{
    define::{self, Definer},
    encoder::rowid_key,
    fault::Subject,
    full::Properties,
    read::keys_file,
    schema::{self, Layout, Table},
    state::State,
};
use crate::{
    Context, Description, Members,
    changes::{self, Change, ChangeReader},
    encode,
    keys::{self, Sorter},
    members::read_all,
    table::{self, RowReader},
    value::{self, damaged},
};
use domain::{Result, Summary, TableSummary};
use rusqlite::Connection;
use std::{collections::BTreeMap, path::Path};

/// Makes the state after the last of `chain` in the empty folder `state`.
pub fn rebuild(database: &str, chain: &[&dyn Members], state: &Path, context: &Context) -> Result<()> {
    let (Some(full), Some(last)) = (chain.first(), chain.last()) else { return Err(damaged("A chain holds no archive.")) };
    let subject = Subject(database.to_owned());
    let objects = schema::read(*full)?;
    let fault = |error| subject.fault("Rehearsing the definitions", error);
    let connection = Connection::open_in_memory().map_err(fault)?;
    define::prepare(&connection, context).map_err(fault)?;
    Definer::new(&connection, &objects, &subject).tables()?;
    let layout = Layout::new(&connection, &subject)?;
    let mut tables = BTreeMap::new();
    for object in objects.iter().filter(|object| object.is_stored_table()) {
        tables.insert(object.name.clone(), layout.table(&object.name)?);
    }
    let rebuild = Rebuild { tables: tables.into_iter().filter(|(_, table)| !table.key_at.is_empty()).collect(), state, context };
    let mut known = BTreeMap::new();
    for archive in chain {
        rebuild.rows(*archive)?;
        rebuild.changes(*archive)?;
        let summary: Summary = json(*archive, "summary.json")?;
        known.extend(summary.tables.into_iter().chain(summary.after).map(|table| (table.table.clone(), table)));
    }
    let description: Description = json(*last, "archive.json")?;
    let tables: Vec<TableSummary> = known.into_values().collect();
    State::of(&objects, &Properties::of(&description)?, &tables).save(state)
}

fn json<T: serde::de::DeserializeOwned>(archive: &dyn Members, name: &str) -> Result<T> {
    serde_json::from_slice(&read_all(archive, name)?)
        .map_err(|error| damaged(format!("The member {name} of the archive cannot be read.")).because(error))
}

struct Rebuild<'a> {
    /// Tables whose rows have keys.
    tables: BTreeMap<String, Table>,
    state: &'a Path,
    context: &'a Context,
}

/// The changes of one table.
struct Changed {
    gone: Sorter,
    set: Sorter,
}

impl Rebuild<'_> {
    /// The keys of all tables whose rows the archive holds.
    fn rows(&self, archive: &dyn Members) -> Result<()> {
        for (name, table) in &self.tables {
            let parts = table::parts(archive, name);
            if parts.is_empty() {
                continue;
            }
            let mut sorter = Sorter::new(self.state);
            for part in parts {
                let mut rows = RowReader::new(archive.open(&part)?)?;
                while let Some(row) = rows.next_row()? {
                    sorter.push(&key_of_row(table, row)?, encode::row_hash(row))?;
                }
                self.context.check()?;
            }
            keys::merge(vec![sorter], &keys_file(self.state, name))?;
        }
        Ok(())
    }

    fn changes(&self, archive: &dyn Members) -> Result<()> {
        let mut changed: BTreeMap<&str, Changed> = BTreeMap::new();
        for part in changes::parts(archive) {
            let mut reader = ChangeReader::new(archive.open(&part)?);
            while let Some(change) = reader.next_change()? {
                let (name, key, row) = match &change {
                    Change::Insert(name, row) => (name, None, Some(row)),
                    Change::Update(name, key, row) => (name, Some(key), Some(row)),
                    Change::Delete(name, key) => (name, Some(key), None),
                    _ => continue,
                };
                let Some((name, table)) = self.tables.get_key_value(name.as_ref()) else { continue };
                let changed =
                    changed.entry(name.as_str()).or_insert_with(|| Changed { gone: Sorter::new(self.state), set: Sorter::new(self.state) });
                if let Some(key) = key {
                    changed.gone.push(&key_of_change(table, key)?, 0)?;
                }
                if let Some(row) = row {
                    changed.set.push(&key_of_row(table, row)?, encode::row_hash(row))?;
                }
            }
            self.context.check()?;
        }
        changed.into_iter().try_for_each(|(name, changed)| self.apply(name, changed))
    }

    fn apply(&self, name: &str, changed: Changed) -> Result<()> {
        let file = keys_file(self.state, name);
        let [gone, set, to] = ["gone", "set", "to"].map(|ending| file.with_extension(ending));
        keys::merge(vec![changed.gone], &gone)?;
        keys::merge(vec![changed.set], &set)?;
        keys::changed(&file, &gone, &set, &to)?;
        let moved = std::fs::rename(&to, &file).and_then(|()| std::fs::remove_file(&gone)).and_then(|()| std::fs::remove_file(&set));
        moved.map_err(|error| keys::failed(&file, error))
    }
}

/// The key of an encoded row, as [`super::encoder::Encoder::key`] gives it.
fn key_of_row(table: &Table, row: &[u8]) -> Result<Vec<u8>> {
    let raw = value::raw(row)?;
    let broken = || damaged(format!("A row of the table {:?} has too few values.", table.name));
    let values = table.key_at.iter().map(|at| raw.get(*at).copied().ok_or_else(broken)).collect::<Result<Vec<_>>>()?;
    key(table, &values)
}

fn key_of_change(table: &Table, named: &[u8]) -> Result<Vec<u8>> {
    key(table, &value::raw(named)?)
}

fn key(table: &Table, values: &[&[u8]]) -> Result<Vec<u8>> {
    if table.rowid.is_none() {
        return Ok([b"[", values.join(&b","[..]).as_slice(), b"]"].concat());
    }
    let rowid = values.first().and_then(|value| std::str::from_utf8(value).ok()?.parse().ok());
    rowid.map(|rowid| rowid_key(rowid).to_vec()).ok_or_else(|| damaged(format!("A rowid of the table {:?} is no number.", table.name)))
}
