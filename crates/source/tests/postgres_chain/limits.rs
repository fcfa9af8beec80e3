//! Servers that bound what a change stream needs.

use crate::chain::{Came, Chain, following_server};
use domain::Code;
use testkit::PostgresServer;

/// A server on which a session may write little to temporary files, and a database of it.
fn server() -> PostgresServer {
    let server = following_server().conf("temp_file_limit = '1MB'").conf("work_mem = '64kB'").start().unwrap();
    server.create_database("d").unwrap();
    server.psql("d", "create table t(id int primary key, a text); insert into t values (0, '')").unwrap();
    server
}

/// One transaction, told in several megabytes.
const LARGE: &str = "insert into t select i, repeat(md5(i::text), 8) from generate_series(1, 20000) i";

fn slots(server: &PostgresServer) -> String {
    server.psql("postgres", "select coalesce(string_agg(slot_name, ' '), '') from pg_replication_slots").unwrap()
}

/// The reason for a full backup says what to change; then a chain goes on from a new slot.
fn heals(chain: &mut Chain<'_>, before: &str) {
    let why = match chain.incremental().unwrap() {
        Came::MustBeFull(why) => why,
        other => panic!("{other:?}"),
    };
    assert!(why.contains("temp_file_limit") && why.contains("ALTER ROLE \"postgres\" SET"), "{why}");
    assert_eq!(slots(chain.server), "", "nobody goes on from it, and it holds nothing back");
    chain.full().unwrap();
    assert!(slots(chain.server).starts_with("rookery_") && slots(chain.server) != before);
    chain.sql("update t set a = 'x' where id = 7");
    assert_eq!(chain.incremental().unwrap(), Came::Changes);
    assert_eq!(chain.last().summary.changes.unwrap().rows(), 1);
    chain.check();
}

#[test]
fn a_transaction_that_is_too_large_for_temporary_files_leads_to_a_full_backup() {
    let server = server();
    let mut chain = Chain::begin(&server, "d");
    let before = slots(&server);
    chain.sql(LARGE);
    heals(&mut chain, &before);
}

#[test]
fn one_that_comes_after_others_is_found_when_it_is_read_and_then_known() {
    let server = server();
    let mut chain = Chain::begin(&server, "d");
    let before = slots(&server);
    chain.sql("insert into t values (-1, 'small')");
    chain.sql(LARGE);
    let error = chain.incremental().unwrap_err();
    assert_eq!(error.code(), Code::StateLost, "{error}");
    assert!(error.to_string().contains("temp_file_limit"), "{error}");
    assert_eq!(slots(&server), before);
    heals(&mut chain, &before);
}

#[test]
fn a_limit_that_was_raised_in_time_is_none() {
    let server = server();
    let mut chain = Chain::begin(&server, "d");
    chain.sql(LARGE);
    server.psql("postgres", "alter role postgres set temp_file_limit = '100MB'").unwrap();
    assert_eq!(chain.incremental().unwrap(), Came::Changes);
    assert_eq!(chain.last().summary.changes.unwrap().inserts, 20_000);
    chain.check();
}
