//! The real binary, killed on its way through a backup or a restore of a PostgreSQL server: what was there before holds,
//! the next run succeeds, and nothing of the killed one stays on the server or on the disk. A chain goes on from where it was, with
//! its one slot, and no change is lost or comes twice.

#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]

mod support;

use std::{
    collections::BTreeMap,
    fs,
    panic::resume_unwind,
    process::Command,
    thread::{self, Builder},
};
use support::{World, ran};
use testkit::{PostgresServer, eventually, run_to_step};

/// Moments at which a command is killed that works alone. Each costs two runs.
const POINTS: Points = Points { first: 8, between: 24, last: 8 };
/// Each has a server of its own, so that what is left there is known to be the killed program's.
const THREADS: usize = 2;

const PASSWORD: &str = "a secret that lies nowhere";

/// Staging databases, locks and sessions.
const LEFT_ON_SERVER: &str = "select (select count(*) from pg_database where datname like 'rookery%') \
    + (select count(*) from pg_locks where locktype = 'advisory') \
    + (select count(*) from pg_prepared_xacts) + (select count(*) from pg_stat_activity where usename = 'backup')";

const SHOP: &str = "create table item(id int primary key, name text, price numeric); \
    insert into item select i, 'item ' || i, i / 7.0 from generate_series(1, 3000) i; \
    create index on item(name); create table sold(item int references item, at timestamptz default now()); \
    insert into sold(item) select i from generate_series(1, 500) i; create sequence counted; select nextval('counted'); \
    select lo_from_bytea(0, decode(repeat('ab', 5000), 'hex')); create view dear as select * from item where price > 100;";

#[test]
fn a_backup_may_be_killed_on_its_way() {
    let met = kill_on_the_way(Place::backup, |place, before| {
        ran(place.backup()).succeeds();
        assert!(place.backups() >= before + 2, "the database and the roles");
    });
    assert!(met.iter().any(|step| step.contains("socket:")), "{met:#?}");
}

#[test]
fn a_restore_may_be_killed_on_its_way() {
    let met = kill_on_the_way(Place::restore, |place, before| {
        let published = place.has("back");
        let again = ran(place.restore());
        if published {
            again.fails(1, &["back", "exists"])
        } else {
            again.succeeds()
        };
        assert_eq!(place.server.dump("back").unwrap(), place.server.dump("shop").unwrap());
        place.server.psql("postgres", "drop database back").unwrap();
        assert_eq!(place.backups(), before);
    });
    assert!(met.iter().any(|step| step.contains("socket:")), "{met:#?}");
}

#[test]
fn an_incremental_may_be_killed_on_its_way() {
    let met = Chain::new().kill_on_the_way(&[], Points { first: 3, between: 5, last: 14 });
    // The slot still stands where the backup before ended, and the changes since come once more.
    assert!(met.iter().any(|(call, made)| *made == 1 && call.contains("socket:")), "{met:#?}");
}

#[test]
fn a_full_backup_that_begins_a_chain_may_be_killed_on_its_way() {
    let met = Chain::new().kill_on_the_way(&["--most-incrementals", "0"], Points { first: 3, between: 8, last: 10 });
    // After the incremental that ends the chain before, and after the full backup as well.
    for backups in [1, 2] {
        assert!(met.iter().any(|(call, made)| *made == backups && call.contains("socket:")), "{met:#?}");
    }
}

/// After every so many kills an older backup is restored, too.
const RESTORE_EVERY: usize = 4;

/// A chain that grows while the program that makes it is killed again and again.
struct Chain {
    place: Place,
    /// What the database held at each of its backups, by their labels.
    dumps: BTreeMap<String, String>,
    changes: usize,
}

impl Chain {
    fn new() -> Self {
        let mut chain = Self { place: Place::without_backup(), dumps: BTreeMap::new(), changes: 0 };
        ran(chain.backup(&[])).succeeds();
        chain.note();
        chain
    }

    /// Without a document on standard output: each of its lines would be a step to be killed at.
    fn backup(&self, more: &[&str]) -> Command {
        let (address, root) = (self.place.address(), self.place.world.root());
        let arguments = ["backup", &address, "--to", &root, "--database", "shop", "--kind", "incremental"];
        self.place.command(&[arguments.as_slice(), more].concat())
    }

