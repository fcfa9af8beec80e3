//! Background work: each piece looks at what is there now and does what is missing, again and again. So it does not matter
//! what a crash left undone, or that a signal was lost.

pub(crate) mod chains;
mod discover;
mod expire;
mod inventory;
mod mend;
mod queue;
mod rounds;
mod schedule;
mod sweep;

use crate::{Control, run::carried_through, underway::Nudge};
use domain::Result;
use jiff::Timestamp;
use std::{
    collections::BTreeMap,
    sync::{Mutex, OnceLock, PoisonError},
    time::{Duration, Instant},
};

/// A piece of background work, as it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Piece {
    Schedule,
    Rounds,
    Queue,
    Inventory,
    Discover,
    Expire,
    Chains,
    Mend,
    Sweep,
}

impl Piece {
    /// What it is called on the screen.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Schedule => "Schedule",
            Self::Rounds => "Rounds",
            Self::Queue => "Queue",
            Self::Inventory => "Reading destinations",
            Self::Discover => "Looking for databases",
            Self::Expire => "Retention",
            Self::Chains => "Chains",
            Self::Mend => "Mending what was cut off",
            Self::Sweep => "Clearing what is old",
        }
    }

    /// After how long it looks again, if nobody asks it to.
    pub fn pause(self) -> Duration {
        Duration::from_secs(match self {
            // So late at most is a change of a task seen that nobody told of, and a clock that was set.
            Self::Schedule => 15,
            Self::Rounds => 5,
            // So late at most is a change of the limits seen that nobody told of.
            Self::Queue => 10,
            Self::Inventory | Self::Discover | Self::Expire | Self::Chains => 600,
            Self::Mend => 60,
            Self::Sweep => 3600,
        })
    }

    /// Every piece.
    const ALL: [Self; 9] =
        [Self::Schedule, Self::Rounds, Self::Queue, Self::Inventory, Self::Discover, Self::Expire, Self::Chains, Self::Mend, Self::Sweep];

    /// What it is called in a metric.
    pub fn label(self) -> &'static str {
        match self {
            Self::Schedule => "schedule",
            Self::Rounds => "rounds",
            Self::Queue => "queue",
            Self::Inventory => "inventory",
            Self::Discover => "discover",
            Self::Expire => "expire",
            Self::Chains => "chains",
            Self::Mend => "mend",
            Self::Sweep => "sweep",
        }
    }
}

/// How a piece of background work went last.
#[derive(Clone, Debug)]
pub(crate) struct Status {
    pub at: Timestamp,
    pub took: Duration,
    /// What it did, or why it could not: a sentence.
    pub said: String,
    pub failed: bool,
    /// How often it failed since the start.
    pub failures: u64,
    /// When it was done, on a clock that stands still while the machine sleeps.
    done: Instant,
}

/// A piece of background work that has been away for so many of its pauses does not come round any more.
const PAUSES: u32 = 10;
/// So long every piece may be away, however short its pause is: a slow disk or server holds it up.
const PATIENCE: Duration = Duration::from_secs(15 * 60);
/// And so many times longer than it took last: a piece may rest in proportion to its work.
const REST: u32 = 2 * inventory::SHARE;

/// How all background work is.
#[derive(Default)]
pub(crate) struct Background {
    began: OnceLock<Instant>,
    all: Mutex<BTreeMap<Piece, Status>>,
}

impl Background {
    /// The piece that should have come round long before `now`, and for how long it has not.
    pub fn stuck(&self, now: Instant) -> Option<(Piece, Duration)> {
        let began = *self.began.get()?;
        let all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let away = |piece: Piece| {
            let (since, took) = all.get(&piece).map_or((began, Duration::ZERO), |status| (status.done, status.took));
            let away = now.saturating_duration_since(since);
            (away > (piece.pause() * PAUSES).max(PATIENCE) + took * REST).then_some((piece, away))
        };
        Piece::ALL.into_iter().find_map(away)
    }

    fn note(&self, piece: Piece, began: Instant, outcome: Result<String>) {
        let (said, failed) = match outcome {
            Ok(said) => (said, false),
            Err(error) => {
                tracing::warn!(work = piece.label(), ?error, "background work could not be done");
                (format!("{error} {}", error.next_step()), true)
            }
        };
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let failures = all.get(&piece).map_or(0, |status| status.failures) + u64::from(failed);
        let done = Instant::now();
        all.insert(piece, Status { at: Timestamp::now(), took: done.saturating_duration_since(began), said, failed, failures, done });
    }

