//! The real binary, killed at every step that changes a file: whatever the moment, nothing half-made is offered, nothing
//! that was there is lost, and the next run succeeds and leaves nothing of the killed one.

#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]

mod support;

use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    panic::resume_unwind,
    path::{Path, PathBuf},
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    thread,
};
use support::{Ran, World, collect, copy, ran};
use testkit::{run_to_step, sqlite_dump};

/// Programs that run at the same time.
const THREADS: usize = 2;

/// After every so many steps older backups are restored too, after the others they are verified.
const RESTORE_EVERY: usize = 10;

const DATABASES: [&str; 4] = ["clean.db", "hot.db", "notes.db", "shop.db"];

const KEY: &str = "data/instance-key.json";

#[test]
fn a_backup_may_be_killed_at_any_step() {
    let template = Template::new(true);
    let steps = template.kill_at_every_step(backup, DATABASES.len(), |world| {
        world.run(backup(world)).succeeds();
    });
    assert_met(&steps, &["openat", "write on", "fsync on", "flock on", "mkdirat", "renameat2", "rookery-image-", ".partial-"]);
}

#[test]
fn a_first_backup_may_be_killed_at_any_step() {
    let template = Template::new(false);
    // One database: what comes with more is in the sweep above.
    let arguments = |world: &World| [backup(world), vec!["--database".into(), "shop.db".into()]].concat();
    let steps = template.kill_at_every_step(arguments, 1, |world| {
        world.run(arguments(world)).succeeds();
    });
    assert_met(&steps, &["openat", "write on", "fsync on", "mkdir", "mkdirat", "renameat2"]);
}

#[test]
fn an_incremental_may_be_killed_at_any_step() {
    let mut template = Template::with(|world| {
        world.run(incremental(world)).succeeds();
    });
    template.world.database("shop.db", "update item set name = 'new' where id % 50 = 7; delete from item where id > 990;");
    template.files = files(&template.world.path("dbs"));
    fs::create_dir(template.world.path("recovered")).unwrap();
    let changed = dump_of_copy(&template.world, "shop.db");
    fs::remove_dir_all(template.world.path("recovered")).unwrap();
    let steps = template.kill_in_place_at_every_step(incremental, |world| {
        let committed = Onlooker::new(world).listed().len() > 1;
        let again = world.run(incremental(world)).succeeds().json();
        let (result, kind) = (&again["runs"][0]["result"], &again["runs"][0]["kind"]);
        assert!(kind == "incremental" && result == if committed { "no_changes" } else { "succeeded" }, "{again}");
        let points = Onlooker::new(world).listed();
        assert_eq!(points.len(), 2, "{points:?}");
        assert_eq!(Onlooker::new(world).restored(points.last().unwrap()), changed);
    });
    assert_met(&steps, &["openat", "write on", "fsync on", "mkdir", "renameat2", "unlink", "chains/"]);
}

#[test]
fn a_restore_may_be_killed_at_any_step() {
    let template = Template::new(true);
    let arguments = |world: &World| restore(world, "notes.db", "dbs", "team/new.db");
    let steps = template.kill_at_every_step(arguments, 0, |world| {
        let new = world.path("dbs/team/new.db");
        let published = new.exists();
        let again = world.run(arguments(world));
        if published {
            again.fails(1, &["team/new.db", "exists"])
        } else {
            again.succeeds()
        };
        // Of a copy: looking at it would make SQLite's files beside it.
        fs::copy(new, world.path("back/new.db")).unwrap();
        assert_eq!(sqlite_dump(&world.path("back/new.db")).unwrap(), template.dumps["notes.db"]);
    });
    assert_met(&steps, &["openat", "pwrite64 on", "fsync on", "flock on", "fchmod on", "mkdir", "renameat2", ".rookery-staging-"]);
}

#[test]
fn accepting_an_instance_may_be_killed_at_any_step() {
    let template = Template::new(true);
    let fingerprint = template.world.instance().fingerprint().to_string();
    fs::remove_dir_all(template.world.path("data")).unwrap();
    let arguments = |world: &World| ["verify", &world.root(), "--accept-instance", &fingerprint].map(String::from).to_vec();
    let steps = template.kill_at_every_step(arguments, 0, |world| {
        world.run(arguments(world)).succeeds();
    });
    assert_met(&steps, &["openat", "write on", "fsync on", "renameat2", "rename", "unlink"]);
}

