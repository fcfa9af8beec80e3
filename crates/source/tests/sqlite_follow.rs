//! Chains of SQLite databases: incrementals by comparing rows, and their restore.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails is to say where")]

mod support;

use domain::Code;
use proptest::prelude::*;
use rusqlite::Connection;
use source::{Begun, Context};
use support::sqlite::{
    assert_same,
    chain::{Chain, Incremental},
};

/// Every kind of table, with rows that are hard.
const TABLES: &str = "
    CREATE TABLE plain (a, b TEXT UNIQUE);
    CREATE TABLE alias (id INTEGER PRIMARY KEY AUTOINCREMENT, v REAL, big BLOB);
    CREATE TABLE pair (k TEXT COLLATE NOCASE, n, v, PRIMARY KEY (k, n)) WITHOUT ROWID;
    CREATE TABLE shadowed (rowid TEXT, oid TEXT, _rowid_ TEXT);
    CREATE TABLE \"we\"\"ird \" (\"a b\", c GENERATED ALWAYS AS (\"a b\" || 'x') STORED);
    CREATE TABLE parent (id INTEGER PRIMARY KEY);
    CREATE TABLE child (id INTEGER PRIMARY KEY, p REFERENCES parent (id));
    CREATE VIRTUAL TABLE words USING fts5(body);
    CREATE INDEX by_b ON plain (b);
    CREATE TRIGGER seldom AFTER INSERT ON plain WHEN new.b = 'six' BEGIN DELETE FROM alias; END;
    INSERT INTO plain VALUES (1, 'one'), (2.5, 'two'), (NULL, NULL), (x'00ff', 'three');
    INSERT INTO alias (v, big) VALUES (1e308, x'01'), (-0.0, zeroblob(3000)), (9e999, NULL);
    INSERT INTO pair VALUES ('a', 1, 'x'), ('a', 2, 'y'), ('b', 1.5, 'z');
    INSERT INTO shadowed VALUES ('r', 'o', 'x'), ('r', 'o', 'x');
    INSERT INTO \"we\"\"ird \" VALUES ('q\"''\\');
    INSERT INTO parent VALUES (1); INSERT INTO child VALUES (1, 1);
    INSERT INTO words VALUES ('one two three'), ('four');";

#[test]
fn what_changed_is_restored_and_nothing_else_is_stored() {
    let mut chain = Chain::new(TABLES);
    chain.execute("UPDATE plain SET a = 7 WHERE b = 'one'; DELETE FROM plain WHERE b = 'two'; INSERT INTO plain VALUES ('new', 'four')");
    let summary = chain.made();
    let changes = summary.changes.unwrap();
    assert_eq!((changes.inserts, changes.updates, changes.deletes), (1, 1, 1));
    assert!(summary.tables.is_empty() && summary.after.len() > 10);
    chain.assert_restores("one.db");

    chain.execute(
        "PRAGMA foreign_keys=OFF; UPDATE pair SET k = 'A' WHERE n = 1; UPDATE pair SET v = 'w' WHERE n = 2; UPDATE alias SET id = 900 WHERE id = 1;
         UPDATE words SET body = 'five six' WHERE body = 'four'; DELETE FROM parent; INSERT INTO parent VALUES (2);
         UPDATE child SET p = 2; UPDATE \"we\"\"ird \" SET \"a b\" = 'other'",
    );
    chain.made();
    chain.assert_restores("two.db");
    // A table none of whose rows can be named is taken as a whole.
    chain.execute("DELETE FROM shadowed WHERE 1 = (SELECT count(*) FROM parent); INSERT INTO shadowed VALUES ('only', NULL, 1)");
    assert_eq!(chain.made().tables.iter().map(|table| table.table.as_str()).collect::<Vec<_>>(), ["shadowed"]);
    chain.assert_restores("three.db");
    // Each earlier point is still what it was.
    chain.restore("again.db", 2).unwrap();
    assert_same(&chain.folder.path("one.db"), &chain.folder.path("again.db"));
}

#[test]
fn values_that_change_places_meet_no_old_version_of_each_other() {
    let mut chain = Chain::new("CREATE TABLE t (id INTEGER PRIMARY KEY, u UNIQUE); INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'c')");
    chain.execute(
        "UPDATE t SET u = 'x' WHERE id = 1; UPDATE t SET u = 'a' WHERE id = 2; UPDATE t SET u = 'b' WHERE id = 1;
         DELETE FROM t WHERE id = 3; INSERT INTO t VALUES (4, 'c')",
    );
    chain.made();
    chain.assert_restores("b.db");
}

