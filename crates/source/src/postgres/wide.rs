//! Rows too large to pass through memory: their large values go into members of their own, in pieces.
//!
//! A row is such if its texts and binary values, and what its values of other types have beyond [`RENDERED_BYTES`] each,
//! pass [`WIDE_BYTES`] together. Of such a row every value above [`SMALL_BYTES`] is kept out of line. The rule looks at the
//! values alone, never at how the server stores them: a restored row is written the same way, so that digests agree.

use super::{
    catalog::{Bulk, Column, Table},
    copy::Encoder,
    reader::{Reader, is_bulky},
    wire::{Session, quote_ident, quote_literal},
};
use crate::{
    encode::{self, WIDE_BYTES, WideForm},
    table::RowWriter,
};
use domain::{Error, Result};
use xxhash_rust::xxh3::Xxh3;

/// Values up to this size stay in the row.
const SMALL_BYTES: u64 = 1 << 20;

/// Bytes of a value that come in one message.
const PIECE_BYTES: u32 = 1 << 20;

/// Bytes of a value that is neither text nor binary that do not count towards the size of its row. Making its text to
/// know its size costs time, so it is made only for values that take [`STORED_BYTES`] or more: the server's
/// compression gives at most 255 for one, and text has at most a few bytes for each byte of the value.
const RENDERED_BYTES: usize = 8 << 20;
const STORED_BYTES: usize = 8 << 10;

/// Values kept out of line that take less than this together cannot make a row too large.
const LEAST_TOAST_BYTES: u64 = 32 << 10;

/// The start of binary COPY: signature, flags, length of the extension
/// (<https://www.postgresql.org/docs/current/sql-copy.html#id-1.9.3.55.9.4>).
const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";
const HEADER_BYTES: usize = SIGNATURE.len() + 8;

/// SQL that is true of a row that is too large; `None` if no row of the table can be.
pub(super) fn condition(table: &Table) -> Option<String> {
    if !is_bulky(table) || table.toast_bytes < LEAST_TOAST_BYTES {
        return None;
    }
    let sizes = table.columns.iter().filter_map(|column| {
        let name = quote_ident(&column.name);
        match column.bulk {
            Bulk::Small => None,
            Bulk::Binary | Bulk::Text => Some(format!("coalesce(octet_length({name}), 0)::bigint")),
            Bulk::Rendered => Some(format!(
                "CASE WHEN pg_column_size({name}) > {STORED_BYTES} THEN greatest(octet_length({}) - {RENDERED_BYTES}, 0) ELSE 0 END::bigint",
                rendered(&name)
            )),
        }
    });
    Some(format!("{} > {WIDE_BYTES}", sizes.collect::<Vec<_>>().join(" + ")))
}

/// The text of a value by its type's output function, as COPY writes it. A cast would call a function that whoever
/// owns the type may have written, with the rights of the backup's role.
fn rendered(name: &str) -> String {
    format!("format('%s', {name})")
}

/// Where the rows are that are too large, among those that pass the filters.
pub(super) fn find(session: &mut Session, table: &Table, filters: &[String], is_wide: &str) -> Result<Vec<String>> {
    let filters: String = filters.iter().map(|filter| format!("{filter} AND ")).collect();
    let rows = session.query(&format!("SELECT ctid FROM ONLY {} WHERE {filters}{is_wide}", table.quoted))?;
    rows.iter().map(|row| row.text(0).map(str::to_owned)).collect()
}

/// Reads rows one by one.
pub(super) fn rows(
    reader: &Reader<'_>,
    session: &mut Session,
    table: &Table,
    encoder: &Encoder,
    places: &[String],
    writer: &mut RowWriter<'_>,
) -> Result<()> {
    let mut line = Vec::new();
    for place in places {
        let from = format!("FROM ONLY {} WHERE ctid = {}", table.quoted, quote_literal(place));
        let large = large_columns(session, table, &from)?;
        let mut replaced = vec![None; table.columns.len()];
        for (at, column) in table.columns.iter().enumerate().filter(|(at, _)| large[*at]) {
            replaced[at] = Some(value(reader, session, column, &from)?);
        }
        let names = table.columns.iter().zip(&large);
        let names: Vec<_> = names.map(|(column, large)| if *large { "NULL".into() } else { quote_ident(&column.name) }).collect();
        let mut count = 0;
        session.copy_out(&format!("COPY (SELECT {} {from}) TO STDOUT", names.join(", ")), |text| {
            count += 1;
            encoder.row_with(text, &replaced, &mut line)
        })?;
        if count != 1 {
            return Err(Error::internal(format!("A row of {} was not found again in its own snapshot.", table.label)));
        }
        writer.row(&line)?;
    }
    Ok(())
}

