//! How users' files are treated, and what happens when something is wrong with them.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use domain::{Code, Error};
use rusqlite::Connection;
use source::{Context, Member, Scope, Sink, Source, sqlite::Sqlite};
use std::{
    fs,
    io::{BufRead, BufReader, Write},
    os::unix::{
        ffi::OsStrExt,
        fs::{PermissionsExt, symlink},
    },
    process::{Child, Command, Stdio},
    time::Duration,
};
use support::{
    Archive, load_whole,
    sqlite::{Folder, assert_same},
};

/// Another program: Python with its own SQLite, obeying one statement per line.
struct Program {
    child: Child,
    output: BufReader<std::process::ChildStdout>,
}

impl Program {
    fn new(folder: &Folder, name: &str) -> Self {
        let script = "import sqlite3,sys\n\
            c=sqlite3.connect(sys.argv[1],isolation_level=None,timeout=0)\n\
            for l in sys.stdin:\n\
            \x20  print(c.execute(l).fetchall(),flush=True)\n";
        let mut child = Command::new("python3")
            .args(["-c", script])
            .arg(folder.path(name))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self { child, output }
    }

    fn run(&mut self, sql: &str) -> String {
        writeln!(self.child.stdin.as_mut().unwrap(), "{sql}").unwrap();
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        assert!(!line.is_empty(), "{sql}");
        line
    }

