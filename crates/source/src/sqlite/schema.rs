//! The definitions of a database: `sqlite_schema`, row by row.
//!
//! `schema/pre-data.sql` and `schema/post-data.sql` are for people. A restore uses `schema/objects.ndjson`, one
//! JSON array per row of `sqlite_schema`: `[rowid, type, name, table, has pages, SQL]`, values as in
//! [`crate::encode`]. Text alone could not give back a definition that SQLite no longer accepts as a statement,
//! the order of the rows, or SQL that is not UTF-8.

use super::{connect::quoted, fault::Subject};
use crate::{Members, Sink, encode, members, value, value::Value};
use domain::{Code, Error, Result};
use rusqlite::{Connection, types::ValueRef};
use std::{collections::HashSet, io::Write as _};

const OBJECTS: &str = "schema/objects.ndjson";
const PRE_DATA: &str = "schema/pre-data.sql";
const POST_DATA: &str = "schema/post-data.sql";

/// One row of `sqlite_schema`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Its rowid: the order of definitions.
    pub rowid: i64,
    /// `table`, `index`, `view` or `trigger`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// The table that it belongs to.
    pub table: String,
    /// Whether it has pages of its own: tables and indexes, but not virtual tables.
    pub has_pages: bool,
    /// The statement as stored, which need not be UTF-8; `None` for indexes that a constraint made.
    pub sql: Option<Vec<u8>>,
}

impl Object {
    /// Whether it is a table with rows in pages of its own.
    pub fn is_stored_table(&self) -> bool {
        self.kind == "table" && self.has_pages
    }

    /// Whether it is a virtual table.
    pub fn is_virtual_table(&self) -> bool {
        self.kind == "table" && !self.has_pages
    }

    /// Whether the name is one that SQLite keeps for itself, such as `sqlite_sequence`.
    pub fn is_internal(&self) -> bool {
        self.name.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("sqlite_"))
    }

    /// The statement, with replacement characters where it is not UTF-8, and whether it had any.
    pub fn statement(&self) -> Option<(String, bool)> {
        let sql = self.sql.as_deref()?;
        Some((String::from_utf8_lossy(sql).into_owned(), std::str::from_utf8(sql).is_err()))
    }
}

/// All definitions in their order.
pub fn objects(connection: &Connection, subject: &Subject) -> Result<Vec<Object>> {
    let fault = |error| subject.fault("Reading the definitions", error);
    let sql = "SELECT rowid, type, name, tbl_name, rootpage, sql FROM main.sqlite_schema ORDER BY rowid";
    let mut statement = connection.prepare(sql).map_err(fault)?;
    let mut rows = statement.query([]).map_err(fault)?;
    let mut objects = vec![];
    while let Some(row) = rows.next().map_err(fault)? {
        let sql = match row.get_ref(5).map_err(fault)? {
            ValueRef::Text(text) => Some(text.to_vec()),
            _ => None,
        };
        objects.push(Object {
            rowid: row.get(0).map_err(fault)?,
            kind: text(row.get_ref(1).map_err(fault)?, subject)?,
            name: text(row.get_ref(2).map_err(fault)?, subject)?,
            table: text(row.get_ref(3).map_err(fault)?, subject)?,
            has_pages: row.get::<_, Option<i64>>(4).map_err(fault)?.unwrap_or(0) != 0,
            sql,
        });
    }
    Ok(objects)
}

/// A name as a string; names that are not UTF-8 have no place in an archive.
fn text(value: ValueRef<'_>, subject: &Subject) -> Result<String> {
    let bytes = value.as_bytes().unwrap_or_default();
    String::from_utf8(bytes.to_vec()).map_err(|error| {
        let name = String::from_utf8_lossy(bytes);
        let sentence = format!("The name {name:?} in {:?} is not valid UTF-8, so it cannot be backed up row by row.", subject.0);
        Error::new(Code::Unsupported, sentence, "Rename it with ALTER TABLE.").because(error)
    })
}

/// One column whose values are stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its declared type, as written.
    pub declared: String,
}

/// A table with pages of its own, as its rows are read and written.
#[derive(Clone, Debug)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// Stored columns in order: generated ones are computed, not stored.
    pub columns: Vec<Column>,
    /// What to call the rowid in SQL: a column that stands for it, or one of its own names that no column has.
    pub rowid: Option<String>,
    /// Where the rowid comes in an encoded row.
    pub rowid_at: Option<usize>,
    /// Whether the rowid is written before the columns, because none of them stands for it.
    pub rowid_apart: bool,
    /// Where the values that tell a row from all others come in an encoded row; empty if no value does, because the names of the
    /// rowid are all taken by other columns.
    pub key_at: Vec<usize>,
}

