//! Bad input, each with a clear sentence, a next step and the right exit code, and nothing lost.

#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]

mod support;

use bytes::Bytes;
use domain::Label;
use repository::{
    ArchiveWriter, Manifest, Place,
    archive::{self, Effort},
};
use std::{fs, os::unix::fs::symlink, path::Path, sync::Arc};
use store::{Local, Store};
use support::World;
use testkit::Tmpfs;

fn with_backup() -> World {
    let world = World::new();
    world.shop();
    world.backup().succeeds();
    world
}

#[test]
fn a_command_that_cannot_be_understood_ends_with_2() {
    let world = World::new();
    for arguments in [
        vec![],
        vec!["backup"],
        vec!["backup", "oracle://x", "--to", "/r"],
        vec!["restore", "/r", "--database", "x"],
        vec!["list", "s3://bucket"],
        vec!["nonsense"],
    ] {
        world.run(&arguments).fails(2, &[]);
    }
    world.run(["backup", "postgres://u:hunter2@h", "--to", "/r"]).fails(2, &["password", "PGPASSFILE"]);
    let ran = world.run(["restore", &world.root(), "--database", "x", "--into", &world.server(), "--as", "y", "--point", "yesterday"]);
    ran.fails(2, &["yesterday", "rookery list"]);
}

#[test]
fn a_password_in_the_address_is_not_repeated() {
    let world = World::new();
    let ran = world.run(["backup", "postgres://u:hunter2@h", "--to", "/r"]);
    ran.fails(2, &["password"]);
    assert!(!format!("{}{}", ran.stdout, ran.stderr).contains("hunter2"), "{ran:?}");
}

#[test]
fn a_folder_without_databases_is_no_success() {
    let world = World::new();
    fs::write(world.path("dbs/readme.txt"), "not a database").unwrap();
    world.backup().fails(1, &["no database"]);
    world.run(["backup", "sqlite:/nowhere/at/all", "--to", &world.root()]).fails(1, &["/nowhere/at/all"]);
    world.run(["backup", &format!("sqlite:{}", world.path("dbs/readme.txt").display()), "--to", &world.root()]).fails(2, &["folder"]);
    world.shop();
    world.run(["backup", &world.server(), "--to", &world.root(), "--exclude", "*"]).fails(1, &["--exclude"]);
    world.run(["backup", &world.server(), "--to", &world.root(), "--database", "nope"]).fails(1, &["nope"]);
}

#[test]
fn a_database_that_cannot_be_read_fails_alone() {
    let world = World::new();
    world.shop();
    fs::write(world.path("dbs/lookalike.db"), [b"SQLite format 3\0".as_slice(), &[7; 5000]].concat()).unwrap();
    world.database("corrupt.db", "create table t(x); insert into t select randomblob(300) from generate_series(1,200);");
    let path = world.path("dbs/corrupt.db");
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 4096].fill(0xee);
    fs::write(&path, bytes).unwrap();

    let ran = world.backup();
    ran.fails(3, &[]);
    let runs = ran.json()["runs"].clone();
    let of = |name: &str| runs.as_array().unwrap().iter().find(|run| run["database"] == name).unwrap().clone();
    assert_eq!(of("shop.db")["result"], "succeeded");
    for name in ["lookalike.db", "corrupt.db"] {
        assert_eq!(of(name)["result"], "failed");
        let code = of(name)["error"]["code"].as_str().unwrap().to_owned();
        assert!(matches!(code.as_str(), "corrupt-database" | "not-a-database"), "{name}: {code}");
    }
    let list = world.run(["list", &world.root(), "--json"]).json();
    assert_eq!(list["databases"].as_array().unwrap().len(), 1, "half a backup is listed: {list}");
    world.verify().succeeds();
}

#[test]
fn a_root_that_cannot_be_used_is_named() {
    let world = World::new();
    world.shop();
    let file = world.path("file");
    fs::write(&file, "x").unwrap();
    let backup = |root: &Path| world.run(["backup", &world.server(), "--to", &root.display().to_string(), "--json"]);
    backup(&file).fails(1, &["file"]);
    backup(&file.join("below")).fails(1, &["file"]);
    // Not even the administrator can write there.
    backup(Path::new("/proc/rookery")).fails(1, &["/proc/rookery"]);
    world.run(["list", "/nowhere/at/all"]).fails(1, &["/nowhere/at/all"]);
    world.run(["list", &world.path("dbs").display().to_string()]).fails(1, &["no repository"]);

    fs::create_dir(world.path("photos")).unwrap();
    fs::write(world.path("photos/holiday.jpg"), "x").unwrap();
    backup(&world.path("photos")).fails(1, &["holiday.jpg", "empty folder"]);
    assert_eq!(fs::read_dir(world.path("photos")).unwrap().count(), 1);
}

