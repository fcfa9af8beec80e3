//! Which tables of a database hold rows, and what is known of them.

use super::{
    copy::Kind,
    names,
    tools::Remarks,
    wire::{Row, Session, quote_ident},
};
use domain::{Code, Error, Result};
use std::collections::HashMap;

/// Ordinary tables of users: no temporary ones, no catalogs, and of an extension's only those whose rows it wants
/// to have dumped (`pg_extension_config_dump`). `{x}.condition` is not null for those.
pub(super) const FROM_TABLES: &str = "
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_am a ON a.oid = c.relam
    LEFT JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.objsubid = 0 AND d.deptype = 'e'
    LEFT JOIN LATERAL (
        SELECT coalesce(e.extcondition[i], '') FROM pg_extension e, generate_subscripts(e.extconfig, 1) i
        WHERE e.oid = d.refobjid AND e.extconfig[i] = c.oid
    ) x(condition) ON true
    WHERE c.relpersistence <> 't' AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp_)'
      AND (d.objid IS NULL OR x.condition IS NOT NULL)";

/// What a standby has of unlogged tables and sequences is their definition alone.
const UNLOGGED_AWAY: &str = "(c.relpersistence = 'u' AND pg_is_in_recovery())";

/// A table before it is locked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    pub oid: u32,
    /// Schema and name, always quoted: for statements.
    pub quoted: String,
    /// Schema and name as the archive has them.
    pub label: String,
    pub readable: bool,
}

/// A table, known as it is in the snapshot.
#[derive(Clone, Debug)]
pub(super) struct Table {
    pub oid: u32,
    pub quoted: String,
    pub label: String,
    pub columns: Vec<Column>,
    /// Bytes of the rows themselves.
    pub heap_bytes: u64,
    /// Bytes with values kept out of line.
    pub total_bytes: u64,
    /// Bytes of values kept out of line.
    pub toast_bytes: u64,
    /// Whether rows can be addressed by block.
    pub is_heap: bool,
    /// The filter of an extension's table, beginning with WHERE, or empty; `None` for a table of a user.
    pub condition: Option<String>,
    /// Whether it is an unlogged table on a standby: in the archive it has no rows, as after a crash of the primary.
    pub is_away: bool,
}

/// A column that is read.
#[derive(Clone, Debug)]
pub(super) struct Column {
    /// Its name.
    pub name: String,
    /// Its type as PostgreSQL formats it.
    pub type_name: String,
    /// How it is written.
    pub kind: Kind,
    /// How large it can be.
    pub bulk: Bulk,
}

/// Whether a value can be large, and how its size is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bulk {
    /// It cannot.
    Small,
    /// `bytea`: the server knows the size without reading the value.
    Binary,
    /// Text: likewise.
    Text,
    /// Any other type of varying length: its text has to be made to know its size. (`char(n)` too: its cast to text
    /// would lose the blanks at its end.)
    Rendered,
}

impl Bulk {
    fn of(type_oid: u32, is_varying: bool) -> Self {
        match type_oid {
            17 => Self::Binary,
            25 | 1043 => Self::Text,
            _ if is_varying && type_oid != 1700 => Self::Rendered,
            _ => Self::Small,
        }
    }
}

/// Schema and name, always quoted.
fn quoted(row: &Row, schema: usize) -> Result<String> {
    Ok(format!("{}.{}", quote_ident(row.text(schema)?), quote_ident(row.text(schema + 1)?)))
}

/// The tables that there are now, without waiting for a lock.
pub(super) fn candidates(session: &mut Session) -> Result<Vec<Candidate>> {
    relations(session, "c.relkind = 'r'", "has_table_privilege(c.oid, 'SELECT') AND NOT row_security_active(c.oid)")
}

/// The sequences that there are now.
pub(super) fn sequences(session: &mut Session) -> Result<Vec<Candidate>> {
    relations(session, &format!("c.relkind = 'S' AND NOT {UNLOGGED_AWAY}"), "has_sequence_privilege(c.oid, 'SELECT')")
}

/// Names of the relations of one kind, ordered: `f` foreign tables, `m` materialized views that hold rows.
pub(super) fn labels(session: &mut Session, kind: char) -> Result<Vec<String>> {
    let found = relations(session, &format!("c.relkind = '{kind}' AND c.relispopulated"), "true")?;
    Ok(found.into_iter().map(|relation| relation.label).collect())
}

/// Names of the tables and sequences whose contents a standby lacks.
pub(super) fn unlogged_away(session: &mut Session) -> Result<Vec<String>> {
    let found = relations(session, &format!("c.relkind IN ('r', 'S') AND {UNLOGGED_AWAY}"), "true")?;
    Ok(found.into_iter().map(|relation| relation.label).collect())
}

fn relations(session: &mut Session, which: &str, readable: &str) -> Result<Vec<Candidate>> {
    let readable = format!("has_schema_privilege(n.oid, 'USAGE') AND {readable}");
    let rows = session.query(&format!("SELECT c.oid, n.nspname, c.relname, {readable} {FROM_TABLES} AND {which}"))?;
    let candidate = |row: &Row| -> Result<Candidate> {
        let label = names::label(row.text(1)?, row.text(2)?);
        // NULL: it was dropped while the list was made, and is then looked at again.
        Ok(Candidate { oid: row.parse(0)?, quoted: quoted(row, 1)?, label, readable: row.get(3) != Some("f") })
    };
    let mut found = rows.iter().map(candidate).collect::<Result<Vec<_>>>()?;
    found.sort_by(|a, b| a.label.cmp(&b.label));
    Ok(found)
}

