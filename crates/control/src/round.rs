//! Rounds: how they change, and how they are shown.

mod asked;
mod delay;

pub use asked::OneDatabase;
pub(crate) use delay::later;

use crate::{Control, Permit, View, cause::Cause, run::carried_through, underway::Nudge};
use catalog::RoundRecord;
use domain::{
    Result, RoundId, RoundState, RunState, display,
    view::{
        Page,
        run::{RoundLine, RoundView, RunQuery},
    },
};
use jiff::Timestamp;
use tokio::sync::MutexGuard;

/// The right to decide what state rounds are in, held by one at a time.
pub(crate) type Deciding<'a> = MutexGuard<'a, ()>;

impl Control {
    /// Waits until it is this caller's turn to decide what state rounds are in.
    pub(crate) async fn deciding(&self) -> Deciding<'_> {
        self.underway.rounds.lock().await
    }

    /// Changes the state of a round: the one place where that happens, in one transaction with the audit log.
    ///
    /// # Errors
    /// [`Code::Conflict`] if it is no longer in the state that `round` has; [`Code::Busy`] if it is to be open and its task
    /// has another open one.
    pub(crate) async fn change_round(
        &self,
        _: &Deciding<'_>,
        round: &RoundRecord,
        to: RoundState,
        cause: &Cause,
        with: impl FnOnce(&mut RoundRecord),
    ) -> Result<RoundRecord> {
        let mut changed = round.clone();
        changed.state = to;
        with(&mut changed);
        let audit = cause.audit(Timestamp::now(), action(to), &changed.task_name, path(changed.id));
        self.catalog.change_round(&changed, round.state, &audit).await?;
        tracing::info!(round = %changed.id, task = changed.task_name, state = %to, "{}", cause.said);
        self.log(Some(changed.id), None, "", cause).await;
        Ok(changed)
    }

    /// Lets a round follow its runs.
    pub(crate) async fn settle(&self, id: RoundId) -> Result<()> {
        let control = self.clone();
        carried_through(async move { control.settle_deciding(&control.deciding().await, id).await }).await
    }

    async fn settle_deciding(&self, deciding: &Deciding<'_>, id: RoundId) -> Result<()> {
        let round = self.catalog.round(id).await?;
        if matches!(round.state, RoundState::Preparing | RoundState::Skipped) {
            return Ok(());
        }
        let totals = self.catalog.round_totals(&[id]).await?.remove(&id).unwrap_or_default();
        if totals.runs > totals.succeeded + totals.failed || round.waiting().next().is_some() {
            if round.state != RoundState::Running {
                let cause = Cause::console("Goes on: some of its runs are tried again.");
                self.change_round(deciding, &round, RoundState::Running, &cause, |round| round.ended_at = None).await?;
            }
            return Ok(());
        }
        let runs = self.catalog.runs_of_round(id).await?;
        let mut states: Vec<_> = runs.iter().map(|run| run.state).collect();
        // A server that could not be looked at counts like a database that could not be backed up.
        let unread: Vec<_> = round.servers.iter().map(|one| one.state).filter(|state| *state != RunState::Succeeded).collect();
        states.extend(&unread);
        let to = RoundState::of(&states);
        // What is interrupted while the console stops goes on at its next start.
        let goes_on = self.underway.stopping.is_cancelled() && states.contains(&RunState::Interrupted);
        if to == round.state || goes_on {
            return Ok(());
        }
        let mut said = format!(
            "Ended: {} of {} backed up, {} stored.",
            totals.succeeded,
            display::count(totals.runs),
            display::size(totals.stored_bytes)
        );
        match unread.len() {
            0 => {}
            1 => said.push_str(" One server could not be looked at."),
            several => said.push_str(&format!(" {several} servers could not be looked at.")),
        }
        let cause = Cause::console(String::new()).saying(said, to != RoundState::Succeeded);
        let ended_at = runs.iter().filter_map(|run| run.ended_at).max().filter(|_| unread.is_empty()).unwrap_or_else(Timestamp::now);
        self.change_round(deciding, &round, to, &cause, |round| round.ended_at = Some(ended_at)).await?;
        self.underway.drop_grounds(id);
        self.nudge(Nudge::Inventory);
        // A time that came while this round was under way may have waited for it.
        self.nudge(Nudge::Schedule);
        Ok(())
    }

    /// Adds a round and begins it.
    ///
    /// # Errors
    /// [`Code::Busy`] if its task has an open one.
    pub(crate) async fn begin_round(&self, round: RoundRecord, cause: &Cause) -> Result<()> {
        let (control, cause) = (self.clone(), cause.clone());
        carried_through(async move {
            let action = if round.state == RoundState::Skipped { "round skipped" } else { "round began" };
            let audit = cause.audit(Timestamp::now(), action, &round.task_name, path(round.id));
            control.catalog.insert_round(&round, &audit).await?;
            tracing::info!(round = %round.id, task = round.task_name, state = %round.state, "{}", cause.said);
            control.log(Some(round.id), None, "", &cause).await;
            control.nudge(Nudge::Rounds);
            Ok(())
        })
        .await
    }

    /// A round with its runs.
    ///
    /// # Errors
    /// [`Code::NotFound`].
    pub async fn round(&self, _: &Permit<View>, id: RoundId) -> Result<RoundView> {
        let now = Timestamp::now();
        Ok(self.round_facts(id).await?.show(&self.underway.glance(now), now))
    }

    /// Rounds, newest first.
    ///
    /// # Errors
    /// [`Code::Catalog`].
    pub async fn rounds(&self, _: &Permit<View>, query: &RunQuery) -> Result<Page<RoundLine>> {
        let page = self.catalog.rounds(query.page, query.only == "failed").await?;
        let items = self.round_lines(page.items).await?;
        Ok(Page { items, total: page.total, number: page.number, size: page.size })
    }
}

pub(crate) fn path(id: RoundId) -> String {
    format!("/rounds/{id}")
}

/// What the audit log calls it.
fn action(state: RoundState) -> &'static str {
    match state {
        RoundState::Preparing => "round prepares",
        RoundState::Running => "round runs",
        RoundState::Succeeded => "round succeeded",
        RoundState::Partly => "round partly succeeded",
        RoundState::Failed => "round failed",
        RoundState::Aborted => "round aborted",
        RoundState::Skipped => "round skipped",
    }
}
