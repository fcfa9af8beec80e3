//! `cargo xtask run`: from a fresh machine to the console in one command.

use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::{Context, Result};
use clap::Args;

use crate::run::{cargo, run, show, target};
use crate::{packages, sample, site};

/// How the console is tried.
#[derive(Debug, Args)]
pub struct Options {
    /// Build it as it is released
    #[arg(long)]
    release: bool,
    /// Where it listens
    #[arg(long, default_value = "127.0.0.1:3000")]
    listen: String,
}

/// Installs what is missing, builds, makes the sample databases, and becomes the console. What it keeps lies in
/// `target/console` and goes with `cargo clean`.
///
/// # Errors
/// When a step fails.
pub fn start(options: &Options) -> Result<()> {
    packages::install_for_running()?;
    let site = site::build(options.release)?;
    run(cargo(if options.release { "build --release --package rookery" } else { "build --package rookery" }))?;
    let folder = target().join("console");
    sample::make(&folder.join("sample"))?;
    let mut console = Command::new(target().join(if options.release { "release/rookery" } else { "debug/rookery" }));
    console.args(["serve", "--listen", &options.listen, "--data-dir"]).arg(folder.join("data"));
    console.arg("--sample").arg(folder.join("sample")).arg("--sample-root").arg(folder.join("backups"));
    console.env("ROOKERY_SITE", site);
    println!("\n$ {}\n", show(&console));
    // In our place, so that signals reach it.
    Err(console.exec()).context("cannot start the console")
}

/// The release: one file with the site in it.
///
/// # Errors
/// When it does not build.
pub fn release() -> Result<()> {
    packages::install_for_running()?;
    site::build(true)?;
    run(cargo("build --release --package rookery"))
}
