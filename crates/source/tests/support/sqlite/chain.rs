//! A chain of backups of one SQLite database, made and restored as the engine does.

use super::{Folder, assert_same};
use crate::support::Archive;
use domain::{Result, Summary};
use source::{Begun, Context, Description, Following, Members, Owner, Reading, Since, Source, StageRequest};
use std::path::{Path, PathBuf};

/// A chain of backups of one database.
pub struct Chain {
    pub folder: Folder,
    database: String,
    pub state: tempfile::TempDir,
    pub backups: Vec<Backup>,
}

/// One backup.
pub struct Backup {
    pub archive: Archive,
    pub description: Description,
    pub summary: Summary,
    pub state: PathBuf,
}

/// What came of an incremental.
#[derive(Debug, PartialEq, Eq)]
pub enum Incremental {
    Made,
    Unchanged,
    MustBeFull(String),
}

impl Chain {
    /// A chain of `a.db`, filled by `sql`, that begins with a full backup.
    pub fn new(sql: &str) -> Self {
        let folder = Folder::new();
        folder.make("a.db", sql);
        let mut chain = Self { folder, database: "a.db".into(), state: tempfile::tempdir().unwrap(), backups: vec![] };
        chain.full();
        chain
    }

    pub fn following(&self) -> Box<dyn Following> {
        self.folder.source().follow(&self.database, &Owner { instance: "i".into(), root: "r".into() })
    }

    /// An empty folder for the state of the next backup.
    pub fn next(&self) -> PathBuf {
        let next = self.state.path().join(self.backups.len().to_string());
        std::fs::create_dir_all(&next).unwrap();
        next
    }

    pub fn full(&mut self) {
        let next = self.next();
        let reading = self.following().begin_full(&next, &Context::default()).unwrap();
        self.take(reading, next);
    }

    /// Begins a new chain, in the place of this one.
    pub fn anew(&mut self) {
        self.backups.clear();
        let _ = std::fs::remove_dir_all(self.state.path());
        self.full();
    }

    fn take(&mut self, reading: Box<dyn Reading>, state: PathBuf) {
        let (archive, description) = (Archive::default(), reading.description().clone());
        let summary = reading.read(&archive, &Context::default()).unwrap();
        for (name, json) in [("archive.json", serde_json::to_vec(&description)), ("summary.json", serde_json::to_vec(&summary))] {
            archive.put(name, json.unwrap());
        }
        self.backups.push(Backup { archive, description, summary, state });
    }

    /// Looks for changes since the last backup.
    pub fn begin(&self, next: &Path) -> Result<Begun> {
        let last = self.backups.last().unwrap();
        let since = Since { position: &last.summary.position, state: &last.state, next };
        self.following().begin_incremental(&since, &Context::default())
    }

    /// An incremental, after the state was made anew if it was lost.
    pub fn incremental(&mut self) -> Incremental {
        let next = self.next();
        match self.begin(&next).unwrap() {
            Begun::Changes(reading) => {
                self.take(reading, next);
                Incremental::Made
            }
            Begun::Unchanged => Incremental::Unchanged,
            Begun::MustBeFull(why) => Incremental::MustBeFull(why),
            Begun::StateLost => {
                let state = &self.backups.last().unwrap().state;
                let _ = std::fs::remove_dir_all(state);
                std::fs::create_dir_all(state).unwrap();
                self.following().rebuild(&self.members(), state, &Context::default()).unwrap();
                assert!(!matches!(self.begin(&next).unwrap(), Begun::StateLost), "what was made anew is lost");
                self.incremental()
            }
        }
    }

    /// An incremental that has to be one.
    pub fn made(&mut self) -> &Summary {
        assert!(matches!(self.incremental(), Incremental::Made));
        &self.backups.last().unwrap().summary
    }

    pub fn members(&self) -> Vec<&dyn Members> {
        self.backups.iter().map(|backup| &backup.archive as &dyn Members).collect()
    }

    pub fn execute(&self, sql: &str) {
        self.folder.connect("a.db").execute_batch(sql).unwrap();
    }

    /// Restores the chain under another name, which must be the same database.
    pub fn assert_restores(&self, name: &str) {
        self.restore(name, self.backups.len()).unwrap();
        assert_same(&self.folder.path("a.db"), &self.folder.path(name));
    }

    /// Restores the first so many backups.
    pub fn restore(&self, name: &str, backups: usize) -> Result<()> {
        let (context, last) = (Context::default(), &self.backups[backups - 1]);
        let request = StageRequest {
            name: name.into(),
            description: last.description.clone(),
            no_owner: false,
            create_roles: false,
            only_table: None,
            keep_going: false,
        };
        let mut staging = self.folder.source().stage(&request, &context)?;
        let chain = &self.members()[..backups];
        staging.load(chain, None, &context)?;
        for archive in &chain[1..] {
            staging.apply(*archive, None, &context)?;
        }
        staging.finish(chain[backups - 1], &context)?;
        let mut expected: Vec<_> = last.summary.tables.iter().chain(&last.summary.after).cloned().collect();
        expected.sort_by(|a, b| a.table.cmp(&b.table));
        assert_eq!(staging.tables(None, &context)?, expected);
        let compared = staging.compare(chain[backups - 1], &context)?;
        assert!(compared.iter().all(domain::Comparison::is_equal), "{compared:?}");
        staging.publish(&context)
    }
}