/// How the tables of a database are stored.
pub struct Layout<'a> {
    connection: &'a Connection,
    subject: &'a Subject,
    without_rowid: HashSet<String>,
}

impl<'a> Layout<'a> {
    /// Looks up what is asked for all tables at once.
    pub fn new(connection: &'a Connection, subject: &'a Subject) -> Result<Self> {
        let without_rowid = || -> rusqlite::Result<HashSet<String>> {
            let mut statement = connection.prepare("PRAGMA main.table_list")?;
            let mut rows = statement.query([])?;
            let mut found = HashSet::new();
            while let Some(row) = rows.next()? {
                if row.get(4)? {
                    found.insert(row.get(1)?);
                }
            }
            Ok(found)
        };
        let without_rowid = without_rowid().map_err(|error| subject.fault("Reading the definitions", error))?;
        Ok(Self { connection, subject, without_rowid })
    }

    /// How the table `name` is stored.
    pub fn table(&self, name: &str) -> Result<Table> {
        let (columns, keys) = columns(self.connection, name, self.subject)?;
        let shadowed = |candidate: &&str| columns.iter().chain(&keys.generated).any(|column| column.name.eq_ignore_ascii_case(candidate));
        let has_rowid = !self.without_rowid.contains(name);
        let alias = keys.single.filter(|_| has_rowid && !keys.has_index);
        let own = || ["rowid", "_rowid_", "oid"].into_iter().find(|name| !shadowed(name)).filter(|_| has_rowid);
        let (rowid, rowid_at, rowid_apart) = match alias {
            Some(at) => (Some(quoted(&columns[at].name)), Some(at), false),
            None => (own().map(str::to_owned), own().map(|_| 0), own().is_some()),
        };
        let key_at = match has_rowid {
            true => rowid_at.into_iter().collect(),
            // In the order of a collating sequence that is not known here no row would be found.
            false if keys.has_strange_order => vec![],
            false => keys.all,
        };
        Ok(Table { name: name.to_owned(), columns, rowid, rowid_at, rowid_apart, key_at })
    }
}

impl Table {
    /// SQL names of all values of a row, in order.
    pub fn values(&self) -> Vec<String> {
        let apart = self.rowid.clone().filter(|_| self.rowid_apart);
        apart.into_iter().chain(self.columns.iter().map(|column| quoted(&column.name))).collect()
    }

    /// The header of its parts.
    pub fn header(&self) -> crate::table::Header {
        let apart = self.rowid.clone().filter(|_| self.rowid_apart);
        crate::table::Header {
            table: self.name.clone(),
            columns: apart.iter().cloned().chain(self.columns.iter().map(|column| column.name.clone())).collect(),
            types: apart.iter().map(|_| "INTEGER".to_owned()).chain(self.columns.iter().map(|column| column.declared.clone())).collect(),
        }
    }
}

/// What else is known of a table's columns.
struct Keys {
    /// Positions of the columns of the primary key.
    all: Vec<usize>,
    /// Position of the only column of the primary key.
    single: Option<usize>,
    /// Whether the primary key is ordered by a collating sequence that only the user's program knows.
    has_strange_order: bool,
    /// Whether an index holds the primary key: then no column stands for the rowid.
    has_index: bool,
    generated: Vec<Column>,
}

fn columns(connection: &Connection, table: &str, subject: &Subject) -> Result<(Vec<Column>, Keys)> {
    let fault = |error| subject.fault(format_args!("Reading the definition of the table {table:?}"), error);
    let (mut columns, mut generated, mut key) = (vec![], vec![], vec![]);
    let mut statement = connection.prepare(&format!("PRAGMA main.table_xinfo({})", quoted(table))).map_err(fault)?;
    let mut rows = statement.query([]).map_err(fault)?;
    while let Some(row) = rows.next().map_err(fault)? {
        let declared = row.get_ref(2).map_err(fault)?.as_bytes().unwrap_or_default();
        let column =
            Column { name: text(row.get_ref(1).map_err(fault)?, subject)?, declared: String::from_utf8_lossy(declared).into_owned() };
        if row.get::<_, i64>(5).map_err(fault)? > 0 {
            key.push(columns.len());
        }
        // 2 and 3 are generated columns: https://www.sqlite.org/pragma.html#pragma_table_xinfo
        let generated_or_not = if row.get::<_, i64>(6).map_err(fault)? < 2 { &mut columns } else { &mut generated };
        generated_or_not.push(column);
    }
    let mut statement = connection.prepare(&format!("PRAGMA main.index_list({})", quoted(table))).map_err(fault)?;
    let indexes: Vec<(String, String)> =
        statement.query_map([], |row| Ok((row.get(1)?, row.get(3)?))).and_then(Iterator::collect).map_err(fault)?;
    let index = indexes.into_iter().find_map(|(name, origin)| (origin == "pk").then_some(name));
    let has_index = index.is_some();
    let has_strange_order = index.map_or(Ok(false), |index| is_strange(connection, &index)).map_err(fault)?;
    Ok((columns, Keys { single: (key.len() == 1).then(|| key[0]), all: key, has_strange_order, has_index, generated }))
}

