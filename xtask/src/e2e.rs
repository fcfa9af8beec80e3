//! `cargo xtask e2e`: what users do, in a real Chromium against the real binary.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};
use clap::Args;
use testkit::PostgresServer;

use crate::run::{cargo, release_binary, repository, run, target};
use crate::test::counted;
use crate::{node, packages, sample, site};

/// Which stories, and of which build.
#[derive(Debug, Args)]
pub struct Options {
    /// The debug build, which is quicker to make
    #[arg(long)]
    debug: bool,
    /// Names of test files or parts of them; all stories without
    stories: Vec<String>,
}

/// Builds, and plays the stories.
///
/// # Errors
/// When something does not build, or a story goes wrong.
pub fn run_stories(options: &Options) -> Result<()> {
    packages::install_for_tests()?;
    let (binary, site) = if options.debug {
        let site = site::build(false)?;
        run(cargo("build --package rookery"))?;
        (target().join("debug/rookery"), Some(site))
    } else {
        crate::console::release()?;
        (release_binary(), None)
    };
    play(&binary, site, &options.stories).map(|passed| println!("\n{passed} passed, 0 failed"))
}

/// Plays the stories against a binary, and returns how many passed. Each story starts consoles of its own; the PostgreSQL
/// server and the samples are for all of them.
///
/// # Errors
/// When a story goes wrong.
pub fn play(binary: &Path, site: Option<PathBuf>, stories: &[String]) -> Result<u64> {
    let (mut playwright, _server) = playwright(binary, site)?;
    playwright.args(stories);
    let passed = counted(playwright)?;
    ensure!(passed > 0, "no story was played");
    Ok(passed)
}

/// Playwright about to test a binary: its packages, the samples, and the PostgreSQL server, which lives as long as it is held.
///
/// # Errors
/// When one of them cannot be had.
pub fn playwright(binary: &Path, site: Option<PathBuf>) -> Result<(Command, PostgresServer)> {
    let folder = repository().join("end2end");
    let path = node::path()?;
    let mut install = Command::new("npm");
    install.env("PATH", &path).args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(&folder);
    run(install)?;
    let samples = target().join("e2e-samples");
    sample::make(&samples)?;
    let server = PostgresServer::builder()
        .conf("wal_level = logical")
        .hba("host all story_secret 127.0.0.1/32 scram-sha-256")
        .hba("host all all 127.0.0.1/32 trust")
        .start()?;
    let mut playwright = Command::new("npx");
    playwright.args(["--no-install", "playwright", "test"]).current_dir(&folder);
    playwright.env("PATH", &path).env("ROOKERY", binary).env("ROOKERY_E2E_SAMPLES", &samples);
    playwright.env("ROOKERY_E2E_PG_PORT", server.port().to_string()).env("ROOKERY_E2E_PG_USER", server.user());
    if let Some(site) = site {
        playwright.env("ROOKERY_SITE", site);
    }
    Ok((playwright, server))
}