    /// As kill -9 does: nothing is put in order.
    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn code<T>(result: Result<T, Error>) -> Code {
    result.err().map(|error| error.code()).expect("an error")
}

#[test]
fn databases_are_found_by_their_header() {
    let folder = Folder::new();
    for name in ["b.db", "a", "deep/er/x.txt", "we ird'n\"ame %41.sqlite3", "line\nbreak"] {
        folder.make(name, "CREATE TABLE t(x)");
    }
    fs::write(folder.path("readme.db"), "not a database").unwrap();
    fs::write(folder.path("zero.db"), "").unwrap();
    folder.make(".rookery-staging-xyz", "CREATE TABLE t(x)");
    let outside = Folder::new();
    outside.make("secret.db", "CREATE TABLE t(x)");
    symlink(outside.path("secret.db"), folder.path("link.db")).unwrap();
    symlink(outside.temp.path(), folder.path("linked")).unwrap();
    Command::new("mkfifo").arg(folder.path("pipe")).status().unwrap();
    let latin = folder.temp.path().join(std::ffi::OsStr::from_bytes(b"caf\xe9.db"));
    // rusqlite wants UTF-8 nowhere, but opens what the bytes say.
    Connection::open(&latin).unwrap().execute_batch("CREATE TABLE t(x); INSERT INTO t VALUES (1)").unwrap();

    assert_eq!(folder.names(), ["a", "b.db", "caf//xE9.db", "deep/er/x.txt", "line\nbreak", "we ird'n\"ame %41.sqlite3"]);
    for name in folder.names() {
        let backup = folder.backup(&name).unwrap();
        folder.restore(&backup, &format!("copy/{name}")).unwrap();
        assert!(folder.names().contains(&format!("copy/{name}")));
    }
    for name in ["link.db", "linked/secret.db", "../x", "/etc/passwd", "", ".", "a/", "a//b", "nothing", "deep/er", "nul\0"] {
        assert!(matches!(code(folder.backup(name)), Code::DatabaseGone | Code::Privilege), "{name}");
    }
}

#[test]
fn a_folder_that_cannot_be_used_says_why() {
    let folder = Folder::new();
    fs::write(folder.path("file"), "").unwrap();
    let missing = Sqlite::new(&folder.path("missing"), 1).err().unwrap();
    assert_eq!(missing.code(), Code::NotFound);
    assert!(missing.to_string().contains("missing"));
    assert_eq!(code(Sqlite::new(&folder.path("file"), 1)), Code::Usage);
    assert!(folder.names().is_empty());
}

#[test]
fn paths_longer_than_sqlite_takes() {
    let folder = Folder::new();
    folder.make("x.db", "CREATE TABLE t(x); INSERT INTO t VALUES (1)");
    let deep = (0..60).map(|at| format!("folder-{at:04}")).collect::<Vec<_>>().join("/");
    fs::create_dir_all(folder.path(&deep)).unwrap();
    let name = format!("{deep}/x.db");
    fs::copy(folder.path("x.db"), folder.path(&name)).unwrap();
    assert!(folder.names().contains(&name));
    let backup = folder.backup(&name).unwrap();
    assert_eq!(backup.summary.rows(), 1);
    assert_eq!(code(folder.restore(&backup, &format!("{deep}/y.db"))), Code::Usage);
    assert_eq!(folder.all_files().len(), 2);
}

#[test]
fn the_wal_that_a_killed_program_left_is_read_and_not_touched() {
    let folder = Folder::new();
    let mut program = Program::new(&folder, "live.db");
    program.run("PRAGMA journal_mode=WAL");
    program.run("CREATE TABLE t(x)");
    program.run("WITH RECURSIVE n(v) AS (SELECT 1 UNION ALL SELECT v+1 FROM n LIMIT 1000) INSERT INTO t SELECT v FROM n");
    program.kill();
    for keep_shm in [true, false] {
        if !keep_shm {
            fs::remove_file(folder.path("live.db-shm")).unwrap();
        }
        let files = folder.all_files();
        let read = || (fs::read(folder.path("live.db")).unwrap(), fs::read(folder.path("live.db-wal")).unwrap());
        let before = read();
        assert!(!before.1.is_empty());
        assert_eq!(folder.backup("live.db").unwrap().summary.rows(), 1000);
        assert!(read() == before);
        assert_eq!(folder.all_files(), files);
    }
    let backup = folder.backup("live.db").unwrap();
    folder.restore(&backup, "copy.db").unwrap();
    assert_same(&folder.path("live.db"), &folder.path("copy.db"));
}

#[test]
fn the_wal_of_a_living_program_is_not_touched() {
    let folder = Folder::new();
    let mut program = Program::new(&folder, "live.db");
    program.run("PRAGMA journal_mode=WAL");
    program.run("CREATE TABLE t(x)");
    program.run("INSERT INTO t VALUES (1),(2)");
    program.run("BEGIN IMMEDIATE");
    program.run("INSERT INTO t VALUES (3)");
    let before = fs::read(folder.path("live.db-wal")).unwrap();
    // A writer in the middle of its transaction neither waits nor is seen.
    assert_eq!(folder.backup("live.db").unwrap().summary.rows(), 2);
    assert!(fs::read(folder.path("live.db-wal")).unwrap() == before);
    program.run("COMMIT");
    assert_eq!(program.run("SELECT count(*) FROM t"), "[(3,)]\n");
    assert_eq!(folder.backup("live.db").unwrap().summary.rows(), 3);
}

#[test]
fn nothing_is_left_beside_a_closed_database() {
    let folder = Folder::new();
    for mode in ["wal", "delete", "persist", "truncate"] {
        folder.make(mode, &format!("PRAGMA journal_mode={mode}; CREATE TABLE t(x); INSERT INTO t VALUES (1)"));
    }
    let files = folder.all_files();
    let before: Vec<_> = files.iter().map(|file| fs::read(folder.path(file)).unwrap()).collect();
    for mode in ["wal", "delete", "persist", "truncate"] {
        let backup = folder.backup(mode).unwrap();
        assert_eq!(backup.summary.rows(), 1);
        assert_eq!(backup.description.properties["journal_mode"] == "wal", mode == "wal");
    }
    assert_eq!(folder.all_files(), files);
    let after: Vec<_> = files.iter().map(|file| fs::read(folder.path(file)).unwrap()).collect();
    assert!(before == after);
}

/// Runs something when the first row arrives: the moment is held, reading has begun.
struct Interrupted<'a> {
    archive: &'a Archive,
    then: &'a (dyn Fn() + Sync),
}

