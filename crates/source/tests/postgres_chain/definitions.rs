//! Definitions that refuse, or read otherwise, what rows held at an earlier backup: a restore makes the last definitions first and
//! loads the rows of every backup under them. Each is tried with a change stream, and where rows are compared.

use crate::{
    chain::{Came, Chain},
    compare,
};
use sha2::{Digest, Sha256};
use source::{
    Context,
    postgres::wire::{Session, Target},
};
use testkit::PostgresServer;

/// Makes an incremental after each window and checks that all of it comes back; tells which tables were read whole by the last.
fn whole_after(server: &'static PostgresServer, start: &str, windows: &[&str]) -> Vec<String> {
    let database = server.fresh_database().unwrap();
    server.psql(&database, start).unwrap();
    let mut chain = Chain::begin(server, &database);
    for window in windows {
        chain.sql(window);
        assert_eq!(chain.incremental().unwrap(), Came::Changes, "{window}");
        chain.check();
    }
    let whole = chain.whole().into_iter().map(str::to_owned).collect();
    assert_eq!(chain.incremental().unwrap(), Came::Unchanged);
    whole
}

/// The same in both ways, which agree about what has to be read whole.
fn after(start: &str, windows: &[&str]) -> Vec<String> {
    let [streamed, compared] = [crate::chain::server(), compare::server()].map(|server| whole_after(server, start, windows));
    assert_eq!(streamed, compared);
    streamed
}

const OTHER: &str = "create table other(id int primary key, n int check (n > 0)); insert into other values (1, 1);";

#[test]
fn checks_that_old_rows_do_not_pass() {
    let start = format!("{OTHER} create table t(id int primary key, x int); insert into t values (1, -1), (2, 2)");
    let validated =
        ["alter table t add constraint c check (x > 0) not valid", "update t set x = 1 where x < 0; alter table t validate constraint c"];
    assert_eq!(after(&start, &validated), ["public.t"]);
    assert_eq!(after(&start, &["update t set x = 1 where x < 0; alter table t add check (x > 0)"]), ["public.t"]);
    // The column is not null without another look at its rows, because the check says so.
    let start = format!("{OTHER} create table t(id int primary key, x int); insert into t values (1, null), (2, 2)");
    let through_check = [
        "alter table t add constraint c check (x is not null) not valid",
        "update t set x = 1 where x is null; alter table t validate constraint c",
        "alter table t alter x set not null; alter table t drop constraint c",
    ];
    assert_eq!(after(&start, &through_check), ["public.t"]);
    // Of a table that others inherit from, in two steps.
    let start = format!(
        "{OTHER} create table parent(id int primary key, x int); create table child(primary key (id)) inherits (parent); insert into child values (1, -1), (2, 2)"
    );
    let inherited = [
        "alter table parent add constraint c check (x > 0) not valid",
        "update child set x = 1 where x < 0; alter table parent validate constraint c",
    ];
    assert_eq!(after(&start, &inherited), ["public.child", "public.parent"]);
}

#[test]
fn functions_that_checks_call_are_replaced() {
    let start = "create function inner_f(int) returns bool immutable language sql as 'select $1 is not null';
        create function f(int) returns bool immutable language plpgsql as 'begin return public.inner_f($1); end';
        create table t(id int primary key, x int check (f(x))); insert into t values (1, -1); create domain d as int check (f(value));
        create table u(id int primary key, x d); insert into u values (1, -1); create table plain(id int primary key, x int check (x < 10)); insert into plain values (1, 1)";
    let replaced = "update t set x = 1; update u set x = 1; create or replace function inner_f(int) returns bool immutable language sql as 'select $1 > 0'";
    assert_eq!(after(start, &[replaced]), ["public.t", "public.u"]);
}

