//! Begins the rounds of tasks whose time has come.
//!
//! The round is written first and the task's next time after it. A crash between the two is seen at the next start: the
//! round is there, and only the next time is set.

mod decide;

use super::{Piece, queue::until};
use crate::{
    Control,
    cause::Cause,
    run::carried_through,
    task::{kind_at, next_at},
    underway::Nudge,
};
use catalog::{RoundRecord, RoundServerRecord, TaskRecord};
use decide::{Firing, Open, decide, skipped};
use domain::{BackupKind, Code, Origin, Result, RoundId, RoundState, RunState};
use jiff::{SignedDuration, Timestamp};
use std::time::{Duration, Instant};
use uuid::Uuid;

/// A gap between two looks that is longer than this means that the process did not run: the machine slept.
const GAP: SignedDuration = SignedDuration::from_secs(120);

/// Since when due times were watched without a gap.
#[derive(Clone, Copy, Debug)]
struct Watch {
    since: Timestamp,
    last: Timestamp,
}

impl Watch {
    fn new(now: Timestamp) -> Self {
        Self { since: now, last: now }
    }

    fn look(&mut self, now: Timestamp) {
        if now.duration_since(self.last) > GAP {
            self.since = now;
        }
        self.last = now;
    }

    /// Takes away from the gap what the look took, on a clock that stands still while the machine sleeps: what comes due during a slow
    /// look is late, and was not missed.
    fn worked(&mut self, took: Duration) {
        self.last = self.last.saturating_add(took).unwrap_or(self.last);
    }
}

impl Control {
    pub(super) fn spawn_schedule(&self) {
        let control = self.clone();
        tokio::spawn(async move {
            let mut watch = Watch::new(Timestamp::now());
            while !control.underway.stopping.is_cancelled() {
                let began = Instant::now();
                let now = Timestamp::now();
                watch.look(now);
                let (work, since) = (control.clone(), watch.since);
                let outcome = carried_through(async move { work.fire_due(now, since).await }).await;
                watch.worked(began.elapsed());
                let next = outcome.as_ref().ok().and_then(|(next, _)| *next);
                control.underway.background.note(Piece::Schedule, began, outcome.map(|(_, said)| said));
                let pause = Piece::Schedule.pause();
                let sleep = next.map_or(pause, |at| until(at, Timestamp::now()).min(pause));
                control.wait(Some(Nudge::Schedule), sleep).await;
            }
        });
    }

    /// Begins what is due, and says when something is due next.
    async fn fire_due(&self, now: Timestamp, watched_since: Timestamp) -> Result<(Option<Timestamp>, String)> {
        let mut failed = None;
        for task in self.catalog.due_tasks(now).await? {
            // One task that cannot be fired holds up no other.
            if let Err(error) = self.fire(&task, now, watched_since).await {
                tracing::warn!(task = task.task.name, ?error, "a task that is due could not be begun; it will be tried again");
                failed = Some(error);
            }
        }
        if let Some(error) = failed {
            return Err(error);
        }
        let tasks = self.catalog.tasks().await?;
        let next = tasks.iter().filter_map(|task| task.next_at).filter(|at| *at > now).min();
        let enabled = tasks.iter().filter(|task| task.enabled).count();
        Ok((next, format!("{enabled} of {} tasks are enabled.", tasks.len())))
    }

    async fn fire(&self, task: &TaskRecord, now: Timestamp, watched_since: Timestamp) -> Result<()> {
        let Some(due) = task.next_at else { return Ok(()) };
        let is_there = self.catalog.round_due_at(task.id, due).await?.is_some();
        let under_way = self.catalog.open_round_of(task.id).await?;
        let open = match &under_way {
            Some(round) => Some(Open { round, is_put_off: self.is_put_off(round, now).await? }),
            None => None,
        };
        let owed = self.owes_full(task).await?;
        let wanted = if owed { BackupKind::Full } else { kind_at(task, now) };
        match decide(task, due, watched_since, is_there, open) {
            Firing::Done => {}
            Firing::Merged => {
                let Some(round) = &under_way else { return Ok(()) };
                return self.fire_into(round.id, task, due, wanted, now).await;
            }
            Firing::Later => return Ok(()),
            Firing::Round(origin) => {
                let said = match origin {
                    Origin::CatchUp => "Makes up for a time at which the console did not run.",
                    _ if owed => "Started by the task's schedule, and full because the last full backup was skipped.",
                    _ if task.put_off_from.is_some() => "Started by the task's schedule, at the time that it was put off to.",
                    _ => "Started by the task's schedule.",
                };
                match self.begin_round(RoundRecord { wanted, ..round(task, due, now, origin) }, &Cause::console(said)).await {
                    // Somebody was quicker; what that means is decided at the next look.
                    Err(error) if error.code() == Code::Busy => {
                        self.nudge(Nudge::Schedule);
                        return Ok(());
                    }
                    begun => begun?,
                }
            }
            Firing::Skipped(why) => self.skip(task, due, now, why).await?,
        }
        self.catalog.set_next(task.id, due, next_at(&task.task, now)).await
    }

