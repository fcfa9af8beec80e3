//! Which of the runs that wait may begin now, and what the others wait for.
//!
//! A picture of the catalog's queued runs in memory, so that neither each begin nor each look at a screen reads thousands of
//! rows. The catalog decides: a run that is here and no longer queued there is refused when it is to begin.

use catalog::RunRecord;
use domain::{DestinationId, RoundId, RunId, RunKind, ServerId};
use jiff::Timestamp;
use std::collections::{BTreeMap, HashMap, HashSet};

/// Runs that wait, in their order.
#[derive(Default)]
pub(crate) struct Queue {
    order: BTreeMap<Place, Waiting>,
    places: HashMap<RunId, Place>,
}

/// A place in the line. Somebody waits for a restore, so restores come first; then counts since when a run can begin.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place(bool, Timestamp, RunId);

/// What only one run at a time may add to: the chain of a database at a destination.
type Chain = (ServerId, String, DestinationId);

/// What a run needs for as long as it works.
#[derive(Clone, Debug, Default)]
pub(crate) struct Needs {
    /// A place on this server. A verification reads what was stored, and leaves its server alone.
    server: Option<ServerId>,
    /// A chain for itself, as tasks may cover the same database.
    chain: Option<Chain>,
}

impl Needs {
    fn of(run: &RunRecord) -> Self {
        let is_backup = run.kind == RunKind::Backup;
        Self {
            server: run.server.filter(|_| run.kind != RunKind::Verify),
            chain: run.server.filter(|_| is_backup).map(|server| (server, run.database.clone(), run.destination)),
        }
    }
}

struct Waiting {
    needs: Needs,
    round: Option<RoundId>,
    not_before: Option<Timestamp>,
}

/// How many runs may work at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Over all servers.
    pub total: usize,
    /// On a server without a limit of its own.
    pub usual: usize,
    /// On those that have one.
    pub servers: HashMap<ServerId, usize>,
}

impl Limits {
    /// What this many processors allow, with a total that was set.
    pub fn new(cores: usize, total: Option<usize>, servers: HashMap<ServerId, usize>) -> Self {
        Self { total: total.map_or(cores.max(2), |total| total.max(1)), usual: (cores / 2).max(1), servers }
    }

    fn of(&self, server: ServerId) -> usize {
        self.servers.get(&server).copied().unwrap_or(self.usual).max(1)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::new(cores(), None, HashMap::new())
    }
}

/// Processors of this machine.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from)
}

/// Places that are taken by runs that work.
#[derive(Clone, Debug, Default)]
pub(crate) struct Taken {
    total: usize,
    servers: HashMap<ServerId, usize>,
    chains: HashSet<Chain>,
}

impl Taken {
    /// Counts one run.
    pub fn add(&mut self, needs: &Needs) {
        self.total += 1;
        if let Some(server) = needs.server {
            *self.servers.entry(server).or_default() += 1;
        }
        self.chains.extend(needs.chain.clone());
    }

    /// The chain that a run needs and another one has.
    fn chain_of<'a>(&self, needs: &'a Needs) -> Option<&'a Chain> {
        needs.chain.as_ref().filter(|chain| self.chains.contains(*chain))
    }

    fn has_room_on(&self, server: Option<ServerId>, limits: &Limits) -> bool {
        server.is_none_or(|server| self.servers.get(&server).copied().unwrap_or(0) < limits.of(server))
    }
}

/// What a run waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// Its time: that of its next attempt, or the one that it was put off to.
    Time,
    /// The end of another backup of its database to the same destination.
    Chain {
        /// Place in the line for that, from 1.
        position: usize,
    },
    /// A place on its server.
    Server {
        /// Place in the server's line, from 1.
        position: usize,
        /// Runs at once there.
        limit: usize,
    },
    /// A place in the console.
    Console {
        /// Place in the line, from 1.
        position: usize,
        /// Runs at once.
        limit: usize,
    },
    /// Nothing: it is about to begin.
    Nothing,
}

impl Wait {
    /// The sentence that the screen shows.
    pub fn sentence(self) -> String {
        match self {
            Self::Time => "Waits for the time of its next attempt.".into(),
            Self::Chain { position } => {
                format!("Number {position} in line for this database: another backup of it to the same destination is under way.")
            }
            Self::Server { position, limit } => format!("Number {position} in line for this server, which does {} at once.", runs(limit)),
            Self::Console { position, limit } => format!("Number {position} in line; the console does {} at once.", runs(limit)),
            Self::Nothing => "Is about to begin.".into(),
        }
    }
}

fn runs(count: usize) -> String {
    if count == 1 { "one run".into() } else { format!("{count} runs") }
}

/// Who begins, and what everybody else waits for.
#[derive(Default)]
pub(crate) struct Plan {
    /// Runs to begin now, in order.
    pub begin: Vec<RunId>,
    /// What the others wait for.
    pub waits: HashMap<RunId, Wait>,
}

