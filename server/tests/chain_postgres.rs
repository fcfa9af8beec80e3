//! Incrementals of a PostgreSQL server as a user meets them: moments, reasons, and what is left on the server.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use serde_json::Value;
use support::{Ran, World};
use testkit::PostgresServer;

fn server() -> PostgresServer {
    PostgresServer::builder().conf("wal_level = logical").start().unwrap()
}

fn incremental(world: &World, server: &PostgresServer) -> Value {
    let ran = world.run(["backup", &server.address(), "--to", &world.root(), "--database", "shop", "--kind", "incremental", "--json"]);
    ran.succeeds().json()["runs"][0].clone()
}

fn restore(world: &World, server: &PostgresServer, name: &str, more: &[&str]) -> Ran {
    let (root, address) = (world.root(), server.address());
    world.run(["restore", &root, "--database", "shop", "--into", &address, "--as", name, "--json"].into_iter().chain(more.iter().copied()))
}

fn slots(server: &PostgresServer) -> Vec<String> {
    let slots = server.psql("postgres", "select slot_name from pg_replication_slots order by 1").unwrap();
    slots.lines().map(str::to_owned).collect()
}

/// The moment by the server's clock.
fn now(server: &PostgresServer) -> String {
    server.psql("shop", "select to_char(clock_timestamp() at time zone 'utc', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')").unwrap()
}

const ROWS: &str = "select string_agg(t::text, ' ' order by id) from item t";

#[test]
fn any_moment_of_a_chain_is_restored_and_one_slot_is_kept() {
    let (world, server) = (World::new(), server());
    server.create_database("shop").unwrap();
    server
        .psql(
            "shop",
            "create table item (id int primary key, v text); create table gone (a int); insert into item values (1, 'a'), (2, 'b')",
        )
        .unwrap();
    let full = incremental(&world, &server);
    assert!(full["kind"] == "full" && full["reason"] == "There is no full backup yet.", "{full}");
    assert_eq!(slots(&server).len(), 1);

    server.psql("shop", "update item set v = 'c' where id = 2; insert into item values (3, repeat('x', 5000))").unwrap();
    let (moment, rows) = (now(&server), server.psql("shop", ROWS).unwrap());
    server.psql("shop", "delete from item where id = 1; insert into item values (4, 'd')").unwrap();
    let changed = incremental(&world, &server);
    assert!(changed["kind"] == "incremental" && changed["rows"] == 4, "{changed}");
    assert_eq!(incremental(&world, &server)["result"], "no_changes");
    server
        .psql(
            "shop",
            "drop table gone; create table later (b int); insert into later values (5); alter table item add column w int default 9",
        )
        .unwrap();
    assert_eq!(incremental(&world, &server)["kind"], "incremental");
    assert_eq!(slots(&server).len(), 1, "a slot was left or lost");

    let at = restore(&world, &server, "then", &["--at", &moment]).succeeds().json();
    assert!(at["proven"] == true && at["at"].as_str().is_some(), "{at}");
    assert_eq!(server.psql("then", ROWS).unwrap(), rows);
    let newest = restore(&world, &server, "newest", &[]).succeeds().json();
    assert_eq!(newest["proven"], true, "{newest}");
    for sql in [ROWS, "select b from later", "select to_regclass('gone') is null"] {
        assert_eq!(server.psql("newest", sql).unwrap(), server.psql("shop", sql).unwrap(), "{sql}");
    }
    // What lies before the chain, and what nobody has backed up yet.
    restore(&world, &server, "no", &["--at", "2001-01-01T00:00:00Z"]).fails(1, &["first restore point after it"]);
    restore(&world, &server, "no", &["--at", "2100-01-01T00:00:00Z"]).fails(1, &["last restore point before it"]);
    let listed = world.run(["list", &world.root(), "--database", "shop", "--json"]).succeeds().json();
    assert!(listed["databases"][0]["restore_points"][0]["from"].is_string(), "{listed}");
}

