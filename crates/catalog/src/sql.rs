//! How a statement meets the database: parameters in, records out, errors in words.

use crate::stored::Stored;
use domain::{Code, Error, Result};
use sqlx::{
    Executor, Row as _, Sqlite,
    query::Query,
    sqlite::{SqliteArguments, SqliteRow},
};

/// Names the SQL of a file, and lists it so that a test can show every statement to every kind of database.
macro_rules! statements {
    ($($name:ident = $sql:expr;)*) => {
        $(const $name: &str = $sql;)*

        #[cfg(test)]
        pub(crate) const ALL: &[(&str, &str)] = &[$((concat!(module_path!(), "::", stringify!($name)), $name),)*];
    };
}
pub(crate) use statements;

/// A statement with its parameters so far.
pub(crate) struct Statement(Result<Query<'static, Sqlite, SqliteArguments>>);

/// A statement without parameters yet.
pub(crate) fn sql(text: &'static str) -> Statement {
    Statement(Ok(sqlx::query(text)))
}

/// A row, read by the names of its columns.
pub(crate) struct Row(SqliteRow);

/// What can be made from a row.
pub(crate) trait Record: Sized {
    fn read(row: &Row) -> Result<Self>;
}

impl Row {
    pub(crate) fn get<T: Stored>(&self, column: &str) -> Result<T> {
        let raw = self.0.try_get::<T::Raw, _>(column).map_err(failed)?;
        T::from_raw(raw).map_err(|cause| {
            let sentence = format!("The console's catalog holds a value in {column:?} that this version cannot read.");
            Error::new(Code::Catalog, sentence, NEXT_STEP).because(cause)
        })
    }
}

impl Statement {
    /// Gives the next parameter.
    pub(crate) fn with<T: Stored + ?Sized>(self, value: &T) -> Self {
        let unfit =
            |cause| Error::new(Code::Invalid, "A value cannot be stored.", "Use names and paths that are Unicode text.").because(cause);
        Self(self.0.and_then(|query| Ok(query.bind(value.to_raw().map_err(unfit)?))))
    }

    /// Runs it for the number of rows that it changed.
    pub(crate) async fn run<'e>(self, on: impl Executor<'e, Database = Sqlite>) -> Result<u64> {
        Ok(self.0?.execute(on).await.map_err(failed)?.rows_affected())
    }

    /// Runs it for all its rows.
    pub(crate) async fn all<'e, T: Record>(self, on: impl Executor<'e, Database = Sqlite>) -> Result<Vec<T>> {
        self.0?.fetch_all(on).await.map_err(failed)?.into_iter().map(|row| T::read(&Row(row))).collect()
    }

    /// Runs it for its one row, if there is one.
    pub(crate) async fn one<'e, T: Record>(self, on: impl Executor<'e, Database = Sqlite>) -> Result<Option<T>> {
        self.0?.fetch_optional(on).await.map_err(failed)?.map(|row| T::read(&Row(row))).transpose()
    }

    /// Runs it for a number that it counts.
    pub(crate) async fn count<'e>(self, on: impl Executor<'e, Database = Sqlite>) -> Result<u64> {
        let row = self.0?.fetch_one(on).await.map_err(failed)?;
        Ok(row.try_get::<i64, _>(0).map_err(failed)?.unsigned_abs())
    }
}

const NEXT_STEP: &str = "Look at the console's log for the cause: a full or failing disk is the usual one.";

/// What the database says, in words. A broken rule of the schema is told apart, so that callers can name what it means.
pub(crate) fn failed(error: sqlx::Error) -> Error {
    let told = match error.as_database_error() {
        Some(cause) if cause.is_unique_violation() => {
            Error::new(Code::NameTaken, "This is there already.", "Look at what is there, or choose another name.")
        }
        Some(cause) if cause.is_foreign_key_violation() => {
            Error::new(Code::Conflict, "Something that this refers to was removed meanwhile.", "Load the page again, and choose anew.")
        }
        _ => Error::new(Code::Catalog, "The console's own database could not be used.", NEXT_STEP),
    };
    told.because(error)
}

/// An error of writing a record with a name: a name in use is told at its field.
pub(crate) fn named(what: &str, error: Error) -> Error {
    match error.code() {
        Code::NameTaken => Error::invalid_field("name", format!("There is already a {what} of this name.")),
        _ => error,
    }
}

/// There is no such record.
pub(crate) fn missing(what: &str) -> Error {
    Error::new(Code::NotFound, format!("There is no such {what} any more."), "Go back to the overview and choose from there.")
}

/// The record is not as it was when the change was begun.
pub(crate) fn changed(what: &str) -> Error {
    Error::new(
        Code::Conflict,
        format!("Somebody else changed this {what} meanwhile."),
        "Load the page again to see the other change, then make yours.",
    )
}
