//! Chains that cannot go on, and why; what is left behind, and what is not.

use crate::{
    chain::{Came, Chain, filled, following_server, owner, server},
    support::postgres::{connection, fresh_name},
};
use domain::Code;
use source::{Begun, Context, IncrementalMethod, Member, Owner, Scope, Since, Sink, Source, postgres::Postgres};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use testkit::PostgresServer;

/// The reason why the next backup has to be a full one.
fn refused(chain: &mut Chain<'_>) -> String {
    match chain.incremental().unwrap() {
        Came::MustBeFull(why) => why,
        other => panic!("{other:?}"),
    }
}

/// A chain with a change that is not in it yet.
fn changed_chain() -> Chain<'static> {
    let chain = Chain::begin(server(), &filled("create table t(id int primary key)"));
    chain.sql("insert into t values (1)");
    chain
}

fn slots(server: &PostgresServer, database: &str) -> String {
    let sql = format!("select coalesce(string_agg(slot_name, ' '), '') from pg_replication_slots where database = '{database}'");
    server.psql("postgres", &sql).unwrap()
}

#[test]
fn a_slot_that_is_gone_or_was_moved_ends_the_chain() {
    let mut chain = changed_chain();
    let slot = slots(server(), &chain.database);
    chain.sql(&format!("select pg_replication_slot_advance('{slot}', pg_current_wal_lsn())"));
    assert!(refused(&mut chain).contains("was moved by somebody else"));
    assert_eq!(slots(server(), &chain.database), "", "nobody goes on from it");
    assert!(refused(&mut chain).contains("is gone"));
    chain.full().unwrap();
    chain.sql("insert into t values (2)");
    assert_eq!(chain.incremental().unwrap(), Came::Changes);
    chain.check();
}

#[test]
fn a_slot_that_holds_back_much_is_gone_on_from_and_lets_it_go() {
    let server = following_server().start().unwrap();
    server.create_database("d").unwrap();
    server.psql("d", "create table t(a text)").unwrap();
    let mut chain = Chain::begin(&server, "d");
    chain.sql("insert into t select repeat(md5(i::text), 10) from generate_series(1, 10000) i");
    assert!(chain.following.held_bytes(&Context::default()).unwrap() > Some(1 << 20));
    assert_eq!(chain.incremental().unwrap(), Came::Changes);
    chain.check();
    // A slot holds back from where the server last wrote down what was under way: once it has, it can go on.
    chain.sql("checkpoint");
    assert_eq!(chain.incremental().unwrap(), Came::Unchanged);
    chain.sql("checkpoint");
    assert_eq!(chain.incremental().unwrap(), Came::Unchanged);
    assert!(chain.following.held_bytes(&Context::default()).unwrap() < Some(1 << 20));
}

#[test]
fn log_that_the_server_removed_ends_the_chain() {
    let server =
        following_server().conf("max_slot_wal_keep_size = 16MB").conf("min_wal_size = 32MB").conf("max_wal_size = 32MB").start().unwrap();
    server.create_database("d").unwrap();
    server.psql("d", "create table t(a text)").unwrap();
    let mut chain = Chain::begin(&server, "d");
    for _ in 0..4 {
        chain.sql("insert into t select repeat(md5(i::text), 30) from generate_series(1, 20000) i; select pg_switch_wal(); checkpoint");
    }
    assert_eq!(chain.sql("select wal_status from pg_replication_slots"), "lost");
    assert!(refused(&mut chain).contains("max_slot_wal_keep_size"));
    assert_eq!(slots(&server, "d"), "");
}

#[test]
fn state_that_was_lost_ends_the_chain() {
    let mut chain = changed_chain();
    let state = chain.last().state.clone();
    std::fs::write(state.join("state.json"), "{}").unwrap();
    assert!(refused(&mut chain).contains("was lost"));
    std::fs::remove_dir_all(&state).unwrap();
    assert!(refused(&mut chain).contains("was lost"));
    chain.backups[0].summary.position = serde_json::Value::Null;
    assert!(refused(&mut chain).contains("says nothing"));
}

#[test]
fn another_history_of_the_server_is_noticed() {
    let mut chain = changed_chain();
    chain.backups[0].summary.position["server"]["timeline"] = "00000007".into();
    assert!(refused(&mut chain).contains("restored or promoted"));
    let mut chain = changed_chain();
    chain.backups[0].summary.position["server"]["system"] = "123".into();
    assert!(refused(&mut chain).contains("another one"));
    let mut chain = changed_chain();
    chain.backups[0].summary.position["server"].as_object_mut().unwrap().remove("database").unwrap();
    assert!(refused(&mut chain).contains("older version"));
    let mut chain = changed_chain();
    chain.backups[0].summary.position["snapshot"] = "900000000:900000000:".into();
    assert!(refused(&mut chain).contains("set back"));
}

