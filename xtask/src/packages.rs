//! What a fresh Debian machine with only a Rust toolchain lacks.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::run::run;

/// Packages with a glob of a file that each brings.
const NEEDED: [(&str, &str); 6] = [
    ("postgresql", "/usr/lib/postgresql/*/bin/postgres"),
    ("sqlite3", "/usr/bin/sqlite3"),
    ("python3", "/usr/bin/python3"),
    ("zstd", "/usr/bin/zstd"),
    ("unzip", "/usr/bin/unzip"),
    ("gcc libc6-dev", "/usr/bin/cc"),
];

/// Installs the missing packages, and says which.
///
/// # Errors
/// When something is missing and cannot be installed.
pub fn install_missing() -> Result<()> {
    let missing: Vec<&str> = NEEDED.iter().filter(|(_, file)| !exists(file)).flat_map(|(packages, _)| packages.split(' ')).collect();
    if missing.is_empty() {
        return Ok(());
    }
    println!("missing packages: {}", missing.join(" "));
    let by_hand = format!("install them by hand: {}", missing.join(" "));
    ensure!(exists("/usr/bin/apt-get"), "this machine has no apt-get; {by_hand}");
    run(as_root("apt-get update -q")?).context(by_hand.clone())?;
    run(as_root(&format!("apt-get install -q -y --no-install-recommends {}", missing.join(" ")))?).context(by_hand)
}

/// At most one `*`, standing for one whole folder name.
fn exists(glob: &str) -> bool {
    match glob.split_once('*') {
        None => Path::new(glob).exists(),
        Some((before, after)) => {
            let folders = std::fs::read_dir(before).into_iter().flatten().flatten();
            folders.into_iter().any(|folder| folder.path().join(after.trim_start_matches('/')).exists())
        }
    }
}

fn as_root(line: &str) -> Result<Command> {
    let user = Command::new("id").arg("-u").output().context("cannot run id")?;
    let root = user.stdout.trim_ascii() == b"0";
    ensure!(root || exists("/usr/bin/sudo"), "packages are missing and need root; run `{line}` as root");
    let mut command = Command::new(if root { "env" } else { "sudo" });
    command.arg("DEBIAN_FRONTEND=noninteractive").args(line.split(' '));
    Ok(command)
}