#[test]
fn counters_are_those_of_the_origin_and_not_those_of_the_restore() {
    let mut chain = Chain::new("CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, v); INSERT INTO t (v) VALUES (1), (2)");
    // SQLite counts inserts, but not rows that are moved.
    chain.execute("UPDATE t SET id = 500 WHERE id = 2");
    chain.made();
    chain.assert_restores("b.db");
    chain.execute("INSERT INTO t (v) VALUES (3); DELETE FROM t WHERE v = 3");
    chain.made();
    chain.assert_restores("c.db");
    chain.execute("DELETE FROM sqlite_sequence");
    chain.made();
    chain.assert_restores("d.db");
}

#[test]
fn nothing_is_read_of_a_database_that_nobody_touched() {
    let mut chain = Chain::new(TABLES);
    std::thread::sleep(std::time::Duration::from_millis(60));
    chain.execute("INSERT INTO plain VALUES (5, 'five')");
    std::thread::sleep(std::time::Duration::from_millis(60));
    chain.made();
    // What proves that it is not read: it could not be.
    let path = chain.folder.path("a.db");
    assert!(chain.backups[1].summary.position["stamp"].is_array());
    std::fs::remove_dir_all(&chain.backups[1].state).unwrap();
    assert!(matches!(chain.begin(&chain.next()).unwrap(), Begun::Unchanged));
    // One that was written to, and is as before, is read and gives nothing.
    rebuild(&chain);
    Connection::open(&path).unwrap().execute_batch("INSERT INTO plain VALUES (6, 'seven'); DELETE FROM plain WHERE a = 6").unwrap();
    std::thread::sleep(std::time::Duration::from_millis(60));
    assert!(matches!(chain.incremental(), Incremental::Unchanged));
    // That is noted, and the next one reads nothing again.
    let state = chain.backups[1].state.clone();
    for entry in std::fs::read_dir(&state).unwrap().map(|entry| entry.unwrap().path()).filter(|path| !path.ends_with("unchanged.json")) {
        if entry.is_dir() { std::fs::remove_dir_all(entry).unwrap() } else { std::fs::remove_file(entry).unwrap() }
    }
    assert!(matches!(chain.begin(&chain.next()).unwrap(), Begun::Unchanged));
    // Until it is written to.
    Connection::open(&path).unwrap().execute_batch("INSERT INTO plain VALUES (8, 'eight')").unwrap();
    assert!(matches!(chain.begin(&chain.next()).unwrap(), Begun::StateLost));
}

fn rebuild(chain: &Chain) {
    let state = &chain.backups.last().unwrap().state;
    std::fs::create_dir_all(state).unwrap();
    chain.following().rebuild(&chain.members(), state, &Context::default()).unwrap();
}

#[test]
fn a_commit_that_lies_in_the_wal_alone_is_seen() {
    let mut chain = Chain::new("PRAGMA journal_mode=WAL; CREATE TABLE t (a); INSERT INTO t VALUES (1)");
    let writer = chain.folder.connect("a.db");
    writer.execute_batch("PRAGMA wal_autocheckpoint=0; INSERT INTO t VALUES (2)").unwrap();
    assert_eq!(chain.made().changes.unwrap().inserts, 1);
    writer.execute_batch("INSERT INTO t VALUES (3)").unwrap();
    assert_eq!(chain.made().changes.unwrap().inserts, 1);
    // A checkpoint moves pages, and changes nothing.
    writer.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    assert!(matches!(chain.incremental(), Incremental::Unchanged));
    chain.restore("b.db", 3).unwrap();
    assert_same(&chain.folder.path("a.db"), &chain.folder.path("b.db"));
}

#[test]
fn other_definitions_need_a_full_backup_and_other_properties_do_not() {
    let mut chain = Chain::new(TABLES);
    chain.execute("PRAGMA user_version=9");
    assert_eq!(chain.made().changes.unwrap().rows(), 0);
    chain.assert_restores("b.db");
    for sql in ["CREATE INDEX later ON plain (a)", "ALTER TABLE plain ADD COLUMN z DEFAULT 1", "DROP TABLE child"] {
        chain.execute(sql);
        let Incremental::MustBeFull(why) = chain.incremental() else { panic!("an incremental was made after {sql}") };
        assert!(why.contains("definitions"), "{why}");
        chain.anew();
    }
}

