//! Changes of rows without a stream: the server marks each row with the transaction that wrote it (`xmin`), and the keys that
//! were there tell which rows are gone.
//!
//! A row that the prior's snapshot did not see was written by a transaction that had not ended then: its number is not before
//! the snapshot's oldest. Some rows that it did see have such a number too; they are written again, which changes nothing.

use super::{known::Known, prior::Prior};
use crate::{
    Context,
    changes::{ChangeWriter, Transaction},
    gently::{self, Stride},
    keys::{self, Difference, Keys, Sorter, Writer, differences},
    postgres::{
        copy::{Encoder, Kind},
        wire::{Session, quote_ident},
    },
};
use domain::{ChangeSummary, Error, Result};
use jiff::Timestamp;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

/// Numbers of transactions are compared in a circle of 4 billion: a prior older than this is not compared with any more.
const MAX_AGE: i64 = 1_000_000_000;

/// A comparison of all rows with those of the prior.
pub(super) struct Comparing {
    /// SQL that is true of every row that the prior did not see.
    newer: String,
    before: PathBuf,
    after: PathBuf,
    /// Tables with changes that are told by their keys.
    changed: BTreeSet<u32>,
    pub has_changes: bool,
}

/// What a scan of keys found.
#[derive(Debug, Default)]
pub(super) struct Scanned {
    /// Rows of tables without a key.
    pub counts: BTreeMap<u32, u64>,
    /// Tables with rows that are newer.
    newer: BTreeSet<u32>,
}

impl Comparing {
    /// Nothing is read yet; or why nothing can be compared.
    pub fn new(prior: &Prior, (before, after): (&Path, &Path), session: &mut Session) -> Result<std::result::Result<Self, String>> {
        let oldest = prior.visible.xmin & 0xffff_ffff;
        let age = session.query(&format!("SELECT age('{oldest}'::xid)"))?;
        let age: i64 = age.first().ok_or_else(|| Error::internal("The server told no age."))?.parse(0)?;
        if !(0..MAX_AGE).contains(&age) {
            return Ok(Err("Too many transactions lie between the backup before and now to compare rows by their numbers.".into()));
        }
        let newer = format!("age(xmin) <= age('{oldest}'::xid)");
        Ok(Ok(Self { newer, before: before.to_owned(), after: after.to_owned(), changed: BTreeSet::new(), has_changes: false }))
    }

    /// Scans all tables but those that are read whole anyway; names those without a key that have to be read whole, and
    /// returns the number of rows of each table without a key.
    ///
    /// # Errors
    /// [`domain::Code::StateLost`] if the keys of the prior are gone.
    pub fn scan(
        &mut self,
        tables: &[Known],
        whole: &BTreeSet<u32>,
        counts: &BTreeMap<u32, u64>,
        session: &mut Session,
        context: &Context,
    ) -> Result<(BTreeSet<u32>, BTreeMap<u32, u64>)> {
        let scanned = scan(session, tables, Some(&self.newer), &self.after, context)?;
        let mut dirty = BTreeSet::new();
        for known in tables.iter().filter(|known| !known.is_compared && !whole.contains(&known.oid)) {
            let is_newer = scanned.newer.contains(&known.oid);
            if known.is_keyless() {
                if is_newer || scanned.counts.get(&known.oid) != counts.get(&known.oid) {
                    dirty.insert(known.oid);
                }
                continue;
            }
            // Known to be there now, while a full backup can still take its place.
            drop(Keys::open(&file(&self.before, known))?);
            let mut differs = is_newer;
            if !differs {
                differences(&file(&self.before, known), &marked(&self.after, known), |_, _| {
                    differs = true;
                    Ok(())
                })?;
            }
            if differs {
                self.changed.insert(known.oid);
            }
        }
        self.has_changes = !self.changed.is_empty();
        Ok((dirty, scanned.counts))
    }

