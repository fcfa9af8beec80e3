//! Sealed backups as a user meets them: made for a key, and of use to nobody without it.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::{fs, io::Write, os::unix::fs::PermissionsExt, process::Stdio};
use support::{Ran, World, ran};

/// A key in a file, and its public half.
fn key(world: &World, name: &str) -> (String, String) {
    let file = world.path(name).display().to_string();
    let report = world.run(["key", "generate", "--out", &file, "--json"]).succeeds().json();
    (file, report["public_key"].as_str().unwrap().to_owned())
}

fn sealed(world: &World, recipients: &[&str]) -> Ran {
    let (server, root) = (world.server(), world.root());
    let named = recipients.iter().flat_map(|recipient| ["--recipient", recipient]);
    world.run(["backup", &server, "--to", &root, "--json"].into_iter().chain(named))
}

#[test]
fn a_sealed_backup_is_read_with_each_of_its_keys_and_not_without() {
    let world = World::new();
    world.shop();
    let ((mine, public), (escrow, escrow_public), (other, _)) =
        (key(&world, "mine.key"), key(&world, "escrow.key"), key(&world, "other.key"));
    assert_eq!(fs::metadata(&mine).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(sealed(&world, &[&public, &escrow_public]).succeeds().json()["result"], "succeeded");

    let archive = world.file(".zip.sealed");
    let bytes = fs::read(&archive).unwrap();
    assert!(bytes.starts_with(b"ROOKERY\x01") && !bytes.windows(6).any(|window| window == b"item 7"));
    let list = world.run(["list", &world.root(), "--json"]).succeeds().json();
    assert_eq!(list["databases"][0]["restore_points"][0]["sealed"], true);

    let (root, server) = (world.root(), world.server());
    let verified = world.verify().succeeds().json();
    assert_eq!(verified["backups"][0]["result"], "stored", "without a key, the bytes alone can be proven");
    let verified = world.run(["verify", &root, "--json", "--key", &escrow]).succeeds().json();
    assert_eq!(verified["backups"][0]["result"], "checked");

    let cat = ["cat", &root, "--database", "shop.db", "--table", "item"];
    world.run(cat).fails(1, &["sealed", "private key"]);
    let wanted = world.run(["key", "show", &mine, "--json"]).succeeds().json()["fingerprint"].as_str().unwrap().to_owned();
    world.run(cat.iter().chain(&["--key", &other])).fails(1, &["does not open", &wanted]);
    assert_eq!(world.run(cat.iter().chain(&["--key", &mine])).succeeds().stdout.lines().count(), 1000);

    let restore = ["restore", &root, "--database", "shop.db", "--into", &server, "--as", "back.db", "--json"];
    world.run(restore).fails(1, &["sealed"]);
    assert!(!world.path("dbs/back.db").exists());
    let report = world.run(restore.iter().chain(&["--key", &escrow])).succeeds().json();
    assert_eq!(report["proven"], true);
}

#[test]
fn a_changed_byte_of_a_sealed_archive_is_noticed_with_and_without_the_key() {
    let world = World::new();
    world.shop();
    let (mine, public) = key(&world, "mine.key");
    sealed(&world, &[&public]).succeeds();
    let archive = world.file(".zip.sealed");
    let mut bytes = fs::read(&archive).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::remove_file(&archive).unwrap();
    fs::write(&archive, &bytes).unwrap();
    world.verify().fails(1, &["bytes that were signed"]);
    world.run(["verify", &world.root(), "--json", "--key", &mine]).fails(1, &["bytes that were signed"]);
}

#[test]
fn a_key_can_come_from_elsewhere_and_none_is_overwritten_or_repeated() {
    let world = World::new();
    let (mine, public) = key(&world, "mine.key");
    world.run(["key", "generate", "--out", &mine]).fails(2, &["cannot be written", "another name"]);
    let text = fs::read_to_string(&mine).unwrap();
    let private = text.lines().last().unwrap();
    fs::write(world.path("bare.key"), private).unwrap();
    let bare = world.run(["key", "show", &world.path("bare.key").display().to_string(), "--json"]).succeeds().json();
    assert_eq!(bare["public_key"], public.as_str());
    for (name, wrong) in [("cut", &private[..40]), ("words", "open sesame"), ("empty", "")] {
        let file = world.path(name);
        fs::write(&file, wrong).unwrap();
        let refused = world.run(["key", "show", &file.display().to_string()]);
        refused.fails(2, &[]);
        assert!(wrong.is_empty() || !format!("{}{}", refused.stdout, refused.stderr).contains(wrong), "{refused:?}");
    }
    world.run(["key", "show", "/nowhere/key"]).fails(2, &["cannot be read"]);
    sealed(&world, &["no key"]).fails(2, &["not a public key"]);
}

#[test]
fn a_passphrase_and_its_file_open_what_was_sealed() {
    let world = World::new();
    world.shop();
    let file = world.path("words.key").display().to_string();
    let with_input = |arguments: &[&str], input: &str| {
        let mut child = world.command(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        Ran {
            code: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    };
    with_input(&["key", "generate", "--passphrase", "--out", &file], "aaaaaaaaaaaaaaaa\n").fails(2, &["repeats"]);
    let made = with_input(&["key", "generate", "--passphrase", "--out", &file, "--json"], "rook raven tree night home\n");
    let public = made.succeeds().json()["public_key"].as_str().unwrap().to_owned();
    assert!(!fs::read_to_string(&file).unwrap().contains("raven"));
    sealed(&world, &[&public]).succeeds();
    let root = world.root();
    let verify = ["verify", root.as_str(), "--json", "--key", &file];
    assert_eq!(with_input(&verify, "rook raven tree night home\n").succeeds().json()["backups"][0]["result"], "checked");
    with_input(&verify, "rook raven tree night hole\n").fails(1, &["does not open"]);
    ran(world.command(verify)).fails(2, &["passphrase"]);
}

#[test]
fn a_program_that_knows_only_the_format_opens_what_was_sealed() {
    let world = World::new();
    world.shop();
    // Long enough for several chunks.
    world.database("shop.db", "create table noise as select hex(randomblob(400)) as x from item;");
    let ((mine, public), (other, _)) = (key(&world, "mine.key"), key(&world, "other.key"));
    sealed(&world, &[&public]).succeeds();
    let reader = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/open_archive.py");
    let open = |key: &str, archive: &std::path::Path, out: &str| {
        // Debian's own, for which the package with the ciphers is installed.
        let mut python = std::process::Command::new("/usr/bin/python3");
        python.arg(reader).arg(key).arg(archive).arg(world.path(out));
        ran(python)
    };
    let archive = world.file(".zip.sealed");
    open(&mine, &archive, "opened.zip").succeeds();
    let listed = std::process::Command::new("unzip").arg("-tq").arg(world.path("opened.zip")).output().unwrap();
    assert!(listed.status.success(), "{listed:?}");
    assert!(fs::metadata(world.path("opened.zip")).unwrap().len() > 3 * 16384);

    let refused = open(&other, &archive, "refused.zip");
    assert!(refused.code == 1 && refused.stderr.contains("does not open this archive"), "{refused:?}");
    let mut bytes = fs::read(&archive).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(world.path("changed.zip.sealed"), &bytes).unwrap();
    let refused = open(&mine, &world.path("changed.zip.sealed"), "changed.zip");
    assert!(refused.code == 1 && refused.stderr.contains("was changed"), "{refused:?}");
    fs::write(world.path("cut.zip.sealed"), &bytes[..bytes.len() - bytes.len() % 16400 - 16400]).unwrap();
    assert_eq!(open(&mine, &world.path("cut.zip.sealed"), "cut.zip").code, 1);
}
