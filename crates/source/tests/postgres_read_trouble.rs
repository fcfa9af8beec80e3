//! What happens to a reading when something goes wrong at a chosen moment, and databases that are not like others.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails is to say where")]

mod support;

use domain::{Code, Error, Result, Summary};
use source::{
    Context, Description, Member, Members, Scope, Sink, Source,
    postgres::{
        Postgres,
        archive::{DatabaseProperties, from_json},
        digest_tables,
        wire::Session,
    },
};
use std::sync::Mutex;
use support::{
    Archive,
    postgres::{connection, connection_at, filled, session, target},
};
use testkit::PostgresServer;

/// Far more than the buffers between the server and us can hold.
const BIG: &str = "create table big(t text); insert into big select repeat(md5(i::text), 30) from generate_series(1, 60000) i;";

/// Does something once, when the first part of a table has been begun; then takes bytes and drops them.
struct Trap<F>(Mutex<Option<F>>);

struct Dropped;

impl<F: FnOnce() -> Result<()> + Send> Sink for Trap<F> {
    fn member(&self, name: &str) -> Result<Box<dyn Member + '_>> {
        if name.starts_with("data/") {
            // Held meanwhile: no other session goes on before it is done.
            let mut trap = self.0.lock().unwrap();
            trap.take().map_or(Ok(()), |act| act())?;
        }
        Ok(Box::new(Dropped))
    }
}

