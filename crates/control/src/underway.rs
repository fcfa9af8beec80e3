//! What this process is doing at the moment, and how its parts wake each other.
//!
//! Nothing here outlives the process. What must be known after a crash is in the catalog.

use crate::{
    Control,
    cause::Cause,
    live::Channels,
    pace::Pace,
    queue::{Limits, Needs, Plan, Queue, Taken, Wait},
    reconcile::Background,
    retention::Turns,
};
use catalog::RunRecord;
use domain::{RoundId, RunId, ServerId, view::run::Progress};
use jiff::Timestamp;
use repository::{Key, Repository, ServerRef};
use source::{Context, Source};
use std::{
    collections::HashMap,
    fs::File,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

/// What is under way.
pub(crate) struct Underway {
    state: Mutex<State>,
    /// Held while the state of a round is decided and written.
    pub rounds: tokio::sync::Mutex<()>,
    /// Counts changes of runs, rounds and logs, so that a screen knows whether to read them again.
    changes: watch::Sender<u64>,
    /// Cancelled when nothing new may begin.
    pub stopping: CancellationToken,
    /// Screens that follow a run or a round.
    pub live: Channels,
    /// How the background work is.
    pub background: Background,
    /// Who deletes chains, and of which databases.
    pub retention: Turns,
    nudges: [Notify; Nudge::ALL.len()],
    /// The lock of the data directory, while the console works.
    pub lock: Mutex<Option<File>>,
}

/// Background work that can be asked to look at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nudge {
    /// Which tasks are due.
    Schedule,
    /// Rounds that prepare or have ended.
    Rounds,
    /// Runs that wait.
    Queue,
    /// What repositories hold.
    Inventory,
    /// Which databases there are.
    Discover,
    /// Which chains may go.
    Expire,
    /// Which chains are followed.
    Chains,
}

impl Nudge {
    const ALL: [Self; 7] = [Self::Schedule, Self::Rounds, Self::Queue, Self::Inventory, Self::Discover, Self::Expire, Self::Chains];
}

#[derive(Default)]
struct State {
    queue: Queue,
    limits: Limits,
    working: HashMap<RunId, Working>,
    preparing: HashMap<RoundId, CancellationToken>,
    grounds: HashMap<(RoundId, ServerId), Arc<Ground>>,
    keys: HashMap<RunId, Key>,
}

/// A run that has a place.
struct Working {
    needs: Needs,
    context: Context,
    ending: Option<Ending>,
    pace: Pace,
}

/// Why a run was asked to end.
#[derive(Clone, Debug)]
pub(crate) enum Ending {
    /// Somebody wants it to.
    Abort(Cause),
    /// Somebody wants it to be done at another time.
    Delay(Cause, Timestamp),
    /// The console stops.
    Stop,
}

/// What the runs of a round on one server share: the server and the repository, opened.
pub(crate) struct Ground {
    pub source: Arc<dyn Source>,
    pub server: ServerRef,
    pub repository: Repository,
}

/// What a screen shows of what is under way.
#[derive(Default)]
pub(crate) struct Glance {
    pub waits: HashMap<RunId, Wait>,
    pub working: HashMap<RunId, (Progress, bool)>,
}

/// A run's place among those that work. The place is free again when this is dropped, and not before.
pub(crate) struct Place {
    control: Control,
    pub run: RunId,
    pub context: Context,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.control.underway.state().working.remove(&self.run);
        self.control.underway.changed();
        self.control.nudge(Nudge::Queue);
    }
}

impl Default for Underway {
    fn default() -> Self {
        Self {
            state: Mutex::default(),
            rounds: tokio::sync::Mutex::default(),
            changes: watch::Sender::default(),
            stopping: CancellationToken::new(),
            live: Channels::default(),
            background: Background::default(),
            retention: Turns::default(),
            nudges: Default::default(),
            lock: Mutex::default(),
        }
    }
}

