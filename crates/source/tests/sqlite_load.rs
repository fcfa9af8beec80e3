//! Exactness under load: processes write to a database while a full backup and twenty incrementals are taken. What each of them
//! restores is the database as it stood after one of the commits, whole.
//!
//! SQLite lets one writer in at a time. So each transaction can take the next number out of a table, and what it did can be
//! done again beside: the number that a restored database tells says which state it must be, row for row.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails is to say where")]

mod support;

use rusqlite::Connection;
use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Write},
    ops::RangeInclusive,
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::Mutex,
};
use support::{
    pace::Pace,
    sqlite::{
        assert_same,
        chain::{Chain, Incremental},
        sqlite3,
    },
};

/// Incrementals, and after how many of them the definitions change.
const ROUNDS: u64 = 20;
const DEFINED_ANEW: u64 = 10;

const TABLES: &str = "
    CREATE TABLE clock (seq INTEGER); INSERT INTO clock VALUES (0);
    CREATE TABLE account (id INTEGER PRIMARY KEY, owner TEXT UNIQUE, balance INTEGER);
    CREATE TABLE pair (k TEXT COLLATE NOCASE, n, v, PRIMARY KEY (k, n)) WITHOUT ROWID;
    CREATE TABLE heap (a, b);
    CREATE TABLE shadowed (rowid TEXT, oid TEXT, _rowid_ INTEGER);
    CREATE TABLE counted (id INTEGER PRIMARY KEY AUTOINCREMENT, v REAL, big BLOB);
    CREATE INDEX heap_a ON heap (a);
    WITH RECURSIVE i (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM i WHERE n < 20) INSERT INTO account SELECT n, 'owner ' || n, 1000 FROM i;
    WITH RECURSIVE i (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM i WHERE n < 50) INSERT INTO heap SELECT n % 7, 'row ' || n FROM i;
    INSERT INTO shadowed VALUES ('r', 'o', 1), ('r', 'o', 1);";

/// Pages enough for several connections to read them; they stay when their table goes.
const LARGE: &str = "
    CREATE TABLE ballast (x);
    WITH RECURSIVE i (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM i WHERE n < 40) INSERT INTO ballast SELECT zeroblob(1 << 20) FROM i;
    DROP TABLE ballast;";

/// What becomes of the definitions while everybody writes.
const DEFINITIONS: &str = "
    ALTER TABLE heap ADD COLUMN later DEFAULT 'd';
    CREATE TABLE balances (id PRIMARY KEY, balance); INSERT INTO balances SELECT id, balance FROM account;
    CREATE TRIGGER seen AFTER UPDATE OF balance ON account BEGIN INSERT OR REPLACE INTO balances VALUES (new.id, new.balance); END";

