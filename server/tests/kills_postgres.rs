//! The real binary, killed on its way through a backup or a restore of a PostgreSQL server: what was there before holds,
//! the next run succeeds, and nothing of the killed one stays on the server or on the disk.

#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]

mod support;

use std::{
    fs,
    panic::resume_unwind,
    process::Command,
    thread::{self, Builder},
};
use support::{World, ran};
use testkit::{PostgresServer, eventually, run_to_step};

/// Moments at which each command is killed: its first and last steps, and a spread between. Each costs two runs.
const POINTS: usize = 40;
/// Of these, as many are the first steps, and as many the last.
const AT_THE_ENDS: usize = 8;
/// Each has a server of its own, so that what is left there is known to be the killed program's.
const THREADS: usize = 2;

const PASSWORD: &str = "a secret that lies nowhere";

/// Staging databases, slots, locks and sessions.
const LEFT_ON_SERVER: &str = "select (select count(*) from pg_database where datname like 'rookery%') \
    + (select count(*) from pg_replication_slots) + (select count(*) from pg_locks where locktype = 'advisory') \
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

/// A server with a database, and a world with a backup of it.
struct Place {
    server: PostgresServer,
    world: World,
}

impl Place {
    fn new() -> Self {
        let server = PostgresServer::builder().hba("host all all 127.0.0.1/32 scram-sha-256").start().unwrap();
        server.psql("postgres", &format!("create role backup login superuser password '{PASSWORD}'")).unwrap();
        server.create_database("shop").unwrap();
        server.psql("shop", SHOP).unwrap();
        let place = Self { server, world: World::new() };
        ran(place.backup()).succeeds();
        place
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
        let left: Vec<_> = fs::read_dir(self.world.path("tmp")).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(left.is_empty(), "temporary files stayed: {left:?}");
        for (path, bytes) in self.world.files() {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            assert!(!name.starts_with(".partial-"), "{} stayed under the root", path.display());
            assert!(!String::from_utf8_lossy(&bytes).contains(PASSWORD), "{} holds the password", path.display());
        }
        // A session is over when the server has noticed that nobody is there any more.
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
        for step in points(steps).into_iter().skip(part).step_by(THREADS) {
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

/// The first and the last steps, and an even spread of those between.
fn points(steps: usize) -> Vec<usize> {
    let between = steps.saturating_sub(2 * AT_THE_ENDS);
    let spread = POINTS - 2 * AT_THE_ENDS;
    let middle = (0..spread).map(|at| AT_THE_ENDS + 1 + at * between / spread);
    let mut points: Vec<_> = (1..=AT_THE_ENDS).chain(middle).chain(steps.saturating_sub(AT_THE_ENDS) + 1..=steps).collect();
    points.dedup();
    points
}
