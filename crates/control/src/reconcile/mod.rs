//! Background work: each piece looks at what is there now and does what is missing, again and again. So it does not matter
//! what a crash left undone, or that a signal was lost.

mod discover;
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
    sync::{Mutex, PoisonError},
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
            Self::Mend => "Mending what was cut off",
            Self::Sweep => "Clearing what is old",
        }
    }

    /// What it is called in a metric.
    pub fn label(self) -> &'static str {
        match self {
            Self::Schedule => "schedule",
            Self::Rounds => "rounds",
            Self::Queue => "queue",
            Self::Inventory => "inventory",
            Self::Discover => "discover",
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
}

/// How all background work is.
#[derive(Default)]
pub(crate) struct Background(Mutex<BTreeMap<Piece, Status>>);

impl Background {
    fn note(&self, piece: Piece, began: Instant, outcome: Result<String>) {
        let (said, failed) = match outcome {
            Ok(said) => (said, false),
            Err(error) => {
                tracing::warn!(work = piece.label(), ?error, "background work could not be done");
                (format!("{error} {}", error.next_step()), true)
            }
        };
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let failures = all.get(&piece).map_or(0, |status| status.failures) + u64::from(failed);
        all.insert(piece, Status { at: Timestamp::now(), took: began.elapsed(), said, failed, failures });
    }

    /// How each piece went last.
    pub fn statuses(&self) -> Vec<(Piece, Status)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().map(|(piece, status)| (*piece, status.clone())).collect()
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
        let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
        self.spawn_schedule();
        self.spawn_queue();
        self.spawn_inventory();
        self.every(Piece::Rounds, Some(Nudge::Rounds), Duration::from_secs(5), |control| async move { control.reconcile_rounds().await });
        self.every(Piece::Discover, Some(Nudge::Discover), minutes(10), |control| async move { control.discover_all().await });
        self.every(Piece::Mend, None, minutes(1), |control| async move { control.mend().await });
        self.every(Piece::Sweep, None, minutes(60), |control| async move { control.sweep_old(Timestamp::now()).await });
        self.spawn_looking();
    }

    /// Does a piece of work now, after each nudge and at the latest when `pause` has passed, until the console stops.
    fn every<F>(&self, piece: Piece, nudge: Option<Nudge>, pause: Duration, work: impl Fn(Self) -> F + Send + 'static)
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
                control.wait(nudge, pause).await;
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
