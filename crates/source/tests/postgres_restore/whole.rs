//! Whole databases come back as they were.

use crate::{
    ask, filled,
    round::{back_up, round_trip, same},
    server,
    support::postgres::fresh_name,
};
use testkit::PostgresServer;

#[test]
fn a_shop_comes_back() {
    let back = round_trip(server(), &filled(include_str!("shop.sql")));
    assert_eq!(ask(&back, "select nextval('s'), (select count(*) from mv)"), "56|3");
    assert_eq!(ask(&back, "insert into sales.customer(name) values ('new') returning id > 20000"), "t");
    assert_eq!(ask(&back, "select encode(lo_get(oid), 'hex') from pg_largeobject_metadata"), "c0ffee");
}

#[test]
fn a_zoo_comes_back() {
    let server = PostgresServer::start().unwrap();
    server.create_database("host=evil --file=x").unwrap();
    server.psql("host=evil --file=x", include_str!("zoo.sql")).unwrap();
    let archive = back_up(&server, "host=evil --file=x");
    let notes = archive.restore(&server, &archive.request("we\"ird o'brien")).unwrap();
    assert_eq!(notes, [""; 0]);
    same(&server, "host=evil --file=x", "we\"ird o'brien");
}

#[test]
fn hostile_names_and_empty_tables_come_back() {
    for name in ["..", "a/b\n", "naïve🐦", "$$; drop table x; --", "\\! touch x"] {
        let database = format!("{name} {}", fresh_name());
        server().create_database(&database).unwrap();
        ask(&database, "create table \"select \"\"x\"\" from\"(\"a b\" int, \"$1\" text); insert into \"select \"\"x\"\" from\" values (1, '\\.'), (2, null), (3, E'\\\\N\\t');
            create table nothing(); insert into nothing default values; insert into nothing default values; create table empty(a int);
            create table gone(a int, b int); alter table gone drop a, drop b; insert into gone default values; create table gen(a int generated always as (1) stored); insert into gen default values");
        round_trip(server(), &database);
    }
}

#[test]
fn every_type_comes_back() {
    round_trip(
        server(),
        &filled(
            "create extension hstore; create extension citext; create type mood as enum('a;', 'b'); create type pair as (a int, b text); create domain pos as int check (value > 0);
             create table t(id int, r real, d float8, n numeric, n2 numeric(20,5), m money, b boolean, by bytea, c char(5), c1 \"char\", v varchar(9), x text, nm name, j json, jb jsonb, xm xml, u uuid, dt date, tm time, tz timetz, ts timestamp, tsz timestamptz, iv interval, i inet, cd cidr, mac macaddr, p point, l line, ls lseg, bx box, pa path, po polygon, ci circle, ir int4range, mr datemultirange, tv tsvector, tq tsquery, bi bit(3), vb varbit, lsn pg_lsn, rc regclass, e mood, pr pair, po2 pos, h hstore, ct citext, ia int[], ta text[][], pra pair[], o oid, xi xid8);
             insert into t(id) values (0);
             insert into t values (1, 'NaN', '-0', 'NaN', 1.5, '-1.25', true, '\\x00ff5c', 'ab', E'\\\\', 'x', E'\\b\\f\\n\\r\\t\\v\\\\\\x01\"', 'nm', ' {\"a\" : 1, \"a\":2}', '{\"text\":\"eA==\"}', '<a>&lt;</a>', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '4713-01-01 BC', '24:00', '23:59:59.999999+15:59', 'infinity', '0001-01-01 00:00+00', '-1 year +2 mons -3 days 04:05:06.789', '::1/64', '10.0.0.0/8', '08:00:2b:01:02:03', '(1,-2)', '{1,2,3}', '((0,0),(1,1))', '((1,1),(0,0))', '[(0,0),(1,1)]', '((0,0),(1,1),(1,0))', '<(0,0),1>', '(,5]', '{[2020-01-01,2021-01-01),[2022-01-01,)}', '''a''''b'':1A', '!a & b:*', '101', '1', '0/FF', 'pg_class', 'a;', '(1,\"a,\\\"\\\\\")', 5, 'a=>\"b\\\"\", c=>null', 'CiT', '[0:1]={1,null}', '{{a,\"b,\\\"c\"},{NULL,\"null\"}}', array[row(1,'x')::pair], 4294967295, '18446744073709551615'),
               (2, 1e38, 1e-300, 1e130000, -0.00001, 0, false, '', '', '', '', '', '', 'null', 'null', '', null, 'infinity', '00:00', '00:00+00', '-infinity', 'infinity', 'P0D', '0.0.0.0', '::/0', 'ffffffffffff', '(NaN,Infinity)', '{0,1,0}', '((0,0),(0,0))', '((0,0),(0,0))', '((0,0))', '((0,0))', '<(0,0),0>', 'empty', '{}', '', '', '000', '', '0/0', '0', 'b', '(,)', 1, '', '', '{}', '{}', '{}', 0, '0');
             insert into t(id, jb) select 3, j::jsonb from unnest(array['\"x\"', '1.50', 'true', '[]', '{}', '{\"jsonb\": 1}', '{\"wide\": \"\\\\u000a\"}', '{\"b64\": \"\\n\"}', '\"\"']) j;",
        ),
    );
}

#[test]
fn partitions_cycles_and_chains_of_views_come_back() {
    let back = round_trip(
        server(),
        &filled(
            "create table p(id int, k text, day date not null, primary key (id, day, k)) partition by range (day);
             create table p1 partition of p for values from ('2020-01-01') to ('2021-01-01') partition by list (k); create table p1a partition of p1 for values in ('a'); create table p1d partition of p1 default; create table p2 partition of p default;
             create index p_k on p (k) include (id); create unique index on p (k, day, id); insert into p select i, (array['a','b','c'])[1 + i % 3], date '2020-01-01' + i from generate_series(1, 2000) i;
             create table r(id int, day date, k text, foreign key (id, day, k) references p); insert into r select id, day, k from p;
             create table a(id int primary key, b int); create table b(id int primary key, a int references a); alter table a add foreign key (b) references b deferrable initially deferred;
             begin; insert into a select i, i from generate_series(1, 100) i; insert into b select i, i from generate_series(1, 100) i; commit;
             create table tree(id int primary key, up int references tree); insert into tree select i, nullif(i - 1, 0) from generate_series(1, 100) i;
             create table mother(a int); create table child(b int) inherits (mother); insert into mother values (1); insert into child values (2, 3);
             create materialized view z as select count(*) from p; create materialized view y as select * from z; create materialized view m as select * from y; create materialized view x as select * from m; create materialized view never as select 1 with no data; create unique index on x (count);
             create view grouped as select p.*, count(*) over () from a p group by p.id; create materialized view late as select a.id, a.b from a group by a.id; create index late_i on late (b);",
        ),
    );
    assert_eq!(ask(&back, "select count from x"), "2000");
    assert_eq!(ask(&back, "select count(*) from pg_index where not indisvalid"), "0");
    assert_eq!(ask(&back, "select relispopulated from pg_class where relname = 'never'"), "f");
}

#[test]
fn large_objects_keep_number_bytes_owner_privileges_and_comment() {
    let role = fresh_name();
    let database = filled(&format!(
        "create role {role}; select lo_from_bytea(4000 + i, decode(repeat(md5(i::text), 1 + i * 700), 'hex')) from generate_series(1, 40) i; select lo_create(5000); select lo_put(4001, 3000000, 'x');
         alter large object 4002 owner to {role}; grant select on large object 4003 to {role} with grant option; grant all on large object 4004 to public; comment on large object 4005 is E'it''s\\n\\\\';"
    ));
    let back = round_trip(server(), &database);
    let all = "select m.oid, lomowner::regrole, lomacl, obj_description(m.oid, 'pg_largeobject'), md5(lo_get(m.oid)) from pg_largeobject_metadata m order by 1";
    assert_eq!(ask(&back, all), ask(&database, all));
}

#[test]
fn what_belongs_to_the_database_comes_back() {
    let role = fresh_name();
    let database = filled(&format!("create role \"{role} x\"; create role {role}; create role {role}_g;"));
    ask(
        "postgres",
        &format!(
            "alter database {database} owner to \"{role} x\"; comment on database {database} is 'it''s \\ '; alter database {database} set work_mem = '5MB'; alter database {database} set search_path = \"$user\", public, \"a, \"\"b\";
             alter database {database} set default_transaction_read_only = on; alter database {database} set my.setting = 'x=y'; alter database {database} set statement_timeout = '30s'; alter role {role} in database {database} set search_path = '';
             alter role {role} in database {database} set datestyle = 'German, DMY'; alter database {database} connection limit 7; revoke temp on database {database} from public; set role \"{role} x\"; grant create on database {database} to {role} with grant option; grant connect on database {database} to {role}_g;"
        ),
    );
    let back = round_trip(server(), &database);
    let properties = |name: &str| {
        ask(
            "postgres",
            &format!(
                "select pg_get_userbyid(datdba), datconnlimit, datacl, shobj_description(d.oid, 'pg_database'), encoding, datcollate, datctype, datlocprovider,
                 (select array_agg(coalesce(setrole::regrole::text, '') || setconfig::text order by setrole::regrole::text) from pg_db_role_setting where setdatabase = d.oid) from pg_database d where datname = '{name}'"
            ),
        )
    };
    assert_eq!(properties(&back), properties(&database));
}

#[test]
fn databases_of_other_encodings_come_back() {
    for (encoding, locale) in [("LATIN1", "C"), ("SQL_ASCII", "C"), ("EUC_JP", "C"), ("UTF8", "C.UTF-8"), ("WIN1252", "C")] {
        let database = fresh_name();
        ask(
            "postgres",
            &format!("create database {database} template template0 encoding '{encoding}' lc_collate '{locale}' lc_ctype '{locale}'"),
        );
        let text = if encoding == "EUC_JP" { "日本" } else { "é" };
        let client = if encoding == "SQL_ASCII" { "SQL_ASCII" } else { "UTF8" };
        ask(
            &database,
            &format!(
                "set client_encoding = '{client}'; create table t(a text default 'x{text};'); insert into t values ('{text}'), (default), (E'\\\\'); comment on table t is '{text}'; create function f() returns text language sql as $$ select '{text}' $$"
            ),
        );
        if encoding == "SQL_ASCII" {
            ask(
                &database,
                "insert into t select convert_from(decode('fffe80410a', 'hex'), 'SQL_ASCII'); do $$ begin execute 'comment on column t.a is ' || quote_literal(convert_from(decode('ff41', 'hex'), 'SQL_ASCII')); end $$",
            );
        }
        let back = round_trip(server(), &database);
        let all = "select encode(convert_to(a, getdatabaseencoding()), 'hex') from t order by 1";
        assert_eq!(ask(&back, all), ask(&database, all));
    }
}

#[test]
fn materialized_views_hold_what_they_held() {
    let database = server().fresh_database().unwrap();
    ask(
        "postgres",
        &format!(
            "alter database {database} set timezone = 'Asia/Tokyo'; alter database {database} set datestyle = 'German, DMY'; alter database {database} set search_path = other, public;
             alter database {database} set extra_float_digits = 0; alter database {database} set default_transaction_read_only = on; alter database {database} set client_encoding = 'LATIN1'"
        ),
    );
    let sql = "set default_transaction_read_only = off; create schema other; create table other.things(a float8); insert into things values (0.1), (0.2); create table t(a timestamptz); insert into t values ('2020-05-17 20:00+00');
        create function f() returns text language plpgsql as $$ begin return (select sum(a)::text from things); end $$; create materialized view m as select a::text as stamp, a::date as day, to_tsvector('running dogs') as words, f() as f from t";
    ask(&database, sql);
    let back = round_trip(server(), &database);
    assert_eq!(ask(&back, "select * from m"), ask(&database, "select * from m"));
    assert_eq!(ask(&back, "select stamp, f from m"), "18.05.2020 05:00:00 JST|0.3");
}

#[test]
fn remarks_are_read_wherever_they_are() {
    for (sql, wanted) in [
        ("create table t(a int); comment on column t.a is 'said'", "COMMENT ON COLUMN public.t.a"),
        ("comment on schema public is 'ours'", "COMMENT ON SCHEMA public"),
        ("comment on schema public is null", "COMMENT ON SCHEMA public IS ''"),
        ("create extension citext", "COMMENT ON EXTENSION citext"),
    ] {
        let archive = back_up(server(), &filled(sql));
        let definitions = archive.members.text("schema/pre-data.sql");
        assert!(definitions.contains(wanted), "{sql}: {definitions}");
    }
    round_trip(server(), &filled("drop schema public; create schema other; create table other.t(a int)"));
}