impl Sink for Interrupted<'_> {
    fn member(&self, name: &str) -> domain::Result<Box<dyn Member + '_>> {
        (self.then)();
        self.archive.member(name)
    }
}

#[test]
fn a_backup_sees_one_moment_while_a_program_writes() {
    for mode in ["wal", "delete"] {
        let folder = Folder::new();
        folder.make(
            "bank.db",
            &format!(
                "PRAGMA journal_mode={mode}; CREATE TABLE a(id INTEGER PRIMARY KEY, n INT, pad); CREATE TABLE b(id INTEGER PRIMARY KEY, n INT, pad);
                 WITH RECURSIVE v(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM v LIMIT 20000) INSERT INTO a SELECT i, 100, randomblob(900) FROM v;
                 INSERT INTO b SELECT id, 100, randomblob(900) FROM a;"
            ),
        );
        let program = std::sync::Mutex::new(Program::new(&folder, "bank.db"));
        let transfer = || {
            let mut program = program.lock().unwrap();
            for sql in ["BEGIN", "UPDATE a SET n = n - 7 WHERE id % 100 = 3", "UPDATE b SET n = n + 7 WHERE id % 100 = 3", "COMMIT"] {
                program.run(sql);
            }
        };
        let context = Context::default();
        let reading = folder.source().begin_full(&Scope::Database("bank.db".into()), &context).unwrap();
        let archive = Archive::default();
        reading.read(&Interrupted { archive: &archive, then: &transfer }, &context).unwrap();
        let sum =
            |table: &str| -> i64 { archive.rows(table).iter().map(|row| row.split(',').nth(1).unwrap().parse::<i64>().unwrap()).sum() };
        assert_eq!((sum("a"), sum("b")), (2_000_000, 2_000_000), "{mode}");
        let changed = program.lock().unwrap().run("SELECT sum(n) < 2000000 FROM a");
        assert_eq!(changed, "[(1,)]\n");
    }
}

#[test]
fn a_journal_that_a_crash_left_is_rolled_back_in_a_copy() {
    let folder = Folder::new();
    folder.make("hot.db", "PRAGMA page_size=512; CREATE TABLE t(x); INSERT INTO t VALUES (1),(2);");
    let mut program = Program::new(&folder, "hot.db");
    for sql in ["PRAGMA cache_size=1", "PRAGMA cache_spill=1", "BEGIN IMMEDIATE", "UPDATE t SET x = zeroblob(400)"] {
        program.run(sql);
    }
    program.run("WITH RECURSIVE n(v) AS (SELECT 1 UNION ALL SELECT v+1 FROM n LIMIT 500) INSERT INTO t SELECT zeroblob(400) FROM n");
    program.kill();
    let files = folder.all_files();
    let read = || files.iter().map(|file| fs::read(folder.path(file)).unwrap()).collect::<Vec<_>>();
    let before = read();
    assert!(files.contains(&"hot.db-journal".to_owned()) && before[0].len() > 10_000, "the journal must be hot");
    let backup = folder.backup("hot.db").unwrap();
    assert_eq!(backup.archive.rows("t"), ["[1,1]", "[2,2]"]);
    assert!(read() == before && folder.all_files() == files);
}

#[test]
fn a_locked_database_is_busy_after_a_bounded_time() {
    let folder = Folder::new();
    folder.make("b.db", "CREATE TABLE t(x)");
    let mut program = Program::new(&folder, "b.db");
    program.run("BEGIN EXCLUSIVE");
    let source = folder.source().with_patience(Duration::from_millis(30));
    let begin = |context: &Context| source.begin_full(&Scope::Database("b.db".into()), context);
    assert_eq!(code(begin(&Context::default())), Code::Busy);
    let cancelled = Context::default();
    cancelled.cancel.cancel();
    assert_eq!(code(folder.source().begin_full(&Scope::Database("b.db".into()), &cancelled)), Code::Cancelled);
    program.run("COMMIT");
    begin(&Context::default()).unwrap();
}

