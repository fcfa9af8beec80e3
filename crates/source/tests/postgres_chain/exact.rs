//! Exactness under load: writers of every kind run while a full backup and twenty incrementals are taken. Each backup comes back as
//! the server itself saw it in that backup's snapshot; so do the end, and moments in between at which nobody wrote. And so does each
//! where definitions change, slots are dropped and the server crashes meanwhile.

use crate::{
    chain::{Came, Chain, following_server},
    support::{
        pace::Pace,
        postgres::{self, connection},
    },
};
use domain::{Code, TableSummary};
use jiff::Timestamp;
use source::{
    Context,
    postgres::wire::{Session, sqlstate},
};
use std::collections::BTreeSet;
use testkit::PostgresServer;

const TABLES: &str = r#"
create table docs(id int primary key, n int, body text, meta jsonb); alter table docs alter body set storage external;
create table items(a int, b text, v numeric, primary key (b, a));
create table ledger(id bigint generated always as identity primary key, amount numeric(12,2), doubled numeric generated always as (amount * 2) stored, note text);
create table moved(id int generated always as identity, k text primary key, big text); alter table moved alter big set storage external;
create table full_pk(id int primary key, a text, b text); alter table full_pk replica identity full;
create table full_dup(a int, b text); alter table full_dup replica identity full;
create table parted(id int, day int, t text, primary key (id, day)) partition by range (day);
create table parted_1 partition of parted for values from (0) to (100); create table parted_2 partition of parted for values from (100) to (200);
create table nokey(a int, b text); create table log(line text, at timestamptz default now());
create table by_index(u int not null, v text, w float8); create unique index by_index_u on by_index(u); alter table by_index replica identity using index by_index_u;
create table "strange ""t:[]'"("old-key:" int primary key, "new tuple [x]:'" text);
insert into docs select i, 0, string_agg(md5((i * 1000 + j)::text), ''), '{}' from generate_series(1, 40) i, generate_series(1, 150) j group by i;
insert into parted select i, i % 200, 'x' from generate_series(1, 200) i; insert into nokey select i % 7, 'y' from generate_series(1, 50) i;
insert into by_index select i, 'v', i from generate_series(1, 50) i; insert into moved(k, big) select 'k' || i, repeat(md5(i::text), 100) from generate_series(1, 30) i;
"#;

/// What a writer does at its n-th turn: one transaction, which may fail by itself.
type Turn = fn(u64) -> String;

static WRITERS: [Turn; 8] = [
    // Rows that are updated with their large value untouched, and with it rewritten.
    |n| match n % 3 {
        0 => format!("update docs set body = repeat(md5('{n}'), 100 + {}) where id = {}", n % 60, n % 40 + 1),
        1 => format!("update docs set n = n + 1, meta = jsonb_build_object('text', {n}, 'q', E'\\'\"\\n') where id = {}", n % 40 + 1),
        _ => format!("update docs set n = n + 1 where id % 5 = {}", n % 5),
    },
    // Deleted and inserted again, also in one transaction; keys of two columns, not in the order of the columns.
    |n| {
        let key = n % 20;
        format!(
            "begin; delete from items where a = {key}; insert into items values ({key}, E'k\\'\\\\{}', {n}.50), ({key}, '', 'NaN'); update items set v = v + 1 where a = {}; commit",
            n % 3,
            (n + 7) % 20
        )
    },
    // Savepoints and transactions that are rolled back.
    |n| {
        let end = if n % 4 == 0 { "rollback" } else { "commit" };
        format!(
            "begin; insert into ledger(amount, note) values ({n}, E'line\\none'); savepoint a; insert into ledger(amount) values (-1); update ledger set note = 'lost'; rollback to a; savepoint b; update ledger set amount = amount + 0.01, note = null where id % 9 = {}; release b; delete from ledger where id < (select max(id) - 60 from ledger); {end}",
            n % 9
        )
    },
    // Keys that change, with a large value that does not, and an identity that is given anew.
    |n| match n % 4 {
        0 => format!("update moved set k = 'n' || id || '_{n}' where id % 6 = {}", n % 6),
        1 => {
            "begin; update moved set k = k || 'x' where id % 5 = 1; update moved set k = left(k, 20), id = default where id % 5 = 2; commit"
                .into()
        }
        2 => format!("insert into moved(k, big) values ('new{n}', repeat('{n}', 900)) on conflict do nothing"),
        _ => format!("delete from moved where id % 11 = {} and (select count(*) from moved) > 20", n % 11),
    },
    // Replica identity full: with a key, and duplicates with NULLs without one.
    |n| {
        format!(
            "begin; insert into full_pk values ({n}, null, 'x'); update full_pk set a = b, b = null where id % 4 = {}; delete from full_pk where id = {}; insert into full_dup values (null, 'd'), (null, 'd'), ({n}, null); {}; commit",
            n % 4,
            n.saturating_sub(15),
            if n % 10 == 9 { "delete from full_dup where a is null" } else { "select 1" }
        )
    },
    // Rows that move between partitions.
    |n| {
        format!(
            "update parted set day = (day + 37) % 200, t = '{n}' where id = {} and not exists (select from parted p where p.id = {} and p.day = (parted.day + 37) % 200)",
            n % 200 + 1,
            n % 200 + 1
        )
    },
    // Without a key: only inserted, and updated and deleted now and then.
    |n| match n % 12 {
        11 => format!("update nokey set b = b || '{n}' where a = {}", n % 7),
        5 => format!("delete from nokey where ctid = (select ctid from nokey where a = {} limit 1)", n % 7),
        _ => format!("insert into log(line) values (E'\\\\.\\t{n}'), (null); insert into nokey values ({}, 'z')", n % 7),
    },
    // An index as the identity, and strange names.
    |n| {
        format!(
            "update by_index set v = md5(v), w = case when u % 2 = 0 then '-0'::float8 else 'Infinity' end, u = u + case when u = {} then 1000 else 0 end where u % 13 = {}; insert into by_index values ({}, null, 0.1) on conflict do nothing; insert into \"strange \"\"t:[]'\" values ({n}, E'table x.y: INSERT: a[b]:\\'\\n') on conflict do nothing; delete from \"strange \"\"t:[]'\" where \"old-key:\" = {}",
            n % 50,
            n % 13,
            n % 90,
            n.saturating_sub(9)
        )
    },
];

