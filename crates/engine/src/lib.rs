//! Carries out one run: a backup, a restore, a verification; and deletes what no rule keeps.
//!
//! The engine knows no tasks, users or catalog. It is given a request, reports progress and returns an
//! outcome, so that the console and the command line share it.

mod archive;
pub mod backup;
mod begin;
pub mod cat;
mod chain;
mod check;
pub mod expire;
pub mod idle;
mod kept;
pub mod restore;
pub mod round;
pub mod verify;

pub use backup::{BackedUp, BackupRequest, Outcome, backup, backup_and_close};
pub use cat::cat;
pub use expire::{Group, Known, groups};
pub use idle::let_go;
pub use kept::{A_LOOK, Follow, HeldChain, KeptChain, kept_chains};
pub use restore::{RestoreRequest, Restored, TableOutcome, check_needs, restore};
pub use round::{Observer, Round, RoundRequest, Run, RunResult, round};
pub use verify::{Verified, verify};

use domain::{Error, Result};
use source::Context;

/// Runs blocking work on a thread of its own and waits for it, cancelled or not: what it began it also cleans up.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(|error| Error::internal("A worker thread ended.").because(error))?
}

/// A context of its own for a run: cancelled with the caller's, and when the run's future is dropped.
fn guarded(context: &Context) -> (Context, tokio_util::sync::DropGuard) {
    let inner = Context { cancel: context.cancel.child_token(), ..context.clone() };
    let guard = inner.cancel.clone().drop_guard();
    (inner, guard)
}

/// Waits for a store, or for the wish to stop.
async fn unless_cancelled<T>(context: &Context, work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::select! {
        biased;
        () = context.cancel.cancelled() => Err(Error::cancelled()),
        done = work => done,
    }
}
