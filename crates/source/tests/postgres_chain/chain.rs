//! A chain kept in memory, made and restored as the engine does.

use crate::support::{
    Archive,
    postgres::{self, connection, fresh_name},
};
use domain::{Error, Result, Summary, TableSummary};
use jiff::Timestamp;
use source::{
    Begun, Context, Description, Following, Members, Owner, Reading, Since, Source, StageRequest,
    postgres::{Postgres, digest_tables},
};
use std::{
    collections::BTreeSet,
    path::PathBuf,
    sync::atomic::{AtomicUsize, Ordering},
};
use tempfile::TempDir;
use testkit::PostgresServer;

/// The server that tests share, with room for their slots.
pub fn server() -> &'static PostgresServer {
    static SERVER: std::sync::OnceLock<PostgresServer> = std::sync::OnceLock::new();
    SERVER.get_or_init(|| following_server().start().unwrap())
}

/// A server whose changes can be followed.
pub fn following_server() -> testkit::PostgresBuilder {
    PostgresServer::builder().conf("wal_level = logical").conf("max_replication_slots = 40").conf("max_wal_senders = 40")
}

pub fn owner() -> Owner {
    Owner { instance: "0123456789abcdef".into(), root: "root/server".into() }
}

/// One backup.
pub struct Backup {
    pub members: Archive,
    pub description: Description,
    pub summary: Summary,
    pub state: PathBuf,
}

/// What came of an incremental.
#[derive(Debug, PartialEq, Eq)]
pub enum Came {
    Changes,
    Unchanged,
    MustBeFull(String),
}

pub struct Chain<'a> {
    pub server: &'a PostgresServer,
    pub database: String,
    pub source: Postgres,
    pub following: Box<dyn Following>,
    pub backups: Vec<Backup>,
    pub folder: TempDir,
}

impl<'a> Chain<'a> {
    /// A chain of a database, that begins with a full backup.
    pub fn begin(server: &'a PostgresServer, database: &str) -> Self {
        let mut chain = Self::none(server, database, Postgres::new(&connection(server, "postgres"), 3).unwrap());
        chain.full().unwrap();
        chain
    }

    pub fn none(server: &'a PostgresServer, database: &str, source: Postgres) -> Self {
        let following = source.follow(database, &owner());
        Self { server, database: database.into(), source, following, backups: vec![], folder: TempDir::new().unwrap() }
    }

    pub fn full(&mut self) -> Result<()> {
        let state = self.next_state();
        let reading = self.following.begin_full(&state, &Context::default())?;
        self.backups.clear();
        self.add(reading, state)?;
        self.settle()
    }

    /// An incremental, and what the engine does when it is committed.
    pub fn incremental(&mut self) -> Result<Came> {
        let came = self.unsettled()?;
        if came == Came::Changes {
            self.settle()?;
        }
        Ok(came)
    }

    /// An incremental after which the process is killed.
    pub fn unsettled(&mut self) -> Result<Came> {
        self.unsettled_after(|| ())
    }

    /// The same, and what to do when the moment is taken and nothing is read yet.
    pub fn unsettled_after(&mut self, act: impl FnOnce()) -> Result<Came> {
        let next = self.next_state();
        let last = self.backups.last().unwrap();
        let since = Since { position: &last.summary.position, state: &last.state, next: &next };
        match self.following.begin_incremental(&since, &Context::default())? {
            Begun::Changes(reading) => {
                act();
                self.add(reading, next).map(|()| Came::Changes)
            }
            Begun::Unchanged => Ok(Came::Unchanged),
            Begun::MustBeFull(why) => Ok(Came::MustBeFull(why)),
            Begun::StateLost => Err(Error::internal("The state is lost.")),
        }
    }

    pub fn settle(&self) -> Result<()> {
        self.following.settle(&self.backups.last().unwrap().summary.position, &Context::default())
    }

    fn next_state(&self) -> PathBuf {
        static NEXT: AtomicUsize = AtomicUsize::new(1);
        let state = self.folder.path().join(NEXT.fetch_add(1, Ordering::Relaxed).to_string());
        std::fs::create_dir(&state).unwrap();
        state
    }

    fn add(&mut self, reading: Box<dyn Reading>, state: PathBuf) -> Result<()> {
        let (members, description) = (Archive::default(), reading.description().clone());
        let summary = reading.read(&members, &Context::default())?;
        members.put("summary.json", serde_json::to_vec(&summary).unwrap());
        self.backups.push(Backup { members, description, summary, state });
        Ok(())
    }

