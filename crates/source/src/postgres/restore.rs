//! A new database from an archive: under a staging name until it is whole.
//!
//! Only SQL over the protocol: no psql, and no tool is ever given anything from an archive.

mod apply;
mod bases;
#[cfg(test)]
mod changing;
mod compare;
mod crew;
mod database;
mod definitions;
mod ending;
mod fates;
mod flush;
mod fold;
mod large_objects;
mod needs;
mod net;
mod notes;
mod plan;
mod properties;
mod rows;
mod spool;
mod sweep;

use super::{
    archive::{DatabaseProperties, Extra, LARGE_OBJECTS, POST_DATA, PRE_DATA, from_json},
    digest_tables,
    properties::{extensions, extra},
    tools,
    wire::{Session, Target},
};
use crate::{Ahead, Applied, Context, Members, StageRequest, Staging, value::damaged};
use bases::Bases;
use crew::Crew;
use database::StagingDatabase;
use definitions::{Kept, Manner};
use domain::{Code, Comparison, Error, Phase, Result, Summary, TableSummary};
pub(super) use fold::FOLDED_KEYS;
use fold::{Folded, Folds};
use jiff::Timestamp;
use notes::Notes;
use plan::Choice;
use rows::small_member;
use std::collections::BTreeSet;

/// Member that the engine writes last, with rows and bytes of every table.
const SUMMARY: &str = "summary.json";

/// Begins a database: checks all that can be known, and makes it under its staging name. So many sessions load it, and so many keys
/// that were changed are kept in memory.
pub fn stage(target: &Target, (workers, folded_keys): (usize, u64), request: &StageRequest, context: &Context) -> Result<Box<dyn Staging>> {
    let properties: DatabaseProperties = from_json(&request.description.properties)?;
    let mut session = crew::open(target, &target.maintenance_database, context)?;
    let roles = needs::check(&mut session, request, &properties)?;
    let notes = Notes::default();
    let mut database = StagingDatabase::create(target, &properties, &roles, &notes, context)?;
    // Tried now, so that what the server refuses is known before the rows are loaded and not after.
    properties::rehearse(&mut database, &properties, request.no_owner)?;
    Ok(Box::new(Restore {
        target: target.clone(),
        workers,
        folded_keys,
        request: request.clone(),
        properties,
        database,
        notes,
        securing: Kept::default(),
        before: vec![],
        after: vec![],
        bases: Bases::default(),
        folded: Folded::default(),
        has_keys: false,
    }))
}

/// Checks all that can be known before anything is made.
pub fn check_needs(target: &Target, request: &StageRequest, context: &Context) -> Result<()> {
    let properties: DatabaseProperties = from_json(&request.description.properties)?;
    let mut session = crew::open(target, &target.maintenance_database, context)?;
    needs::check(&mut session, request, &properties).map(drop)
}

/// Removes the staging databases of restores that were killed.
pub fn sweep(target: &Target, context: &Context) -> Result<()> {
    sweep::sweep(target, context)
}

/// A restore between its beginning and its end.
struct Restore {
    target: Target,
    workers: usize,
    folded_keys: u64,
    request: StageRequest,
    properties: DatabaseProperties,
    database: StagingDatabase,
    notes: Notes,
    /// Row security: where it is forced, it would hide rows from the comparison. Nobody else can connect before the end.
    securing: Kept,
    /// The definitions: the last of the chain.
    before: Vec<u8>,
    after: Vec<u8>,
    /// Which archive each table's rows come from.
    bases: Bases,
    /// Which changes were put into the rows while these were loaded.
    folded: Folded,
    /// Whether the primary keys are made, because changes were applied.
    has_keys: bool,
}