/// What a transaction does: statements that do the same each time that they meet the same rows.
fn statements(turn: u64) -> String {
    let (kind, n) = (turn % 6, turn / 6);
    let account = |at: u64| format!("(SELECT id FROM account ORDER BY id LIMIT 1 OFFSET {})", at % 20);
    match kind {
        // From one to another, which the sum of all does not show.
        0 => format!(
            "UPDATE account SET balance = balance - {n} WHERE id = {}; UPDATE account SET balance = balance + {n} WHERE id = {}",
            account(n),
            account(n + 7)
        ),
        // Keys that change, and unique values that change places.
        1 => format!(
            "UPDATE account SET id = (SELECT max(id) + 1 FROM account) WHERE id = {};
             UPDATE account SET owner = owner || '?' WHERE id IN ({}, {});
             UPDATE account SET owner = 'owner ' || (({n} + 1) % 1000 * 1000 + id) WHERE owner LIKE '%?'",
            account(n),
            account(n + 3),
            account(n + 5)
        ),
        // Without rowid: deleted and inserted again, and known by another key.
        2 => format!(
            "DELETE FROM pair WHERE n = {0}; INSERT OR REPLACE INTO pair VALUES ('Key', {0}, x'00{1:08x}'), ('key {1}', {0} / 2.0, NULL);
             UPDATE OR IGNORE pair SET k = k || 'x', n = n + 1 WHERE n = {2}; DELETE FROM pair WHERE length(k) > 9",
            n % 13,
            n,
            (n + 4) % 13
        ),
        // Without a key.
        3 => format!(
            "INSERT INTO heap (a, b) VALUES ({n}, 'line' || char(10) || 'two'), (NULL, x'0{}'), (NULL, -0.0);
             UPDATE heap SET b = substr(b || {n}, 1, 40) WHERE a % 7 = {}; UPDATE heap SET rowid = (SELECT max(rowid) + 7 FROM heap) WHERE rowid = (SELECT min(rowid) FROM heap);
             DELETE FROM heap WHERE rowid IN (SELECT rowid FROM heap ORDER BY rowid LIMIT max(0, (SELECT count(*) - 70 FROM heap)))",
            n % 10,
            n % 7
        ),
        // Rows that nothing names, in every third of its turns.
        4 if n.is_multiple_of(3) => format!(
            "INSERT INTO shadowed VALUES ('r', 'o', {0}), ('r', 'o', {0}); UPDATE shadowed SET oid = 'p{0}' WHERE _rowid_ % 5 = {1}; DELETE FROM shadowed WHERE _rowid_ < {0} - 20",
            n,
            n % 5
        ),
        // What is undone in part.
        4 => format!("SAVEPOINT a; DELETE FROM pair; UPDATE account SET balance = 0; ROLLBACK TO a; RELEASE a; INSERT INTO heap (a, b) VALUES ({n}, 'kept')"),
        // Rows of many pages, and a counter.
        _ => format!(
            "INSERT INTO counted (v, big) VALUES ({n} / 8.0, zeroblob({})); UPDATE counted SET big = CAST(big || '{n}' AS BLOB), v = -v WHERE id % 9 = {};
             DELETE FROM counted WHERE id < (SELECT max(id) - 40 FROM counted)",
            n * 37 % 9000,
            n % 9
        ),
    }
}

/// Another process that writes.
struct Writer {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Writer {
    fn open(path: &Path) -> Self {
        let mut command = Command::new("sqlite3");
        command.args(["-batch", "-bail"]).arg(path).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let (input, output) = (process.stdin.take().unwrap(), BufReader::new(process.stdout.take().unwrap()));
        let mut writer = Self { process, input, output };
        // Locks are waited for; what a crash of the machine would leave is not asked here.
        writer.run(".timeout 60000\nPRAGMA synchronous=OFF;");
        writer
    }