    /// Lets a round that was put off stand for a time that is due as well, if it still waits; if not, what that means is decided at the next
    /// look.
    async fn fire_into(&self, round: RoundId, task: &TaskRecord, due: Timestamp, wanted: BackupKind, now: Timestamp) -> Result<()> {
        if self.merge(round, due, wanted, now).await? {
            return self.catalog.set_next(task.id, due, next_at(&task.task, now)).await;
        }
        self.nudge(Nudge::Schedule);
        Ok(())
    }

    /// Writes down that a round does not take place.
    async fn skip(&self, task: &TaskRecord, due: Timestamp, now: Timestamp, why: &str) -> Result<()> {
        let round = round(task, due, now, Origin::Schedule);
        let skipped = RoundRecord { state: RoundState::Skipped, ended_at: Some(now), error: Some(skipped(why)), ..round };
        self.begin_round(skipped, &Cause::console(String::new()).saying(format!("Skipped: {why}"), true)).await
    }

    /// Whether a full backup of the task was skipped and none was begun since, however often it was due since then.
    async fn owes_full(&self, task: &TaskRecord) -> Result<bool> {
        if !task.task.catch_up || task.task.schedules.full.is_none() {
            return Ok(false);
        }
        let newest = self.catalog.newest_full_round_of(task.id).await?;
        Ok(newest.is_some_and(|round| round.state == RoundState::Skipped))
    }

    /// Whether a round waits for a later time, all of it. What was done already would miss the time that is due.
    async fn is_put_off(&self, round: &RoundRecord, now: Timestamp) -> Result<bool> {
        let waits = |until: Option<Timestamp>| until.is_some_and(|at| at > now);
        let runs = self.catalog.runs_of_round(round.id).await?;
        let servers_wait = round.waiting().next().is_none() || waits(round.retry_at);
        Ok(match runs.as_slice() {
            [] => round.state == RoundState::Preparing && servers_wait,
            runs => servers_wait && runs.iter().all(|run| run.state == RunState::Queued && waits(run.retry_at)),
        })
    }

    /// Lets a round that was put off stand for a later time as well, in full if a full backup is due then. False if it does not wait any
    /// more by now: then nothing would be made for that time.
    async fn merge(&self, id: RoundId, due: Timestamp, wanted: BackupKind, now: Timestamp) -> Result<bool> {
        let deciding = self.deciding().await;
        let round = self.catalog.round(id).await?;
        if round.state.has_ended() || !self.is_put_off(&round, now).await? {
            return Ok(false);
        }
        let in_full = wanted == BackupKind::Full && round.wanted == BackupKind::Incremental;
        let cause = match in_full {
            true => Cause::console(format!("Is made for {due} too, as it was put off past that, and in full, as is due then.")),
            false => Cause::console(format!("Is made for {due} too, as it was put off past that.")),
        };
        if !in_full {
            self.log(Some(id), None, "", &cause).await;
            return Ok(true);
        }
        // The runs first: a crash between the two is seen at the next look, as the round is not full yet.
        let waiting = self.catalog.runs_of_round(id).await?;
        self.change_all(&waiting, RunState::Queued, &cause, |run| run.wanted = Some(BackupKind::Full)).await?;
        self.change_round(&deciding, &round, round.state, &cause, |round| round.wanted = BackupKind::Full).await?;
        Ok(true)
    }
}

fn round(task: &TaskRecord, due: Timestamp, now: Timestamp, origin: Origin) -> RoundRecord {
    RoundRecord {
        id: RoundId::new(Uuid::now_v7()),
        task: Some(task.id),
        task_name: task.task.name.clone(),
        servers: task.task.servers.iter().copied().map(RoundServerRecord::new).collect(),
        destination: task.task.destination,
        only_database: None,
        wanted: kind_at(task, now),
        once: None,
        state: RoundState::Preparing,
        origin,
        started_by: None,
        attempt: 1,
        retry_at: None,
        due_at: due,
        began_at: now,
        ended_at: None,
        error: None,
    }
}

#[cfg(test)]
mod tests;
