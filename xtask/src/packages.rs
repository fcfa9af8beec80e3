//! What a fresh Debian machine with only a Rust toolchain lacks.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::run::{repository, run};

/// Packages with a glob of a file that each brings.
type Needed = (&'static str, &'static str);

/// What building and trying the console takes.
const FOR_RUNNING: [Needed; 2] = [("sqlite3", "/usr/bin/sqlite3"), ("gcc libc6-dev", "/usr/bin/cc")];

/// What the tests take besides.
const FOR_TESTS: [Needed; 9] = [
    ("postgresql", "/usr/lib/postgresql/*/bin/postgres"),
    ("python3", "/usr/bin/python3"),
    ("python3-cryptography", "/usr/lib/python3/dist-packages/cryptography/__init__.py"),
    ("zstd", "/usr/bin/zstd"),
    ("unzip", "/usr/bin/unzip"),
    ("chromium", "/usr/bin/chromium"),
    ("fonts-dejavu-core", "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf"),
    ("nodejs", "/usr/bin/node"),
    ("npm", "/usr/bin/npm"),
];

/// Rust's library for browsers.
const WASM: &str = "wasm32-unknown-unknown";

/// Installs what building and trying the console takes, and says what.
///
/// # Errors
/// When something is missing and cannot be installed.
pub fn install_for_running() -> Result<()> {
    install_wasm()?;
    install(&FOR_RUNNING)
}

/// Installs what the tests take, and says what.
///
/// # Errors
/// When something is missing and cannot be installed.
pub fn install_for_tests() -> Result<()> {
    install_wasm()?;
    install(&[FOR_RUNNING.as_slice(), &FOR_TESTS].concat())
}

/// Whether or not the toolchain came by rustup, its library folder tells whether the target is there.
fn install_wasm() -> Result<()> {
    let rustc = std::env::var_os("RUSTC").unwrap_or("rustc".into());
    let folder = Command::new(rustc).args(["--print", "target-libdir", "--target", WASM]).current_dir(repository()).output();
    let folder = String::from_utf8(folder.context("cannot run rustc")?.stdout)?;
    if Path::new(folder.trim()).exists() {
        return Ok(());
    }
    let mut rustup = Command::new("rustup");
    rustup.args(["target", "add", WASM]).current_dir(repository());
    run(rustup).with_context(|| format!("the toolchain lacks {WASM}; add it by hand"))
}

fn install(needed: &[Needed]) -> Result<()> {
    let missing: Vec<&str> = needed.iter().filter(|(_, file)| !exists(file)).flat_map(|(packages, _)| packages.split(' ')).collect();
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
