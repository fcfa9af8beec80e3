//! Which archive of a chain each table's rows come from.
//!
//! An incremental holds some tables whole. What comes before it of such a table need not be loaded or applied, and could not be
//! if its definition has changed since. Where a moment inside of the last archive was asked for, what that one holds whole is not wanted. Definitions are always
//! those of the last archive that has any; a moment before they changed, and inside the same incremental, is refused.

use super::{
    large_objects,
    rows::{self, Place},
};
use crate::{
    Members,
    postgres::{archive::PRE_DATA, names, wire::Session},
    table,
    value::damaged,
};
use domain::{Code, Error, Result, Summary};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// The tables of the new database.
pub(super) fn tables(session: &mut Session) -> Result<Vec<String>> {
    let rows = session.query(
        "SELECT n.nspname, c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'",
    )?;
    rows.iter().map(|row| Ok(names::label(row.text(0)?, row.text(1)?))).collect()
}

/// The archive whose definitions are used.
pub(super) fn defining(chain: &[&dyn Members]) -> Result<usize> {
    chain.iter().rposition(|archive| defines(*archive)).ok_or_else(|| damaged("The archive holds no definitions."))
}

fn defines(archive: &dyn Members) -> bool {
    archive.names().iter().any(|name| name == PRE_DATA)
}

/// A moment that is not the end of an archive's changes.
pub(super) fn inside(summary: &Summary, until: Option<Timestamp>) -> Option<Timestamp> {
    until.filter(|until| summary.covers.is_none_or(|covered| *until < covered.to))
}

/// Refuses a moment that no schema fits.
pub(super) fn check_moment(archive: &dyn Members, summary: &Summary, until: Option<Timestamp>) -> Result<()> {
    match (inside(summary, until), summary.covers.filter(|_| defines(archive))) {
        (None, _) | (_, None) => Ok(()),
        (Some(until), Some(covered)) => Err(Error::new(
            Code::NotFound,
            format!("Definitions changed between {} and {}: {until} in between cannot be restored.", covered.from, covered.to),
            format!("Choose {} or an earlier moment, or {} or a later one.", covered.from, covered.to),
        )),
    }
}

/// The archive, by its place in the chain, that the rows of each table come from.
#[derive(Debug, Default)]
pub(super) struct Bases {
    tables: BTreeMap<String, (usize, Vec<String>)>,
    /// That of large objects.
    pub objects: Option<usize>,
    /// The archive whose changes come next, or were the last.
    current: usize,
}

impl Bases {
    /// For the tables that the new database has, or one of them. What the last archive holds whole is not wanted if a moment `inside`
    /// of it is.
    pub fn of(chain: &[&dyn Members], tables: &[String], only_table: Option<&str>, inside: bool) -> Result<Self> {
        let mut bases = Self::default();
        let labels: BTreeMap<String, &String> = tables.iter().map(|label| (table::folder(label), label)).collect();
        let last = chain.len() - 1;
        for (place, archive) in chain.iter().enumerate() {
            if place > 0 && place == last && inside {
                break;
            }
            if large_objects::are_in(*archive) {
                bases.objects = Some(place);
            }
            for (folder, parts) in rows::folders(*archive) {
                // A table that is not there any more was dropped after this archive.
                let Some(label) = labels.get(&folder) else { continue };
                if only_table.is_none_or(|only| only == *label) {
                    bases.tables.insert((*label).clone(), (place, parts));
                }
            }
        }
        if chain.len() == 1 {
            bases.check_whole(*chain.first().ok_or_else(|| Error::internal("A restore was given no archive."))?, &labels)?;
        }
        match only_table {
            Some(table) if !bases.tables.contains_key(table) => Err(Error::new(
                Code::NotFound,
                format!("The backup holds no table named {table}."),
                "Give it as schema.table, as `rookery cat` lists it.",
            )),
            _ => Ok(bases),
        }
    }

    /// An archive has no rows of a table that it does not define.
    fn check_whole(&self, archive: &dyn Members, labels: &BTreeMap<String, &String>) -> Result<()> {
        match rows::folders(archive).keys().find(|folder| !labels.contains_key(*folder)) {
            Some(folder) => Err(damaged(format!("The archive holds rows in {folder}, and defines no such table."))),
            None => Ok(()),
        }
    }

    /// The members of wanted tables, in the order to load them.
    pub fn parts<'a>(&self, chain: &[&'a dyn Members], is_wanted: impl Fn(&str) -> bool) -> Vec<Place<'a>> {
        let places = |(place, parts): &(usize, Vec<String>)| parts.iter().map(|name| (chain[*place], name.clone())).collect();
        rows::interleaved(self.tables.iter().filter(|(table, _)| is_wanted(table)).map(|(_, place)| places(place)).collect())
    }

    /// Bytes of the rows to load.
    pub fn bytes(&self, summaries: &[Summary]) -> u64 {
        let of = |(table, (place, _)): (&String, &(usize, Vec<String>))| {
            summaries.get(*place).and_then(|summary| summary.tables.iter().find(|it| it.table == *table)).map_or(0, |it| it.bytes)
        };
        self.tables.iter().map(of).sum()
    }

    /// Goes on to the changes of the next archive: its place, and the tables that they are for, whose rows come from before it.
    pub fn next(&mut self) -> (usize, BTreeSet<String>) {
        self.current += 1;
        let open = self.tables.iter().filter(|(_, (place, _))| *place < self.current);
        (self.current, open.map(|(table, _)| table.clone()).collect())
    }

    /// The archive that the rows of a table come from.
    pub fn place(&self, table: &str) -> Option<usize> {
        self.tables.get(table).map(|(place, _)| *place)
    }

    /// The archive and the first member with rows of a table.
    pub fn first_part(&self, table: &str) -> Option<(usize, &str)> {
        self.tables.get(table).and_then(|(place, parts)| Some((*place, parts.first()?.as_str())))
    }
}
