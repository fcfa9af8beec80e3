//! What the catalogs of a database say of its tables, as far as a stream of changes depends on it.
//!
//! A stream tells of rows and not of definitions. So each table has a *mark*, which is another one after anything happened to
//! its definition, also if it looks as before: rows of the catalogs carry the transaction that wrote them (`xmin`).
//!
//! A restore makes the last definitions first and loads the rows of all archives under them. So whatever can refuse a row that
//! was there earlier, or read its text otherwise, is part of the mark, also where it stands in the catalogs beside the table:
//! checks, bounds of partitions, functions that either calls; and, for all tables that use types of users, those types.

use crate::{
    changes::Shape,
    postgres::{
        catalog::FROM_TABLES,
        copy::Kind,
        names,
        wire::{Row, Session},
    },
};
use domain::{Error, Result};
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fmt::Display,
    sync::Arc,
};
use xxhash_rust::xxh3::xxh3_128;

/// A table that holds rows.
#[derive(Clone, Debug)]
pub(in crate::postgres) struct Known {
    pub oid: u32,
    /// Schema and name as the archive has them.
    pub label: String,
    /// Another one after anything happened to the definition.
    pub mark: String,
    /// All columns, generated ones too.
    pub columns: Vec<Column>,
    /// How rows and keys are written; no key if none tells rows apart in the stream.
    pub shape: Arc<Shape>,
    /// Whether the stream does not show its rows as a backup has them: an unlogged table, a part of an extension's.
    pub is_compared: bool,
    /// Whether a type that users made is among its columns.
    pub uses_types: bool,
    /// Whether the text of a value can change with any definition: `regclass` and the like.
    pub names_objects: bool,
}

/// A column.
#[derive(Clone, Debug)]
pub(in crate::postgres) struct Column {
    pub name: String,
    /// How its values are written; `None` for a generated column, whose values are not.
    pub kind: Option<Kind>,
}

impl Known {
    /// Whether the stream does not tell its rows apart.
    pub fn is_keyless(&self) -> bool {
        self.shape.key.is_empty()
    }
}

/// Numbers of `pg_type` whose texts are names of objects: the `reg…` types and `aclitem`, with their arrays.
const NAMES_OBJECTS: &str = "24, 1008, 2202, 2207, 2203, 2208, 2204, 2209, 2205, 2210, 2206, 2211, 4096, 4097, 4089, 4090, 3734, 3735, 3769, 3770, 4191, 4192, 1033, 1034";

/// SQL: whether a table's rows are compared, as [`Known::is_compared`] says; NULL if they are not.
const IS_COMPARED: &str = "c.relpersistence = 'u' OR x.condition <> ''";

/// Names of the tables whose changes a backup takes from the stream. The rows of others are told there, too: those of materialized
/// views that are refreshed bit by bit, and of tables that belong to an extension.
pub(in crate::postgres) fn streamed(session: &mut Session) -> Result<HashSet<String>> {
    let rows = session.query(&format!("SELECT n.nspname, c.relname {FROM_TABLES} AND c.relkind = 'r' AND ({IS_COMPARED}) IS NOT TRUE"))?;
    rows.iter().map(|row| Ok(names::label(row.text(0)?, row.text(1)?))).collect()
}

/// Every table of the session's snapshot. Its key is that which the stream gives: of the primary key, or of the index that is
/// the replica identity; neither counts where it is checked at the end of a transaction only. A constraint keeps its number
/// when its index is built anew, and has another one after it was dropped and made again.
pub(in crate::postgres) fn tables(session: &mut Session) -> Result<Vec<Known>> {
    let rows = session.query(&format!(
        "SELECT c.oid, n.nspname, c.relname, {IS_COMPARED}, array_to_json(key.columns),
                concat_ws(' ', n.oid, n.xmin, c.xmin, c.relreplident, key.mark, x.condition, checks.mark, bounds.mark)
         {} AND c.relkind = 'r'",
        FROM_TABLES.replace("WHERE c.relpersistence", &format!("{KEY} {} {}\n    WHERE c.relpersistence", checks(), bounds()))
    ))?;
    let mut columns = columns(session)?;
    let mut found = rows.iter().map(|row| table(row, &mut columns)).collect::<Result<Vec<_>>>()?;
    found.sort_by(|a, b| a.label.cmp(&b.label));
    Ok(found)
}