#[test]
fn a_backup_that_was_not_told_of_is_not_taken_twice() {
    let mut chain = changed_chain();
    assert_eq!(chain.unsettled().unwrap(), Came::Changes);
    chain.sql("update t set id = 2");
    assert_eq!(chain.unsettled().unwrap(), Came::Changes);
    assert_eq!(chain.last().summary.changes.unwrap().transactions, 1);
    assert_eq!(chain.unsettled().unwrap(), Came::Unchanged);
    assert_eq!(chain.incremental().unwrap(), Came::Unchanged);
    chain.check();
}

#[test]
fn a_backup_that_came_to_nothing_leaves_no_slot_and_spares_the_one_before() {
    let mut chain = changed_chain();
    let before = slots(server(), &chain.database);
    let folder = tempfile::tempdir().unwrap();
    let reading = chain.following.begin_full(folder.path(), &Context::default()).unwrap();
    assert_eq!(slots(server(), &chain.database).split(' ').count(), 2);
    drop(reading);
    assert_eq!(slots(server(), &chain.database), before);
    assert_eq!(chain.incremental().unwrap(), Came::Changes);
    chain.full().unwrap();
    assert_ne!(slots(server(), &chain.database), before);
    assert!(!slots(server(), &chain.database).contains(' '), "the slot of the chain before is gone");
    // Another owner's slots are none of its business.
    let other = chain.source.follow(&chain.database, &Owner { root: "elsewhere".into(), ..owner() });
    other.release(&Context::default()).unwrap();
    assert_eq!(chain.incremental().unwrap(), Came::Unchanged);
}

#[test]
fn the_slot_of_an_idle_database_moves_on() {
    let mut chain = Chain::begin(server(), &filled("create table t(id int primary key)"));
    let place = |chain: &Chain<'_>| {
        chain
            .sql("select confirmed_flush_lsn - '0/0' from pg_replication_slots where database = current_database()")
            .parse::<u64>()
            .unwrap()
    };
    for _ in 0..2 {
        let before = place(&chain);
        server().psql("postgres", "create table if not exists busy(a int); insert into busy select generate_series(1, 1000)").unwrap();
        assert_eq!(chain.incremental().unwrap(), Came::Unchanged);
        assert!(place(&chain) > before);
    }
    chain.sql("insert into t values (1)");
    assert_eq!(chain.incremental().unwrap(), Came::Changes);
    chain.check();
}

#[test]
fn a_role_needs_replication_and_the_right_to_read() {
    let database = filled("create table t(id int primary key); create table n(a int); insert into n values (1)");
    let role = format!("follower_{database}");
    server().psql("postgres", &format!("create role {role} login replication; grant pg_read_all_data to {role}")).unwrap();
    let mut chain = Chain::none(server(), &database, Postgres::new(&connection(server(), &role), 2).unwrap());
    let found = chain.source.capabilities(&database, &Context::default()).unwrap();
    assert_eq!(found.incremental, Some(IncrementalMethod::ChangeStream), "{:?}", found.notes);
    assert!(found.notes.iter().any(|note| note.contains("public.n")), "{:?}", found.notes);
    chain.full().unwrap();
    chain.sql("insert into t values (1); update n set a = 2");
    assert_eq!(chain.incremental().unwrap(), Came::Changes);
    chain.source = Postgres::new(&connection(server(), "postgres"), 2).unwrap();
    chain.check();
}

#[test]
fn where_there_is_no_stream_it_is_said_what_is_missing() {
    let server = PostgresServer::builder().conf("wal_level = logical").conf("max_replication_slots = 1").start().unwrap();
    server.psql("postgres", "create role reader login; grant pg_read_all_data to reader; create database d").unwrap();
    let said = |user: &str| {
        let found = Postgres::new(&connection(&server, user), 2).unwrap().capabilities("d", &Context::default()).unwrap();
        (found.incremental == Some(IncrementalMethod::ChangeStream), found.notes.join(" "))
    };
    assert!(said("postgres").0, "{}", said("postgres").1);
    assert!(!said("reader").0 && said("reader").1.contains("ALTER ROLE"), "{}", said("reader").1);
    server.psql("postgres", "select pg_create_physical_replication_slot('taken')").unwrap();
    let (follows, notes) = said("postgres");
    assert!(!follows && notes.contains("max_replication_slots to at least "), "{notes}");
    assert_eq!(server.psql("postgres", "select string_agg(slot_name, ' ') from pg_replication_slots").unwrap(), "taken");
    // Without a slot rows are compared.
    let mut chain = Chain::none(&server, "d", Postgres::new(&connection(&server, "postgres"), 2).unwrap());
    chain.full().unwrap();
    assert!(chain.last().summary.position["no_stream"].as_str().unwrap().contains("max_replication_slots"));
    assert!(chain.last().description.notes.join(" ").contains("For one that begins with the next full backup raise max_replication_slots"));
    assert_eq!(chain.incremental().unwrap(), Came::Unchanged);
}