#[test]
fn files_that_only_look_like_databases() {
    let folder = Folder::new();
    folder.make("good.db", "CREATE TABLE t(x); INSERT INTO t VALUES (1)");
    let mut garbage = b"SQLite format 3\0".to_vec();
    garbage.extend((0..5000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8));
    fs::write(folder.path("garbage.db"), &garbage).unwrap();
    fs::write(folder.path("short.db"), &garbage[..16]).unwrap();
    let mut head = fs::read(folder.path("good.db")).unwrap()[..100].to_vec();
    head.extend(&garbage[16..]);
    fs::write(folder.path("head.db"), &head).unwrap();
    assert_eq!(folder.names().len(), 4);
    for name in ["garbage.db", "short.db", "head.db"] {
        let error = folder.backup(name).err().unwrap();
        assert!(matches!(error.code(), Code::NotADatabase | Code::CorruptDatabase), "{name}: {error:?}");
        assert!(error.to_string().contains(name), "{error}");
    }
}

#[test]
fn a_damaged_page_fails_the_backup_and_names_the_table() {
    for mode in ["wal", "delete"] {
        let folder = Folder::new();
        let sql = "CREATE TABLE fine(x); INSERT INTO fine VALUES (1); CREATE TABLE item(id INTEGER PRIMARY KEY, x);
             WITH RECURSIVE n(v) AS (SELECT 1 UNION ALL SELECT v+1 FROM n LIMIT 3000) INSERT INTO item SELECT v, hex(randomblob(40)) FROM n;";
        folder.make("c.db", &format!("PRAGMA journal_mode={mode}; {sql}"));
        let whole = fs::read(folder.path("c.db")).unwrap();
        let page = whole.len() / 4096 / 2;
        let damage = |at: usize, bytes: &[u8]| {
            let mut damaged = whole.clone();
            damaged[at..at + bytes.len()].copy_from_slice(bytes);
            fs::write(folder.path("c.db"), &damaged).unwrap();
        };
        // A page of zeros; a type that no page has; a cell that reaches beyond its page; a file cut short.
        for (at, bytes) in [(page * 4096, &[0_u8; 4096][..]), (page * 4096, b"\x77"), (page * 4096 + 8, b"\xff\xff\xff\xff")] {
            damage(at, bytes);
            let error = folder.backup("c.db").err().unwrap();
            assert_eq!(error.code(), Code::CorruptDatabase, "{error:?}");
            assert!(error.to_string().contains("\"item\""), "{error}");
        }
        fs::write(folder.path("c.db"), &whole[..page * 4096]).unwrap();
        assert_eq!(code(folder.backup("c.db")), Code::CorruptDatabase);
    }
}

#[test]
fn a_vanished_database_is_gone() {
    let folder = Folder::new();
    folder.make("v.db", "CREATE TABLE t(x)");
    let source = folder.source();
    fs::remove_file(folder.path("v.db")).unwrap();
    assert_eq!(code(source.begin_full(&Scope::Database("v.db".into()), &Context::default())), Code::DatabaseGone);
}

#[test]
fn a_cancelled_backup_stops() {
    let folder = Folder::new();
    folder.make(
        "c.db",
        "CREATE TABLE t(x); WITH RECURSIVE n(v) AS (SELECT 1 UNION ALL SELECT v+1 FROM n LIMIT 300000) INSERT INTO t SELECT v FROM n;",
    );
    let context = Context::default();
    let reading = folder.source().begin_full(&Scope::Database("c.db".into()), &context).unwrap();
    let archive = Archive::default();
    let stop = || context.cancel.cancel();
    assert_eq!(code(reading.read(&Interrupted { archive: &archive, then: &stop }, &context)), Code::Cancelled);
}