/// The state at a moment at which nobody wrote, as a backup counts it.
struct Barrier {
    at: Timestamp,
    tables: Vec<TableSummary>,
}

/// What one backup must hold: what the server itself counts in the snapshot that the backup was read in.
struct Seen {
    backups: usize,
    snapshot: String,
    tables: String,
    /// What a backup counts, where nobody wrote while it was made.
    quiet: Option<Vec<TableSummary>>,
}

#[test]
fn everything_comes_back_that_writers_committed() {
    // Moments are restored besides.
    under_load(&following_server().start().unwrap(), 5);
}

#[test]
fn everything_comes_back_where_rows_are_compared() {
    under_load(&PostgresServer::start().unwrap(), 1);
}

/// Each `step`th backup is restored and compared with what was to be seen when it was made.
fn under_load(server: &PostgresServer, step: usize) {
    let database = postgres::filled(server, TABLES);
    let source = source::postgres::Postgres::new(&connection(server, "postgres"), 3).unwrap().with_windows(64 << 10);
    let mut chain = Chain::none(server, &database, source);
    let (pace, mut barriers, mut seen) = (Pace::default(), vec![], vec![]);
    let writers = WRITERS.iter().map(|writer| || write(server, &database, *writer, &pace));
    pace.beside(writers, || {
        pace.allow(400);
        chain.full().unwrap();
        let is_streamed = chain.last().summary.position.get("stream").is_some();
        for round in 0..20 {
            pace.allow(200);
            let mut quiet = (round % 4 == 1).then(|| (pace.pause(), chain.digests(&database)));
            if let Some((paused, tables)) = quiet.take_if(|_| is_streamed) {
                let at = chain.sql("select (extract(epoch from clock_timestamp()) * 1000000)::bigint").parse().unwrap();
                barriers.push(Barrier { at: Timestamp::from_microsecond(at).unwrap(), tables });
                drop(paused);
                // The moment shall lie inside of what the next backup covers.
                pace.allow(100);
            }
            if round == 10 {
                chain.sql("vacuum freeze");
            }
            let mut saw = None;
            // Each third time the process dies before it tells the server.
            let came = chain.unsettled_after(|| saw = Some(seen_by_the_backup(server, &database)));
            assert_eq!(came.unwrap(), Came::Changes);
            if round % 3 != 2 {
                chain.settle().unwrap();
            }
            let (snapshot, tables) = saw.unwrap();
            let quiet = quiet.map(|(_paused, tables)| tables);
            seen.push(Seen { backups: chain.backups.len(), snapshot, tables, quiet });
        }
        pace.allow(100);
    });
    assert_eq!(chain.incremental().unwrap(), Came::Changes);
    chain.check();
    let slots: BTreeSet<_> = chain.backups.iter().filter_map(|backup| backup.summary.position["stream"]["slot"].as_str()).collect();
    assert_ne!(slots.len(), 1, "no incremental went on with a slot of its own");
    for Seen { backups, snapshot, tables, quiet } in seen.into_iter().step_by(step) {
        assert_eq!(chain.backups[backups - 1].summary.position["snapshot"].as_str(), Some(snapshot.as_str()));
        let (name, ..) = chain.restore_first(backups, None).unwrap();
        assert_eq!(counted(&mut postgres::session(server, &name)), tables, "after {backups} backups");
        if let Some(quiet) = quiet {
            assert_eq!(chain.digests(&name), quiet);
        }
        server.psql("postgres", &format!("drop database {name}")).unwrap();
    }
    for barrier in barriers {
        assert_barrier(&chain, barrier);
    }
}

