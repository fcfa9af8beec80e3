//! Begins the rounds of tasks whose time has come.
//!
//! The round is written first and the task's next time after it. A crash between the two is seen at the next start: the
//! round is there, and only the next time is set.

use super::{Piece, queue::until};
use crate::{
    Control,
    cause::Cause,
    run::carried_through,
    task::{kind_at, next_at},
    underway::Nudge,
};
use catalog::{RoundRecord, TaskRecord};
use domain::{BackupKind, Code, Error, Origin, Result, RoundId, RoundState, Told};
use jiff::{SignedDuration, Timestamp};
use std::time::Instant;
use uuid::Uuid;

/// A gap between two looks that is longer than this means that the process did not run: the machine slept.
const GAP: SignedDuration = SignedDuration::from_secs(120);

/// Rounds of a task that are looked through for the one of a due time.
const LOOKED_THROUGH: u64 = 20;

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
}

/// What a due time leads to.
#[derive(Debug, PartialEq, Eq)]
enum Firing {
    /// A round.
    Round(Origin),
    /// A round that does not take place, and why.
    Skipped(&'static str),
    /// Nothing: its round is there already.
    Done,
    /// Nothing yet: somebody backs up a single database of it at the moment.
    Later,
}

const OVERLAP: &str = "The round before it was still under way.";
const MISSED: &str = "The console did not run at that time, and the task does not make up for missed times.";

/// Decides over one due time, from the task's newest rounds and the one that is under way, which may be older than those.
fn decide(task: &TaskRecord, due: Timestamp, watched_since: Timestamp, newest: &[RoundRecord], open: Option<&RoundRecord>) -> Firing {
    if newest.iter().any(|round| round.due_at == due && round.origin != Origin::User) {
        return Firing::Done;
    }
    let was_missed = due < watched_since;
    if was_missed && !task.task.catch_up {
        return Firing::Skipped(MISSED);
    }
    match open {
        Some(open) if open.only_database.is_some() => Firing::Later,
        Some(_) => Firing::Skipped(OVERLAP),
        None => Firing::Round(if was_missed { Origin::CatchUp } else { Origin::Schedule }),
    }
}

/// Whether a full backup of the task was skipped and none was begun since.
fn owes_full(task: &TaskRecord, newest: &[RoundRecord]) -> bool {
    let mut fulls = newest.iter().filter(|round| round.only_database.is_none() && round.wanted == BackupKind::Full);
    let is_skipped = fulls.next().is_some_and(|round| round.state == RoundState::Skipped);
    is_skipped && task.task.catch_up && task.task.schedules.full.is_some()
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
        let rounds = self.catalog.rounds_of_task(task.id, LOOKED_THROUGH).await?;
        let open = self.catalog.open_round_of(task.id).await?;
        match decide(task, due, watched_since, &rounds, open.as_ref()) {
            Firing::Done => {}
            Firing::Later => return Ok(()),
            Firing::Round(origin) => {
                let owed = owes_full(task, &rounds);
                let said = match origin {
                    Origin::CatchUp => "Makes up for a time at which the console did not run.",
                    _ if owed => "Started by the task's schedule, and full because the last full backup was skipped.",
                    _ if task.put_off_from.is_some() => "Started by the task's schedule, at the time that it was put off to.",
                    _ => "Started by the task's schedule.",
                };
                let wanted = if owed { BackupKind::Full } else { kind_at(task, now) };
                match self.begin_round(RoundRecord { wanted, ..round(task, due, now, origin) }, &Cause::console(said)).await {
                    // Somebody was quicker; what that means is decided at the next look.
                    Err(error) if error.code() == Code::Busy => {
                        self.nudge(Nudge::Schedule);
                        return Ok(());
                    }
                    begun => begun?,
                }
            }
            Firing::Skipped(why) => {
                let skipped = RoundRecord {
                    state: RoundState::Skipped,
                    ended_at: Some(now),
                    error: Some(skipped(why)),
                    ..round(task, due, now, Origin::Schedule)
                };
                self.begin_round(skipped, &Cause::console(String::new()).saying(format!("Skipped: {why}"), true)).await?;
            }
        }
        self.catalog.set_next(task.id, due, next_at(&task.task, now)).await
    }
}

fn skipped(why: &str) -> Told {
    let next_step = if why == OVERLAP {
        "If this happens often, choose times that are further apart, or allow more runs at once."
    } else {
        "Back up now, or let the task make up for missed times."
    };
    Error::new(Code::Busy, why, next_step).told().clone()
}

