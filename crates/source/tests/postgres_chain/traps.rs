//! Each thing that a stream of changes does not tell, or tells otherwise than one would think.

use crate::{
    chain::{Came, Chain, filled, following_server, server},
    support::postgres::{self, connection},
};
use source::{
    Context, Source,
    postgres::{
        Postgres,
        wire::{Session, Target},
    },
};

fn changed(chain: &mut Chain<'_>) {
    assert_eq!(chain.incremental().unwrap(), Came::Changes);
}

/// Runs statements in one window and checks that all comes back; tells which tables were read whole.
fn after(start: &str, window: &str) -> Vec<String> {
    let mut chain = Chain::begin(server(), &filled(start));
    chain.sql(window);
    changed(&mut chain);
    chain.check();
    let whole = chain.whole().into_iter().map(str::to_owned).collect();
    assert_eq!(chain.incremental().unwrap(), Came::Unchanged);
    whole
}

#[test]
fn rewrites_without_events_are_read_whole() {
    let start = "create table t(id int primary key, a int); insert into t values (1, 1), (2, 2); create table u(id int primary key); insert into u values (1)";
    assert_eq!(after(start, "alter table t alter a type text using a || 'x'"), ["public.t"]);
    assert_eq!(after(start, "alter table t add b int default 7; insert into t values (3, 3, 3)"), ["public.t"]);
    assert_eq!(after(start, "insert into t values (3, 3); alter table t drop a; insert into t values (4)"), ["public.t"]);
    // Filled while nothing of it was logged.
    assert_eq!(
        after(start, "alter table t set unlogged; insert into t values (3, 3); alter table t set logged; insert into t values (4, 4)"),
        ["public.t"]
    );
}

#[test]
fn names_that_were_exchanged_are_not_believed() {
    let start = "create table a(id int primary key, v text); create table b(id int primary key, v text); insert into a values (1, 'a'); insert into b values (1, 'b')";
    let swap = "alter table a rename to c; alter table b rename to a; alter table c rename to b;";
    assert_eq!(
        after(start, &format!("{swap} insert into a values (2, 'really b'); update b set v = 'really a'; {swap}")),
        ["public.a", "public.b"]
    );
    assert_eq!(after(start, &format!("{swap} insert into a values (2, 'x')")), ["public.a", "public.b"]);
    let away = "create schema x; create table x.t(id int primary key); insert into x.t values (1)";
    let window = "alter schema x rename to y; create schema x; create table x.t(id int primary key); insert into x.t values (7); drop schema x cascade; alter schema y rename to x";
    assert_eq!(after(away, window), ["x.t"]);
}

#[test]
fn tables_that_come_and_go_are_followed() {
    let start = "create table old(id int primary key); insert into old values (1); create table kept(id int primary key)";
    assert_eq!(after(start, "insert into old values (2); drop table old; insert into kept values (1)"), [""; 0]);
    assert_eq!(
        after(start, "drop table old; create table old(id text primary key, b int); insert into old values ('x', 1)"),
        ["public.old"]
    );
    assert_eq!(
        after(start, "create table new as select i from generate_series(1, 9) i; update new set i = i + 1; create table bare()"),
        ["public.bare", "public.new"]
    );
    assert_eq!(after(start, "insert into old values (5); alter table old rename to newer; insert into newer values (6)"), ["public.newer"]);
}

#[test]
fn emptied_tables_are_empty() {
    let start = "create table a(id int primary key); create table b(id int references a); insert into a values (1); insert into b values (1); create table c(x int); insert into c values (1)";
    assert_eq!(after(start, "truncate a, b; insert into a values (5)"), ["public.a", "public.b"]);
    assert_eq!(after(start, "begin; truncate c; insert into c values (2); rollback; insert into c values (3)"), [""; 0]);
}

#[test]
fn a_key_that_was_gone_for_a_while_is_not_trusted() {
    let start = "create table t(id int constraint k primary key, v text); insert into t select i, 'x' from generate_series(1, 5) i";
    let window = "alter table t drop constraint k; update t set id = id + 10 where id > 3; insert into t values (20, 'y'); alter table t add constraint k primary key (id)";
    assert_eq!(after(start, window), ["public.t"]);
    assert_eq!(
        after(start, "alter table t replica identity nothing; update t set id = 9 where id = 1; alter table t replica identity default"),
        ["public.t"]
    );
    // A key whose index is built anew was there all the time.
    assert_eq!(after(start, "update t set id = 30 where id = 3; reindex table concurrently t; update t set v = 'z'"), [""; 0]);
}

#[test]
fn tables_without_a_usable_key_are_read_whole_once_updated() {
    let start = "create table bare(a int, b json); insert into bare values (1, '{}'), (1, '{}'), (null, null); create table late(id int, primary key (id) deferrable); insert into late values (1), (2);
        create table off(id int primary key); alter table off replica identity nothing; insert into off values (1); create table whole(a int, b text); alter table whole replica identity full; insert into whole values (1, null), (1, null)";
    assert_eq!(
        after(
            start,
            "insert into bare values (2, '[]'); insert into late values (3); insert into off values (2); insert into whole values (null, null)"
        ),
        [""; 0]
    );
    assert_eq!(after(start, "delete from bare where ctid = '(0,1)'; insert into bare values (3, '1')"), ["public.bare"]);
    assert_eq!(after(start, "update late set id = 3 - id"), ["public.late"]);
    assert_eq!(after(start, "delete from off"), ["public.off"]);
    assert_eq!(after(start, "delete from whole where ctid = (select min(ctid) from whole)"), ["public.whole"]);
}