impl Queue {
    /// Adds a run that waits, or puts it where it belongs by now.
    pub fn add(&mut self, run: &RunRecord) {
        self.remove(run.id);
        let place = Place(run.kind != RunKind::Restore, run.retry_at.unwrap_or(run.queued_at), run.id);
        self.order.insert(place, Waiting { needs: Needs::of(run), round: run.round, not_before: run.retry_at });
        self.places.insert(run.id, place);
    }

    /// Takes a run out of the line.
    pub fn remove(&mut self, run: RunId) {
        if let Some(place) = self.places.remove(&run) {
            self.order.remove(&place);
        }
    }

    /// Takes the runs of a round out of the line.
    pub fn remove_round(&mut self, round: RoundId) {
        self.order.retain(|Place(.., run), waiting| {
            let stays = waiting.round != Some(round);
            if !stays {
                self.places.remove(run);
            }
            stays
        });
    }

    /// Whether a run is in the line.
    pub fn has(&self, run: RunId) -> bool {
        self.places.contains_key(&run)
    }

    /// What a run needs that waits.
    pub fn needs(&self, run: RunId) -> Needs {
        self.places.get(&run).and_then(|place| self.order.get(place)).map(|waiting| waiting.needs.clone()).unwrap_or_default()
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// When the next attempt of a run is due that waits for its time.
    pub fn next_attempt(&self, now: Timestamp) -> Option<Timestamp> {
        self.order.values().filter_map(|waiting| waiting.not_before).filter(|at| *at > now).min()
    }

    /// Gives out the places that are free. Runs that `is_begun` says of have one already.
    pub fn plan(&self, mut taken: Taken, limits: &Limits, now: Timestamp, is_begun: impl Fn(RunId) -> bool) -> Plan {
        let mut plan = Plan::default();
        let mut in_line = 0;
        let mut on_server: HashMap<ServerId, usize> = HashMap::new();
        let mut for_chain: HashMap<&Chain, usize> = HashMap::new();
        for (Place(.., run), waiting) in self.order.iter().filter(|(Place(.., run), _)| !is_begun(*run)) {
            let wait = if waiting.not_before.is_some_and(|at| at > now) {
                Wait::Time
            } else if let Some(chain) = taken.chain_of(&waiting.needs) {
                let position = for_chain.entry(chain).or_default();
                *position += 1;
                Wait::Chain { position: *position }
            } else if !taken.has_room_on(waiting.needs.server, limits) {
                in_line += 1;
                let server = waiting.needs.server.map_or((0, 0), |server| {
                    let position = on_server.entry(server).or_default();
                    *position += 1;
                    (*position, limits.of(server))
                });
                Wait::Server { position: server.0, limit: server.1 }
            } else if taken.total >= limits.total {
                in_line += 1;
                Wait::Console { position: in_line, limit: limits.total }
            } else {
                taken.add(&waiting.needs);
                plan.begin.push(*run);
                Wait::Nothing
            };
            plan.waits.insert(*run, wait);
        }
        plan
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_795_000_000 + second).unwrap()
    }

    /// A run of a database that is no other's.
    fn run(second: i64, kind: RunKind, server: Option<ServerId>) -> RunRecord {
        RunRecord { kind, server, queued_at: at(second), ..fixture::run(&format!("tenant_{second}")) }
    }

    fn queue(runs: &[RunRecord]) -> Queue {
        let mut queue = Queue::default();
        runs.iter().for_each(|run| queue.add(run));
        queue
    }

    fn limits(total: usize, usual: usize) -> Limits {
        Limits { total, usual, servers: HashMap::new() }
    }

    #[test]
    fn places_go_to_the_longest_waiting_within_both_limits() {
        let (one, two) = (fixture::server(), fixture::server());
        let runs: Vec<_> = [one, one, one, two, two].iter().zip(0..).map(|(s, i)| run(i, RunKind::Backup, Some(*s))).collect();
        let plan = queue(&runs).plan(Taken::default(), &limits(4, 2), at(9), |_| false);
        assert_eq!(plan.begin, [runs[0].id, runs[1].id, runs[3].id, runs[4].id]);
        assert_eq!(plan.waits[&runs[2].id], Wait::Server { position: 1, limit: 2 });

        let mut taken = Taken::default();
        taken.add(&Needs { server: Some(one), chain: None });
        let plan = queue(&runs).plan(taken, &limits(2, 5), at(9), |_| false);
        assert_eq!(plan.begin, [runs[0].id]);
        assert_eq!(plan.waits[&runs[4].id], Wait::Console { position: 4, limit: 2 });
    }

