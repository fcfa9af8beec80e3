//! A program that a test stops, freezes or kills at a chosen moment of its work.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

/// Bounds a failing test; a passing one never comes near.
const LIMIT: Duration = Duration::from_secs(60);

/// A running program whose output is watched; killed when dropped.
#[derive(Debug)]
pub struct Puppet {
    child: Child,
    arriving: Receiver<String>,
    seen: Vec<String>,
}

/// How a program ended.
#[derive(Debug)]
pub struct Ended {
    /// Exit code or signal.
    pub status: ExitStatus,
    /// Every line of standard output and standard error, in the order of arrival.
    pub lines: Vec<String>,
}

impl Puppet {
    /// A command for `program` to which arguments and environment are added. Should the test die, the program does too: a
    /// frozen one would otherwise stay for ever.
    pub fn command(program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).arg(program);
        command
    }

    /// Starts the command, which should come from [`Puppet::command`]; its standard input is empty.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(mut command: Command) -> Result<Self> {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let (sender, arriving) = channel();
        forward(child.stdout.take(), sender.clone());
        forward(child.stderr.take(), sender);
        Ok(Self { child, arriving, seen: Vec::new() })
    }

    /// Waits for a line with this text, on either output, and returns it. Lines already waited past are not looked at again.
    ///
    /// # Errors
    /// When the program ends or a minute passes without one; the error holds what was printed.
    pub fn wait_for_line(&mut self, text: &str) -> Result<String> {
        let limit = Instant::now() + LIMIT;
        while let Ok(line) = self.arriving.recv_timeout(limit.saturating_duration_since(Instant::now())) {
            self.seen.push(line.clone());
            if line.contains(text) {
                return Ok(line);
            }
        }
        bail!("no line with {text:?} came; printed so far:\n{}", self.seen.join("\n"))
    }

    /// Waits until the program has made something true, such as a file.
    ///
    /// # Errors
    /// When the program ends or a minute passes before.
    pub fn wait_until(&mut self, what: &str, mut holds: impl FnMut() -> bool) -> Result<()> {
        let child = &mut self.child;
        let mut ended = false;
        // The end is looked at before the condition: the last thing that a program does still counts.
        eventually(what, || {
            ended = !matches!(child.try_wait(), Ok(None));
            holds() || ended
        })?;
        ensure!(!ended || holds(), "the program ended before this held: {what}");
        Ok(())
    }

    /// Waits until this file or folder exists.
    ///
    /// # Errors
    /// See [`Puppet::wait_until`].
    pub fn wait_for_file(&mut self, path: &Path) -> Result<()> {
        self.wait_until(&format!("{} exists", path.display()), || path.exists())
    }

    /// Process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends the program at once (SIGKILL), as a power cut would.
    ///
    /// # Errors
    /// When it has already been waited for.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill().context("cannot kill the program")
    }

    /// Stops the program where it is (SIGSTOP), as a hanging machine would.
    ///
    /// # Errors
    /// When it has ended.
    pub fn freeze(&self) -> Result<()> {
        self.signal(Signal::STOP)
    }

    /// Lets a frozen program go on (SIGCONT).
    ///
    /// # Errors
    /// When it has ended.
    pub fn thaw(&self) -> Result<()> {
        self.signal(Signal::CONT)
    }

    /// Asks the program to stop (SIGINT), as Ctrl-C does.
    ///
    /// # Errors
    /// When it has ended.
    pub fn interrupt(&self) -> Result<()> {
        self.signal(Signal::INT)
    }

    /// Waits for the end and returns everything that was printed.
    ///
    /// # Errors
    /// When a minute passes before.
    pub fn wait(mut self) -> Result<Ended> {
        eventually("the program ends", || !matches!(self.child.try_wait(), Ok(None)))?;
        let status = self.child.wait()?;
        self.seen.extend(self.arriving.iter());
        Ok(Ended { status, lines: std::mem::take(&mut self.seen) })
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).context("no such process id")?;
        kill_process(pid, signal).context("cannot signal the program")
    }
}

impl Drop for Puppet {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits for something that has to become true by itself, such as the end of a server.
///
/// # Errors
/// When a minute passes before.
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) -> Result<()> {
    let limit = Instant::now() + LIMIT;
    while !holds() {
        ensure!(Instant::now() < limit, "this did not come to hold within {} s: {what}", LIMIT.as_secs());
        thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

fn forward(output: Option<impl Read + Send + 'static>, to: Sender<String>) {
    let Some(output) = output else { return };
    thread::spawn(move || {
        let mut lines = BufReader::new(output).split(b'\n');
        while let Some(Ok(line)) = lines.next() {
            if to.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                break;
            }
        }
    });
}