#[test]
fn labels_and_parts_of_types_are_part_of_values() {
    let start = "create type mood as enum ('sad', 'ok'); create type pair as (a int, b text); create table m(id int primary key, m mood, l mood[]); insert into m values (1, 'sad', '{sad,ok}'); create table p(id int primary key, p pair); insert into p values (1, (1, 'x')); create table other(id int primary key)";
    assert_eq!(after(start, "alter type mood rename value 'sad' to 'sorry'; insert into m values (2, 'sorry')"), ["public.m", "public.p"]);
    assert_eq!(after(start, "alter type pair add attribute c int"), ["public.m", "public.p"]);
    assert_eq!(after(start, "alter type mood add value 'glad'"), [""; 0]);
    // The name of an object is its value.
    assert_eq!(
        after(
            "create table t(id int primary key, o regclass); create table u(); insert into t values (1, 'u')",
            "alter table u rename to v"
        ),
        ["public.t", "public.v"]
    );
}

#[test]
fn what_no_stream_tells_is_compared() {
    let start = "create unlogged table fast(a int); insert into fast values (1); create sequence s; create table t(id int primary key); insert into t values (1);
        create materialized view v as select * from t; create unique index on v(id); select lo_from_bytea(7, 'seven')";
    assert_eq!(after(start, "insert into fast values (2)"), ["public.fast"]);
    assert_eq!(after(start, "select nextval('s')"), [""; 0]);
    assert_eq!(after(start, "select lo_put(7, 2, 'x'); select lo_create(8)"), ["pg_largeobject"]);
    assert_eq!(after(start, "select lo_unlink(7)"), [""; 0]);
    assert_eq!(after(start, "insert into t values (2); refresh materialized view concurrently v; refresh materialized view v"), [""; 0]);
    assert_eq!(after(start, "create function f() returns int language sql as 'select 1'; comment on table t is 'x'"), [""; 0]);
}

#[test]
fn temporary_tables_and_maintenance_change_nothing() {
    let mut chain = Chain::begin(
        server(),
        &filled(
            "create table t(id int primary key, a text); insert into t select i, 'x' from generate_series(1, 1000) i; create index on t(a)",
        ),
    );
    chain.sql("create temp table x(id serial primary key, a text check (a <> '')); insert into x(a) values ('y'); analyze; vacuum; reindex table t; checkpoint");
    assert_eq!(chain.incremental().unwrap(), Came::Unchanged);
}

/// The server tells of rows that no backup holds.
#[test]
fn rows_that_are_in_no_backup_are_no_change() {
    let mut chain = Chain::begin(
        server(),
        &filled(
            "create table t(id int primary key); create materialized view v as select i, random() from generate_series(1, 5) i; create unique index on v(i)",
        ),
    );
    let refresh = "refresh materialized view concurrently v";
    chain.sql(refresh);
    assert_eq!(chain.incremental().unwrap(), Came::Unchanged);
    chain.sql(&format!("begin; {refresh}; insert into t values (1); commit"));
    changed(&mut chain);
    assert_eq!(chain.last().summary.changes.unwrap().rows(), 1);
    chain.sql(&format!("{refresh}; truncate t"));
    changed(&mut chain);
    chain.check();
}

#[test]
fn settings_of_the_database_do_not_change_what_is_written() {
    let database = filled("create table t(id int primary key, a timestamptz, b float8, c bytea, d interval, e money, f date)");
    let settings = [
        "timezone = 'Asia/Tokyo'",
        "datestyle = 'German, DMY'",
        "extra_float_digits = 0",
        "bytea_output = 'escape'",
        "intervalstyle = 'iso_8601'",
        "search_path = 'nowhere'",
    ];
    server().psql("postgres", &settings.map(|setting| format!("alter database {database} set {setting};")).join("")).unwrap();
    let mut chain = Chain::begin(server(), &database);
    chain.sql("insert into public.t values (1, '2020-05-17 20:00+00', 0.1::float8 + 0.2, '\\x00ff', '1 day 2s', '1.5', '2020-05-17'), (2, 'infinity', 'NaN', '', null, null, '0044-03-15 BC')");
    changed(&mut chain);
    assert!(
        chain
            .changes()
            .iter()
            .any(|line| line.contains("2020-05-17 20:00:00+00") && line.contains("0.30000000000000004") && line.contains(r"\\x00ff"))
    );
    chain.check();
}

