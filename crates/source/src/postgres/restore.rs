//! A new database from an archive: under a staging name until it is whole.
//!
//! Only SQL over the protocol: no psql, and no tool is ever given anything from an archive.

mod compare;
mod crew;
mod database;
mod definitions;
mod ending;
mod large_objects;
mod needs;
mod notes;
mod plan;
mod properties;
mod rows;
mod sweep;

use super::{
    archive::{DatabaseProperties, Extra, POST_DATA, PRE_DATA, from_json},
    digest_tables,
    properties::{extensions, extra},
    tools,
    wire::{Session, Target},
};
use crate::{Applied, Context, Members, StageRequest, Staging, value::damaged};
use crew::Crew;
use database::StagingDatabase;
use definitions::{Kept, Manner};
use domain::{Code, Comparison, Error, Phase, Result, Summary, TableSummary};
use jiff::Timestamp;
use notes::Notes;
use plan::Choice;
use rows::small_member;
use std::collections::BTreeSet;

/// Member that the engine writes last, with rows and bytes of every table.
const SUMMARY: &str = "summary.json";

/// Begins a database: checks all that can be known, and makes it under its staging name.
pub fn stage(target: &Target, workers: usize, request: &StageRequest, context: &Context) -> Result<Box<dyn Staging>> {
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
        request: request.clone(),
        properties,
        database,
        notes,
        securing: Kept::default(),
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
    request: StageRequest,
    properties: DatabaseProperties,
    database: StagingDatabase,
    notes: Notes,
    /// Row security: where it is forced, it would hide rows from the comparison. Nobody else can connect before the end.
    securing: Kept,
}

impl Staging for Restore {
    fn load(&mut self, chain: &[&dyn Members], context: &Context) -> Result<()> {
        let archive = full(chain)?;
        let (summary, _) = recorded(archive)?;
        let (before, after) = (small_member(archive, PRE_DATA)?, small_member(archive, POST_DATA)?);
        let (before, after) = (plan::before_rows(&before, self.choice())?, plan::after_rows(&after, self.choice())?);
        let only_table = self.request.only_table.as_deref();

        needs::check_named_roles(self.database.keeper(), [&before, &after])?;
        self.securing = Kept::securing([&before, &after]);
        let crew = &Crew::new(&self.target, self.database.name(), self.workers, context);
        definitions::run(&before, crew, self.manner(false))?;
        context.meter.enter(Phase::Loading, expected_bytes(&summary, only_table));
        rows::load(archive, only_table, crew)?;
        if only_table.is_none() {
            large_objects::load(archive, self.request.no_owner, crew)?;
        }
        Ok(())
    }

    fn apply(&mut self, _: &dyn Members, _: Option<Timestamp>, _: &Context) -> Result<Applied> {
        Err(Error::internal("There are no incrementals of PostgreSQL yet."))
    }

    fn finish(&mut self, last: &dyn Members, context: &Context) -> Result<()> {
        let (_, extra) = recorded(last)?;
        let (before, after) = (small_member(last, PRE_DATA)?, small_member(last, POST_DATA)?);
        let (before, after) = (plan::before_rows(&before, self.choice())?, plan::after_rows(&after, self.choice())?);
        let crew = &Crew::new(&self.target, self.database.name(), self.workers, context);
        context.meter.enter(Phase::Indexing, 0);
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
            self.compare_definitions(last, &session, context)?,
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
    fn compare_definitions(&self, archive: &dyn Members, session: &Session, context: &Context) -> Result<Comparison> {
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
        let (before, after) = (small_member(archive, PRE_DATA)?, small_member(archive, POST_DATA)?);
        compare::definitions([&before, &after], &made, self.choice())
    }

    fn note_what_one_table_lacks(&self, table: &str, after: &plan::Plan<'_>) {
        self.notes.add(format!("Only the rows of {table} were restored: all other tables and materialized views are empty."));
        if after.foreign_keys_left_out > 0 {
            self.notes
                .add(format!("{} foreign keys were left out, because rows that they point to are not there.", after.foreign_keys_left_out));
        }
    }
}

/// The archive of the full backup.
fn full<'a>(chain: &[&'a dyn Members]) -> Result<&'a dyn Members> {
    chain.first().copied().ok_or_else(|| Error::internal("A restore was given no archive."))
}

/// What the archive says that was counted, and what it says beside that.
fn recorded(archive: &dyn Members) -> Result<(Summary, Extra)> {
    let summary: Summary = serde_json::from_slice(&small_member(archive, SUMMARY)?)
        .map_err(|error| damaged("The summary in the archive cannot be read.").because(error))?;
    let extra = from_json(&summary.extra)?;
    Ok((summary, extra))
}

fn expected_bytes(summary: &Summary, only_table: Option<&str>) -> u64 {
    let wanted = |table: &&TableSummary| only_table.is_none_or(|only| only == table.table);
    summary.tables.iter().filter(wanted).map(|table| table.bytes).sum()
}
