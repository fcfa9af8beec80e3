//! Log that the server keeps for a chain although nothing of its database changed.

use crate::{
    chain::{Came, Chain, following_server},
    support::postgres::{connection, session},
};
use source::{Context, postgres::Postgres};
use testkit::PostgresServer;

fn server() -> PostgresServer {
    let server = following_server().start().unwrap();
    server.create_database("d").unwrap();
    server.psql("d", "create table t(id int primary key, a text); insert into t values (1, 'a')").unwrap();
    server.psql("postgres", "create table busy(a text)").unwrap();
    server
}

/// Others fill some megabytes of log, and the server writes down what is under way, as it does by itself now and then.
fn others_write(server: &PostgresServer) {
    server.psql("postgres", "insert into busy select repeat(md5(i::text), 10) from generate_series(1, 10000) i; checkpoint").unwrap();
}

fn let_go(chain: &Chain<'_>) -> bool {
    let last = chain.last();
    chain.following.let_go(&last.summary.position, &last.state, &Context::default()).unwrap()
}

fn keeps_much(chain: &Chain<'_>) -> bool {
    chain.following.held_bytes(&Context::default()).unwrap().unwrap() > 1 << 20
}

fn place(chain: &Chain<'_>) -> String {
    chain.sql("select concat_ws(' ', slot_name, confirmed_flush_lsn, restart_lsn) from pg_replication_slots")
}

#[test]
fn what_others_wrote_is_let_go_and_the_chain_goes_on() {
    let server = server();
    let mut chain = Chain::begin(&server, "d");
    for n in 2..4 {
        for _ in 0..2 {
            others_write(&server);
            assert!(keeps_much(&chain));
            assert!(let_go(&chain));
            assert!(!keeps_much(&chain), "at once, and not with the next look");
        }
        chain.sql(&format!("insert into t values ({n}, 'b'); update t set a = a || {n} where id = 1"));
        assert_eq!(chain.incremental().unwrap(), Came::Changes);
        assert_eq!(chain.last().summary.changes.unwrap().rows(), 2);
    }
    chain.check();
}

/// What belongs to an extension is in no backup, and leaves no mark on the table.
#[test]
fn what_is_in_no_backup_for_a_while_is_not_let_go() {
    let server = server();
    server.psql("d", "create extension hstore; create materialized view v as select 1 as i; create unique index on v(i)").unwrap();
    let mut chain = Chain::begin(&server, "d");
    chain.sql("refresh materialized view concurrently v");
    assert!(let_go(&chain));
    chain.sql("alter extension hstore add table t; insert into t values (2, 'b')");
    assert!(!let_go(&chain));
    chain.sql("alter extension hstore drop table t");
    assert_eq!(chain.incremental().unwrap(), Came::Changes);
    chain.check();
}

#[test]
fn much_is_let_go_in_parts() {
    let server = server();
    let source = Postgres::new(&connection(&server, "postgres"), 2).unwrap().with_windows(1 << 20);
    let mut chain = Chain::none(&server, "d", source);
    chain.full().unwrap();
    for _ in 0..3 {
        others_write(&server);
    }
    let mut parts = 0;
    while keeps_much(&chain) {
        assert!(let_go(&chain));
        parts += 1;
    }
    assert!(parts > 2, "{parts}");
    chain.sql("insert into t values (2, 'b')");
    assert!(!let_go(&chain));
    assert_eq!(chain.incremental().unwrap(), Came::Changes);
    chain.check();
}

#[test]
fn what_changed_is_left_for_the_next_incremental() {
    let server = server();
    let mut chain = Chain::begin(&server, "d");
    others_write(&server);
    chain.sql("insert into t values (2, 'b')");
    others_write(&server);
    let before = place(&chain);
    assert!(!let_go(&chain));
    assert_eq!(place(&chain), before);
    assert_eq!(chain.incremental().unwrap(), Came::Changes);
    chain.check();
}

#[test]
fn what_no_stream_tells_is_not_lost_with_it() {
    let server = server();
    let mut chain = Chain::begin(&server, "d");
    chain.sql("alter table t add b int default 7; create sequence s; select nextval('s'); select lo_from_bytea(7, 'seven')");
    others_write(&server);
    assert!(let_go(&chain), "no row changed");
    assert_eq!(chain.incremental().unwrap(), Came::Changes);
    assert_eq!(chain.whole(), ["pg_largeobject", "public.t"]);
    chain.check();
}

/// What is committed while a look is on its way comes with the next incremental.
#[test]
fn what_is_under_way_is_not_let_go() {
    let server = server();
    let mut chain = Chain::begin(&server, "d");
    let mut writer = session(&server, "d");
    writer.execute("begin; insert into t values (2, 'b')").unwrap();
    others_write(&server);
    assert!(let_go(&chain));
    writer.execute("commit").unwrap();
    assert!(!let_go(&chain));
    assert_eq!(chain.incremental().unwrap(), Came::Changes);
    chain.check();
}

#[test]
fn a_reason_for_a_full_backup_is_left_for_who_tells_it() {
    let server = server();
    let mut chain = Chain::begin(&server, "d");
    others_write(&server);
    let slot = chain.sql("select slot_name from pg_replication_slots");
    chain.sql(&format!("select pg_replication_slot_advance('{slot}', pg_current_wal_lsn())"));
    let before = place(&chain);
    assert!(!let_go(&chain));
    assert_eq!(place(&chain), before);
    let Came::MustBeFull(why) = chain.incremental().unwrap() else { panic!("it was moved") };
    assert!(why.contains("was moved by somebody else"), "{why}");
    assert!(!let_go(&chain), "there is no slot");
}

#[test]
fn where_rows_are_compared_nothing_is_kept() {
    let server = PostgresServer::start().unwrap();
    server.create_database("d").unwrap();
    let mut chain = Chain::none(&server, "d", Postgres::new(&connection(&server, "postgres"), 2).unwrap());
    chain.full().unwrap();
    assert!(!let_go(&chain));
}
