//! Definitions written into a new database.
//!
//! Only `CREATE TABLE` and `CREATE INDEX` are run as statements, under an authorizer that allows nothing else:
//! they are what makes pages. Views, triggers and virtual tables have none; their rows are put into
//! `sqlite_schema` as they were, as `sqlite3 .dump` does for virtual tables. At the end every row of
//! `sqlite_schema` gets its old place, and the whole is compared with what the archive says.

use super::{
    fault::Subject,
    schema::{self, Object},
};
use domain::{Code, Error, Result};
use rusqlite::{
    Connection, ToSql,
    functions::FunctionFlags,
    hooks::{AuthAction, AuthContext, Authorization},
    types::{ToSqlOutput, ValueRef},
};
use std::{cell::RefCell, collections::HashMap};

/// Modules whose virtual tables can be made anew: they are part of this SQLite and reach nothing outside the database.
const MODULES: [&str; 6] = ["fts3", "fts4", "fts5", "rtree", "rtree_i32", "fts5vocab"];

/// How the error of a function ends that is only stood in for.
pub const STRANGER: &str = "is known only to the program that made the database";

/// Rows of `sqlite_schema` are moved here to make way for each other.
const ASIDE: i64 = 1 << 40;

/// Writes the definitions of one database.
pub struct Definer<'a> {
    /// A new database, inside a transaction.
    pub connection: &'a Connection,
    /// What to define.
    pub objects: &'a [Object],
    /// Its name, for sentences.
    pub subject: &'a Subject,
    strangers: RefCell<Vec<String>>,
}

impl<'a> Definer<'a> {
    /// A writer of `objects` into `connection`, prepared by [`prepare`].
    pub fn new(connection: &'a Connection, objects: &'a [Object], subject: &'a Subject) -> Self {
        Self { connection, objects, subject, strangers: RefCell::default() }
    }

    /// Creates all tables that have pages, SQLite's own first: those that a later `CREATE` would make by itself.
    pub fn tables(&self) -> Result<()> {
        self.set_writable("ON")?;
        let existing = self.existing()?;
        let (own, users): (Vec<&Object>, Vec<&Object>) =
            self.objects.iter().filter(|object| object.is_stored_table()).partition(|o| o.is_internal());
        for object in own.into_iter().chain(users) {
            if !existing.contains_key(&(object.kind.clone(), object.name.clone())) {
                self.create(object)?;
            }
        }
        self.set_exact_statements("table")
    }

    /// Makes the virtual tables of known modules anew, with the empty tables behind them.
    pub fn empty_virtual_tables(&self) -> Result<()> {
        for object in self.objects.iter().filter(|object| object.is_virtual_table()) {
            let Some((sql, false)) = object.statement() else { continue };
            match self.guarded(may_create_virtual, &sql) {
                // One of an unknown module is put into `sqlite_schema` at the end.
                Err(rusqlite::Error::SqliteFailure(..)) | Ok(()) => {}
                Err(error) => return Err(self.fault(object, error)),
            }
        }
        Ok(())
    }

    /// Creates all indexes that are not part of a table's definition.
    pub fn indexes(&self) -> Result<()> {
        for object in self.objects.iter().filter(|object| object.kind == "index" && object.sql.is_some()) {
            self.create(object)?;
        }
        self.set_exact_statements("index")?;
        for object in self.objects.iter().filter(|object| object.kind == "index") {
            if let Some((_, true)) = object.statement() {
                let sql = format!("REINDEX main.{}", super::connect::quoted(&object.name));
                self.connection.execute_batch(&sql).map_err(|error| self.fault(object, error))?;
            }
        }
        Ok(())
    }