impl Member for Dropped {
    fn write(&mut self, _: &[u8]) -> Result<()> {
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

/// Reads the database and does something in the middle of it.
fn read_and(server: &PostgresServer, database: &str, context: &Context, act: impl FnOnce() -> Result<()> + Send) -> Error {
    let source = Postgres::new(&connection(server, "postgres"), 2).unwrap();
    let reading = source.begin_full(&Scope::Database(database.into()), context).unwrap();
    reading.read(&Trap(Mutex::new(Some(act))), context).unwrap_err()
}

fn read(server: &PostgresServer, database: &str) -> (Description, Summary, Archive) {
    let source = Postgres::new(&connection(server, "postgres"), 2).unwrap();
    let reading = source.begin_full(&Scope::Database(database.into()), &Context::default()).unwrap();
    let (description, sink) = (reading.description().clone(), Archive::default());
    let summary = reading.read(&sink, &Context::default()).unwrap();
    (description, summary, sink)
}

/// Waits until no session of ours is in the database any more.
fn until_nobody_reads(server: &PostgresServer, database: &str) {
    let mut other = session(server, "postgres");
    let sql = format!("select 1 from pg_stat_activity where datname = '{database}' and application_name in ('rookery', 'pg_dump')");
    while !other.query(&sql).unwrap().is_empty() {}
}

/// Waits until a reading waits for a lock in the database.
fn until_somebody_waits(server: &PostgresServer, database: &str) {
    let mut other = session(server, "postgres");
    let sql = format!(
        "select 1 from pg_locks l join pg_database d on d.oid = l.database where d.datname = '{database}' and l.mode = 'AccessShareLock' and not l.granted"
    );
    while other.query(&sql).unwrap().is_empty() {}
}

#[test]
fn a_database_dropped_in_the_middle_is_gone() {
    let server = testkit::shared().unwrap();
    let database = filled(server, BIG);
    let error = read_and(server, &database, &Context::default(), || {
        server.psql("postgres", &format!("drop database {database} with (force)")).unwrap();
        Ok(())
    });
    assert_eq!(error.code(), Code::DatabaseGone, "{error:?}");
    assert!(error.to_string().contains(&database));
}

#[test]
fn a_session_ended_in_the_middle_is_a_lost_connection() {
    let server = testkit::shared().unwrap();
    let database = filled(server, BIG);
    let error = read_and(server, &database, &Context::default(), || {
        let end =
            format!("select pg_terminate_backend(pid) from pg_stat_activity where datname = '{database}' and application_name = 'rookery'");
        server.psql("postgres", &end).unwrap();
        Ok(())
    });
    assert_eq!(error.code(), Code::ConnectionLost, "{error:?}");
    until_nobody_reads(server, &database);
}

#[test]
fn a_server_stopped_in_the_middle_is_a_lost_connection() {
    let server = Mutex::new(PostgresServer::start().unwrap());
    let database = filled(&server.lock().unwrap(), BIG);
    let source = Postgres::new(&connection(&server.lock().unwrap(), "postgres"), 2).unwrap();
    let reading = source.begin_full(&Scope::Database(database), &Context::default()).unwrap();
    let stop = || {
        server.lock().unwrap().stop().unwrap();
        Ok(())
    };
    let error = reading.read(&Trap(Mutex::new(Some(stop))), &Context::default()).unwrap_err();
    assert_eq!(error.code(), Code::ConnectionLost, "{error:?}");
    assert!(error.to_string().contains("127.0.0.1:"), "{error:?}");
    let error = source.databases(&Context::default()).unwrap_err();
    assert_eq!(error.code(), Code::Unreachable);
}

#[test]
fn the_wish_to_stop_ends_every_session() {
    let server = testkit::shared().unwrap();
    let (database, context) = (filled(server, BIG), Context::default());
    let error = read_and(server, &database, &context, || {
        context.cancel.cancel();
        Ok(())
    });
    assert_eq!(error.code(), Code::Cancelled);
    until_nobody_reads(server, &database);
}

#[test]
fn an_error_of_the_sink_ends_every_session_and_stays_what_it_is() {
    let server = testkit::shared().unwrap();
    let database = filled(server, BIG);
    let full = || Err(Error::new(Code::NoSpace, "No room.", "Make some."));
    assert_eq!(read_and(server, &database, &Context::default(), full).code(), Code::NoSpace);
    until_nobody_reads(server, &database);
}

/// A TRUNCATE does not heed snapshots: a table emptied between snapshot and lock would be read as empty, while
/// what the same transaction wrote elsewhere is not seen.
#[test]
fn locks_come_before_the_snapshot() {
    let server = testkit::shared().unwrap();
    let database = filled(server, "create table emptied(x int); insert into emptied values (1), (2); create table moved(x int);");
    let mut writer = session(server, &database);
    writer.execute("begin; truncate emptied; insert into moved values (1), (2)").unwrap();
    let (_, summary, _) = std::thread::scope(|scope| {
        let reading = scope.spawn(|| read(server, &database));
        until_somebody_waits(server, &database);
        writer.execute("commit").unwrap();
        reading.join().unwrap()
    });
    let counts: Vec<_> = summary.tables.iter().map(|table| (table.table.as_str(), table.rows)).collect();
    assert_eq!(counts, [("public.emptied", 0), ("public.moved", 2)]);
}

#[test]
fn a_table_that_waits_to_be_dropped_is_left_out_once_it_is() {
    let server = testkit::shared().unwrap();
    let database = filled(server, "create table doomed(x int); create table kept(x int);");
    let mut writer = session(server, &database);
    writer.execute("begin; drop table doomed; create table born(x int); insert into born values (1)").unwrap();
    let (_, summary, _) = std::thread::scope(|scope| {
        let reading = scope.spawn(|| read(server, &database));
        until_somebody_waits(server, &database);
        writer.execute("commit").unwrap();
        reading.join().unwrap()
    });
    let counts: Vec<_> = summary.tables.iter().map(|table| (table.table.as_str(), table.rows)).collect();
    assert_eq!(counts, [("public.born", 1), ("public.kept", 0)]);
}

#[test]
fn databases_in_other_encodings_keep_every_byte() {
    let server = PostgresServer::builder().locale("C").start().unwrap();
    let make = |name: &str, encoding: &str, sql: &str| {
        server.psql("postgres", &format!("create database {name} template template0 encoding '{encoding}' locale 'C'")).unwrap();
        server.psql(name, sql).unwrap();
        let (description, summary, sink) = read(&server, name);
        let target = target(&server);
        assert_eq!(digest_tables(&target, name, 1, &Context::default()).unwrap(), summary.tables);
        (from_json::<DatabaseProperties>(&description.properties).unwrap(), sink)
    };
    let table = |sink: &Archive, name: &str| -> String { sink.rows(name).concat() };

    let (properties, sink) =
        make("latin", "LATIN1", "create table t(a text, \"é\" jsonb); insert into t values ('naïve', '{\"é\": \"ü\"}')");
    assert_eq!((properties.encoding.as_str(), properties.client_encoding.as_str()), ("LATIN1", "UTF8"));
    assert_eq!(table(&sink, "public.t"), r#"["naïve",{"é": "ü"}]"#);

    let sql = "set client_encoding = 'SQL_ASCII'; create table t(a text, b jsonb, c text); insert into t values (E'a\\377\\\\', E'\"\\377\"', 'é')";
    let (properties, sink) = make("bytes", "SQL_ASCII", sql);
    assert_eq!(properties.client_encoding, "SQL_ASCII");
    assert_eq!(table(&sink, "public.t"), r#"[{"text":"Yf9c"},{"text":"Iv8i"},"é"]"#);

    let wide = "create table w(a text); insert into w select repeat('é', 17000000);";
    let (_, sink) = make("latinwide", "LATIN1", wide);
    let member = sink.names().into_iter().find(|name| name.starts_with("wide/")).unwrap();
    assert_eq!(String::from_utf8(sink.bytes(&member)).unwrap(), "é".repeat(17_000_000));

    let (properties, sink) =
        make("japanese", "EUC_JP", "set client_encoding = 'UTF8'; create table t(a text); insert into t values ('日本')");
    assert_eq!(properties.client_encoding, "EUC_JP");
    assert_eq!(table(&sink, "public.t"), r#"[{"text":"xvzL3A=="}]"#);
}

#[test]
fn a_catalog_that_is_not_text_says_so() {
    let server = PostgresServer::builder().locale("C").encoding("SQL_ASCII").start().unwrap();
    let database = server.fresh_database().unwrap();
    // psql is told by the tests that what it is given is UTF-8; the bytes have to come from the server itself.
    let sql =
        format!("do $$ begin execute 'comment on database {database} is ' || quote_literal(convert_from('\\xff', 'SQL_ASCII')); end $$");
    server.psql(&database, &sql).unwrap();
    let source = Postgres::new(&connection(&server, "postgres"), 1).unwrap();
    let error = source.begin_full(&Scope::Database(database), &Context::default()).map(drop).unwrap_err();
    assert_eq!(error.code(), Code::Unsupported, "{error:?}");
}

/// Whoever may create a type may create its cast to text, which runs with the rights of whoever uses it.
#[test]
fn no_code_of_users_runs() {
    let server = testkit::shared().unwrap();
    let database = filled(
        server,
        "create table proof(x int); create type pair as (a int, b text);
         create function betray(pair) returns text language plpgsql as $$ begin raise exception 'betrayed'; end $$;
         create cast (pair as text) with function betray(pair) as assignment;
         create function public.pg_get_userbyid(oid) returns name language plpgsql as $$ begin raise exception 'betrayed'; end $$;
         create function public.octet_length(pair) returns int language plpgsql as $$ begin raise exception 'betrayed'; end $$;
         create table t(p pair, d text); insert into t values ((1, repeat('x', 30000000)), repeat('y', 9));
         insert into t select row(1, 'q')::pair, string_agg(md5(i::text), '') from generate_series(1, 10000) i;",
    );
    let (_, summary, sink) = read(server, &database);
    assert_eq!(summary.tables[1].rows, 2);
    let member = sink.names().into_iter().find(|name| name.starts_with("wide/")).unwrap();
    assert_eq!(sink.bytes(&member).len(), 30_000_004);
    let source = Postgres::new(&connection(server, "postgres"), 1).unwrap();
    assert!(source.capabilities(&database, &Context::default()).unwrap().obstacles.is_empty());
}

#[test]
fn of_an_extensions_tables_only_what_it_wants_dumped_is_read() {
    let server = testkit::shared().unwrap();
    let database = filled(
        server,
        "set allow_system_table_mods = on; create table config(a int); create table internal(a int); create sequence seq_config; create sequence seq_internal;
         insert into config values (1), (5), (6); insert into internal values (1);
         alter extension plpgsql add table config; alter extension plpgsql add table internal;
         alter extension plpgsql add sequence seq_config; alter extension plpgsql add sequence seq_internal;
         update pg_extension set extconfig = array['config'::regclass::oid, 'seq_config'::regclass::oid], extcondition = array['WHERE a > 4', '']
         where extname = 'plpgsql';",
    );
    let (_, summary, _) = read(server, &database);
    let counts: Vec<_> = summary.tables.iter().map(|table| (table.table.as_str(), table.rows)).collect();
    assert_eq!(counts, [("public.config", 2)]);
    assert!(summary.extra.to_string().contains("seq_config") && !summary.extra.to_string().contains("seq_internal"));
}

#[test]
fn what_can_be_done_is_told() {
    let server = PostgresServer::builder().conf("wal_level = replica").start().unwrap();
    let database = filled(&server, "create table nokey(a int); create table keyed(a int primary key);");
    let source = Postgres::new(&connection(&server, "postgres"), 1).unwrap();
    let found = source.capabilities(&database, &Context::default()).unwrap();
    assert_eq!(found.incremental, Some(source::IncrementalMethod::RowComparison));
    assert!(found.notes.len() == 1 && found.notes[0].contains("wal_level = logical") && found.obstacles.is_empty(), "{found:?}");

    let server = PostgresServer::builder().conf("wal_level = logical").start().unwrap();
    let database = filled(&server, "create table nokey(a int); create table keyed(a int primary key);");
    let source = Postgres::new(&connection(&server, "postgres"), 1).unwrap();
    let found = source.capabilities(&database, &Context::default()).unwrap();
    assert_eq!(found.incremental, Some(source::IncrementalMethod::ChangeStream));
    assert!(found.notes.len() == 1 && found.notes[0].contains("public.nokey") && !found.notes[0].contains("public.keyed"), "{found:?}");
}

/// Whoever changes a table waits for the locks of the reading. A session of the reading that queued behind him would
/// never be served, for the reading ends only when all its sessions are done.
#[test]
fn changes_of_definitions_wait_for_a_reading_and_do_not_stop_it() {
    const TABLES: u32 = 10;
    let server = testkit::shared().unwrap();
    let fill = |at: u32| format!("create table t{at} as select i, repeat(md5(i::text), 4) as x from generate_series(1, 8000) i;");
    let (database, context) = (filled(server, &(0..TABLES).map(fill).collect::<String>()), Context::default());
    let count = |other: &mut Session, what: &str| -> u32 {
        let sql =
            format!("select count(*) from pg_locks l join pg_database d on d.oid = l.database where d.datname = '{database}' and {what}");
        other.query(&sql).unwrap()[0].parse(0).unwrap()
    };
    std::thread::scope(|scope| {
        let (database, context, count) = (&database, &context, &count);
        let reading = scope.spawn(move || {
            let source = Postgres::new(&connection(server, "postgres"), 2).unwrap();
            let reading = source.begin_full(&Scope::Database(database.clone()), context).unwrap();
            let changing = Mutex::new(vec![]);
            let queue = || {
                let change = |at| scope.spawn(move || session(server, database).execute(&format!("alter table t{at} add column y int")));
                changing.lock().unwrap().extend((0..TABLES).map(change));
                let mut other = session(server, "postgres");
                while count(&mut other, "l.mode = 'AccessExclusiveLock' and not l.granted") < TABLES {}
                Ok(())
            };
            let summary = reading.read(&Trap(Mutex::new(Some(queue))), context);
            (summary, changing.into_inner().unwrap())
        });
        let mut other = session(server, "postgres");
        while !reading.is_finished() {
            if count(&mut other, "l.mode = 'AccessShareLock' and not l.granted") > 0 {
                context.cancel.cancel();
            }
        }
        let (summary, changing) = reading.join().unwrap();
        assert_eq!(summary.unwrap().tables.iter().map(|table| table.rows).collect::<Vec<_>>(), [8000; TABLES as usize]);
        assert_eq!(changing.len(), TABLES as usize);
        changing.into_iter().for_each(|change| change.join().unwrap().unwrap());
    });
}

/// The reading itself locks no partitioned table, pg_dump does: a lock on one holds it up at a chosen moment.
#[test]
fn a_change_that_queues_before_the_definitions_are_read_gets_through() {
    let server = testkit::shared().unwrap();
    let database =
        filled(server, "create table parted(x int) partition by list (x); create table plain(x int); insert into plain values (1);");
    let mut holder = session(server, &database);
    holder.execute("begin; lock table parted in access exclusive mode").unwrap();
    let (description, summary, _) = std::thread::scope(|scope| {
        let reading = scope.spawn(|| read(server, &database));
        until_somebody_waits(server, &database);
        let change = scope.spawn(|| session(server, &database).execute("alter table plain add column y int default 7"));
        change.join().unwrap().unwrap();
        holder.execute("commit").unwrap();
        reading.join().unwrap()
    });
    assert_eq!((summary.tables.len(), summary.tables[0].rows), (1, 1));
    assert!(description.tools[0].starts_with("pg_dump"));
}

#[test]
fn definitions_that_stay_locked_are_busy() {
    let server = testkit::shared().unwrap();
    let database = filled(server, "create table parted(x int) partition by list (x);");
    let mut holder = session(server, &database);
    holder.execute("begin; lock table parted in access exclusive mode").unwrap();
    let source = Postgres::new(&connection(server, "postgres"), 2).unwrap();
    let error = source.begin_full(&Scope::Database(database), &Context::default()).map(drop).unwrap_err();
    assert_eq!(error.code(), Code::Busy, "{error:?}");
}

#[test]
fn a_standby_is_read_without_the_rows_of_unlogged_tables() {
    let mut server = PostgresServer::start().unwrap();
    let database = filled(
        &server,
        "create unlogged table scratch(x int); insert into scratch values (1); create table kept(x int); insert into kept values (1);
         create sequence counter;",
    );
    server.stop().unwrap();
    // A primary that is told to follow one that it will never find.
    std::fs::write(server.folder().join("data/standby.signal"), "").unwrap();
    server.restart().unwrap();
    let (description, summary, sink) = read(&server, &database);
    let counts: Vec<_> = summary.tables.iter().map(|table| (table.table.as_str(), table.rows)).collect();
    assert_eq!(counts, [("public.kept", 1), ("public.scratch", 0)]);
    assert!(description.notes.len() == 1 && description.notes[0].contains("public.scratch"), "{:?}", description.notes);
    assert!(String::from_utf8(sink.bytes("schema/pre-data.sql")).unwrap().contains("CREATE UNLOGGED TABLE public.scratch"));
}

#[test]
fn a_database_that_takes_no_connections_is_listed_and_says_so() {
    let server = testkit::shared().unwrap();
    let database = filled(server, "");
    server.psql("postgres", &format!("alter database {database} allow_connections false")).unwrap();
    let source = Postgres::new(&connection(server, "postgres"), 1).unwrap();
    let found = source.databases(&Context::default()).unwrap();
    assert!(found.iter().any(|found| found.name == database) && found.iter().all(|found| found.name != "template0"));
    let error = source.begin_full(&Scope::Database(database.clone()), &Context::default()).map(drop).unwrap_err();
    assert_eq!(error.code(), Code::Privilege, "{error:?}");
    assert!(error.to_string().contains(&database) && error.next_step().contains("ALLOW_CONNECTIONS"), "{error:?}");
}

#[test]
fn a_name_that_is_not_text_stops_no_other_database() {
    let server = PostgresServer::builder().locale("C").encoding("SQL_ASCII").start().unwrap();
    session(&server, "postgres").execute_bytes(b"create database \"odd\xff\"").unwrap();
    for maintenance_database in ["postgres", "utf"] {
        if maintenance_database == "utf" {
            server.psql("postgres", "create database utf template template0 encoding 'UTF8'").unwrap();
        }
        let source = Postgres::new(&connection_at(server.port(), "postgres", maintenance_database), 1).unwrap();
        let names: Vec<_> = source.databases(&Context::default()).unwrap().into_iter().map(|database| database.name).collect();
        assert!(names.contains(&"odd//xFF".to_owned()) && names.contains(&"postgres".to_owned()), "{names:?}");
        let error = source.begin_full(&Scope::Database("odd//xFF".into()), &Context::default()).map(drop).unwrap_err();
        assert_eq!(error.code(), Code::Unsupported, "{error:?}");
        assert_eq!(source.capabilities("odd//xFF", &Context::default()).unwrap_err().code(), Code::Unsupported);
        source.begin_full(&Scope::Database("postgres".into()), &Context::default()).map(drop).unwrap();
    }
}

/// The server takes any byte in a one-byte encoding, and converts only those that mean something.
#[test]
fn a_byte_that_means_nothing_in_its_encoding_is_named_with_its_table() {
    let server = PostgresServer::builder().locale("C").start().unwrap();
    server.psql("postgres", "create database win template template0 encoding 'WIN1252' locale 'C'").unwrap();
    server.psql("win", "create table \"é\"(a text); insert into \"é\" values ('ü'), (chr(129))").unwrap();
    let error = read_and(&server, "win", &Context::default(), || Ok(()));
    assert_eq!(error.code(), Code::Unsupported, "{error:?}");
    assert!(error.to_string().contains("\"é\"") && error.to_string().contains("0x81") && error.next_step().contains("chr(n)"), "{error:?}");
}

/// Sequences cannot be locked beforehand.
#[test]
fn a_sequence_that_waits_to_be_dropped_is_left_out_once_it_is() {
    let server = testkit::shared().unwrap();
    let database = filled(server, "create sequence doomed; create sequence kept;");
    let mut writer = session(server, &database);
    writer.execute("begin; drop sequence doomed").unwrap();
    let (_, summary, _) = std::thread::scope(|scope| {
        let reading = scope.spawn(|| read(server, &database));
        until_somebody_waits(server, &database);
        writer.execute("commit").unwrap();
        reading.join().unwrap()
    });
    assert!(summary.extra.to_string().contains("kept") && !summary.extra.to_string().contains("doomed"));
}
