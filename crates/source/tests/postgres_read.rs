//! Full readings of a real PostgreSQL server.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails is to say where")]

mod support;

use domain::{Code, Error, Result, Summary};
use source::{
    Context, Description, Members, Scope, Source,
    postgres::{
        Postgres,
        archive::{DatabaseProperties, Extra, LargeObject, from_json},
        digest_tables,
        wire::{Session, Target},
    },
};
use support::{
    Archive,
    postgres::{connection, connection_at, target},
};
use testkit::PostgresServer;

fn server() -> &'static PostgresServer {
    testkit::shared().unwrap()
}

/// A database filled by `sql`.
fn filled(sql: &str) -> String {
    support::postgres::filled(server(), sql)
}

fn read_as(user: &str, database: &str) -> Result<(Description, Summary, Archive)> {
    let source = Postgres::new(&connection(server(), user), 3)?;
    let reading = source.begin_full(&Scope::Database(database.into()), &Context::default())?;
    let (description, sink) = (reading.description().clone(), Archive::default());
    let summary = reading.read(&sink, &Context::default())?;
    Ok((description, summary, sink))
}

fn read(database: &str) -> (Description, Summary, Archive) {
    read_as("postgres", database).unwrap()
}

/// Rows of one table, sorted, without the header.
fn rows(sink: &Archive, table: &str) -> Vec<String> {
    let mut rows = sink.rows(table);
    rows.sort();
    rows
}

fn failure(result: Result<(Description, Summary, Archive)>) -> Error {
    result.map(drop).unwrap_err()
}

