//! The main job as a user does it: back up, list, look inside, restore, verify.

mod support;

use std::{fs, process::Command};
use support::{World, ran};
use testkit::sqlite_dump;

#[test]
fn every_database_of_a_folder_goes_into_its_own_child_folder_and_comes_back_equal() {
    let world = World::new();
    world.shop();
    world.database("team/deep/notes.sqlite3", "create virtual table doc using fts5(body); insert into doc values('the rook'),('a raven');");
    world.database("we ird'n\"ame %41.db", "create table \"a b\"(\"select\" int); insert into \"a b\" values(9223372036854775807),(null);");
    let ran = world.backup();
    assert_eq!(ran.succeeds().json()["result"], "succeeded");

    let mut folders: Vec<_> =
        fs::read_dir(world.path("root")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    folders.sort();
    assert_eq!(folders, ["rookery.json", "shop.db", "team%2Fdeep%2Fnotes.sqlite3", "we%20ird%27n%22ame%20%2541.db"]);

    let list = world.run(["list", &world.root(), "--json"]).json();
    assert_eq!(list["databases"].as_array().unwrap().len(), 3, "{list}");
    for (at, database) in list["databases"].as_array().unwrap().iter().enumerate() {
        let name = database["database"].as_str().unwrap();
        assert_eq!(database["restore_points"].as_array().unwrap().len(), 1);
        assert_eq!(database["restore_points"][0]["verified"], "checked");
        let back = format!("back/r{at}.db");
        let report = world.restore(name, &back).succeeds().json();
        assert!(report["proven"] == true && report["into"] == back.as_str(), "{report}");
        let compared: Vec<_> = report["compared"].as_array().unwrap().iter().map(|it| it["what"].as_str().unwrap()).collect();
        assert_eq!(compared, ["tables", "definitions", "properties of the database"]);
        let dump = |name: &str| sqlite_dump(&world.path("dbs").join(name)).unwrap();
        assert_eq!(dump(name), dump(&back), "{name}");
    }
    let verified = world.verify().succeeds().json();
    let results: Vec<_> = verified["backups"].as_array().unwrap().iter().map(|backup| backup["result"].as_str().unwrap()).collect();
    assert_eq!(results, ["checked"; 3], "{verified}");
}

#[test]
fn restore_points_accumulate_and_each_can_be_chosen() {
    let world = World::new();
    world.shop();
    let first = world.backup().succeeds().json()["runs"][0]["label"].as_str().unwrap().to_owned();
    world.database("shop.db", "delete from item where id > 10;");
    let second = world.backup().succeeds().json()["runs"][0]["label"].as_str().unwrap().to_owned();
    assert_ne!(first, second);

    let rows = |arguments: &[&str]| {
        world.run([&["cat", &world.root(), "--database", "shop.db"], arguments].concat()).succeeds().stdout.lines().count()
    };
    assert_eq!(rows(&["--table", "item"]), 10, "the newest is not what is read by default");
    assert_eq!(rows(&["--table", "item", "--point", &first]), 1000);
    assert_eq!(rows(&[]), 1, "tables are not listed");

    let restored = world.run([
        "restore",
        &world.root(),
        "--database",
        "shop.db",
        "--into",
        &world.server(),
        "--as",
        "old.db",
        "--point",
        &first,
        "--json",
    ]);
    assert_eq!(restored.succeeds().json()["tables"][0]["rows"], 1000);
}

#[test]
fn an_archive_opens_without_rookery() {
    let world = World::new();
    world.shop();
    world.backup().succeeds();
    let archive = world.file(".zip");
    let listed = Command::new("unzip").arg("-t").arg(&archive).output().unwrap();
    assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stdout));

    let script = format!("unzip -p '{}' 'data/item/*' | zstd -dc | grep -v '^{{\"table\"' | wc -l", archive.display());
    let counted = Command::new("sh").args(["-c", &script]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&counted.stdout).trim(), "1000");
}

#[test]
fn two_processes_on_one_root_do_not_disturb_each_other() {
    let world = World::new();
    world.shop();
    world.database("other.db", "create table t(x); insert into t values(1);");
    let arguments = ["backup", &world.server(), "--to", &world.root(), "--json"];
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| world.run(arguments).succeeds().code);
        }
    });
    let verified = world.verify().succeeds().json();
    assert_eq!(verified["backups"].as_array().unwrap().len(), 8);
}

#[test]
fn help_teaches() {
    let world = World::new();
    let help = world.run(["--help"]).succeeds().stdout.clone();
    for word in ["SERVER is one of", "Examples:", "rookery restore", "PGPASSFILE", "Exit codes"] {
        assert!(help.contains(word), "{word}");
    }
    assert!(world.run(["backup", "--help"]).succeeds().stdout.contains("--exclude"));
}

#[test]
fn progress_goes_to_standard_error_and_one_document_to_standard_output() {
    let world = World::new();
    world.shop();
    let mut command = world.command(["backup", &world.server(), "--to", &world.root(), "--json"]);
    command.env("ROOKERY_LOG", "debug");
    let ran = ran(command);
    ran.succeeds().json();
    assert!(ran.stderr.contains("[1/1] shop.db"), "{}", ran.stderr);
}