#[test]
fn a_new_name_must_be_free_and_below_the_folder() {
    let folder = Folder::new();
    folder.make("a.db", "CREATE TABLE t(x)");
    fs::create_dir(folder.path("dir")).unwrap();
    fs::write(folder.path("stale.db-journal"), "old").unwrap();
    symlink("/", folder.path("out")).unwrap();
    let backup = folder.backup("a.db").unwrap();
    for (name, expected) in [
        ("a.db", Code::NameTaken),
        ("dir", Code::NameTaken),
        ("out", Code::NameTaken),
        ("stale.db", Code::NameTaken),
        ("out/x.db", Code::Usage),
        ("a.db/x.db", Code::Usage),
        ("../x.db", Code::Usage),
        ("/tmp/x.db", Code::Usage),
        ("dir/./x", Code::Usage),
        ("", Code::Usage),
        ("dir/", Code::Usage),
        ("x\0y", Code::Usage),
        ("x.db-wal", Code::Usage),
        (".rookery-staging-x", Code::Usage),
    ] {
        let error = folder.restore(&backup, name).err().unwrap();
        assert_eq!(error.code(), expected, "{name}: {error}");
        assert!(expected != Code::NameTaken || error.to_string().contains("exists"), "{error}");
    }
    folder.restore(&backup, "new/folders/b.db").unwrap();
    assert_eq!(folder.all_files(), ["a.db", "new/folders/b.db", "out", "stale.db-journal"]);
}

#[test]
fn a_name_taken_meanwhile_is_not_replaced() {
    let folder = Folder::new();
    folder.make("a.db", "CREATE TABLE t(x)");
    let backup = folder.backup("a.db").unwrap();
    let context = Context::default();
    let mut staging = folder.source().stage(&folder.request(&backup, "sub/b.db"), &context).unwrap();
    load_whole(&mut *staging, &backup.archive, &context).unwrap();
    fs::create_dir(folder.path("sub")).unwrap();
    fs::write(folder.path("sub/b.db"), "mine").unwrap();
    assert_eq!(code(staging.publish(&context)), Code::NameTaken);
    assert_eq!(folder.all_files(), ["a.db", "sub/b.db"]);
    assert_eq!(fs::read(folder.path("sub/b.db")).unwrap(), b"mine");
}

#[test]
fn a_sweep_removes_what_the_dead_left_and_nothing_of_the_living() {
    let folder = Folder::new();
    folder.make("a.db", "CREATE TABLE t(x); INSERT INTO t VALUES (1)");
    let backup = folder.backup("a.db").unwrap();
    let context = Context::default();
    let mut staging = folder.source().stage(&folder.request(&backup, "b.db"), &context).unwrap();
    fs::create_dir(folder.path("sub")).unwrap();
    for dead in [".rookery-staging-dead", "sub/.rookery-staging-dead", "sub/.rookery-staging-dead-wal", ".rookery-staging-gone-shm"] {
        fs::write(folder.path(dead), "x").unwrap();
    }
    folder.source().sweep(&context).unwrap();
    assert_eq!(folder.all_files().len(), 2, "{:?}", folder.all_files());
    load_whole(&mut *staging, &backup.archive, &context).unwrap();
    staging.publish(&context).unwrap();
    assert_eq!(folder.all_files(), ["a.db", "b.db"]);
    drop(folder.source().stage(&folder.request(&backup, "c.db"), &context).unwrap());
    assert_eq!(folder.all_files(), ["a.db", "b.db"]);
}