    /// Inserts, updates and deletes.
    fn change(&mut self) {
        self.changes += 1;
        let n = self.changes;
        let sql = format!(
            "insert into item values (10000 + {n}, 'new {n}', {n}); update item set name = name || '+' where id % 300 = {n}; \
             delete from item where id = 3001 - {n}; insert into sold(item) values ({n}); select nextval('counted');"
        );
        self.place.server.psql("shop", &sql).unwrap();
    }

    /// The labels of all backups, each of which holds.
    fn verified(&self) -> Vec<String> {
        let verified = self.place.world.verify().succeeds().json();
        let backups = verified["backups"].as_array().unwrap();
        backups.iter().filter(|backup| backup["database"] == "shop").map(|backup| backup["label"].as_str().unwrap().into()).collect()
    }

    /// What is new among the backups holds what there is now.
    fn note(&mut self) {
        let now = self.place.server.dump("shop").unwrap();
        for label in self.verified() {
            self.dumps.entry(label).or_insert_with(|| now.clone());
        }
    }

    /// A backup gives back what there was: nothing is lost, and nothing comes twice.
    fn restores(&self, label: &str) {
        let mut restore = self.place.restore();
        restore.args(["--point", label]);
        assert_eq!(ran(restore).succeeds().json()["proven"], true);
        assert!(self.place.server.dump("back").unwrap() == self.dumps[label], "{label} is not what there was");
        self.place.server.psql("postgres", "drop database back").unwrap();
    }

    /// Kills the backup at some of its steps. Returns the calls that it was killed at, and how many backups it had made by then.
    fn kill_on_the_way(mut self, more: &[&str], points: Points) -> Vec<(String, usize)> {
        self.change();
        let steps = run_to_step(&self.backup(more), usize::MAX).unwrap().steps;
        self.note();
        let mut met = vec![];
        for (number, step) in points.of(steps).into_iter().enumerate() {
            self.change();
            let Some(call) = run_to_step(&self.backup(more), step).unwrap().killed_at else {
                self.note();
                continue;
            };
            let name = format!("killed at step {step} of {steps}, {call}");
            let check = || self.goes_on(number);
            let checked = thread::scope(|scope| Builder::new().name(name).spawn_scoped(scope, check).unwrap().join());
            met.push((call, checked.unwrap_or_else(|panic| resume_unwind(panic))));
        }
        met
    }

    /// What was there holds, and the next incremental goes on from it. Returns how many the killed one made.
    fn goes_on(&mut self, number: usize) -> usize {
        self.place.is_left_alone();
        let known = self.dumps.len();
        let there = self.verified();
        assert!(self.dumps.keys().all(|label| there.contains(label)), "{there:?}");
        if number.is_multiple_of(RESTORE_EVERY) {
            let older = self.dumps.keys().nth(number % known).unwrap();
            self.restores(older);
        }
        self.note();
        let made = self.dumps.len() - known;
        let again = ran(self.backup(&["--json"])).succeeds().json()["runs"][0].clone();
        let expected = if made > 0 { "no_changes" } else { "succeeded" };
        assert!(again["result"] == expected && again["kind"] == "incremental", "{again}");
        self.note();
        assert_eq!(self.dumps.len(), known + made.max(1));
        self.restores(self.dumps.keys().next_back().unwrap());
        self.place.holds_nothing_but(1);
        made
    }
}

/// A server with a database, and a world with a backup of it.
struct Place {
    server: PostgresServer,
    world: World,
}

impl Place {
    fn new() -> Self {
        let place = Self::without_backup();
        ran(place.backup()).succeeds();
        place
    }

    fn without_backup() -> Self {
        // With a change stream: what must leave no slot could.
        let builder = PostgresServer::builder().conf("wal_level = logical").hba("host all all 127.0.0.1/32 scram-sha-256");
        let server = builder.start().unwrap();
        server.psql("postgres", &format!("create role backup login superuser password '{PASSWORD}'")).unwrap();
        server.create_database("shop").unwrap();
        server.psql("shop", SHOP).unwrap();
        Self { server, world: World::new() }
    }

