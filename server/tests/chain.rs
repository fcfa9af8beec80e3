//! Incrementals as a user meets them: what is made, why, and what is restored.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use seal::PrivateKey;
use serde_json::Value;
use std::fs;
use support::{Ran, World};
use testkit::sqlite_dump;

fn incremental(world: &World, more: &[&str]) -> Ran {
    let (server, root) = (world.server(), world.root());
    world.run(["backup", &server, "--to", &root, "--kind", "incremental", "--json"].into_iter().chain(more.iter().copied()))
}

/// What became of the database: result, kind and reason.
fn outcome(ran: &Ran) -> (String, String, String) {
    let run = run(ran);
    let text = |name: &str| run[name].as_str().unwrap_or_default().to_owned();
    (text("result"), text("kind"), text("reason"))
}

fn run(ran: &Ran) -> Value {
    let runs = ran.succeeds().json()["runs"].as_array().unwrap().clone();
    runs.into_iter().find(|run| run["database"] == "shop.db").unwrap()
}

fn points(world: &World) -> Vec<Value> {
    let list = world.run(["list", &world.root(), "--json"]).succeeds().json();
    list["databases"][0]["restore_points"].as_array().unwrap().clone()
}

fn label(point: &Value) -> &str {
    point["label"].as_str().unwrap()
}

fn dump(world: &World, name: &str) -> String {
    sqlite_dump(&world.path("dbs").join(name)).unwrap()
}

/// A chain of a full backup and two incrementals, newest first, with what the database held at each.
fn chain() -> (World, Vec<(String, String)>) {
    let world = World::new();
    world.shop();
    let mut dumps = vec![];
    for sql in
        ["", "update item set name = 'new' where id = 7; delete from item where id > 990;", "insert into item values (2000, 'last');"]
    {
        world.database("shop.db", sql);
        assert_eq!(outcome(&incremental(&world, &[])).0, "succeeded");
        dumps.push(dump(&world, "shop.db"));
    }
    dumps.reverse();
    let all = points(&world).iter().map(|point| label(point).to_owned()).zip(dumps).collect();
    (world, all)
}

#[test]
fn a_chain_begins_with_a_full_backup_and_holds_what_changed() {
    let world = World::new();
    world.shop();
    assert_eq!(outcome(&incremental(&world, &[])), ("succeeded".into(), "full".into(), "There is no full backup yet.".into()));
    world.database("shop.db", "update item set name = 'new' where id = 7;");
    let changed = incremental(&world, &[]);
    assert_eq!(outcome(&changed), ("succeeded".into(), "incremental".into(), "An incremental backup was asked for.".into()));
    assert_eq!(changed.json()["runs"][0]["rows"], 1);
    let files = world.files();
    let nothing = incremental(&world, &[]);
    assert_eq!(outcome(&nothing).0, "no_changes");
    assert_eq!(world.files(), files, "a backup without changes wrote something");
    let said = world.run(["backup", &world.server(), "--to", &world.root(), "--kind", "incremental"]);
    assert!(said.succeeds().stdout.contains("1 database has not changed since the last backup."), "{said:?}");
    assert_eq!(files.iter().filter(|(path, _)| path.extension().is_some_and(|ending| ending == "zip")).count(), 2);
    let folders = fs::read_dir(world.path("root/shop.db")).unwrap().count();
    assert_eq!(folders, 1, "a chain is one folder");
    world.verify().succeeds();
}

#[test]
fn every_backup_of_a_chain_restores_its_moment() {
    let (world, all) = chain();
    for (nth, (label, dumped)) in all.iter().enumerate() {
        let name = format!("back{nth}.db");
        let restored = world.run([
            "restore",
            &world.root(),
            "--database",
            "shop.db",
            "--into",
            &world.server(),
            "--as",
            &name,
            "--point",
            label,
            "--json",
        ]);
        assert_eq!(restored.succeeds().json()["proven"], true);
        assert_eq!(dump(&world, &name), *dumped);
    }
    // One table alone, out of the chain.
    let one = ["restore", &world.root(), "--database", "shop.db", "--into", &world.server(), "--as", "one.db", "--table", "item", "--json"];
    world.run(one).succeeds();
    assert_eq!(dump(&world, "one.db"), all[0].1);
}

