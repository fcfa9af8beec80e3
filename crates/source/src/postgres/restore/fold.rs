//! The changes of incrementals, put into the rows of the full backup while these are loaded.
//!
//! What comes out is known before: the digest of a table is a sum over its rows, so that of the full backup, without the rows that
//! go and with those that come, is what the table has to have in the end.

use super::{
    bases::Bases,
    fates::{Becomes, Fates, may_be_wide},
    spool::Spool,
};
use crate::{
    Ahead, Context, Members,
    changes::{self, Change, ChangeReader, Shape},
    encode,
    table::RowReader,
    value::{damaged, pick},
};
use domain::{Code, Error, Result, Summary, TableSummary};
use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    sync::{Mutex, PoisonError},
};

/// Changes whose keys are kept in memory, of all tables together. With its room to grow, each takes 10 to 30 bytes; one that moves a
/// row to another key, up to three times that.
pub(in crate::postgres) const FOLDED_KEYS: u64 = 1_800_000;

/// Changes between two looks at the wish to stop.
const REPORT_CHANGES: u64 = 10_000;

/// The changes of the first incrementals of a chain.
#[derive(Default)]
pub(super) struct Folds {
    tables: BTreeMap<String, Fold>,
    /// Tables whose changes cannot be put into rows that way.
    left: BTreeSet<String>,
    /// The last archive that was taken, by its place in the chain.
    upto: usize,
    spool: Option<Spool>,
}

/// What became of the changes of a chain.
#[derive(Debug, Default)]
pub(super) struct Folded {
    upto: usize,
    left: BTreeSet<String>,
}

/// The changes of one table.
pub(super) struct Fold {
    pub shape: Shape,
    /// Places of the key's columns.
    key: Vec<usize>,
    fates: Fates,
    /// The last archive that changes it.
    changed_in: usize,
    /// Counted while its rows are loaded.
    counted: Mutex<Counted>,
}

/// What happened to some of the rows of a table.
#[derive(Default)]
pub(super) struct Counted {
    /// Rows that were named by changes.
    named: u64,
    went: TableSummary,
    came: TableSummary,
    /// Whether a row was changed that may be large: then what the table holds is not known.
    is_large: bool,
}

impl Folds {
    /// Reads the changes of a chain's archives, as long as no more than so many keys were changed.
    pub fn gather(chain: &[&dyn Members], most_keys: u64, summaries: &[Summary], bases: &Bases, context: &Context) -> Result<Self> {
        let gathered = Spool::new().and_then(|spool| {
            let mut folds = Self { spool: Some(spool), ..Self::default() };
            folds.take(chain, most_keys, summaries, bases, context).map(|()| folds)
        });
        match gathered {
            // They can be applied one after the other instead.
            Err(error) if error.code() == Code::NoSpace => {
                tracing::warn!(%error, "changes are applied after the rows are loaded, which takes longer");
                Ok(Self::default())
            }
            gathered => gathered,
        }
    }

    fn take(&mut self, chain: &[&dyn Members], most_keys: u64, summaries: &[Summary], bases: &Bases, context: &Context) -> Result<()> {
        for (place, summary) in summaries.iter().enumerate().take(chain.len()).skip(1) {
            let changes = summary.changes.as_ref().map_or(0, |it| it.inserts + it.updates + it.deletes);
            if self.tables.values().map(|fold| fold.fates.keys() as u64).sum::<u64>() + changes > most_keys {
                break;
            }
            Taking { folds: self, chain, place, bases, shapes: BTreeMap::new(), unreported: (0, 0), context }.archive()?;
            self.upto = place;
        }
        Ok(())
    }

    /// That of a table.
    pub fn of(&self, table: &str) -> Option<(&Fold, &Spool)> {
        self.tables.get(table).zip(self.spool.as_ref())
    }

    /// All of them, with their tables.
    pub fn all(&self) -> impl Iterator<Item = (&str, &Fold, &Spool)> {
        self.tables.iter().zip(self.spool.as_ref().into_iter().cycle()).map(|((table, fold), spool)| (table.as_str(), fold, spool))
    }

