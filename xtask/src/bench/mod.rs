//! `cargo xtask bench`: Rookery beside the tools that people use instead, interleaved in one session.

mod console;
mod measure;
mod report;
mod scenario;
mod scenarios;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use anyhow::{Context, Result, ensure};
use clap::Args;
use testkit::{PostgresServer, postgres_binaries};

use crate::packages;
use crate::run::{release_binary, repository};
use measure::{Measured, measure};
use scenario::Scenario;
use scenarios::SCENARIOS;

const PRELUDE: &str = include_str!("prelude.sh");

/// Amounts at full scale: about 2 GB of PostgreSQL and 0.5 GB of SQLite.
const AMOUNTS: [(&str, f64); 7] =
    [("NARROW", 6e6), ("DOCS", 850e3), ("SMALL", 300.0), ("DATABASES", 200.0), ("ITEMS", 2.5e6), ("ACCOUNTS", 5e6), ("TRANSACTIONS", 80e3)];

/// Temporary room that the largest scenario takes at full scale.
const ROOM_BYTES: f64 = 14e9;

/// A server as people run it: durable, with more memory than the distribution's defaults. The same for all.
const SERVER_SETTINGS: [&str; 7] = [
    "wal_level = logical",
    "fsync = on",
    "full_page_writes = on",
    "shared_buffers = '1GB'",
    "maintenance_work_mem = '256MB'",
    "max_wal_size = '2GB'",
    "autovacuum = off",
];

/// What to measure.
#[derive(Debug, Args)]
pub struct Options {
    /// Share of the full amounts of data
    #[arg(long, default_value_t = 1.0)]
    scale: f64,
    /// Times that each way is measured; the report gives medians
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Only this scenario, by its name in `xtask/src/bench/scenarios.rs`, or console (may be given several times)
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// Measure the release that was built last, and build nothing
    #[arg(long)]
    as_built: bool,
    /// Where the report goes [default: docs/BENCHMARKS.md]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// What was measured of one way: a run for each round, with the bytes it wrote.
pub struct Figures {
    runs: Vec<(Measured, u64)>,
}

struct Bench {
    server: PostgresServer,
    folder: PathBuf,
    scale: f64,
}

/// Measures and writes the report.
///
/// # Errors
/// When something is missing, there is no room, or any way of doing the work fails.
pub fn bench(options: &Options) -> Result<()> {
    let is_chosen = |name: &str| options.only.is_empty() || options.only.iter().any(|only| only == name);
    let chosen: Vec<_> = SCENARIOS.iter().filter(|it| is_chosen(it.name)).collect();
    ensure!(
        !chosen.is_empty() || is_chosen(console::NAME),
        "no such scenario; there are: {}, {}",
        SCENARIOS.map(|it| it.name).join(", "),
        console::NAME
    );
    packages::install_for_tests()?;
    if !options.as_built {
        crate::console::release()?;
    }
    let mut measured = Vec::new();
    if !chosen.is_empty() {
        let bench = Bench::new(options.scale)?;
        for scenario in chosen {
            measured.push((scenario, bench.scenario(scenario, options.rounds)?));
        }
    }
    let mut text = report::report(&measured, options.scale, options.rounds)?;
    if is_chosen(console::NAME) {
        text += &console::section()?;
    }
    let out = options.out.clone().unwrap_or_else(|| repository().join("docs/BENCHMARKS.md"));
    fs::write(&out, text).with_context(|| format!("cannot write {}", out.display()))?;
    println!("\nwritten: {}", out.display());
    Ok(())
}

impl Bench {
    /// Works in `bench-data` of the repository, whose remains of an interrupted session go first.
    fn new(scale: f64) -> Result<Self> {
        let folder = repository().join("bench-data");
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir(&folder)?;
        for place in [&folder, &env::temp_dir()] {
            let (room, needed) = (free_bytes(place)? as f64, ROOM_BYTES * scale);
            ensure!(room > needed, "{} has {:.1} GB free; {:.1} GB are needed", place.display(), room / 1e9, needed / 1e9);
        }
        let server = SERVER_SETTINGS.iter().fold(PostgresServer::builder(), |builder, line| builder.conf(*line)).start()?;
        Ok(Self { server, folder, scale })
    }

    /// Every way once in each round, A B C A B C, so that a slow minute of the machine hits all alike.
    fn scenario(&self, scenario: &Scenario, rounds: u32) -> Result<Vec<Figures>> {
        println!("\n{}", scenario.title);
        let kept = self.fresh("kept")?;
        self.untimed(scenario.once, &kept)?;
        let mut figures: Vec<_> = scenario.ways.iter().map(|_| Figures { runs: Vec::new() }).collect();
        for round in 1..=rounds {
            for (way, figures) in scenario.ways.iter().zip(&mut figures) {
                self.untimed(way.before, &kept)?;
                let out = self.fresh("out")?;
                let kept_bytes = size_bytes(&kept)?;
                let measured = measure(self.bash(way.script, &kept, &out)?).with_context(|| format!("{}: {}", way.name, way.script))?;
                println!("  round {round}  {:<26} {:>8.2} s", way.name, measured.seconds);
                let written = size_bytes(&out)? + size_bytes(&kept)?.saturating_sub(kept_bytes);
                figures.runs.push((measured, written));
            }
        }
        self.untimed(scenario.after, &kept)?;
        Ok(figures)
    }

    fn untimed(&self, script: &str, kept: &Path) -> Result<()> {
        let status = self.bash(script, kept, Path::new("/nowhere"))?.status()?;
        ensure!(status.success(), "this failed ({status}): {script}");
        Ok(())
    }

    /// An empty folder; what was there goes, and its pages with it.
    fn fresh(&self, name: &str) -> Result<PathBuf> {
        let folder = self.folder.join(name);
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir(&folder)?;
        Ok(folder)
    }

    fn bash(&self, script: &str, kept: &Path, out: &Path) -> Result<Command> {
        let mut path = vec![postgres_binaries()?];
        path.extend(release_binary().parent().map(Path::to_owned));
        path.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()));
        let mut command = Command::new("bash");
        command.args(["-euo", "pipefail", "-c", &format!("{PRELUDE}\n{script}")]).env_clear().env("PATH", env::join_paths(path)?);
        command.envs([("LC_ALL", "C.UTF-8"), ("PGHOST", "127.0.0.1"), ("PGUSER", self.server.user())]);
        command.env("PGPORT", self.server.port().to_string()).env("KEPT", kept).env("OUT", out);
        let (address, user) = (self.server.address(), self.server.user());
        command.env("PLAIN", address.replacen(&format!("//{user}"), "//plain", 1)).env("SERVER", address);
        command.env("MIXED", repository().join("xtask/src/bench/mixed.sql")).env("CHURN", repository().join("xtask/src/bench/churn.sql"));
        command.env("ROOKERY_DATA_DIR", self.folder.join("data"));
        command.envs(AMOUNTS.map(|(name, full)| (name, (full * self.scale).ceil().to_string())));
        Ok(command)
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        // What cannot be removed now goes at the next start.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn size_bytes(folder: &Path) -> Result<u64> {
    let mut total = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        total += if entry.file_type()?.is_dir() { size_bytes(&entry.path())? } else { entry.metadata()?.len() };
    }
    Ok(total)
}

fn free_bytes(folder: &Path) -> Result<u64> {
    let out = Command::new("df").args(["--output=avail", "--block-size=1"]).arg(folder).output().context("cannot run df")?;
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    text.lines().nth(1).and_then(|line| line.trim().parse().ok()).context("cannot tell how much room is free")
}
