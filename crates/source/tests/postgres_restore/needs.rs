//! What a restore needs, refuses, leaves out and leaves behind.

use crate::{
    ask, filled,
    round::{back_up, back_up_by, same, source, staged},
    server,
    support::{load_whole, postgres::fresh_name},
};
use domain::Code;
use source::{Context, Source};
use testkit::PostgresServer;

#[test]
fn only_one_table_if_asked() {
    let archive = back_up(
        server(),
        &filled(
            "create table a(id int primary key); create table b(id int references a); comment on constraint b_id_fkey on b is 'x'; insert into a values (1); insert into b values (1); create materialized view m as select * from b",
        ),
    );
    let mut request = archive.request(&fresh_name());
    request.only_table = Some("public.b".into());
    let notes = archive.restore(server(), &request).unwrap();
    assert!(notes.iter().any(|note| note.contains("1 foreign key")), "{notes:?}");
    assert_eq!(ask(&request.name, "select (select count(*) from a), (select count(*) from b)"), "0|1");
    request = archive.request(&fresh_name());
    request.only_table = Some("public.c".into());
    assert_eq!(archive.restore(server(), &request).unwrap_err().code(), Code::NotFound);
}

#[test]
fn what_is_missing_is_named_before_anything_is_made() {
    let server = PostgresServer::start().unwrap();
    let ask = |database: &str, sql: &str| server.psql(database, sql).unwrap();
    let (role, other) = (fresh_name(), format!("other \"{}", fresh_name()));
    let quoted = other.replace('"', "\"\"");
    let database = server.fresh_database().unwrap();
    let sql = format!(
        "create role {role}; create role \"{quoted}\"; create table t(a int); alter table t owner to {role}; grant select on t to \"{quoted}\"; insert into t values (1)"
    );
    ask(&database, &sql);
    let mut archive = back_up(&server, &database);
    ask("postgres", &format!("drop database {database}; drop role {role}, \"{quoted}\""));
    let mut properties = archive.description.properties.clone();
    properties["extensions"]
        .as_array_mut()
        .unwrap()
        .push(serde_json::json!({"name": "postgis of tomorrow", "version": "1", "schema": "x"}));
    let good = std::mem::replace(&mut archive.description.properties, properties);

    let error = archive.restore(&server, &archive.request(&database)).unwrap_err();
    assert_eq!(error.code(), Code::RestoreNeeds);
    for name in [role.as_str(), &format!("{other:?}"), "postgis of tomorrow"] {
        assert!(error.to_string().contains(name), "{error}");
    }
    archive.description.properties = good;
    let mut request = archive.request(&database);
    request.no_owner = true;
    archive.restore(&server, &request).unwrap();
    assert_eq!(ask(&database, "select tableowner from pg_tables where tablename = 't'"), "postgres");

    let error = archive.restore(&server, &request).unwrap_err();
    assert!(error.code() == Code::NameTaken && error.to_string().contains("exists"));
    request = archive.request(&fresh_name());
    request.create_roles = true;
    archive.restore(&server, &request).unwrap();
    let owned = "select relowner::regrole, (select array_agg(pg_get_userbyid(grantee)) @> $$ROLES$$ from aclexplode(relacl)) from pg_class where relname = 't'";
    let roles = format!("{{{role},\"{}\"}}", other.replace('"', "\\\""));
    assert_eq!(ask(&request.name, &owned.replace("ROLES", &roles)), format!("{role}|t"));
    assert_eq!(ask("postgres", &format!("select rolcanlogin from pg_roles where rolname = '{role}'")), "f");
    assert_eq!(staged(&server), [""; 0]);
}

