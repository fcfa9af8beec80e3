//! A server with 2,000 databases and 50,000 runs: what the pages ask must be answered from indexes.

use super::{
    fixture::{Opened, at, audit, backup, ended, run},
    statements,
};
use crate::{BackupRecord, RunRecord, TaskRecord};
use domain::{RoundState, RunState};
use sqlx::Row;

const DATABASES: usize = 2000;
const ROUNDS: i64 = 25;

/// Tables that stay small whatever happens, with a row for what an administrator adds by hand or a browser that is signed in;
/// and answers of inner questions.
const SMALL: [&str; 12] = [
    "keys",
    "task_keys",
    "task_servers",
    "expiries",
    "servers",
    "destinations",
    "tasks",
    "users",
    "settings",
    "sessions",
    "bad",
    "each_database",
];

/// Statements that read a whole table or index on purpose, or sort before they take a page, with the reason.
const WHOLE: [(&str, &str); 14] = [
    ("database::ALL_OF_ALL", "is asked for all of them"),
    ("run::NEWEST", "is asked for all databases, and finds each one's run by the index"),
    ("backup::SPACE", "sums up everything, from an index that holds the answer"),
    ("backup::SUSPICIOUS", "reads all suspicious ones, from an index that holds no others"),
    ("round::PAGE", "stops after a page"),
    ("round::COUNT", "counts everything"),
    ("round::FAILED", "stops after a page"),
    ("round::COUNT_FAILED", "counts everything"),
    ("run::PAGE", "is asked for restores and verifications, of which there are as many as somebody asked for"),
    ("run::FAILED", "is asked for restores and verifications"),
    ("audit::PAGE", "stops after a page"),
    ("audit::COUNT", "counts everything"),
    ("audit::FILTERED", "looks into every line in order, and stops after a page"),
    ("audit::COUNT_FILTERED", "looks into every line"),
];

async fn filled() -> (Opened, TaskRecord) {
    let opened = Opened::new().await;
    let task = opened.with_task().await;
    let names: Vec<_> = (0..DATABASES).map(|number| format!("tenant_{number:04}")).collect();
    let found: Vec<_> = names.iter().map(|name| (name.clone(), Some(1_000_000))).collect();
    opened.replace_databases(task.task.servers[0], &found, at(0)).await.unwrap();
    let mut backups = Vec::new();
    for day in 0..ROUNDS {
        let round = ended(&task, at(day * 1440), RoundState::Partly);
        opened.insert_round(&round, &audit()).await.unwrap();
        let state = |number: usize| if number.is_multiple_of(100) { RunState::Failed } else { RunState::Succeeded };
        let runs = names.iter().enumerate().map(|(number, name)| RunRecord {
            state: state(number),
            stored_bytes: Some(1000),
            ended_at: round.ended_at,
            ..run(&round, name)
        });
        opened.insert_runs(&runs.collect::<Vec<_>>(), &audit()).await.unwrap();
        backups.extend(names.iter().map(|name| backup(task.task.destination, name, at(day * 1440))));
    }
    let vault = opened.destination(task.task.destination).await.unwrap();
    opened.replace_backups(&vault, &backups, at(ROUNDS * 1440)).await.unwrap();
    (opened, task)
}

#[tokio::test]
async fn a_large_catalog_is_answered_from_indexes_and_answered_right() {
    let (opened, task) = filled().await;
    plans_use_indexes(&opened).await;

    let (server, destination) = (task.task.servers[0], task.task.destination);
    assert_eq!(opened.newest_backup_run_per_database(server).await.unwrap().len(), DATABASES);
    assert_eq!(opened.failing_count().await.unwrap(), 20);
    let rounds = opened.rounds(1, false).await.unwrap().items;
    let totals = opened.round_totals(&rounds.iter().map(|round| round.id).collect::<Vec<_>>()).await.unwrap();
    assert!(totals.len() == 25 && totals.values().all(|totals| (totals.runs, totals.succeeded, totals.failed) == (2000, 1980, 20)));
    let facts = opened.backup_facts("instance of shop").await.unwrap();
    assert!(facts.len() == DATABASES && facts.iter().all(|fact| (fact.points, fact.last_good) == (25, at(24 * 1440))));
    assert_eq!(opened.space_per_destination().await.unwrap()[0].backups, 50_000);

    // A second reading with one backup more and one less writes these two alone.
    let mut found = opened.backups_of(destination, None).await.unwrap();
    let before = changes(&opened).await;
    let vanished: BackupRecord = found.swap_remove(7);
    found.push(backup(destination, "newcomer", at(1)));
    opened.replace_backups(&opened.destination(destination).await.unwrap(), &found, at(ROUNDS * 1440)).await.unwrap();
    assert_eq!(changes(&opened).await - before, 2);
    assert!(!opened.backups_of(destination, Some(&vanished.database)).await.unwrap().contains(&vanished));
}

/// How many rows the writing connection has changed since it was opened.
async fn changes(opened: &Opened) -> i64 {
    let mut write = opened.begin().await.unwrap();
    sqlx::query("SELECT total_changes()").fetch_one(write.on()).await.unwrap().get(0)
}

async fn plans_use_indexes(opened: &Opened) {
    for (name, sql) in statements() {
        let name = name.trim_start_matches("catalog::");
        let explain = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"));
        let rows = sqlx::query(explain).fetch_all(opened.reader()).await.unwrap();
        let plan: Vec<String> = rows.iter().map(|row| row.get("detail")).collect();
        let scans = |step: &&String| {
            step.strip_prefix("SCAN ").is_some_and(|table| {
                let table = table.split(' ').next().unwrap_or_default();
                table != "CONSTANT" && !SMALL.contains(&table)
            })
        };
        let whole = WHOLE.iter().any(|(exempt, _)| *exempt == name);
        assert!(whole || !plan.iter().any(|step| scans(&step)), "{name} reads a whole table: {plan:#?}");
        let sorted_page = sql.contains("LIMIT") && sql.contains("OFFSET") && plan.iter().any(|step| step == "USE TEMP B-TREE FOR ORDER BY");
        assert!(whole || !sorted_page, "{name} sorts everything for one page: {plan:#?}");
    }
}