const KEY: &str = "
    LEFT JOIN LATERAL (
        SELECT (i.indkey::int2[])[0:i.indnkeyatts - 1] AS columns, coalesce('k' || k.oid, concat_ws(' ', i.indexrelid, i.xmin)) AS mark
        FROM pg_index i LEFT JOIN pg_constraint k ON k.conindid = i.indexrelid AND k.contype = 'p'
        WHERE i.indrelid = c.oid AND i.indisvalid AND i.indisunique AND i.indimmediate AND i.indpred IS NULL AND i.indexprs IS NULL
          AND CASE c.relreplident WHEN 'i' THEN i.indisreplident WHEN 'n' THEN false ELSE i.indisprimary END
        LIMIT 1
    ) key ON true";

/// What a row has to pass, inherited or not. To validate a check changes nothing of its table.
fn checks() -> String {
    format!(
        "
    LEFT JOIN LATERAL (
        SELECT 'c' || string_agg(concat_ws(' ', k.oid, k.xmin, {}), ',' ORDER BY k.oid) AS mark
        FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype IN ('c', 'n')
    ) checks ON true",
        calls("pg_constraint", "k.oid")
    )
}

/// Which partition a row belongs to: the place of the table and of what it is a part of, and where one of these takes what no
/// other does, those others. A bound changes only where a partition is taken out and put back.
fn bounds() -> String {
    format!(
        "
    LEFT JOIN (
        WITH RECURSIVE up(oid, part, parent, mark) AS (
            SELECT i.inhrelid, i.inhrelid, i.inhparent, i.xmin FROM pg_inherits i JOIN pg_class k ON k.oid = i.inhrelid AND k.relispartition
            UNION ALL SELECT up.oid, i.inhrelid, i.inhparent, i.xmin FROM up JOIN pg_inherits i ON i.inhrelid = up.parent),
        divided(oid, rest, functions) AS (SELECT p.partrelid, p.partdefid, {} FROM pg_partitioned_table p)
        SELECT b.oid, 'p' || string_agg(concat_ws(' ', b.part, b.mark, b.functions), ',' ORDER BY b.part) AS mark FROM (
            SELECT up.oid, up.part, up.mark, d.functions FROM up JOIN divided d ON d.oid = up.parent
            UNION ALL SELECT up.oid, i.inhrelid, i.xmin, NULL FROM up
            JOIN divided d ON d.oid = up.parent AND d.rest = up.part JOIN pg_inherits i ON i.inhparent = d.oid AND i.inhrelid <> up.part
        ) b GROUP BY b.oid
    ) bounds ON bounds.oid = c.oid",
        calls("pg_class", "p.partrelid")
    )
}

/// SQL: another text after a function of users was replaced that an object calls, or that such a function may call in its turn; NULL if it
/// calls none. Only those are told that the server keeps a record of.
fn calls(catalog: &str, oid: impl Display) -> String {
    format!(
        "(SELECT string_agg(concat_ws(' ', f.oid, f.xmin, CASE WHEN l.lanname NOT IN ('c', 'internal') THEN
                    (SELECT concat_ws(' ', count(*), sum(xmin::text::bigint)) FROM pg_proc WHERE oid >= 16384) END), ',' ORDER BY f.oid)
                FROM pg_depend d
                JOIN pg_proc f ON f.oid = CASE WHEN d.refclassid = 'pg_proc'::regclass THEN d.refobjid
                    ELSE (SELECT oprcode FROM pg_operator WHERE oid = d.refobjid) END
                JOIN pg_language l ON l.oid = f.prolang
                WHERE d.classid = '{catalog}'::regclass AND d.objid = {oid} AND d.refobjid >= 16384
                  AND d.refclassid IN ('pg_proc'::regclass, 'pg_operator'::regclass))"
    )
}

fn table(row: &Row, columns: &mut HashMap<u32, Attributes>) -> Result<Known> {
    let oid = row.parse(0)?;
    let attributes = columns.remove(&oid).unwrap_or_default();
    let key: Option<Vec<i16>> =
        row.get(4).map(serde_json::from_str).transpose().map_err(|error| Error::internal("A key has an unknown form.").because(error))?;
    let named = |number: &i16| attributes.numbers.get(number).cloned();
    let key: Option<Vec<String>> = key.unwrap_or_default().iter().map(named).collect();
    let kept = attributes.columns.iter().zip(&attributes.types).filter(|(column, _)| column.kind.is_some());
    let (names, types) = kept.map(|(column, type_name)| (column.name.clone(), type_name.clone())).unzip();
    let mark = xxh3_128(format!("{}\n{}", row.text(5)?, attributes.mark).as_bytes());
    Ok(Known {
        oid,
        label: names::label(row.text(1)?, row.text(2)?),
        mark: format!("{mark:032x}"),
        columns: attributes.columns,
        shape: Arc::new(Shape { columns: names, types, key: key.unwrap_or_default() }),
        is_compared: row.is_true(3),
        uses_types: attributes.uses_types,
        names_objects: attributes.names_objects,
    })
}

