//! One restore: a new database from a backup, proven equal.

use crate::{archive::FromArchive, blocking, check, guarded, unless_cancelled, verify::stored_bytes};
use domain::{Code, Comparison, Error, Label, Phase, Result, TableSummary, display};
use repository::{ArchiveReader, Key, Point, Repository, repository::check_key};
use serde::Serialize;
use source::{Context, Source, StageRequest};
use std::sync::Arc;

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
    /// What opens the archive, if it is sealed.
    pub key: Option<Key>,
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

/// Restores one backup into a new database: proves the stored bytes, loads under a staging name, reads everything
/// back and compares, and only then gives the database its name.
///
/// A comparison that finds a difference is an `Ok` with [`Restored::proven`] false; the database is not kept then,
/// unless the request says so.
///
/// # Errors
/// Whatever failed; nothing is left on the server then.
pub async fn restore(request: &RestoreRequest, point: &Point, context: &Context) -> Result<Restored> {
    let (context, _guard) = guarded(context);
    let manifest = request.repository.usable(point)?;
    check_key(manifest, request.key.as_ref())?;
    let pieces = stored_bytes(&request.repository, &point.place, manifest, &context).await?;
    let archive =
        unless_cancelled(&context, request.repository.archive(&point.place, manifest, Some(pieces), request.key.as_ref())).await?;
    let (request, label, plain_bytes) = (request.clone(), manifest.label, manifest.archive.plain_bytes);
    blocking(move || stage(&request, label, &archive, plain_bytes, &context)).await
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

fn stage(request: &RestoreRequest, point: Label, archive: &ArchiveReader, plain_bytes: u64, context: &Context) -> Result<Restored> {
    context.meter.enter(Phase::Preparing, 0);
    let summary = check::summary(archive)?;
    let expected = wanted(summary.tables, request.only_table.as_deref())?;
    let mut staging = request.source.stage(&request.stage(archive)?, context)?;

    let began = std::time::Instant::now();
    context.meter.enter(Phase::Loading, plain_bytes);
    staging.load(&FromArchive(archive), context)?;
    let load_seconds = began.elapsed().as_secs_f64();

    let began = std::time::Instant::now();
    context.meter.enter(Phase::Comparing, expected.iter().map(|table| table.bytes).sum());
    let tables = compare(&expected, &staging.tables(context)?, request.only_table.is_some());
    let mut compared = vec![rows(&tables)];
    compared.extend(staging.compare(&FromArchive(archive), context)?);
    let compare_seconds = began.elapsed().as_secs_f64();
    let (notes, complete) = (staging.notes(), staging.is_complete());
    let restored = Restored { point, tables, compared, notes, complete, load_seconds, compare_seconds };

    context.meter.enter(Phase::Finishing, 0);
    context.check()?;
    if restored.proven() || request.keep_different {
        staging.publish(context)?;
    }
    Ok(restored)
}

/// The tables that will be loaded and compared.
fn wanted(tables: Vec<TableSummary>, only: Option<&str>) -> Result<Vec<TableSummary>> {
    let Some(only) = only else { return Ok(tables) };
    let found: Vec<_> = tables.into_iter().filter(|table| table.table == only).collect();
    if found.is_empty() {
        return Err(Error::new(
            Code::NotFound,
            format!("The backup holds no table {only:?}."),
            "Name it as `rookery cat` without --table lists it, with its schema where there are schemas.",
        ));
    }
    Ok(found)
}

/// The comparison of tables among the others.
fn rows(tables: &[TableOutcome]) -> Comparison {
    let different = tables.iter().filter(|table| !table.equal);
    Comparison::new("tables", tables.len(), different.map(|table| format!("The rows of {} differ.", table.table)).collect())
}

/// Every expected table, and every table that should not be there, with whether it is equal.
fn compare(expected: &[TableSummary], actual: &[TableSummary], only_some: bool) -> Vec<TableOutcome> {
    let find = |tables: &[TableSummary], name: &str| tables.iter().find(|table| table.table == name).cloned();
    let compared = expected.iter().map(|table| {
        let there = find(actual, &table.table);
        TableOutcome {
            table: table.table.clone(),
            rows: there.as_ref().map_or(0, |there| there.rows),
            equal: there.as_ref() == Some(table),
        }
    });
    let surplus = actual.iter().filter(|table| !only_some && find(expected, &table.table).is_none());
    compared.chain(surplus.map(|table| TableOutcome { table: table.table.clone(), rows: table.rows, equal: false })).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::RowDigest;

    fn table(name: &str, rows: u64, hash: u128) -> TableSummary {
        let mut digest = RowDigest::default();
        digest.add(hash);
        TableSummary { table: name.into(), rows, bytes: rows, digest }
    }

    #[test]
    fn a_table_that_differs_lacks_or_is_too_many_is_named() {
        let expected = [table("a", 1, 1), table("b", 2, 2), table("c", 3, 3)];
        let actual = [table("a", 1, 1), table("b", 2, 9), table("d", 4, 4)];
        let named = |outcomes: Vec<TableOutcome>| outcomes.into_iter().map(|t| (t.table, t.equal)).collect::<Vec<_>>();
        let differ = [("a".into(), true), ("b".into(), false), ("c".into(), false), ("d".into(), false)];
        assert_eq!(named(compare(&expected, &actual, false)), differ);
        assert_eq!(named(compare(&expected[..1], &actual, true)), differ[..1]);
    }
}