fn backup(world: &World) -> Vec<String> {
    ["backup", &world.server(), "--to", &world.root(), "--json"].map(String::from).to_vec()
}

fn incremental(world: &World) -> Vec<String> {
    [backup(world), ["--kind", "incremental", "--database", "shop.db"].map(String::from).to_vec()].concat()
}

fn restore(world: &World, database: &str, folder: &str, name: &str) -> Vec<String> {
    let into = format!("sqlite:{}", world.path(folder).display());
    ["restore", &world.root(), "--database", database, "--into", &into, "--as", name, "--json"].map(String::from).to_vec()
}

/// What each program that is killed begins with.
struct Template {
    world: World,
    /// The users' files.
    files: BTreeMap<PathBuf, Vec<u8>>,
    /// The databases as SQLite itself sees them.
    dumps: BTreeMap<String, String>,
    /// The backups that there are.
    points: BTreeSet<Point>,
}

impl Template {
    fn new(with_backup: bool) -> Self {
        Self::with(|world| {
            if with_backup {
                world.run(backup(world)).succeeds();
            }
        })
    }

    /// After something was done.
    fn with(before: impl Fn(&World)) -> Self {
        let world = World::new();
        ["back", "making", "recovered"].iter().for_each(|name| fs::create_dir(world.path(name)).unwrap());
        make_databases(&world);
        let dumps = DATABASES.map(|name| (name.to_owned(), dump_of_copy(&world, name))).into();
        before(&world);
        if world.path("data").exists() {
            copy(&world.path("data"), &world.path("owner"));
        }
        let points = Onlooker::new(&world).verified();
        ["making", "recovered"].iter().for_each(|name| fs::remove_dir_all(world.path(name)).unwrap());
        Self { files: files(&world.path("dbs")), dumps, points, world }
    }

    /// Kills the command at its first step, at its second, and so on until it has no more; each time in a world of its
    /// own, in which `again` then does what a user would do next, and has to add `more` backups. Returns the steps.
    fn kill_at_every_step(
        &self,
        arguments: impl Fn(&World) -> Vec<String> + Sync,
        more: usize,
        again: impl Fn(&World) + Sync,
    ) -> Vec<String> {
        let (next, done, steps) = (AtomicUsize::new(1), AtomicBool::new(false), Mutex::new(vec![]));
        let work = || {
            while !done.load(SeqCst) {
                let step = next.fetch_add(1, SeqCst);
                let world = self.world.copied();
                let ran = run_to_step(&world.command(arguments(&world)), step).unwrap();
                let Some(call) = ran.killed_at else {
                    done.store(true, SeqCst);
                    assert_eq!(ran.code, Some(0), "{}", ran.printed);
                    break;
                };
                let name = format!("killed at step {step}, {call}");
                steps.lock().unwrap().push(call);
                if let Err(panic) = self.check_as(name, &world, step, more, &again) {
                    done.store(true, SeqCst);
                    resume_unwind(panic);
                }
            }
        };
        thread::scope(|scope| (0..THREADS).for_each(|_| drop(scope.spawn(work))));
        steps.into_inner().unwrap()
    }

    /// The same for a command that goes on from what was done before at these very places: all programs work there, one after
    /// the other, each from what the template began with.
    fn kill_in_place_at_every_step(&self, arguments: impl Fn(&World) -> Vec<String>, again: impl Fn(&World) + Sync) -> Vec<String> {
        let (kept, mut steps) = (self.world.copied(), vec![]);
        loop {
            for name in ["dbs", "root", "data"] {
                fs::remove_dir_all(self.world.path(name)).unwrap();
                copy(&kept.path(name), &self.world.path(name));
            }
            let step = steps.len() + 1;
            let ran = run_to_step(&self.world.command(arguments(&self.world)), step).unwrap();
            let Some(call) = ran.killed_at else {
                assert_eq!(ran.code, Some(0), "{}", ran.printed);
                return steps;
            };
            let name = format!("killed at step {step}, {call}");
            steps.push(call);
            self.check_as(name, &self.world, step, 0, &again).unwrap_or_else(|panic| resume_unwind(panic));
        }
    }