#[test]
fn what_ends_a_chain_is_written_on_the_full_backup() {
    let (world, _) = chain();
    let change = |world: &World| world.database("shop.db", "update item set name = name || '!' where id = 1;");
    change(&world);
    let (_, kind, why) = outcome(&incremental(&world, &["--most-incrementals", "2"]));
    assert!(kind == "full" && why.contains("as many incrementals as it may have (2)"), "{why}");
    change(&world);
    assert_eq!(outcome(&incremental(&world, &["--most-days", "1"])).1, "incremental");
    let key = &PrivateKey::generate().unwrap().public().unwrap().to_string();
    change(&world);
    let (_, kind, why) = outcome(&incremental(&world, &["--recipient", key]));
    assert!(kind == "full" && why.contains("keys"), "{why}");
    change(&world);
    assert_eq!(outcome(&incremental(&world, &["--recipient", key])).1, "incremental");
    // What was kept is lost, and a sealed chain cannot be read to make it anew.
    fs::remove_dir_all(world.path("data/chains")).unwrap();
    change(&world);
    let (_, kind, why) = outcome(&incremental(&world, &["--recipient", key]));
    assert!(kind == "full" && why.contains("lost") && why.contains("sealed"), "{why}");
    world.database("shop.db", "create table other (a);");
    let (_, kind, why) = outcome(&incremental(&world, &["--recipient", key]));
    assert!(kind == "full" && why.contains("definitions"), "{why}");
    // Another server that is called the same.
    let moved = world.path("moved");
    fs::rename(world.path("dbs"), &moved).unwrap();
    let server = format!("sqlite:{}", moved.display());
    let ran = world.run([
        "backup",
        &server,
        "--server-name",
        "dbs",
        "--to",
        &world.root(),
        "--kind",
        "incremental",
        "--recipient",
        key,
        "--json",
    ]);
    let (_, kind, why) = outcome(&ran);
    assert!(kind == "full" && why.contains("another server"), "{why}");
}

#[test]
fn state_that_is_lost_is_made_anew_and_the_chain_goes_on() {
    let (world, _) = chain();
    fs::remove_dir_all(world.path("data/chains")).unwrap();
    world.database("shop.db", "delete from item where id = 3;");
    let ran = incremental(&world, &[]);
    assert_eq!(outcome(&ran).1, "incremental");
    assert_eq!(run(&ran)["rows"], 1);
    world.restore("shop.db", "back.db").succeeds();
    assert_eq!(dump(&world, "back.db"), dump(&world, "shop.db"));
}

#[test]
fn a_chain_with_a_damaged_member_restores_up_to_the_last_good_one_and_says_so() {
    let (world, all) = chain();
    let (middle, _) = &all[1];
    let archive = world.file(&format!("{middle}.zip"));
    fs::write(&archive, b"cut").unwrap();
    // What builds on it is of no use, and that is not passed over in silence.
    world.restore("shop.db", "back.db").fails(1, &["damaged", &all[0].0, &all[2].0, "--point"]);
    let good =
        ["restore", &world.root(), "--database", "shop.db", "--into", &world.server(), "--as", "good.db", "--point", &all[2].0, "--json"];
    world.run(good).succeeds();
    assert_eq!(dump(&world, "good.db"), all[2].1);
    // The next one does not build on it.
    world.database("shop.db", "delete from item where id = 3;");
    let (_, kind, why) = outcome(&incremental(&world, &[]));
    assert!(kind == "full" && why.contains("cannot be used"), "{why}");
}

#[test]
fn moments_between_backups_are_refused_with_what_is_next_to_them() {
    let (world, all) = chain();
    let at = |moment: &str| {
        let arguments =
            ["restore", &world.root(), "--database", "shop.db", "--into", &world.server(), "--as", "at.db", "--json", "--at", moment];
        world.run(arguments)
    };
    at("1999-01-01T00:00:00Z").fails(1, &["first restore point after it", &all[2].0]);
    at("2100-01-01T00:00:00Z").fails(1, &["last restore point before it", &all[0].0, "stream of changes"]);
    at("yesterday").fails(2, &["yesterday", "2026-11-22T03:10:12Z"]);
}

#[test]
fn two_processes_do_not_work_on_one_chain() {
    let world = World::new();
    world.shop();
    assert_eq!(outcome(&incremental(&world, &[])).1, "full");
    let chain = fs::read_dir(world.path("data/chains")).unwrap().next().unwrap().unwrap().path();
    let states = || {
        let mut names: Vec<_> = fs::read_dir(&chain).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let (before, listed) = (states(), points(&world));
    world.database("shop.db", "update item set name = 'new' where id = 7");
    // What the console holds while it backs the database up.
    let held = fs::File::open(&chain).unwrap();
    held.try_lock().unwrap();
    incremental(&world, &[]).fails(1, &["busy", "Another backup of", "under way", "Wait until it has ended"]);
    assert_eq!((states(), points(&world)), (before, listed));
    drop(held);
    let done = outcome(&incremental(&world, &[]));
    assert_eq!((done.0.as_str(), done.1.as_str()), ("succeeded", "incremental"), "{}", done.2);
}