    /// Adds what has no pages, and gives every row of `sqlite_schema` its old place.
    pub fn finish(&self) -> Result<()> {
        let doing = "Writing the definitions";
        let fault = |error| self.subject.fault(doing, error);
        self.set_writable("ON")?;
        let existing = self.existing()?;
        self.connection.execute("UPDATE main.sqlite_schema SET rowid = rowid + ?1", [ASIDE]).map_err(fault)?;
        for object in self.objects {
            let place = existing.get(&(object.kind.clone(), object.name.clone()));
            self.place(object, place.copied()).map_err(fault)?;
        }
        self.set_writable("RESET")?;
        if schema::objects(self.connection, self.subject)? == self.objects {
            return Ok(());
        }
        Err(Error::new(
            Code::Different,
            format!("The definitions of the new database {:?} differ from those in the archive.", self.subject.0),
            "Run `rookery verify` on the repository; if that finds nothing, report this with the log of the run.",
        ))
    }

    fn place(&self, object: &Object, existing: Option<i64>) -> rusqlite::Result<usize> {
        let sql = object.sql.as_deref().map_or(ValueRef::Null, ValueRef::Text);
        let sql = Bytes(sql);
        match existing {
            Some(rowid) => self.connection.execute(
                "UPDATE main.sqlite_schema SET rowid = ?1, tbl_name = ?2, sql = ?3 WHERE rowid = ?4",
                (object.rowid, &object.table, sql, rowid + ASIDE),
            ),
            None => self.connection.execute(
                "INSERT INTO main.sqlite_schema (rowid, type, name, tbl_name, rootpage, sql) VALUES (?1, ?2, ?3, ?4, 0, ?5)",
                (object.rowid, &object.kind, &object.name, &object.table, sql),
            ),
        }
    }

    /// Where each object is now, by type and name.
    fn existing(&self) -> Result<HashMap<(String, String), i64>> {
        let now = schema::objects(self.connection, self.subject)?;
        Ok(now.into_iter().map(|object| ((object.kind, object.name), object.rowid)).collect())
    }

    fn create(&self, object: &Object) -> Result<()> {
        let Some((sql, _)) = object.statement() else { return Ok(()) };
        self.guarded(may_create, &sql).map_err(|error| self.fault(object, error))
    }

    /// Puts back the bytes of statements that are not UTF-8 and were run with replacements.
    fn set_exact_statements(&self, kind: &str) -> Result<()> {
        let mut changed = false;
        for object in self.objects.iter().filter(|object| object.kind == kind && object.has_pages) {
            if let (Some((_, true)), Some(sql)) = (object.statement(), &object.sql) {
                let update = "UPDATE main.sqlite_schema SET sql = ?1 WHERE type = ?2 AND name = ?3";
                let parameters = (Bytes(ValueRef::Text(sql)), kind, &object.name);
                self.connection.execute(update, parameters).map_err(|error| self.fault(object, error))?;
                changed = true;
            }
        }
        if changed {
            self.set_writable("RESET")?;
            self.set_writable("ON")?;
        }
        Ok(())
    }

    fn set_writable(&self, value: &str) -> Result<()> {
        let sql = format!("PRAGMA writable_schema={value}");
        self.connection.execute_batch(&sql).map_err(|error| self.subject.fault("Writing the definitions", error))
    }

    /// Runs a statement of the archive. Functions that only the user's program knows are stood in for by ones that
    /// fail when called: a definition may name them, but nothing can be computed with them.
    fn guarded(&self, allowed: fn(&AuthAction<'_>) -> bool, sql: &str) -> rusqlite::Result<()> {
        let guard = move |context: AuthContext<'_>| {
            if allowed(&context.action) && context.database_name != Some("temp") { Authorization::Allow } else { Authorization::Deny }
        };
        self.connection.authorizer(Some(guard))?;
        let mut result = self.connection.execute(sql, []);
        while let Some(name) = result.as_ref().err().and_then(unknown_function) {
            stand_in(self.connection, &name)?;
            self.strangers.borrow_mut().push(name.clone());
            result = self.connection.execute(sql, []);
            if result.as_ref().err().and_then(unknown_function).as_ref() == Some(&name) {
                break;
            }
        }
        self.connection.authorizer(None::<fn(AuthContext<'_>) -> Authorization>)?;
        result.map(|_| ())
    }

    fn fault(&self, object: &Object, error: rusqlite::Error) -> Error {
        let (kind, name) = (&object.kind, &object.name);
        let sentence = format!("The {kind} {name:?} cannot be made: {error}.");
        let next = "If it needs functions of your own program, make it there; `rookery cat` reads the rows without restoring.";
        Error::new(Code::RestoreNeeds, sentence, next).because(error)
    }
}

/// Text as bytes.
struct Bytes<'a>(ValueRef<'a>);

impl ToSql for Bytes<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(self.0))
    }
}

