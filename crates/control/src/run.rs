//! Runs: the one function that changes them, and how they are shown.

mod end;

use crate::{Control, Permit, View, cause::Cause, underway::Nudge};
use catalog::{RunChange, RunRecord};
use domain::{
    Code, Error, Result, RoundId, RunId, RunKind, RunState,
    view::{
        Page,
        run::{RunLine, RunQuery, RunView},
    },
};
use jiff::Timestamp;

impl Control {
    /// Changes the state of a run: the one place where that happens. The run, the audit log and the run's log are written,
    /// screens and background work are woken, and the run's round follows.
    ///
    /// What is begun is carried through, even if whoever asked goes away meanwhile.
    ///
    /// # Errors
    /// [`Code::Conflict`] if the run is no longer in the state that `run` has.
    pub(crate) async fn change(
        &self,
        run: &RunRecord,
        to: RunState,
        cause: &Cause,
        with: impl FnOnce(&mut RunRecord),
    ) -> Result<RunRecord> {
        let changed = self.change_alone(run, to, cause, with).await?;
        // An interrupted run may be queued again: what becomes of the round is decided then.
        if let Some(round) = changed.round.filter(|_| changed.state.has_ended() && changed.state != RunState::Interrupted) {
            self.follow(round).await;
        }
        Ok(changed)
    }

    /// Lets a round follow its runs: now, or later if that cannot be.
    pub(crate) async fn follow(&self, round: RoundId) {
        if let Err(error) = self.settle(round).await {
            tracing::warn!(?error, %round, "a round does not follow its runs yet; it will");
            self.nudge(Nudge::Rounds);
        }
    }

    /// The same without the round, for whoever sees to that.
    pub(crate) async fn change_alone(
        &self,
        run: &RunRecord,
        to: RunState,
        cause: &Cause,
        with: impl FnOnce(&mut RunRecord),
    ) -> Result<RunRecord> {
        if let Some(changed) = self.write(vec![change_of(run, to, cause, with)?], cause).await?.pop() {
            return Ok(changed);
        }
        let now = self.catalog.run(run.id).await?.state;
        Err(Error::new(Code::Conflict, format!("The run is {now} by now."), "Load the page again to see what became of it."))
    }

    /// The same for many runs at once, in one transaction. Those that are no longer in the state that they have here are let
    /// be, and are not in the answer.
    pub(crate) async fn change_all(
        &self,
        runs: &[RunRecord],
        to: RunState,
        cause: &Cause,
        with: impl Fn(&mut RunRecord),
    ) -> Result<Vec<RunRecord>> {
        let changes = runs.iter().map(|run| change_of(run, to, cause, &with)).collect::<Result<Vec<_>>>()?;
        self.write(changes, cause).await
    }

    /// Writes changes of runs, and wakes whoever follows them. Those that were made are in the answer.
    async fn write(&self, changes: Vec<RunChange>, cause: &Cause) -> Result<Vec<RunRecord>> {
        let (control, cause) = (self.clone(), cause.clone());
        carried_through(async move {
            let made = control.catalog.change_runs(&changes).await?;
            let changed: Vec<_> = changes.into_iter().zip(made).filter(|(_, made)| *made).map(|(change, _)| change.run).collect();
            for run in &changed {
                control.underway.mirror(run);
                tracing::info!(run = %run.id, database = run.database, kind = %run.kind, state = %run.state, attempt = run.attempt, "{}", cause.said);
            }
            control.underway.changed();
            control.nudge(Nudge::Queue);
            Ok(changed)
        })
        .await
    }

    /// Adds a line to the log of a round or run. That the log cannot be written stops nothing.
    pub(crate) async fn log(&self, round: Option<RoundId>, run: Option<RunId>, database: &str, cause: &Cause) {
        if let Err(error) = self.catalog.append_log(round, &cause.line(Timestamp::now(), run, database)).await {
            tracing::warn!(?error, "a line of a run's log was lost");
        }
        self.underway.changed();
    }

    /// Adds runs that wait for their place.
    pub(crate) async fn queue_runs(
        &self,
        runs: Vec<RunRecord>,
        action: &'static str,
        subject: String,
        path: String,
        cause: &Cause,
    ) -> Result<()> {
        let (control, cause) = (self.clone(), cause.clone());
        carried_through(async move {
            let audit = cause.audit(Timestamp::now(), action, &subject, path);
            control.catalog.insert_runs(&runs, &audit).await?;
            runs.iter().for_each(|run| control.underway.mirror(run));
            control.underway.changed();
            control.nudge(Nudge::Queue);
            Ok(())
        })
        .await
    }

    /// Restores and verifications, newest first.
    ///
    /// # Errors
    /// [`Code::Catalog`].
    pub async fn runs(&self, _: &Permit<View>, query: &RunQuery) -> Result<Page<RunLine>> {
        let page = self.catalog.runs_page(&[RunKind::Restore, RunKind::Verify], query.only == "failed", query.page).await?;
        let items = self.run_lines(page.items).await?;
        Ok(Page { items, total: page.total, number: page.number, size: page.size })
    }

    /// A run with all there is to it.
    ///
    /// # Errors
    /// [`Code::NotFound`].
    pub async fn run(&self, _: &Permit<View>, id: RunId) -> Result<RunView> {
        let now = Timestamp::now();
        Ok(self.run_facts(id).await?.show(&self.underway.glance(now), now))
    }
}

/// Runs work to its end, whether or not somebody still waits for it: what the catalog says and what this process knows of
/// it must not come apart. A panic in it becomes an error.
pub(crate) async fn carried_through<T: Send + 'static>(work: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
    tokio::spawn(work).await.map_err(|error| Error::internal("A piece of work broke off.").because(error))?
}

/// What is written when a run becomes something else.
///
/// # Errors
/// [`Code::Internal`] if it cannot become that.
fn change_of(run: &RunRecord, to: RunState, cause: &Cause, with: impl FnOnce(&mut RunRecord)) -> Result<RunChange> {
    if !run.state.may_become(to) {
        return Err(Error::internal(format!("A run that is {} cannot become {to}.", run.state)));
    }
    let (mut changed, now) = (run.clone(), Timestamp::now());
    changed.state = to;
    with(&mut changed);
    let audit = cause.audit(now, &action(changed.kind, to), &changed.database, format!("/runs/{}", changed.id));
    Ok(RunChange { audit, line: cause.line(now, Some(run.id), &changed.database), run: changed, expected: run.state })
}

/// What the audit log calls it.
fn action(kind: RunKind, state: RunState) -> String {
    let what = match kind {
        RunKind::Backup => "backup",
        RunKind::Restore => "restore",
        RunKind::Verify => "verification",
    };
    format!("{what} {}", if state == RunState::Running { "began" } else { state.as_str() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test]
    #[allow(clippy::panic, reason = "that is what is tested")]
    async fn a_panic_is_an_error_and_whoever_leaves_stops_nothing() {
        let broken = carried_through(async { if Timestamp::now() > Timestamp::UNIX_EPOCH { panic!("on purpose") } else { Ok(()) } });
        assert_eq!(broken.await.unwrap_err().code(), Code::Internal);
        let (done, seen) = tokio::sync::oneshot::channel();
        let asked = tokio::spawn(carried_through(async move {
            tokio::time::sleep(Duration::from_millis(20)).await;
            done.send(()).ok();
            Ok(())
        }));
        tokio::task::yield_now().await;
        asked.abort();
        seen.await.unwrap();
    }
}
