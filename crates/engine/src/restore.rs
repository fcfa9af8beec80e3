//! One restore: a new database from a backup and those that it builds on, proven equal.

mod moment;
mod steps;

pub use moment::{Moment, at};

use crate::{archive::FromArchive, blocking, check, guarded, unless_cancelled, verify::stored_bytes};
use domain::{Comparison, Error, Label, Phase, Result, display};
use jiff::Timestamp;
use repository::{ArchiveReader, Key, Point, Repository, repository::check_key};
use serde::Serialize;
use source::{Context, Source, StageRequest};
use std::sync::Arc;
use steps::{Done, Steps};

/// What a restore is asked to do.
#[derive(Clone)]
pub struct RestoreRequest {
    /// The server that gets the new database.
    pub source: Arc<dyn Source>,
    /// Where from.
    pub repository: Repository,
    /// Name of the new database.
    pub name: String,
    /// Leave ownership and privileges out.
    pub no_owner: bool,
    /// Create roles that are missing, without the right to log in.
    pub create_roles: bool,
    /// Load the rows of this table alone.
    pub only_table: Option<String>,
    /// Keep the new database even if the comparison finds a difference.
    pub keep_different: bool,
    /// What opens the archives, if they are sealed.
    pub key: Option<Key>,
    /// The moment to restore, if it is one before the end of the restore point, which must cover it.
    pub until: Option<Timestamp>,
}

impl RestoreRequest {
    /// What the source is asked for.
    fn stage(&self, archive: &ArchiveReader) -> Result<StageRequest> {
        Ok(StageRequest {
            name: self.name.clone(),
            description: check::description(archive)?,
            no_owner: self.no_owner,
            create_roles: self.create_roles,
            only_table: self.only_table.clone(),
            keep_going: self.keep_different,
        })
    }
}

/// What a restore did.
#[derive(Clone, Debug)]
pub struct Restored {
    /// The restore point.
    pub point: Label,
    /// The moment that was asked for, if not its end.
    pub until: Option<Timestamp>,
    /// Every table that was loaded.
    pub tables: Vec<TableOutcome>,
    /// Everything that was compared, the tables first, and what was not.
    pub compared: Vec<Comparison>,
    /// What could not be restored, one sentence each.
    pub notes: Vec<String>,
    /// Whether every definition of the backup was made.
    pub complete: bool,
    /// Seconds spent loading and indexing.
    pub load_seconds: f64,
    /// Seconds spent comparing.
    pub compare_seconds: f64,
}

/// One table after a restore.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TableOutcome {
    /// The table.
    pub table: String,
    /// Rows in the new database.
    pub rows: u64,
    /// Whether its rows and digest are those of the archive.
    pub equal: bool,
}

impl Restored {
    /// Whether every definition was made, and everything that was compared is equal: every row, and all of [`Restored::compared`].
    #[must_use]
    pub fn proven(&self) -> bool {
        self.complete && self.compared.iter().all(Comparison::is_equal)
    }

    /// What is known to be of another moment than the one that was asked for, by name: whatever else was [`Restored::proven`],
    /// that moment is not.
    pub fn elsewhere(&self) -> impl Iterator<Item = &str> {
        self.compared.iter().flat_map(|comparison| &comparison.elsewhere).map(String::as_str)
    }

    /// What was compared, and what was not, in words: a sentence each.
    pub fn compared_in_words(&self) -> impl Iterator<Item = String> {
        let counts = self.compared.iter().filter(|it| it.count > 0);
        let counts: Vec<_> = counts.map(|it| format!("{} ({})", it.what, display::count(it.count))).collect();
        let without =
            self.compared.iter().filter_map(|it| it.not_compared.as_ref().map(|why| format!("Not compared, of {}: {why}", it.what)));
        std::iter::once(format!("Compared: {}.", counts.join(", "))).chain(without)
    }

    /// What differs, a sentence each, tables first.
    pub fn different(&self) -> impl Iterator<Item = &str> {
        self.compared.iter().flat_map(|comparison| &comparison.different).map(String::as_str)
    }
}

/// Restores one backup into a new database: proves the stored bytes of it and of those that it builds on, loads under a staging
/// name, reads everything back and compares, and only then gives the database its name.
///
/// A comparison that finds a difference is an `Ok` with [`Restored::proven`] false; the database is not kept then,
/// unless the request says so.
///
/// # Errors
/// Whatever failed; nothing is left on the server then.
pub async fn restore(request: &RestoreRequest, point: &Point, context: &Context) -> Result<Restored> {
    let (context, _guard) = guarded(context);
    context.meter.enter(Phase::Verifying, 0);
    let lineage = unless_cancelled(&context, request.repository.lineage(point)).await?;
    let mut archives = vec![];
    for point in &lineage {
        let manifest = request.repository.usable(point)?;
        check_key(manifest, request.key.as_ref())?;
        let pieces = stored_bytes(&request.repository, &point.place, manifest, &context).await?;
        let opened = request.repository.archive(&point.place, manifest, Some(pieces), request.key.as_ref());
        archives.push(unless_cancelled(&context, opened).await?);
    }
    let (request, label) = (request.clone(), point.place.label());
    blocking(move || stage(&request, label, &archives, &context)).await
}

/// Looks whether the server has all that a restore needs, and makes nothing there: the name is free, roles and extensions
/// exist, the version fits. The archive's word is taken for what those are; a restore proves it first.
///
/// # Errors
/// What the restore would fail with at its start.
pub async fn check_needs(request: &RestoreRequest, point: &Point, context: &Context) -> Result<()> {
    let (context, _guard) = guarded(context);
    let manifest = request.repository.usable(point)?;
    let archive = unless_cancelled(&context, request.repository.archive(&point.place, manifest, None, request.key.as_ref())).await?;
    let request = request.clone();
    blocking(move || request.source.check_needs(&request.stage(&archive)?, &context)).await
}

fn stage(request: &RestoreRequest, point: Label, archives: &[ArchiveReader], context: &Context) -> Result<Restored> {
    context.meter.enter(Phase::Preparing, 0);
    let steps = Steps::plan(archives, request)?;
    let last = archives.last().ok_or_else(|| Error::internal("A restore was given no archive."))?;
    let mut staging = request.source.stage(&request.stage(last)?, context)?;
    let done = steps.take(staging.as_mut(), context)?;

    let began = std::time::Instant::now();
    let mut compared = vec![done.rows()];
    compared.extend(staging.compare(&FromArchive(last), context)?);
    let compare_seconds = done.compare_seconds + began.elapsed().as_secs_f64();
    let (notes, complete) = (staging.notes(), staging.is_complete());
    let Done { tables, load_seconds, .. } = done;
    let restored = Restored { point, until: request.until, tables, compared, notes, complete, load_seconds, compare_seconds };

    context.meter.enter(Phase::Finishing, 0);
    context.check()?;
    if restored.proven() || request.keep_different {
        staging.publish(context)?;
    }
    Ok(restored)
}