#[test]
fn what_the_server_cannot_do_leaves_nothing() {
    let server = PostgresServer::start().unwrap();
    server.create_database("a").unwrap();
    server.psql("a", "create role r; create table t(a int); alter table t owner to r; insert into t values (1); create publication p; create subscription s connection 'host=nowhere.invalid' publication p with (connect = false, slot_name = none)").unwrap();
    let mut archive = back_up(&server, "a");
    let context = Context::default();
    let request = archive.request("b");
    // Dropped after it was loaded, a subscription in it or not.
    let staging = archive.load(&server, &request, &context).unwrap();
    assert_eq!(staged(&server).len(), 1);
    drop(staging);
    assert_eq!(staged(&server), [""; 0]);
    // A role without the right to make databases.
    server.psql("postgres", "create role poor login").unwrap();
    let error = source(&server, "poor").stage(&request, &context).err().unwrap();
    assert_eq!(error.code(), Code::Privilege);
    // An archive from the future, of another kind of server, of a locale that is not there.
    for (key, value, code) in
        [("server_version", serde_json::json!(990_000), Code::Unsupported), ("collate", "xx_YY.nothing".into(), Code::RestoreNeeds)]
    {
        let mut request = request.clone();
        request.description.properties[key] = value;
        assert_eq!(archive.restore(&server, &request).unwrap_err().code(), code);
    }
    let mut other = request.clone();
    other.description.dbms = domain::Dbms::Sqlite;
    assert_eq!(archive.restore(&server, &other).unwrap_err().code(), Code::Unsupported);
    // A role that is dropped between the check and the load, with one that was made for the restore.
    archive.description.properties["roles"] = serde_json::json!(["made for it"]);
    let mut request = archive.request("b");
    request.create_roles = true;
    server.psql("postgres", "alter table t owner to postgres; drop role r").unwrap_err();
    server.psql("a", "alter table t owner to postgres; drop role r").unwrap();
    let error = archive.restore(&server, &request).unwrap_err();
    assert_eq!(error.code(), Code::RestoreNeeds);
    assert!(error.to_string().contains("ALTER TABLE public.t OWNER TO r"), "{error}");
    assert_eq!(server.psql("postgres", "select count(*) from pg_roles where rolname = 'made for it'").unwrap(), "0");
    assert_eq!(staged(&server), [""; 0]);
    // The name is taken while it is loaded.
    server.psql("postgres", "create role r").unwrap();
    archive.description.properties["roles"] = serde_json::json!(["r"]);
    let staging = archive.load(&server, &archive.request("late"), &context).unwrap();
    server.create_database("late").unwrap();
    assert_eq!(staging.publish(&context).unwrap_err().code(), Code::NameTaken);
    assert_eq!(staged(&server), [""; 0]);
    // Cancelled before its end.
    context.cancel.cancel();
    assert_eq!(archive.load(&server, &archive.request("b"), &context).err().unwrap().code(), Code::Cancelled);
    assert_eq!(staged(&server), [""; 0]);
}

#[test]
fn a_policy_needs_its_roles_even_without_owners() {
    let server = PostgresServer::start().unwrap();
    server.create_database("a").unwrap();
    let sql = "create role \"au thor\"; create table t(a int); insert into t values (1); alter table t enable row level security; create policy p on t to \"au thor\" using (true)";
    server.psql("a", sql).unwrap();
    let archive = back_up(&server, "a");
    server.psql("a", "drop policy p on t; drop role \"au thor\"").unwrap();
    let mut request = archive.request("b");
    request.no_owner = true;
    let error = archive.restore(&server, &request).unwrap_err();
    assert!(error.code() == Code::RestoreNeeds && error.to_string().contains("au thor"));
    request.create_roles = true;
    archive.restore(&server, &request).unwrap();
    assert_eq!(server.psql("b", "select polroles::regrole[] from pg_policy").unwrap(), "{\"\\\"au thor\\\"\"}");
}

#[test]
fn nobody_else_gets_in_before_the_end() {
    let database = filled("create table t(a int); grant select on t to public; insert into t values (1)");
    let archive = back_up(server(), &database);
    let context = Context::default();
    let role = fresh_name();
    ask("postgres", &format!("create role {role} login"));
    let request = archive.request(&fresh_name());
    let staging = archive.load(server(), &request, &context).unwrap();
    let mine = "select datname from pg_database where datname like 'rookery_staging%' and has_database_privilege($$ROLE$$, oid, 'connect')"
        .replace("ROLE", &role);
    assert_eq!(ask("postgres", &mine), "");
    staging.publish(&context).unwrap();
    assert_eq!(ask("postgres", &format!("select has_database_privilege('{role}', '{}', 'connect')", request.name)), "t");
}

#[test]
fn a_view_that_cannot_be_filled_is_told_and_is_a_difference() {
    let archive = back_up(
        server(),
        &filled(
            "create table t(a int); insert into t values (1); create table broken(a int); create function f() returns bigint language plpgsql as $$ begin return (select count(*) from public.broken); end $$; create materialized view m as select f(); create materialized view n as select * from m; drop table broken",
        ),
    );
    let request = source::StageRequest { keep_going: true, ..archive.request(&fresh_name()) };
    let context = Context::default();
    let mut staging = archive.load(server(), &request, &context).unwrap();
    let compared = staging.compare(&archive.members, &context).unwrap();
    let different: Vec<_> = compared.iter().flat_map(|it| it.different.clone()).collect();
    assert_eq!(different, ["The materialized view public.m is not filled.", "The materialized view public.n is not filled."]);
    drop(staging);

    let notes = archive.restore(server(), &request).unwrap();
    assert_eq!(notes.len(), 2, "{notes:?}");
    assert!(notes.iter().any(|note| note.contains("public.m")) && notes.iter().any(|note| note.contains("public.n")));
    assert_eq!(ask(&request.name, "select count(*) from t"), "1");
}

