//! The checks that every change passes.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::packages;
use crate::run::{cargo, release_binary, repository, run, show};

/// Format, lints, the rules of the house: minutes less than [`everything`].
///
/// # Errors
/// At the first that does not hold.
pub fn quick() -> Result<()> {
    style()?;
    run(cargo("test --quiet --package xtask"))
}

/// All that CI runs.
///
/// # Errors
/// At the first that does not hold; of the tests, after all have run.
pub fn everything() -> Result<()> {
    packages::install_for_tests()?;
    style()?;
    let tests = tests()?;
    crate::console::release()?;
    let black_box = black_box()?;
    let stories = crate::e2e::play(&release_binary(), None, &[])?;
    println!("\n{} passed, 0 failed", tests + black_box + stories);
    Ok(())
}

fn style() -> Result<()> {
    run(cargo("fmt --all --check"))?;
    run(cargo("clippy --workspace --all-targets --quiet -- -D warnings"))
}

/// nextest where it is installed (it ends a test that hangs), plain cargo elsewhere. The examples in the documentation run
/// first under nextest, which leaves them out.
fn tests() -> Result<u64> {
    let nextest = cargo("nextest --version").stdout(Stdio::null()).stderr(Stdio::null()).status()?.success();
    if !nextest {
        return counted(cargo("test --workspace --no-fail-fast"));
    }
    Ok(counted(cargo("test --workspace --doc"))? + counted(cargo("nextest run --workspace --no-fail-fast"))?)
}

/// Runs tests with their output on ours, and returns how many passed.
///
/// # Errors
/// When one does not pass.
pub fn counted(mut command: Command) -> Result<u64> {
    let line = show(&command);
    println!("\n$ {line}");
    let (reading, writing) = std::io::pipe()?;
    command.stdin(Stdio::null()).stderr(writing.try_clone()?).stdout(writing);
    let mut child = command.spawn().with_context(|| format!("cannot run {line}"))?;
    // The command holds our ends of the pipe, which has to end with the child.
    drop(command);
    let mut passed = 0;
    for text in BufReader::new(reading).split(b'\n') {
        let text = text?;
        passed += passed_in(&String::from_utf8_lossy(&text));
        std::io::stdout().write_all(&[&text, b"\n".as_slice()].concat())?;
    }
    let status = child.wait()?;
    ensure!(status.success(), "this failed ({status}): {line}");
    Ok(passed)
}

/// How many tests a closing line of libtest, nextest or Playwright counts as passed; 0 for every other line.
fn passed_in(line: &str) -> u64 {
    let of_stories = line.starts_with("  ") && line.ends_with(')') && line.contains(" passed (") && !line.contains('[');
    let closing = line.starts_with("test result:") || line.trim_start().starts_with("Summary [") || of_stories;
    let before = line.split_once(" passed").filter(|_| closing).map_or("", |(before, _)| before);
    before.rsplit(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// Runs each script of `end2end/cli` against the release binary, named to it by `ROOKERY`.
fn black_box() -> Result<u64> {
    let mut scripts: Vec<_> =
        std::fs::read_dir(repository().join("end2end/cli")).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    scripts.sort();
    for script in &scripts {
        let mut command = Command::new("bash");
        command.arg(script).env("ROOKERY", release_binary()).stdin(Stdio::null());
        run(command)?;
    }
    Ok(scripts.len() as u64)
}

#[cfg(test)]
mod tests {
    use super::passed_in;

    #[test]
    fn closing_lines_of_all_runners_are_counted_and_no_other() {
        assert_eq!(passed_in("test result: ok. 8 passed; 0 failed; 0 ignored; 0 measured; 2 filtered out; finished in 7.36s"), 8);
        assert_eq!(passed_in("     Summary [   7.082s] 13 tests run: 13 passed, 0 skipped"), 13);
        assert_eq!(passed_in("     Summary [   7.082s] 13 tests run: 12 passed (1 slow), 1 failed, 0 skipped"), 12);
        assert_eq!(passed_in("  14 passed (1.6m)"), 14);
        assert_eq!(passed_in("the bird said: 8 passed; 0 failed"), 0);
        assert_eq!(passed_in("test result: the parser"), 0);
    }
}
