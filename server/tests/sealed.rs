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

/// Writes a file as a careful user does.
fn private_file(world: &World, name: &str, text: &str) -> String {
    let file = world.path(name);
    fs::write(&file, text).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    file.display().to_string()
}

fn fingerprint(world: &World, file: &str) -> String {
    world.run(["key", "show", file, "--json"]).succeeds().json()["fingerprint"].as_str().unwrap().to_owned()
}

/// Runs with a line on standard input.
fn with_input(world: &World, arguments: &[&str], input: &str) -> Ran {
    let mut child = world.command(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Who refuses before it asks does not read it.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    Ran {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
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
    let report = sealed(&world, &[&public, &escrow_public]).succeeds().json();
    let recipients = serde_json::json!([fingerprint(&world, &mine), fingerprint(&world, &escrow)]);
    assert!(report["result"] == "succeeded" && report["recipients"] == recipients, "{report}");

    let archive = world.file(".zip.sealed");
    let bytes = fs::read(&archive).unwrap();
    assert!(bytes.starts_with(b"ROOKERY\x01") && !bytes.windows(6).any(|window| window == b"item 7"));
    let list = world.run(["list", &world.root(), "--json"]).succeeds().json();
    let point = &list["databases"][0]["restore_points"][0];
    assert!(point["sealed"] == true && point["recipients"] == recipients, "{list}");

    let (root, server) = (world.root(), world.server());
    let verified = world.verify().succeeds().json();
    assert_eq!(verified["backups"][0]["result"], "stored", "without a key, the bytes alone can be proven");
    let verified = world.run(["verify", &root, "--json", "--key", &escrow]).succeeds().json();
    assert_eq!(verified["backups"][0]["result"], "checked");

    let cat = ["cat", &root, "--database", "shop.db", "--table", "item"];
    world.run(cat).fails(1, &["sealed", "private key"]);
    let wanted = fingerprint(&world, &mine);
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
    let alone = world.run(["key", "show", &private_file(&world, "alone.key", private), "--json"]).succeeds().json();
    assert_eq!(alone["public_key"], public.as_str());
    let foreign = private_file(&world, "foreign.key", "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=");
    let report = world.run(["key", "show", &foreign, "--json"]).succeeds().json();
    assert_eq!(report["public_key"], "rookery-pub1-E75P6uryBMf9M1j8nAByGIHRdCeBKCJ-xnTzf3_pe21b9sPI");
    for (name, wrong) in [("cut", &private[..40]), ("words", "open sesame"), ("empty", "")] {
        let refused = world.run(["key", "show", &private_file(&world, name, wrong)]);
        refused.fails(2, &[]);
        assert!(wrong.is_empty() || !format!("{}{}", refused.stdout, refused.stderr).contains(wrong), "{refused:?}");
    }
    world.run(["key", "show", "/nowhere/key"]).fails(2, &["cannot be read"]);
    let left: Vec<_> = fs::read_dir(world.folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().starts_with('.')), "temporary files stayed behind: {left:?}");
}

#[test]
fn only_a_public_half_as_it_was_printed_is_a_recipient() {
    let world = World::new();
    world.shop();
    let (mine, public) = key(&world, "mine.key");
    let text = fs::read_to_string(&mine).unwrap();
    let private = text.lines().last().unwrap();
    let refused = sealed(&world, &[&public, private]);
    refused.fails(2, &["private key", "public half"]);
    assert!(!format!("{}{}", refused.stdout, refused.stderr).contains(&private[13..]), "{refused:?}");
    let other = if public.ends_with('A') { "B" } else { "A" };
    let mistyped = format!("{}{other}", &public[..public.len() - 1]);
    let bare = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";
    for wrong in ["no key", &mistyped, &public[13..], bare, ""] {
        let refused = sealed(&world, &[wrong]);
        refused.fails(2, &["not a public key", "rookery-pub1-"]);
        assert!(wrong.is_empty() || !format!("{}{}", refused.stdout, refused.stderr).contains(wrong), "{refused:?}");
    }
    assert!(!world.path("root").exists());

    let (server, root) = (world.server(), world.root());
    let told = world.run(["backup", &server, "--to", &root, "--recipient", &public]);
    assert!(told.succeeds().stdout.contains(&fingerprint(&world, &mine)), "{told:?}");
    assert!(world.backup().succeeds().json()["recipients"].is_null());
    let list = world.run(["list", &root, "--json"]).succeeds().json();
    assert!(list["databases"][0]["restore_points"][0]["recipients"].is_null(), "{list}");
}

#[test]
fn a_backup_is_called_damaged_only_if_it_is() {
    let world = World::new();
    world.shop();
    let ((mine, public), (theirs, their_public), (other, _)) =
        (key(&world, "mine.key"), key(&world, "theirs.key"), key(&world, "other.key"));
    sealed(&world, &[&public]).succeeds();
    sealed(&world, &[&their_public]).succeeds();
    world.backup().succeeds();
    let root = world.root();
    // Newest first.
    let verify = |keys: &[&str]| {
        let named = keys.iter().flat_map(|key| ["--key", key]);
        let report = world.run(["verify", &root, "--json"].into_iter().chain(named)).succeeds().json();
        report["backups"].as_array().unwrap().clone()
    };
    let results = |keys: &[&str]| verify(keys).iter().map(|backup| backup["result"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(results(&[]), ["checked", "stored", "stored"]);
    assert_eq!(results(&[&mine]), ["checked", "stored", "checked"]);
    assert_eq!(results(&[&other, &mine, &theirs]), ["checked", "checked", "checked"]);
    let with_a_wrong_key = verify(&[&other]);
    assert_eq!(with_a_wrong_key[1]["result"], "stored");
    let next_step = with_a_wrong_key[1]["next_step"].as_str().unwrap();
    assert!(next_step.contains("none of the keys") && next_step.contains(&fingerprint(&world, &theirs)), "{next_step}");
    assert!(with_a_wrong_key[1]["reason"].is_null());

    let told = world.run(["verify", &root, "--key", &mine]);
    assert!(told.succeeds().stdout.contains("2 backups are whole") && told.stdout.contains("1 backup is proven in the stored bytes alone"));

    let stranger = |arguments: &[&str]| {
        let mut command = world.command(arguments);
        command.env("ROOKERY_DATA_DIR", world.path("other-data"));
        ran(command)
    };
    let untrusted = stranger(&["verify", &root, "--json", "--key", &mine]);
    untrusted.fails(1, &["--accept-instance"]);
    assert!(untrusted.json()["backups"].as_array().unwrap().iter().all(|backup| backup["result"] == "untrusted"), "{untrusted:?}");

    fs::remove_file(world.file(".zip")).unwrap();
    let gone = world.verify();
    gone.fails(1, &["missing"]);
    assert_eq!(gone.json()["backups"][0]["result"], "damaged");
}

#[test]
fn a_private_key_that_others_can_read_is_not_taken() {
    let world = World::new();
    world.shop();
    let (mine, public) = key(&world, "mine.key");
    sealed(&world, &[&public]).succeeds();
    for mode in [0o644, 0o640, 0o602] {
        fs::set_permissions(&mine, fs::Permissions::from_mode(mode)).unwrap();
        world.run(["verify", &world.root(), "--key", &mine]).fails(2, &["read by others", "chmod 600"]);
    }
    fs::set_permissions(&mine, fs::Permissions::from_mode(0o400)).unwrap();
    world.run(["verify", &world.root(), "--key", &mine]).succeeds();
}

#[test]
fn a_passphrase_and_its_file_open_what_was_sealed() {
    let world = World::new();
    world.shop();
    let file = world.path("words.key").display().to_string();
    with_input(&world, &["key", "generate", "--passphrase", "--out", &file], "aaaaaaaaaaaaaaaa\n").fails(2, &["repeats"]);
    let made = with_input(&world, &["key", "generate", "--passphrase", "--out", &file, "--json"], "rook raven tree night home\n");
    let public = made.succeeds().json()["public_key"].as_str().unwrap().to_owned();
    assert!(!fs::read_to_string(&file).unwrap().contains("raven"));
    let text = fs::read_to_string(&file).unwrap();
    for (written, changed) in [("{\"", "{\"more\":1,\""), ("rookery-pub1-", "rookery-pub1-A")] {
        let at = text.find("passphrase {").unwrap();
        let changed = private_file(&world, "changed.key", &text[at..].replacen(written, changed, 1));
        world.run(["key", "show", &changed]).fails(2, &["how its passphrase becomes a key"]);
    }
    // The file is no secret, and tells its public half to whoever asks.
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(world.run(["key", "show", &file, "--json"]).succeeds().json()["public_key"], public.as_str());
    sealed(&world, &[&public]).succeeds();
    let root = world.root();
    let verify = ["verify", root.as_str(), "--json", "--key", &file];
    assert_eq!(with_input(&world, &verify, "rook raven tree night home\n").succeeds().json()["backups"][0]["result"], "checked");
    with_input(&world, &verify, "rook raven tree night hole\n").fails(1, &["not the one that this key was made from"]);
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
