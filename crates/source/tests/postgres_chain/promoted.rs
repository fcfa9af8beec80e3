//! A server that becomes a standby and is promoted: its log goes on in another history, and no chain goes on with it.

use crate::{
    chain::{Came, Chain, following_server},
    support::postgres::connection,
};
use source::{Context, postgres::Postgres};
use testkit::{PostgresBuilder, PostgresServer};

/// The number of the history that the server's log belongs to.
fn timeline(server: &PostgresServer) -> String {
    server.psql("postgres", "select substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)").unwrap()
}

/// Makes the server a standby.
fn demote(server: &mut PostgresServer) {
    std::fs::write(server.folder().join("data/standby.signal"), "").unwrap();
    server.restart().unwrap();
    assert_eq!(server.psql("postgres", "select pg_is_in_recovery()").unwrap(), "t");
}

/// Makes the server a standby, and then a server of its own again.
fn promote(server: &mut PostgresServer) {
    demote(server);
    assert_eq!(server.psql("postgres", "select pg_promote()").unwrap(), "t");
}

/// Each change is in a backup once, whatever became of the server between two of them.
fn a_new_history_needs_a_full_backup(builder: PostgresBuilder, slots: usize) {
    let mut server = builder.start().unwrap();
    server.create_database("d").unwrap();
    server.psql("d", "create table t(id int primary key); insert into t values (1)").unwrap();
    let mut chain = Chain::begin(&server, "d");
    chain.sql("insert into t values (2)");
    assert_eq!(chain.incremental().unwrap(), Came::Changes);
    chain.sql("insert into t values (3); checkpoint");
    let Chain { backups, folder, .. } = chain;
    assert_eq!(timeline(&server), "00000001");
    promote(&mut server);
    assert_eq!(timeline(&server), "00000002");

    let mut chain = Chain::none(&server, "d", Postgres::new(&connection(&server, "postgres"), 2).unwrap());
    (chain.backups, chain.folder) = (backups, folder);
    // What was written before and after is only in a new chain.
    chain.sql("insert into t values (4)");
    let came = chain.incremental().unwrap();
    assert_eq!(came, Came::MustBeFull("The server is another one than before, or was restored or promoted since.".into()));
    assert_eq!(chain.incremental().unwrap(), came, "it stays so until there is one");
    chain.full().unwrap();
    let left = "select coalesce(string_agg(slot_name, ' '), '') from pg_replication_slots";
    assert_eq!(chain.sql(left).split_terminator(' ').count(), slots, "the slot of the history before is gone");
    chain.check();
    chain.sql("insert into t values (5)");
    assert_eq!(chain.incremental().unwrap(), Came::Changes);
    assert_eq!(chain.last().summary.changes.unwrap().inserts, 1);
    chain.check();
    // The old history is left alone: nobody goes on from it.
    chain.following.release(&Context::default()).unwrap();
    assert_eq!(chain.sql(left), "");
}

#[test]
fn a_new_history_ends_a_change_stream() {
    a_new_history_needs_a_full_backup(following_server(), 1);
}

#[test]
fn a_new_history_ends_a_comparison() {
    a_new_history_needs_a_full_backup(PostgresServer::builder(), 0);
}

/// One that is made anew from a primary that was promoted has the name and the number of the one before, and lacks what that had
/// and the new primary did not.
#[test]
fn a_standby_of_another_history_ends_a_comparison() {
    let mut server = PostgresServer::start().unwrap();
    server.create_database("d").unwrap();
    server.psql("d", "create table t(id int primary key); insert into t values (1)").unwrap();
    demote(&mut server);
    let chain = Chain::begin(&server, "d");
    let Chain { backups, folder, .. } = chain;
    let incremental = |server: &PostgresServer, backups, folder| {
        let mut chain = Chain::none(server, "d", Postgres::new(&connection(server, "postgres"), 2).unwrap());
        (chain.backups, chain.folder) = (backups, folder);
        (chain.incremental().unwrap(), chain.backups, chain.folder)
    };
    server.restart().unwrap();
    let (came, backups, folder) = incremental(&server, backups, folder);
    assert_eq!(came, Came::Unchanged);
    promote(&mut server);
    server.psql("postgres", "checkpoint").unwrap();
    demote(&mut server);
    let (came, ..) = incremental(&server, backups, folder);
    assert_eq!(came, Came::MustBeFull("The server is another one than before, or was restored or promoted since.".into()));
}