#[test]
fn partitions_that_old_rows_belong_to() {
    let start = format!(
        "{OTHER} create table t(k int, v text, primary key (k)) partition by list (k); create table d partition of t default; create table p1 partition of t for values in (1); insert into t values (1, 'one'), (5, 'five')"
    );
    let attached = "begin; create table p5(k int primary key, v text); with moved as (delete from d where k = 5 returning *) insert into p5 select * from moved; alter table t attach partition p5 for values in (5); commit";
    assert_eq!(after(&start, &[attached]), ["public.d", "public.p5"]);
    let exchanged = "begin; alter table t detach partition p1; delete from p1; insert into p1 values (7, 'seven'); alter table t attach partition p1 for values in (7); insert into t values (1, 'uno'); commit";
    assert_eq!(after(&start, &[exchanged]), ["public.d", "public.p1"]);
    // The bounds of a partition that is itself divided.
    let start = format!(
        "{OTHER} create table t(k int, v int, primary key (k, v)) partition by range (k); create table m(k int, v int, primary key (k, v)) partition by list (v);
         create table leaf partition of m for values in (1); create table rest partition of m default; alter table t attach partition m for values from (0) to (10); insert into t values (5, 1), (5, 2)"
    );
    let moved = "begin; alter table t detach partition m; update m set k = 15; alter table t attach partition m for values from (10) to (20); commit";
    assert_eq!(after(&start, &[moved]), ["public.leaf", "public.rest"]);
    let start = format!(
        "{OTHER} create table t(k int, v int, primary key (k, v)) partition by range (k); create table d partition of t default partition by list (v); create table leaf partition of d for values in (1); insert into t values (5, 1)"
    );
    let split = "begin; create table p(k int, v int, primary key (k, v)); with moved as (delete from t returning *) insert into p select * from moved; alter table t attach partition p for values from (0) to (10); commit";
    assert_eq!(after(&start, &[split]), ["public.leaf", "public.p"]);
    // What decides where a row belongs is a function.
    let start = "create function f(int) returns int immutable language sql as 'select $1'; create table t(k int, id int) partition by list (f(k)); create table p1 partition of t for values in (1); alter table p1 add primary key (id); insert into t values (1, 1)";
    let replaced =
        "begin; create or replace function f(int) returns int immutable language sql as 'select $1 - 1'; update p1 set k = 2; commit";
    assert_eq!(after(start, &[replaced]), ["public.p1"]);
}

#[test]
fn domains_that_old_values_do_not_belong_to() {
    // Where an array or a composite type holds a domain, PostgreSQL lets nobody restrict it.
    let start = format!(
        "{OTHER} create domain d as int; create domain over_d as d; create table t(id int primary key, x d); create table u(id int primary key, x over_d); insert into t values (1, -1); insert into u values (1, -1)"
    );
    let good = "update t set x = 1; update u set x = 1";
    assert_eq!(after(&start, &[&format!("{good}; alter domain d add check (value > 0)")]), ["public.t", "public.u"]);
    assert_eq!(
        after(
            &start,
            &["alter domain d add constraint c check (value > 0) not valid", &format!("{good}; alter domain d validate constraint c")]
        ),
        ["public.t", "public.u"]
    );
    let start = format!("{OTHER} create domain d as int; create table t(id int primary key, x d); insert into t values (1, null)");
    assert_eq!(after(&start, &["update t set x = 1; alter domain d set not null"]), ["public.t"]);
    let start = format!(
        "{OTHER} create domain d as text check (value <> 'a'); create table t(id int primary key, x d); insert into t values (1, 'b')"
    );
    let other = "alter domain d drop constraint d_check; update t set x = 'a'; update t set x = 'c'; alter domain d add constraint d_check check (value <> 'b')";
    assert_eq!(after(&start, &[other]), ["public.t"]);
    // A new one is in nobody's way.
    assert_eq!(after(&start, &["create domain e as int not null; insert into t values (2, 'x')"]), [""; 0]);
}

#[test]
fn types_that_old_texts_are_not_of() {
    let start = format!(
        "{OTHER} create table row_of(a int, b int); create view seen as select 1 as a; create domain wrapped as row_of;
         create table t(id int primary key, r row_of, l row_of[]); create table u(id int primary key, s seen, w wrapped); insert into t values (1, '(1,2)', '{{\"(1,2)\"}}'); insert into u values (1, '(1)', '(1,2)')"
    );
    assert_eq!(after(&start, &["alter table row_of add c int"]), ["public.row_of", "public.t", "public.u"]);
    assert_eq!(after(&start, &["alter table row_of drop a; insert into other values (2, 2)"]), ["public.row_of", "public.t", "public.u"]);
    assert_eq!(after(&start, &["create or replace view seen as select 1 as a, 2 as b"]), ["public.t", "public.u"]);
    assert_eq!(after(&start, &["create table unused(a int); alter table unused add b int"]), ["public.unused"]);
    let start = "create type pair as (a int, b int); create domain wrapped as pair; create table t(id int primary key, p pair, w wrapped[]); insert into t values (1, '(1,2)', '{\"(1,2)\"}')";
    assert_eq!(after(start, &["alter type pair drop attribute a; update t set p = '(7)'"]), ["public.t"]);
    // Another name is no other value, of a key neither.
    let start = "create schema s; create type s.mood as enum ('a', 'b'); create domain s.d as int; create table t(id s.mood primary key, x s.d); insert into t values ('a', 1)";
    assert_eq!(
        after(
            start,
            &[
                "insert into t values ('b', 2); alter type s.mood rename to feeling; alter domain s.d rename to e; alter schema s rename to other",
                "update t set x = 3"
            ]
        ),
        [""; 0]
    );
    // The name of an object inside of other values.
    let start = "create table named(); create type ref as (o regclass); create table t(id int primary key, r ref, l ref[]); insert into t values (1, '(named)', '{(named)}')";
    assert_eq!(after(start, &["alter table named rename to renamed"]), ["public.renamed", "public.t"]);
}