    /// Checks in a thread of that name, so that a failure says it.
    fn check_as(&self, name: String, world: &World, step: usize, more: usize, again: &(impl Fn(&World) + Sync)) -> thread::Result<()> {
        let check = || self.check(world, step, more, again);
        thread::scope(|scope| thread::Builder::new().name(name).spawn_scoped(scope, check).unwrap().join())
    }

    fn check(&self, world: &World, step: usize, more: usize, again: &impl Fn(&World)) {
        self.assert_databases_untouched(world);
        let onlooker = Onlooker::new(world);
        let there = onlooker.verified();
        assert_eq!(there, onlooker.listed(), "what is listed is not what can be verified");
        assert!(there.is_superset(&self.points), "{there:?}");
        if step.is_multiple_of(RESTORE_EVERY) {
            self.points.iter().for_each(|point| assert_eq!(onlooker.restored(point), self.dumps[&point.0]));
        }

        let key = fs::read(world.path(KEY)).ok();
        again(world);
        self.assert_databases_untouched(world);
        self.assert_nothing_left(world);
        let now = Onlooker::new(world).verified();
        assert!(now.is_superset(&there) && now.len() >= there.len() + more, "{there:?}, then {now:?}");
        let key_now = fs::read(world.path(KEY)).unwrap();
        assert!(key.is_none_or(|key| key == key_now), "the instance became another one");
    }

    /// SQLite itself makes files beside a database in WAL mode when it is read; empty ones say nothing.
    fn assert_databases_untouched(&self, world: &World) {
        let now = files(&world.path("dbs"));
        for (path, bytes) in &self.files {
            assert!(now.get(path) == Some(bytes), "{} was changed", path.display());
        }
    }

    fn assert_nothing_left(&self, world: &World) {
        let allowed = ["clean.db-shm", "clean.db-wal", "notes.db-shm", "team/new.db"].map(PathBuf::from);
        for (path, bytes) in files(&world.path("dbs")) {
            let fine = self.files.contains_key(&path) || allowed.contains(&path) && (!path.ends_with("clean.db-wal") || bytes.is_empty());
            assert!(fine, "{} stayed in the databases' folder", path.display());
        }
        let names = |folder: &str| entries(&world.path(folder));
        assert_eq!(names("tmp"), Vec::<PathBuf>::new());
        for path in names("data") {
            if path.starts_with(world.path("data/chains")) {
                continue;
            }
            assert!(
                ["catalog-key", "instance-key.json", "accepted-instances.json"].iter().any(|name| path.ends_with(name)),
                "{} stayed",
                path.display()
            );
        }
        // Of each chain the state of its newest backup, and nothing of those before.
        for chain in fs::read_dir(world.path("data/chains")).into_iter().flatten() {
            let there = fs::read_dir(chain.unwrap().path()).unwrap().map(|state| state.unwrap().path());
            let states: Vec<_> = there.filter(|path| !path.ends_with("chain.json")).collect();
            assert!(states.len() == 1 && entries(&states[0]).iter().all(|file| !file.to_string_lossy().contains("run-")), "{states:?}");
        }
        for path in names("root") {
            let partial = path.file_name().unwrap().to_string_lossy().starts_with('.');
            assert!(!partial, "{} stayed under the root", path.display());
        }
    }
}

/// Reads the root with a copy of its owner's data directory, so that looking changes nothing there.
struct Onlooker<'a>(&'a World);

impl<'a> Onlooker<'a> {
    fn new(world: &'a World) -> Self {
        let data = world.path("onlooker");
        let _ = fs::remove_dir_all(&data);
        let owner = ["owner", "data"].map(|name| world.path(name)).into_iter().find(|path| path.exists());
        owner.into_iter().for_each(|owner| copy(&owner, &data));
        Self(world)
    }

    fn run(&self, arguments: Vec<String>) -> Ran {
        let mut command = self.0.command(arguments);
        command.env("ROOKERY_DATA_DIR", self.0.path("onlooker"));
        ran(command)
    }

    /// Every restore point, each of which must hold.
    fn verified(&self) -> BTreeSet<Point> {
        let verified = self.run(vec!["verify".into(), self.0.root(), "--json".into()]);
        if self.is_without_backup() {
            verified.fails(1, &["not-found"]);
            return BTreeSet::new();
        }
        let backups = verified.succeeds().json()["backups"].as_array().unwrap().clone();
        backups.iter().map(|backup| Point::of(&backup["database"], backup)).collect()
    }

