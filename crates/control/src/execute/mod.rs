//! Carries out runs that have a place: the engine works, this writes down what became of it.

mod backup;
mod restore;
mod verdict;
mod verify;

pub(crate) use backup::Asked;
pub(crate) use verdict::{INTERRUPTED, interrupted, may_resume, retry_at, told};

use crate::{
    Control,
    cause::Cause,
    run::carried_through,
    underway::{Ending, Ground, Place},
};
use catalog::RunRecord;
use domain::{Code, Error, Result, RunKind, RunState, Told, view::run::ComparedTable};
use jiff::Timestamp;
use repository::{Repository, ServerRef};
use source::{Context, Source};
use std::{sync::Arc, time::Duration};
use store::Mode;

/// What a run did.
#[derive(Debug, Default)]
pub(crate) struct Done {
    pub label: Option<String>,
    pub stored_bytes: Option<u64>,
    pub rows: Option<u64>,
    pub reason: Option<String>,
    pub proven: Option<bool>,
    pub compared: Vec<ComparedTable>,
    pub notes: Vec<String>,
    /// Why it did not do what it was for, though it came to its end.
    pub error: Option<Error>,
    /// What happened, a sentence.
    pub said: String,
}

/// Longest wait before the outcome of a run is written again, where the catalog could not be.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

impl Control {
    /// Begins a run. Its place is free again when it has really ended and that is written down.
    pub(crate) fn begin(&self, place: Place) {
        let control = self.clone();
        tokio::spawn(async move { control.carry_out(place).await });
    }

    async fn carry_out(&self, place: Place) {
        let (run, failed) = match self.claim(&place).await {
            Ok(claimed) => claimed,
            // Aborted, or gone with its server: it is not in the line any more.
            Err(error) if matches!(error.code(), Code::Conflict | Code::NotFound) => return self.underway.forget(place.run),
            Err(error) => {
                tracing::warn!(?error, run = %place.run, "a run could not begin; it stays in the line");
                return self.pause(Duration::from_secs(5)).await;
            }
        };
        // A panic in a run makes that run fail, and nothing else.
        let outcome = carried_through(self.clone().perform(run.clone(), place.context.clone())).await;
        self.write_down(&run, failed.as_ref(), &place, outcome).await;
    }

    /// Takes the run out of the line, in the catalog, too; with it, why its last attempt failed.
    async fn claim(&self, place: &Place) -> Result<(RunRecord, Option<Told>)> {
        // A backup may add to a chain: either that has gone before, and a new one is begun; or it stays because the run works.
        let waiting = self.catalog.run(place.run).await?;
        let _turn = match waiting.kind {
            RunKind::Backup => Some(self.underway.retention.chains_at(waiting.destination).await),
            RunKind::Restore | RunKind::Verify => None,
        };
        let run = self.catalog.run(place.run).await?;
        if run.state != RunState::Queued {
            return Err(Error::new(Code::Conflict, "The run does not wait any more.", "Look at it again."));
        }
        let cause = Cause::console(if run.attempt == 1 { "Began.".into() } else { format!("Attempt {} began.", run.attempt) });
        let began = |run: &mut RunRecord| {
            (run.began_at, run.ended_at, run.retry_at, run.error) = (Some(Timestamp::now()), None, None, None);
        };
        let claimed = self.change(&run, RunState::Running, &cause, began).await?;
        Ok((claimed, run.error))
    }

    async fn perform(self, run: RunRecord, context: Context) -> Result<Done> {
        let context = Context { gives_way: self.gives_way(run.kind).await?, ..context };
        match run.kind {
            RunKind::Backup => self.perform_backup(&run, &context).await,
            RunKind::Restore => self.perform_restore(&run, &context).await,
            RunKind::Verify => self.perform_verification(&run, &context).await,
        }
    }