/// Whether one of the key columns of an index has another collating sequence than those that SQLite brings along.
fn is_strange(connection: &Connection, index: &str) -> rusqlite::Result<bool> {
    let mut statement = connection.prepare(&format!("PRAGMA main.index_xinfo({})", quoted(index)))?;
    let columns = statement.query_map([], |row| Ok((row.get(4)?, row.get(5)?)))?;
    let columns: Vec<(Option<String>, bool)> = columns.collect::<rusqlite::Result<_>>()?;
    let is_known = |name: &str| ["BINARY", "NOCASE", "RTRIM"].iter().any(|known| known.eq_ignore_ascii_case(name));
    Ok(columns.iter().any(|(collation, is_key)| *is_key && !collation.as_deref().is_some_and(is_known)))
}

/// A hash over all definitions, but for where in the list of them they stand: `VACUUM` moves them.
pub fn fingerprint(objects: &[Object]) -> String {
    let mut lines = vec![];
    for object in objects {
        encode_object(&mut lines, &Object { rowid: 0, ..object.clone() });
    }
    format!("{:032x}", encode::row_hash(&lines))
}

/// Writes the definitions: readable, and exact.
pub fn write(objects: &[Object], sink: &dyn Sink) -> Result<()> {
    let (pre, post): (Vec<&Object>, Vec<&Object>) = objects.iter().partition(|object| object.kind == "table");
    for (name, objects) in [(PRE_DATA, pre), (POST_DATA, post)] {
        let mut text = vec![];
        for sql in objects.iter().filter_map(|object| object.sql.as_deref()) {
            text.extend_from_slice(sql);
            text.extend_from_slice(b";\n");
        }
        write_member(sink, name, &text)?;
    }
    let mut lines = vec![];
    for object in objects {
        encode_object(&mut lines, object);
    }
    write_member(sink, OBJECTS, &lines)
}

fn write_member(sink: &dyn Sink, name: &str, bytes: &[u8]) -> Result<()> {
    let mut member = sink.member(name)?;
    member.write(bytes)?;
    member.finish()
}

fn encode_object(out: &mut Vec<u8>, object: &Object) {
    // Writing to a Vec cannot fail.
    let _ = write!(out, "[{},", object.rowid);
    for text in [&object.kind, &object.name, &object.table] {
        encode::string(out, text);
        out.push(b',');
    }
    out.extend_from_slice(if object.has_pages { b"true," } else { b"false," });
    match &object.sql {
        Some(sql) => encode::text(out, sql),
        None => out.extend_from_slice(b"null"),
    }
    out.extend_from_slice(b"]\n");
}

/// Reads the definitions from an archive.
pub fn read(archive: &dyn Members) -> Result<Vec<Object>> {
    let bytes = members::read_all(archive, OBJECTS)?;
    bytes.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()).map(decode_object).collect()
}

fn decode_object(line: &[u8]) -> Result<Object> {
    let broken = || value::damaged("A definition in the archive cannot be read.");
    let mut values = vec![];
    value::split(line, |value| {
        values.push(value);
        Ok(())
    })?;
    let [Value::Bare(rowid), Value::Text(kind), Value::Text(name), Value::Text(table), Value::Bare(has_pages), sql] = &values[..] else {
        return Err(broken());
    };
    let string = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).map_err(|error| broken().because(error));
    let object = Object {
        rowid: string(rowid)?.parse().map_err(|error: std::num::ParseIntError| broken().because(error))?,
        kind: string(kind)?,
        name: string(name)?,
        table: string(table)?,
        has_pages: *has_pages == b"true",
        sql: match sql {
            Value::Text(sql) => Some(sql.to_vec()),
            Value::Null => None,
            _ => return Err(broken()),
        },
    };
    let known =
        if object.has_pages { matches!(&*object.kind, "table" | "index") } else { matches!(&*object.kind, "table" | "view" | "trigger") };
    if known && (object.sql.is_some() || object.kind == "index") { Ok(object) } else { Err(broken()) }
}