#[test]
fn a_link_inside_the_root_is_never_followed() {
    let world = with_backup();
    fs::create_dir(world.path("elsewhere")).unwrap();
    let folder = world.path("root/shop.db");
    fs::rename(&folder, world.path("moved")).unwrap();
    symlink(world.path("elsewhere"), &folder).unwrap();
    assert_ne!(world.backup().code, 0);
    assert_eq!(fs::read_dir(world.path("elsewhere")).unwrap().count(), 0, "a link led the backup out of the root");
}

#[test]
fn a_full_disk_loses_nothing() {
    let world = with_backup();
    let disk = Tmpfs::mount(3 << 20).unwrap();
    let root = disk.path().join("root");
    let to = |root: &Path| world.run(["backup", &world.server(), "--to", &root.display().to_string(), "--json"]);
    to(&root).succeeds();
    let ballast = disk.path().join("ballast");
    world.database("noise.db", "create table t(x); insert into t select randomblob(1000) from generate_series(1,4000);");
    fs::write(&ballast, vec![1; 1 << 20]).unwrap();

    to(&root).fails(3, &["full", "no-space"]);
    let names: Vec<_> = walk(&root);
    assert!(!names.iter().any(|name| name.contains(".partial-")), "{names:?}");
    world.run(["verify", &root.display().to_string()]).succeeds();

    fs::remove_file(&ballast).unwrap();
    drop(disk);
}

fn walk(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path.display().to_string()] }).collect()
}

#[test]
fn a_name_that_is_taken_or_leads_outside_is_refused() {
    let world = with_backup();
    let before = fs::read(world.path("dbs/shop.db")).unwrap();
    world.restore("shop.db", "shop.db").fails(1, &["exist"]);
    assert_eq!(fs::read(world.path("dbs/shop.db")).unwrap(), before);
    for name in ["../out.db", "/tmp/out.db", "", "a/../../out.db", "."] {
        world.restore("shop.db", name).fails(2, &["name"]);
    }
    assert!(!world.path("out.db").exists());
    world.restore("nope.db", "new.db").fails(1, &["nope.db", "rookery list"]);
    let ran = world.run([
        "restore",
        &world.root(),
        "--database",
        "shop.db",
        "--into",
        &world.server(),
        "--as",
        "x.db",
        "--point",
        "2001-01-01-00-00-00Z.full-backup",
    ]);
    ran.fails(1, &["2001-01-01"]);
}

#[test]
fn what_was_changed_in_the_root_is_found_and_never_restored() {
    let refused = |change: &dyn Fn(&World), words: &[&str]| {
        let world = with_backup();
        change(&world);
        let ran = world.verify();
        ran.fails(1, words);
        assert_eq!(ran.json()["backups"][0]["result"], "damaged");
        world.restore("shop.db", "bad.db").fails(1, words);
        let left: Vec<_> = fs::read_dir(world.path("dbs")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["shop.db"], "something was restored or left behind");
    };
    let edit = |world: &World, ending: &str, change: &dyn Fn(&mut Vec<u8>)| {
        let path = world.file(ending);
        let mut bytes = fs::read(&path).unwrap();
        change(&mut bytes);
        fs::write(&path, bytes).unwrap();
    };
    refused(&|world| edit(world, ".zip", &|bytes| *bytes.last_mut().unwrap() ^= 1), &["bytes that were signed"]);
    refused(&|world| edit(world, ".zip", &|bytes| bytes.truncate(bytes.len() / 2)), &["cut short"]);
    refused(&|world| fs::remove_file(world.file(".zip")).unwrap(), &["missing"]);
    refused(
        &|world| {
            edit(world, "backup.json", &|bytes| {
                let text = String::from_utf8(bytes.clone()).unwrap();
                let at = text.find("\"sig\": \"").unwrap() + 12;
                let other = if text.as_bytes()[at] == b'A' { b'B' } else { b'A' };
                bytes[at] = other;
            });
        },
        &["signature"],
    );
}

#[test]
fn a_backup_whose_archive_is_gone_is_not_listed_as_good() {
    let world = with_backup();
    fs::remove_file(world.file(".zip")).unwrap();
    let list = world.run(["list", &world.root(), "--json"]).succeeds().json();
    assert_eq!(list["databases"][0]["restore_points"][0]["verified"], "damaged", "{list}");
}

#[test]
fn what_a_file_system_brings_along_is_no_database() {
    let world = with_backup();
    fs::create_dir(world.path("root/lost+found")).unwrap();
    symlink("/nowhere", world.path("root/lost+found/2026-11-22-03-00-00Z.x")).unwrap();
    world.run(["list", &world.root()]).succeeds();
    world.verify().succeeds();
}

