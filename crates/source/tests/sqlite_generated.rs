//! Generated databases through an archive and back.

mod support;

use proptest::{collection::vec, prelude::*};
use rusqlite::{
    ToSql,
    types::{ToSqlOutput, Value, ValueRef},
};
use std::collections::HashSet;
use support::sqlite::Folder;

/// A value of any storage class.
#[derive(Clone, Debug)]
enum Cell {
    Plain(Value),
    Text(Vec<u8>),
}

impl ToSql for Cell {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Plain(value) => value.into(),
            Self::Text(bytes) => ValueRef::Text(bytes),
        }))
    }
}

#[derive(Clone, Debug)]
struct Table {
    name: String,
    columns: Vec<(String, &'static str)>,
    kind: Kind,
    indexed: bool,
    rows: Vec<(i64, Vec<Cell>)>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Heap,
    Key,
    Counted,
    WithoutRowid,
    Strict,
    Generated,
}

#[derive(Clone, Debug)]
struct Database {
    encoding: &'static str,
    page_size: u32,
    auto_vacuum: u8,
    journal_mode: &'static str,
    user_version: i32,
    tables: Vec<Table>,
}

fn name() -> impl Strategy<Value = String> {
    let hostile = "[\"'\\[\\]`;%/.\\\\\n\t\r -]{1,6}";
    let special = prop::sample::select(vec!["rowid", "oid", "_rowid_", "select", "x'00'", "sqlit", "..", "%41", "null", "🐦"]);
    prop_oneof!["[a-zA-Z_]{1,8}", "\\PC{1,10}", hostile, special.prop_map(str::to_owned)]
}

fn cell() -> impl Strategy<Value = Cell> {
    let special = prop::sample::select(vec![f64::INFINITY, f64::NEG_INFINITY, -0.0, 1e16, 9_007_199_254_740_993.0, f64::MIN_POSITIVE]);
    prop_oneof![
        Just(Cell::Plain(Value::Null)),
        any::<i64>().prop_map(|number| Cell::Plain(Value::Integer(number))),
        (-300_i64..300).prop_map(|number| Cell::Plain(Value::Integer(number))),
        any::<f64>().prop_filter("a NaN becomes NULL", |number| !number.is_nan()).prop_map(|number| Cell::Plain(Value::Real(number))),
        special.prop_map(|number| Cell::Plain(Value::Real(number))),
        "\\PC{0,20}|[\\x00-\\x1f\"\\\\]{0,10}|-?[0-9]{1,20}(\\.[0-9]{1,3})?".prop_map(|text| Cell::Text(text.into_bytes())),
        vec(any::<u8>(), 0..12).prop_map(Cell::Text),
        vec(any::<u8>(), 0..3000).prop_map(|bytes| Cell::Plain(Value::Blob(bytes))),
    ]
}

fn table() -> impl Strategy<Value = Table> {
    let kind = prop::sample::select(vec![Kind::Heap, Kind::Key, Kind::Counted, Kind::WithoutRowid, Kind::Strict, Kind::Generated]);
    let affinity = prop::sample::select(vec!["", "INTEGER", "TEXT", "REAL", "BLOB", "NUMERIC", "VARCHAR(10)", "DEC IMAL"]);
    (name(), vec((name(), affinity), 1..5), kind, any::<bool>()).prop_flat_map(|(name, mut columns, kind, indexed)| {
        let mut seen: HashSet<String> = ["id", "made"].map(str::to_owned).into();
        columns.retain(|(column, _)| seen.insert(column.to_ascii_lowercase()));
        if columns.is_empty() {
            columns.push(("c".into(), ""));
        }
        let rowid = prop_oneof![any::<i64>(), -5_i64..40];
        let rows = vec((rowid, vec(cell(), columns.len())), 0..40);
        (Just(name), Just(columns), Just(kind), Just(indexed), rows).prop_map(|(name, columns, kind, indexed, rows)| Table {
            name,
            columns,
            kind,
            indexed,
            rows,
        })
    })
}

fn database() -> impl Strategy<Value = Database> {
    let encoding = prop::sample::select(vec!["UTF-8", "UTF-8", "UTF-16le", "UTF-16be"]);
    let page_size = prop::sample::select(vec![512, 1024, 4096, 65536]);
    let journal_mode = prop::sample::select(vec!["wal", "delete"]);
    (encoding, page_size, 0_u8..3, journal_mode, any::<i32>(), vec(table(), 1..5)).prop_map(
        |(encoding, page_size, auto_vacuum, journal_mode, user_version, mut tables)| {
            let mut seen = HashSet::new();
            tables.retain(|table| seen.insert(table.name.to_ascii_lowercase()));
            Database { encoding, page_size, auto_vacuum, journal_mode, user_version, tables }
        },
    )
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

impl Table {
    fn create(&self) -> String {
        let declared = |(name, affinity): &(String, &str)| {
            let affinity = if self.kind == Kind::Strict { "ANY" } else { affinity };
            format!("{} {affinity}", quoted(name))
        };
        let columns = self.columns.iter().map(declared).collect::<Vec<_>>().join(", ");
        let name = quoted(&self.name);
        match self.kind {
            Kind::Heap => format!("CREATE TABLE {name}({columns})"),
            Kind::Key => format!("CREATE TABLE {name}({columns}, id INTEGER PRIMARY KEY)"),
            Kind::Counted => format!("CREATE TABLE {name}(id INTEGER PRIMARY KEY AUTOINCREMENT, {columns})"),
            Kind::WithoutRowid => format!("CREATE TABLE {name}({columns}, id INT, PRIMARY KEY(id)) WITHOUT ROWID"),
            Kind::Strict => format!("CREATE TABLE {name}({columns}, id INT UNIQUE) STRICT"),
            Kind::Generated => {
                let first = quoted(&self.columns[0].0);
                format!("CREATE TABLE {name}(made AS (typeof({first})) STORED, {columns}, id AS (quote({first})))")
            }
        }
    }

    fn fill(&self, connection: &rusqlite::Connection) -> rusqlite::Result<()> {
        let key = match self.kind {
            Kind::Heap | Kind::Generated => ["rowid", "oid", "_rowid_"]
                .into_iter()
                .find(|name| !self.columns.iter().any(|(column, _)| column.eq_ignore_ascii_case(name))),
            _ => Some("id"),
        };
        let names: Vec<String> = key.iter().map(|key| (*key).to_owned()).chain(self.columns.iter().map(|(name, _)| quoted(name))).collect();
        let parameters = vec!["?"; names.len()].join(", ");
        let sql = format!("INSERT OR REPLACE INTO {} ({}) VALUES ({parameters})", quoted(&self.name), names.join(", "));
        let mut statement = connection.prepare(&sql)?;
        for (rowid, cells) in &self.rows {
            let rowid: Option<&dyn ToSql> = key.map(|_| rowid as &dyn ToSql);
            let values: Vec<&dyn ToSql> = rowid.into_iter().chain(cells.iter().map(|cell| cell as &dyn ToSql)).collect();
            statement.execute(&values[..])?;
        }
        Ok(())
    }
}

impl Database {
    fn make(&self, folder: &Folder) -> rusqlite::Result<()> {
        let connection = folder.connect("made.db");
        connection.execute_batch(&format!(
            "PRAGMA page_size={}; PRAGMA encoding='{}'; PRAGMA auto_vacuum={}; PRAGMA journal_mode={}; PRAGMA user_version={}; BEGIN",
            self.page_size, self.encoding, self.auto_vacuum, self.journal_mode, self.user_version
        ))?;
        for (at, table) in self.tables.iter().enumerate() {
            connection.execute_batch(&table.create())?;
            table.fill(&connection)?;
            if table.indexed {
                let column = quoted(&table.columns[0].0);
                let name = quoted(&format!("i{at} {}", table.name));
                connection.execute_batch(&format!("CREATE INDEX {name} ON {}({column} DESC)", quoted(&table.name)))?;
            }
        }
        connection.execute_batch("COMMIT")
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn every_database_comes_back(database in database()) {
        let folder = Folder::new();
        if let Err(error) = database.make(&folder) {
            // Names such as `sqlite_…` are SQLite's own, and some it does not take.
            return Err(TestCaseError::reject(error.to_string()));
        }
        folder.round_trip("made.db", "copy.db");
    }
}