    /// Every restore point that is shown, each of which must be shown as one that can be relied on.
    fn listed(&self) -> BTreeSet<Point> {
        let listed = self.run(vec!["list".into(), self.0.root(), "--json".into()]);
        if listed.code == 1 && self.is_without_backup() {
            listed.fails(1, &["not-found"]);
            return BTreeSet::new();
        }
        let mut points = BTreeSet::new();
        for database in listed.succeeds().json()["databases"].as_array().unwrap() {
            for point in database["restore_points"].as_array().unwrap() {
                assert_eq!(point["verified"], "checked", "{listed:?}");
                points.insert(Point::of(&database["database"], point));
            }
        }
        points
    }

    fn is_without_backup(&self) -> bool {
        !entries(&self.0.path("root")).iter().any(|path| path.to_string_lossy().ends_with(".full-backup.json"))
    }

    /// The dump of a database that is restored from this point.
    fn restored(&self, Point(database, label): &Point) -> String {
        let back = self.0.path("back");
        let mut arguments = restore(self.0, database, "back", "it.db");
        arguments.extend(["--point".into(), label.clone()]);
        assert_eq!(self.run(arguments).succeeds().json()["proven"], true);
        let dump = sqlite_dump(&back.join("it.db")).unwrap();
        fs::remove_dir_all(&back).unwrap();
        fs::create_dir(&back).unwrap();
        dump
    }
}

/// Database and label of a restore point.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Point(String, String);

impl Point {
    fn of(database: &Value, point: &Value) -> Self {
        Self(database.as_str().unwrap().into(), point["label"].as_str().unwrap().into())
    }
}

/// The databases of a user whose programs were killed too: one waits for recovery from its journal, one has its newest rows
/// in the WAL alone.
fn make_databases(world: &World) {
    world.shop();
    world.database("shop.db", "create index item_name on item(name);");
    world.database("clean.db", "pragma journal_mode=wal; create table t(x); insert into t values(1),(2);");
    let taken = |name: &str, end: &str| {
        format!(".shell cp {0} {0}{end} {1}", world.path("making").join(name).display(), world.path("dbs").display())
    };
    let notes =
        "pragma journal_mode=wal; create table note(id integer primary key, body text unique); insert into note values(1,'rook'),(2,null);";
    world.database("../making/notes.db", &format!("{notes}\n{}\n", taken("notes.db", "-wal")));
    let hot = "create table t(id integer primary key, x blob); insert into t(x) values(zeroblob(9000)),(zeroblob(9000)),('kept'); \
               pragma cache_size=1; begin; update t set x = randomblob(9000);";
    world.database("../making/hot.db", &format!("{hot}\n{}\n", taken("hot.db", "-journal")));
    for (journal, size) in [("notes.db-wal", 1000), ("hot.db-journal", 1000)] {
        assert!(fs::metadata(world.path("dbs").join(journal)).unwrap().len() > size, "{journal}");
    }
}

/// The dump of a copy that SQLite has recovered.
fn dump_of_copy(world: &World, name: &str) -> String {
    for (path, bytes) in files(&world.path("dbs")) {
        if path.to_string_lossy().starts_with(name) {
            fs::write(world.path("recovered").join(path), bytes).unwrap();
        }
    }
    world.database(&format!("../recovered/{name}"), "pragma journal_mode=delete; begin immediate; commit;");
    sqlite_dump(&world.path("recovered").join(name)).unwrap()
}

/// Files with their bytes, by their path below the folder.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = vec![];
    collect(folder, &mut all);
    all.into_iter().map(|(path, bytes)| (path.strip_prefix(folder).unwrap().to_owned(), bytes)).collect()
}

/// Everything below a folder, folders too.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut all = vec![];
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(entries(&path));
        }
        all.push(path);
    }
    all
}

/// The sweep was not an empty one: each of these was met.
fn assert_met(steps: &[String], expected: &[&str]) {
    for expected in expected {
        assert!(steps.iter().any(|step| step.contains(expected)), "no {expected} was met in {} steps: {steps:#?}", steps.len());
    }
}