#[test]
fn what_a_killed_process_left_is_swept_at_once() {
    const VARIABLE: &str = "STAGE_AND_WAIT_IN";
    if let Some(path) = std::env::var_os(VARIABLE) {
        let source = Sqlite::new(path.as_ref(), 1).unwrap();
        let context = Context::default();
        // Large enough for an image on the disk.
        let reading = source.begin_full(&Scope::Database("a.db".into()), &context).unwrap();
        let request = source::StageRequest {
            name: "b.db".into(),
            description: reading.description().clone(),
            no_owner: false,
            create_roles: false,
            only_table: None,
            keep_going: false,
        };
        let _staging = source.stage(&request, &context).unwrap();
        println!("staged");
        std::thread::park();
    }
    let folder = Folder::new();
    folder.make("a.db", "CREATE TABLE t(x); INSERT INTO t VALUES (zeroblob(9000000))");
    let images = tempfile::tempdir().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "what_a_killed_process_left_is_swept_at_once", "--nocapture"])
        .env(VARIABLE, folder.temp.path())
        .env("TMPDIR", images.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    assert!(output.lines().any(|line| line.unwrap().contains("staged")));
    assert!(images.path().read_dir().unwrap().next().is_none(), "an image in use has no name");
    let context = Context::default();
    folder.source().sweep(&context).unwrap();
    assert_eq!(folder.all_files().len(), 2, "the living keep theirs");
    child.kill().unwrap();
    child.wait().unwrap();
    folder.source().sweep(&context).unwrap();
    assert_eq!(folder.all_files(), ["a.db"]);
}

