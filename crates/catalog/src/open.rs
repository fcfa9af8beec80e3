//! Opening the catalog, and its connections.

use crate::sql::{failed, sql, statements};
use domain::{Code, Error, Result};
use sqlx::{
    Sqlite, SqlitePool, Transaction,
    migrate::{MigrateError, Migrator},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use std::{fs::OpenOptions, os::unix::fs::OpenOptionsExt, path::Path, time::Duration};

static MIGRATIONS: Migrator = sqlx::migrate!("../../migrations");

/// Connections that read. More would only share the same processors.
const READERS: u32 = 4;

statements! {
    ANSWERS = "SELECT 1";
}

/// The console's own database. Cheap to clone; all clones share the connections.
///
/// SQLite has one writer: all changes go through one connection and wait for each other there, in order, instead of meeting
/// a locked file. Readers are not held up by it.
#[derive(Clone, Debug)]
pub struct Catalog {
    writer: SqlitePool,
    readers: SqlitePool,
    address: String,
}

impl Catalog {
    /// Opens the catalog at `sqlite:FILE`, makes it if it is not there, and brings it up to this version.
    ///
    /// # Errors
    /// [`Code::Usage`] for another kind of address; [`Code::Catalog`] if it cannot be used.
    pub async fn open(url: &str) -> Result<Self> {
        let file = match url.strip_prefix("sqlite:").map(|file| file.strip_prefix("//").unwrap_or(file)) {
            Some(file) if !file.is_empty() && !file.starts_with(':') && !file.contains('?') => Path::new(file),
            _ => {
                let sentence = format!("{url:?} is not the address of a catalog.");
                return Err(Error::new(Code::Usage, sentence, "Give it as sqlite:FILE."));
            }
        };
        make_private(file)?;
        let options = options().filename(file).journal_mode(SqliteJournalMode::Wal).synchronous(SqliteSynchronous::Full);
        let writer = pool(1).connect_with(options.clone().optimize_on_close(true, 400)).await.map_err(|error| unusable(url, error))?;
        migrate(&writer, url).await?;
        let readers = pool(READERS).connect_with(options.pragma("query_only", "ON")).await.map_err(|error| unusable(url, error))?;
        tracing::info!(catalog = url, "The catalog is open.");
        Ok(Self { writer, readers, address: url.into() })
    }

    /// An empty catalog that is gone when it is dropped, for tests: one connection writes and reads.
    ///
    /// # Errors
    /// [`Code::Catalog`] if there is no room for it.
    pub async fn in_memory() -> Result<Self> {
        let address = "sqlite::memory:";
        let only = pool(1).connect_with(options().in_memory(true)).await.map_err(|error| unusable(address, error))?;
        migrate(&only, address).await?;
        Ok(Self { writer: only.clone(), readers: only, address: address.into() })
    }

    /// Where the catalog is, as it was given.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Whether the catalog answers, both for writing and for reading.
    ///
    /// # Errors
    /// [`Code::Catalog`] if it does not.
    pub async fn ready(&self) -> Result<()> {
        sql(ANSWERS).count(&self.readers).await?;
        self.begin().await?.commit().await
    }

    /// Closes all connections, after what is under way. Whoever uses the catalog after that gets an error.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    /// For statements that only read.
    pub(crate) fn reader(&self) -> &SqlitePool {
        &self.readers
    }

    /// A moment of the catalog, for questions whose answers must fit together.
    pub(crate) async fn moment(&self) -> Result<Transaction<'static, Sqlite>> {
        self.readers.begin().await.map_err(failed)
    }

    /// A transaction that writes. What is not committed is rolled back when it is dropped.
    pub(crate) async fn begin(&self) -> Result<Write> {
        // IMMEDIATE takes the lock before the first statement: a transaction that reads first could otherwise find, at its
        // first write, that another process (a second console, a backup of the file) was quicker.
        Ok(Write(self.writer.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?))
    }
}

/// A transaction that writes.
pub(crate) struct Write(Transaction<'static, Sqlite>);

impl Write {
    pub(crate) fn on(&mut self) -> &mut sqlx::SqliteConnection {
        &mut self.0
    }

    pub(crate) async fn commit(self) -> Result<()> {
        self.0.commit().await.map_err(failed)
    }
}

fn options() -> SqliteConnectOptions {
    SqliteConnectOptions::new().foreign_keys(true).busy_timeout(Duration::from_secs(10))
}

/// Connections are kept: to open one costs more than most questions.
fn pool(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .min_connections(1)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
}

/// The file is made by us, for its owner alone: it holds hashes of passwords. SQLite gives the same mode to the files beside it.
fn make_private(file: &Path) -> Result<()> {
    let made = OpenOptions::new().create_new(true).write(true).mode(0o600).open(file);
    match made {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(unusable(&file.display().to_string(), error)),
    }
}

async fn migrate(writer: &SqlitePool, url: &str) -> Result<()> {
    MIGRATIONS.run(writer).await.map_err(|error| match error {
        MigrateError::VersionMissing(_) | MigrateError::VersionTooNew(..) => Error::new(
            Code::Catalog,
            format!("The catalog {url} was written by a newer version of Rookery."),
            "Start that version, or put the catalog's own backup of before the upgrade in its place.",
        )
        .because(error),
        error => unusable(url, error),
    })
}

fn unusable(address: &str, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new(
        Code::Catalog,
        format!("The catalog {address} cannot be opened."),
        "Check that the file and its folder belong to the console's user, and that the disk is not full.",
    )
    .because(cause)
}