    /// Writes the changes, as one transaction: a row that changed is deleted and inserted again.
    pub fn write(
        &self,
        at: Timestamp,
        tables: &[Known],
        session: &mut Session,
        mut out: ChangeWriter<'_>,
        context: &Context,
    ) -> Result<ChangeSummary> {
        let mut stride = Stride::default();
        if self.has_changes {
            out.begin(&Transaction { xid: None, at })?;
        }
        for known in tables.iter().filter(|known| self.changed.contains(&known.oid)) {
            differences(&file(&self.before, known), &marked(&self.after, known), |difference, key| match difference {
                Difference::Inserted => Ok(()),
                Difference::Changed | Difference::Deleted => out.delete(&known.label, &known.shape, key),
            })?;
            let columns: Vec<_> = known.shape.columns.iter().map(|column| quote_ident(column)).collect();
            let sql = format!("COPY (SELECT {} FROM ONLY {} WHERE {}) TO STDOUT", columns.join(", "), known.label, self.newer);
            let (encoder, mut row) = (Encoder::new(known.columns.iter().filter_map(|column| column.kind).collect()), vec![]);
            session.copy_out(&sql, |line| {
                encoder.row(line, &mut row)?;
                out.insert(&known.label, &known.shape, &row)?;
                stride.add(line.len(), context)
            })?;
        }
        if self.has_changes {
            out.commit()?;
        }
        for known in tables {
            // What only this comparison needed.
            let _ = std::fs::remove_file(marked(&self.after, known));
        }
        out.finish()
    }
}

fn file(folder: &Path, known: &Known) -> PathBuf {
    folder.join(format!("keys-{}", known.oid))
}

fn marked(folder: &Path, known: &Known) -> PathBuf {
    folder.join(format!("marked-{}", known.oid))
}

/// Writes the keys of all tables, in order, into `folder`: beside each file another, in which rows that are `newer` are marked.
pub(super) fn scan(session: &mut Session, tables: &[Known], newer: Option<&str>, folder: &Path, context: &Context) -> Result<Scanned> {
    gently::run(context, || scan_all(session, tables, newer, folder, context))
}

fn scan_all(session: &mut Session, tables: &[Known], newer: Option<&str>, folder: &Path, context: &Context) -> Result<Scanned> {
    let (mut scanned, newer) = (Scanned::default(), newer.unwrap_or("false"));
    for known in tables.iter().filter(|known| !known.is_compared) {
        if known.is_keyless() {
            let rows = session.query(&format!("SELECT count(*), count(*) FILTER (WHERE {newer}) FROM ONLY {}", known.label))?;
            let row = rows.first().ok_or_else(|| Error::internal("A table has no number of rows."))?;
            scanned.counts.insert(known.oid, row.parse(0)?);
            if row.parse::<u64>(1)? > 0 {
                scanned.newer.insert(known.oid);
            }
        } else if keys_of(session, known, newer, folder, context)? {
            scanned.newer.insert(known.oid);
        }
    }
    Ok(scanned)
}

/// Writes the keys of one table; says whether there are rows that are newer.
fn keys_of(session: &mut Session, known: &Known, newer: &str, folder: &Path, context: &Context) -> Result<bool> {
    let columns: Vec<_> = known.shape.key.iter().map(|column| quote_ident(column)).collect();
    let kinds: Option<Vec<Kind>> =
        known.shape.key.iter().map(|key| known.columns.iter().find(|column| column.name == *key).and_then(|column| column.kind)).collect();
    let kinds = kinds.ok_or_else(|| Error::internal(format!("A column of the key of {} is not there.", known.label)))?;
    let (encoder, mut key) = (Encoder::new(kinds), vec![]);
    let (mut sorter, mut found, mut stride) = (Sorter::new(folder), false, Stride::default());
    let sql = format!("COPY (SELECT ({newer})::int, {} FROM ONLY {}) TO STDOUT", columns.join(", "), known.label);
    session.copy_out(&sql, |line| {
        let (mark, rest) = line.split_at_checked(2).ok_or_else(|| Error::internal("A key came without its mark."))?;
        encoder.row(rest, &mut key)?;
        let is_newer = mark == b"1\t";
        found |= is_newer;
        sorter.push(&key, is_newer.into())?;
        stride.add(line.len(), context)
    })?;
    keys::merge(vec![sorter], &marked(folder, known))?;
    let (mut all, mut plain) = (Keys::open(&marked(folder, known))?, Writer::create(&file(folder, known))?);
    while let Some(entry) = all.next()? {
        plain.entry(&entry.key, 0)?;
    }
    plain.finish()?;
    Ok(found)
}