impl Staging for Restore {
    fn load(&mut self, chain: &[&dyn Members], until: Option<Timestamp>, context: &Context) -> Result<Vec<Ahead>> {
        let only_table = self.request.only_table.as_deref();
        let summaries = chain.iter().map(|archive| Ok(recorded(*archive)?.0)).collect::<Result<Vec<_>>>()?;
        let (Some(last), Some(summary)) = (chain.last(), summaries.last()) else {
            return Err(Error::internal("A restore was given no archive."));
        };
        bases::check_moment(*last, summary, until)?;
        let inside = bases::inside(summary, until).is_some();
        let defining = bases::defining(chain)?;
        (self.before, self.after) = (small_member(chain[defining], PRE_DATA)?, small_member(chain[defining], POST_DATA)?);
        let (before, after) = (plan::before_rows(&self.before, self.choice())?, plan::after_rows(&self.after, self.choice())?);

        needs::check_named_roles(self.database.keeper(), [&before, &after])?;
        self.securing = Kept::securing([&before, &after]);
        let crew = &Crew::new(&self.target, self.database.name(), self.workers, context);
        definitions::run(&before, crew, self.manner(false))?;
        self.bases = Bases::of(chain, &crew.alone(Ok, bases::tables)?, only_table, inside)?;
        context.meter.enter(Phase::Loading, 0);
        // The last one up to a moment is applied by itself.
        let whole = &chain[..chain.len() - usize::from(inside)];
        let mut folds = Folds::gather(whole, self.folded_keys, &summaries, &self.bases, context)?;
        context.meter.enter(Phase::Loading, self.bases.bytes(&summaries));
        rows::load(&self.bases.parts(chain, |_| true), &folds, crew)?;
        let large = folds.leave_large();
        if !large.is_empty() {
            let list: Vec<_> = large.iter().map(|table| format!("ONLY {table}")).collect();
            crew.alone(Ok, |session: &mut Session| session.execute(&format!("TRUNCATE {}", list.join(", "))))?;
            rows::load(&self.bases.parts(chain, |table| large.contains(table)), &Folds::default(), crew)?;
        }
        let (folded, ahead) = folds.finish(&summaries, &self.bases)?;
        self.folded = folded;
        if let (None, Some(archive)) = (only_table, self.bases.objects) {
            large_objects::load(chain[archive], self.request.no_owner, crew)?;
        }
        Ok(ahead)
    }

    fn apply(&mut self, archive: &dyn Members, until: Option<Timestamp>, context: &Context) -> Result<Applied> {
        let (summary, extra) = recorded(archive)?;
        let until = bases::inside(&summary, until);
        let (place, mut tables) = self.bases.next();
        self.folded.retain(place, &mut tables);
        let mut outcome = apply::Outcome::default();
        if !tables.is_empty() && summary.changes.is_some_and(|changes| changes.rows() > 0 || changes.truncates > 0) {
            let is_first = !std::mem::replace(&mut self.has_keys, true);
            let crew = &Crew::new(&self.target, self.database.name(), self.workers, context);
            if is_first {
                self.make_keys(crew)?;
            }
            let whole = summary.tables.iter().map(|table| table.table.clone()).collect();
            outcome = apply::apply(&apply::Task { archive, until, tables: &tables, whole: &whole }, crew)?;
        }
        let mut elsewhere = BTreeSet::new();
        if until.is_some() {
            elsewhere = self.note_what_is_not_of_the_moment(&summary, &extra, &outcome, &tables);
            if large_objects::are_in(archive) && self.request.only_table.is_none() {
                self.notes.add("Large objects stand as they stood at the backup before: no change stream tells of them.".into());
                elsewhere.insert(LARGE_OBJECTS.to_owned());
            }
        }
        Ok(Applied { changes: outcome.changes, reached: outcome.reached, elsewhere })
    }

    fn finish(&mut self, last: &dyn Members, context: &Context) -> Result<()> {
        let (_, extra) = recorded(last)?;
        let (before, mut after) = (plan::before_rows(&self.before, self.choice())?, plan::after_rows(&self.after, self.choice())?);
        let crew = &Crew::new(&self.target, self.database.name(), self.workers, context);
        context.meter.enter(Phase::Indexing, 0);
        if self.has_keys {
            crew.alone(Ok, flush::drop_indexes)?;
            after.take_primary_keys();
        }
        definitions::run(&after, crew, self.manner(true))?;
        ending::set_sequences(&extra.sequences, crew)?;
        match self.request.only_table.as_deref() {
            None => ending::refresh(&extra, &self.properties.settings, crew, &self.notes)?,
            Some(table) => self.note_what_one_table_lacks(table, &after),
        }
        ending::analyze(crew)?;
        definitions::last(&before, crew, self.manner(true))?;
        definitions::last(&after, crew, self.manner(true))
    }

    fn tables(&mut self, only: Option<&BTreeSet<String>>, context: &Context) -> Result<Vec<TableSummary>> {
        let mut tables = digest_tables(&self.target, self.database.name(), self.workers, context)?;
        tables.retain(|table| only.is_none_or(|only| only.contains(&table.table)));
        Ok(tables)
    }

    fn compare(&mut self, last: &dyn Members, context: &Context) -> Result<Vec<Comparison>> {
        let (_, then) = recorded(last)?;
        self.secure(context)?;
        let mut session = crew::open(&self.target, self.database.name(), context)?;
        compare::note_extensions(&self.properties.extensions, &extensions(&mut session)?, &self.notes);
        let now = extra(&mut session, self.database.name())?;
        let views = match self.request.only_table {
            None => compare::materialized_views(&then, &now),
            Some(_) => compare::no_materialized_views(),
        };
        Ok(vec![
            self.compare_definitions(&session, context)?,
            compare::sequences(&then.sequences, &now.sequences),
            views,
            compare::database(&mut self.database, &self.properties, self.request.no_owner)?,
        ])
    }

