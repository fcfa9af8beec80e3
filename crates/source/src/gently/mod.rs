//! Work that gives way to everybody else on the machine.
//!
//! Users of a database that is backed up are not to feel it. Threads that read, compress and check have a nice value, and where
//! others want all processors of the machine, they rest so often that the backup takes no more than a small share of them. What a
//! server on the same machine does for it counts with it, and rests as well: it gives rows no faster than they are taken.

mod machine;
mod share;

use crate::Context;
use domain::Result;
use share::Share;
use std::{
    cell::Cell,
    sync::{Mutex, PoisonError},
    thread::{self, Scope, ScopedJoinHandle},
    time::{Duration, Instant},
};

pub(crate) use machine::Helper;

/// How far threads give way: one of users gets about nine times the time of one of these where both want it. It means something
/// among processes of one control group or session only (sched(7), "The autogroup feature"), and a server's are rarely in ours.
const NICE: i32 = 10;

/// The longest time without a look at whether the work is still wanted.
const NAP: Duration = Duration::from_millis(50);

/// What all gentle work of this process has taken, in seconds, and what it may take.
static GENTLE: Mutex<(f64, Option<Share>)> = Mutex::new((0.0, None));

thread_local! {
    /// Up to where the processor time of this thread was counted.
    static COUNTED: Cell<Option<f64>> = const { Cell::new(None) };
}

/// Runs `work` on a thread of `scope` that gives way, if `context` says so.
pub fn spawn<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    context: &Context,
    work: impl FnOnce() -> T + Send + 'scope,
) -> ScopedJoinHandle<'scope, T> {
    let gives_way = context.gives_way;
    scope.spawn(move || {
        if gives_way {
            COUNTED.set(Some(0.0));
            // Of this thread alone (setpriority(2), "C library/kernel differences"). Where it is not allowed, the backup is as good.
            if let Err(error) = rustix::process::setpriority_process(None, NICE) {
                tracing::debug!(%error, "a thread does not give way to others");
            }
        }
        work()
    })
}

/// To be called every few milliseconds: looks whether the work is still wanted, and takes the rest that gentle work owes.
///
/// # Errors
/// `cancelled`, also in the middle of a rest.
pub fn go_on(context: &Context) -> Result<()> {
    loop {
        context.check()?;
        match if context.gives_way { rest() } else { None } {
            Some(rest) => thread::sleep(rest.min(NAP)),
            None => return Ok(()),
        }
    }
}

fn rest() -> Option<Duration> {
    let taken = machine::of_this_thread();
    let counted = COUNTED.replace(Some(taken)).unwrap_or(taken);
    let mut gentle = GENTLE.lock().unwrap_or_else(PoisonError::into_inner);
    let (total, share) = &mut *gentle;
    *total += taken - counted;
    let now = Instant::now();
    let share = match share {
        Some(share) => share,
        none => none.insert(Share::new(machine::look(*total)?, now)),
    };
    if share.is_over(now) {
        share.turn(machine::look(*total)?, now);
    }
    if share.is_limited() { share.rest(machine::gentle(*total), now) } else { None }
}
