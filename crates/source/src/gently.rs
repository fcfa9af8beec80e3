//! Threads that give way to everybody else on the machine.

use std::thread::{Scope, ScopedJoinHandle};

/// How far they give way: a thread of users gets about nine times the time of one of these where both want it.
const NICE: i32 = 10;

/// Runs `work` on a thread of `scope` that gives way. Users of a database that is backed up are not to feel it, and where a server
/// runs on the same machine, it gives rows no faster than they are taken.
pub fn spawn<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    work: impl FnOnce() -> T + Send + 'scope,
) -> ScopedJoinHandle<'scope, T> {
    scope.spawn(|| {
        // Of this thread alone (setpriority(2), "C library/kernel differences"). Where it is not allowed, the backup is as good.
        if let Err(error) = rustix::process::setpriority_process(None, NICE) {
            tracing::debug!(%error, "a thread does not give way to others");
        }
        work()
    })
}