/// What happens beside the writers of [`through_trouble`].
#[derive(Clone, Copy)]
enum Trouble {
    /// Before a backup.
    Before(&'static str),
    /// After it took its moment, before it reads; or not, where it holds a lock.
    Within(&'static str),
    /// A process of the server dies, so that it ends all others and begins anew.
    Crash,
    /// Somebody drops the slot.
    NoSlot,
}

const TROUBLES: [Trouble; 14] = [
    Trouble::Before("alter table docs add more text default 'more'; create table later(id int primary key, t text)"),
    Trouble::Within("alter table docs add within int default 5; insert into later select i, 'l' from generate_series(1, 100) i"),
    Trouble::Before("alter table items alter v type numeric(30, 3); truncate log"),
    Trouble::Within("alter table items alter v type numeric"),
    Trouble::Crash,
    Trouble::Before("alter table by_index add z int; update by_index set z = 1 where u % 2 = 0; alter table later rename to renamed"),
    Trouble::Within("alter table renamed rename to later; update later set t = 'again' where id % 2 = 0"),
    Trouble::Before("vacuum full moved"),
    Trouble::Within("truncate moved"),
    Trouble::NoSlot,
    Trouble::Within("alter table parted detach partition parted_2"),
    Trouble::Before(
        "do $$ begin if not (select relispartition from pg_class where relname = 'parted_2') then alter table parted attach partition parted_2 for values from (100) to (200); end if; end $$",
    ),
    Trouble::Within("drop table if exists later"),
    Trouble::Before("cluster items using items_pkey"),
];

#[test]
fn everything_comes_back_after_trouble() {
    through_trouble(&following_server().start().unwrap());
}

#[test]
fn everything_comes_back_after_trouble_where_rows_are_compared() {
    through_trouble(&PostgresServer::start().unwrap());
}

/// After each trouble there is a backup that comes back as it was to be seen when it was made: an incremental, but where the slot is gone.
fn through_trouble(server: &PostgresServer) {
    let database = postgres::filled(server, TABLES);
    let mut chain = Chain::none(server, &database, source::postgres::Postgres::new(&connection(server, "postgres"), 3).unwrap());
    let pace = Pace::default();
    let writers = WRITERS.iter().map(|writer| || write(server, &database, *writer, &pace));
    pace.beside(writers, || {
        pace.allow(200);
        chain.full().unwrap();
        let is_streamed = chain.last().summary.position.get("stream").is_some();
        for trouble in TROUBLES {
            pace.allow(100);
            let mut needs_full = false;
            match trouble {
                Trouble::Before(sql) => drop(chain.sql(sql)),
                Trouble::Within(_) => {}
                Trouble::Crash => crash(server),
                Trouble::NoSlot => {
                    chain.sql("select pg_drop_replication_slot(slot_name) from pg_replication_slots");
                    needs_full = is_streamed;
                }
            }
            let mut saw = None;
            let came = chain.unsettled_after(|| {
                saw = Some(seen_by_the_backup(server, &database).1);
                if let Trouble::Within(sql) = trouble {
                    let mut session = postgres::session(server, &database);
                    let done = session.execute(&format!("set lock_timeout = '500ms'; begin; {sql}; commit"));
                    assert!(done.as_ref().map_or_else(|error| sqlstate(error) == Some("55P03"), |()| true), "{done:?}");
                }
            });
            match came {
                Ok(Came::Changes) if !needs_full => {
                    chain.settle().unwrap();
                    let (name, ..) = chain.restored(None).unwrap();
                    assert_eq!(Some(counted(&mut postgres::session(server, &name))), saw);
                    server.psql("postgres", &format!("drop database {name}")).unwrap();
                }
                Ok(Came::MustBeFull(_)) if needs_full => chain.full().unwrap(),
                // What was emptied after the moment cannot be read as it was.
                Err(error) if error.code() == Code::Busy => assert!(matches!(trouble, Trouble::Within(_)), "{error}"),
                other => panic!("{other:?}"),
            }
        }
        pace.allow(100);
    });
    assert_eq!(chain.incremental().unwrap(), Came::Changes);
    chain.check();
}

/// Ends a process of the server as a defect of it would.
fn crash(server: &PostgresServer) {
    let [mut ended, mut other] = [(); 2].map(|()| postgres::session(server, "postgres"));
    let process = ended.query("select pg_backend_pid()").unwrap()[0].parse(0).unwrap();
    rustix::process::kill_process(rustix::process::Pid::from_raw(process).unwrap(), rustix::process::Signal::KILL).unwrap();
    // The server has noticed when it has ended the others.
    assert_eq!(other.query("select pg_sleep(600)").unwrap_err().code(), Code::ConnectionLost);
    drop(after_crash(server, "postgres"));
}

/// The moment itself comes back, but for tables that are named.
fn assert_barrier(chain: &Chain<'_>, Barrier { at, tables }: Barrier) {
    let (name, notes) = chain.restore(Some(at)).unwrap();
    let noted = |table: &TableSummary| notes.iter().any(|note| note.contains(&format!("The table {} ", table.table)));
    let exact = |tables: Vec<TableSummary>| tables.into_iter().filter(|table| !noted(table)).collect::<Vec<_>>();
    assert_eq!(exact(chain.digests(&name)), exact(tables), "{notes:?}");
    for note in &notes {
        assert!(note.contains("public.nokey ") || note.contains("public.full_dup "), "{note}");
    }
}

/// Failures that are part of a writer's turn: deadlocks, keys that are there already, statements after one that failed, and rows for
/// which there is no partition.
const EXPECTED: [&str; 5] = ["40P01", "40001", "23505", "25P02", "23514"];

fn write(server: &PostgresServer, database: &str, turn: Turn, pace: &Pace) {
    let (mut session, mut n) = (postgres::session(server, database), 0);
    pace.write(|_| {
        match session.execute(&turn(n)) {
            Ok(()) => {}
            Err(error) if sqlstate(&error).is_some_and(|state| EXPECTED.contains(&state)) => session.execute("rollback").unwrap(),
            Err(error) => {
                assert_eq!(error.code(), Code::ConnectionLost, "{error}");
                session = after_crash(server, database);
            }
        }
        n += 1;
    });
}

/// A session with a server that is back after a crash.
fn after_crash(server: &PostgresServer, database: &str) -> Session {
    loop {
        match Session::connect(&postgres::target(server), database, &Context::default()) {
            Ok(session) => return session,
            // It is still starting.
            Err(error) => assert!(matches!(error.code(), Code::Unreachable | Code::ConnectionLost | Code::Busy), "{error}"),
        }
    }
}

/// Joins the snapshot of the backup that has just begun: its name, and all tables in it.
fn seen_by_the_backup(server: &PostgresServer, database: &str) -> (String, String) {
    let snapshots = server.folder().join("data/pg_snapshots").read_dir().unwrap();
    let names: Vec<_> = snapshots.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    let [name] = names.as_slice() else { panic!("one snapshot is expected: {names:?}") };
    let mut session = postgres::session(server, database);
    session.execute(&format!("begin isolation level repeatable read; set transaction snapshot '{name}'")).unwrap();
    let snapshot = session.query("select txid_current_snapshot()").unwrap()[0].text(0).unwrap().to_owned();
    (snapshot, counted(&mut session))
}

/// All tables with the number of their rows and a sum of hashes, made by the server.
fn counted(session: &mut Session) -> String {
    let one = "format('select %L as name, count(*) as rows, sum(hashtextextended(t::text, 0)::numeric) as hash from only %s t', c.oid::regclass, c.oid::regclass)";
    let all =
        format!("select string_agg({one}, ' union all ') from pg_class c where relkind = 'r' and relnamespace = 'public'::regnamespace");
    let all = session.query(&all).unwrap()[0].text(0).unwrap().to_owned();
    session.query(&format!("select string_agg(concat_ws(' ', name, rows, hash), E'\\n' order by name) from ({all}) t")).unwrap()[0]
        .text(0)
        .unwrap()
        .to_owned()
}