#[test]
fn state_that_is_lost_or_damaged_is_made_anew_from_the_archives() {
    let mut chain = Chain::new(TABLES);
    chain.execute("UPDATE plain SET a = 7 WHERE b = 'one'; UPDATE pair SET v = 'w' WHERE n = 2; DELETE FROM alias WHERE id = 2");
    chain.made();
    let kept = |chain: &Chain| {
        let folder = &chain.backups.last().unwrap().state;
        let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files.into_iter().map(|path| (path.file_name().unwrap().to_owned(), std::fs::read(&path).unwrap())).collect::<Vec<_>>()
    };
    let before = kept(&chain);
    std::fs::remove_dir_all(&chain.backups[1].state).unwrap();
    rebuild(&chain);
    assert!(before == kept(&chain), "what was made anew is not what was kept");
    // One file cut off, another one exchanged.
    for (name, bytes) in before.iter().filter(|(name, _)| name.to_string_lossy().ends_with(".keys")) {
        std::fs::write(chain.backups[1].state.join(name), &bytes[..bytes.len() - 1]).unwrap();
    }
    chain.execute("UPDATE plain SET a = 8 WHERE b = 'one'; INSERT INTO pair VALUES ('c', 3, 1)");
    assert_eq!(chain.made().changes.unwrap().rows(), 2);
    chain.assert_restores("b.db");
}

#[test]
fn a_change_that_does_not_fit_fails_the_restore() {
    let mut chain = Chain::new("CREATE TABLE t (id INTEGER PRIMARY KEY, v); INSERT INTO t VALUES (1, 'a'), (2, 'b')");
    chain.execute("UPDATE t SET v = 'c' WHERE id = 2");
    chain.made();
    let part = "changes/000000.ndjson.zst";
    let text = String::from_utf8(chain.backups[1].archive.get(part).unwrap()).unwrap();
    for (from, to) in
        [("[2],", "[3],"), ("\"t\",[2]", "\"u\",[2]"), ("[2,\"c\"]", "[2]"), ("\"key\":[\"id\"]", "\"key\":[]"), ("update", "upsert")]
    {
        assert!(text.contains(from), "{text}");
        chain.backups[1].archive.put(part, text.replace(from, to));
        let error = chain.restore("b.db", 2).unwrap_err();
        assert_eq!(error.code(), Code::Damaged, "{from} {to}: {error}");
        assert!(!chain.folder.path("b.db").exists());
    }
}

#[test]
fn text_that_is_not_valid_in_utf16_names_a_row_too() {
    let mut chain = Chain::new(
        "PRAGMA encoding='UTF-16le'; CREATE TABLE t (k TEXT PRIMARY KEY, v) WITHOUT ROWID;
         INSERT INTO t VALUES ('plain', 1), (CAST(x'00d8' AS TEXT), 2), (CAST(x'01d8' AS TEXT), 3)",
    );
    chain.execute("UPDATE t SET v = 4 WHERE v = 2; DELETE FROM t WHERE v = 3; UPDATE t SET k = CAST(x'02d8' AS TEXT) WHERE v = 1");
    let changes = chain.made().changes.unwrap();
    assert_eq!((changes.inserts, changes.updates, changes.deletes), (1, 1, 2));
    chain.restore("b.db", 2).unwrap();
}

/// A statement on two tables with small sets of keys and values, so that all kinds of changes meet.
fn any_statement() -> impl Strategy<Value = String> {
    let value = prop_oneof![
        (-3..3_i64).prop_map(|n| n.to_string()),
        "[ab']{0,2}".prop_map(|text| format!("'{}'", text.replace('\'', "''"))),
        Just("NULL".to_owned()),
        Just("0.5".to_owned()),
        Just("x'00'".to_owned()),
    ];
    (0..6_u8, 0..8_i64, value).prop_map(|(what, key, value)| match what {
        0 => format!("INSERT OR REPLACE INTO r (rowid, v) VALUES ({key}, {value})"),
        1 => format!("DELETE FROM r WHERE rowid = {key}"),
        2 => format!("UPDATE OR IGNORE r SET rowid = {key} WHERE v IS {value}"),
        3 => format!("INSERT OR REPLACE INTO w VALUES ({key}, {value})"),
        4 => format!("UPDATE OR IGNORE w SET k = {value} WHERE k = {key} AND {value} IS NOT NULL"),
        _ => format!("UPDATE w SET v = {value}; DELETE FROM w WHERE k > {key}"),
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn whatever_is_done_is_restored(rounds in proptest::collection::vec(proptest::collection::vec(any_statement(), 0..12), 1..4), wal: bool) {
        let mode = if wal { "wal" } else { "delete" };
        let mut chain = Chain::new(&format!(
            "PRAGMA journal_mode={mode}; CREATE TABLE r (v); CREATE TABLE w (k NOT NULL PRIMARY KEY, v) WITHOUT ROWID; INSERT INTO r VALUES (1), ('a')"
        ));
        for (at, statements) in rounds.iter().enumerate() {
            chain.execute(&statements.join(";"));
            chain.incremental();
            chain.assert_restores(&format!("copy{at}.db"));
        }
    }
}
