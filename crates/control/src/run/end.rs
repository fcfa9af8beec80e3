//! Ending a run before it has done what it is for: for good, or until later.

use super::carried_through;
use crate::{Control, Operate, Permit, cause::Cause, round::later, underway::Ending};
use catalog::RunRecord;
use domain::{Code, Error, Result, RunAction, RunId, RunState};
use jiff::Timestamp;
use std::time::Duration;

/// How often it is looked again, where a run changed its state at the same moment.
const ATTEMPTS: u32 = 5;

impl Control {
    /// Stops a run that waits or works. One that works ends by itself a little later, when it has cleaned up.
    ///
    /// # Errors
    /// [`Code::Conflict`] if it has ended; [`Code::NotFound`].
    pub async fn abort_run(&self, permit: &Permit<Operate>, id: RunId) -> Result<()> {
        let cause = Cause::user(permit, format!("Stopped by {}.", permit.actor().name()));
        self.abort(id, &cause).await
    }

    /// Puts a backup off by so many minutes, and lets the others of its round go on. One that works stops, cleans up and waits.
    ///
    /// # Errors
    /// [`Code::Conflict`] if it has ended, or is no backup; [`Code::Invalid`] at the field `minutes`, also where its task is due by
    /// then; [`Code::NotFound`].
    pub async fn delay_run(&self, permit: &Permit<Operate>, id: RunId, minutes: u32) -> Result<()> {
        let until = later(Timestamp::now(), minutes)?;
        let (control, cause) = (self.clone(), Cause::user(permit, format!("Put off until {until} by {}.", permit.actor().name())));
        carried_through(async move { control.put_off(id, until, &cause).await }).await
    }

    pub(crate) async fn abort(&self, id: RunId, cause: &Cause) -> Result<()> {
        self.end(id, None, cause).await
    }

    pub(crate) async fn put_off(&self, id: RunId, until: Timestamp, cause: &Cause) -> Result<()> {
        let run = self.catalog.run(id).await?;
        run.kind.allows(RunAction::Delay).map_err(|why| Error::new(Code::Conflict, why, "Abort it, and start it again later."))?;
        if let Some(round) = run.round.filter(|_| !run.state.has_ended()) {
            self.ensure_before_next(&self.catalog.round(round).await?, until).await?;
        }
        self.end(id, Some(until), cause).await
    }

