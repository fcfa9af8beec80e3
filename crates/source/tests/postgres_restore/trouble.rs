//! Restores that are killed, and rows that are too large for memory.

use crate::{
    round::{self, back_up_by, source, source_at, staged},
    support::{self, load_whole, postgres::fresh_name},
};
use domain::{Code, Result};
use source::{Context, Members, Source};
use std::{env, io::Read, thread};
use testkit::{PostgresServer, Puppet, eventually};

/// Set for the process that is to be killed: port and database.
const VICTIM: &str = "ROOKERY_TEST_VICTIM";

#[test]
fn a_sweep_removes_what_a_killed_restore_left_and_nothing_of_a_living_one() {
    if let Ok(told) = env::var(VICTIM) {
        return restore_for_ever(&told);
    }
    let server = PostgresServer::start().unwrap();
    server.create_database("a").unwrap();
    server.psql("a", "create table t(a int); insert into t values (1)").unwrap();
    // A database of somebody else whose name only resembles ours.
    server.create_database("rookery_staging_mine").unwrap();
    let mut command = Puppet::command(env::current_exe().unwrap());
    command.args(["--exact", "trouble::a_sweep_removes_what_a_killed_restore_left_and_nothing_of_a_living_one", "--nocapture"]);
    command.env(VICTIM, format!("{} a", server.port()));
    let mut victim = Puppet::start(command).unwrap();
    victim.wait_for_line("the first row is awaited").unwrap();

    let sweep = || source(&server, "postgres").sweep(&Context::default()).unwrap();
    sweep();
    assert_eq!(staged(&server).len(), 2, "a restore that lives keeps its database");
    let made = "select count(*) from pg_roles where rolname = 'made for it'";
    assert_eq!(server.psql("postgres", made).unwrap(), "1", "and the role that was made for it");
    victim.kill().unwrap();
    victim.wait().unwrap();
    // The server needs a moment to see that its clients are gone.
    eventually("the staging database is swept away", || {
        sweep();
        staged(&server) == ["rookery_staging_mine"]
    })
    .unwrap();
    assert_eq!(server.psql("postgres", made).unwrap(), "0", "the role that was made for it is gone too");
    assert_eq!(server.psql("postgres", "select count(*) from pg_database where datname = 'back'").unwrap(), "0");
}

/// Restores until the first row is needed, and waits there.
fn restore_for_ever(told: &str) {
    let (port, database) = told.split_once(' ').unwrap();
    let source = source_at(port.parse().unwrap(), "postgres");
    let archive = back_up_by(&source, database);
    let context = Context::default();
    let mut request = archive.request("back");
    request.create_roles = true;
    request.description.properties["roles"] = serde_json::json!(["made for it"]);
    let mut staging = source.stage(&request, &context).unwrap();
    load_whole(&mut *staging, &Stuck(&archive.members), &context).unwrap();
}

/// An archive whose rows never come.
struct Stuck<'a>(&'a support::Archive);

impl Members for Stuck<'_> {
    fn names(&self) -> Vec<String> {
        self.0.names()
    }

    fn open(&self, name: &str) -> Result<Box<dyn Read + Send + '_>> {
        let member = self.0.open(name)?;
        Ok(if name.starts_with("data/") { Box::new(Never(member)) } else { member })
    }
}

/// Gives one line and then nothing, without an end.
struct Never<'a>(Box<dyn Read + Send + 'a>);

impl Read for Never<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let mut byte = [0];
        let mut read = 0;
        while read < buffer.len() && self.0.read(&mut byte)? == 1 {
            buffer[read] = byte[0];
            read += 1;
            if byte[0] == b'\n' {
                return Ok(read);
            }
        }
        println!("the first row is awaited");
        loop {
            thread::park();
        }
    }
}

/// An archive in which something happens as soon as rows are wanted.
struct Hooked<'a, F>(&'a support::Archive, F);

impl<F: Fn() + Sync> Members for Hooked<'_, F> {
    fn names(&self) -> Vec<String> {
        self.0.names()
    }

    fn open(&self, name: &str) -> Result<Box<dyn Read + Send + '_>> {
        if name.starts_with("data/") {
            self.1();
        }
        self.0.open(name)
    }
}

