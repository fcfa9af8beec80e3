//! One timed run: its seconds, the memory of its largest process, and what it printed.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

/// Often enough to see a peak shortly before an end, seldom enough to cost nothing that shows.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What one run took.
pub struct Measured {
    /// Wall clock.
    pub seconds: f64,
    /// Most resident memory that any process of the run's tree ever held.
    pub peak_bytes: u64,
    /// Standard output.
    pub output: String,
}

/// Runs the command and measures it; standard error is ours.
///
/// # Errors
/// When it cannot be started or fails.
pub fn measure(mut command: Command) -> Result<Measured> {
    let began = Instant::now();
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().context("cannot start bash")?;
    let (ended, root) = (AtomicBool::new(false), child.id());
    let (finished, seconds, peak_bytes) = thread::scope(|scope| {
        let watcher = scope.spawn(|| watch(root, &ended));
        let (finished, seconds) = wait(child, began);
        ended.store(true, Ordering::Relaxed);
        (finished, seconds, watcher.join().unwrap_or(0))
    });
    let finished = finished?;
    ensure!(finished.status.success(), "a measured command failed ({})", finished.status);
    Ok(Measured { seconds, peak_bytes, output: String::from_utf8_lossy(&finished.stdout).into_owned() })
}

fn wait(child: Child, began: Instant) -> (std::io::Result<std::process::Output>, f64) {
    let finished = child.wait_with_output();
    (finished, began.elapsed().as_secs_f64())
}

/// The kernel keeps each process's own peak, so only one younger than a look is missed.
fn watch(root: u32, ended: &AtomicBool) -> u64 {
    let mut peak = 0;
    while !ended.load(Ordering::Relaxed) {
        peak = tree(root).into_iter().filter_map(peak_bytes).fold(peak, u64::max);
        thread::sleep(LOOK_EVERY);
    }
    peak
}

/// A process and all that descend from it. Each thread is asked for the children that it made (`CONFIG_PROC_CHILDREN` of the kernel): a look at
/// every process of the machine would take milliseconds from those that are measured.
fn tree(root: u32) -> Vec<u32> {
    let mut found = vec![root];
    let mut next = 0;
    while let Some(pid) = found.get(next) {
        let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
        let children = threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
        found.extend(children.flat_map(|pids| pids.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<u32>>()));
        next += 1;
    }
    found
}

fn peak_bytes(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let kib: u64 = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_of_a_grandchild_is_seen() {
        let mut command = testkit::Puppet::command("bash");
        command.args(["-c", "bash -c 'x=$(head -c 33554432 /dev/zero | tr \"\\0\" x); echo ${#x}; while kill -0 $PPID 2>/dev/null; do sleep 0.05; done'; true"]);
        let mut holder = testkit::Puppet::start(command).expect("bash starts");
        holder.wait_for_line("33554432").expect("it holds the memory");
        let tree = tree(holder.pid());
        assert!(tree.len() >= 2, "{tree:?}");
        assert!(peak_bytes(holder.pid()).is_some_and(|peak| peak < 32 << 20));
        assert!(tree.into_iter().filter_map(peak_bytes).max().is_some_and(|peak| peak > 32 << 20));
    }

    #[test]
    fn seconds_and_output_are_those_of_the_command() {
        let mut command = Command::new("bash");
        command.args(["-c", "echo said; sleep 0.2"]);
        let measured = measure(command).expect("bash runs");
        assert_eq!(measured.output, "said\n");
        assert!(measured.seconds >= 0.2 && measured.peak_bytes > 0);
    }

    #[test]
    fn a_failing_command_is_an_error() {
        let mut command = Command::new("bash");
        command.args(["-c", "exit 3"]);
        assert!(measure(command).is_err());
    }
}
