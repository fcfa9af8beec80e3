//! The chain of one database.

mod compare;
mod idle;
mod incremental;
pub(super) mod known;
mod news;
pub(super) mod position;
mod prior;
pub(super) mod start;
mod state;

use super::{
    Postgres,
    full::Full,
    snapshot::pinned,
    stream::{
        slot::{self, Names},
        window::Stretch,
    },
    wire::{Session, Target},
};
use crate::{Begun, Context, Following, Members, Owner, Reading, Since};
use domain::{Code, Error, Result};
use position::Position;
use serde::Deserialize;
use serde_json::Value;
use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// See [`Following`].
#[derive(Clone)]
pub(super) struct Chain {
    pub target: Target,
    pub database: String,
    pub workers: usize,
    pub names: Names,
    /// Bytes of log that are read at once in the beginning.
    pub window_bytes: u64,
    /// A session that an incremental was done with, for what the server is told once its backup exists.
    spare: Arc<Mutex<Option<(Session, Instant)>>>,
    /// Milliseconds that a slot for a backup to go on with may take to be made.
    pub renewal_ms: u32,
}

/// After this, who is at the other end of an idle connection is found out by a new one: that has limits.
const JUST_NOW: Duration = Duration::from_secs(30);

impl Chain {
    /// The chain of `database`.
    pub fn new(source: &Postgres, database: &str, owner: &Owner) -> Self {
        Self {
            target: source.target.clone(),
            database: database.into(),
            workers: source.workers,
            names: Names::new(owner, database),
            window_bytes: source.window_bytes.unwrap_or(Stretch::WINDOW_BYTES),
            spare: Arc::default(),
            renewal_ms: source.renewal_ms.unwrap_or(slot::RENEWAL_TIMEOUT_MS),
        }
    }

    /// Leaves a session that nothing is under way in.
    fn leave(&self, session: Session) {
        *self.spare.lock().unwrap_or_else(PoisonError::into_inner) = Some((session, Instant::now()));
    }

    /// A session in the database: the one that was left, if that was just now and it still answers.
    fn session(&self, context: &Context) -> Result<Session> {
        let left = self.spare.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((mut session, left_at)) = left {
            session.obey(context);
            if left_at.elapsed() < JUST_NOW && session.execute("SELECT").is_ok() {
                return Ok(session);
            }
        }
        pinned(&self.target, &self.database, context)
    }
}

impl Following for Chain {
    fn begin_full(&self, next: &Path, context: &Context) -> Result<Box<dyn Reading>> {
        Ok(Box::new(Full::begin_followed(self, next, context)?))
    }

    fn begin_incremental(&self, since: &Since<'_>, context: &Context) -> Result<Begun> {
        incremental::begin(self, since, context)
    }

    /// Marks of definitions are in no archive: what was lost stays lost, and [`Begun::StateLost`] is never answered.
    fn rebuild(&self, _: &[&dyn Members], _: &Path, _: &Context) -> Result<()> {
        Err(Error::new(Code::Unsupported, "What is kept between two backups of PostgreSQL cannot be made anew.", "Make a full backup."))
    }

    fn settle(&self, position: &Value, context: &Context) -> Result<()> {
        let place = Position::deserialize(position).ok().and_then(|position| position.stream);
        let mut session = self.session(context)?;
        slot::drop_others(&mut session, &self.names, place.as_ref().map(|place| place.slot.as_str()))?;
        place.map_or(Ok(()), |place| slot::advance(&mut session, &place.slot, place.advance))
    }

    fn gives_moments(&self, position: &Value) -> bool {
        Position::deserialize(position).is_ok_and(|position| position.stream.is_some())
    }

    fn let_go(&self, position: &Value, state: &Path, context: &Context) -> Result<bool> {
        idle::let_go(self, position, state, context)
    }

    fn held_bytes(&self, context: &Context) -> Result<Option<u64>> {
        // As below: a slot stays with its database when that is renamed, and holds back log as before.
        slot::held(&mut pinned(&self.target, &self.target.maintenance_database, context)?, &self.names)
    }

    fn owns(&self, slot: &str) -> bool {
        self.names.include(slot)
    }

    fn release(&self, context: &Context) -> Result<()> {
        // The database may have another name by now, or be gone with its slots.
        let mut session = pinned(&self.target, &self.target.maintenance_database, context)?;
        slot::drop_others(&mut session, &self.names, None)
    }
}
