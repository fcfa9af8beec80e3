//! What a developer or CI runs: `cargo xtask run | build | test | e2e | check | bench`.
#![allow(clippy::print_stdout, reason = "a command line tool speaks on standard output")]

mod bench;
mod console;
mod e2e;
mod node;
mod packages;
mod run;
mod sample;
mod site;
mod test;

use anyhow::Result;
use clap::Parser;

/// Everything that a developer or CI runs.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", about)]
enum Command {
    /// Install what this machine lacks, build, and start the console with sample databases
    Run(console::Options),
    /// Build the release: one file, `target/release/rookery`
    Build,
    /// Build the browser's part alone
    Site {
        /// As it is released: small and compressed
        #[arg(long)]
        release: bool,
    },
    /// Install what this machine lacks, then format, lints, and every test against real servers
    Test,
    /// Only the stories of `test` that are played in a browser
    E2e(e2e::Options),
    /// The quick part of `test`: format, lints, import directions and tidiness
    Check,
    /// Measure against the tools that people use instead, and write docs/BENCHMARKS.md
    Bench(bench::Options),
}

fn main() -> Result<()> {
    match Command::parse() {
        Command::Run(options) => console::start(&options),
        Command::Build => console::release(),
        Command::Site { release } => site::build(release).map(|site| println!("{}", site.display())),
        Command::Test => test::everything(),
        Command::E2e(options) => e2e::run_stories(&options),
        Command::Check => test::quick(),
        Command::Bench(options) => bench::bench(&options),
    }
}