#[test]
fn other_encodings_are_followed() {
    for (encoding, text) in [("LATIN1", "'é'"), ("SQL_ASCII", "E'\\xff\\\\'")] {
        let database = postgres::fresh_name();
        server()
            .psql("postgres", &format!("create database {database} template template0 encoding '{encoding}' lc_collate 'C' lc_ctype 'C'"))
            .unwrap();
        server().psql(&database, "create table t(a text primary key, b text)").unwrap();
        let mut chain = Chain::begin(server(), &database);
        chain.sql(&format!(
            "set client_encoding = '{}'; insert into t values ({text}, {text}); update t set b = b || 'x'",
            if encoding == "LATIN1" { "UTF8" } else { encoding }
        ));
        changed(&mut chain);
        chain.check();
    }
}

#[test]
fn a_transaction_larger_than_memory_is_followed() {
    let mut chain = Chain::begin(server(), &filled("create table t(id int primary key, a text)"));
    chain.sql("begin; insert into t select i, repeat(md5(i::text), 20) from generate_series(1, 30000) i; update t set a = a || 'x' where id % 3 = 0; delete from t where id % 5 = 0; update t set id = -id where id % 7 = 0; commit; insert into t values (0, '')");
    changed(&mut chain);
    assert_eq!(chain.last().summary.changes.unwrap().transactions, 2);
    chain.check();
}

#[test]
fn temporary_files_of_the_server_may_be_bounded() {
    let database = filled("create table t(id int primary key, a text)");
    server()
        .psql(
            "postgres",
            &format!("alter database {database} set temp_file_limit = '1MB'; alter database {database} set work_mem = '64kB'"),
        )
        .unwrap();
    let mut chain = Chain::begin(server(), &database);
    for i in 0..40 {
        chain.sql(&format!("insert into t select {i} * 1000 + i, repeat(md5(i::text), 8) from generate_series(1, 400) i"));
    }
    changed(&mut chain);
    assert_eq!(chain.last().summary.changes.unwrap().inserts, 16_000);
    chain.check();
}

#[test]
fn prepared_transactions_count_when_they_are_committed() {
    let server = following_server().conf("max_prepared_transactions = 5").start().unwrap();
    server.create_database("d").unwrap();
    server.psql("d", "create table t(id int primary key)").unwrap();
    let mut chain = Chain::begin(&server, "d");
    chain.sql("begin; insert into t values (1); prepare transaction 'one'");
    chain.sql("insert into t values (2)");
    changed(&mut chain);
    assert_eq!(chain.last().summary.changes.unwrap().inserts, 1);
    chain.sql("commit prepared 'one'");
    changed(&mut chain);
    chain.check();
}

#[test]
fn a_transaction_that_does_not_end_is_named_and_the_backup_made_without_a_stream() {
    let server = following_server().conf("max_prepared_transactions = 5").start().unwrap();
    server.create_database("d").unwrap();
    server.create_database("elsewhere").unwrap();
    server.psql("d", "create table t(id int primary key); insert into t values (1)").unwrap();
    server.psql("elsewhere", "begin; create table forgotten(); prepare transaction 'forgotten'").unwrap();
    let source = Postgres::new(&connection(&server, "postgres"), 2).unwrap();
    let mut chain = Chain::none(&server, "d", source);
    let mut open = Session::connect(&Target::new(&connection(&server, "postgres")).unwrap(), "elsewhere", &Context::default()).unwrap();
    open.execute("begin; create table u()").unwrap();
    chain.full().unwrap();
    let says = |chain: &Chain<'_>| chain.last().description.notes.join(" ");
    let said = says(&chain);
    for words in [
        "Moments between two backups cannot be restored",
        "of role postgres in database elsewhere",
        "the prepared transaction forgotten of postgres",
    ] {
        assert!(said.contains(words), "{said}");
    }
    assert_eq!(server.psql("postgres", "select count(*) from pg_replication_slots").unwrap(), "0");
    // The chain goes on by comparing rows, and says so each time; the next one begins with a stream.
    chain.sql("insert into t values (2)");
    changed(&mut chain);
    chain.check();
    assert_eq!((chain.last().summary.covers, says(&chain)), (None, said));
    open.execute("commit").unwrap();
    server.psql("elsewhere", "rollback prepared 'forgotten'").unwrap();
    chain.sql("insert into t values (3)");
    changed(&mut chain);
    chain.full().unwrap();
    assert_eq!(chain.last().description.notes, [""; 0]);
    chain.sql("insert into t values (4)");
    changed(&mut chain);
    assert!(chain.last().summary.covers.is_some());
    chain.check();
}

#[test]
fn nothing_is_left_in_the_way_of_users() {
    let mut chain = Chain::begin(server(), &filled("create table t(a int); insert into t values (1)"));
    chain.sql("update t set a = 2; delete from t; insert into t values (3)");
    changed(&mut chain);
    assert_eq!(chain.sql("select (select count(*) from pg_publication), (select relreplident from pg_class where relname = 't')"), "0|d");
    let slots =
        || chain.sql("select count(*), count(*) filter (where active) from pg_replication_slots where database = current_database()");
    assert_eq!(slots(), "1|0");
    assert_eq!(
        chain.source.follow(&chain.database, &crate::chain::owner()).release(&Context::default()).map_err(|error| error.to_string()),
        Ok(())
    );
    assert_eq!(slots(), "0|0");
}
