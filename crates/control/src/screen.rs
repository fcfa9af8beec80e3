//! What screens show of rounds and runs: facts of the catalog, and what is under way at the moment.

use crate::{Control, underway::Glance};
use catalog::{RoundRecord, RoundServerRecord, RoundTotals, RunRecord};
use domain::{
    Result, RoundId, RunId, RunKind, RunState, ServerId, Told,
    view::run::{LogLine, RoundLine, RoundServer, RoundView, RunLine, RunView},
};
use jiff::Timestamp;
use std::collections::HashMap;

/// Lines of a round's log that are shown.
const LOG_LINES: u64 = 200;

/// A round, as the catalog has it.
pub(crate) struct RoundFacts {
    round: RoundRecord,
    names: Names,
    runs: Vec<RunRecord>,
    log: Vec<LogLine>,
}

/// A run, as the catalog has it.
pub(crate) struct RunFacts {
    run: RunRecord,
    server_name: String,
    task_name: Option<String>,
    root: Option<String>,
    log: Vec<LogLine>,
}

/// Names of servers.
pub(crate) type Names = HashMap<ServerId, String>;

impl Control {
    pub(crate) async fn round_facts(&self, id: RoundId) -> Result<RoundFacts> {
        let round = self.catalog.round(id).await?;
        let names = self.server_names().await?;
        let runs = self.catalog.runs_of_round(id).await?;
        Ok(RoundFacts { names, runs, log: self.catalog.log_of_round(id, LOG_LINES).await?, round })
    }

    pub(crate) async fn run_facts(&self, id: RunId) -> Result<RunFacts> {
        let run = self.catalog.run(id).await?;
        let server_name = match run.server {
            Some(server) => self.catalog.server(server).await?.server.name,
            None => String::new(),
        };
        let task_name = match run.round {
            Some(round) => Some(self.catalog.round(round).await?.task_name),
            None => None,
        };
        // The destination may be gone; its backups and this run are not.
        let root = self.catalog.destination(run.destination).await.ok().map(|record| record.destination.to_string());
        Ok(RunFacts { server_name, task_name, root, log: self.catalog.log_of_run(id).await?, run })
    }

    /// Rounds as lists show them: two questions, however many there are.
    pub(crate) async fn round_lines(&self, rounds: Vec<RoundRecord>) -> Result<Vec<RoundLine>> {
        let names = self.server_names().await?;
        let ids: Vec<_> = rounds.iter().map(|round| round.id).collect();
        let totals = self.catalog.round_totals(&ids).await?;
        let line = |round: RoundRecord| {
            let totals = totals.get(&round.id).copied().unwrap_or_default();
            round_line(round, &names, totals)
        };
        Ok(rounds.into_iter().map(line).collect())
    }

    /// Runs as lists show them.
    pub(crate) async fn run_lines(&self, runs: Vec<RunRecord>) -> Result<Vec<RunLine>> {
        let names = self.server_names().await?;
        let glance = self.underway.glance(Timestamp::now());
        Ok(runs.iter().map(|run| run_line(run, name_of(run, &names), &glance)).collect())
    }

    pub(crate) async fn server_names(&self) -> Result<Names> {
        Ok(self.catalog.servers().await?.into_iter().map(|record| (record.id, record.server.name)).collect())
    }
}

impl RoundFacts {
    /// The screen, `now`.
    pub fn show(&self, glance: &Glance, now: Timestamp) -> RoundView {
        let totals = totals(&self.runs);
        let mut runs: Vec<_> = self.runs.iter().map(|run| run_line(run, name_of(run, &self.names), glance)).collect();
        // They come by name, and stay so within each kind.
        runs.sort_by_key(|run| urgency(run.state));
        RoundView { line: round_line(self.round.clone(), &self.names, totals), runs, log: self.told_apart(), now }
    }

    /// The log; where the round has several servers, with the one that each line is about.
    fn told_apart(&self) -> Vec<LogLine> {
        let mut log = self.log.clone();
        if self.round.servers.len() > 1 {
            let servers: HashMap<_, _> = self.runs.iter().map(|run| (run.id, name_of(run, &self.names))).collect();
            for line in &mut log {
                line.server = line.run.and_then(|run| servers.get(&run).cloned()).unwrap_or_default();
            }
        }
        log
    }
}

impl RunFacts {
    /// The screen, `now`.
    pub fn show(&self, glance: &Glance, now: Timestamp) -> RunView {
        let run = &self.run;
        RunView {
            line: run_line(run, self.server_name.clone(), glance),
            task_name: self.task_name.clone(),
            started_by: run.started_by.clone(),
            destination: self.root.is_some().then_some(run.destination),
            root: self.root.clone().unwrap_or_default(),
            from_database: from_database(run),
            tables: run.compared.clone(),
            notes: run.notes.clone(),
            log: self.log.clone(),
            now,
        }
    }
}

/// The database whose backup a run reads.
fn from_database(run: &RunRecord) -> Option<String> {
    match run.kind {
        RunKind::Backup => None,
        RunKind::Verify => Some(run.database.clone()),
        RunKind::Restore => run.request.as_ref()?.get("database")?.as_str().map(String::from),
    }
}