    /// Gives up on the tables of which it turned out that what they hold is not known; says which. Their rows are to be loaded again,
    /// as they are.
    pub fn leave_large(&mut self) -> BTreeSet<String> {
        let is_large = |fold: &Fold| fold.counted.lock().unwrap_or_else(PoisonError::into_inner).is_large;
        let large: BTreeSet<_> = self.tables.extract_if(.., |_, fold| is_large(fold)).map(|(table, _)| table).collect();
        self.left.extend(large.iter().cloned());
        large
    }

    /// Ends them, once all rows are loaded: what was taken, and what those tables hold now.
    pub fn finish(self, summaries: &[Summary], bases: &Bases) -> Result<(Folded, Vec<Ahead>)> {
        let mut ahead = vec![];
        for (table, fold) in self.tables {
            let full = bases.place(&table).and_then(|place| summaries.get(place)).map(|summary| &summary.tables);
            let base = full.and_then(|tables| tables.iter().find(|summary| summary.table == table));
            let base = base.ok_or_else(|| damaged(format!("The archive does not tell what it holds of {table}.")))?;
            ahead.push(fold.finish(base)?);
        }
        Ok((Folded { upto: self.upto, left: self.left }, ahead))
    }
}

impl Folded {
    /// Leaves of the tables that the archive at this place has changes for those that have not got them yet.
    pub fn retain(&self, place: usize, tables: &mut BTreeSet<String>) {
        if place <= self.upto {
            tables.retain(|table| self.left.contains(table));
        }
    }
}

/// The changes of one archive being read.
struct Taking<'a> {
    folds: &'a mut Folds,
    chain: &'a [&'a dyn Members],
    place: usize,
    bases: &'a Bases,
    shapes: BTreeMap<String, Shape>,
    unreported: (u64, u64),
    context: &'a Context,
}

impl Taking<'_> {
    fn archive(&mut self) -> Result<()> {
        let archive = self.chain[self.place];
        for part in changes::parts(archive) {
            self.shapes.clear();
            let mut reader = ChangeReader::new(archive.open(&part)?);
            while let Some(change) = reader.next_change()? {
                self.change(change)?;
            }
        }
        Ok(())
    }

    fn change(&mut self, change: Change<'_>) -> Result<()> {
        match change {
            Change::Begin(_) | Change::Commit => Ok(()),
            Change::Table(table, shape) => {
                if self.folds.tables.get(&table).is_some_and(|fold| fold.shape != shape) {
                    self.leave(&table);
                }
                self.shapes.insert(table, shape);
                Ok(())
            }
            Change::Truncate(tables) => tables.iter().try_for_each(|table| {
                self.with(table, 0, |fates, _, _| {
                    fates.empty();
                    Ok(())
                })
            }),
            Change::Insert(table, row) => self.with(&table, row.len(), |fates, key, spool| fates.insert(key, row, spool)),
            Change::Update(table, key, row) => {
                self.with(&table, key.len() + row.len(), |fates, at, spool| fates.update(at, key, row, spool))
            }
            Change::Delete(table, key) => self.with(&table, key.len(), |fates, _, spool| fates.delete(key, spool)),
        }
    }

    fn with(&mut self, table: &str, bytes: usize, change: impl FnOnce(&mut Fates, &[usize], &mut Spool) -> Result<()>) -> Result<()> {
        self.unreported = (self.unreported.0 + 1, self.unreported.1 + bytes as u64);
        if self.unreported.0 >= REPORT_CHANGES {
            let (changes, bytes) = std::mem::take(&mut self.unreported);
            self.context.meter.add(changes, bytes);
            self.context.check()?;
        }
        let is_for_it = self.bases.place(table).is_some_and(|base| base < self.place) && !self.folds.left.contains(table);
        if !is_for_it {
            return Ok(());
        }
        if !self.is_begun(table)? {
            self.leave(table);
            return Ok(());
        }
        let Folds { tables, spool, .. } = &mut *self.folds;
        let Some((fold, spool)) = tables.get_mut(table).zip(spool.as_mut()) else { return Ok(()) };
        fold.changed_in = self.place;
        change(&mut fold.fates, &fold.key, spool)
            .map_err(|error| if error.code() == Code::Damaged { error.during(format!("In the table {table}")) } else { error })?;
        if fold.fates.is_large {
            self.leave(table);
        }
        Ok(())
    }

    /// `false` if rows of the table cannot be found by their key, or are not written as its changes are.
    fn is_begun(&mut self, table: &str) -> Result<bool> {
        let Entry::Vacant(vacant) = self.folds.tables.entry(table.to_owned()) else { return Ok(true) };
        let Some(shape) = self.shapes.get(table).filter(|shape| !shape.key.is_empty()) else { return Ok(false) };
        let key: Option<Vec<_>> = shape.key.iter().map(|key| shape.columns.iter().position(|column| column == key)).collect();
        let (Some(key), Some((base, part))) = (key, self.bases.first_part(table)) else { return Ok(false) };
        let rows = RowReader::new(self.chain[base].open(part)?)?;
        if rows.header().columns != shape.columns {
            return Ok(false);
        }
        vacant.insert(Fold { shape: shape.clone(), key, fates: Fates::new(), changed_in: self.place, counted: Mutex::default() });
        Ok(true)
    }

    fn leave(&mut self, table: &str) {
        tracing::debug!(table, "changes of a table are applied after its rows are loaded");
        self.folds.tables.remove(table);
        self.folds.left.insert(table.to_owned());
    }
}

