//! Chains where there is no change stream: rows are compared with those of the backup before.

use crate::{
    chain::{Came, Chain},
    support::postgres,
};
use std::sync::OnceLock;
use testkit::PostgresServer;

/// A server whose log tells no changes.
pub fn server() -> &'static PostgresServer {
    static SERVER: OnceLock<PostgresServer> = OnceLock::new();
    SERVER.get_or_init(|| PostgresServer::start().unwrap())
}

fn begin(sql: &str) -> Chain<'static> {
    Chain::begin(server(), &postgres::filled(server(), sql))
}

/// Makes an incremental and checks that all comes back; tells which tables were read whole.
fn changed(chain: &mut Chain<'_>) -> Vec<String> {
    assert_eq!(chain.incremental().unwrap(), Came::Changes);
    chain.check();
    let whole = chain.whole().into_iter().map(str::to_owned).collect();
    assert_eq!(chain.incremental().unwrap(), Came::Unchanged);
    whole
}

#[test]
fn rows_that_are_new_changed_or_gone_are_found() {
    let mut chain = begin(
        r#"create table t(id int, "k ey" text, v text, primary key ("k ey", id)); insert into t select i, 'x''"\' || i, repeat('v', 3000) from generate_series(1, 500) i; create table other(id int primary key); insert into other values (1)"#,
    );
    assert_eq!(chain.incremental().unwrap(), Came::Unchanged);
    chain.sql("update t set v = null where id = 7; update t set id = -id where id = 8; delete from t where id between 20 and 30; insert into t values (1000, '', 'new')");
    assert_eq!(changed(&mut chain), [""; 0]);
    let counted = chain.last().summary.changes.unwrap();
    assert_eq!((counted.inserts, counted.deletes), (3, 13), "rows that did not change are not written");
    assert_eq!(chain.last().summary.covers, None);
    chain.sql("delete from t where id = 1000");
    assert_eq!(changed(&mut chain), [""; 0]);
    // Subtransactions have numbers of their own, and freezing leaves a row's number as it is.
    chain.sql("begin; savepoint a; update t set v = 'sub' where id = 9; release a; insert into other values (2); savepoint b; delete from other; rollback to b; commit; vacuum freeze t");
    assert_eq!(changed(&mut chain), [""; 0]);
    chain.sql("vacuum freeze; analyze");
    assert_eq!(chain.incremental().unwrap(), Came::Unchanged);
}

#[test]
fn what_was_under_way_at_the_backup_before_is_found() {
    let mut chain = begin("create table t(id int primary key, v text); insert into t values (1, 'a'), (2, 'b')");
    let mut open = postgres::session(server(), &chain.database);
    open.execute("begin; update t set v = 'c' where id = 1; delete from t where id = 2; insert into t values (3, 'd')").unwrap();
    chain.sql("insert into t values (4, 'e')");
    assert_eq!(chain.incremental().unwrap(), Came::Changes);
    chain.check();
    open.execute("commit").unwrap();
    assert_eq!(changed(&mut chain), [""; 0]);
}

#[test]
fn what_has_no_key_or_another_definition_is_read_whole() {
    let start = "create table bare(a int, b text); insert into bare values (1, 'x'), (1, 'x'); create table t(id int primary key); insert into t values (1); create unlogged table fast(id int primary key); insert into fast values (1); select lo_from_bytea(5, 'five')";
    let mut chain = begin(start);
    chain.sql("delete from bare where ctid = '(0,1)'");
    assert_eq!(changed(&mut chain), ["public.bare"]);
    chain.sql("update bare set b = 'y'; alter table t add v int default 3");
    assert_eq!(changed(&mut chain), ["public.bare", "public.t"]);
    chain.sql("insert into t values (2, 2); insert into fast values (2); select lo_put(5, 0, 'F')");
    assert_eq!(changed(&mut chain), ["pg_largeobject", "public.fast"]);
    chain.sql("truncate t; insert into t values (9, 9); create table new(id int primary key); insert into new values (1)");
    assert_eq!(changed(&mut chain), ["public.new", "public.t"]);
    chain.sql("update new set id = 2; drop table bare; delete from t");
    assert_eq!(changed(&mut chain), [""; 0]);
}

/// The tables of a template's copy have the numbers of those of an earlier copy, and its rows their marks.
#[test]
fn a_database_that_was_made_anew_from_its_template_is_another_one() {
    let template = postgres::filled(server(), "create table t(id int primary key, v text); insert into t values (1, 'a'), (2, 'b')");
    let name = postgres::fresh_name();
    let copy = || server().psql("postgres", &format!("create database {name} template {template}")).unwrap();
    copy();
    let mut chain = Chain::begin(server(), &name);
    chain.sql("update t set v = 'edited' where id = 1; delete from t where id = 2");
    assert_eq!(chain.incremental().unwrap(), Came::Changes);
    server().psql("postgres", &format!("drop database {name}")).unwrap();
    copy();
    let came = chain.incremental().unwrap();
    assert_eq!(came, Came::MustBeFull("The database was made anew, or its name was given to another one, since.".into()));
}

#[test]
fn keys_that_were_lost_end_the_chain() {
    let mut chain = begin("create table t(id int primary key); insert into t values (1)");
    chain.sql("insert into t values (2)");
    for entry in std::fs::read_dir(&chain.last().state).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap().to_string_lossy().starts_with("keys-") {
            std::fs::remove_file(path).unwrap();
        }
    }
    let came = chain.incremental().unwrap();
    assert!(matches!(&came, Came::MustBeFull(why) if why.contains("is lost")), "{came:?}");
}

/// What a snapshot sees may not be on the disk yet, and would be unknown after a crash, with its numbers given to others.
#[test]
fn what_rows_are_compared_with_is_on_the_disk_of_the_server() {
    let server = PostgresServer::builder().conf("synchronous_commit = off").conf("wal_writer_delay = 10s").start().unwrap();
    server.create_database("d").unwrap();
    server.psql("d", "create table t(id int primary key); insert into t values (1); checkpoint").unwrap();
    let source = source::postgres::Postgres::new(&crate::support::postgres::connection(&server, "postgres"), 2).unwrap();
    let mut chain = Chain::none(&server, "d", source);
    let insert = |id: u32| server.psql("d", &format!("insert into t values ({id}); select pg_current_wal_insert_lsn()")).unwrap();
    let is_on_disk = |end: &str| server.psql("d", &format!("select pg_current_wal_flush_lsn() >= '{end}'")).unwrap() == "t";
    let end = insert(2);
    chain.full().unwrap();
    assert!(is_on_disk(&end));
    let end = insert(3);
    assert_eq!(chain.incremental().unwrap(), Came::Changes);
    assert!(is_on_disk(&end));
    chain.check();
}

#[test]
fn numbers_that_went_around_are_not_compared() {
    let mut chain = begin("create table t(id int primary key)");
    chain.backups[0].summary.position["snapshot"] = "3100000000:10:".into();
    let came = chain.incremental().unwrap();
    assert!(matches!(&came, Came::MustBeFull(why) if why.contains("Too many transactions")), "{came:?}");
}
