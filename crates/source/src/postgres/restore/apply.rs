//! The changes of an incremental, read in their order and taken together per table.

use super::{crew::Crew, flush::Goal, net::Net};
use crate::{
    Members,
    changes::{self, Change, ChangeReader, Shape},
    postgres::wire::Session,
    value::damaged,
};
use domain::{Code, Result};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// Bytes of changes that are held before they are written.
const HELD_BYTES: usize = 32 << 20;

/// Changes counted between two looks at the wish to stop.
const REPORT_CHANGES: u64 = 10_000;

/// What to apply, and how far.
pub(super) struct Task<'a> {
    pub archive: &'a dyn Members,
    /// Up to the last transaction before the first that is later.
    pub until: Option<Timestamp>,
    /// Tables of the new database that changes are for; all others are passed over.
    pub tables: &'a BTreeSet<String>,
    /// Tables that the archive holds whole as they were at its end.
    pub whole: &'a BTreeSet<String>,
}

/// What was applied.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub changes: u64,
    pub reached: bool,
    /// Tables of which the changes are known up to some transaction only, and when that was committed. Nothing of it is applied to them.
    pub unclear: BTreeMap<String, Timestamp>,
}

/// Changes of one table that are not written yet.
struct Pending {
    shape: Shape,
    goal: Goal,
    places: Vec<usize>,
    net: Net,
}

/// Applies changes.
pub(super) fn apply(task: &Task<'_>, crew: &Crew<'_>) -> Result<Outcome> {
    let mut work = Work {
        task,
        crew,
        ends: ends(task, crew)?,
        transactions: 0,
        shapes: BTreeMap::new(),
        pending: BTreeMap::new(),
        held: 0,
        unreported: (0, 0),
        at: None,
        outcome: Outcome::default(),
    };
    for part in changes::parts(task.archive) {
        // Each part stands for itself.
        work.shapes.clear();
        let mut reader = ChangeReader::new(task.archive.open(&part)?);
        while let Some(change) = reader.next_change()? {
            if !work.take(change)? {
                break;
            }
        }
        if work.outcome.reached {
            break;
        }
    }
    work.flush()?;
    Ok(work.outcome)
}

/// For each table that becomes unclear the transaction in which it does, counted from one: its earlier changes must not
/// be applied either, for no moment ever saw them without the others.
fn ends(task: &Task<'_>, crew: &Crew<'_>) -> Result<BTreeMap<String, u64>> {
    let (mut ends, mut transactions) = (BTreeMap::new(), 0);
    let Some(until) = task.until.filter(|_| !task.whole.is_disjoint(task.tables)) else { return Ok(ends) };
    for part in changes::parts(task.archive) {
        let mut reader = ChangeReader::new(task.archive.open(&part)?);
        while let Some(change) = reader.next_change()? {
            match change {
                Change::Begin(transaction) if transaction.at > until => return Ok(ends),
                Change::Begin(_) => {
                    transactions += 1;
                    crew.context.check()?;
                }
                Change::Delete(table, b"[]") => drop(ends.entry(table.into_owned()).or_insert(transactions)),
                _ => {}
            }
        }
    }
    Ok(ends)
}

struct Work<'a> {
    task: &'a Task<'a>,
    crew: &'a Crew<'a>,
    /// See [`ends`].
    ends: BTreeMap<String, u64>,
    transactions: u64,
    shapes: BTreeMap<String, Shape>,
    pending: BTreeMap<String, Pending>,
    held: usize,
    unreported: (u64, u64),
    at: Option<Timestamp>,
    outcome: Outcome,
}

impl Work<'_> {
    /// Takes one change; `false` if it and all that follow are later than what is wanted.
    fn take(&mut self, change: Change<'_>) -> Result<bool> {
        match change {
            Change::Table(table, shape) => {
                if self.pending.get(&table).is_some_and(|pending| pending.shape != shape) {
                    self.flush()?;
                    self.pending.remove(&table);
                }
                self.shapes.insert(table, shape);
            }
            Change::Begin(transaction) => {
                if self.task.until.is_some_and(|until| transaction.at > until) {
                    self.outcome.reached = true;
                    return Ok(false);
                }
                self.at = Some(transaction.at);
                self.transactions += 1;
                let ending: Vec<_> = self.ends.extract_if(.., |_, end| *end == self.transactions).collect();
                ending.iter().try_for_each(|(table, _)| self.unclear(table))?;
            }
            Change::Commit => {}
            Change::Truncate(tables) => {
                for table in tables {
                    if let Some(pending) = self.pending(&table)? {
                        pending.net.empty();
                        self.outcome.changes += 1;
                    }
                }
            }
            Change::Insert(table, row) => self.change(&table, row.len(), |pending| pending.net.insert(&pending.places, row))?,
            Change::Update(table, key, row) => {
                self.change(&table, key.len() + row.len(), |pending| pending.net.update(&pending.places, key, row))?;
            }
            Change::Delete(table, b"[]") => self.unclear(&table)?,
            Change::Delete(table, key) => self.change(&table, key.len(), |pending| pending.net.delete(key))?,
        }
        Ok(true)
    }

    fn change(&mut self, table: &str, bytes: usize, change: impl FnOnce(&mut Pending) -> Result<()>) -> Result<()> {
        let Some(pending) = self.pending(table)? else { return Ok(()) };
        change(pending)
            .map_err(|error| if error.code() == Code::Damaged { error.during(format!("In the table {table}")) } else { error })?;
        self.outcome.changes += 1;
        // A key is held twice, and each row in a place of its own.
        self.held += 2 * bytes + 160;
        self.unreported = (self.unreported.0 + 1, self.unreported.1 + bytes as u64);
        if self.unreported.0 >= REPORT_CHANGES {
            let (changes, bytes) = std::mem::take(&mut self.unreported);
            self.crew.context.meter.add(changes, bytes);
            self.crew.context.check()?;
        }
        if self.held > HELD_BYTES { self.flush() } else { Ok(()) }
    }

    /// From here on the changes do not tell the rows of a table.
    fn unclear(&mut self, table: &str) -> Result<()> {
        if !self.task.tables.contains(table) {
            return Ok(());
        }
        if !self.task.whole.contains(table) {
            return Err(damaged(format!("The archive does not tell which row of {table} was deleted.")));
        }
        if let Some(at) = self.at {
            self.outcome.unclear.insert(table.to_owned(), at);
        }
        Ok(())
    }

    /// What is collected for a table; `None` if nothing is.
    fn pending(&mut self, table: &str) -> Result<Option<&mut Pending>> {
        if !self.task.tables.contains(table) || self.outcome.unclear.contains_key(table) {
            return Ok(None);
        }
        if !self.pending.contains_key(table) {
            let none = Shape { columns: vec![], types: vec![], key: vec![] };
            let shape = self.shapes.get(table).cloned().unwrap_or(none);
            let goal = self.crew.alone(Ok, |session: &mut Session| Goal::new(table, &shape, session))?;
            let places = goal.places();
            self.pending.insert(table.to_owned(), Pending { shape, goal, places, net: Net::default() });
        }
        Ok(self.pending.get_mut(table))
    }

    /// Writes what is collected, table by table over several sessions.
    fn flush(&mut self) -> Result<()> {
        self.held = 0;
        let full: Vec<_> = self.pending.values().filter(|pending| !pending.net.is_empty()).collect();
        self.crew.each(&full, Ok, |session: &mut Session, pending| pending.goal.flush(&pending.net, session))?;
        self.pending.values_mut().for_each(|pending| pending.net = Net::default());
        Ok(())
    }
}