    /// Ends a run: until a moment, or for good. One that waits is told at once, and one that works is asked.
    async fn end(&self, id: RunId, until: Option<Timestamp>, cause: &Cause) -> Result<()> {
        let (action, to, ending, word) = match until {
            Some(until) => (RunAction::Delay, RunState::Queued, Ending::Delay(cause.clone(), until), "put off"),
            None => (RunAction::Abort, RunState::Aborted, Ending::Abort(cause.clone()), "stop"),
        };
        let told = |run: &mut RunRecord| (run.ended_at, run.retry_at) = (until.is_none().then(Timestamp::now), until);
        for _ in 0..ATTEMPTS {
            let run = self.catalog.run(id).await?;
            run.state.allows(action).map_err(|why| Error::new(Code::Conflict, why, format!("Nothing is left to {word}.")))?;
            if self.underway.end(id, &ending) {
                let asked = cause.saying(format!("{} asked to {word} this run.", cause.who()), false);
                self.log(run.round, Some(id), &run.database, &asked).await;
                return Ok(());
            }
            if run.state == RunState::Queued {
                match self.change(&run, to, cause, told).await {
                    Err(error) if error.code() == Code::Conflict => {}
                    changed => {
                        changed?;
                        // One that waits until later may have been on its way to begin.
                        self.underway.end(id, &ending);
                        return Ok(());
                    }
                }
            }
            // It is just beginning or ending: what becomes of it is known in a moment.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Err(Error::new(Code::Busy, "Nothing could be asked of the run: it is between two states.", "Look at it again in a moment."))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{self, at};
    use catalog::TaskRecord;
    use domain::{RoundState, RunKind};

    /// A run that waits, of a round of a task; or one that no round stands behind.
    async fn waiting(control: &Control, task: &TaskRecord, kind: RunKind) -> RunId {
        let round = fixture::looked_at(fixture::round(task, RoundState::Running));
        if kind == RunKind::Backup {
            control.begin_round(round.clone(), &Cause::console("")).await.unwrap();
        }
        let run = RunRecord {
            kind,
            round: (kind == RunKind::Backup).then_some(round.id),
            server: Some(task.task.servers[0]),
            ..fixture::run("shop")
        };
        let id = run.id;
        control.queue_runs(vec![run], "runs queued", String::new(), String::new(), &Cause::console("")).await.unwrap();
        id
    }

    #[tokio::test]
    async fn one_backup_is_put_off_until_its_task_is_due_and_no_longer() {
        let (control, _folder) = fixture::console().await;
        let task = fixture::task();
        fixture::add_task(&control, &task).await;
        let id = waiting(&control, &task, RunKind::Backup).await;
        let put_off = async |until: &str| control.put_off(id, at(until), &Cause::console("Put off by ana.")).await;
        put_off("01:30:00").await.unwrap();
        let run = control.catalog.run(id).await.unwrap();
        assert_eq!((run.state, run.retry_at, run.ended_at), (RunState::Queued, Some(at("01:30:00")), None));
        assert!(control.take_places(at("01:29:59")).is_empty());
        assert_eq!(control.catalog.log_of_run(id).await.unwrap()[0].text, "Put off by ana.");
        let error = put_off("02:00:00").await.unwrap_err();
        assert!(error.told().field("minutes").unwrap().contains("Tue 24 Nov 2026, 02:00 UTC"), "{error}");
        control.abort(id, &Cause::console("Stopped.")).await.unwrap();
        let run = control.catalog.run(id).await.unwrap();
        assert_eq!((run.state, run.retry_at, run.ended_at.is_some()), (RunState::Aborted, None, true));
        assert_eq!(put_off("09:00:00").await.unwrap_err().code(), Code::Conflict);
    }

    #[tokio::test]
    async fn what_somebody_waits_for_is_not_put_off() {
        let (control, _folder) = fixture::console().await;
        let task = fixture::task();
        fixture::add_task(&control, &task).await;
        for kind in [RunKind::Restore, RunKind::Verify] {
            let id = waiting(&control, &task, kind).await;
            let error = control.put_off(id, at("01:30:00"), &Cause::console("")).await.unwrap_err();
            assert_eq!((error.code(), error.told().sentence.as_str()), (Code::Conflict, "Only backups can be put off."));
            assert_eq!(control.catalog.run(id).await.unwrap().retry_at, None);
        }
    }

    #[tokio::test]
    async fn a_run_that_has_its_place_already_is_asked_to_end() {
        let (control, _folder) = fixture::console().await;
        let task = fixture::task();
        fixture::add_task(&control, &task).await;
        let id = waiting(&control, &task, RunKind::Backup).await;
        let places = control.take_places(at("02:00:00"));
        control.put_off(id, at("01:30:00"), &Cause::console("Put off by ana.")).await.unwrap();
        assert!(places[0].context.cancel.is_cancelled());
        let until = |expected: &str| matches!(control.underway.ending(id), Some(Ending::Delay(_, until)) if until == at(expected));
        assert!(until("01:30:00"));
        // As long as it has not ended, somebody can think better of it; but not of stopping it.
        control.put_off(id, at("01:45:00"), &Cause::console("Put off by ana.")).await.unwrap();
        assert!(until("01:45:00"));
        control.underway.end_all(&Ending::Stop);
        assert!(until("01:45:00"));
        control.abort(id, &Cause::console("Stopped by ana.")).await.unwrap();
        control.put_off(id, at("01:30:00"), &Cause::console("Put off by ben.")).await.unwrap();
        assert!(matches!(control.underway.ending(id), Some(Ending::Abort(_))));
    }
}