#[test]
fn what_comes_after_the_rows_is_in_nobodys_way() {
    let start = format!(
        "{OTHER} create table t(id int primary key, x int, y int4range, g int generated always as (x * 2) stored); insert into t values (1, 1, '[1,5)'), (2, 1, '[2,6)')"
    );
    let keys = "update t set x = id, y = int4range(id, id + 1); alter table t add unique (x); alter table t add exclude using gist (y with &&); alter table other add foreign key (n) references t (x)";
    after(&start, &[keys]);
    after(
        &start,
        &[
            "alter table t alter g drop expression; update t set g = 7",
            "alter table t drop g; alter table t add g int generated always as (x + 1) stored",
        ],
    );
    // What would act on rows does not while they are loaded and changed.
    let acting = "create function no() returns trigger language plpgsql as $$ begin new.x := 99; return new; end $$; create trigger n before insert or update on t for each row execute function no(); alter table t enable always trigger n;
        create rule r as on delete to t do instead nothing; create table secret(id int primary key); insert into secret values (1); alter table secret enable row level security, force row level security; create policy p on secret using (false)";
    after(
        &start,
        &[
            acting,
            "alter table t disable trigger n, disable rule r; insert into t values (4, 4, 'empty'); delete from t where id = 1; alter table t enable always trigger n, enable rule r; update secret set id = 2",
            "update t set id = 20 where id = 2; insert into secret values (3)",
        ],
    );
}

/// What an older version left tells of less.
#[test]
fn what_an_older_version_left_is_gone_on_from() {
    for server in [crate::chain::server(), compare::server()] {
        let database = server.fresh_database().unwrap();
        server.psql(&database, "create domain d as int; create table t(id int primary key, x int, y d); insert into t values (1, 1, -1); create table plain(id int primary key)").unwrap();
        let mut chain = Chain::begin(server, &database);
        let path = chain.last().state.join("state.json");
        let mut state: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let fields = state.as_object_mut().unwrap();
        fields.remove("marks");
        fields["types"].as_object_mut().unwrap().retain(|name, _| !name.starts_with("domain "));
        let bytes = serde_json::to_vec(&state).unwrap();
        std::fs::write(&path, &bytes).unwrap();
        chain.backups[0].summary.position["state"] = hex::encode(Sha256::digest(&bytes)).into();
        assert_eq!(chain.incremental().unwrap(), Came::Unchanged);
        chain.sql("update t set y = 1; alter domain d add check (value > 0)");
        assert_eq!(chain.incremental().unwrap(), Came::Changes);
        assert_eq!(chain.whole(), ["public.t"]);
        chain.check();
        chain.sql("insert into t values (2, 2, 2)");
        assert_eq!(chain.incremental().unwrap(), Came::Changes);
        assert_eq!(chain.whole(), [""; 0]);
        chain.check();
    }
}

/// Catalogs can change where no definition does, and that is looked into once.
#[test]
fn catalogs_that_tell_nothing_new_are_remembered() {
    for server in [crate::chain::server(), compare::server()] {
        let database = server.fresh_database().unwrap();
        server.psql(&database, "create table t(id int primary key); create function f() returns int language sql as 'select 1'").unwrap();
        let mut chain = Chain::begin(server, &database);
        chain.sql("create or replace function f() returns int language sql as 'select 1'");
        assert_eq!(chain.incremental().unwrap(), Came::Unchanged);
        // Whoever reads definitions would wait for this table.
        let target = Target::new(&crate::support::postgres::connection(server, "postgres")).unwrap();
        let mut open = Session::connect(&target, &database, &Context::default()).unwrap();
        if chain.last().summary.position.get("stream").is_some() {
            open.execute("begin; lock table t in access exclusive mode").unwrap();
        }
        assert_eq!(chain.incremental().unwrap(), Came::Unchanged);
        open.execute("rollback").unwrap();
        chain.sql("insert into t values (1); create or replace function f() returns int language sql as 'select 2'");
        assert_eq!(chain.incremental().unwrap(), Came::Changes);
        chain.check();
    }
}