/// What `CREATE TABLE` and `CREATE INDEX` do, and nothing that reaches out of the database.
fn may_create(action: &AuthAction<'_>) -> bool {
    match action {
        AuthAction::CreateTable { .. } | AuthAction::CreateIndex { .. } | AuthAction::Reindex { .. } => true,
        AuthAction::Read { .. } | AuthAction::Function { .. } => true,
        AuthAction::Insert { table_name } | AuthAction::Update { table_name, .. } => table_name.starts_with("sqlite_"),
        _ => false,
    }
}

/// The same for `CREATE VIRTUAL TABLE` of a known module, which prepares tables behind it.
fn may_create_virtual(action: &AuthAction<'_>) -> bool {
    match action {
        AuthAction::CreateVtable { module_name, .. } => MODULES.contains(module_name),
        AuthAction::Insert { .. } | AuthAction::Update { .. } | AuthAction::Delete { .. } | AuthAction::Select => true,
        AuthAction::Pragma { pragma_name, .. } => *pragma_name == "page_size",
        action => may_create(action),
    }
}

fn unknown_function(error: &rusqlite::Error) -> Option<String> {
    let text = error.to_string();
    let at = text.find("no such function: ")? + "no such function: ".len();
    // The error of a statement may end in where in its text it was found.
    let name = text[at..].split(" in ").next()?;
    Some(name.to_owned())
}

fn stand_in(connection: &Connection, name: &str) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_INNOCUOUS;
    let sentence = format!("the function {name:?} {STRANGER}");
    connection.create_scalar_function(name, -1, flags, move |_| -> rusqlite::Result<i64> {
        Err(rusqlite::Error::UserFunctionError(sentence.clone().into()))
    })
}

/// What a restore of these definitions would find hard, one sentence each. Found by making them all in memory.
pub fn rehearse(objects: &[Object], subject: &Subject, context: &crate::Context) -> Result<Vec<String>> {
    let fault = |error| subject.fault("Rehearsing the definitions", error);
    let connection = Connection::open_in_memory().map_err(fault)?;
    prepare(&connection, context).map_err(fault)?;
    let definer = Definer::new(&connection, objects, subject);
    let mut notes = vec![];
    if let Err(error) = definer.tables().and_then(|()| definer.indexes()) {
        context.check()?;
        notes.push(format!("A restore will not be possible as it is: {error}"));
    }
    for name in definer.strangers.take() {
        notes.push(format!(
            "The function {name:?} is known only to your own program: a restore is possible only if no generated column or index computes with it."
        ));
    }
    for name in unknown_collations(&connection).map_err(fault)? {
        notes.push(format!(
            "The collating sequence {name:?} is known only to your own program: after a restore, run REINDEX {name} in it before anything else."
        ));
    }
    Ok(notes)
}

/// Allows a connection to a new database what its definitions need.
pub fn prepare(connection: &Connection, context: &crate::Context) -> rusqlite::Result<()> {
    super::connect::harden(connection, context)?;
    connection.set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_DEFENSIVE, false)?;
    connection.set_limit(rusqlite::limits::Limit::SQLITE_LIMIT_ATTACHED, 0)?;
    // Rows are taken as they were, also those that were there before a constraint was.
    connection.execute_batch("PRAGMA ignore_check_constraints=ON")
}

fn unknown_collations(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare("PRAGMA collation_list")?;
    let names = statement.query_map([], |row| row.get::<_, String>(1))?.collect::<rusqlite::Result<Vec<_>>>()?;
    let known = |name: &String| ["BINARY", "NOCASE", "RTRIM"].iter().any(|known| known.eq_ignore_ascii_case(name));
    Ok(names.into_iter().filter(|name| !known(name)).collect())
}
