//! The slot that a chain goes on with after each incremental: which one it is, and that never a change is lost for it.

use crate::{
    chain::{Came, Chain, filled, following_server, owner, server},
    support::postgres,
};
use source::{Begun, Context, Since, Source, postgres::Postgres};
use std::time::Duration;
use testkit::PostgresServer;

/// The slots of a database, each with the place that it stands at.
fn slots(server: &PostgresServer, database: &str) -> Vec<String> {
    let sql = format!("select slot_name || ' ' || confirmed_flush_lsn from pg_replication_slots where database = '{database}' order by 1");
    server.psql("postgres", &sql).unwrap().lines().map(str::to_owned).collect()
}

/// The slot that the chain goes on with, by its last backup.
fn named(chain: &Chain<'_>) -> String {
    let place = &chain.last().summary.position["stream"];
    format!("{} {}", place["slot"].as_str().unwrap(), place["advance"].as_str().unwrap())
}

/// A source that waits for a slot however slow the machine is.
fn patient(server: &PostgresServer) -> Postgres {
    Postgres::new(&postgres::connection(server, "postgres"), 3).unwrap().with_renewal_within(Duration::from_secs(120))
}

fn changed_chain() -> Chain<'static> {
    let database = filled("create table t(id int primary key); create table bare(a int)");
    let mut chain = Chain::none(server(), &database, patient(server()));
    chain.full().unwrap();
    chain.sql("insert into t values (1); insert into bare values (1)");
    chain
}

#[test]
fn each_incremental_goes_on_with_a_slot_of_its_own_that_holds_back_nothing() {
    let mut chain = changed_chain();
    let mut before = named(&chain);
    for n in 2..5 {
        chain.sql(&format!("insert into t select generate_series({n}000, {n}900)"));
        assert!(chain.following.held_bytes(&Context::default()).unwrap() > Some(50_000));
        assert_eq!(chain.incremental().unwrap(), Came::Changes);
        let now = named(&chain);
        assert_ne!(now, before);
        assert_eq!(slots(server(), &chain.database), std::slice::from_ref(&now));
        let old = format!("select restart_lsn - '{}' from pg_replication_slots", before.split(' ').next_back().unwrap());
        let moved: i64 = chain.sql(&format!("{old} where database = current_database()")).parse().unwrap();
        assert!(moved > 50_000, "what the one before held back is let go: {moved}");
        before = now;
    }
    chain.check();
}

#[test]
fn until_it_is_told_of_the_backup_the_server_keeps_what_the_one_before_goes_on_from() {
    let mut chain = changed_chain();
    let first = slots(server(), &chain.database);
    assert_eq!(chain.unsettled().unwrap(), Came::Changes);
    let (both, second) = (slots(server(), &chain.database), named(&chain));
    assert!(both.len() == 2 && both.contains(&first[0]) && both.contains(&second), "{both:?}");
    // Killed before it was told, and the next one is as well.
    chain.sql("update t set id = 2");
    assert_eq!(chain.unsettled().unwrap(), Came::Changes);
    assert_eq!(slots(server(), &chain.database).len(), 3);
    chain.settle().unwrap();
    assert_eq!(slots(server(), &chain.database), [named(&chain)]);
    chain.sql("insert into t values (3)");
    assert_eq!(chain.incremental().unwrap(), Came::Changes);
    chain.check();
}

#[test]
fn a_session_that_was_lost_while_the_backup_was_proven_is_made_anew() {
    let mut chain = changed_chain();
    assert_eq!(chain.unsettled().unwrap(), Came::Changes);
    let left = format!("select count(pg_terminate_backend(pid, 60000)) from pg_stat_activity where datname = '{}'", chain.database);
    assert_eq!(server().psql("postgres", &left).unwrap(), "1", "the session that read the changes");
    chain.settle().unwrap();
    assert_eq!(slots(server(), &chain.database), [named(&chain)]);
    chain.check();
}

#[test]
fn the_slot_of_a_backup_that_will_never_be_is_nobodys() {
    let mut chain = changed_chain();
    let before = slots(server(), &chain.database);
    let next = tempfile::tempdir().unwrap();
    let since = Since { position: &chain.last().summary.position, state: &chain.last().state, next: next.path() };
    let begin = || match chain.following.begin_incremental(&since, &Context::default()).unwrap() {
        Begun::Changes(reading) => reading,
        _ => panic!("there are changes"),
    };
    let reading = begin();
    assert_eq!(slots(server(), &chain.database).len(), 2);
    drop(reading);
    assert_eq!(slots(server(), &chain.database), before);
    // Killed while it reads: nobody drops anything.
    std::mem::forget(begin());
    assert_eq!(slots(server(), &chain.database).len(), 2);
    chain.settle().unwrap();
    assert_eq!(slots(server(), &chain.database), before);
    assert_eq!(chain.incremental().unwrap(), Came::Changes);
    chain.check();
}

/// Changes that come while a chain has to go on with the slot that it has.
fn goes_on_without(chain: &mut Chain<'_>) {
    let name = |chain: &Chain<'_>| named(chain).split(' ').next().unwrap().to_owned();
    let before = name(chain);
    for _ in 0..2 {
        chain.sql("insert into t select coalesce(max(id), 9) + 1 from t; update bare set a = a + 1");
        assert_eq!(chain.incremental().unwrap(), Came::Changes);
        assert_eq!(name(chain), before);
        assert_eq!(slots(chain.server, &chain.database), [named(chain)], "it was moved");
    }
    chain.check();
}

#[test]
fn a_server_that_has_no_slot_to_spare_is_left_the_last_one() {
    let server = following_server().conf("max_replication_slots = 2").start().unwrap();
    server.create_database("d").unwrap();
    server.psql("d", "create table t(id int primary key); create table bare(a int); insert into bare values (1)").unwrap();
    let mut chain = Chain::begin(&server, "d");
    goes_on_without(&mut chain);
    server.psql("postgres", "select pg_create_physical_replication_slot('taken')").unwrap();
    goes_on_without(&mut chain);
}

#[test]
fn whoever_writes_for_long_is_not_waited_for() {
    let server = following_server().start().unwrap();
    server.create_database("d").unwrap();
    server.psql("d", "create table t(id int primary key); create table bare(a int); insert into bare values (1)").unwrap();
    let mut chain = Chain::begin(&server, "d");
    let mut writer = postgres::session(&server, "d");
    writer.execute("begin; insert into t values (1)").unwrap();
    goes_on_without(&mut chain);
    writer.execute("commit").unwrap();
    chain.following = patient(&server).follow("d", &owner());
    let before = named(&chain);
    assert_eq!(chain.incremental().unwrap(), Came::Changes);
    assert_ne!(named(&chain).split(' ').next(), before.split(' ').next(), "nobody writes any more");
    chain.check();
}