    fn backup(&self) -> Command {
        self.command(&["backup", &self.address(), "--to", &self.world.root(), "--exclude", "postgres", "--json"])
    }

    fn restore(&self) -> Command {
        self.command(&["restore", &self.world.root(), "--database", "shop", "--into", &self.address(), "--as", "back", "--json"])
    }

    fn address(&self) -> String {
        format!("postgres://backup@127.0.0.1:{}", self.server.port())
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.world.command(arguments);
        command.env("PGPASSWORD", PASSWORD);
        command
    }

    /// How many backups there are, each of which must hold.
    fn backups(&self) -> usize {
        self.world.verify().succeeds().json()["backups"].as_array().unwrap().len()
    }

    fn has(&self, database: &str) -> bool {
        self.server.psql("postgres", &format!("select count(*) from pg_database where datname = '{database}'")).unwrap() == "1"
    }

    fn check(&self, again: impl Fn(&Self, usize)) {
        let before = self.backups();
        assert!(before >= 2, "the backup that there was is gone");
        again(self, before);
        self.holds_nothing_but(0);
    }

    /// Neither the server nor the disk holds more than the backups, and so many slots of chains.
    fn holds_nothing_but(&self, slots: usize) {
        let left: Vec<_> = fs::read_dir(self.world.path("tmp")).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(left.is_empty(), "temporary files stayed: {left:?}");
        for (path, bytes) in self.world.files() {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            assert!(!name.starts_with(".partial-"), "{} stayed under the root", path.display());
            assert!(!String::from_utf8_lossy(&bytes).contains(PASSWORD), "{} holds the password", path.display());
        }
        self.is_left_alone();
        assert_eq!(self.server.psql("postgres", "select count(*) from pg_replication_slots").unwrap(), slots.to_string(), "slots");
    }

    /// A session is over when the server has noticed that nobody is there any more.
    fn is_left_alone(&self) {
        eventually("nothing of ours is on the server", || self.server.psql("postgres", LEFT_ON_SERVER).unwrap() == "0").unwrap();
    }
}

/// Kills the command at many of its steps, each time with a new copy of the world, and then does `again` what a user would
/// do next; it is told how many backups there were. Returns the steps.
fn kill_on_the_way(command: fn(&Place) -> Command, again: fn(&Place, usize)) -> Vec<String> {
    let part = |part: usize| {
        let mut place = Place::new();
        let template = place.world.copied();
        let steps = run_to_step(&command(&place), usize::MAX).unwrap().steps;
        if place.has("back") {
            place.server.psql("postgres", "drop database back").unwrap();
        }
        let mut met = vec![];
        for step in POINTS.of(steps).into_iter().skip(part).step_by(THREADS) {
            place.world = template.copied();
            // What several threads do is not always the same, so the last steps may not be reached.
            let Some(call) = run_to_step(&command(&place), step).unwrap().killed_at else { continue };
            let name = format!("killed at step {step} of {steps}, {call}");
            met.push(call);
            let check = || place.check(again);
            let checked = thread::scope(|scope| Builder::new().name(name).spawn_scoped(scope, check).unwrap().join());
            checked.unwrap_or_else(|panic| resume_unwind(panic));
        }
        met
    };
    thread::scope(|scope| {
        let parts: Vec<_> = (0..THREADS).map(|number| scope.spawn(move || part(number))).collect();
        parts.into_iter().flat_map(|part| part.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
    })
}

/// Which steps a program is killed at: the first ones, the last ones, and an even spread of those between.
struct Points {
    first: usize,
    between: usize,
    last: usize,
}

impl Points {
    fn of(&self, steps: usize) -> Vec<usize> {
        let between = steps.saturating_sub(self.first + self.last);
        let middle = (0..self.between).map(|at| self.first + 1 + at * between / self.between);
        let mut points: Vec<_> = (1..=self.first).chain(middle).chain(steps.saturating_sub(self.last) + 1..=steps).collect();
        points.dedup();
        points
    }
}
