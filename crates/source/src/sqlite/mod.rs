//! A folder of SQLite databases.
//!
//! Files of users are opened read-only and never changed: no checkpoint, no recovery, no journal. A database in
//! WAL mode is read in one read transaction, which disturbs nobody. One with a rollback journal would make its
//! writers wait for as long as it is read, so its pages are copied first and read from the copy.
//! What that takes is told in the modules `moment` and `image`.

mod apply;
mod cell;
mod connect;
mod define;
mod encoder;
mod fault;
mod folder;
mod follow;
mod full;
mod header;
mod held;
mod image;
mod incremental;
mod job;
mod load;
mod moment;
mod read;
mod rebuild;
mod schema;
mod staging;
mod stamp;
mod state;

use crate::{
    Capabilities, Context, Database, Following, Identity, IncrementalMethod, Owner, Reading, Scope, Source, StageRequest, Staging,
};
use domain::{Code, Dbms, Error, Result};
use fault::Subject;
use moment::Opening;
use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

pub use cell::Encoding;
pub use full::Properties;

/// How long to wait for another program's lock, unless told otherwise.
const PATIENCE: Duration = Duration::from_secs(30);

/// A folder of SQLite databases, opened. A database's name is its path below the folder.
#[derive(Clone)]
pub struct Sqlite {
    folder: PathBuf,
    workers: usize,
    patience: Duration,
}

impl Sqlite {
    /// Opens `folder`; `workers` connections read or write one database at the same time.
    ///
    /// # Errors
    /// [`Code::NotFound`], [`Code::Usage`] (a file) or [`Code::Privilege`] for a folder that cannot be used.
    pub fn new(folder: &Path, workers: usize) -> Result<Self> {
        connect::check_version()?;
        let resolved = folder.canonicalize().map_err(|error| folder::unusable(folder, error))?;
        resolved.read_dir().map_err(|error| folder::unusable(folder, error))?;
        Ok(Self { folder: resolved, workers: workers.max(1), patience: PATIENCE })
    }

    /// Waits at most this long for the lock of another program.
    #[must_use]
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    fn locate(&self, name: &str) -> Result<PathBuf> {
        folder::locate(&self.folder, name)
    }

    fn open(&self, name: &str, context: &Context) -> Result<full::Full> {
        let subject = Subject(name.to_owned());
        let path = self.locate(name)?;
        let data = path.symlink_metadata().map_err(|error| subject.io_fault("Opening", &path, error))?;
        let opening = Opening { path: &path, subject: &subject, readers: self.workers, patience: self.patience };
        let moment = opening.open(context)?;
        full::Full::new(moment, subject, data.permissions().mode() & 0o777, context)
    }
}

impl Source for Sqlite {
    fn identify(&self, context: &Context) -> Result<Identity> {
        context.check()?;
        self.folder.read_dir().map_err(|error| folder::unusable(&self.folder, error))?;
        Ok(Identity {
            dbms: Dbms::Sqlite,
            version: rusqlite::version().to_owned(),
            instance: self.folder.to_string_lossy().into_owned(),
            has_globals: false,
            encrypted_at_rest: None,
        })
    }

    fn databases(&self, context: &Context) -> Result<Vec<Database>> {
        folder::databases(&self.folder, context)
    }

    fn capabilities(&self, database: &str, context: &Context) -> Result<Capabilities> {
        let full = self.open(database, context)?;
        Ok(Capabilities {
            incremental: Some(IncrementalMethod::RowComparison),
            notes: vec![
                "SQLite keeps no stream of changes that others may read, so rows are compared with the last backup: the moment of each backup can be restored, not those between.".into(),
            ],
            obstacles: full.description().notes.clone(),
        })
    }

    fn begin_full(&self, scope: &Scope, context: &Context) -> Result<Box<dyn Reading>> {
        match scope {
            Scope::Database(name) => Ok(Box::new(self.open(name, context)?)),
            Scope::Globals => Err(Error::new(
                Code::Unsupported,
                "A folder of SQLite databases has nothing beside its databases.",
                "Back up its databases.",
            )),
        }
    }

    fn follow(&self, database: &str, _: &Owner) -> Box<dyn Following> {
        Box::new(follow::Chain::new(self, database))
    }

    fn stage(&self, request: &StageRequest, context: &Context) -> Result<Box<dyn Staging>> {
        Ok(Box::new(staging::Stage::begin(self, request, context)?))
    }

    fn check_needs(&self, request: &StageRequest, _: &Context) -> Result<()> {
        staging::check_needs(self, request)
    }

    fn sweep(&self, context: &Context) -> Result<()> {
        staging::sweep(&self.folder, context)?;
        image::sweep().map_err(|error| {
            Error::new(
                Code::ServerError,
                "Private copies that a killed run left could not be removed.",
                "See to the folder for temporary files.",
            )
            .because(error)
        })
    }
}
