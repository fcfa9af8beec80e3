//! Sessions that work on one database side by side.

use super::properties::assignment;
use crate::{
    Context,
    postgres::{
        snapshot::pinned,
        wire::{Session, Target, sqlstate},
    },
};
use domain::{Code, Error, Result};
use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread,
};

/// What every session of a restore sets beside what a reading sets. Settings of the server, the database or the role
/// must not end it or change what definitions mean. Nothing waits for the disk: a staging database that a crash of the
/// server takes is no loss. Triggers of extensions keep still, as under replication, where the role may say so.
const SETTINGS: &str = "
SET default_transaction_read_only = off; SET default_transaction_deferrable = off; SET synchronous_commit = off;
SET check_function_bodies = off; SET backslash_quote = safe_encoding; SET default_tablespace = ''; SET temp_tablespaces = '';
SELECT pg_catalog.set_config('maintenance_work_mem', '128MB', false)
 WHERE pg_catalog.pg_size_bytes(pg_catalog.current_setting('maintenance_work_mem')) < 134217728;
SELECT pg_catalog.set_config('session_replication_role', 'replica', false) WHERE pg_catalog.current_setting('is_superuser') = 'on'";

/// What may not end or hold up a session that otherwise is like any user's.
const PEACE: &str = "
SET statement_timeout = 0; SET lock_timeout = 0; SET idle_in_transaction_session_timeout = 0; SET client_min_messages = 'warning';
SET default_transaction_read_only = off; SET default_transaction_deferrable = off; SET default_transaction_isolation = 'read committed';
SET synchronous_commit = off;
SELECT pg_catalog.set_config(name, '0', false) FROM pg_catalog.pg_settings
 WHERE name OPERATOR(pg_catalog.=) ANY ('{idle_session_timeout,transaction_timeout}')";

/// Settings of a database that a session of ours cannot have: its encoding is agreed on, and it stays who it is.
const NOT_OURS: [&str; 3] = ["client_encoding", "role", "session_authorization"];

/// Opens a session with the settings of a restore.
pub(super) fn open(target: &Target, database: &str, context: &Context) -> Result<Session> {
    let mut session = pinned(target, database, context)?;
    session.execute(SETTINGS)?;
    Ok(session)
}

/// Several sessions on one database, opened when there is work and kept until there is no more.
pub(super) struct Crew<'a> {
    target: &'a Target,
    database: &'a str,
    workers: usize,
    /// The wish to stop, and the counters.
    pub context: &'a Context,
    idle: Mutex<Vec<Session>>,
}

/// Something that works with a session and gives it back as it was.
pub(super) trait Hand {
    /// The session, ready for other work.
    fn release(self) -> Result<Session>;
}

impl Hand for Session {
    fn release(self) -> Result<Session> {
        Ok(self)
    }
}

impl<'a> Crew<'a> {
    /// A crew of up to `workers` sessions at a time.
    pub fn new(target: &'a Target, database: &'a str, workers: usize, context: &'a Context) -> Self {
        Self { target, database, workers, context, idle: Mutex::default() }
    }

    /// Does `work` with one session; `prepare` is given it first.
    pub fn alone<H: Hand, T>(&self, prepare: impl FnOnce(Session) -> Result<H>, work: impl FnOnce(&mut H) -> Result<T>) -> Result<T> {
        let mut hand = prepare(self.take(self.context)?)?;
        let done = work(&mut hand)?;
        self.give(hand.release()?);
        Ok(done)
    }

    /// Does `work` for every item, in order of beginning but side by side; `prepare` is given each session first.
    ///
    /// The first error stops the others in the middle of their statements and is returned. Where the server has no
    /// room for all sessions, those that got one do it all.
    pub fn each<T: Sync, H: Hand>(
        &self,
        items: &[T],
        prepare: impl Fn(Session) -> Result<H> + Sync,
        work: impl Fn(&mut H, &T) -> Result<()> + Sync,
    ) -> Result<()> {
        if items.is_empty() {
            return Ok(());
        }
        let stop = Context { cancel: self.context.cancel.child_token(), ..self.context.clone() };
        let (next, begun) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let toil = || -> Result<()> {
            let mut hand = prepare(self.take(&stop)?)?;
            begun.fetch_add(1, Relaxed);
            while let Some(item) = items.get(next.fetch_add(1, Relaxed)) {
                stop.check()?;
                work(&mut hand, item)?;
            }
            self.give(hand.release()?);
            Ok(())
        };
        let toil = || {
            toil().inspect_err(|error| {
                if error.code() != Code::Busy {
                    stop.cancel.cancel()
                }
            })
        };
        let errors = thread::scope(|scope| {
            let threads: Vec<_> = (0..self.workers.clamp(1, items.len())).map(|_| scope.spawn(toil)).collect();
            let lost = || Err(Error::internal("A thread of the restore ended without an answer."));
            threads.into_iter().filter_map(|thread| thread.join().unwrap_or_else(|_| lost()).err()).collect()
        });
        self.context.check()?;
        worst(errors, begun.into_inner() > 0)
    }

    /// A session like that of any user of the database, which gives it `settings` (each as `name=value`) and has nothing set
    /// on which the text of a value depends: what it computes is what the origin has computed.
    pub fn as_users(&self, settings: &[String]) -> Result<Session> {
        let mut session = Session::connect(self.target, self.database, self.context)?;
        for setting in settings.iter().filter(|setting| !NOT_OURS.iter().any(|name| setting.split('=').next() == Some(name))) {
            match session.execute(&format!("SET {}", assignment(setting))) {
                // Some can only be given to a database, such as libraries to load at the start.
                Err(error) if sqlstate(&error).is_some() && !matches!(error.code(), Code::Cancelled | Code::ConnectionLost) => {
                    let name = setting.split('=').next();
                    tracing::debug!(name, "a setting of the database cannot be given to a session");
                }
                result => result?,
            }
        }
        session.execute(PEACE)?;
        Ok(session)
    }

    fn take(&self, context: &Context) -> Result<Session> {
        match self.lock().pop() {
            Some(mut session) => {
                session.obey(context);
                Ok(session)
            }
            None => open(self.target, self.database, context),
        }
    }

    fn give(&self, mut session: Session) {
        session.obey(self.context);
        self.lock().push(session);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Session>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The error that says most: not that of a session that was stopped because of another one's.
fn worst(mut errors: Vec<Error>, others_worked: bool) -> Result<()> {
    errors.retain(|error| !(others_worked && error.code() == Code::Busy));
    errors.sort_by_key(|error| error.code() == Code::Cancelled);
    errors.into_iter().next().map_or(Ok(()), Err)
}
