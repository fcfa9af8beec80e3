//! Rows out of a backup without a server.

use crate::{archive::FromArchive, blocking, check, unless_cancelled, verify::stored_bytes};
use domain::{Code, Error, Result, TableSummary};
use repository::{Key, Point, Repository, repository::check_key};
use source::{Context, Members, table::RowReader};
use std::io::Write;

/// Writes the rows of `table`, one JSON array a line in the archive's encoding, to `out`; with the `key` that opens the archive if it is
/// sealed.
/// Which rows come first means nothing.
///
/// # Errors
/// `not-found` if there is no such table; what is damaged; or what `out` says, as `store-failed`.
pub async fn cat<W: Write + Send + 'static>(
    repository: &Repository,
    point: &Point,
    key: Option<&Key>,
    table: String,
    mut out: W,
    context: &Context,
) -> Result<()> {
    let manifest = repository.usable(point)?;
    check_key(manifest, key)?;
    let pieces = stored_bytes(repository, &point.place, manifest, context).await?;
    let archive = unless_cancelled(context, repository.archive(&point.place, manifest, Some(pieces), key)).await?;
    let context = context.clone();
    blocking(move || {
        let parts = check::parts(&archive, &table);
        if parts.is_empty() {
            let there: Vec<_> = check::summary(&archive)?.tables.into_iter().map(|table| table.table).collect();
            return Err(Error::new(
                Code::NotFound,
                format!("The backup holds no table {table:?}."),
                format!("It holds {}.", if there.is_empty() { "no tables".into() } else { there.join(", ") }),
            ));
        }
        let members = FromArchive(&archive);
        for part in parts {
            let mut rows = RowReader::new(members.open(&part)?)?;
            while let Some(row) = rows.next_row()? {
                out.write_all(row).and_then(|()| out.write_all(b"\n")).map_err(writing)?;
            }
            context.check()?;
        }
        out.flush().map_err(writing)
    })
    .await
}

/// The tables of a backup with their rows, ordered by name.
///
/// # Errors
/// What is damaged.
pub async fn tables(repository: &Repository, point: &Point, key: Option<&Key>, context: &Context) -> Result<Vec<TableSummary>> {
    let manifest = repository.usable(point)?;
    check_key(manifest, key)?;
    let pieces = stored_bytes(repository, &point.place, manifest, context).await?;
    let archive = unless_cancelled(context, repository.archive(&point.place, manifest, Some(pieces), key)).await?;
    blocking(move || check::summary(&archive).map(|summary| summary.tables)).await
}

fn writing(error: std::io::Error) -> Error {
    Error::new(Code::StoreFailed, "The rows could not be written out.", "Check where the output goes.").because(error)
}
