//! Writers that keep pace with backups: several threads that take turns, and one that lets them.

use std::{
    sync::{
        RwLock, RwLockWriteGuard,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

/// What writers may do: a backup that falls behind must not have ever more to read.
#[derive(Default)]
pub struct Pace {
    gate: RwLock<()>,
    is_over: AtomicBool,
    allowed: AtomicU64,
    begun: AtomicU64,
    done: AtomicU64,
}

impl Pace {
    /// Runs `work` beside the writers, each of which is a thread of its own. They end when it ends, whatever becomes of it.
    pub fn beside<'s>(&'s self, writers: impl IntoIterator<Item = impl FnOnce() + Send + 's>, work: impl FnOnce()) {
        thread::scope(|scope| {
            for writer in writers {
                scope.spawn(writer);
            }
            let worked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
            self.is_over.store(true, SeqCst);
            worked.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        });
    }

    /// Takes turns until the work is over; each is given its number among those of all writers.
    pub fn write(&self, mut turn: impl FnMut(u64)) {
        // One that fails stops the others: the work would wait for its turns for ever.
        let _last = Ends(&self.is_over);
        while !self.is_over.load(SeqCst) {
            let open = self.gate.read().unwrap();
            let next = self.begun.fetch_update(SeqCst, SeqCst, |begun| (begun < self.allowed.load(SeqCst)).then_some(begun + 1));
            if let Ok(next) = next {
                turn(next);
                self.done.fetch_add(1, SeqCst);
            }
            drop(open);
            if next.is_err() {
                thread::sleep(Duration::from_millis(1));
            }
        }
    }

    /// Allows so many turns more, and waits until half of them are done: the others are done beside what comes next.
    pub fn allow(&self, more: u64) {
        let allowed = self.allowed.fetch_add(more, SeqCst) + more;
        while self.done.load(SeqCst) < allowed - more / 2 {
            assert!(!self.is_over.load(SeqCst), "a writer failed");
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Between two turns of every writer, for as long as what is returned lives.
    pub fn pause(&self) -> RwLockWriteGuard<'_, ()> {
        self.gate.write().unwrap()
    }
}

/// Says that all is over when it goes.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
    }
}