fn round(task: &TaskRecord, due: Timestamp, now: Timestamp, origin: Origin) -> RoundRecord {
    RoundRecord {
        id: RoundId::new(Uuid::now_v7()),
        task: Some(task.id),
        task_name: task.task.name.clone(),
        server: task.task.server,
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
mod tests {
    use super::*;
    use crate::fixture::{self, at};
    use domain::Schedules;

    fn decided(task: &TaskRecord, watched_since: &str, rounds: &[RoundRecord]) -> Firing {
        decide(task, at("02:00:00"), at(watched_since), rounds, rounds.iter().find(|round| !round.state.has_ended()))
    }

    #[test]
    fn what_is_due_begins_and_what_was_missed_is_made_up_for_if_wanted() {
        let mut task = fixture::task();
        assert_eq!(decided(&task, "01:00:00", &[]), Firing::Round(Origin::Schedule));
        assert_eq!(decided(&task, "02:00:01", &[]), Firing::Round(Origin::CatchUp));
        task.task.catch_up = false;
        assert_eq!(decided(&task, "02:00:01", &[]), Firing::Skipped(MISSED));
        assert_eq!(decided(&task, "02:00:00", &[]), Firing::Round(Origin::Schedule));
    }

    #[test]
    fn a_round_that_is_under_way_is_not_overlapped() {
        let task = fixture::task();
        let open = |only: Option<&str>, state| RoundRecord {
            due_at: at("01:00:00"),
            only_database: only.map(String::from),
            ..fixture::round(&task, state)
        };
        assert_eq!(decided(&task, "01:00:00", &[open(None, RoundState::Running)]), Firing::Skipped(OVERLAP));
        assert_eq!(decided(&task, "01:00:00", &[open(None, RoundState::Preparing)]), Firing::Skipped(OVERLAP));
        assert_eq!(decided(&task, "01:00:00", &[open(None, RoundState::Failed)]), Firing::Round(Origin::Schedule));
        // Somebody who backs up one database must not cost all others their backup.
        assert_eq!(decided(&task, "01:00:00", &[open(Some("shop"), RoundState::Running)]), Firing::Later);
    }

    #[test]
    fn a_crash_after_the_round_was_written_does_not_write_it_twice() {
        let task = fixture::task();
        let there = fixture::round(&task, RoundState::Running);
        assert_eq!(decided(&task, "02:10:00", std::slice::from_ref(&there)), Firing::Done);
        let by_hand = RoundRecord { origin: Origin::User, state: RoundState::Succeeded, ..there };
        assert_eq!(decided(&task, "01:00:00", &[by_hand]), Firing::Round(Origin::Schedule));
    }

    #[test]
    fn many_missed_times_are_made_up_for_once() {
        let mut task = fixture::task();
        task.next_at = Some(at("02:00:00"));
        let now: Timestamp = "2027-02-01T09:30:00Z".parse().unwrap();
        assert_eq!(decide(&task, at("02:00:00"), now, &[], None), Firing::Round(Origin::CatchUp));
        // The time that is set then lies ahead, however many went by.
        assert_eq!(next_at(&task.task, now), Some("2027-02-02T02:00:00Z".parse().unwrap()));
    }

    #[test]
    fn a_machine_that_slept_missed_what_was_due_meanwhile() {
        let mut watch = Watch::new(at("01:00:00"));
        watch.look(at("01:00:15"));
        watch.look(at("01:02:00"));
        assert_eq!(watch.since, at("01:00:00"));
        watch.look(at("03:00:00"));
        assert_eq!(watch.since, at("03:00:00"));
    }

    async fn rounds(control: &Control, task: &TaskRecord) -> Vec<(RoundState, Origin, Timestamp)> {
        let mut rounds = control.catalog.rounds_of_task(task.id, 9).await.unwrap();
        rounds.sort_by_key(|round| round.id);
        rounds.into_iter().map(|round| (round.state, round.origin, round.due_at)).collect()
    }

    async fn next(control: &Control, task: &TaskRecord) -> Option<Timestamp> {
        control.catalog.task(task.id).await.unwrap().next_at
    }

    #[tokio::test]
    async fn a_round_that_is_still_there_makes_the_next_one_be_skipped_with_a_reason() {
        let (control, _folder) = fixture::console().await;
        let mut task = fixture::task();
        task.task.schedules = Schedules::parse("0 * * * *", "", "UTC").unwrap();
        fixture::add_task(&control, &task).await;
        let (next_due, _) = control.fire_due(at("01:59:59"), at("01:00:00")).await.unwrap();
        assert_eq!((next_due, rounds(&control, &task).await), (Some(at("02:00:00")), vec![]));
        control.fire_due(at("02:00:00"), at("01:00:00")).await.unwrap();
        control.fire_due(at("02:00:01"), at("01:00:00")).await.unwrap();
        assert_eq!(rounds(&control, &task).await, [(RoundState::Preparing, Origin::Schedule, at("02:00:00"))]);
        assert_eq!(next(&control, &task).await, Some(at("03:00:00")));

        control.fire_due(at("03:00:00"), at("01:00:00")).await.unwrap();
        assert_eq!(rounds(&control, &task).await[1], (RoundState::Skipped, Origin::Schedule, at("03:00:00")));
        let skipped = control.catalog.rounds_of_task(task.id, 1).await.unwrap().remove(0);
        assert_eq!((skipped.error.map(|told| told.sentence), skipped.ended_at), (Some(OVERLAP.into()), Some(at("03:00:00"))));
        assert_eq!(next(&control, &task).await, Some(at("04:00:00")));
    }

    #[tokio::test]
    async fn a_round_that_outlasts_many_due_times_lets_each_be_skipped_and_is_still_named() {
        let (control, _folder) = fixture::console().await;
        let mut task = fixture::task();
        task.task.schedules = Schedules::parse("* * * * *", "", "UTC").unwrap();
        fixture::add_task(&control, &task).await;
        let many = LOOKED_THROUGH + 10;
        for minute in 0..=many {
            let now = at("02:00:00") + SignedDuration::from_mins(i64::try_from(minute).unwrap());
            control.fire_due(now, at("01:00:00")).await.unwrap();
            assert_eq!(next(&control, &task).await, Some(now + SignedDuration::from_mins(1)), "the due time of {now} was not dealt with");
        }
        let rounds = control.catalog.rounds_of_task(task.id, 2 * many).await.unwrap();
        let skipped = rounds.iter().filter(|round| round.state == RoundState::Skipped).count();
        assert_eq!((rounds.len() as u64, skipped as u64), (many + 1, many));
        let open = control.catalog.open_round_of(task.id).await.unwrap().unwrap();
        assert_eq!((open.state, open.due_at), (RoundState::Preparing, at("02:00:00")));
        let error = control.with_open_round(Error::new(Code::Busy, "Under way.", "Wait."), task.id).await;
        assert_eq!(error.told().field("round"), Some(open.id.to_string().as_str()));
    }

    #[tokio::test]
    async fn days_without_the_console_are_made_up_for_by_one_round() {
        let (control, _folder) = fixture::console().await;
        let (task, mut strict) = (fixture::task(), fixture::task());
        fixture::add_task(&control, &task).await;
        (strict.task.name, strict.task.server, strict.task.destination) = ("strict".into(), task.task.server, task.task.destination);
        strict.task.catch_up = false;
        control.catalog.insert_task(&strict, &Cause::console("").audit(at("00:00:00"), "test", "", String::new())).await.unwrap();
        let start: Timestamp = "2026-11-30T09:00:00Z".parse().unwrap();
        for second in 0..3 {
            control.fire_due(start + SignedDuration::from_secs(second), start).await.unwrap();
        }
        let tomorrow = Some("2026-12-01T02:00:00Z".parse().unwrap());
        assert_eq!(rounds(&control, &task).await, [(RoundState::Preparing, Origin::CatchUp, at("02:00:00"))]);
        assert_eq!(rounds(&control, &strict).await, [(RoundState::Skipped, Origin::Schedule, at("02:00:00"))]);
        assert_eq!((next(&control, &task).await, next(&control, &strict).await), (tomorrow, tomorrow));
    }

    async fn wanted(control: &Control, task: &TaskRecord) -> Vec<(RoundState, &'static str)> {
        let mut rounds = control.catalog.rounds_of_task(task.id, 9).await.unwrap();
        rounds.sort_by_key(|round| round.id);
        rounds.into_iter().map(|round| (round.state, round.wanted.as_str())).collect()
    }

    /// Full backups at two, incremental ones every hour.
    async fn of_both_kinds(control: &Control) -> TaskRecord {
        let mut task = fixture::task();
        task.task.schedules = Schedules::parse("0 2 * * *", "0 * * * *", "UTC").unwrap();
        fixture::add_task(control, &task).await;
        task
    }

    /// The task's open round ends.
    async fn end(control: &Control, task: &TaskRecord) {
        let open = control.catalog.open_round_of(task.id).await.unwrap().unwrap();
        let ended = |round: &mut RoundRecord| round.ended_at = Some(open.began_at);
        control.change_round(&control.deciding().await, &open, RoundState::Aborted, &Cause::console(""), ended).await.unwrap();
    }

    #[tokio::test]
    async fn each_round_asks_for_the_kind_that_is_due() {
        let (control, _folder) = fixture::console().await;
        let task = of_both_kinds(&control).await;
        for hour in ["02:00:00", "03:00:01", "04:00:00"] {
            control.fire_due(at(hour), at("01:00:00")).await.unwrap();
            end(&control, &task).await;
        }
        let kinds = ["full", "incremental", "incremental"].map(|kind| (RoundState::Aborted, kind));
        assert_eq!(wanted(&control, &task).await, kinds);
    }

    #[tokio::test]
    async fn what_was_missed_is_made_up_for_once_and_in_full_if_a_full_backup_was_among_it() {
        let (control, _folder) = fixture::console().await;
        let task = of_both_kinds(&control).await;
        let start: Timestamp = "2026-11-26T05:30:00Z".parse().unwrap();
        control.fire_due(start, start).await.unwrap();
        end(&control, &task).await;
        // The next gap lies between two full ones.
        let later: Timestamp = "2026-11-26T09:30:00Z".parse().unwrap();
        control.fire_due(later, later).await.unwrap();
        assert_eq!(wanted(&control, &task).await, [(RoundState::Aborted, "full"), (RoundState::Preparing, "incremental")]);
        assert_eq!(rounds(&control, &task).await[1].1, Origin::CatchUp);
    }

    #[tokio::test]
    async fn a_full_backup_that_was_skipped_is_made_at_the_next_time_if_missed_ones_are_made_up_for() {
        for catch_up in [true, false] {
            let (control, _folder) = fixture::console().await;
            let mut task = fixture::task();
            task.task.schedules = Schedules::parse("0 2 * * *", "0 * * * *", "UTC").unwrap();
            (task.task.catch_up, task.next_at) = (catch_up, Some(at("01:00:00")));
            fixture::add_task(&control, &task).await;
            // The incremental one of one o'clock outlasts the full one's time.
            for hour in ["01:00:00", "02:00:00"] {
                control.fire_due(at(hour), at("00:00:00")).await.unwrap();
            }
            end(&control, &task).await;
            for hour in ["03:00:00", "04:00:00"] {
                control.fire_due(at(hour), at("00:00:00")).await.unwrap();
                end(&control, &task).await;
            }
            let made = if catch_up { "full" } else { "incremental" };
            let (skipped, ended) = (RoundState::Skipped, RoundState::Aborted);
            let all = [(ended, "incremental"), (skipped, "full"), (ended, made), (ended, "incremental")];
            assert_eq!(wanted(&control, &task).await, all);
        }
    }

    #[tokio::test]
    async fn a_crash_between_round_and_next_time_leaves_one_round() {
        let (control, _folder) = fixture::console().await;
        let task = fixture::task();
        fixture::add_task(&control, &task).await;
        let written = round(&task, at("02:00:00"), at("02:00:00"), Origin::Schedule);
        control.begin_round(written, &Cause::console("")).await.unwrap();
        control.fire_due(at("02:30:00"), at("02:20:00")).await.unwrap();
        assert_eq!(rounds(&control, &task).await.len(), 1);
        assert_eq!(next(&control, &task).await, Some("2026-11-25T02:00:00Z".parse().unwrap()));
    }

    #[tokio::test]
    async fn a_due_time_waits_for_somebody_who_backs_up_one_database() {
        let (control, _folder) = fixture::console().await;
        let task = fixture::task();
        fixture::add_task(&control, &task).await;
        let by_hand = RoundRecord {
            only_database: Some("shop.db".into()),
            due_at: at("01:59:00"),
            origin: Origin::User,
            ..fixture::round(&task, RoundState::Preparing)
        };
        control.begin_round(by_hand.clone(), &Cause::console("")).await.unwrap();
        control.fire_due(at("02:00:00"), at("01:00:00")).await.unwrap();
        assert_eq!((rounds(&control, &task).await.len(), next(&control, &task).await), (1, Some(at("02:00:00"))));
        let ended = |round: &mut RoundRecord| round.ended_at = Some(at("02:01:00"));
        control.change_round(&control.deciding().await, &by_hand, RoundState::Aborted, &Cause::console(""), ended).await.unwrap();
        control.fire_due(at("02:01:00"), at("01:00:00")).await.unwrap();
        assert_eq!(rounds(&control, &task).await[1], (RoundState::Preparing, Origin::Schedule, at("02:00:00")));
    }
}
