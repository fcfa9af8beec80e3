//! Putting off: the next time of a task, and rounds that are under way.

use crate::{
    Control, Operate, Permit,
    cause::Cause,
    run::carried_through,
    task::{clock, page},
    underway::{Ending, Nudge},
};
use catalog::RoundRecord;
use domain::{Code, Error, Result, RoundId, RoundState, RunAction, RunState, TaskId, run::LONGEST_DELAY_MINUTES};
use jiff::{SignedDuration, Timestamp, Unit};

impl Control {
    /// Puts the next time of a task off by so many minutes, counted from now where it has come already; everything that is due
    /// until then is part of it. None at all puts it back. `due` is the time that whoever asks knows of.
    ///
    /// # Errors
    /// [`Code::Conflict`] if the task is not due then any more; [`Code::Invalid`] at the field `minutes`; [`Code::NotFound`].
    pub async fn delay_task(&self, permit: &Permit<Operate>, id: TaskId, due: Timestamp, minutes: u32) -> Result<()> {
        let task = self.catalog.task(id).await?;
        let until = match (minutes, task.put_off_from) {
            (0, Some(first)) => first,
            _ => later(due.max(Timestamp::now()), minutes)?,
        };
        let (action, detail) = match minutes {
            0 => ("task put back", format!("Due at {until} again.")),
            _ => ("task put off", format!("From {due} to {until}.")),
        };
        self.catalog.put_off(id, due, until, &permit.audit(action, &task.task.name, Some(page(id)), detail)).await?;
        self.nudge(Nudge::Schedule);
        Ok(())
    }

    /// Puts a round off by so many minutes: what waits goes on waiting, and what works stops, cleans up and waits, too. What is
    /// backed up already stays.
    ///
    /// # Errors
    /// [`Code::Conflict`] if it has ended; [`Code::Invalid`] at the field `minutes`, for a round of one database also where its task is
    /// due by then; [`Code::NotFound`].
    pub async fn delay_round(&self, permit: &Permit<Operate>, id: RoundId, minutes: u32) -> Result<()> {
        let until = later(Timestamp::now(), minutes)?;
        let (control, cause) = (self.clone(), Cause::user(permit, format!("Put off until {until} by {}.", permit.actor().name())));
        carried_through(async move { control.delay(id, until, &cause).await }).await
    }

    pub(crate) async fn delay(&self, id: RoundId, until: Timestamp, cause: &Cause) -> Result<()> {
        let deciding = self.deciding().await;
        let round = self.catalog.round(id).await?;
        if round.state.has_ended() {
            return Err(Error::new(Code::Conflict, "The round has ended already.", "Nothing is left to put off."));
        }
        // One of all databases is made for the times that it is put off past.
        if round.only_database.is_some() {
            self.ensure_before_next(&round, until).await?;
        }
        let runs = self.catalog.runs_of_round(id).await?;
        if round.state == RoundState::Preparing && runs.is_empty() {
            self.underway.cancel_preparing(id);
            self.change_round(&deciding, &round, RoundState::Preparing, cause, |round| round.retry_at = Some(until)).await?;
            return Ok(());
        }
        if round.waiting().next().is_some() {
            self.underway.cancel_preparing(id);
            self.change_round(&deciding, &round, round.state, cause, |round| round.retry_at = Some(until)).await?;
        } else {
            self.log(Some(id), None, "", cause).await;
        }
        drop(deciding);
        let open = runs.into_iter().filter(|run| run.state.allows(RunAction::Delay).is_ok());
        let (waiting, working): (Vec<_>, Vec<_>) = open.partition(|run| run.state == RunState::Queued);
        let ending = Ending::Delay(cause.clone(), until);
        for run in &working {
            self.underway.end(run.id, &ending);
        }
        self.change_all(&waiting, RunState::Queued, cause, |run| run.retry_at = Some(until)).await?;
        // Those that begin at this very moment are asked to end like the others.
        for run in &waiting {
            self.underway.end(run.id, &ending);
        }
        self.underway.changed();
        Ok(())
    }

    /// An error at the field `minutes`, if the task of a round is due before something of it is done that is put off alone: the next
    /// round would wait for that, or be skipped.
    pub(crate) async fn ensure_before_next(&self, round: &RoundRecord, until: Timestamp) -> Result<()> {
        let Some(id) = round.task else { return Ok(()) };
        let task = self.catalog.task(id).await?;
        let Some(next) = task.next_at.filter(|next| *next <= until) else { return Ok(()) };
        let due = clock(&task.task.schedules, next);
        let what = format!("The task {:?} is due at {due}, and this would be in the way", task.task.name);
        Err(Error::invalid_field("minutes", format!("{what}: choose a shorter time, or put the task's next time off first.")))
    }
}

