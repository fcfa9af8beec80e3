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
    panic,
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

/// So much is done between two calls of [`go_on`]: some milliseconds of work.
const STRIDE_BYTES: usize = 256 << 10;

/// What all gentle threads of this process have taken, in seconds, and what gentle work may take.
static GENTLE: Mutex<(f64, Option<Share>)> = Mutex::new((0.0, None));

thread_local! {
    /// On gentle threads: up to where the processor time of this one was counted.
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
        let done = work();
        // What it took since it was looked at last.
        COUNTED.get().map(rest);
        done
    })
}

/// Runs `work` on such a thread and waits for it.
pub fn run<T: Send>(context: &Context, work: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| spawn(scope, context, work).join()).unwrap_or_else(|panicked| panic::resume_unwind(panicked))
}

/// Counts bytes of work, and [goes on](go_on) once in a while.
#[derive(Debug, Default)]
pub(crate) struct Stride(usize);

impl Stride {
    /// So many more bytes are done.
    ///
    /// # Errors
    /// Those of [`go_on`].
    pub fn add(&mut self, bytes: usize, context: &Context) -> Result<()> {
        self.0 += bytes;
        if self.0 < STRIDE_BYTES {
            return Ok(());
        }
        self.0 = 0;
        go_on(context)
    }
}

/// To be called every few milliseconds: looks whether the work is still wanted, and on a gentle thread takes the rest that is owed.
///
/// # Errors
/// `cancelled`, also in the middle of a rest.
pub fn go_on(context: &Context) -> Result<()> {
    loop {
        context.check()?;
        match COUNTED.get().and_then(rest) {
            Some(rest) => thread::sleep(rest.min(NAP)),
            None => return Ok(()),
        }
    }
}

fn rest(counted: f64) -> Option<Duration> {
    let taken = machine::of_this_thread();
    COUNTED.set(Some(taken));
    let mut gentle = GENTLE.lock().unwrap_or_else(PoisonError::into_inner);
    let (total, share) = &mut *gentle;
    *total += taken - counted;
    let now = Instant::now();
    let share = match share {
        Some(share) => share,
        none => none.insert(Share::new(machine::look(*total, now)?, now)),
    };
    if share.is_over(now) {
        share.turn(machine::look(*total, now)?, now);
    }
    if share.is_limited() { share.rest(machine::gentle(*total, now), now) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Nowhere,
        table::{Header, Table},
    };
    use domain::Code;

    /// Makes gentle work owe a rest without an end. Tests run in processes of their own.
    fn owe() {
        let now = Instant::now();
        *GENTLE.lock().unwrap() = (0.0, Some(Share::owing(machine::look(0.0, now).unwrap(), now)));
    }

    fn write_rows(context: &Context) -> Result<()> {
        let table = Table::new(&Nowhere, &Header { table: "t".into(), columns: vec![], types: vec![] })?;
        table.writer(context).row(&vec![b'x'; STRIDE_BYTES])
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn who_gives_way_rests_until_it_is_not_wanted_any_more() {
        owe();
        let context = Context { gives_way: true, ..Context::default() };
        let ended = thread::scope(|scope| {
            let resting = spawn(scope, &context, || write_rows(&context));
            while GENTLE.lock().unwrap().0 == 0.0 {
                assert!(!resting.is_finished());
            }
            context.cancel.cancel();
            resting.join().unwrap()
        });
        assert_eq!(ended.unwrap_err().code(), Code::Cancelled);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn nobody_else_rests() {
        owe();
        let (gentle, urgent) = (Context { gives_way: true, ..Context::default() }, Context::default());
        run(&urgent, || write_rows(&urgent)).unwrap();
        // Whose thread was not begun for it.
        write_rows(&gentle).unwrap();
    }
}
