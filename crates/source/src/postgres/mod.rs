//! PostgreSQL 12 and newer.

pub mod archive;
mod blobs;
mod catalog;
pub mod copy;
pub mod decode;
mod discover;
mod follow;
mod full;
mod globals;
mod moment;
pub mod names;
mod pieces;
mod properties;
mod reader;
mod restore;
mod snapshot;
pub mod sql;
mod stream;
pub mod tools;
mod wide;
pub mod wire;

pub use moment::digest_tables;
pub use stream::slot::Shown as Slot;

use crate::{Capabilities, Context, Database, Following, Identity, Owner, Reading, Scope, Source, StageRequest, Staging};
use domain::{Connection, Result};
use std::time::Duration;
use wire::Target;

/// A PostgreSQL server, opened.
#[derive(Clone, Debug)]
pub struct Postgres {
    target: Target,
    workers: usize,
    window_bytes: Option<u64>,
    renewal_ms: Option<u32>,
    folded_keys: u64,
}

impl Postgres {
    /// A server of which a database is read (and loaded) by up to `workers` sessions at a time.
    pub fn new(connection: &Connection, workers: usize) -> Result<Self> {
        Ok(Self {
            target: Target::new(connection)?,
            workers: workers.max(1),
            window_bytes: None,
            renewal_ms: None,
            folded_keys: restore::FOLDED_KEYS,
        })
    }

    /// The same, with windows of the log that begin with this size.
    #[must_use]
    pub fn with_windows(self, bytes: u64) -> Self {
        Self { window_bytes: Some(bytes), ..self }
    }

    /// The same, which waits so long for the slot that a chain goes on with after an incremental.
    #[must_use]
    pub fn with_renewal_within(self, wait: Duration) -> Self {
        Self { renewal_ms: Some(u32::try_from(wait.as_millis()).unwrap_or(u32::MAX)), ..self }
    }

    /// The same, which puts changes into rows while these are loaded as long as so many keys were changed; those of later
    /// incrementals are applied afterwards.
    #[must_use]
    pub fn with_folded_keys(self, keys: u64) -> Self {
        Self { folded_keys: keys, ..self }
    }
}

impl Source for Postgres {
    fn identify(&self, context: &Context) -> Result<Identity> {
        discover::identify(&self.target, context)
    }

    fn databases(&self, context: &Context) -> Result<Vec<Database>> {
        discover::databases(&self.target, context)
    }

    fn capabilities(&self, database: &str, context: &Context) -> Result<Capabilities> {
        discover::capabilities(&self.target, database, context)
    }

    fn begin_full(&self, scope: &Scope, context: &Context) -> Result<Box<dyn Reading>> {
        Ok(match scope {
            Scope::Database(name) => Box::new(full::Full::begin(&self.target, name, self.workers, context)?),
            Scope::Globals => Box::new(globals::Globals::begin(&self.target, context)?),
        })
    }

    fn follow(&self, database: &str, owner: &Owner) -> Box<dyn Following> {
        Box::new(follow::Chain::new(self, database, owner))
    }

    fn stage(&self, request: &StageRequest, context: &Context) -> Result<Box<dyn Staging>> {
        restore::stage(&self.target, (self.workers, self.folded_keys), request, context)
    }

    fn check_needs(&self, request: &StageRequest, context: &Context) -> Result<()> {
        restore::check_needs(&self.target, request, context)
    }

    fn slots(&self, context: &Context) -> Result<Vec<Slot>> {
        stream::slot::all(&mut snapshot::pinned(&self.target, &self.target.maintenance_database, context)?)
    }

    fn drop_slot(&self, name: &str, context: &Context) -> Result<()> {
        stream::slot::drop_ours(&mut snapshot::pinned(&self.target, &self.target.maintenance_database, context)?, name)
    }

    fn sweep(&self, context: &Context) -> Result<()> {
        // First, for it needs no server.
        tools::sweep()?;
        restore::sweep(&self.target, context)
    }
}