/// Which values of a row are too large to stay in it.
fn large_columns(session: &mut Session, table: &Table, from: &str) -> Result<Vec<bool>> {
    let size = |column: &Column| {
        let name = quote_ident(&column.name);
        match column.bulk {
            Bulk::Small => "0".into(),
            Bulk::Binary | Bulk::Text => format!("octet_length({name})"),
            Bulk::Rendered => format!("octet_length({})", rendered(&name)),
        }
    };
    let sizes: Vec<_> = table.columns.iter().map(size).collect();
    let rows = session.query(&format!("SELECT {} {from}", sizes.join(", ")))?;
    let row = rows.first().ok_or_else(|| Error::internal(format!("A row of {} vanished from its own snapshot.", table.label)))?;
    let is_large = |at: usize| row.get(at).and_then(|size| size.parse::<u64>().ok()).is_some_and(|size| size > SMALL_BYTES);
    Ok((0..table.columns.len()).map(is_large).collect())
}

/// Reads one value: once to know its hash, which names its member, and once more to write it, unless an equal value
/// has been written before. Returns what stands in the row.
fn value(reader: &Reader<'_>, session: &mut Session, column: &Column, from: &str) -> Result<Vec<u8>> {
    let sql = statement(session, column, from);
    let (mut hash, mut size) = (Xxh3::new(), 0);
    stream(session, &sql, |piece| {
        hash.update(piece);
        size += piece.len() as u64;
        Ok(())
    })?;
    let hash = hash.digest128();
    if reader.claims(hash) {
        let mut member = reader.sink.member(&encode::wide_member(hash))?;
        stream(session, &sql, |piece| {
            reader.context.meter.add(0, piece.len() as u64);
            member.write(piece)
        })?;
        member.finish()?;
    }
    let mut out = Vec::new();
    let form = if column.bulk == Bulk::Binary { WideForm::Binary } else { WideForm::Text };
    encode::wide(&mut out, hash, size, form);
    Ok(out)
}

/// A COPY that gives a value in pieces. The inner query is not merged into the outer one (`OFFSET 0`), so that the
/// server unpacks the value once and cuts it in its own memory.
fn statement(session: &Session, column: &Column, from: &str) -> String {
    let name = quote_ident(&column.name);
    let encoding = quote_literal(session.client_encoding());
    let bytes = match column.bulk {
        Bulk::Binary => format!("substring({name}::pg_catalog.bytea FROM 1)"),
        Bulk::Text => format!("convert_to({name}::pg_catalog.text, {encoding})"),
        Bulk::Rendered | Bulk::Small => format!("convert_to({}, {encoding})", rendered(&name)),
    };
    format!(
        "COPY (SELECT substring(s.v FROM g.i FOR {PIECE_BYTES}) FROM (SELECT {bytes} AS v {from} OFFSET 0) s
               CROSS JOIN LATERAL generate_series(1, octet_length(s.v), {PIECE_BYTES}) g(i)) TO STDOUT (FORMAT binary)"
    )
}

/// Runs a binary COPY of one column and hands on its values.
fn stream(session: &mut Session, sql: &str, mut each: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
    session.copy_out(sql, |message| {
        let tuple = if message.starts_with(SIGNATURE) { message.get(HEADER_BYTES..).unwrap_or_default() } else { message };
        // A tuple: number of fields, and for each its length and bytes. The trailer has -1 fields; a header may stand alone.
        match tuple.split_first_chunk::<6>() {
            Some(([0, 1, length @ ..], bytes)) if u32::from_be_bytes(*length) as usize == bytes.len() => each(bytes),
            None if matches!(tuple, [] | [0xff, 0xff]) => Ok(()),
            _ => Err(Error::internal("A value came out of a binary COPY in a form that PostgreSQL does not document.")),
        }
    })
}
