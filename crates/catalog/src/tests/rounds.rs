use super::fixture::{Opened, at, audit, ended, line, round, run, server};
use crate::{RoundRecord, RoundServerRecord, RoundTotals, RunChange, RunRecord};
use domain::{
    BackupKind, Code, Error, Origin, RoundState, RunKind, RunState,
    view::run::{ComparedTable, LogLine},
};

#[tokio::test]
async fn a_round_reads_back_as_it_was_stored_and_changes_only_from_the_state_that_is_expected() {
    let opened = Opened::new().await;
    let task = opened.with_task().await;
    let stored = RoundRecord {
        once: Some(domain::Once { selection: domain::Selection::of_one("orders"), recipients: vec![] }),
        only_database: Some("orders".into()),
        origin: Origin::CatchUp,
        started_by: Some("ada".into()),
        retry_at: Some(at(5)),
        error: Some(Error::new(Code::Unreachable, "No answer.", "Try again.").told().clone()),
        ..round(&task, at(0))
    };
    opened.insert_round(&stored, &audit()).await.unwrap();
    assert_eq!(opened.round(stored.id).await.unwrap(), stored);

    let changed = RoundRecord { state: RoundState::Partly, ended_at: Some(at(9)), retry_at: None, error: None, ..stored };
    opened.change_round(&changed, RoundState::Running, &audit()).await.unwrap();
    assert_eq!(opened.round(changed.id).await.unwrap(), changed);
    assert_eq!(opened.change_round(&changed, RoundState::Running, &audit()).await.unwrap_err().code(), Code::Conflict);
}

#[tokio::test]
async fn a_task_has_one_round_under_way() {
    let opened = Opened::new().await;
    let task = opened.with_task().await;
    let first = round(&task, at(0));
    opened.insert_round(&first, &audit()).await.unwrap();
    let second = RoundRecord { state: RoundState::Preparing, ..round(&task, at(1)) };
    assert_eq!(opened.insert_round(&second, &audit()).await.unwrap_err().code(), Code::Busy);
    let skipped = ended(&task, at(1), RoundState::Skipped);
    opened.insert_round(&skipped, &audit()).await.unwrap();
    assert_eq!(opened.open_rounds().await.unwrap(), std::slice::from_ref(&first));
    assert_eq!(opened.open_round_of(task.id).await.unwrap().as_ref(), Some(&first));

    opened.change_round(&ended(&task, at(0), RoundState::Failed).with_id(&first), RoundState::Running, &audit()).await.unwrap();
    opened.insert_round(&second, &audit()).await.unwrap();
    // The first one cannot be opened again while the second one is.
    assert_eq!(opened.change_round(&first, RoundState::Failed, &audit()).await.unwrap_err().code(), Code::Busy);
}

impl RoundRecord {
    fn with_id(self, other: &Self) -> Self {
        Self { id: other.id, ..self }
    }
}

#[tokio::test]
async fn rounds_are_found_by_time_server_task_and_how_they_went() {
    let opened = Opened::new().await;
    let task = opened.with_task().await;
    let states = [RoundState::Succeeded, RoundState::Partly, RoundState::Skipped, RoundState::Succeeded, RoundState::Failed];
    let mut rounds: Vec<_> = (0..).zip(states).map(|(hour, state)| ended(&task, at(hour * 60), state)).collect();
    rounds.push(round(&task, at(300)));
    for round in &rounds {
        opened.insert_round(round, &audit()).await.unwrap();
    }
    let newest: Vec<_> = rounds.iter().rev().cloned().collect();
    let all = opened.rounds(0, false).await.unwrap();
    assert_eq!((&all.items, all.total, all.number), (&newest, 6, 1));
    let failed = opened.rounds(1, true).await.unwrap();
    assert_eq!(
        failed.items.iter().map(|round| round.state).collect::<Vec<_>>(),
        [RoundState::Failed, RoundState::Skipped, RoundState::Partly]
    );
    assert_eq!((failed.total, opened.rounds(2, true).await.unwrap().items.len()), (3, 0));
    assert_eq!(opened.rounds_of_server(task.task.servers[0], 2).await.unwrap(), newest[..2]);
    assert_eq!(opened.rounds_of_task(task.id, 3).await.unwrap(), newest[..3]);
    assert_eq!(opened.rounds_between(at(60), at(180)).await.unwrap(), rounds[1..3]);
    assert_eq!(opened.last_rounds_of_servers().await.unwrap()[&task.task.servers[0]], newest[0]);
    assert_eq!(opened.last_ended_rounds_of_tasks().await.unwrap()[&(task.id, task.task.servers[0])], newest[1]);
}

