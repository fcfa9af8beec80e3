//! Values and keys of every kind, changed.

use crate::chain::{Came, Chain, filled, server};
use source::{Context, Members, Source, StageRequest};

/// Runs statements in one window each and checks that all comes back, nothing read whole.
fn follow(start: &str, windows: &[&str]) {
    let mut chain = Chain::begin(server(), &filled(start));
    for window in windows {
        chain.sql(window);
        assert_eq!(chain.incremental().unwrap(), Came::Changes, "{window}");
        assert_eq!(chain.whole(), [""; 0], "{window}");
    }
    chain.check();
}

#[test]
fn keys_are_found_whatever_their_type() {
    follow(
        r#"create extension citext; create type mood as enum ('sad', 'ok'); create domain code as varchar(20) check (value <> ''); create type pair as (a int, b text);
        create collation anyhow (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
        create table a(k citext primary key, v int); create table b(k mood primary key, v int); create table c(k numeric, f float8, primary key (k, f)); create table d(k code primary key, v int);
        create table e(k int[] primary key, v int); create table f(k pair primary key, v int); create table g(k bytea, t timestamptz, u uuid, v int, primary key (t, k, u)); create table h(k text collate anyhow primary key, v int);
        create table i(k char(5) primary key, v int); create table j(k bit(4) primary key, b bool, v int); create table l(k int4range primary key, v int); create table m(k inet primary key, j jsonb);
        insert into a values ('A', 1), ('b', 2); insert into b values ('sad', 1), ('ok', 2); insert into c values (1.0, 0), ('NaN', '-0'), (2.50, 'NaN'); insert into d values ('x', 1), ('y', 2); insert into e values ('{1,2}', 1), ('{}', 2);
        insert into f values ((1, 'x,"y'), 1), ((2, 'z'), 2); insert into g values ('\x00ff', '2020-01-01 00:00+00', '00000000-0000-0000-0000-000000000001', 1); insert into h values ('Straße', 1), ('b', 2);
        insert into i values ('a', 1), ('b', 2); insert into j values (B'0101', true, 1), (B'1111', null, 2); insert into l values ('[1,5)', 1), ('empty', 2); insert into m values ('10.0.0.1/8', '{"a": 1}'), ('::1', 'null')"#,
        &[
            "update a set v = v + 1; update b set v = v + 1; update c set f = 1 where k = 1; update d set v = v + 1; update e set v = v + 1; update f set v = v + 1; update g set v = v + 1; update h set v = v + 1; update i set v = v + 1; update j set b = not b; update l set v = v + 1; update m set j = '[1, \"x\"]'",
            // The same to the type and not to the eye.
            "update a set k = 'a' where k = 'A'; update c set k = 1.00 where k = 1; update h set k = 'STRASSE' where v = 2; begin; delete from a where k = 'b'; insert into a values ('B', 7); commit",
            "delete from a where k = 'A'; delete from b where k = 'ok'; delete from c where f = 'NaN'; delete from d where k = 'x'; delete from e where k = '{}'; delete from f where (k).a = 1; delete from g; delete from h where k = 'B'; delete from i where k = 'b'; delete from j where b is null; delete from l where isempty(k); delete from m where k = '::1'",
        ],
    );
}

#[test]
fn large_values_that_do_not_change_are_kept() {
    follow(
        "create domain full_text as text not null check (length(value) > 2); create table t(id int primary key, body full_text, raw bytea, doc json, tags full_text[], n int, gen int generated always as (length(body)) stored);
         alter table t alter body set storage external; alter table t alter raw set storage external; alter table t alter tags set storage external;
         insert into t(id, body, raw, doc, tags, n) select i, repeat(md5(i::text), 200), decode(repeat(md5(i::text), 200), 'hex'), json_build_object('x', repeat(md5(i::text), 200)), array[repeat(md5(i::text), 200)::full_text], 0 from generate_series(1, 10) i;
         create table keyed(k text primary key, n int); alter table keyed alter k set storage external; insert into keyed select repeat(md5(i::text), 70), 0 from generate_series(1, 5) i",
        &[
            "update t set n = n + 1; update t set id = id + 100 where id < 4; update t set raw = null, body = 'short' where id = 5; update keyed set n = n + 1",
            "begin; update t set n = 7 where id = 101; update t set id = 1 where id = 101; update t set tags = '{abc}' where id = 1; delete from t where id = 102; insert into t(id, body) values (102, 'again'); update t set n = 9 where id = 102; commit",
        ],
    );
}

#[test]
fn tables_of_every_shape_are_followed() {
    follow(
        r#"create table nothing(); create table mother(id int primary key, a text); create table child(b int, primary key (id)) inherits (mother); create table gone(x int, id int primary key, y int); alter table gone drop x; alter table gone drop y; alter table gone add z text;
        create table only_key(a int, b int, primary key (b, a)); create table self(id int primary key, up int references self); create table refers(id int primary key, s int references self on delete cascade);
        create table secured(id int primary key); alter table secured enable row level security; alter table secured force row level security; create policy p on secured using (false);
        create table ruled(id int primary key, v int); create rule r as on update to ruled do instead nothing; create table hooked(id int primary key, v int); create function f() returns trigger language plpgsql as $$ begin new.v = 99; return new; end $$; create trigger t before insert or update on hooked for each row when (new.id > 5) execute function f();
        insert into mother values (1, 'm'); insert into child values (1, 'c', 2); insert into gone values (1, 'z'); insert into self values (1, null), (2, 1); insert into refers values (1, 2)"#,
        &[
            "insert into nothing default values; update mother set a = a || '!'; delete from only child; insert into child values (5, 'c5', 1); update gone set z = null; insert into only_key values (1, 2), (2, 1); insert into secured values (1); insert into ruled values (1, 1); insert into hooked values (6, 0), (1, 1)",
            "update only_key set a = a + 1; delete from self where id = 2; insert into self values (3, 3); delete from ruled; update hooked set v = v + 1; delete from secured",
        ],
    );
}

/// Whether large values lie in the row or out of line is a matter of the whole row, of which a change tells a part.
#[test]
fn rows_that_become_large_or_small_come_back() {
    follow(
        "create table docs(id int primary key, doc text, att text); create table small(id int primary key, doc text);
         insert into docs select i, repeat('d', 10 << 20), case when i % 2 = 1 then repeat('a', 8 << 20) end from generate_series(1, 4) i;
         insert into small select i, 'x' from generate_series(1, 9) i;
         create table shrinks(id int primary key, doc text, att text); insert into shrinks select i, repeat('d', 10 << 20), repeat('a', 8 << 20) from generate_series(1, 2) i",
        &[
            // Nothing of this change is large, and the row that it names is.
            "update shrinks set att = null where id = 1; update docs set att = null where id = 1; update docs set att = repeat('b', 7 << 20) where id = 2; update docs set att = repeat('c', 2 << 20) where id = 3; update small set doc = 'y' where id < 5",
            "insert into docs values (5, repeat('e', 10 << 20), null); delete from docs where id = 3; update small set doc = repeat('z', 2 << 20) where id = 2; update small set doc = 'w' where id = 2",
            "update docs set att = repeat('f', 7 << 20) where id = 5; delete from small where id = 9",
        ],
    );
}

#[test]
fn one_table_is_restored_with_its_changes() {
    let mut chain = Chain::begin(
        server(),
        &filled(
            "create table t(id int primary key); create table u(id int primary key); insert into t values (1); insert into u values (1)",
        ),
    );
    chain.sql("insert into t values (2); delete from t where id = 1; insert into u values (2)");
    assert_eq!(chain.incremental().unwrap(), Came::Changes);
    let (context, name) = (Context::default(), crate::support::postgres::fresh_name());
    let request = StageRequest {
        name: name.clone(),
        description: chain.last().description.clone(),
        no_owner: false,
        create_roles: false,
        only_table: Some("public.t".into()),
        keep_going: false,
    };
    let mut staging = chain.source.stage(&request, &context).unwrap();
    let archives: Vec<&dyn Members> = chain.backups.iter().map(|backup| &backup.members as &dyn Members).collect();
    let ahead = staging.load(&archives, None, &context).unwrap();
    assert_eq!(ahead.iter().map(|ahead| (ahead.summary.table.as_str(), ahead.changed_in)).collect::<Vec<_>>(), [("public.t", 1)]);
    assert_eq!(staging.apply(archives[1], None, &context).unwrap().changes, 0);
    staging.finish(archives[1], &context).unwrap();
    staging.publish(&context).unwrap();
    assert_eq!(server().psql(&name, "select (select string_agg(id::text, ' ') from t), (select count(*) from u)").unwrap(), "2|0");
}

#[test]
fn changes_that_do_not_fit_are_refused() {
    let mut chain = Chain::begin(server(), &filled("create table t(id int primary key, v int); insert into t values (1, 1)"));
    chain.sql("update t set v = 2");
    assert_eq!(chain.incremental().unwrap(), Came::Changes);
    let part = source::changes::parts(&chain.last().members).remove(0);
    let text = String::from_utf8(chain.last().members.get(&part).unwrap()).unwrap();
    for (good, bad) in
        [("[1],[1,2]", "[7],[7,2]"), ("[1],[1,2]", "[1],[1]"), ("[\"update\",\"public.t\",[1],[1,2]]", "[\"delete\",\"public.t\",[]]")]
    {
        assert!(text.contains(good), "{text}");
        chain.last().members.put(&part, text.replace(good, bad));
        let error = chain.restore(None).unwrap_err();
        assert!(error.to_string().contains("public.t"), "{error}");
        assert_eq!(error.code(), domain::Code::Damaged, "{error}");
    }
}
