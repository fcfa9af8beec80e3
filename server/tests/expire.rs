//! Deleting backups that no rule keeps, as a user meets it.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use serde_json::Value;
use std::fs;
use support::{Ran, World};

/// A root with so many backups of a database, oldest first by their labels.
fn with_backups(number: usize) -> (World, Vec<String>) {
    let world = World::new();
    world.shop();
    for _ in 0..number {
        world.backup().succeeds();
    }
    let mut labels = labels(&world);
    labels.reverse();
    assert_eq!(labels.len(), number);
    (world, labels)
}

/// What is listed, newest first.
fn labels(world: &World) -> Vec<String> {
    let list = world.run(["list", &world.root(), "--json"]).succeeds().json();
    list["databases"][0]["restore_points"].as_array().unwrap().iter().map(|point| point["label"].as_str().unwrap().to_owned()).collect()
}

fn expire(world: &World, more: &[&str]) -> Ran {
    let root = world.root();
    world.run(["expire", &root, "--json"].into_iter().chain(more.iter().copied()))
}

fn told(report: &Value, what: &str) -> Vec<String> {
    report[what].as_array().unwrap().iter().map(|line| line["label"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn what_no_rule_keeps_is_shown_first_and_then_deleted() {
    let (world, all) = with_backups(4);
    let before = world.files();
    let shown = expire(&world, &["--keep", "count=2", "--dry-run"]).succeeds().json();
    assert_eq!((told(&shown, "delete"), told(&shown, "keep")), (all[..2].to_vec(), all[2..].to_vec()));
    assert!(shown["dry_run"] == true && shown["rule"] == "count=2" && shown["keep"][0]["reason"].as_str().unwrap().len() > 10, "{shown}");
    assert_eq!(world.files(), before, "a dry run changed something");

    let done = expire(&world, &["--keep", "count=2"]).succeeds().json();
    assert_eq!((told(&done, "delete"), &done["dry_run"]), (all[..2].to_vec(), &Value::Bool(false)));
    let left: Vec<_> = all[2..].iter().rev().cloned().collect();
    assert_eq!(labels(&world), left);
    // A marker, and for each backup an archive and a manifest: no empty folder, no orphan.
    assert_eq!(world.files().len(), 1 + 2 * 2);
    let chains = fs::read_dir(world.path("root/shop.db")).unwrap().count();
    assert_eq!(chains, 2);
    world.verify().succeeds();
    world.restore("shop.db", "back.db").succeeds();
    let again = expire(&world, &["--keep", "count=2"]).succeeds().json();
    assert_eq!(told(&again, "delete"), [""; 0]);
}

#[test]
fn the_newest_whole_backup_stays_and_while_the_newest_is_damaged_all_do() {
    let (world, all) = with_backups(3);
    let shown = expire(&world, &["--keep", "days=1", "--dry-run"]).succeeds().json();
    assert_eq!(told(&shown, "delete"), [""; 0], "they are all younger than a day");
    let newest = world.files().into_iter().map(|(path, _)| path).find(|path| path.to_string_lossy().contains(&format!("{}.zip", all[2])));
    fs::remove_file(newest.unwrap()).unwrap();
    let done = expire(&world, &["--keep", "count=1"]).succeeds().json();
    assert_eq!(told(&done, "delete"), [""; 0], "{done}");
    let reason = |label: &String| {
        let lines = done["keep"].as_array().unwrap().iter();
        lines.filter(|line| line["label"] == *label).map(|line| line["reason"].as_str().unwrap().to_owned()).next().unwrap()
    };
    assert!(reason(&all[0]).contains("until a newer one is good"), "{done}");
    assert!(reason(&all[1]).contains("newest whole one"), "{done}");
    // As soon as there is a good one again, the damaged one goes with the rest.
    world.backup().succeeds();
    let done = expire(&world, &["--keep", "count=1"]).succeeds().json();
    assert_eq!(told(&done, "delete"), all);
    world.restore("shop.db", "back.db").succeeds();
}

#[test]
fn a_backup_that_only_looks_whole_is_nothing_to_delete_others_for() {
    let (world, all) = with_backups(3);
    let newest = world.files().into_iter().find(|(path, _)| path.to_string_lossy().contains(&format!("{}.zip", all[2]))).unwrap();
    let (path, mut bytes) = newest;
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, bytes).unwrap();
    let done = expire(&world, &["--keep", "count=1"]).succeeds().json();
    assert_eq!((told(&done, "delete").len(), told(&done, "keep").len()), (0, 3), "{done}");
    assert!(done.to_string().contains("does not hold"), "{done}");
}

#[test]
fn a_newest_backup_that_nobody_can_read_stands_in_the_way() {
    let (world, all) = with_backups(3);
    let manifest =
        world.files().into_iter().map(|(path, _)| path).find(|path| path.to_string_lossy().ends_with(&format!("{}.json", all[2])));
    fs::write(manifest.unwrap(), "{").unwrap();
    let done = expire(&world, &["--keep", "count=1"]).succeeds().json();
    assert_eq!(told(&done, "delete"), [""; 0], "{done}");
}

#[test]
fn servers_that_have_the_same_name_do_not_push_each_other_out() {
    let world = World::new();
    let names = ["alpha/data", "beta/data"];
    for name in names {
        world.database(&format!("{name}/app.db"), "create table t(a); insert into t values (1);");
        let server = format!("sqlite:{}", world.path("dbs").join(name).display());
        world.run(["backup", &server, "--to", &world.root(), "--json"]).succeeds();
    }
    let done = expire(&world, &["--keep", "count=1"]).succeeds().json();
    assert_eq!((told(&done, "delete").len(), told(&done, "keep").len()), (0, 2), "{done}");
}

#[test]
fn what_another_installation_signed_is_not_ours_to_delete() {
    let (world, all) = with_backups(3);
    fs::remove_dir_all(world.path("data")).unwrap();
    // To be read it may have been accepted; that is no leave to delete.
    let unknown = world.verify();
    let words = format!("{}{}", unknown.stdout, unknown.stderr);
    let fingerprint = words.split("fingerprint ").nth(1).unwrap().chars().take(39).collect::<String>();
    world.run(["verify", &world.root(), "--accept-instance", &fingerprint]).succeeds();
    let done = expire(&world, &["--keep", "count=1"]).succeeds().json();
    assert_eq!((told(&done, "delete").len(), told(&done, "keep").len()), (0, all.len()), "{done}");
    assert!(done["keep"][0]["reason"].as_str().unwrap().starts_with("It is not ours to delete"), "{done}");
}

#[test]
fn a_rule_that_is_none_is_told() {
    let (world, _) = with_backups(1);
    for rule in ["", "days", "days=0", "forever=1", "count=1,count=2"] {
        expire(&world, &["--keep", rule]).fails(2, &["rule"]);
    }
    expire(&world, &["--keep", "count=1", "--time-zone", "Mars/Olympus"]).fails(2, &["time zone"]);
    world.run(["expire", &world.root()]).fails(2, &["--keep"]);
    let text = world.run(["expire", &world.root(), "--keep", "count=1"]).succeeds().stdout.clone();
    assert!(text.contains("keeps") && text.contains("newest whole one"), "{text}");
}