    fn notes(&self) -> Vec<String> {
        self.notes.all()
    }

    fn is_complete(&self) -> bool {
        !self.notes.lacks_something()
    }

    fn publish(mut self: Box<Self>, context: &Context) -> Result<()> {
        let name = self.request.name.clone();
        self.secure(context)?;
        self.database.announce(context)?;
        let finishing = properties::statements(self.database.keeper(), &name, &self.properties, self.request.no_owner)?;
        self.database.publish(&name, &finishing, context)
    }
}

impl Restore {
    fn choice(&self) -> Choice {
        Choice { no_owner: self.request.no_owner, no_foreign_keys: self.request.only_table.is_some() }
    }

    fn manner(&self, after_rows: bool) -> Manner<'_> {
        Manner { notes: &self.notes, after_rows, keep_going: self.request.keep_going }
    }

    /// Runs, once, what secures tables.
    fn secure(&mut self, context: &Context) -> Result<()> {
        let securing = std::mem::take(&mut self.securing);
        if securing.is_empty() { Ok(()) } else { securing.run(&mut crew::open(&self.target, self.database.name(), context)?) }
    }

    /// The same pg_dump on a server of the same version writes equal definitions alike. Any other may not, and none is needed for
    /// a restore: then it is said that they were not compared.
    fn compare_definitions(&self, session: &Session, context: &Context) -> Result<Comparison> {
        let not_compared = |why: String| Ok(Comparison::new("definitions", 0, vec![]).without(why));
        let (then, now) = (self.properties.server_version / 10_000, session.server_version() / 10_000);
        if then != now {
            return not_compared(format!(
                "The backup is of PostgreSQL {then} and the server is PostgreSQL {now}, which may write the same otherwise."
            ));
        }
        let tool = match tools::find(session.server_version()) {
            Ok(tools) => format!("pg_dump {}", tools.major),
            Err(error) if matches!(error.code(), Code::ToolMissing | Code::ToolTooOld) => return not_compared(error.to_string()),
            Err(error) => return Err(error),
        };
        let recorded_by = &self.request.description.tools;
        if !recorded_by.iter().any(|recorded| recorded.split('.').next() == Some(&tool)) {
            return not_compared(format!(
                "They were recorded by {}, and here is {tool}, which may write the same otherwise.",
                recorded_by.join(", ")
            ));
        }
        let made = tools::schema_sql(&self.target, self.database.name(), session.server_version(), context)?;
        compare::definitions([&self.before, &self.after], &made, self.choice())
    }

    /// Makes the primary keys, by which changes find their rows.
    fn make_keys(&self, crew: &Crew<'_>) -> Result<()> {
        crew.context.meter.enter(Phase::Indexing, 0);
        definitions::run(&plan::after_rows(&self.after, self.choice())?.take_primary_keys(), crew, self.manner(true))?;
        crew.context.meter.enter(Phase::Loading, 0);
        Ok(())
    }

    /// Says which tables are not exactly as they were at the moment that was asked for.
    fn note_what_is_not_of_the_moment(
        &self,
        summary: &Summary,
        extra: &Extra,
        outcome: &apply::Outcome,
        tables: &BTreeSet<String>,
    ) -> BTreeSet<String> {
        for (table, at) in &outcome.unclear {
            self.notes.add(format!(
                "The table {table} stands as it stood before the transaction of {at}: it has no primary key, and what was updated or deleted from then on is known for the end of the backup only."
            ));
        }
        let from = summary.covers.map(|covered| format!(" at {}", covered.from)).unwrap_or_default();
        let unstreamed: BTreeSet<_> = extra.unstreamed.iter().filter(|table| tables.contains(*table)).cloned().collect();
        for table in &unstreamed {
            self.notes.add(format!(
                "The table {table} stands as it stood{from}: it was truncated, altered or is unlogged, and what it held afterwards is known for the end of the backup only."
            ));
        }
        unstreamed.into_iter().chain(outcome.unclear.keys().cloned()).collect()
    }

    fn note_what_one_table_lacks(&self, table: &str, after: &plan::Plan<'_>) {
        self.notes.add(format!("Only the rows of {table} were restored: all other tables and materialized views are empty."));
        if after.foreign_keys_left_out > 0 {
            self.notes
                .add(format!("{} foreign keys were left out, because rows that they point to are not there.", after.foreign_keys_left_out));
        }
    }
}

/// What the archive says that was counted, and what it says beside that.
fn recorded(archive: &dyn Members) -> Result<(Summary, Extra)> {
    let summary: Summary = serde_json::from_slice(&small_member(archive, SUMMARY)?)
        .map_err(|error| damaged("The summary in the archive cannot be read.").because(error))?;
    let extra = from_json(&summary.extra)?;
    Ok((summary, extra))
}
