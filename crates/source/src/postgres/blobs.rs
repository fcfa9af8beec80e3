//! Large objects: their bytes as rows, what else there is to them in a member of its own.

use super::{
    archive::LargeObject,
    catalog::all_readable,
    copy::Encoder,
    reader::OBJECT_KINDS,
    wire::{Row, Session},
};
use crate::table::RowWriter;
use domain::{Error, Result};

/// Bytes of an object in one row.
const CHUNK_BYTES: usize = 64 << 10;

/// All objects, ordered by number.
///
/// # Errors
/// `privilege`, which names those that may not be read.
pub(super) fn list(session: &mut Session, database: &str) -> Result<Vec<LargeObject>> {
    let mut missing = unreadable(session)?;
    missing.sort();
    all_readable(&session.target().user, &format!("large objects in {database:?}"), &missing)?;
    let rows = session.query(
        "SELECT m.oid, pg_get_userbyid(m.lomowner), array_to_json(m.lomacl::text[]), obj_description(m.oid, 'pg_largeobject')
         FROM pg_largeobject_metadata m ORDER BY m.oid",
    )?;
    rows.iter().map(object).collect()
}

/// Numbers of the objects that the user may not read.
pub(super) fn unreadable(session: &mut Session) -> Result<Vec<String>> {
    let rows = session.query(
        "SELECT m.oid FROM pg_largeobject_metadata m
         WHERE NOT pg_has_role(m.lomowner, 'USAGE') AND NOT current_setting('lo_compat_privileges')::boolean
           AND NOT EXISTS (SELECT 1 FROM aclexplode(m.lomacl) a
                           WHERE a.privilege_type = 'SELECT' AND (a.grantee = 0 OR pg_has_role(a.grantee, 'USAGE')))",
    )?;
    rows.iter().map(|row| row.text(0).map(str::to_owned)).collect()
}

fn object(row: &Row) -> Result<LargeObject> {
    let acl = row.get(2).map(serde_json::from_str).transpose();
    Ok(LargeObject {
        oid: row.parse(0)?,
        owner: row.text(1)?.into(),
        acl: acl.map_err(|error| Error::internal("The privileges of a large object cannot be read.").because(error))?,
        comment: row.get(3).map(str::to_owned),
    })
}

/// Reads objects with these numbers, ascending: the first chunk of each in one COPY, the rest of the large ones one
/// after the other. `lo_get` looks through the snapshot of the transaction.
pub(super) fn read(session: &mut Session, oids: &[u32], writer: &mut RowWriter<'_>) -> Result<()> {
    let (Some(first), Some(last)) = (oids.first(), oids.last()) else { return Ok(()) };
    let mut large = Vec::new();
    let sql = format!(
        "COPY (SELECT oid, 0, lo_get(oid, 0, {CHUNK_BYTES}) FROM pg_largeobject_metadata WHERE oid BETWEEN {first} AND {last}) TO STDOUT"
    );
    let encoder = Encoder::new(OBJECT_KINDS.to_vec());
    let mut row = Vec::new();
    session.copy_out(&sql, |line| {
        // A full chunk is `\\x` and its hexadecimal digits; a shorter line is a whole object.
        if line.len() > 2 * CHUNK_BYTES {
            let oid = line.split(|&byte| byte == b'\t').next().and_then(|oid| std::str::from_utf8(oid).ok()?.parse::<u32>().ok());
            large.push(oid.ok_or_else(|| Error::internal("A large object came without its number."))?);
        }
        encoder.row(line, &mut row)?;
        writer.row(&row)
    })?;
    large.into_iter().try_for_each(|oid| rest(session, oid, &encoder, writer))
}

/// Reads what follows the first chunk.
fn rest(session: &mut Session, oid: u32, encoder: &Encoder, writer: &mut RowWriter<'_>) -> Result<()> {
    // 262144 is INV_READ, 2 is SEEK_END.
    let size =
        session.query(&format!("SELECT lo_lseek64(o.fd, 0, 2), lo_close(o.fd) FROM (SELECT lo_open({oid}, 262144) AS fd OFFSET 0) o"))?;
    let size: u64 = size.first().ok_or_else(|| Error::internal("A large object has no size."))?.parse(0)?;
    let sql = format!(
        "COPY (SELECT {oid}, g.o, lo_get({oid}, g.o, {CHUNK_BYTES})
               FROM generate_series({CHUNK_BYTES}::bigint, {size} - 1, {CHUNK_BYTES}) g(o)) TO STDOUT"
    );
    super::reader::copy(session, &sql, encoder, writer)
}
