//! The catalog moves to PostgreSQL later: nothing in its SQL may be SQLite's alone.

use super::{fixture::Opened, statements};
use sqlx::{Executor, SqlSafeStr};

const MIGRATIONS: [&str; 7] = [
    include_str!("../../../../migrations/0001_console.sql"),
    include_str!("../../../../migrations/0002_keys.sql"),
    include_str!("../../../../migrations/0003_tasks.sql"),
    include_str!("../../../../migrations/0004_retention.sql"),
    include_str!("../../../../migrations/0005_unchanged.sql"),
    include_str!("../../../../migrations/0006_slots.sql"),
    include_str!("../../../../migrations/0007_task_servers.sql"),
];

#[test]
fn every_migration_is_tested() {
    let files = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../migrations")).unwrap();
    assert_eq!(files.count(), MIGRATIONS.len());
}

#[test]
fn postgresql_understands_every_statement_with_the_types_that_are_bound() {
    let postgres = testkit::shared().unwrap();
    let database = postgres.fresh_database().unwrap();
    let mut script = MIGRATIONS.concat();
    for (number, (_, sql)) in statements().enumerate() {
        script.push_str(&format!("PREPARE statement_{number} AS {sql};\n"));
    }
    script.push_str(
        "SELECT statement, parameter_types FROM pg_prepared_statements
        WHERE NOT (parameter_types::text[] <@ ARRAY['text', 'bigint', 'boolean']);",
    );
    assert_eq!(postgres.psql(&database, &script).unwrap(), "", "parameters of types that are never bound");
}

/// A server, a destination, a task and a backup and a verification of it, as the first version wrote them.
const OF_THE_FIRST_VERSION: &str = "
    INSERT INTO servers (id, name, connection, note, version, created_at) VALUES ('s', 'shop', '{}', '', 1, 0);
    INSERT INTO destinations (id, name, destination, note, version, created_at) VALUES ('d', 'vault', '{}', '', 1, 0);
    INSERT INTO tasks (id, name, server_id, destination_id, selection, cron, time_zone, catch_up, enabled, version, created_at)
        VALUES ('t', 'nightly', 's', 'd', '{}', '0 3 * * *', 'UTC', TRUE, TRUE, 1, 0);
    INSERT INTO rounds (id, task_id, task_name, server_id, destination_id, state, origin, attempt, due_at, began_at)
        VALUES ('r', 't', 'nightly', 's', 'd', 'running', 'user', 1, 0, 0);
    INSERT INTO runs (id, round_id, kind, destination_id, database_name, state, attempt, queued_at, compared, notes)
        VALUES ('b', 'r', 'backup', 'd', 'a', 'queued', 1, 0, '[]', '[]'), ('v', NULL, 'verify', 'd', 'a', 'queued', 1, 0, '[]', '[]');";
const WHAT_BECAME_OF_IT: &str =
    "SELECT tasks.full_cron || '|' || coalesce(tasks.incremental_cron, 'never') || '|' || rounds.wanted || '|' ||
        (SELECT wanted FROM runs WHERE id = 'b') || '|' || coalesce((SELECT wanted FROM runs WHERE id = 'v'), 'none')
        FROM tasks JOIN rounds ON rounds.task_id = tasks.id";

#[tokio::test]
async fn tasks_of_the_first_version_go_on_making_full_backups() {
    let script = format!("{}{}{OF_THE_FIRST_VERSION}{}", MIGRATIONS[0], MIGRATIONS[1], MIGRATIONS[2]);
    let told = "0 3 * * *|never|full|full|none";
    let postgres = testkit::shared().unwrap();
    let database = postgres.fresh_database().unwrap();
    assert_eq!(postgres.psql(&database, &format!("{script}{WHAT_BECAME_OF_IT}")).unwrap(), told);
    let sqlite = sqlx::SqlitePool::connect("sqlite::memory:").await.unwrap();
    let mut only = sqlite.acquire().await.unwrap();
    only.execute(sqlx::AssertSqlSafe(script)).await.unwrap();
    let row = only.fetch_one(WHAT_BECAME_OF_IT.into_sql_str()).await.unwrap();
    assert_eq!(sqlx::Row::get::<String, _>(&row, 0), told);
}

