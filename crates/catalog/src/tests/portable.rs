//! The catalog moves to PostgreSQL later: nothing in its SQL may be SQLite's alone.

use super::{fixture::Opened, statements};
use sqlx::{Executor, SqlSafeStr};

const MIGRATIONS: [&str; 3] = [
    include_str!("../../../../migrations/0001_console.sql"),
    include_str!("../../../../migrations/0002_keys.sql"),
    include_str!("../../../../migrations/0004_retention.sql"),
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