    /// Writes down what became of a run, again and again if the catalog cannot be written: what is not written would be
    /// taken for cut off.
    async fn write_down(&self, run: &RunRecord, failed: Option<&Told>, place: &Place, outcome: Result<Done>) {
        if let Err(error) = &outcome {
            tracing::warn!(run = %run.id, database = run.database, ?error, "a run did not do what it was for");
        }
        let next_due = self.next_due_after(run).await;
        let ending = self.underway.ending(place.run);
        let verdict = verdict::verdict(run.kind, run.attempt, &outcome, ending.as_ref(), next_due, Timestamp::now());
        let cause = match &ending {
            Some(Ending::Abort(cause)) if verdict.state == RunState::Aborted => cause.clone(),
            Some(Ending::Delay(cause, _)) if verdict.state == RunState::Queued => cause.clone(),
            _ => Cause::console(String::new()).saying(verdict.said.clone(), verdict.bad),
        };
        let mut wait = Duration::from_secs(1);
        loop {
            match self.change(run, verdict.state, &cause, |run| fill(run, failed, &outcome, &verdict)).await {
                Ok(done) => return self.expire_after(&done),
                Err(error) if matches!(error.code(), Code::Conflict | Code::NotFound) => {
                    self.underway.forget(run.id);
                    return tracing::warn!(?error, run = %run.id, "the record of a run is not there any more");
                }
                Err(error) => tracing::error!(?error, run = %run.id, "the outcome of a run could not be written down yet"),
            }
            if self.underway.stopping.is_cancelled() {
                return;
            }
            self.pause(wait).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    /// When the task that ordered a run is due next.
    async fn next_due_after(&self, run: &RunRecord) -> Option<Timestamp> {
        self.next_due(&self.catalog.round(run.round?).await.ok()?).await
    }

    /// Waits, unless the console stops.
    pub(crate) async fn pause(&self, wait: Duration) {
        tokio::select! {
            () = self.underway.stopping.cancelled() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }

    /// Opens a server and a repository for the backups of a round. The repository is made if there never was one; where one
    /// vanished, nothing is.
    pub(crate) async fn open_ground(
        &self,
        source: Arc<dyn Source>,
        server: &catalog::ServerRecord,
        identity: source::Identity,
        destination: &catalog::DestinationRecord,
    ) -> Result<Arc<Ground>> {
        self.open_known(destination).await?;
        let store = self.open_store(destination, Mode::Write).await?;
        let repository = Repository::create(store, &self.instance, self.trust()).await?;
        let server =
            ServerRef { name: server.server.name.clone(), dbms: identity.dbms, version: identity.version, instance: identity.instance };
        Ok(Arc::new(Ground { source, server, repository }))
    }
}

/// Threads for one run.
fn workers() -> usize {
    crate::queue::cores().clamp(2, 4)
}

/// Writes the outcome of a run into its record. `failed` is why the attempt before this one failed.
fn fill(run: &mut RunRecord, failed: Option<&Told>, outcome: &Result<Done>, verdict: &verdict::Verdict) {
    run.error.clone_from(&verdict.error);
    run.retry_at = verdict.retry_at;
    match (verdict.state, &verdict.error) {
        // One that was put off did not fail, and did not make up for an attempt that did.
        (RunState::Queued, None) => run.error = failed.cloned(),
        (RunState::Queued, Some(_)) => run.attempt += 1,
        _ => run.ended_at = Some(Timestamp::now()),
    }
    let Ok(done) = outcome else { return };
    run.label = done.label.clone().or_else(|| run.label.take());
    (run.stored_bytes, run.rows, run.proven) = (done.stored_bytes, done.rows, done.proven);
    run.reason.clone_from(&done.reason);
    run.compared.clone_from(&done.compared);
    run.notes.clone_from(&done.notes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{self, at};
    use domain::RoundState;

    #[test]
    fn one_that_is_put_off_while_it_works_still_tells_that_the_attempt_before_failed() {
        let failed = Error::new(Code::Unreachable, "No answer.", "Try again.").told().clone();
        let (outcome, ending) = (Err(Error::cancelled()), Ending::Delay(Cause::console("Put off by ana."), at("09:00:00")));
        let verdict = verdict::verdict(RunKind::Backup, 2, &outcome, Some(&ending), None, at("02:00:00"));
        for before in [Some(failed), None] {
            let mut run = RunRecord { state: RunState::Running, attempt: 2, ..fixture::run("shop") };
            fill(&mut run, before.as_ref(), &outcome, &verdict);
            assert_eq!((run.error, run.attempt, run.retry_at, run.ended_at), (before, 2, Some(at("09:00:00")), None));
        }
    }

    #[tokio::test]
    async fn a_backup_begins_when_a_chain_that_goes_has_gone() {
        let (control, _folder) = fixture::console().await;
        let task = fixture::task();
        fixture::add_task(&control, &task).await;
        let round = fixture::looked_at(fixture::round(&task, RoundState::Running));
        control.begin_round(round.clone(), &Cause::console("")).await.unwrap();
        let run = RunRecord { round: Some(round.id), server: Some(task.task.servers[0]), ..fixture::run("shop") };
        control.queue_runs(vec![run.clone()], "backups queued", String::new(), String::new(), &Cause::console("")).await.unwrap();
        let place = control.take_places(at("02:00:00")).remove(0);
        let goes = control.underway.retention.chains_at(run.destination).await;
        assert!(tokio::time::timeout(Duration::from_millis(100), control.claim(&place)).await.is_err(), "it did not wait");
        // What was decided meanwhile counts.
        let in_full = |run: &mut RunRecord| run.wanted = None;
        control.change_all(&[run], RunState::Queued, &Cause::console(""), in_full).await.unwrap();
        drop(goes);
        let (claimed, failed) = control.claim(&place).await.unwrap();
        assert_eq!((claimed.state, claimed.wanted, failed), (RunState::Running, None, None));
    }
}