#[test]
fn another_installation_must_be_accepted_once() {
    let world = with_backup();
    let elsewhere = |arguments: &[&str]| {
        let mut command = world.command(arguments);
        command.env("ROOKERY_DATA_DIR", world.path("other-data"));
        support::ran(command)
    };
    let root = world.root();
    let list = elsewhere(&["list", &root, "--json"]).json();
    assert_eq!(list["databases"][0]["restore_points"][0]["verified"], "untrusted");
    let ran = elsewhere(&["verify", &root]);
    ran.fails(1, &["fingerprint", "--accept-instance"]);
    elsewhere(&["backup", &world.server(), "--to", &root]).fails(1, &["--accept-instance"]);

    let all = format!("{}{}", ran.stdout, ran.stderr);
    let fingerprint: String =
        all.split("--accept-instance ").nth(1).unwrap().chars().take_while(|c| c.is_ascii_hexdigit() || *c == '-').collect();
    elsewhere(&["verify", &root, "--accept-instance", &fingerprint]).succeeds();
    elsewhere(&["verify", &root]).succeeds();
    elsewhere(&["backup", &world.server(), "--to", &root]).succeeds();
    // Two instances write to one root now; each reads what the other wrote only if it accepted it.
    world.verify().fails(1, &["fingerprint"]);
}

/// Replaces the only backup by an archive that `write` makes, signed with this installation's own key: an attacker
/// who could do that holds the key, and must still not get further than a refusal.
fn forge(world: &World, plain_bytes: Option<u64>, write: impl FnOnce(&ArchiveWriter) + Send + 'static) {
    let instance = world.instance();
    let manifest_path = world.file("backup.json");
    let label: Label = manifest_path.file_stem().unwrap().to_str().unwrap().parse().unwrap();
    let place = Place::of_full("shop.db", "dbs", label).unwrap();
    let mut manifest = Manifest::open(&fs::read(&manifest_path).unwrap(), &place).unwrap();
    fs::remove_file(world.file(".zip")).unwrap();
    fs::remove_file(&manifest_path).unwrap();

    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let store: Arc<dyn Store> = Arc::new(Local::open(&world.path("root")).unwrap());
        let writer = ArchiveWriter::new(store.create(&place.archive(false).unwrap()).await.unwrap());
        let writer = tokio::task::spawn_blocking(move || {
            write(&writer);
            writer
        });
        let written = writer.await.unwrap().finish().await.unwrap();
        manifest.archive.size_bytes = written.size_bytes;
        manifest.archive.sha256 = written.sha256.iter().map(|byte| format!("{byte:02x}")).collect();
        manifest.archive.plain_bytes = plain_bytes.unwrap_or(written.plain_bytes);
        manifest.archive.members = written.members;
        let signed = Bytes::from(manifest.sign(&instance).unwrap());
        store::put(store.as_ref(), &place.manifest().unwrap(), signed).await.unwrap();
    });
}

fn member(writer: &ArchiveWriter, name: &str, bytes: &[u8]) {
    let mut member = writer.member(name, Effort::Usual).unwrap();
    member.write(bytes).unwrap();
    member.finish().unwrap();
}

#[test]
fn an_archive_with_a_member_that_leads_outside_is_refused() {
    let world = with_backup();
    forge(&world, None, |writer| {
        member(writer, archive::DESCRIPTION, b"{}");
        member(writer, "../../evil", b"x");
    });
    world.verify().fails(1, &["outside of a folder"]);
    world.restore("shop.db", "bad.db").fails(1, &["outside of a folder"]);
    assert!(!world.path("dbs/bad.db").exists() && !world.path("evil").exists());
}

#[test]
fn a_small_archive_that_would_fill_the_memory_is_refused() {
    for claim in [Some(1000), None] {
        let world = with_backup();
        forge(&world, claim, |writer| {
            let description = br#"{"format":1,"dbms":"sqlite","version":"3","database":"shop.db","properties":{}}"#;
            member(writer, archive::DESCRIPTION, description);
            let mut bomb = writer.member("data/t/000000.ndjson.zst", Effort::Usual).unwrap();
            (0..300).for_each(|_| bomb.write(&[b' '; 1 << 20]).unwrap());
            bomb.finish().unwrap();
            member(writer, archive::SUMMARY, b"{\"tables\":[]}");
        });
        assert!(fs::metadata(world.file(".zip")).unwrap().len() < 40 << 10);
        world.verify().fails(1, &[]);
        world.restore("shop.db", "bad.db").fails(1, &[]);
        assert!(!world.path("dbs/bad.db").exists());
    }
}

#[test]
fn a_damaged_data_directory_is_named() {
    let world = with_backup();
    fs::write(world.path("data/instance-key.json"), "{").unwrap();
    world.backup().fails(1, &["instance key", "data directory"]);
    let file = world.path("file");
    fs::write(&file, "x").unwrap();
    let ran = world.run(["list", &world.root(), "--data-dir", &file.display().to_string()]);
    ran.fails(1, &["--data-dir"]);
}
