//! The schedule, step by step at moments that the tests choose.

use super::{decide::OVERLAP, *};
use crate::fixture::{self, at};
use catalog::RunRecord;
use domain::{Error, Schedules};

#[test]
fn a_machine_that_slept_missed_what_was_due_meanwhile() {
    let mut watch = Watch::new(at("01:00:00"));
    watch.look(at("01:00:15"));
    watch.look(at("01:02:00"));
    assert_eq!(watch.since, at("01:00:00"));
    watch.look(at("03:00:00"));
    assert_eq!(watch.since, at("03:00:00"));
}

#[test]
fn what_comes_due_during_a_slow_look_was_not_missed() {
    let mut watch = Watch::new(at("01:00:00"));
    watch.worked(Duration::from_secs(600));
    watch.look(at("01:10:15"));
    assert_eq!(watch.since, at("01:00:00"));
    // The machine slept while it looked: the clock that its work is measured on stood still.
    watch.worked(Duration::from_secs(5));
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
    let many: u64 = 30;
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
    (strict.task.name, strict.task.servers, strict.task.destination) = ("strict".into(), task.task.servers.clone(), task.task.destination);
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
async fn a_full_backup_that_was_skipped_is_owed_however_many_incremental_ones_are_skipped_after_it() {
    let (control, _folder) = fixture::console().await;
    let mut task = fixture::task();
    task.task.schedules = Schedules::parse("0 2 * * 2", "* * * * *", "UTC").unwrap();
    task.next_at = Some(at("01:59:00"));
    fixture::add_task(&control, &task).await;
    for minute in 0..40 {
        control.fire_due(at("01:59:00") + SignedDuration::from_mins(minute), at("01:00:00")).await.unwrap();
    }
    let skipped = control.catalog.rounds_of_task(task.id, 99).await.unwrap();
    let fulls = skipped.iter().filter(|round| round.wanted == BackupKind::Full && round.state == RoundState::Skipped).count();
    assert_eq!((skipped.len(), fulls), (40, 1));
    end(&control, &task).await;
    control.fire_due(at("02:39:00"), at("01:00:00")).await.unwrap();
    let open = control.catalog.open_round_of(task.id).await.unwrap().unwrap();
    assert_eq!((open.wanted, open.due_at), (BackupKind::Full, at("02:39:00")));
    let log = control.catalog.log_of_round(open.id, 9).await.unwrap();
    assert!(log[0].text.contains("the last full backup was skipped"), "{log:?}");
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

#[tokio::test]
async fn a_round_that_is_put_off_past_the_next_times_is_made_for_all_of_them_once() {
    for with_runs in [false, true] {
        let (control, _folder) = fixture::console().await;
        let mut task = fixture::task();
        task.task.schedules = Schedules::parse("0 4 * * *", "0 * * * *", "UTC").unwrap();
        fixture::add_task(&control, &task).await;
        control.fire_due(at("02:00:00"), at("01:00:00")).await.unwrap();
        let open = control.catalog.open_round_of(task.id).await.unwrap().unwrap();
        assert_eq!(open.wanted, BackupKind::Incremental);
        if with_runs {
            let run = |name: &str| RunRecord {
                round: Some(open.id),
                server: Some(open.servers[0].server),
                wanted: Some(open.wanted),
                ..fixture::run(name)
            };
            let runs = vec![run("blog"), run("shop")];
            control.queue_runs(runs, "backups queued", String::new(), String::new(), &Cause::console("")).await.unwrap();
            control.change_round(&control.deciding().await, &open, RoundState::Running, &Cause::console(""), |_| {}).await.unwrap();
        }
        control.delay(open.id, at("05:30:00"), &Cause::console("Put off.")).await.unwrap();

        control.fire_due(at("03:00:00"), at("01:00:00")).await.unwrap();
        assert_eq!((rounds(&control, &task).await.len(), next(&control, &task).await), (1, Some(at("04:00:00"))));
        assert_eq!(control.catalog.round(open.id).await.unwrap().wanted, BackupKind::Incremental);
        // Of all that is due until then, a full backup wins.
        control.fire_due(at("04:00:00"), at("01:00:00")).await.unwrap();
        control.fire_due(at("05:00:00"), at("01:00:00")).await.unwrap();
        assert_eq!((rounds(&control, &task).await.len(), next(&control, &task).await), (1, Some(at("06:00:00"))));
        let now = control.catalog.round(open.id).await.unwrap();
        assert_eq!((now.wanted, now.due_at), (BackupKind::Full, at("02:00:00")));
        let runs = control.catalog.runs_of_round(open.id).await.unwrap();
        assert!(runs.len() == if with_runs { 2 } else { 0 } && runs.iter().all(|run| run.wanted == Some(BackupKind::Full)), "{runs:?}");
        let log = control.catalog.log_of_round(open.id, 99).await.unwrap();
        let told = log.iter().filter(|line| line.text.contains("as it was put off past that")).count();
        assert!(told >= 3, "{log:?}");

        // Once it is made, things go their way again.
        end(&control, &task).await;
        control.fire_due(at("06:00:00"), at("01:00:00")).await.unwrap();
        assert_eq!(rounds(&control, &task).await[1], (RoundState::Preparing, Origin::Schedule, at("06:00:00")));
    }
}

/// A task that is due every hour, with its round of 02:00.
async fn hourly(control: &Control) -> (TaskRecord, RoundRecord) {
    let mut task = fixture::task();
    task.task.schedules = Schedules::parse("0 * * * *", "", "UTC").unwrap();
    fixture::add_task(control, &task).await;
    control.fire_due(at("02:00:00"), at("01:00:00")).await.unwrap();
    let open = control.catalog.open_round_of(task.id).await.unwrap().unwrap();
    (task, open)
}

#[tokio::test]
async fn a_time_that_is_due_becomes_part_of_no_round_that_waits_no_more() {
    let (control, _folder) = fixture::console().await;
    let task = of_both_kinds(&control).await;
    let open = fixture::looked_at(RoundRecord { wanted: BackupKind::Incremental, ..fixture::round(&task, RoundState::Running) });
    control.begin_round(open.clone(), &Cause::console("")).await.unwrap();
    let wanted = Some(BackupKind::Incremental);
    let run = RunRecord { round: Some(open.id), server: Some(open.servers[0].server), wanted, ..fixture::run("shop") };
    control.queue_runs(vec![run], "backups queued", String::new(), String::new(), &Cause::console("")).await.unwrap();
    control.delay(open.id, at("05:30:00"), &Cause::console("Put off.")).await.unwrap();
    let merged = async |now: &str| control.merge(open.id, at("03:00:00"), BackupKind::Full, at(now)).await.unwrap();
    assert!(!merged("05:30:00").await, "its time has come");
    let run = control.catalog.runs_of_round(open.id).await.unwrap().remove(0);
    control.change_alone(&run, RunState::Running, &Cause::console("Began."), |_| {}).await.unwrap();
    assert!(!merged("03:00:00").await, "it works");
    let (now, run) = (control.catalog.round(open.id).await.unwrap(), control.catalog.run(run.id).await.unwrap());
    assert_eq!((now.wanted, run.wanted), (BackupKind::Incremental, wanted));
}

#[tokio::test]
async fn a_time_that_is_due_becomes_part_of_no_round_that_has_ended_and_is_made_for_alone() {
    let (control, _folder) = fixture::console().await;
    let (task, open) = hourly(&control).await;
    control.delay(open.id, at("05:30:00"), &Cause::console("Put off.")).await.unwrap();
    let ended = |round: &mut RoundRecord| round.ended_at = Some(at("03:00:00"));
    control.change_round(&control.deciding().await, &open, RoundState::Aborted, &Cause::console("Stopped."), ended).await.unwrap();
    // It was still put off when the schedule looked.
    let task = control.catalog.task(task.id).await.unwrap();
    control.fire_into(open.id, &task, at("03:00:00"), BackupKind::Full, at("03:00:00")).await.unwrap();
    assert_eq!(next(&control, &task).await, Some(at("03:00:00")));
    let log = control.catalog.log_of_round(open.id, 99).await.unwrap();
    assert!(!log.iter().any(|line| line.text.contains("as it was put off past that")), "{log:?}");
    control.fire_due(at("03:00:01"), at("01:00:00")).await.unwrap();
    assert_eq!(rounds(&control, &task).await[1], (RoundState::Preparing, Origin::Schedule, at("03:00:00")));
    assert_eq!(next(&control, &task).await, Some(at("04:00:00")));
}

#[tokio::test]
async fn what_is_done_of_a_round_that_was_put_off_misses_the_next_time_and_that_is_said() {
    let (control, _folder) = fixture::console().await;
    let (task, open) = hourly(&control).await;
    let run = |name: &str, state| RunRecord { round: Some(open.id), server: Some(open.servers[0].server), state, ..fixture::run(name) };
    let runs = vec![run("blog", RunState::Succeeded), run("shop", RunState::Queued)];
    control.queue_runs(runs, "backups queued", String::new(), String::new(), &Cause::console("")).await.unwrap();
    control.change_round(&control.deciding().await, &open, RoundState::Running, &Cause::console(""), |_| {}).await.unwrap();
    control.delay(open.id, at("05:30:00"), &Cause::console("Put off.")).await.unwrap();
    control.fire_due(at("03:00:00"), at("01:00:00")).await.unwrap();
    assert_eq!(rounds(&control, &task).await[1], (RoundState::Skipped, Origin::Schedule, at("03:00:00")));
}