#[test]
fn a_server_without_logical_log_says_so() {
    let server = PostgresServer::start().unwrap();
    server.create_database("d").unwrap();
    let source = Postgres::new(&connection(&server, "postgres"), 2).unwrap();
    let found = source.capabilities("d", &Context::default()).unwrap();
    assert!(found.notes.iter().any(|note| note.contains("wal_level = logical")), "{:?}", found.notes);
    let mut chain = Chain::none(&server, "d", source);
    chain.full().unwrap();
    assert!(chain.last().summary.position["no_stream"].as_str().unwrap().contains("wal_level"));
    drop(chain.source.begin_full(&Scope::Database("d".into()), &Context::default()).unwrap());
}

#[test]
fn a_server_without_the_plugin_says_what_to_install() {
    // Modules are looked for where none are: as if contrib was not installed.
    let server = following_server().conf("dynamic_library_path = '/nowhere'").start().unwrap();
    server.create_database("d").unwrap();
    server.psql("d", "create table t(id int primary key); insert into t values (1)").unwrap();
    let mut chain = Chain::begin(&server, "d");
    let found = chain.source.capabilities("d", &Context::default()).unwrap();
    assert_eq!(found.incremental, Some(IncrementalMethod::RowComparison));
    assert!(found.notes.iter().any(|note| note.contains("postgresql-contrib") && note.contains("test_decoding")), "{:?}", found.notes);
    assert!(chain.last().summary.position["no_stream"].as_str().unwrap().contains("postgresql-contrib"));
    chain.sql("insert into t values (2)");
    assert_eq!(chain.incremental().unwrap(), Came::Changes);
    chain.check();
}

#[test]
fn a_plugin_that_is_gone_ends_the_chain() {
    let server = following_server().start().unwrap();
    server.create_database("d").unwrap();
    server.psql("d", "create table t(id int primary key)").unwrap();
    let mut chain = Chain::begin(&server, "d");
    chain.sql("insert into t values (1)");
    server.psql("postgres", "alter system set dynamic_library_path = '/nowhere'; select pg_reload_conf()").unwrap();
    testkit::eventually("the server has read its settings", || chain.sql("show dynamic_library_path") == "/nowhere").unwrap();
    assert!(refused(&mut chain).contains("does not give its changes"));
    chain.full().unwrap();
    assert_eq!(slots(&server, "d"), "");
    chain.sql("insert into t values (2)");
    assert_eq!(chain.incremental().unwrap(), Came::Changes);
    chain.check();
}

#[test]
fn slots_are_shown_with_what_they_hold_back() {
    let chain = changed_chain();
    chain.sql("insert into t select generate_series(10, 20000)");
    let shown = chain.source.slots(&Context::default()).unwrap();
    let ours = shown.iter().find(|slot| slot.database == chain.database).unwrap();
    assert!(ours.name.starts_with("rookery_01234567_") && ours.held_bytes > 100_000 && !ours.is_active && !ours.is_lost, "{ours:?}");
}

#[test]
fn a_chain_is_released_whatever_became_of_its_database() {
    let chain = changed_chain();
    let name = fresh_name();
    server().psql("postgres", &format!("alter database {} rename to {name}", chain.database)).unwrap();
    assert_ne!(slots(server(), &name), "");
    server().psql(&name, "insert into t select generate_series(10, 20000)").unwrap();
    assert!(chain.following.held_bytes(&Context::default()).unwrap() > Some(100_000));
    chain.following.release(&Context::default()).unwrap();
    assert_eq!(slots(server(), &name), "");
    assert_eq!(chain.following.held_bytes(&Context::default()).unwrap(), None);
    server().psql("postgres", &format!("drop database {name}")).unwrap();
    chain.following.release(&Context::default()).unwrap();
}

