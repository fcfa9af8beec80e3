//! A program killed at exactly the n-th thing that it does to the world.
//!
//! A step is a system call that changes a file or sends to a server, counted over all threads of the program; it is the
//! kernel that stops the program at each of them (ptrace), so nothing depends on time. `strace --inject=…:when=N` cannot
//! do this: it counts every call of every thread apart, so what a later thread does first is never reached.

use std::{
    fs,
    io::{Read, Seek, Write},
    os::{fd::OwnedFd, unix::net::UnixStream},
    process::{Child, Command},
};

use anyhow::{Context, Result, bail};
use nix::{
    errno::Errno,
    libc,
    sys::{
        ptrace::{self, Options},
        signal::{Signal, kill},
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::Pid,
};

/// How a program ended that was allowed a number of steps.
#[derive(Debug)]
pub struct Stepped {
    /// The step before which it was killed; `None` if it ended by itself, having fewer.
    pub killed_at: Option<String>,
    /// Steps that it began.
    pub steps: usize,
    /// Exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// What it printed, standard output and standard error as they came.
    pub printed: String,
}

/// What a call needs to be a step.
#[derive(Clone, Copy, PartialEq)]
enum Counts {
    Always,
    /// Its first argument is a file or a socket: threads wake each other by writing to other things.
    OnFile,
    /// Its argument of this place has the flag that makes a file.
    Creating(usize),
}
use Counts::{Always, Creating, OnFile};

const CALLS: [(libc::c_long, &str, Counts); 27] = [
    (libc::SYS_write, "write", OnFile),
    (libc::SYS_writev, "writev", OnFile),
    (libc::SYS_pwrite64, "pwrite64", OnFile),
    (libc::SYS_pwritev, "pwritev", OnFile),
    (libc::SYS_sendto, "sendto", OnFile),
    (libc::SYS_sendmsg, "sendmsg", OnFile),
    (libc::SYS_fsync, "fsync", Always),
    (libc::SYS_fdatasync, "fdatasync", Always),
    (libc::SYS_sync_file_range, "sync_file_range", Always),
    (libc::SYS_ftruncate, "ftruncate", Always),
    (libc::SYS_truncate, "truncate", Always),
    (libc::SYS_fallocate, "fallocate", Always),
    (libc::SYS_copy_file_range, "copy_file_range", Always),
    (libc::SYS_sendfile, "sendfile", Always),
    (libc::SYS_splice, "splice", Always),
    (libc::SYS_flock, "flock", Always),
    (libc::SYS_renameat, "renameat", Always),
    (libc::SYS_renameat2, "renameat2", Always),
    (libc::SYS_linkat, "linkat", Always),
    (libc::SYS_symlinkat, "symlinkat", Always),
    (libc::SYS_unlinkat, "unlinkat", Always),
    (libc::SYS_mkdirat, "mkdirat", Always),
    (libc::SYS_mknodat, "mknodat", Always),
    (libc::SYS_fchmod, "fchmod", Always),
    (libc::SYS_fchmodat, "fchmodat", Always),
    (libc::SYS_openat, "openat", Creating(2)),
    (libc::SYS_connect, "connect", Always),
];

/// Calls that newer machines have no numbers for.
#[cfg(target_arch = "x86_64")]
const OLD_CALLS: [(libc::c_long, &str, Counts); 9] = [
    (libc::SYS_open, "open", Creating(1)),
    (libc::SYS_creat, "creat", Always),
    (libc::SYS_rename, "rename", Always),
    (libc::SYS_link, "link", Always),
    (libc::SYS_symlink, "symlink", Always),
    (libc::SYS_unlink, "unlink", Always),
    (libc::SYS_mkdir, "mkdir", Always),
    (libc::SYS_rmdir, "rmdir", Always),
    (libc::SYS_chmod, "chmod", Always),
];
#[cfg(not(target_arch = "x86_64"))]
const OLD_CALLS: [(libc::c_long, &str, Counts); 0] = [];

/// Runs the command and kills it (SIGKILL) when it is about to take its `step`-th step, the first being 1. Programs that
/// it starts itself are neither counted nor killed.
///
/// # Errors
/// When the command cannot be started or traced.
pub fn run_to_step(command: &Command, step: usize) -> Result<Stepped> {
    let mut output = tempfile::tempfile()?;
    let (mut child, mut line) = waiting(command, &output)?;
    let main = Pid::from_raw(i32::try_from(child.id())?);
    // Should the test die, the program does too.
    let seized = ptrace::seize(
        main,
        Options::PTRACE_O_TRACESYSGOOD | Options::PTRACE_O_TRACECLONE | Options::PTRACE_O_TRACEEXEC | Options::PTRACE_O_EXITKILL,
    );
    if let Err(error) = seized {
        child.kill()?;
        child.wait()?;
        return Err(error).context("cannot trace a program; does this machine forbid ptrace?");
    }
    line.write_all(b"\n")?;
    let mut tracer = Tracer { main, step, steps: 0, killed_at: None };
    let code = tracer.follow()?;
    let mut printed = vec![];
    output.rewind()?;
    output.read_to_end(&mut printed)?;
    let Tracer { steps, killed_at, .. } = tracer;
    Ok(Stepped { killed_at, steps, code, printed: String::from_utf8_lossy(&printed).into_owned() })
}

/// A shell that becomes the command once it is told to over the line; until then it can be taken hold of. It says when it
/// runs, because a program that is taken hold of too early would be counted from the start of the shell.
fn waiting(command: &Command, output: &fs::File) -> Result<(Child, UnixStream)> {
    let (mut ours, theirs) = UnixStream::pair()?;
    let mut shell = Command::new("sh");
    shell.args(["-c", r#"echo >&0; read -r go && exec "$0" "$@" </dev/null"#]).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        shell.current_dir(folder);
    }
    let child = shell.stdin(OwnedFd::from(theirs)).stdout(output.try_clone()?).stderr(output.try_clone()?).spawn()?;
    // The shell's end closes with it, so that this cannot wait for ever.
    drop(shell);
    ours.read_exact(&mut [0]).context("the shell that starts a program has ended")?;
    Ok((child, ours))
}

struct Tracer {
    main: Pid,
    step: usize,
    steps: usize,
    killed_at: Option<String>,
}

impl Tracer {
    /// Lets the program go from stop to stop until it is gone, and returns its exit code.
    fn follow(&mut self) -> Result<Option<i32>> {
        loop {
            // Only what this very thread has started: other tests run beside it.
            match waitpid(None, Some(WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD)) {
                Ok(WaitStatus::Exited(pid, code)) if pid == self.main => return Ok(Some(code)),
                Ok(WaitStatus::Signaled(pid, ..)) if pid == self.main => return Ok(None),
                Ok(WaitStatus::PtraceSyscall(thread)) => self.at_call(thread)?,
                Ok(WaitStatus::PtraceEvent(thread, ..)) => resume(thread, None)?,
                Ok(WaitStatus::Stopped(thread, signal)) => resume(thread, Some(signal))?,
                Ok(_) | Err(Errno::EINTR) => {}
                Err(error) => bail!("the traced program was lost: {error}"),
            }
        }
    }

    fn at_call(&mut self, thread: Pid) -> Result<()> {
        let entering = ptrace::syscall_info(thread).is_ok_and(|info| info.op == libc::PTRACE_SYSCALL_INFO_ENTRY);
        if let Some(call) = entering.then(|| step_of(thread)).flatten() {
            self.steps += 1;
            if self.steps == self.step {
                self.killed_at = Some(call);
                // The kernel does not carry out a call at whose entry the program is killed.
                return kill(self.main, Signal::SIGKILL).context("cannot kill the program");
            }
        }
        resume(thread, None)
    }
}

fn resume(thread: Pid, signal: Option<Signal>) -> Result<()> {
    match ptrace::syscall(thread, signal) {
        // Killed meanwhile.
        Ok(()) | Err(Errno::ESRCH) => Ok(()),
        Err(error) => Err(error).context("a traced thread cannot go on"),
    }
}

/// The call that a thread is about to make, in words, if it is a step.
fn step_of(thread: Pid) -> Option<String> {
    let line = fs::read_to_string(format!("/proc/{thread}/syscall")).ok()?;
    let mut words = line.split_ascii_whitespace();
    let number: libc::c_long = words.next()?.parse().ok()?;
    let arguments: Vec<u64> = words.map_while(|word| u64::from_str_radix(word.trim_start_matches("0x"), 16).ok()).collect();
    let (_, name, counts) = CALLS.iter().chain(&OLD_CALLS).find(|(known, ..)| *known == number)?;
    let file = fs::read_link(format!("/proc/{thread}/fd/{}", arguments.first()?)).unwrap_or_default().display().to_string();
    let is_step = match counts {
        Always => true,
        OnFile => file.starts_with('/') || file.starts_with("socket:"),
        Creating(place) => arguments.get(*place)? & libc::O_CREAT as u64 != 0,
    };
    is_step.then(|| if file.is_empty() { (*name).to_owned() } else { format!("{name} on {file}") })
}