    #[test]
    fn a_server_has_its_own_limit_and_its_own_line() {
        let (one, two) = (fixture::server(), fixture::server());
        let runs: Vec<_> = [one, one, two, one].iter().zip(0..).map(|(s, i)| run(i, RunKind::Backup, Some(*s))).collect();
        let limits = Limits { servers: HashMap::from([(one, 1)]), ..limits(9, 3) };
        let plan = queue(&runs).plan(Taken::default(), &limits, at(9), |_| false);
        assert_eq!(plan.begin, [runs[0].id, runs[2].id]);
        assert_eq!(plan.waits[&runs[3].id].sentence(), "Number 2 in line for this server, which does one run at once.");
    }

    #[test]
    fn a_restore_goes_first_and_a_verification_needs_no_server() {
        let server = Some(fixture::server());
        let runs = [run(0, RunKind::Backup, server), run(5, RunKind::Restore, server), run(6, RunKind::Verify, server)];
        let plan = queue(&runs).plan(Taken::default(), &limits(2, 1), at(9), |_| false);
        assert_eq!(plan.begin, [runs[1].id, runs[2].id]);
    }

    #[test]
    fn one_backup_at_a_time_adds_to_a_chain() {
        let (server, elsewhere) = (Some(fixture::server()), Some(fixture::server()));
        let one = RunRecord { database: "shop".into(), ..run(0, RunKind::Backup, server) };
        let of = |second, other: RunRecord| RunRecord { destination: one.destination, queued_at: at(second), ..other };
        let shop = |second, kind| of(second, RunRecord { database: "shop".into(), ..run(second, kind, server) });
        let (again, third, restore) = (shop(1, RunKind::Backup), shop(2, RunKind::Backup), shop(3, RunKind::Restore));
        let free = [
            of(4, run(4, RunKind::Backup, server)),
            of(5, RunRecord { server: elsewhere, ..shop(5, RunKind::Backup) }),
            RunRecord { destination: run(6, RunKind::Backup, server).destination, ..shop(6, RunKind::Backup) },
            shop(7, RunKind::Verify),
        ];
        let all = [[one.clone(), again.clone(), third.clone(), restore.clone()].as_slice(), &free].concat();
        let mut queue = queue(&all);
        let plan = queue.plan(Taken::default(), &limits(99, 99), at(9), |_| false);
        assert_eq!(plan.begin, [restore.id, one.id, free[0].id, free[1].id, free[2].id, free[3].id]);
        assert_eq!((plan.waits[&again.id], plan.waits[&third.id]), (Wait::Chain { position: 1 }, Wait::Chain { position: 2 }));
        let said = "Number 1 in line for this database: another backup of it to the same destination is under way.";
        assert_eq!(plan.waits[&again.id].sentence(), said);

        // As long as it works, and no longer.
        let mut taken = Taken::default();
        taken.add(&queue.needs(one.id));
        let begun = |run: RunId| run != again.id && run != third.id;
        assert!(queue.plan(taken, &limits(99, 99), at(9), begun).begin.is_empty());
        queue.remove(one.id);
        assert_eq!(queue.plan(Taken::default(), &limits(99, 99), at(9), begun).begin, [again.id]);
    }

    #[test]
    fn an_attempt_waits_for_its_time_and_holds_up_nobody() {
        let server = Some(fixture::server());
        let later = RunRecord { retry_at: Some(at(60)), attempt: 2, ..run(0, RunKind::Backup, server) };
        let queue = queue(&[later.clone(), run(1, RunKind::Backup, server)]);
        let plan = queue.plan(Taken::default(), &limits(1, 1), at(9), |_| false);
        assert_eq!((plan.begin.len(), plan.waits[&later.id]), (1, Wait::Time));
        assert_eq!(queue.next_attempt(at(9)), Some(at(60)));
        assert_eq!(queue.next_attempt(at(60)), None);
        assert!(queue.plan(Taken::default(), &limits(2, 2), at(60), |_| false).begin.contains(&later.id));
    }

    #[test]
    fn what_has_a_place_or_left_the_line_is_not_begun() {
        let runs = [run(0, RunKind::Backup, None), run(1, RunKind::Backup, None)];
        let mut queue = queue(&runs);
        let begun = queue.plan(Taken::default(), &limits(9, 9), at(9), |run| run == runs[0].id).begin;
        assert_eq!(begun, [runs[1].id]);
        queue.remove(runs[1].id);
        queue.remove(runs[1].id);
        assert_eq!(queue.len(), 1);
    }

    #[test]
    fn limits_follow_the_machine_unless_they_are_set() {
        assert_eq!((Limits::new(1, None, HashMap::new()).total, Limits::new(1, None, HashMap::new()).usual), (2, 1));
        assert_eq!((Limits::new(8, None, HashMap::new()).total, Limits::new(8, None, HashMap::new()).usual), (8, 4));
        assert_eq!(Limits::new(8, Some(1), HashMap::new()).total, 1);
    }
}
