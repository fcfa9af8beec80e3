//! What the catalogs of a database say of its tables, as far as a stream of changes depends on it.
//!
//! A stream tells of rows and not of definitions. So each table has a *mark*, which is another one after anything happened to
//! its definition, also if it looks as before: rows of the catalogs carry the transaction that wrote them (`xmin`).

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
use std::collections::{BTreeMap, HashMap};
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
    pub shape: Shape,
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

/// Every table of the session's snapshot. Its key is that which the stream gives: of the primary key, or of the index that is
/// the replica identity; neither counts where it is checked at the end of a transaction only. A constraint keeps its number
/// when its index is built anew, and has another one after it was dropped and made again.
pub(in crate::postgres) fn tables(session: &mut Session) -> Result<Vec<Known>> {
    let rows = session.query(&format!(
        "SELECT c.oid, n.nspname, c.relname, c.relpersistence = 'u' OR x.condition <> '', array_to_json(key.columns),
                concat_ws(' ', n.oid, n.xmin, c.xmin, c.relreplident, key.mark, x.condition)
         {} AND c.relkind = 'r'",
        FROM_TABLES.replace("WHERE c.relpersistence", &format!("{KEY}\n    WHERE c.relpersistence"))
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
        shape: Shape { columns: names, types, key: key.unwrap_or_default() },
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
             UNION ALL SELECT t.oid, b.below FROM pg_type t JOIN base b ON b.oid = t.typbasetype WHERE t.typtype = 'd')
         SELECT a.attrelid, a.attnum, a.attname, format_type(a.atttypid, a.atttypmod), b.below, a.attgenerated <> '',
                a.atttypid >= 16384, b.below IN ({NAMES_OBJECTS}), concat_ws(' ', a.attnum, a.attname, a.atttypid, a.atttypmod, a.attidentity, a.xmin)
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

/// What types of users are made of, as far as it decides about the text of values: labels of enumerations, each by its number,
/// and attributes of composite types. What is added to an enumeration changes no value.
pub(in crate::postgres) fn types(session: &mut Session) -> Result<BTreeMap<String, String>> {
    let rows = session.query(
        "SELECT 'label ' || oid, concat_ws(' ', enumlabel, xmin) FROM pg_enum
         UNION ALL SELECT 'composite ' || a.attrelid, string_agg(concat_ws(' ', a.attnum, a.attname, a.atttypid, a.attisdropped, a.xmin), ', ' ORDER BY a.attnum)
         FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid AND c.relkind = 'c' WHERE a.attnum > 0 AND c.oid >= 16384 GROUP BY a.attrelid",
    )?;
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