#[test]
fn whoever_may_make_databases_can_restore_his_own() {
    let server = PostgresServer::start().unwrap();
    server.psql("postgres", "create role maker login createdb").unwrap();
    server.psql("postgres", "create database mine owner maker").unwrap();
    let sql = "set role maker; create table t(id int primary key, up int references t); insert into t values (1, 1); create materialized view m as select * from t; create schema s; create function s.f() returns int language sql begin atomic select 1; end; alter default privileges grant select on tables to public; select lo_from_bytea(0, 'x'); create extension citext";
    server.psql("mine", sql).unwrap();
    let archive = back_up_by(&source(&server, "maker"), "mine");
    let context = Context::default();
    let mut staging = source(&server, "maker").stage(&archive.request("again"), &context).unwrap();
    load_whole(&mut *staging, &archive.members, &context).unwrap();
    assert_eq!(staging.tables(None, &context).unwrap(), archive.summary.tables);
    let compared = staging.compare(&archive.members, &context).unwrap();
    assert!(compared.iter().all(domain::Comparison::is_equal), "{compared:?}");
    staging.publish(&context).unwrap();
    same(&server, "mine", "again");
    assert_eq!(server.psql("postgres", "select pg_get_userbyid(datdba) from pg_database where datname = 'again'").unwrap(), "maker");
}

#[test]
fn what_cannot_be_made_after_the_rows_can_be_left_out() {
    let database = filled(
        "create table a(id int primary key, n int); create table b(id int, up int); create function one(n int) returns int language sql immutable as 'select 1'; insert into a values (1, 0); insert into b values (1, 2);
         create index a_bad on a (one(n)); create index a_good on a (n); comment on index a_bad is 'x'; create or replace function one(n int) returns int language sql immutable as 'select 1 / n'",
    );
    // What was made while nothing was checked, or while a function did something else.
    ask(
        &database,
        "set session_replication_role = replica; alter table b add foreign key (up) references a not valid; update pg_constraint set convalidated = true where conname = 'b_up_fkey'",
    );
    let archive = back_up(server(), &database);
    let mut request = archive.request(&fresh_name());
    let error = archive.restore(server(), &request).unwrap_err();
    assert!(error.next_step().contains("--keep-different") && error.to_string().contains("public."), "{error}");
    request.keep_going = true;
    let notes = archive.restore(server(), &request).unwrap();
    assert_eq!(notes.len(), 3, "{notes:?}");
    for part in ["CREATE INDEX a_bad", "COMMENT ON INDEX public.a_bad", "b_up_fkey"] {
        assert!(notes.iter().any(|note| note.contains(part)), "{notes:?}");
    }
    assert_eq!(
        ask(
            &request.name,
            "select string_agg(indexrelid::regclass::text, ' ' order by indexrelid::regclass::text) from pg_index where indrelid = 'a'::regclass"
        ),
        "a_good a_pkey"
    );
}

#[test]
fn forced_row_security_hides_no_row_from_the_comparison() {
    let server = PostgresServer::start().unwrap();
    server.psql("postgres", "create role maker login createdb").unwrap();
    server.psql("postgres", "create database mine owner maker").unwrap();
    let sql = "set role maker; create table t(a int); insert into t values (1), (2); alter table t enable row level security; alter table t force row level security; create policy p on t using (a = 1); create table u(a int); alter table u enable row level security";
    server.psql("mine", sql).unwrap();
    let archive = back_up(&server, "mine");
    let context = Context::default();
    let mut staging = source(&server, "maker").stage(&archive.request("again"), &context).unwrap();
    load_whole(&mut *staging, &archive.members, &context).unwrap();
    assert_eq!(staging.tables(None, &context).unwrap(), archive.summary.tables);
    staging.publish(&context).unwrap();
    same(&server, "mine", "again");
    assert_eq!(server.psql("again", "set role maker; select count(*) from t").unwrap(), "1");
}
