//! What a restore compares beside rows: equal when nothing happened, and named when something did.

use crate::{
    ask, filled,
    round::{Archive, back_up, staged},
    server,
    support::postgres::fresh_name,
};
use domain::Comparison;
use source::Context;

/// One of each, and definitions that the server writes anew when it reads what it has written.
const SQL: &str = "
    create table t(id int generated always as identity primary key, state varchar(9) check (state in ('new', 'done')), n int default -1, at timestamp(3) default '2020-01-01');
    insert into t(state) values ('new'), ('done');
    create index i on t (state, lower(state)) where state in ('new', 'done') and (n > 0 and (n < 9 and id > 0));
    create view v as select id, state::text || 'x' as s, n between 1 and 2 as b from t where state in ('a', 'b') or not n in (1, 2);
    create function f() returns int language plpgsql as $$ begin return (1)::int; end $$;
    create function g(a int) returns int begin atomic select (a::bigint + 1)::int; end;
    create rule r as on update to v do instead (update t set n = 1; delete from t where state in ('a', 'b'));
    create materialized view m as select count(*) from t; create materialized view never as select 1 as a with no data;
    create sequence s start 42; select nextval('s'); create sequence fresh;
    alter table t enable row level security; create policy p on t using (state in ('new', 'done'));
    grant select on t to public; comment on table t is 'it''s';";

/// Restores and compares, after `meddle` had its way with the staging database.
fn compared(archive: &Archive, meddle: &str) -> Vec<Comparison> {
    compared_as(archive, &archive.request(&fresh_name()), meddle)
}

fn compared_as(archive: &Archive, request: &source::StageRequest, meddle: &str) -> Vec<Comparison> {
    let context = Context::default();
    let mut staging = archive.load(server(), request, &context).unwrap();
    staging.tables(None, &context).unwrap();
    ask(&staged(server())[0], meddle);
    staging.compare(&archive.members, &context).unwrap()
}

fn different(compared: &[Comparison]) -> Vec<&str> {
    compared.iter().flat_map(|it| &it.different).map(String::as_str).collect()
}

#[test]
fn all_that_was_recorded_is_compared() {
    let archive = back_up(server(), &filled(SQL));
    let compared = compared(&archive, "");
    assert_eq!(different(&compared), [""; 0]);
    let counts: Vec<_> = compared.iter().map(|it| (it.what.as_str(), it.count, it.not_compared.is_none())).collect();
    let definitions = counts[0].1;
    assert!(definitions > 15, "{definitions}");
    assert_eq!(
        counts,
        [
            ("definitions", definitions, true),
            ("sequences", 3, true),
            ("materialized views", 1, false),
            ("properties of the database", 13, true)
        ]
    );
}

#[test]
fn what_became_different_is_named() {
    let archive = back_up(server(), &filled(SQL));
    for (meddle, named) in [
        ("select setval('s', 99)", "The sequence public.s stands at 99, handed out, instead of 42, handed out."),
        ("select setval('fresh', 1, true)", "The sequence public.fresh stands at 1, handed out, instead of 1, not handed out yet."),
        ("alter table t alter id restart 7", "The sequence public.t_id_seq stands at 7, not handed out yet"),
        ("drop sequence s", "The sequence public.s is missing."),
        ("refresh materialized view m with no data", "The materialized view public.m is not filled."),
        ("refresh materialized view never", "The materialized view public.never is filled, and was not."),
        ("drop index i", "It lacks: CREATE INDEX i ON public.t"),
        ("create table more()", "It has, and the backup has not: CREATE TABLE public.more"),
        ("alter table t alter n set default 1", "It lacks: CREATE TABLE public.t"),
        ("alter table t drop constraint t_state_check", "It lacks: CREATE TABLE public.t"),
        (
            "create or replace function f() returns int language plpgsql as $$ begin return (1)::bigint; end $$",
            "It lacks: CREATE FUNCTION public.f()",
        ),
        ("revoke select on t from public", "It lacks: GRANT SELECT ON TABLE public.t TO PUBLIC"),
        ("comment on table t is 'its'", "It lacks: COMMENT ON TABLE public.t"),
        ("drop policy p on t", "It lacks: CREATE POLICY p ON public.t"),
        ("alter table t force row level security", "It has, and the backup has not: ALTER TABLE ONLY public.t FORCE ROW LEVEL SECURITY"),
    ] {
        let compared = compared(&archive, meddle);
        assert!(different(&compared).iter().any(|sentence| sentence.starts_with(named)), "{meddle}: {compared:?}");
    }
}

#[test]
fn a_database_that_has_not_its_properties_is_different() {
    let archive = back_up(server(), &filled("create table t()"));
    let mut request = archive.request(&fresh_name());
    request.description.properties["settings"] = serde_json::json!(["work_mem=5MB", "work_mem=6MB"]);
    assert_eq!(
        different(&compared_as(&archive, &request, "")),
        ["The database's settings is \"work_mem=6MB\", instead of \"work_mem=5MB; work_mem=6MB\"."]
    );
}

#[test]
fn what_cannot_be_compared_is_said() {
    let archive = back_up(server(), &filled(SQL));
    let definitions = |change: &dyn Fn(&mut source::StageRequest)| {
        let mut request = archive.request(&fresh_name());
        change(&mut request);
        compared_as(&archive, &request, "drop index i").remove(0)
    };
    let older = definitions(&|request| request.description.properties["server_version"] = 140_002.into());
    assert!(older.is_equal() && older.not_compared.unwrap().contains("PostgreSQL 14"));
    let other = definitions(&|request| request.description.tools = vec!["pg_dump 99.1".into()]);
    assert!(other.is_equal() && other.not_compared.unwrap().contains("pg_dump 99.1"));

    let mut one = archive.request(&fresh_name());
    one.only_table = Some("public.t".into());
    one.no_owner = true;
    let compared = compared_as(&archive, &one, "");
    assert_eq!(different(&compared), [""; 0]);
    assert!(compared[2].not_compared.as_ref().unwrap().contains("one table"), "{compared:?}");
}