#[test]
fn every_table_with_rows_of_its_own_is_read() {
    let database = filled(
        r#"create schema sales; create type sales.mood as enum('sad','ok'); create domain sales.pos as numeric check (value >= 0);
        create domain sales.posi as sales.pos;
        create table sales.customer(id bigint generated always as identity primary key, name text, m sales.mood, tags text[], doc jsonb,
            raw json, bin bytea, bal sales.posi, r float8, span interval, at timestamptz, pay money, ok bool, gone int,
            full_name text generated always as (name || '!') stored);
        alter table sales.customer drop column gone;
        insert into sales.customer(name, m, tags, doc, raw, bin, bal, r, span, at, pay, ok) values
            (E'a\n\t\\.\x0b"é🐦', 'ok', array['x','b,"c',null], '{"text": 1, "zzzz": null}', '{"a" : 1,  "a":2}', '\xc0ff00', 1.50, 'NaN', '1 day 2s', '0044-03-15 BC', 12.5, true),
            (null, null, null, '"s"', null, null, null, '-0', null, null, null, false);
        create table orders(id int, day date) partition by range(day); create table orders_1 partition of orders for values from ('2020-01-01') to ('2021-01-01');
        create table orders_d partition of orders default; insert into orders values (1,'2020-05-05'),(2,'2022-01-01');
        create table parent(a int); create table child(b int) inherits(parent); insert into parent values (1); insert into child values (2,3);
        create unlogged table scratch(a int); insert into scratch values (7); create table "select ""x"" from"("a b" int); create table nothing(); insert into nothing default values; insert into nothing default values;
        create table only_generated(a int generated always as (1) stored); insert into only_generated default values;
        create sequence s start 42 increment 7; select nextval('s'), nextval('s'); create sequence fresh;
        create materialized view mv as select 1 as one; create materialized view empty as select 1 as one with no data; create view v as select 1;
        create temp table t_temp(a int);"#,
    );
    let (description, summary, sink) = read(&database);
    let counts: Vec<_> = summary.tables.iter().map(|table| (table.table.as_str(), table.rows)).collect();
    assert_eq!(
        counts,
        [
            ("public.\"select \"\"x\"\" from\"", 0),
            ("public.child", 1),
            ("public.nothing", 2),
            ("public.only_generated", 1),
            ("public.orders_1", 1),
            ("public.orders_d", 1),
            ("public.parent", 1),
            ("public.scratch", 1),
            ("sales.customer", 2)
        ]
    );
    assert_eq!(
        rows(&sink, "sales.customer"),
        [
            r#"[1,"a\n\t\\.\u000b\"é🐦","ok","{x,\"b,\\\"c\",NULL}",{"jsonb":{"text": 1, "zzzz": null}},"{\"a\" : 1,  \"a\":2}","\\xc0ff00",1.50,"NaN","1 day 00:00:02","0044-03-15 00:00:00+00 BC","$12.50",true]"#,
            r#"[2,null,null,null,{"jsonb":"s"},null,null,null,-0,null,null,null,false]"#
        ]
    );
    assert_eq!(rows(&sink, "public.nothing"), ["[]", "[]"]);
    assert_eq!(rows(&sink, "public.parent"), ["[1]"]);
    let header = sink.text(&source::table::parts(&sink, "sales.customer")[0]).lines().next().unwrap().to_owned();
    assert!(header.starts_with(r#"{"table":"sales.customer","columns":["id","name","m""#) && header.contains("\"sales.posi\""), "{header}");
    let extra: Extra = from_json(&summary.extra).unwrap();
    let sequences: Vec<_> = extra.sequences.iter().map(|s| (s.name.as_str(), s.last_value, s.is_called)).collect();
    assert_eq!(sequences, [("public.fresh", 1, false), ("public.s", 49, true), ("sales.customer_id_seq", 2, true)]);
    assert_eq!(extra.materialized_views, ["public.mv"]);
    let names = sink.names();
    for name in ["schema/schema.dump", "schema/pre-data.sql", "schema/post-data.sql"] {
        assert!(names.contains(&name.to_owned()), "{names:?}");
    }
    assert!(description.tools[0].starts_with("pg_dump ") && description.database == database);
    let target = target(server());
    assert_eq!(digest_tables(&target, &database, 2, &Context::default()).unwrap(), summary.tables);
}

#[test]
fn the_database_itself_is_described() {
    let database = server().fresh_database().unwrap();
    let user = format!("owner of {database}");
    server()
        .psql(
            &database,
            &format!(
                r#"create role "{user}"; alter database {database} owner to "{user}"; comment on database {database} is 'it''s';
                alter database {database} set work_mem = '5MB'; alter role "{user}" in database {database} set search_path = 'a', 'b c';
                alter database {database} connection limit 5; grant connect on database {database} to "{user}";
                create extension postgres_fdw; create server far foreign data wrapper postgres_fdw; create foreign table away(a int) server far;"#
            ),
        )
        .unwrap();
    let (description, _, _) = read(&database);
    let properties: DatabaseProperties = from_json(&description.properties).unwrap();
    assert_eq!((properties.encoding.as_str(), properties.client_encoding.as_str(), properties.provider.as_str()), ("UTF8", "UTF8", "libc"));
    assert_eq!((properties.owner.as_str(), properties.connection_limit), (user.as_str(), 5));
    assert_eq!((properties.comment.as_deref(), properties.settings.as_slice()), (Some("it's"), &["work_mem=5MB".to_owned()][..]));
    assert_eq!(properties.role_settings[0].settings, ["search_path=a, \"b c\""]);
    assert!(properties.acl.unwrap().iter().any(|item| item.contains("CTc/")));
    assert!(properties.roles.contains(&user) && properties.roles.contains(&"postgres".to_owned()));
    assert!(properties.extensions.iter().any(|extension| extension.name == "postgres_fdw"));
    assert_eq!(properties.foreign_tables, ["public.away"]);
    assert!(description.notes.iter().any(|note| note.contains("public.away")));
}

#[test]
fn a_large_table_is_read_in_pieces_and_nothing_is_lost() {
    let database = filled(
        "create table big(id int, filler text); insert into big select i, repeat(chr(97 + i % 26), 500) from generate_series(1, 300000) i;
         delete from big where id % 3 = 0;",
    );
    let (_, summary, sink) = read(&database);
    assert_eq!(summary.tables[0].rows, 200_000);
    assert!(sink.names().iter().filter(|name| name.starts_with("data/public.big/")).count() > 5);
    let ids = rows(&sink, "public.big");
    let distinct: std::collections::HashSet<_> = ids.iter().collect();
    assert_eq!((ids.len(), distinct.len()), (200_000, 200_000));
}

#[test]
fn rows_too_large_for_memory_go_out_of_line() {
    let database = filled(
        "create table wide(id int, a bytea, b text, c jsonb, d text);
         alter table wide alter a set storage external;
         insert into wide select 1, decode(string_agg(md5(i::text), ''), 'hex'), repeat('é', 5000000), '{}', 'small' from generate_series(1, 700000) i;
         insert into wide select 2, null, repeat('é', 9000000), (select jsonb_agg(repeat('z', 1000)) from generate_series(1, 2500)), repeat('y', 900000);
         insert into wide select 3, null, repeat('é', 9000000), '[1]', null;
         insert into wide values (4, '\\x00', 'near', '{\"k\": 1}', null);",
    );
    let (_, summary, sink) = read(&database);
    assert_eq!(summary.tables[0].rows, 4);
    let rows = rows(&sink, "public.wide");
    assert!(rows.iter().all(|row| row.len() < 1_000_000), "nothing large is left in a row");
    assert!(rows[0].starts_with("[1,{\"wide\":\"") && rows[0].contains("\"size_bytes\":11200000,\"form\":\"b64\"}"), "{}", rows[0]);
    assert!(rows[0].contains("\"size_bytes\":10000000,\"form\":\"text\"},{},\"small\"]"), "{}", rows[0]);
    assert_eq!(rows[3], r#"[4,"\\x00","near",{"k": 1},null]"#);
    let wide: Vec<_> = sink.names().into_iter().filter(|name| name.starts_with("wide/")).collect();
    assert_eq!(wide.len(), 4, "equal values share a member: {wide:?}");
    for name in &wide {
        let bytes = sink.bytes(name);
        assert_eq!(*name, source::encode::wide_member(source::encode::row_hash(&bytes)));
    }
    let text = wide.iter().map(|name| sink.bytes(name)).find(|bytes| bytes.len() == 18_000_000).unwrap();
    assert_eq!(String::from_utf8(text).unwrap(), "é".repeat(9_000_000));
    let target = target(server());
    assert_eq!(digest_tables(&target, &database, 2, &Context::default()).unwrap(), summary.tables);
}

#[test]
fn large_objects_are_read() {
    let database = filled(
        "select lo_create(4001), lo_from_bytea(4002, decode('c0ffee', 'hex')), lo_from_bytea(4003, decode(repeat('ab', 65536), 'hex')),
                lo_from_bytea(4004, decode(repeat('01', 200000), 'hex'));
         comment on large object 4002 is 'coffee'; grant select on large object 4002 to public;",
    );
    let (_, summary, sink) = read(&database);
    assert_eq!((summary.tables[0].table.as_str(), summary.tables[0].rows), ("pg_largeobject", 1 + 1 + 1 + 4));
    let rows = rows(&sink, "pg_largeobject");
    assert_eq!(rows[0], r#"[4001,0,"\\x"]"#);
    assert_eq!(rows[1], r#"[4002,0,"\\xc0ffee"]"#);
    let chunks = rows.iter().filter_map(|row| row.strip_prefix("[4004,")?.rsplit_once("\\\\x"));
    assert_eq!(chunks.map(|(_, digits)| digits.matches("01").count()).sum::<usize>(), 200_000);
    let objects: Vec<LargeObject> = serde_json::from_slice(&sink.bytes("blobs/metadata.json")).unwrap();
    assert_eq!((objects[1].oid, objects[1].comment.as_deref(), objects[1].owner.as_str()), (4002, Some("coffee"), "postgres"));
    assert!(objects[1].acl.as_ref().unwrap().contains(&"=r/postgres".to_owned()) && objects[0].acl.is_none());
}

#[test]
fn what_may_not_be_read_is_named_at_once_and_nothing_is_saved() {
    let database = filled("create table a(x int); create table b(x int); create table c(x int); create table d(x int); create sequence q;");
    let user = format!("limited_{database}");
    let sql = format!(
        "create role {user} login; grant select on a, c to {user}; alter table c enable row level security; select lo_create(5001);"
    );
    server().psql(&database, &sql).unwrap();
    let error = failure(read_as(&user, &database));
    assert_eq!(error.code(), Code::Privilege);
    assert!(error.to_string().contains("public.b, public.c, public.d") && !error.to_string().contains("public.a"), "{error}");
    let source = Postgres::new(&connection(server(), &user), 1).unwrap();
    let capabilities = source.capabilities(&database, &Context::default()).unwrap();
    assert_eq!(capabilities.obstacles.len(), 5, "{capabilities:?}");
    server().psql(&database, &format!("grant select on b, d to {user}; alter table c disable row level security;")).unwrap();
    let error = failure(read_as(&user, &database));
    assert!(error.code() == Code::Privilege && error.to_string().contains("5001"), "{error}");
    server().psql(&database, &format!("grant select on large object 5001 to {user};")).unwrap();
    let error = failure(read_as(&user, &database));
    assert!(error.code() == Code::Privilege && error.to_string().contains("public.q"), "{error}");
    server().psql(&database, &format!("grant select on q to {user};")).unwrap();
    assert_eq!(read_as(&user, &database).unwrap().1.tables.len(), 5);
}

#[test]
fn a_locked_table_names_who_locks_it() {
    let database = filled("create table busy(x int)");
    let target = target(server());
    let mut locker = Session::connect(&target, &database, &Context::default()).unwrap();
    locker.execute("begin; lock table busy in access exclusive mode").unwrap();
    let pid = locker.query("select pg_backend_pid()").unwrap()[0].text(0).unwrap().to_owned();
    let error = failure(read_as("postgres", &database));
    assert_eq!(error.code(), Code::Busy);
    assert!(error.to_string().contains(&format!("Process {pid} ")) && error.to_string().contains("public.busy"), "{error}");
}

#[test]
fn databases_are_found_and_the_server_is_known() {
    let source = Postgres::new(&connection(server(), "postgres"), 1).unwrap();
    let context = Context::default();
    server().create_database("rookery_staging_0123456789abcdef").unwrap();
    server().create_database("rookery_staging_mine").unwrap();
    let found = source.databases(&context).unwrap();
    let names: Vec<_> = found.iter().map(|database| database.name.as_str()).collect();
    assert!(names.is_sorted() && found.iter().all(|database| database.size_bytes.is_some()));
    for (name, listed) in [
        ("postgres", true),
        ("template1", true),
        ("rookery_staging_mine", true),
        ("template0", false),
        ("rookery_staging_0123456789abcdef", false),
    ] {
        assert_eq!(names.contains(&name), listed, "{name}");
    }
    let identity = source.identify(&context).unwrap();
    assert!(identity.has_globals && identity.instance.parse::<u64>().is_ok(), "{identity:?}");
    let globals = source.begin_full(&Scope::Globals, &context).unwrap();
    assert_eq!(globals.description().database, "_globals");
    let sink = Archive::default();
    globals.read(&sink, &context).unwrap();
    assert!(String::from_utf8(sink.bytes("globals.sql")).unwrap().contains("ROLE postgres"));
    let error = source.begin_full(&Scope::Database("nowhere".into()), &context).map(drop).unwrap_err();
    assert_eq!(error.code(), Code::DatabaseGone);
}

/// Servers that encrypt their files say so by settings; here they are those of a role, which are as good for the question.
#[test]
fn a_server_that_says_that_it_encrypts_its_files_is_known() {
    let told = |user: &str| Postgres::new(&connection(server(), user), 1).unwrap().identify(&Context::default()).unwrap().encrypted_at_rest;
    assert_eq!(told("postgres"), None);
    for (user, setting, what) in
        [("tde_percona", "pg_tde.wal_encrypt = 'on'", Some("pg_tde")), ("tde_percona_off", "pg_tde.wal_encrypt = 'off'", None)]
    {
        server().psql("postgres", &format!("create role {user} login superuser; alter role {user} set {setting}")).unwrap();
        assert_eq!(told(user).as_deref(), what, "{setting}");
    }
}

/// Privileges on the catalog of roles hold in one database alone: what counts is the one that is asked for the globals.
#[test]
fn globals_without_passwords_say_so() {
    const MAINTENANCE: &str = r"host=evil o'brien \";
    let server = PostgresServer::start().unwrap();
    let context = Context::default();
    server.create_database(MAINTENANCE).unwrap();
    server.create_database("shop").unwrap();
    server.psql("postgres", "create role clerk login password 'x'; create role reader login; create role poor login").unwrap();
    server.psql("postgres", "grant pg_read_all_data to reader; grant select on pg_authid to poor").unwrap();
    // What is told of the globals, what of the database, and whether passwords are in the globals.
    let told = |user: &str| {
        let source = Postgres::new(&connection_at(server.port(), user, MAINTENANCE), 1).unwrap();
        let mut of_database = source.capabilities("shop", &context).unwrap();
        assert_eq!(of_database.obstacles, [""; 0]);
        of_database.notes.retain(|note| !note.starts_with("For incremental backups"));
        let globals = source.begin_full(&Scope::Globals, &context).unwrap();
        let (of_globals, sink) = (globals.description().notes.clone(), Archive::default());
        globals.read(&sink, &context).unwrap();
        let sql = String::from_utf8(sink.bytes("globals.sql")).unwrap();
        assert!(sql.contains("CREATE ROLE clerk"), "{sql}");
        (of_globals, of_database.notes, sql.contains("PASSWORD 'SCRAM-SHA-256$"))
    };
    assert_eq!(told("postgres"), (vec![], vec![], true));
    assert_eq!(told("reader"), (vec![], vec![], true));
    let note = r#"Roles are kept without their passwords: the role "poor" may not read them. Grant it SELECT on pg_authid in the database "host=evil o'brien \\" (or pg_read_all_data on PostgreSQL 14 and newer), or back up as a superuser."#;
    assert_eq!(told("poor"), (vec![note.to_owned()], vec![note.to_owned()], false));
    server.psql(MAINTENANCE, "grant select on pg_authid to poor").unwrap();
    assert_eq!(told("poor"), (vec![], vec![], true));
}

#[test]
fn settings_of_a_database_change_nothing() {
    let sql = "create schema s; create table s.t(id int);
        create table r(c regclass, p regproc, y regtype, i interval, m money, b bytea, d date, x xml, a text[], f float8);
        insert into r values ('s.t', 'now', 's.t', '1 day 2s', 12.5, '\\x00ff', '2020-02-01', '<a/>', '{NULL,x}', 0.1);";
    let (plain, odd) = (filled(sql), filled(sql));
    let settings = [
        "quote_all_identifiers = on",
        "array_nulls = off",
        "datestyle = 'German'",
        "intervalstyle = 'iso_8601'",
        "bytea_output = 'escape'",
        "extra_float_digits = -3",
        "xmloption = 'document'",
        "xmlbinary = 'hex'",
        "timezone = 'Asia/Tokyo'",
        "search_path = 's', 'public'",
        "transform_null_equals = on",
        "default_transaction_isolation = 'serializable'",
        "default_transaction_read_only = on",
        "exit_on_error = on",
    ];
    for setting in settings {
        server().psql("postgres", &format!("alter database {odd} set {setting}")).unwrap();
    }
    let (plain, odd) = (read(&plain), read(&odd));
    assert_eq!(rows(&odd.2, "public.r"), [r#"["s.t","now","s.t","1 day 00:00:02","$12.50","\\x00ff","2020-02-01","<a/>","{NULL,x}",0.1]"#]);
    assert_eq!(plain.1, odd.1);
}

/// A restore compares on a machine that needs no client tools. What is found there is asked of the environment, so
/// this test looks at itself in a process of its own.
#[test]
fn a_comparison_needs_no_client_tools() {
    const DATABASE: &str = "ROOKERY_TEST_DATABASE";
    let Ok(told) = std::env::var(DATABASE) else {
        let database = filled("create table t(a int); insert into t values (1);");
        let empty = tempfile::tempdir().unwrap();
        let output = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "a_comparison_needs_no_client_tools"])
            .env("ROOKERY_PG_BIN", empty.path())
            .env(DATABASE, format!("{} {database}", server().port()))
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        return;
    };
    let (port, database) = told.split_once(' ').unwrap();
    let target = Target::new(&connection_at(port.parse().unwrap(), "postgres", "postgres")).unwrap();
    assert_eq!(source::postgres::tools::find(120_000).unwrap_err().code(), Code::ToolMissing);
    assert_eq!(digest_tables(&target, database, 2, &Context::default()).unwrap()[0].rows, 1);
}