/// Runs this test binary's `test` again as nobody, with `path` in `variable`, and returns what it printed.
fn as_nobody(test: &str, variable: &str, path: &std::path::Path) -> String {
    let place = tempfile::tempdir().unwrap();
    let open = fs::Permissions::from_mode(0o755);
    fs::set_permissions(place.path(), open.clone()).unwrap();
    let program = place.path().join("test");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    fs::set_permissions(&program, open).unwrap();
    let output = Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(program)
        .args(["--exact", test, "--nocapture"])
        .env(variable, path)
        .current_dir("/")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn an_account_that_may_only_read() {
    const VARIABLE: &str = "BACK_UP_AS_NOBODY_IN";
    if let Some(path) = std::env::var_os(VARIABLE) {
        let context = Context::default();
        let source = Sqlite::new(path.as_ref(), 1).unwrap();
        for database in source.databases(&context).unwrap() {
            let reading = source.begin_full(&Scope::Database(database.name.clone()), &context);
            let result = reading.and_then(|reading| reading.read(&Archive::default(), &context));
            println!("{}: {:?}", database.name, result.map(|summary| summary.rows()).map_err(|error| error.code()));
        }
        return;
    }
    let folder = Folder::new();
    for mode in ["wal", "delete"] {
        folder.make(mode, &format!("PRAGMA journal_mode={mode}; CREATE TABLE t(x); INSERT INTO t VALUES (1)"));
    }
    for name in ["killed", "killed-without-shm"] {
        let mut program = Program::new(&folder, name);
        for sql in ["PRAGMA journal_mode=WAL", "CREATE TABLE t(x)", "INSERT INTO t VALUES (1),(2)"] {
            program.run(sql);
        }
        program.kill();
    }
    fs::remove_file(folder.path("killed-without-shm-shm")).unwrap();
    folder.make("secret", "CREATE TABLE t(x)");
    folder.make("private/x", "CREATE TABLE t(x)");
    let mode = |name: &str, mode| fs::set_permissions(folder.path(name), fs::Permissions::from_mode(mode)).unwrap();
    for (name, bits) in [("", 0o755), ("secret", 0o600), ("private", 0o700)] {
        mode(name, bits);
    }
    let files = folder.all_files();
    let output = as_nobody("an_account_that_may_only_read", VARIABLE, folder.temp.path());
    let lines: Vec<_> = output.lines().filter(|line| line.contains("Ok(") || line.contains("Err(")).collect();
    assert_eq!(
        lines,
        ["delete: Ok(1)", "killed: Ok(2)", "killed-without-shm: Ok(2)", "private/: Err(Privilege)", "secret: Err(Privilege)", "wal: Ok(1)"]
    );
    assert_eq!(folder.all_files(), files);
}

#[test]
fn an_archive_that_lies_is_refused_and_leaves_nothing() {
    let folder = Folder::new();
    folder.make("a.db", "CREATE TABLE t(x, y); INSERT INTO t VALUES (1,2); CREATE INDEX i ON t(x)");
    let context = Context::default();
    let objects = |line: &str| format!("{line}\n");
    let part = "data/t/000000.ndjson.zst";
    let header = r#"{"table":"t","columns":["rowid","x","y"],"types":["INTEGER","",""]}"#;
    let table = r#"[1,"table","t","t",true,"CREATE TABLE t(x, y)"]"#;
    let lies: &[(&str, Option<String>)] = &[
        (part, None),
        (part, Some(format!("{header}\n[1,2]\n"))),
        (part, Some(format!("{header}\n[1,2,3,4]\n"))),
        (part, Some(format!("{header}\n[1,2,99999999999999999999]\n"))),
        (part, Some(format!("{header}\n[1,2,{{\"real\":\"nan\"}}]\n"))),
        (part, Some(format!("{header}\n[1,2,{{\"wide\":\"00\",\"size_bytes\":5000000000,\"form\":\"b64\"}}]\n"))),
        (part, Some(format!("{header}\n[\"no number\",2,3]\n"))),
        (part, Some(header.replace("\"y\"", "\"z\"") + "\n")),
        ("schema/objects.ndjson", None),
        ("schema/objects.ndjson", Some("[1]\n".into())),
        ("schema/objects.ndjson", Some(objects(&table.replace("CREATE TABLE t(x, y)", "ATTACH '/tmp/rookery-evil' AS e")))),
        ("schema/objects.ndjson", Some(objects(&table.replace("CREATE TABLE t(x, y)", "CREATE TABLE t AS SELECT 1 AS x, 2 AS y")))),
        ("schema/objects.ndjson", Some(objects(&table.replace("CREATE TABLE t(x, y)", "CREATE TABLE t(x, y); DROP TABLE t")))),
        ("schema/objects.ndjson", Some(objects(&table.replace("CREATE TABLE t(x, y)", "CREATE TABLE u(x, y)")))),
        ("schema/objects.ndjson", Some(objects(&table.replace("CREATE TABLE t(x, y)", "CREATE TEMP TABLE t(x, y)")))),
        ("schema/objects.ndjson", Some(objects(&table.replace("CREATE TABLE t(x, y)", "PRAGMA journal_mode=WAL")))),
        ("schema/objects.ndjson", Some(objects(&table.replace("CREATE TABLE t(x, y)", "CREATE VIRTUAL TABLE t USING fts5(x)")))),
        // A limit of the whole process, which must not be reachable.
        ("schema/objects.ndjson", Some(objects(&table.replace("CREATE TABLE t(x, y)", "PRAGMA hard_heap_limit=4000000000")))),
        ("schema/objects.ndjson", Some(format!("{table}\n[2,\"view\",\"v\",\"v\",false,\"nonsense\"]\n"))),
        ("schema/objects.ndjson", Some(format!("{table}\n{table}\n"))),
    ];
    for (member, content) in lies {
        let backup = folder.backup("a.db").unwrap();
        match content {
            Some(content) => backup.archive.put(member, content.as_bytes()),
            None => backup.archive.remove(member),
        }
        let error = folder.restore(&backup, "b.db").err().unwrap_or_else(|| panic!("{member}: {content:?} was taken"));
        assert!(!matches!(error.code(), Code::Internal), "{content:?}: {error:?}");
        assert_eq!(folder.all_files(), ["a.db"], "{content:?}");
    }
    assert!(!std::path::Path::new("/tmp/rookery-evil").exists());
    let limit = folder.connect("a.db").query_row("PRAGMA hard_heap_limit", [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(limit, 0);
    let mut foreign = folder.backup("a.db").unwrap();
    foreign.description.dbms = domain::Dbms::Postgresql;
    assert_eq!(code(folder.source().stage(&folder.request(&foreign, "b.db"), &context).map(|_| ())), Code::Usage);
}
