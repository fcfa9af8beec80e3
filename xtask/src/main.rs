//! What a developer or CI runs: `cargo xtask test`, `cargo xtask check`, `cargo xtask bench`.
#![allow(clippy::print_stdout, reason = "a command line tool speaks on standard output")]

mod bench;
mod packages;
mod run;
mod test;

use anyhow::Result;
use clap::Parser;

/// Everything that a developer or CI runs.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", about)]
enum Command {
    /// Install what this machine lacks, then format, lints, and every test against real servers
    Test,
    /// The quick part of `test`: format, lints, import directions and tidiness
    Check,
    /// Measure against the tools that people use instead, and write docs/BENCHMARKS.md
    Bench(bench::Options),
}

fn main() -> Result<()> {
    match Command::parse() {
        Command::Test => test::everything(),
        Command::Check => test::quick(),
        Command::Bench(options) => bench::bench(&options),
    }
}