    /// Runs statements and returns the lines that they gave.
    fn run(&mut self, sql: &str) -> Vec<String> {
        writeln!(self.input, "{sql}\nSELECT 'done';").unwrap();
        let mut lines = vec![];
        loop {
            let mut line = String::new();
            assert!(self.output.read_line(&mut line).unwrap() > 0, "sqlite3 ended at {sql}");
            if line.trim_end() == "done" {
                return lines;
            }
            lines.push(line.trim_end().to_owned());
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What was committed, by its number.
#[derive(Default)]
struct Script(Mutex<BTreeMap<u64, String>>);

impl Script {
    /// One transaction of a writer: it is done whole, or undone whole.
    fn turn(&self, writer: &mut Writer, turn: u64) {
        if turn % 17 == 16 {
            writer.run(
                "BEGIN IMMEDIATE; UPDATE clock SET seq = seq + 1; DELETE FROM heap; UPDATE account SET id = -id, balance = 0; ROLLBACK;",
            );
        } else {
            self.commit(writer, &statements(turn));
        }
    }

    fn commit(&self, writer: &mut Writer, sql: &str) {
        let said = writer.run(&format!("BEGIN IMMEDIATE; UPDATE clock SET seq = seq + 1 RETURNING seq; {sql}; COMMIT;"));
        let before = self.0.lock().unwrap().insert(said[0].parse().unwrap(), sql.to_owned());
        assert_eq!(before, None, "two transactions have one number");
    }
}

/// A backup, restored at once, and which commits may have been its last.
struct Point {
    name: String,
    commits: RangeInclusive<u64>,
}

struct Backups {
    chain: Chain,
    /// What looks at the database beside the writers.
    observer: Writer,
    points: Vec<Point>,
}

impl Backups {
    fn full(&mut self) {
        let from = self.now();
        self.chain.anew();
        self.restore(from);
    }

    /// Takes an incremental, or a full backup where the definitions are others.
    fn next(&mut self, must_be_full: bool) {
        let from = self.now();
        match self.chain.incremental() {
            Incremental::Made => assert!(!must_be_full),
            Incremental::MustBeFull(why) => {
                assert!(must_be_full && why.contains("definitions"), "{why}");
                return self.full();
            }
            Incremental::Unchanged => panic!("there were changes"),
        }
        self.restore(from);
    }

    fn restore(&mut self, from: u64) {
        let (name, commits) = (format!("copy{}.db", self.points.len()), from..=self.now());
        self.chain.restore(&name, self.chain.backups.len()).unwrap();
        self.points.push(Point { name, commits });
    }

    /// The number of the last commit.
    fn now(&mut self) -> u64 {
        self.observer.run("SELECT seq FROM clock;")[0].parse().unwrap()
    }

    /// While nobody writes the last backup is the database itself.
    fn assert_last_is_now(&self) {
        let last = &self.points.last().unwrap().name;
        assert_equal(&self.chain.folder.path("a.db"), &self.chain.folder.path(last));
    }
}

/// The same database, down to the numbers of rows that have no key.
fn assert_equal(a: &Path, b: &Path) {
    assert_same(a, b);
    let rows = |path| sqlite3(path, "SELECT rowid, quote(a), quote(b) FROM heap ORDER BY rowid");
    assert_eq!(rows(a), rows(b));
}

#[test]
fn each_backup_is_the_state_after_one_commit_in_wal_mode() {
    under_load(&format!("PRAGMA journal_mode=WAL; {TABLES} {LARGE}"));
}

#[test]
fn each_backup_is_the_state_after_one_commit_with_a_rollback_journal() {
    under_load(&format!("PRAGMA journal_mode=DELETE; {TABLES}"));
}

fn under_load(tables: &str) {
    let chain = Chain::new(tables);
    let path = chain.folder.path("a.db");
    let (script, pace) = (Script::default(), Pace::default());
    let (observer, mut definer) = (Writer::open(&path), Writer::open(&path));
    let mut backups = Backups { chain, observer, points: vec![] };
    let write = || {
        let mut writer = Writer::open(&path);
        pace.write(|turn| script.turn(&mut writer, turn));
    };
    pace.beside([&write; 5], || {
        pace.allow(60);
        backups.full();
        for round in 0..ROUNDS {
            pace.allow(60);
            let is_barrier = round % 4 == 3;
            let barrier = is_barrier.then(|| pace.pause());
            if round == DEFINED_ANEW {
                script.commit(&mut definer, DEFINITIONS);
            }
            backups.next(round == DEFINED_ANEW);
            if is_barrier {
                backups.assert_last_is_now();
            }
            drop(barrier);
        }
        pace.allow(60);
    });
    backups.next(false);
    backups.assert_last_is_now();
    prove(&backups, tables, &script.0.into_inner().unwrap());
}

/// Does all again that was committed, and compares each backup with the state after its last commit.
fn prove(backups: &Backups, tables: &str, script: &BTreeMap<u64, String>) {
    let folder = &backups.chain.folder;
    let again = folder.connect("again.db");
    again.execute_batch(tables).unwrap();
    let mut done = 0;
    for point in &backups.points {
        let restored = Connection::open(folder.path(&point.name)).unwrap();
        let last: i64 = restored.query_row("SELECT seq FROM clock", [], |row| row.get(0)).unwrap();
        let last = u64::try_from(last).unwrap();
        assert!(point.commits.contains(&last), "{}: {last} is not among {:?}", point.name, point.commits);
        for seq in done + 1..=last {
            again.execute_batch(&format!("BEGIN; UPDATE clock SET seq = seq + 1; {}; COMMIT", script[&seq])).unwrap();
        }
        done = last;
        assert_equal(&folder.path("again.db"), &folder.path(&point.name));
    }
    assert_eq!(done, script.len() as u64);
    let sum: i64 = again.query_row("SELECT sum(balance) FROM account", [], |row| row.get(0)).unwrap();
    assert_eq!(sum, 20_000, "what is done again is right");
}