    /// Restores all, or the backups up to the one that covers a moment, under a new name; and what there is to note.
    pub fn restore(&self, until: Option<Timestamp>) -> Result<(String, Vec<String>)> {
        self.restored(until).map(|(name, notes, _)| (name, notes))
    }

    /// The same, and the tables that are not of the moment.
    pub fn restored(&self, until: Option<Timestamp>) -> Result<(String, Vec<String>, BTreeSet<String>)> {
        let covers = |backup: &Backup| until.is_some_and(|until| backup.summary.covers.is_some_and(|covered| until <= covered.to));
        self.restore_first(self.backups.iter().position(covers).map_or(self.backups.len(), |place| place + 1), until)
    }

    /// Restores the first so many backups, the last one up to a moment; see [`Chain::restored`].
    pub fn restore_first(&self, count: usize, until: Option<Timestamp>) -> Result<(String, Vec<String>, BTreeSet<String>)> {
        self.restore_by(&self.source, count, until)
    }

    /// The same by another opened server.
    pub fn restore_by(&self, source: &Postgres, count: usize, until: Option<Timestamp>) -> Result<(String, Vec<String>, BTreeSet<String>)> {
        let mut elsewhere = BTreeSet::new();
        let (name, context, chain) = (fresh_name(), Context::default(), &self.backups[..count]);
        let request = StageRequest {
            name: name.clone(),
            description: chain[count - 1].description.clone(),
            no_owner: false,
            create_roles: false,
            only_table: None,
            keep_going: false,
        };
        let mut staging = source.stage(&request, &context)?;
        let archives: Vec<&dyn Members> = chain.iter().map(|backup| &backup.members as &dyn Members).collect();
        let ahead: Vec<_> = staging.load(&archives, until, &context)?.into_iter().map(|ahead| ahead.summary).collect();
        let names = ahead.iter().map(|summary| summary.table.clone()).collect();
        assert_eq!(staging.tables(Some(&names), &context)?, ahead);
        for archive in &archives[1..] {
            elsewhere.extend(staging.apply(*archive, until, &context)?.elsewhere);
        }
        staging.finish(archives[count - 1], &context)?;
        if until.is_none() {
            for compared in staging.compare(archives[count - 1], &context)? {
                assert!(compared.is_equal(), "{compared:?}");
            }
        }
        let notes = staging.notes();
        staging.publish(&context)?;
        Ok((name, notes, elsewhere))
    }

    /// Restores all and compares it with the database as it is now: with changes applied after the rows are loaded, with some put
    /// into them before, and with all.
    pub fn check(&self) -> String {
        let now = self.digests(&self.database);
        let changes = |backup: &Backup| backup.summary.changes.map_or(0, |changes| changes.rows());
        let half = self.backups.iter().map(changes).sum::<u64>() / 2;
        let restored = [0, half, u64::MAX].map(|keys| {
            let (name, notes, _) = self.restore_by(&self.source.clone().with_folded_keys(keys), self.backups.len(), None).unwrap();
            assert_eq!(notes, [""; 0]);
            assert_eq!(self.digests(&name), now, "{keys} keys");
            name
        });
        restored.into_iter().last().unwrap()
    }

    pub fn digests(&self, database: &str) -> Vec<TableSummary> {
        digest_tables(&postgres::target(self.server), database, 2, &Context::default()).unwrap()
    }

    pub fn last(&self) -> &Backup {
        self.backups.last().unwrap()
    }

    pub fn sql(&self, sql: &str) -> String {
        self.server.psql(&self.database, sql).unwrap()
    }

    /// The tables that the last backup holds whole.
    pub fn whole(&self) -> Vec<&str> {
        self.last().summary.tables.iter().map(|table| table.table.as_str()).collect()
    }

    /// The lines of changes in the last backup.
    pub fn changes(&self) -> Vec<String> {
        let parts = source::changes::parts(&self.last().members);
        parts.iter().flat_map(|part| self.last().members.text(part).lines().map(str::to_owned).collect::<Vec<_>>()).collect()
    }
}

/// A database of the shared server, filled by `sql`.
pub fn filled(sql: &str) -> String {
    postgres::filled(server(), sql)
}