    /// How each piece went last.
    pub fn statuses(&self) -> Vec<(Piece, Status)> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner).iter().map(|(piece, status)| (*piece, status.clone())).collect()
    }
}

impl Control {
    /// How the background work is: name, when last, how it went.
    pub(crate) fn background(&self) -> Vec<(String, Option<Timestamp>, String)> {
        let line = |(piece, status): (Piece, Status)| (piece.as_str().to_owned(), Some(status.at), status.said);
        self.underway.background.statuses().into_iter().map(line).collect()
    }

    /// Starts all background work.
    pub(crate) fn start_reconciling(&self) {
        self.underway.background.began.get_or_init(Instant::now);
        self.spawn_schedule();
        self.spawn_queue();
        self.spawn_inventory();
        self.every(Piece::Rounds, Some(Nudge::Rounds), |control| async move { control.reconcile_rounds().await });
        self.every(Piece::Discover, Some(Nudge::Discover), |control| async move { control.discover_all().await });
        self.every(Piece::Expire, Some(Nudge::Expire), |control| async move { control.expire_due(Timestamp::now()).await });
        self.every(Piece::Chains, Some(Nudge::Chains), |control| async move { control.reconcile_chains().await });
        self.every(Piece::Mend, None, |control| async move { control.mend().await });
        self.every(Piece::Sweep, None, |control| async move { control.sweep_old(Timestamp::now()).await });
        self.spawn_looking();
    }

    /// Does a piece of work now, after each nudge and at the latest when its pause has passed, until the console stops.
    fn every<F>(&self, piece: Piece, nudge: Option<Nudge>, work: impl Fn(Self) -> F + Send + 'static)
    where
        F: Future<Output = Result<String>> + Send + 'static,
    {
        let control = self.clone();
        tokio::spawn(async move {
            while !control.underway.stopping.is_cancelled() {
                let began = Instant::now();
                // A panic in it is an error of this piece, seen on the screen, and no end of it.
                let outcome = carried_through(work(control.clone())).await;
                control.underway.background.note(piece, began, outcome);
                control.wait(nudge, piece.pause()).await;
            }
        });
    }

    /// Waits for a nudge, for time to pass, or for the end.
    async fn wait(&self, nudge: Option<Nudge>, pause: Duration) {
        let nudged = async {
            match nudge {
                Some(nudge) => self.underway.nudged(nudge).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = self.underway.stopping.cancelled() => {}
            () = nudged => {}
            () = tokio::time::sleep(pause) => {}
        }
    }

    /// Looks at the counters of all runs that work, so that their pace is known whenever somebody asks.
    fn spawn_looking(&self) {
        let control = self.clone();
        tokio::spawn(async move {
            // Runs that are waited for while the console stops are still looked at.
            while !control.underway.stopping.is_cancelled() || control.underway.is_busy() {
                tokio::time::sleep(Duration::from_millis(500)).await;
                control.underway.look(Instant::now());
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_that_does_not_come_round_is_named() {
        let (background, start) = (Background::default(), Instant::now());
        let after = |minutes: u64| start + Duration::from_secs(60 * minutes);
        assert_eq!(background.stuck(after(1000)), None, "nothing was begun");
        background.began.get_or_init(|| start);
        assert_eq!(background.stuck(after(14)), None);
        // From its start on, and however short its pause is, a piece has a quarter of an hour.
        assert_eq!(background.stuck(after(16)), Some((Piece::Schedule, Duration::from_secs(16 * 60))));

        let note = |piece, done, took| {
            let status = Status { at: Timestamp::now(), took, said: String::new(), failed: true, failures: 1, done };
            background.all.lock().unwrap().insert(piece, status);
        };
        for piece in Piece::ALL {
            note(piece, after(200), Duration::from_secs(1));
        }
        assert_eq!(background.stuck(after(214)), None, "that it fails is told elsewhere");
        for piece in [Piece::Schedule, Piece::Rounds, Piece::Queue, Piece::Mend] {
            note(piece, after(400), Duration::ZERO);
        }
        assert_eq!(background.stuck(after(310)).map(|(piece, _)| piece), Some(Piece::Inventory));
        // A reading that takes half an hour is made as rarely as that allows.
        note(Piece::Inventory, after(200), Duration::from_secs(30 * 60));
        for piece in [Piece::Discover, Piece::Expire, Piece::Chains] {
            note(piece, after(400), Duration::ZERO);
        }
        assert_eq!(background.stuck(after(410)), None);
    }
}