/// Rounds in every state, as they were while each had one server.
const OF_ONE_SERVER: &str = "
    INSERT INTO rounds (id, task_id, task_name, server_id, destination_id, state, origin, attempt, due_at, began_at, error) VALUES
        ('r1', 't', 'nightly', 's', 'd', 'succeeded', 'user', 1, 0, 0, NULL), ('r2', 't', 'nightly', 's', 'd', 'failed', 'user', 1, 0, 0, 'away'),
        ('r3', 't', 'nightly', 's', 'd', 'aborted', 'user', 1, 0, 0, NULL), ('r4', 't', 'nightly', 's', 'd', 'skipped', 'user', 1, 0, 0, 'late'),
        ('r5', NULL, 'once', 's', 'd', 'preparing', 'user', 1, 0, 0, 'silent'), ('r6', 't', 'nightly', 's', 'd', 'failed', 'user', 1, 0, 0, NULL);
    INSERT INTO runs (id, round_id, kind, destination_id, database_name, state, attempt, queued_at, compared, notes)
        VALUES ('c', 'r6', 'backup', 'd', 'a', 'failed', 1, 0, '[]', '[]');";
const THEIR_SERVERS: &str = "SELECT task_id || ' ' || server_id FROM task_servers UNION ALL SELECT round_servers.round_id || ' ' ||
        round_servers.server_id || ' ' || round_servers.state || ' ' || coalesce(round_servers.error, '-') || ' ' || coalesce(rounds.error, '-')
        FROM round_servers JOIN rounds ON rounds.id = round_servers.round_id ORDER BY 1";

#[tokio::test]
async fn tasks_and_rounds_of_one_server_are_carried_over_whole() {
    let (before, after) = MIGRATIONS.split_at(6);
    let script = format!("{}{}{OF_THE_FIRST_VERSION}{}{OF_ONE_SERVER}{}", before[0], before[1], before[2..].concat(), after[0]);
    let told = [
        "r s succeeded - -",
        "r1 s succeeded - -",
        "r2 s failed away -",
        "r3 s aborted - -",
        "r4 s queued - late",
        "r5 s queued silent -",
        "r6 s succeeded - -",
        "t s",
    ];
    let postgres = testkit::shared().unwrap();
    let database = postgres.fresh_database().unwrap();
    let mut there: Vec<_> = postgres.psql(&database, &format!("{script}{THEIR_SERVERS}")).unwrap().lines().map(String::from).collect();
    there.sort();
    assert_eq!(there, told);
    let sqlite = sqlx::SqlitePool::connect("sqlite::memory:").await.unwrap();
    let mut only = sqlite.acquire().await.unwrap();
    // As the catalog does it: rows that refer to others are kept.
    only.execute("PRAGMA foreign_keys = ON").await.unwrap();
    only.execute(sqlx::AssertSqlSafe(script)).await.unwrap();
    let rows = only.fetch_all(THEIR_SERVERS.into_sql_str()).await.unwrap();
    assert_eq!(rows.iter().map(|row| sqlx::Row::get::<String, _>(row, 0)).collect::<Vec<_>>(), told);
    let kept = only.fetch_one("SELECT count(*) FROM runs".into_sql_str()).await.unwrap();
    assert_eq!(sqlx::Row::get::<i64, _>(&kept, 0), 3);
}

#[tokio::test]
async fn sqlite_understands_every_statement() {
    let opened = Opened::new().await;
    for (name, sql) in statements() {
        let prepared = opened.reader().prepare(sql.into_sql_str()).await;
        assert!(prepared.is_ok(), "{name}: {:?}", prepared.err());
    }
}

/// Statements are listed where they are made; a file that is not asked, or SQL outside of a list, would escape these tests.
#[test]
fn every_statement_is_in_the_list() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src");
    for file in std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).filter(|path| path.is_file()) {
        let text = std::fs::read_to_string(&file).unwrap();
        let module = format!("catalog::{}::", file.file_stem().unwrap().to_str().unwrap());
        let has_list = text.lines().any(|line| line == "statements! {");
        assert_eq!(has_list, statements().any(|(name, _)| name.starts_with(&module)), "{module}");
        assert!(!text.contains("sql(\"") && !text.contains("query(\""), "{module}");
    }
}
