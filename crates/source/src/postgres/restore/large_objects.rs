//! Large objects: the same numbers, bytes, owners, privileges and comments.

use super::{crew::Crew, properties::grants, rows::small_member};
use crate::{
    Members,
    postgres::{
        archive::{LARGE_OBJECTS, LARGE_OBJECTS_METADATA, LargeObject},
        decode,
        wire::{Session, quote_ident, quote_literal},
    },
    table::{self, RowReader},
    value::damaged,
};
use domain::Result;

/// Statements that are sent at once.
const BATCH: usize = 500;

/// Makes all large objects and writes their bytes.
pub(super) fn load(archive: &dyn Members, no_owner: bool, crew: &Crew<'_>) -> Result<()> {
    if !are_in(archive) {
        return Ok(());
    }
    let metadata = small_member(archive, LARGE_OBJECTS_METADATA)?;
    let objects: Vec<LargeObject> = serde_json::from_slice(&metadata)
        .map_err(|error| damaged("The list of large objects in the archive cannot be read.").because(error))?;
    let batches: Vec<_> = objects.chunks(BATCH).collect();
    crew.each(&batches, Ok, |session: &mut Session, batch| {
        let numbers: Vec<_> = batch.iter().map(|object| object.oid.to_string()).collect();
        session.query(&format!("SELECT pg_catalog.lo_create(n) FROM pg_catalog.unnest('{{{}}}'::oid[]) AS n", numbers.join(",")))?;
        Ok(())
    })?;
    crew.each(&table::parts(archive, LARGE_OBJECTS), Ok, |session, part| write(archive, part, crew, session))?;
    crew.each(&batches, Ok, |session: &mut Session, batch| {
        let mut sql = vec![];
        for object in *batch {
            sql.extend(dress(session, object, no_owner)?);
        }
        session.execute(&sql.join(";"))
    })
}

/// Whether an archive tells of all large objects.
pub(super) fn are_in(archive: &dyn Members) -> bool {
    archive.names().iter().any(|name| name == LARGE_OBJECTS_METADATA)
}

/// Writes the bytes of one part. They go by way of a temporary table, because COPY is the fast way in and
/// the large objects' own table belongs to the server.
fn write(archive: &dyn Members, part: &str, crew: &Crew<'_>, session: &mut Session) -> Result<()> {
    let mut rows = RowReader::new(archive.open(part)?)?;
    session.execute(
        "CREATE TEMPORARY TABLE IF NOT EXISTS rookery_pages (number oid, start bigint, bytes bytea); TRUNCATE pg_temp.rookery_pages",
    )?;
    let mut copy = session.copy_in("COPY pg_temp.rookery_pages FROM STDIN")?;
    let (mut line, mut count, mut bytes) = (vec![], 0, 0);
    while let Some(row) = rows.next_row()? {
        line.clear();
        if !decode::copy_line(row, 3, &mut line)? {
            return Err(damaged("A piece of a large object in the archive is not in its place."));
        }
        copy.write(&line)?;
        (count, bytes) = (count + 1, bytes + row.len() as u64);
    }
    copy.finish()?;
    let put =
        "SELECT pg_catalog.count(pg_catalog.lo_put(number, start, bytes)) FROM pg_temp.rookery_pages WHERE pg_catalog.length(bytes) > 0";
    session.query(put)?;
    crew.context.meter.add(count, bytes);
    crew.context.check()
}

/// The statements that give a large object its owner, privileges and comment.
fn dress(session: &mut Session, object: &LargeObject, no_owner: bool) -> Result<Vec<String>> {
    let name = format!("LARGE OBJECT {}", object.oid);
    let mut sql = vec![];
    if !no_owner {
        sql.push(format!("ALTER {name} OWNER TO {}", quote_ident(&object.owner)));
        if let Some(acl) = &object.acl {
            sql.push(format!("REVOKE ALL ON {name} FROM {}", quote_ident(&object.owner)));
            sql.extend(grants(session, acl, &name)?);
        }
    }
    sql.extend(object.comment.as_ref().map(|comment| format!("COMMENT ON {name} IS {}", quote_literal(comment))));
    Ok(sql)
}