/// So many minutes after a moment, to the second.
///
/// # Errors
/// [`Code::Invalid`] at the field `minutes`.
pub(crate) fn later(from: Timestamp, minutes: u32) -> Result<Timestamp> {
    let delay = (1..=LONGEST_DELAY_MINUTES).contains(&minutes).then_some(SignedDuration::from_mins(minutes.into()));
    let until = delay.and_then(|delay| from.checked_add(delay).and_then(|until| until.round(Unit::Second)).ok());
    until.ok_or_else(|| Error::invalid_field("minutes", "Choose a time of at most a week."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{self, at};
    use domain::RunKind;

    #[tokio::test]
    async fn what_waits_is_put_off_and_what_is_over_stays() {
        let (control, _folder) = fixture::console().await;
        let task = fixture::task();
        fixture::add_task(&control, &task).await;
        let round = fixture::round(&task, RoundState::Running);
        control.begin_round(round.clone(), &Cause::console("")).await.unwrap();
        let run = |name: &str, state| catalog::RunRecord {
            round: Some(round.id),
            server: Some(round.servers[0].server),
            kind: RunKind::Backup,
            state,
            ..fixture::run(name)
        };
        let runs = vec![run("a", RunState::Queued), run("b", RunState::Succeeded), run("c", RunState::Queued)];
        control.queue_runs(runs, "backups queued", "nightly".into(), String::new(), &Cause::console("")).await.unwrap();
        let later = Timestamp::now() + SignedDuration::from_hours(3);
        control.delay(round.id, later, &Cause::console("Put off by ana.")).await.unwrap();
        let runs = control.catalog.runs_of_round(round.id).await.unwrap();
        let told: Vec<_> = runs.iter().map(|run| (run.state, run.retry_at.is_some(), run.attempt)).collect();
        assert_eq!(told, [(RunState::Queued, true, 1), (RunState::Succeeded, false, 1), (RunState::Queued, true, 1)]);
        assert!(control.take_places(Timestamp::now()).is_empty());
        assert_eq!(control.underway.next_attempt(Timestamp::now()).map(Timestamp::as_second), Some(later.as_second()));
        assert!(!control.take_places(later + SignedDuration::from_secs(1)).is_empty());
        assert_eq!(control.catalog.round(round.id).await.unwrap().state, RoundState::Running);
    }

    #[tokio::test]
    async fn what_is_about_to_begin_is_put_off_like_the_rest() {
        let (control, _folder) = fixture::console().await;
        let task = fixture::task();
        fixture::add_task(&control, &task).await;
        let round = fixture::looked_at(fixture::round(&task, RoundState::Running));
        control.begin_round(round.clone(), &Cause::console("")).await.unwrap();
        let run = catalog::RunRecord { round: Some(round.id), server: Some(round.servers[0].server), ..fixture::run("shop") };
        control.queue_runs(vec![run], "backups queued", "nightly".into(), String::new(), &Cause::console("")).await.unwrap();
        let places = control.take_places(at("02:00:00"));
        control.delay(round.id, at("03:00:00"), &Cause::console("Put off by ana.")).await.unwrap();
        assert!(places.len() == 1 && places[0].context.cancel.is_cancelled());
    }

    #[tokio::test]
    async fn a_round_that_prepares_waits_for_its_new_time() {
        let (control, _folder) = fixture::console().await;
        let task = fixture::task();
        fixture::add_task(&control, &task).await;
        let round = fixture::round(&task, RoundState::Preparing);
        control.begin_round(round.clone(), &Cause::console("")).await.unwrap();
        let later = Timestamp::now() + SignedDuration::from_hours(3);
        control.delay(round.id, later, &Cause::console("Put off by ana.")).await.unwrap();
        control.reconcile_rounds().await.unwrap();
        assert!(!control.underway.is_busy());
        let now = control.catalog.round(round.id).await.unwrap();
        assert_eq!((now.state, now.retry_at.map(Timestamp::as_second)), (RoundState::Preparing, Some(later.as_second())));
    }

    #[tokio::test]
    async fn a_round_of_one_database_stands_in_the_way_of_no_round_of_its_task() {
        let (control, _folder) = fixture::console().await;
        let task = fixture::task();
        fixture::add_task(&control, &task).await;
        let round = RoundRecord { only_database: Some("shop".into()), ..fixture::round(&task, RoundState::Preparing) };
        control.begin_round(round.clone(), &Cause::console("")).await.unwrap();
        let put_off = async |until: &str| control.delay(round.id, at(until), &Cause::console("Put off by ana.")).await;
        put_off("01:59:00").await.unwrap();
        for until in ["02:00:00", "09:00:00"] {
            let error = put_off(until).await.unwrap_err();
            let told = error.told().field("minutes").unwrap();
            assert!(told.contains("\"nightly\" is due at Tue 24 Nov 2026, 02:00 UTC"), "{told}");
        }
        assert_eq!(control.catalog.round(round.id).await.unwrap().retry_at, Some(at("01:59:00")));
        // Nothing of a task that is disabled is in anybody's way.
        control
            .catalog
            .set_enabled(task.id, false, None, &Cause::console("").audit(at("01:00:00"), "test", "", String::new()))
            .await
            .unwrap();
        put_off("09:00:00").await.unwrap();
    }

    #[test]
    fn nothing_is_put_off_for_ever() {
        assert_eq!(later(at("02:00:00"), 60).unwrap(), at("03:00:00"));
        for minutes in [0, LONGEST_DELAY_MINUTES + 1, u32::MAX] {
            assert!(later(at("02:00:00"), minutes).unwrap_err().told().field("minutes").is_some());
        }
    }
}