impl Underway {
    /// Every holder of the lock leaves the state whole, so a panic elsewhere is no reason to stop.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells screens that something is to be read again.
    pub fn changed(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    /// Follows [`Underway::changed`].
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Waits until the background work is asked to look.
    pub async fn nudged(&self, nudge: Nudge) {
        self.nudges[nudge as usize].notified().await;
    }

    /// Puts a run into the line or takes it out, as its state says; what has ended needs no key any more.
    pub fn mirror(&self, run: &RunRecord) {
        let mut state = self.state();
        if run.state == domain::RunState::Queued {
            state.queue.add(run)
        } else {
            state.queue.remove(run.id)
        }
        // One that was stopped before it began took no key with it.
        if run.state.has_ended() {
            state.keys.remove(&run.id);
        }
    }

    /// Adds runs that wait in the catalog, but have no place in the line and do not work.
    pub fn add_missing(&self, queued: &[RunRecord]) {
        let mut state = self.state();
        for run in queued {
            if !state.queue.has(run.id) && !state.working.contains_key(&run.id) {
                state.queue.add(run);
            }
        }
    }

    /// Takes a run out of the line that the catalog does not have in it.
    pub fn forget(&self, run: RunId) {
        let mut state = self.state();
        state.queue.remove(run);
        state.keys.remove(&run);
    }

    /// Keeps what opens the archive that a run will read, until it begins. It is nowhere else.
    pub fn keep_key(&self, run: RunId, key: Key) {
        self.state().keys.insert(run, key);
    }

    /// How many runs wait with a key.
    pub fn keys(&self) -> usize {
        self.state().keys.len()
    }

    /// What was kept for a run; gone after that.
    pub fn take_key(&self, run: RunId) -> Option<Key> {
        self.state().keys.remove(&run)
    }

    /// Takes the runs of a round out of the line, so that none begins while it is aborted.
    pub fn hold_back(&self, round: RoundId) {
        self.state().queue.remove_round(round);
    }

    /// Sets how many runs may work at once.
    pub fn limit(&self, limits: Limits) {
        self.state().limits = limits;
    }

    /// When the next attempt of a waiting run is due.
    pub fn next_attempt(&self, now: Timestamp) -> Option<Timestamp> {
        self.state().queue.next_attempt(now)
    }

    /// How many runs wait, and how many work.
    pub fn counts(&self) -> (usize, usize) {
        let state = self.state();
        (state.queue.len(), state.working.len())
    }

    /// Whether a run works in this process.
    pub fn works(&self, run: RunId) -> bool {
        self.state().working.contains_key(&run)
    }

    /// Asks a run that works to end; false if it does not work here. Who asked first counts, but that what is put off already can be put
    /// off until another time, or stopped.
    pub fn end(&self, run: RunId, ending: &Ending) -> bool {
        match self.state().working.get_mut(&run) {
            Some(working) => {
                let counts = match (&working.ending, ending) {
                    (None, _) | (Some(Ending::Delay(..)), Ending::Abort(_) | Ending::Delay(..)) => true,
                    (Some(_), _) => false,
                };
                if counts {
                    working.ending = Some(ending.clone());
                }
                working.context.cancel.cancel();
                true
            }
            None => false,
        }
    }

    /// Asks all runs that work to end.
    pub fn end_all(&self, ending: &Ending) {
        let runs: Vec<_> = self.state().working.keys().copied().collect();
        runs.into_iter().for_each(|run| {
            self.end(run, ending);
        });
    }

    /// Why a run was asked to end.
    pub fn ending(&self, run: RunId) -> Option<Ending> {
        self.state().working.get(&run).and_then(|working| working.ending.clone())
    }

    /// Looks at the counters of all runs that work.
    pub fn look(&self, now: Instant) {
        for working in self.state().working.values_mut() {
            working.pace.look(working.context.meter.read(), now);
        }
    }

    /// What there is to show.
    pub fn glance(&self, now: Timestamp) -> Glance {
        let state = self.state();
        let working = state.working.iter().map(|(run, working)| (*run, (working.pace.progress(), working.ending.is_some()))).collect();
        Glance { waits: state.plan(now).waits, working }
    }

    /// Marks a round as being prepared; none if it is already. Cancelled when the round is aborted or the console stops.
    pub fn begin_preparing(&self, round: RoundId) -> Option<CancellationToken> {
        let mut state = self.state();
        if state.preparing.contains_key(&round) || self.stopping.is_cancelled() {
            return None;
        }
        let token = self.stopping.child_token();
        state.preparing.insert(round, token.clone());
        Some(token)
    }

    /// Cancels the preparation of a round.
    pub fn cancel_preparing(&self, round: RoundId) {
        if let Some(token) = self.state().preparing.get(&round) {
            token.cancel();
        }
    }

    /// The round is no longer being prepared.
    pub fn end_preparing(&self, round: RoundId) {
        self.state().preparing.remove(&round);
    }

    /// Whether rounds are being prepared or runs work.
    pub fn is_busy(&self) -> bool {
        let state = self.state();
        !state.working.is_empty() || !state.preparing.is_empty()
    }

    /// What the runs of a round on one server share, if it was opened.
    pub fn ground(&self, round: RoundId, server: ServerId) -> Option<Arc<Ground>> {
        self.state().grounds.get(&(round, server)).cloned()
    }

    /// Keeps what the runs of a round on one server share.
    pub fn keep_ground(&self, round: RoundId, server: ServerId, ground: &Arc<Ground>) {
        self.state().grounds.insert((round, server), Arc::clone(ground));
    }

    /// Lets go of what the runs of a round on one server share: something about it is wrong and is to be opened anew.
    pub fn drop_ground(&self, round: RoundId, server: ServerId) {
        self.state().grounds.remove(&(round, server));
    }

    /// Lets go of what the runs of a round share, on all servers: it has ended, or begins anew.
    pub fn drop_grounds(&self, round: RoundId) {
        self.state().grounds.retain(|(of, _), _| *of != round);
    }
}

impl State {
    fn plan(&self, now: Timestamp) -> Plan {
        let mut taken = Taken::default();
        self.working.values().for_each(|working| taken.add(&working.needs));
        self.queue.plan(taken, &self.limits, now, |run| self.working.contains_key(&run))
    }
}

impl Control {
    /// Asks background work to look at once.
    pub(crate) fn nudge(&self, nudge: Nudge) {
        self.underway.nudges[nudge as usize].notify_one();
    }

    /// Gives out the places that are free; none once the console stops, which is asked under the lock so that whoever stops
    /// it sees every place that was given.
    pub(crate) fn take_places(&self, now: Timestamp) -> Vec<Place> {
        let mut state = self.underway.state();
        let begin = if self.underway.stopping.is_cancelled() { vec![] } else { state.plan(now).begin };
        let mut places = Vec::with_capacity(begin.len());
        for run in begin {
            let needs = state.queue.needs(run);
            let context = Context::default();
            let working = Working { needs, context: context.clone(), ending: None, pace: Pace::new(Instant::now()) };
            state.working.insert(run, working);
            places.push(Place { control: self.clone(), run, context });
        }
        places
    }
}