#[test]
fn a_stopped_backup_is_stopped() {
    let chain = changed_chain();
    let context = Context::default();
    context.cancel.cancel();
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(chain.following.begin_full(folder.path(), &context).map(drop).unwrap_err().code(), Code::Cancelled);
}

/// A sink that fails at its n-th call.
struct Failing(AtomicUsize);

impl Failing {
    fn call(&self) -> domain::Result<()> {
        match self.0.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)) {
            Ok(1) | Err(_) => Err(domain::Error::internal("no more")),
            Ok(_) => Ok(()),
        }
    }
}

impl Sink for Failing {
    fn member(&self, _: &str) -> domain::Result<Box<dyn Member + '_>> {
        self.call()?;
        Ok(Box::new(FailingMember(self)))
    }
}

struct FailingMember<'a>(&'a Failing);

impl Member for FailingMember<'_> {
    fn write(&mut self, _: &[u8]) -> domain::Result<()> {
        self.0.call()
    }

    fn finish(self: Box<Self>) -> domain::Result<()> {
        self.0.call()
    }
}

#[test]
fn a_backup_that_fails_at_any_step_is_made_again() {
    let database = filled("create table t(id int primary key); create table n(a int); insert into n values (1)");
    let source = Postgres::new(&connection(server(), "postgres"), 2).unwrap().with_windows(4 << 10);
    let mut chain = Chain::none(server(), &database, source);
    for calls in 1..30 {
        let folder = tempfile::tempdir().unwrap();
        let reading = chain.following.begin_full(folder.path(), &Context::default()).unwrap();
        if reading.read(&Failing(AtomicUsize::new(calls)), &Context::default()).is_ok() {
            break;
        }
        assert_eq!(slots(server(), &database), "", "after {calls} calls");
    }
    chain.full().unwrap();
    let slot = slots(server(), &database);
    for i in 0..50 {
        chain.sql(&format!("insert into t select {i} * 1000 + i from generate_series(1, 50) i"));
    }
    chain.sql("create table new(a int); insert into new values (1); update n set a = 2");
    let (mut calls, mut failed) = (1, 0);
    loop {
        let next = tempfile::tempdir().unwrap();
        let last = chain.last();
        let since = Since { position: &last.summary.position, state: &last.state, next: next.path() };
        let Begun::Changes(reading) = chain.following.begin_incremental(&since, &Context::default()).unwrap() else { panic!() };
        if reading.read(&Failing(AtomicUsize::new(calls)), &Context::default()).is_ok() {
            break;
        }
        let ours = slots(server(), &database);
        assert_eq!(ours.split(' ').filter(|name| !name.starts_with("rookery_reading_")).collect::<Vec<_>>(), [slot.as_str()]);
        (calls, failed) = (calls + 1 + calls / 3, failed + 1);
    }
    assert!(failed > 10, "{failed}");
    // The last one was read to its end, and came to nothing after that.
    chain.settle().unwrap();
    // What was begun and not kept has changed nothing, and left nothing.
    testkit::eventually("only the slot is there", || slots(server(), &database) == slot).unwrap();
    assert_eq!(chain.incremental().unwrap(), Came::Changes);
    chain.check();
}

#[test]
fn a_standby_is_compared_and_asked_for_nothing_it_cannot_give() {
    let mut server = following_server().start().unwrap();
    server.create_database("d").unwrap();
    server
        .psql("d", "create table t(id int primary key); insert into t values (1); create unlogged table u(a int); create table n(a int)")
        .unwrap();
    server.psql("d", "checkpoint").unwrap();
    std::fs::write(server.folder().join("data/standby.signal"), "").unwrap();
    server.restart().unwrap();
    let source = Postgres::new(&connection(&server, "postgres"), 2).unwrap();
    let found = source.capabilities("d", &Context::default()).unwrap();
    assert_eq!(found.incremental, Some(IncrementalMethod::RowComparison));
    assert!(found.notes.iter().any(|note| note.contains("standby")), "{:?}", found.notes);
    let mut chain = Chain::none(&server, "d", source);
    chain.full().unwrap();
    assert_eq!(chain.incremental().unwrap(), Came::Unchanged);
    // It becomes a server of its own, with a history of its own.
    let Chain { backups, folder: _folder, .. } = chain;
    std::fs::remove_file(server.folder().join("data/standby.signal")).unwrap();
    server.restart().unwrap();
    let mut promoted = Chain::none(&server, "d", Postgres::new(&connection(&server, "postgres"), 2).unwrap());
    promoted.backups = backups;
    let why = refused(&mut promoted);
    assert!(why.contains("promoted"), "{why}");
}