/// The tables of the snapshot, or those with these numbers, ordered by name; `None` if one of them is not any more what the snapshot shows
/// (dropped, truncated or rewritten since), so that its rows are not those of the snapshot.
pub(super) fn tables(session: &mut Session, only: Option<&[u32]>) -> Result<Option<Vec<Table>>> {
    let which = only.map(|oids| format!("AND c.oid = ANY ('{{{}}}')", oids.iter().map(u32::to_string).collect::<Vec<_>>().join(",")));
    let which = which.unwrap_or_default();
    let rows = session.query(&format!(
        "SELECT c.oid, n.nspname, c.relname, pg_relation_size(c.oid), pg_table_size(c.oid),
                coalesce(pg_relation_size(nullif(c.reltoastrelid, 0)), 0), coalesce(a.amname = 'heap', false), x.condition,
                pg_relation_filenode(c.oid) IS NOT DISTINCT FROM c.relfilenode, {UNLOGGED_AWAY} {FROM_TABLES} AND c.relkind = 'r' {which}"
    ))?;
    if rows.iter().any(|row| !row.is_true(8) || row.get(4).is_none()) {
        return Ok(None);
    }
    let mut columns = columns(session)?;
    let table = |row: &Row| -> Result<Table> {
        let oid = row.parse(0)?;
        Ok(Table {
            oid,
            quoted: quoted(row, 1)?,
            label: names::label(row.text(1)?, row.text(2)?),
            columns: columns.remove(&oid).unwrap_or_default(),
            heap_bytes: row.parse(3)?,
            total_bytes: row.parse(4)?,
            toast_bytes: row.parse(5)?,
            is_heap: row.is_true(6),
            condition: row.get(7).map(str::to_owned),
            is_away: row.is_true(9),
        })
    };
    let mut tables = rows.iter().map(table).collect::<Result<Vec<_>>>()?;
    tables.sort_by(|a, b| a.label.cmp(&b.label));
    Ok(Some(tables))
}

/// Columns by table: neither dropped nor generated. Domains are followed down to the type below them.
fn columns(session: &mut Session) -> Result<HashMap<u32, Vec<Column>>> {
    let rows = session.query(
        "WITH RECURSIVE base(oid, below) AS (
             SELECT t.oid, t.oid FROM pg_type t WHERE t.typtype <> 'd'
             UNION ALL SELECT t.oid, b.below FROM pg_type t JOIN base b ON b.oid = t.typbasetype WHERE t.typtype = 'd')
         SELECT a.attrelid, a.attname, format_type(a.atttypid, a.atttypmod), b.below, t.typlen < 0
         FROM pg_attribute a
         JOIN pg_class c ON c.oid = a.attrelid AND c.relkind = 'r' AND c.oid >= 16384
         JOIN base b ON b.oid = a.atttypid
         JOIN pg_type t ON t.oid = b.below
         WHERE a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
         ORDER BY a.attrelid, a.attnum",
    )?;
    let mut found: HashMap<u32, Vec<Column>> = HashMap::new();
    for row in rows {
        let base = row.parse(3)?;
        let column = Column {
            name: row.text(1)?.into(),
            type_name: row.text(2)?.into(),
            kind: Kind::of(base),
            bulk: Bulk::of(base, row.is_true(4)),
        };
        found.entry(row.parse(0)?).or_default().push(column);
    }
    Ok(found)
}

/// Whether pg_dump would find comments or security labels. Those on what initdb made are none of its business, but for the
/// schema `public`: it wants to know whether that has another comment than it was made with, or none.
pub(super) fn remarks(session: &mut Session) -> Result<Remarks> {
    let rows = session.query(
        "SELECT EXISTS (SELECT FROM pg_description WHERE objoid >= 16384) OR coalesce(obj_description(
                    (SELECT oid FROM pg_namespace WHERE nspname = 'public'), 'pg_namespace'), '') <> 'standard public schema',
                EXISTS (SELECT FROM pg_seclabel)",
    )?;
    Ok(rows.first().map_or(Remarks::POSSIBLE, |row| Remarks { comments: row.is_true(0), labels: row.is_true(1) }))
}

/// An error that names all of `missing` at once, unless there is none. `what` is what they are.
pub(super) fn all_readable(user: &str, what: &str, missing: &[String]) -> Result<()> {
    if missing.is_empty() {
        return Ok(());
    }
    Err(Error::new(
        Code::Privilege,
        format!("The role {user:?} may not read {what}: {}.", list(missing)),
        "Grant it USAGE on the schema and SELECT on each (or pg_read_all_data on PostgreSQL 14 and newer, and BYPASSRLS where row-level security filters), then start again.",
    ))
}

/// The first names of a list, and how many more there are.
pub(super) fn list(names: &[String]) -> String {
    const SHOWN: usize = 20;
    let shown = names.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN { format!("{shown} and {} more", names.len() - SHOWN) } else { shown }
}
