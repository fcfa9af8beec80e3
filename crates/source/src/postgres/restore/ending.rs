//! What makes a loaded database whole: positions of sequences, materialized views, statistics.

use super::{crew::Crew, notes::Notes};
use crate::postgres::{
    archive::{Extra, Sequence},
    sql::is_table_name,
    wire::{Session, quote_literal, sqlstate},
};
use crate::value::damaged;
use domain::{Code, Result};

/// Sequences that are set by one message.
const BATCH: usize = 500;

/// Sets every sequence to where it stood.
pub(super) fn set_sequences(sequences: &[Sequence], crew: &Crew<'_>) -> Result<()> {
    let batches: Vec<_> = sequences.chunks(BATCH).collect();
    crew.each(&batches, Ok, |session: &mut Session, batch| {
        let set = |sequence: &Sequence| {
            let Sequence { name, last_value, is_called } = sequence;
            format!("SELECT pg_catalog.setval({}::pg_catalog.regclass, {last_value}, {is_called})", quote_literal(name))
        };
        session.execute(&batch.iter().map(set).collect::<Vec<_>>().join(";"))
    })
}

/// Fills the materialized views that held rows. One can read another, and only the server knows how: each round fills
/// those whose sources are filled, until a round fills none.
///
/// A view that cannot be filled (its foreign server is away, its function is gone) is no reason to stop: it stays empty, a note says
/// why, and the comparison names it. `settings` are the database's own: time zone, form of dates and search path
/// decide about what a view holds.
pub(super) fn refresh(extra: &Extra, settings: &[String], crew: &Crew<'_>, notes: &Notes) -> Result<()> {
    if extra.materialized_views.iter().any(|view| !is_table_name(view)) {
        return Err(damaged("The archive names a materialized view by what is not a name."));
    }
    if extra.materialized_views.is_empty() {
        return Ok(());
    }
    fill(&extra.materialized_views, &mut crew.as_users(settings)?, notes)
}

fn fill(views: &[String], session: &mut Session, notes: &Notes) -> Result<()> {
    let mut waiting: Vec<&String> = views.iter().collect();
    while !waiting.is_empty() {
        let before = waiting.len();
        let (mut later, mut last_error) = (vec![], None);
        for view in waiting {
            match session.execute(&format!("REFRESH MATERIALIZED VIEW {view}")) {
                Ok(()) => {}
                Err(error) if matches!(error.code(), Code::Cancelled | Code::ConnectionLost | Code::Silent) => return Err(error),
                // Not in the prerequisite state: it reads a view that is not filled yet.
                Err(error) if sqlstate(&error) == Some("55000") => {
                    later.push(view);
                    last_error = Some(error);
                }
                Err(error) => notes.add(format!("The materialized view {view} could not be filled: {error}")),
            }
        }
        if later.len() == before {
            let why = last_error.map(|error| error.to_string()).unwrap_or_default();
            later.drain(..).for_each(|view| notes.add(format!("The materialized view {view} could not be filled: {why}")));
        }
        waiting = later;
    }
    Ok(())
}

/// Gathers the planner's statistics, which a backup does not hold. The parts of a partitioned table are covered by it.
pub(super) fn analyze(crew: &Crew<'_>) -> Result<()> {
    const TABLES: &str = "SELECT pg_catalog.format('%I.%I', nspname, relname) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = relnamespace \
         WHERE relkind IN ('r', 'm', 'p') AND NOT relispartition AND nspname !~ '^pg_' AND nspname <> 'information_schema' ORDER BY relpages DESC";
    let tables = crew.alone(Ok, |session: &mut Session| session.query(TABLES))?;
    crew.each(&tables, Ok, |session: &mut Session, row| {
        // Without the right to it the server warns and goes on. Statistics come by themselves later too.
        match session.execute(&format!("ANALYZE {}", row.text(0)?)) {
            Err(error) if sqlstate(&error).is_some() && error.code() != Code::Cancelled => {
                tracing::warn!(%error, "statistics could not be gathered");
                Ok(())
            }
            result => result,
        }
    })
}
