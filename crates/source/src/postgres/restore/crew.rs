//! Sessions that work on one database side by side.

use crate::{
    Context,
    postgres::{
        snapshot::pinned,
        wire::{Session, Target},
    },
};
use domain::{Code, Error, Result};
use std::{
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
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

/// Opens a session with the settings of a restore.
pub(super) fn open(target: &Target, database: &str, context: &Context) -> Result<Session> {
    let mut session = pinned(target, database, context)?;
    session.execute(SETTINGS)?;
    Ok(session)
}

/// Several sessions on one database, opened when there is work.
#[derive(Clone, Copy)]
pub(super) struct Crew<'a> {
    /// The server.
    pub target: &'a Target,
    /// The staging database.
    pub database: &'a str,
    /// Most sessions at a time.
    pub workers: usize,
    /// The wish to stop, and the counters.
    pub context: &'a Context,
}

impl Crew<'_> {
    /// One session.
    pub fn session(&self) -> Result<Session> {
        open(self.target, self.database, self.context)
    }

    /// Does `work` for every item, in order of beginning but side by side; `prepare` is called with each session first.
    ///
    /// The first error stops the others in the middle of their statements and is returned. Where the server has no
    /// room for all sessions, those that got one do it all.
    pub fn each<T: Sync, S>(
        &self,
        items: &[T],
        prepare: impl Fn(Session) -> Result<S> + Sync,
        work: impl Fn(&mut S, &T) -> Result<()> + Sync,
    ) -> Result<()> {
        if items.is_empty() {
            return Ok(());
        }
        let stop = Context { cancel: self.context.cancel.child_token(), meter: self.context.meter.clone() };
        let next = AtomicUsize::new(0);
        let begun = AtomicUsize::new(0);
        let toil = || -> Result<()> {
            let mut state = prepare(open(self.target, self.database, &stop)?)?;
            begun.fetch_add(1, Relaxed);
            while let Some(item) = items.get(next.fetch_add(1, Relaxed)) {
                stop.check()?;
                work(&mut state, item)?;
            }
            Ok(())
        };
        let errors = thread::scope(|scope| {
            let toil = || {
                toil().inspect_err(|error| {
                    if error.code() != Code::Busy {
                        stop.cancel.cancel()
                    }
                })
            };
            let threads: Vec<_> = (0..self.workers.clamp(1, items.len())).map(|_| scope.spawn(toil)).collect();
            let lost = || Err(Error::internal("A thread of the restore ended without an answer."));
            threads.into_iter().filter_map(|thread| thread.join().unwrap_or_else(|_| lost()).err()).collect::<Vec<_>>()
        });
        self.context.check()?;
        worst(errors, begun.into_inner() > 0)
    }
}

/// The error that says most: not that of a session that was stopped because of another one's.
fn worst(mut errors: Vec<Error>, others_worked: bool) -> Result<()> {
    errors.retain(|error| !(others_worked && error.code() == Code::Busy));
    errors.sort_by_key(|error| error.code() == Code::Cancelled);
    errors.into_iter().next().map_or(Ok(()), Err)
}