#[derive(Default)]
struct Attributes {
    columns: Vec<Column>,
    types: Vec<String>,
    numbers: HashMap<i16, String>,
    mark: String,
    uses_types: bool,
    names_objects: bool,
}

fn columns(session: &mut Session) -> Result<HashMap<u32, Attributes>> {
    let rows = session.query(&format!(
        "WITH RECURSIVE base(oid, below) AS (
             SELECT t.oid, t.oid FROM pg_type t WHERE t.typtype <> 'd'
             UNION ALL SELECT t.oid, b.below FROM pg_type t JOIN base b ON b.oid = t.typbasetype WHERE t.typtype = 'd'),
         inside(oid, part) AS (
             SELECT t.oid, t.oid FROM pg_type t WHERE t.oid >= 16384 AND t.oid IN (SELECT atttypid FROM pg_attribute WHERE attrelid >= 16384)
             UNION SELECT i.oid, p.part FROM inside i JOIN pg_type t ON t.oid = i.part CROSS JOIN LATERAL (
                 SELECT t.typelem UNION ALL SELECT t.typbasetype
                 UNION ALL SELECT a.atttypid FROM pg_attribute a WHERE a.attrelid = nullif(t.typrelid, 0) AND a.attnum > 0 AND NOT a.attisdropped
             ) p(part) WHERE p.part <> 0)
         SELECT a.attrelid, a.attnum, a.attname, format_type(a.atttypid, a.atttypmod), b.below, a.attgenerated <> '',
                a.atttypid >= 16384, b.below IN ({NAMES_OBJECTS}) OR a.atttypid IN (SELECT oid FROM inside WHERE part IN ({NAMES_OBJECTS})), concat_ws(' ', a.attnum, a.attname, a.atttypid, a.atttypmod, a.attidentity, a.xmin)
         FROM pg_attribute a
         JOIN pg_class c ON c.oid = a.attrelid AND c.relkind = 'r' AND c.oid >= 16384
         JOIN base b ON b.oid = a.atttypid
         WHERE a.attnum > 0 AND NOT a.attisdropped
         ORDER BY a.attrelid, a.attnum",
    ))?;
    let mut found: HashMap<u32, Attributes> = HashMap::new();
    for row in rows {
        let table = found.entry(row.parse(0)?).or_default();
        let name = row.text(2)?.to_owned();
        table.numbers.insert(row.parse(1)?, name.clone());
        table.columns.push(Column { name, kind: if row.is_true(5) { None } else { Some(Kind::of(row.parse(4)?)) } });
        table.types.push(row.text(3)?.into());
        table.uses_types |= row.is_true(6);
        table.names_objects |= row.is_true(7);
        table.mark.push_str(row.text(8)?);
        table.mark.push('\n');
    }
    Ok(found)
}

/// What types of users are made of, as far as it decides about the text of values and about which there may be: labels of enumerations,
/// each by its number; attributes of composite types, and of tables and views whose rows are values somewhere; and what domains
/// ask of a value. What is added to an enumeration changes no value, and neither does a type that is new.
pub(in crate::postgres) fn types(session: &mut Session) -> Result<BTreeMap<String, String>> {
    let rows = session.query(&format!(
        "SELECT 'label ' || oid, concat_ws(' ', enumlabel, xmin) FROM pg_enum
         UNION ALL SELECT 'composite ' || a.attrelid, string_agg(concat_ws(' ', a.attnum, a.attname, a.atttypid, a.attisdropped, a.xmin), ', ' ORDER BY a.attnum)
         FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
         WHERE a.attnum > 0 AND c.oid >= 16384 AND c.relpersistence <> 't' AND (c.relkind = 'c' OR c.reltype IN (
             SELECT coalesce(nullif(t.typelem, 0), t.oid) FROM pg_depend d JOIN pg_type t ON t.oid = d.refobjid
             WHERE d.refclassid = 'pg_type'::regclass AND d.refobjid >= 16384 AND d.deptype = 'n' AND d.classid IN ('pg_class'::regclass, 'pg_type'::regclass)))
         GROUP BY a.attrelid
         UNION ALL SELECT 'domain ' || t.oid, concat_ws(' ', t.typbasetype, t.typtypmod, t.typnotnull, (
             SELECT string_agg(concat_ws(' ', k.oid, k.xmin, {}), ',' ORDER BY k.oid) FROM pg_constraint k WHERE k.contypid = t.oid))
         FROM pg_type t WHERE t.typtype = 'd' AND t.oid >= 16384",
        calls("pg_constraint", "k.oid")
    ))?;
    rows.iter().map(|row| Ok((row.text(0)?.to_owned(), row.text(1)?.to_owned()))).collect()
}