#[tokio::test]
async fn a_round_of_one_server_says_nothing_of_the_others() {
    let opened = Opened::new().await;
    let mut task = opened.with_task().await;
    let other = server("attic");
    opened.insert_server(&other, &audit()).await.unwrap();
    task.task.servers.push(other.id);
    opened.update_task(&task, &audit()).await.unwrap();
    let both = ended(&task, at(0), RoundState::Partly);
    let mut one = ended(&task, at(60), RoundState::Succeeded);
    one.servers.truncate(1);
    for round in [&both, &one] {
        opened.insert_round(round, &audit()).await.unwrap();
    }
    let last = opened.last_ended_rounds_of_tasks().await.unwrap();
    assert_eq!((last.len(), &last[&(task.id, other.id)], &last[&(task.id, one.servers[0].server)]), (2, &both, &one));
}

#[tokio::test]
async fn totals_of_more_rounds_than_fit_a_statement_are_right() {
    let opened = Opened::new().await;
    let task = opened.with_task().await;
    let rounds: Vec<_> = (0..60).map(|number| ended(&task, at(number), RoundState::Partly)).collect();
    for round in &rounds {
        opened.insert_round(round, &audit()).await.unwrap();
    }
    let states = [RunState::Succeeded, RunState::Succeeded, RunState::Failed, RunState::Aborted, RunState::Interrupted, RunState::Queued];
    let runs =
        |round| states.map(|state| RunRecord { state, stored_bytes: (state == RunState::Succeeded).then_some(5), ..run(round, "a") });
    opened.insert_runs(&rounds[1..].iter().flat_map(runs).collect::<Vec<_>>(), &audit()).await.unwrap();
    let totals = opened.round_totals(&rounds.iter().map(|round| round.id).collect::<Vec<_>>()).await.unwrap();
    assert_eq!((totals.len(), totals.get(&rounds[0].id)), (59, None));
    assert!(totals.values().all(|totals| *totals == RoundTotals { runs: 6, succeeded: 2, failed: 3, stored_bytes: 10 }), "{totals:?}");
    assert!(opened.round_totals(&[]).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_run_reads_back_as_it_was_stored_and_changes_only_from_the_state_that_is_expected() {
    let opened = Opened::new().await;
    let task = opened.with_task().await;
    let round = round(&task, at(0));
    opened.insert_round(&round, &audit()).await.unwrap();
    let run = run(&round, "orders");
    opened.insert_runs(std::slice::from_ref(&run), &audit()).await.unwrap();
    assert_eq!(opened.run(run.id).await.unwrap(), run);

    let changed = RunRecord {
        state: RunState::Running,
        attempt: 2,
        queued_at: at(1),
        began_at: Some(at(2)),
        ended_at: Some(at(3)),
        retry_at: Some(at(4)),
        reason: Some("No full yet.".into()),
        request: Some(serde_json::json!({ "into": "orders 2" })),
        label: Some("2026-11-22-03-00-00Z.full-backup".into()),
        stored_bytes: Some(u64::MAX >> 1),
        rows: Some(0),
        proven: Some(false),
        compared: vec![ComparedTable { table: "t".into(), rows: 4, equal: false }],
        notes: vec!["Left out.".into()],
        error: Some(Error::cancelled().told().clone()),
        ..run
    };
    let change = |text: &str| RunChange { run: changed.clone(), expected: RunState::Queued, audit: audit(), line: line(changed.id, text) };
    assert_eq!(opened.change_runs(&[change("Restored.")]).await.unwrap(), [true]);
    assert_eq!(opened.run(changed.id).await.unwrap(), changed);
    assert_eq!(opened.change_runs(&[change("Again.")]).await.unwrap(), [false]);
    assert_eq!(opened.log_of_run(changed.id).await.unwrap(), [line(changed.id, "Restored.")]);
    assert_eq!(opened.running_runs().await.unwrap(), [changed]);
}

#[tokio::test]
async fn many_runs_change_together_but_for_those_that_are_elsewhere_by_now() {
    let opened = Opened::new().await;
    let task = opened.with_task().await;
    let round = round(&task, at(0));
    opened.insert_round(&round, &audit()).await.unwrap();
    let begun = RunRecord { state: RunState::Running, ..run(&round, "b") };
    let runs = [run(&round, "a"), begun, run(&round, "c")];
    opened.insert_runs(&runs, &audit()).await.unwrap();
    let gone = run(&round, "never added");
    let before = opened.audit_page("", 1).await.unwrap().total;
    let change = |run: &RunRecord| RunChange {
        run: RunRecord { state: RunState::Aborted, ..run.clone() },
        expected: RunState::Queued,
        audit: audit(),
        line: line(run.id, "Stopped."),
    };
    let changes: Vec<_> = runs.iter().chain([&gone]).map(change).collect();
    assert_eq!(opened.change_runs(&changes).await.unwrap(), [true, false, true, false]);
    let states: Vec<_> = opened.runs_of_round(round.id).await.unwrap().iter().map(|run| run.state).collect();
    assert_eq!(states, [RunState::Aborted, RunState::Running, RunState::Aborted]);
    // Each change has its own lines, and what did not change has none.
    assert_eq!(opened.audit_page("", 1).await.unwrap().total, before + 2);
    assert_eq!(opened.log_of_round(round.id, 10).await.unwrap().len(), 2);
}

#[tokio::test]
async fn runs_that_cannot_all_be_added_are_not_added() {
    let opened = Opened::new().await;
    let task = opened.with_task().await;
    let (there, nowhere) = (round(&task, at(0)), round(&task, at(1)));
    opened.insert_round(&there, &audit()).await.unwrap();
    let error = opened.insert_runs(&[run(&there, "a"), run(&nowhere, "b")], &audit()).await.unwrap_err();
    assert_eq!(error.code(), Code::Conflict);
    assert!(opened.queued_runs().await.unwrap().is_empty());
}

#[tokio::test]
async fn runs_wait_in_order_and_are_listed_by_kind() {
    let opened = Opened::new().await;
    let task = opened.with_task().await;
    let round = round(&task, at(0));
    opened.insert_round(&round, &audit()).await.unwrap();
    let kinds = [RunKind::Backup, RunKind::Restore, RunKind::Verify, RunKind::Restore];
    let runs: Vec<_> = (0..)
        .zip(kinds)
        .map(|(minute, kind)| RunRecord {
            kind,
            queued_at: at(10 - minute),
            state: if minute == 3 { RunState::Interrupted } else { RunState::Queued },
            ..run(&round, &format!("d{minute}"))
        })
        .collect();
    opened.insert_runs(&runs, &audit()).await.unwrap();
    let names = |runs: &[RunRecord]| runs.iter().map(|run| run.database.clone()).collect::<Vec<_>>();
    assert_eq!(names(&opened.queued_runs().await.unwrap()), ["d2", "d1", "d0"]);
    assert_eq!(names(&opened.runs_of_round(round.id).await.unwrap()), ["d0", "d1", "d2", "d3"]);
    let listed = opened.runs_page(&[RunKind::Restore, RunKind::Verify], false, 1).await.unwrap();
    assert_eq!((names(&listed.items), listed.total), (vec!["d1".into(), "d2".into(), "d3".into()], 3));
    let failed = opened.runs_page(&[RunKind::Restore], true, 1).await.unwrap();
    assert_eq!((names(&failed.items), failed.total), (vec!["d3".into()], 1));
    assert_eq!(opened.runs_page(&[], false, 1).await.unwrap().total, 0);
}

#[tokio::test]
async fn a_database_fails_until_a_later_run_succeeds_or_it_is_gone() {
    let opened = Opened::new().await;
    let task = opened.with_task().await;
    let server = task.task.servers[0];
    let databases = ["fails", "mended", "waits", "good", "gone"];
    let found = |names: &[&str]| names.iter().map(|name| ((*name).to_owned(), None)).collect::<Vec<_>>();
    opened.replace_databases(server, &found(&databases), at(0)).await.unwrap();
    opened.replace_databases(server, &found(&databases[..4]), at(1)).await.unwrap();
    use RunState::{Aborted, Failed, Queued, Succeeded};
    let story = [(Failed, Failed, Failed, Succeeded, Failed), (Aborted, Succeeded, Queued, Succeeded, Failed)];
    for (hour, (fails, mended, waits, good, gone)) in (0..).zip(story) {
        let round = ended(&task, at(hour * 60), RoundState::Partly);
        opened.insert_round(&round, &audit()).await.unwrap();
        let runs = databases.into_iter().zip([fails, mended, waits, good, gone]);
        let mut runs: Vec<_> = runs.map(|(name, state)| RunRecord { state, ..run(&round, name) }).collect();
        // A restore of that name says nothing about its backups.
        runs.push(RunRecord { kind: RunKind::Restore, state: Failed, ..run(&round, "good") });
        opened.insert_runs(&runs, &audit()).await.unwrap();
    }
    assert_eq!(opened.failing_count().await.unwrap(), 2);
    let mut newest = opened.newest_backup_run_per_database(server).await.unwrap();
    newest.sort_by(|one, other| one.database.cmp(&other.database));
    let told: Vec<_> = newest.iter().map(|run| (run.database.as_str(), run.state)).collect();
    assert_eq!(told, [("fails", Aborted), ("gone", Failed), ("good", Succeeded), ("mended", Succeeded), ("waits", Queued)]);
    assert_eq!(opened.newest_backup_runs().await.unwrap().len(), 5);
}

#[tokio::test]
async fn a_run_that_waits_or_works_takes_nothing_back_of_what_the_one_before_told() {
    let opened = Opened::new().await;
    let task = opened.with_task().await;
    let (server, destination) = (task.task.servers[0], task.task.destination);
    let newest = async || {
        let newest = opened.newest_backup_run_to(server, "orders", destination).await.unwrap();
        newest.map(|run| (run.state, run.error.is_some()))
    };
    let told = Some(Error::new(Code::Unreachable, "No answer.", "Try again.").told().clone());
    use RunState::{Aborted, Failed, Queued, Running, Succeeded};
    let story = [
        (Queued, None, None),
        (Succeeded, None, Some((Succeeded, false))),
        (Failed, told.clone(), Some((Failed, true))),
        (Queued, None, Some((Failed, true))),
        (Running, None, Some((Failed, true))),
        // One whose last attempt failed tells so, however long it waits.
        (Queued, told, Some((Queued, true))),
        (Queued, None, Some((Queued, true))),
        (Aborted, None, Some((Aborted, false))),
        (Succeeded, None, Some((Succeeded, false))),
        (Queued, None, Some((Succeeded, false))),
    ];
    for (hour, (state, error, expected)) in (0..).zip(story) {
        let round = ended(&task, at(hour * 60), RoundState::Partly);
        opened.insert_round(&round, &audit()).await.unwrap();
        let added = RunRecord { state, error, queued_at: at(hour * 60), ..run(&round, "orders") };
        opened.insert_runs(&[added], &audit()).await.unwrap();
        assert_eq!(newest().await, expected, "{hour}");
    }
}

#[tokio::test]
async fn a_round_is_found_however_many_were_skipped_since() {
    let opened = Opened::new().await;
    let task = opened.with_task().await;
    let incremental = |minute, state| RoundRecord { wanted: BackupKind::Incremental, ..ended(&task, at(minute), state) };
    let (full, by_hand) = (ended(&task, at(0), RoundState::Failed), ended(&task, at(1), RoundState::Failed));
    let by_hand = RoundRecord { only_database: Some("orders".into()), origin: Origin::User, ..by_hand };
    let skipped: Vec<_> = (2..60).map(|minute| incremental(minute, RoundState::Skipped)).collect();
    let now = RoundRecord { state: RoundState::Preparing, ended_at: None, ..incremental(60, RoundState::Preparing) };
    for round in [&full, &by_hand].into_iter().chain(&skipped).chain([&now]) {
        opened.insert_round(round, &audit()).await.unwrap();
    }
    assert_eq!(opened.newest_full_round_of(task.id).await.unwrap().as_ref(), Some(&full));
    assert_eq!(opened.last_round_beside(task.id, now.id).await.unwrap().as_ref(), Some(&full));
    assert_eq!(opened.last_round_beside(task.id, full.id).await.unwrap().as_ref(), Some(&now));
    assert_eq!(opened.round_due_at(task.id, full.due_at).await.unwrap().as_ref(), Some(&full));
    assert_eq!(opened.round_due_at(task.id, at(30)).await.unwrap().as_ref(), Some(&skipped[28]));
    // What somebody begins is in the place of nothing that is due.
    assert_eq!(opened.round_due_at(task.id, by_hand.due_at).await.unwrap(), None);
    assert_eq!(opened.round_due_at(task.id, at(61)).await.unwrap(), None);
}

#[tokio::test]
async fn the_log_reads_in_the_order_of_its_writing() {
    let opened = Opened::new().await;
    let task = opened.with_task().await;
    let round = round(&task, at(0));
    opened.insert_round(&round, &audit()).await.unwrap();
    let run = run(&round, "orders");
    opened.insert_runs(std::slice::from_ref(&run), &audit()).await.unwrap();
    let line = |number: i64| LogLine {
        at: at(number),
        run: (number % 2 == 0).then_some(run.id),
        server: String::new(),
        database: "orders".into(),
        text: format!("line {number}"),
        bad: number == 2,
    };
    for number in 0..5 {
        opened.append_log(Some(round.id), &line(number)).await.unwrap();
    }
    assert_eq!(opened.log_of_round(round.id, 3).await.unwrap(), [line(2), line(3), line(4)]);
    assert_eq!(opened.log_of_run(run.id).await.unwrap(), [line(0), line(2), line(4)]);
    assert_eq!(opened.delete_logs_before(at(3)).await.unwrap(), 3);
    assert_eq!(opened.log_of_round(round.id, 10).await.unwrap(), [line(3), line(4)]);
}

#[tokio::test]
async fn a_task_and_its_rounds_have_several_servers_in_order() {
    let opened = Opened::new().await;
    let mut task = opened.with_task().await;
    let second = server("second");
    opened.insert_server(&second, &audit()).await.unwrap();
    let first = task.task.servers[0];
    task.task.servers = vec![second.id, first];
    opened.update_task(&task, &audit()).await.unwrap();
    task.version += 1;
    assert_eq!(opened.task(task.id).await.unwrap().task.servers, [second.id, first]);
    for of in [first, second.id] {
        assert_eq!(opened.tasks_of(of).await.unwrap().len(), 1);
        let error = opened.delete_server(of, &audit()).await.unwrap_err();
        assert!(error.code() == Code::Busy && error.to_string().contains("\"nightly\""), "{error}");
    }

    let told = Error::new(Code::Unreachable, "No answer.", "Try again.").told().clone();
    let mut both = ended(&task, at(0), RoundState::Partly);
    both.servers[0] = RoundServerRecord { state: RunState::Failed, error: Some(told), ..RoundServerRecord::new(second.id) };
    both.servers[1].state = RunState::Succeeded;
    opened.insert_round(&both, &audit()).await.unwrap();
    assert_eq!(opened.round(both.id).await.unwrap(), both);
    let changed = RoundRecord { servers: both.servers.iter().map(|one| RoundServerRecord::new(one.server)).collect(), ..both.clone() };
    opened.change_round(&changed, RoundState::Partly, &audit()).await.unwrap();
    assert_eq!(opened.round(both.id).await.unwrap().servers, changed.servers);
    let last = opened.last_rounds_of_servers().await.unwrap();
    assert!(last[&first] == changed && last[&second.id] == changed);

    // Where a server goes, what was of it alone goes with it.
    let mut alone = ended(&task, at(1), RoundState::Failed);
    alone.servers.truncate(1);
    opened.insert_round(&alone, &audit()).await.unwrap();
    let runs = [
        RunRecord { state: RunState::Failed, ..run(&both, "a") },
        RunRecord { server: Some(first), state: RunState::Succeeded, ..run(&both, "a") },
    ];
    opened.insert_runs(&runs, &audit()).await.unwrap();
    assert_eq!(opened.rounds_of_server(second.id, 9).await.unwrap().len(), 2);
    task.task.servers = vec![first];
    opened.update_task(&task, &audit()).await.unwrap();
    opened.delete_server(second.id, &audit()).await.unwrap();
    assert_eq!(opened.round(alone.id).await.unwrap_err().code(), Code::NotFound);
    let left = opened.round(both.id).await.unwrap();
    assert_eq!(left.servers.iter().map(|one| one.server).collect::<Vec<_>>(), [first]);
    assert_eq!(opened.runs_of_round(both.id).await.unwrap().iter().map(|run| run.server).collect::<Vec<_>>(), [Some(first)]);
}