impl Fold {
    /// Whether the rows that the full backup holds are all gone.
    pub fn is_emptied(&self) -> bool {
        self.fates.is_emptied
    }

    /// What becomes of a row of the full backup. `key` is room for its key.
    pub fn becomes(&self, row: &[u8], key: &mut Vec<u8>, counted: &mut Counted, spool: &Spool) -> Result<Becomes> {
        key.clear();
        pick(row, &self.key, key)?;
        let becomes = self.fates.of(key, row, spool)?;
        if becomes != Becomes::Same {
            counted.named += 1;
            add(&mut counted.went, row);
        }
        if let Becomes::Other(other) = &becomes {
            add(&mut counted.came, other);
            counted.is_large |= may_be_wide(row) || may_be_wide(other);
        }
        Ok(becomes)
    }

    /// Gives the rows that the full backup does not hold.
    pub fn new_rows(&self, spool: &Spool, mut each: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let mut counted = Counted::default();
        self.fates.new_rows(spool, |row| {
            add(&mut counted.came, row);
            each(row)
        })?;
        self.count(counted);
        Ok(())
    }

    /// Adds what was counted for a part of the rows.
    pub fn count(&self, part: Counted) {
        let Counted { named, went, came, is_large } = &mut *self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        *named += part.named;
        *is_large |= part.is_large;
        for (all, part) in [(went, part.went), (came, part.came)] {
            all.rows += part.rows;
            all.bytes += part.bytes;
            all.digest.merge(part.digest);
        }
    }

    /// What the table holds, if its rows were those of `base`.
    fn finish(self, base: &TableSummary) -> Result<Ahead> {
        let Counted { named, went, came, .. } = self.counted.into_inner().unwrap_or_else(PoisonError::into_inner);
        let (table, wanted) = (&base.table, self.fates.named);
        if named != wanted {
            return Err(damaged(format!(
                "The changes of {table} in the archive do not fit its rows: {wanted} are named, and {named} were found."
            )));
        }
        let mut summary =
            if self.fates.is_emptied { TableSummary { table: table.clone(), ..TableSummary::default() } } else { base.clone() };
        let broken = || Error::internal(format!("More rows of {table} went than there were."));
        summary.rows = (summary.rows + came.rows).checked_sub(went.rows).ok_or_else(broken)?;
        summary.bytes = (summary.bytes + came.bytes).checked_sub(went.bytes).ok_or_else(broken)?;
        summary.digest.merge(came.digest);
        summary.digest.take_away(went.digest);
        Ok(Ahead { summary, changed_in: self.changed_in })
    }
}

fn add(summary: &mut TableSummary, row: &[u8]) {
    summary.rows += 1;
    summary.bytes += row.len() as u64;
    summary.digest.add(encode::row_hash(row));
}