#[test]
fn what_breaks_in_the_middle_leaves_nothing() {
    let server = PostgresServer::start().unwrap();
    server.create_database("a").unwrap();
    server.psql("a", "create table t(a int, b text); insert into t select i, repeat('x', 100) from generate_series(1, 100000) i; create table u(a int check (a > 0)); insert into u values (1)").unwrap();
    let archive = back_up_by(&source(&server, "postgres"), "a");
    let context = Context::default();
    let failed = |archive: &dyn Members, request: &source::StageRequest| {
        let mut staging = source(&server, "postgres").stage(request, &context).unwrap();
        let error = load_whole(&mut *staging, archive, &context).unwrap_err();
        drop(staging);
        assert_eq!(staged(&server), [""; 0]);
        error
    };
    let request = archive.request("b");
    let end = "select pg_terminate_backend(pid) from pg_stat_activity where datname like 'rookery_staging%'";
    let ended = Hooked(&archive.members, || drop(server.psql("postgres", end).unwrap()));
    assert_eq!(failed(&ended, &request).code(), Code::ConnectionLost);

    let definitions = archive.members.text("schema/pre-data.sql");
    archive.members.replace("schema/pre-data.sql", definitions.replace("(a > 0)", "(a > 1)").as_bytes());
    let error = failed(&archive.members, &request);
    assert!(error.code() == Code::ServerError && error.to_string().contains("public.u"), "{error}");

    for (part, bytes) in [
        ("public.u", "{\"table\":\"public.u; drop table public.t\",\"columns\":[\"a\"],\"types\":[\"integer\"]}\n[1]\n"),
        ("public.u", "{\"table\":\"public.u\",\"columns\":[\"a\"],\"types\":[\"integer\"]}\n[1,2]\n"),
        ("public.u", "nothing"),
    ] {
        archive.members.replace(&format!("data/{part}/000000.ndjson.zst"), bytes.as_bytes());
        assert_eq!(failed(&archive.members, &request).code(), Code::Damaged);
    }

    let cancelled = Hooked(&archive.members, || context.cancel.cancel());
    assert_eq!(failed(&cancelled, &request).code(), Code::Cancelled);
}

#[test]
fn no_error_tells_a_secret() {
    let server = testkit::shared().unwrap();
    let database = fresh_name();
    server.create_database(&database).unwrap();
    server.psql(&database, "create foreign data wrapper w; create server s foreign data wrapper w; create user mapping for public server s options (password 'hunter2')").unwrap();
    let archive = round::back_up(server, &database);
    let definitions = archive.members.text("schema/pre-data.sql");
    let broken = definitions.replace("FOR public SERVER s", "FOR public SERVER gone");
    assert_ne!(broken, definitions);
    archive.members.replace("schema/pre-data.sql", broken.as_bytes());
    let error = archive.restore(server, &archive.request(&fresh_name())).unwrap_err();
    assert!(
        error.to_string().contains("CREATE USER MAPPING FOR public SERVER gone") && !format!("{error:?}").contains("hunter2"),
        "{error:?}"
    );
}

#[test]
fn types_in_an_archive_are_not_sql() {
    let server = testkit::shared().unwrap();
    let database = fresh_name();
    server.create_database(&database).unwrap();
    server.psql(&database, "create table t(a text); insert into t values (repeat('x', 17000000))").unwrap();
    let archive = round::back_up(server, &database);
    let part = "data/public.t/000000.ndjson.zst";
    let rows = archive.members.text(part);
    let crafted = rows.replace("\"types\":[\"text\"]", "\"types\":[\"text) || repeat('y', 1\"]");
    assert_ne!(crafted, rows);
    archive.members.replace(part, crafted.as_bytes());
    // What is restored is compared with what was backed up.
    archive.restore(server, &archive.request(&fresh_name())).unwrap();
}

#[test]
fn values_that_no_memory_should_hold_come_back() {
    let server = testkit::shared().unwrap();
    let database = fresh_name();
    server.create_database(&database).unwrap();
    server
        .psql(
            &database,
            "create table wide(id int generated always as identity, b bytea not null, t text, v varchar, j jsonb, a text[], g int generated always as (length(t)) stored, n text);
             alter table wide alter b set storage external;
             insert into wide(b, t, v, j, a) values
               (convert_to(repeat('x', 600000000), 'UTF8'), 'small', null, '{}', '{}'),
               ('\\x00ff', repeat(E'é\\\\\\n\"', 5000000), repeat('ü', 20000000), jsonb_build_object('text', repeat('y', 18000000)), array[repeat('z', 17000000), null, 'a\"']),
               ('', 'plain', 'v', null, null);",
        )
        .unwrap();
    let back = round_trip_of_wide(server, &database);
    // That the bytes are the same is what the digests have shown already.
    let sums = "select id, length(b), length(t), length(v), length(j::text), array_length(a, 1), g, n is null from wide order by id";
    assert_eq!(server.psql(&back, sums).unwrap(), server.psql(&database, sums).unwrap());
}

/// As a round trip, but not compared by pg_dump, which cannot read such rows.
fn round_trip_of_wide(server: &PostgresServer, database: &str) -> String {
    let archive = round::back_up(server, database);
    assert!(archive.members.names().iter().filter(|name| name.starts_with("wide/")).count() >= 4);
    let name = fresh_name();
    assert_eq!(archive.restore(server, &archive.request(&name)).unwrap(), [""; 0]);
    name
}