/// Catalogs that tell nothing of definitions, or are looked at on their own.
const NOT_DEFINITIONS: &str = "pg_statistic,pg_statistic_ext_data,pg_largeobject,pg_largeobject_metadata,pg_subscription_rel";

/// A text that is another one after any definition changed that pg_dump could read. Every row of a catalog carries the
/// transaction that wrote it, and a newer one has a higher number: number and sum of a catalog's rows cannot both stay.
/// What belongs to temporary tables does not count.
pub(in crate::postgres) fn catalogs(session: &mut Session) -> Result<String> {
    let found = session.query(&format!(
        "SELECT relname FROM pg_class WHERE relnamespace = 'pg_catalog'::regnamespace AND relkind = 'r' AND NOT relisshared
           AND relname <> ALL ('{{{NOT_DEFINITIONS}}}') AND has_table_privilege(oid, 'SELECT') ORDER BY relname"
    ))?;
    let mut sums = vec![
        "SELECT 'roles', count(*), md5(string_agg(concat_ws(' ', oid, rolname), ',' ORDER BY oid)) FROM pg_roles".to_owned(),
        "SELECT 'tablespaces', count(*), md5(string_agg(concat_ws(' ', oid, spcname), ',' ORDER BY oid)) FROM pg_tablespace".to_owned(),
    ];
    for row in &found {
        let name = row.text(0)?;
        let lasting = lasting(name).map(|condition| format!(" WHERE {condition}")).unwrap_or_default();
        sums.push(format!("SELECT '{name}', count(*), sum(xmin::text::bigint)::text FROM pg_catalog.{name}{lasting}"));
    }
    let sums = session.query(&sums.join(" UNION ALL "))?;
    let mut all = String::new();
    for row in &sums {
        all.push_str(&format!("{} {} {}\n", row.text(0)?, row.text(1)?, row.get(2).unwrap_or_default()));
    }
    Ok(format!("{:032x}", xxh3_128(all.as_bytes())))
}

/// What excludes the rows of a catalog that come and go with temporary tables.
fn lasting(catalog: &str) -> Option<&'static str> {
    Some(match catalog {
        "pg_class" => "relpersistence <> 't'",
        "pg_namespace" => "nspname !~ '^pg_(toast_)?temp_'",
        "pg_type" => "typnamespace IN (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname !~ '^pg_(toast_)?temp_')",
        "pg_constraint" => "connamespace IN (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname !~ '^pg_(toast_)?temp_')",
        "pg_attribute" => "attrelid IN (SELECT oid FROM pg_catalog.pg_class WHERE relpersistence <> 't')",
        "pg_attrdef" => "adrelid IN (SELECT oid FROM pg_catalog.pg_class WHERE relpersistence <> 't')",
        "pg_index" => "indrelid IN (SELECT oid FROM pg_catalog.pg_class WHERE relpersistence <> 't')",
        "pg_inherits" => "inhrelid IN (SELECT oid FROM pg_catalog.pg_class WHERE relpersistence <> 't')",
        "pg_sequence" => "seqrelid IN (SELECT oid FROM pg_catalog.pg_class WHERE relpersistence <> 't')",
        "pg_trigger" => "tgrelid IN (SELECT oid FROM pg_catalog.pg_class WHERE relpersistence <> 't')",
        "pg_rewrite" => "ev_class IN (SELECT oid FROM pg_catalog.pg_class WHERE relpersistence <> 't')",
        // Members of extensions, and columns that own sequences.
        "pg_depend" => {
            "deptype IN ('e', 'x') OR (deptype IN ('a', 'i') AND refobjsubid > 0 AND objid IN (SELECT oid FROM pg_catalog.pg_class WHERE relkind = 'S' AND relpersistence <> 't'))"
        }
        _ => return None,
    })
}