#[test]
fn no_moment_is_missing_before_a_full_backup() {
    let (world, server) = (World::new(), server());
    server.create_database("shop").unwrap();
    server.psql("shop", "create table item (id int primary key, v text); insert into item values (1, 'a')").unwrap();
    incremental(&world, &server);
    server.psql("shop", "insert into item values (2, 'b')").unwrap();
    incremental(&world, &server);
    server.psql("shop", "update item set v = 'c' where id = 1").unwrap();
    let (moment, rows) = (now(&server), server.psql("shop", ROWS).unwrap());
    server.psql("shop", "delete from item where id = 2").unwrap();
    let root = world.root();
    let limited = ["--kind", "incremental", "--most-incrementals", "1", "--json"];
    let ran = world.run(["backup", &server.address(), "--to", &root, "--database", "shop"].into_iter().chain(limited));
    let full = ran.succeeds().json()["runs"][0].clone();
    assert!(full["kind"] == "full" && full["notes"][0].as_str().unwrap().contains("was made first: moments up to"), "{full}");
    assert_eq!(slots(&server).len(), 1, "the slot of the chain before was left, or that of this one lost");
    assert_eq!(restore(&world, &server, "then", &["--at", &moment]).succeeds().json()["proven"], true);
    assert_eq!(server.psql("then", ROWS).unwrap(), rows);
    // Both chains go on to what they should.
    server.psql("shop", "insert into item values (4, 'd')").unwrap();
    assert_eq!(incremental(&world, &server)["kind"], "incremental");
    assert_eq!(restore(&world, &server, "newest", &[]).succeeds().json()["proven"], true);
    assert_eq!(server.psql("newest", ROWS).unwrap(), server.psql("shop", ROWS).unwrap());
}

#[test]
fn a_moment_that_a_table_is_not_of_is_not_called_proven() {
    let (world, server) = (World::new(), server());
    server.create_database("shop").unwrap();
    server
        .psql("shop", "create table item (id int primary key); insert into item values (1); create table day (id int primary key)")
        .unwrap();
    incremental(&world, &server);
    server.psql("shop", "insert into item values (2); truncate day; insert into day values (1)").unwrap();
    let moment = now(&server);
    server.psql("shop", "insert into item values (3)").unwrap();
    assert_eq!(incremental(&world, &server)["kind"], "incremental");
    let ran = restore(&world, &server, "then", &["--at", &moment]);
    assert_eq!(ran.code, 3, "{ran:?}");
    let then = ran.json();
    assert!(then["proven"] == false && then["result"] == "partly" && then["error"].is_null(), "{then}");
    assert_eq!(then["compared"][0]["elsewhere"], serde_json::json!(["public.day"]), "{then}");
    assert!(then["tables"].as_array().unwrap().iter().all(|table| table["table"] != "public.day"), "{then}");
    assert_eq!(server.psql("then", "select string_agg(id::text, ' ' order by id) from item").unwrap(), "1 2");
    let text = world.run(["restore", &world.root(), "--database", "shop", "--into", &server.address(), "--as", "text", "--at", &moment]);
    assert!(text.code == 3 && text.stdout.contains("not as it was at the moment that was asked for: public.day"), "{}", text.stdout);
    restore(&world, &server, "newest", &[]).succeeds();
}

#[test]
fn what_ends_a_chain_is_said_and_no_slot_is_left_behind() {
    let (world, mut server) = (World::new(), server());
    server.create_database("shop").unwrap();
    server.psql("shop", "create table item (id int primary key); insert into item values (1)").unwrap();
    incremental(&world, &server);
    server.psql("shop", "insert into item values (2)").unwrap();
    server.restart().unwrap();
    assert_eq!(incremental(&world, &server)["kind"], "incremental");

    // Somebody drops the slot.
    server.psql("postgres", &format!("select pg_drop_replication_slot('{}')", slots(&server)[0])).unwrap();
    let full = incremental(&world, &server);
    assert!(full["kind"] == "full" && full["reason"].as_str().unwrap().contains("is gone"), "{full}");
    // Somebody reads from it.
    server.psql("shop", "insert into item values (3)").unwrap();
    let slot = slots(&server)[0].clone();
    server.psql("shop", &format!("select count(*) from pg_logical_slot_get_changes('{slot}', null, null)")).unwrap();
    let full = incremental(&world, &server);
    assert!(full["kind"] == "full" && full["reason"].as_str().unwrap().contains("somebody else"), "{full}");
    assert_eq!(slots(&server).len(), 1);
    restore(&world, &server, "back", &[]).succeeds();
    // A full backup that was asked for alone leaves nothing on the server.
    server.psql("postgres", &format!("select pg_drop_replication_slot('{}')", slots(&server)[0])).unwrap();
    world.run(["backup", &server.address(), "--to", &world.root(), "--database", "shop"]).succeeds();
    assert!(slots(&server).is_empty());
}