fn totals(runs: &[RunRecord]) -> RoundTotals {
    let count = |is: fn(RunState) -> bool| runs.iter().filter(|run| is(run.state)).count() as u64;
    RoundTotals {
        runs: runs.len() as u64,
        succeeded: count(|state| state == RunState::Succeeded),
        failed: count(|state| state.has_ended() && state != RunState::Succeeded),
        stored_bytes: runs.iter().filter_map(|run| run.stored_bytes).sum(),
    }
}

/// The name of the server of a run.
fn name_of(run: &RunRecord, names: &Names) -> String {
    run.server.and_then(|server| names.get(&server).cloned()).unwrap_or_default()
}

/// What every server of a round says, if they all say the same.
fn said_by_all(servers: &[RoundServerRecord]) -> Option<Told> {
    let told = servers.first()?.error.as_ref()?;
    servers.iter().all(|one| one.error.as_ref() == Some(told)).then(|| told.clone())
}

fn round_line(round: RoundRecord, names: &Names, totals: RoundTotals) -> RoundLine {
    let error = round.error.or_else(|| said_by_all(&round.servers));
    let server = |one: RoundServerRecord| RoundServer {
        name: names.get(&one.server).cloned().unwrap_or_default(),
        server: one.server,
        state: one.state,
        error: one.error,
    };
    RoundLine {
        id: round.id,
        task: round.task,
        task_name: round.task_name,
        servers: round.servers.into_iter().map(server).collect(),
        state: round.state,
        wanted: round.wanted,
        origin: round.origin,
        started_by: round.started_by,
        due_at: round.due_at,
        began_at: round.began_at,
        ended_at: round.ended_at,
        retry_at: round.retry_at,
        runs: totals.runs,
        succeeded: totals.succeeded,
        failed: totals.failed,
        stored_bytes: totals.stored_bytes,
        error,
    }
}

/// Those that work first, then those that wait, then those that went wrong, then the rest.
fn urgency(state: RunState) -> u8 {
    match state {
        RunState::Running => 0,
        RunState::Queued => 1,
        RunState::Failed | RunState::Interrupted | RunState::Aborted => 2,
        RunState::Succeeded => 3,
    }
}

fn run_line(run: &RunRecord, server_name: String, glance: &Glance) -> RunLine {
    let working = glance.working.get(&run.id).filter(|_| run.state == RunState::Running);
    let waits_for = match (run.state, working) {
        (RunState::Queued, _) => glance.waits.get(&run.id).map(|wait| wait.sentence()),
        (RunState::Running, Some((_, true))) => Some("Is being stopped: cleans up what it began.".into()),
        _ => None,
    };
    RunLine {
        id: run.id,
        kind: run.kind,
        wanted: run.wanted,
        round: run.round,
        server: run.server,
        server_name,
        database: run.database.clone(),
        state: run.state,
        attempt: run.attempt,
        queued_at: run.queued_at,
        began_at: run.began_at,
        ended_at: run.ended_at,
        retry_at: run.retry_at,
        waits_for,
        progress: working.map(|(progress, _)| *progress),
        label: run.label.clone(),
        stored_bytes: run.stored_bytes,
        rows: run.rows,
        reason: run.reason.clone(),
        proven: run.proven,
        error: run.error.clone(),
    }
}

impl RoundFacts {
    /// Whether nothing will happen to it any more by itself.
    pub fn has_ended(&self) -> bool {
        self.round.state.has_ended()
    }

    /// How many runs it has.
    pub fn size(&self) -> usize {
        self.runs.len()
    }
}

impl RunFacts {
    /// Whether nothing will happen to it any more by itself.
    pub fn has_ended(&self) -> bool {
        self.run.state.has_ended()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{fixture, pace::Pace, queue::Wait};
    use domain::RoundState;

    #[test]
    fn what_matters_most_comes_first() {
        let task = fixture::task();
        let states = [
            ("a", RunState::Succeeded),
            ("b", RunState::Failed),
            ("c", RunState::Queued),
            ("d", RunState::Running),
            ("e", RunState::Aborted),
            ("f", RunState::Running),
        ];
        let runs: Vec<_> = states.iter().map(|(name, state)| RunRecord { state: *state, ..fixture::run(name) }).collect();
        let mut glance = Glance::default();
        glance.waits.insert(runs[2].id, Wait::Server { position: 3, limit: 1 });
        glance.working.insert(runs[5].id, (Pace::new(std::time::Instant::now()).progress(), true));
        let facts = RoundFacts { round: fixture::round(&task, RoundState::Running), names: Names::new(), runs, log: vec![] };
        let view = facts.show(&glance, fixture::at("02:01:00"));
        assert_eq!(view.runs.iter().map(|run| run.database.as_str()).collect::<String>(), "dfcbea");
        assert_eq!((view.line.runs, view.line.succeeded, view.line.failed), (6, 1, 2));
        assert!(view.runs[2].waits_for.as_ref().is_some_and(|sentence| sentence.contains("Number 3")));
        assert!(view.runs[1].waits_for.is_some() && view.runs[1].progress.is_some() && view.runs[0].waits_for.is_none());
    }
}
