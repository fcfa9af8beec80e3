//! One run of a client tool: bounded in time, memory and output, and stopped when asked.

use super::{Environment, Tools, failure};
use crate::Context;
use domain::{Code, Error, Result};
use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process_group, prlimit};
use std::{
    ffi::OsString,
    io::{Read, Write},
    os::unix::process::CommandExt,
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::{Duration, Instant},
};

/// Time that one run may take: definitions of a hundred thousand tables need minutes.
const TIME_LIMIT: Duration = Duration::from_secs(3600);
/// Address space of a tool, in bytes.
const MEMORY_LIMIT_BYTES: u64 = 8 << 30;
/// Output that is accepted, in bytes; it is held in memory.
const OUTPUT_LIMIT_BYTES: u64 = 512 << 20;
/// Messages that are kept, in bytes.
const MESSAGES_LIMIT_BYTES: u64 = 64 << 10;
/// How often a running tool is looked at: the delay of a cancellation.
const GLANCE: Duration = Duration::from_millis(40);

/// A run being prepared.
pub(super) struct Call<'a> {
    program: PathBuf,
    version: &'a str,
    arguments: Vec<OsString>,
    environment: &'a Environment,
    input: &'a [u8],
    time_limit: Duration,
    output_limit_bytes: u64,
}

/// A run that came to its end by itself.
pub(super) struct Finished<'a> {
    call: Call<'a>,
    success: bool,
    output: Vec<u8>,
    messages: Vec<u8>,
}

impl<'a> Call<'a> {
    /// A run of the tool `name`.
    pub fn new(tools: &'a Tools, name: &str, environment: &'a Environment) -> Self {
        Self {
            program: tools.folder.join(name),
            version: &tools.version,
            arguments: vec![],
            environment,
            input: &[],
            time_limit: TIME_LIMIT,
            output_limit_bytes: OUTPUT_LIMIT_BYTES,
        }
    }

    /// Adds arguments. They must not hold names or secrets: see [`Environment`].
    pub fn arguments<T: Into<OsString>>(mut self, arguments: impl IntoIterator<Item = T>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Adds one argument.
    pub fn argument(self, argument: impl Into<OsString>) -> Self {
        self.arguments([argument.into()])
    }

    /// What the tool reads from its standard input.
    pub fn input(mut self, input: &'a [u8]) -> Self {
        self.input = input;
        self
    }

    /// Runs the tool to its end.
    ///
    /// # Errors
    /// When it cannot be started, is cancelled, or passes a limit. That it failed is told by [`Finished`].
    pub fn run(self, context: &Context) -> Result<Finished<'a>> {
        context.check()?;
        let mut running = self.spawn()?;
        let (stdin, stdout, stderr) = (running.0.stdin.take(), running.0.stdout.take(), running.0.stderr.take());
        thread::scope(|scope| {
            let (ended, end) = channel::<()>();
            let input = self.input;
            // An error here is a tool that stopped reading: its exit status and messages say why.
            scope.spawn(move || stdin.map(|mut stdin| stdin.write_all(input)));
            let output = scope.spawn(move || {
                let output = read_up_to(stdout, self.output_limit_bytes);
                drop(ended);
                output
            });
            let messages = scope.spawn(move || {
                let mut stderr = stderr;
                let messages = read_up_to(stderr.as_mut(), MESSAGES_LIMIT_BYTES);
                // Read to the end all the same: a tool must not stand still because of what it has to say.
                let _ = stderr.map(|mut rest| std::io::copy(&mut rest, &mut std::io::sink()));
                messages
            });
            let status = running.wait(&end, Instant::now() + self.time_limit, context);
            drop(running);
            let (output, messages) = (output.join().unwrap_or_default(), messages.join().unwrap_or_default());
            let success = match status? {
                Some(status) => status.success(),
                None => return Err(self.stopped("took too long")),
            };
            if output.len() as u64 > self.output_limit_bytes {
                return Err(self.stopped("wrote more than can be held"));
            }
            Ok(Finished { call: self, success, output, messages })
        })
    }

    fn spawn(&self) -> Result<Running> {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).env_clear().envs(self.environment.variables.iter().map(|(name, value)| (name, value)));
        command.current_dir(self.environment.folder.path()).process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().map_err(|error| {
            let sentence = format!("{} could not be started.", self.name());
            Error::new(Code::ToolMissing, sentence, "Install PostgreSQL's client tools again.").because(error)
        })?;
        limit(&child);
        Ok(Running(child))
    }

    /// The tool's name, for sentences.
    fn name(&self) -> &str {
        self.program.file_name().and_then(|name| name.to_str()).unwrap_or("The tool")
    }

    fn stopped(&self, why: &str) -> Error {
        let sentence = format!("{} {why} and was stopped.", self.name());
        Error::new(Code::ToolFailed, sentence, "Look for a server or a network that stands still, then run again.")
    }
}

impl Finished<'_> {
    /// The output, or the error that the tool's messages tell.
    pub fn succeeded(self, target: &super::Target, doing: &str) -> Result<Vec<u8>> {
        if self.success {
            return Ok(self.output);
        }
        let told = failure::Told { tool: self.call.name(), version: self.call.version, user: &target.user, doing };
        Err(told.error(&self.messages, self.call.environment.secret.as_deref()))
    }
}

/// A child that is killed, with all that it started, and reaped when this value goes.
struct Running(Child);

impl Running {
    /// Waits for the end; `None` when the deadline passed.
    fn wait(&mut self, end_of_output: &Receiver<()>, deadline: Instant, context: &Context) -> Result<Option<ExitStatus>> {
        loop {
            let waited = end_of_output.recv_timeout(GLANCE);
            if let Some(status) = self.0.try_wait().map_err(|error| Error::internal("A client tool was lost.").because(error))? {
                return Ok(Some(status));
            }
            context.check()?;
            if Instant::now() >= deadline {
                return Ok(None);
            }
            if waited == Err(RecvTimeoutError::Disconnected) {
                // All is written, the exit is a moment away.
                thread::sleep(Duration::from_millis(1));
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !matches!(self.0.try_wait(), Ok(Some(_))) {
            // Not reaped yet, so the number still is this child's own group.
            let _ = kill_process_group(Pid::from_child(&self.0), Signal::KILL);
            let _ = self.0.wait();
        }
    }
}

/// Bounds what a tool that a hostile server feeds can take. No core file, for it would hold the password.
/// Set from outside, right after the start: code between fork and exec would be unsafe. Where the system
/// refuses, the tool runs without.
fn limit(child: &Child) {
    let to = |bytes| Rlimit { current: Some(bytes), maximum: Some(bytes) };
    let pid = Some(Pid::from_child(child));
    for (resource, bytes) in [(Resource::As, MEMORY_LIMIT_BYTES), (Resource::Core, 0)] {
        if let Err(error) = prlimit(pid, resource, to(bytes)) {
            tracing::debug!(%error, ?resource, "a limit of a client tool could not be set");
        }
    }
}

/// Reads up to one byte more than `limit`, so that the caller sees when there was more. Closing the pipe then ends the tool.
fn read_up_to(input: Option<impl Read>, limit: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    // A broken pipe is an early end: the exit status tells.
    let _ = input.map(|input| input.take(limit + 1).read_to_end(&mut bytes));
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::postgres::wire::Target;
    use std::fs;

    fn target() -> Target {
        Target {
            host: "127.0.0.1".into(),
            port: 1,
            user: "backup".into(),
            password: Some(domain::Secret::new("hunter2".into())),
            maintenance_database: "postgres".into(),
            tls: domain::TlsMode::Disable,
            root_certificate: None,
        }
    }

    /// Runs a shell in place of a tool.
    fn shell<'a>(environment: &'a Environment, script: &str) -> Call<'a> {
        Call {
            program: "/bin/sh".into(),
            version: "15.1",
            arguments: vec!["-c".into(), script.into()],
            environment,
            input: &[],
            time_limit: Duration::from_secs(60),
            output_limit_bytes: 1 << 20,
        }
    }

    fn wait_until(what: impl Fn() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !what() {
            assert!(Instant::now() < deadline, "it did not happen");
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn is_alive(pid: &str) -> bool {
        let status = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
        status.rsplit(')').next().is_some_and(|rest| !rest.is_empty() && !rest.trim_start().starts_with('Z'))
    }

    #[test]
    fn a_tool_sees_its_input_and_nothing_of_our_environment() {
        let environment = Environment::new(&target(), Some("x y")).unwrap();
        let input = vec![b'x'; 300_000];
        let finished = shell(&environment, "cat; env").input(&input).run(&Context::default()).unwrap();
        let output = finished.succeeded(&target(), "Reading").unwrap();
        assert!(output.starts_with(&input));
        let variables = String::from_utf8(output[input.len()..].to_vec()).unwrap();
        assert!(variables.contains("PGDATABASE=x y\n") && !variables.contains("CARGO") && !variables.contains("hunter2"));
    }

    #[test]
    fn a_failing_tool_is_an_error_without_the_password() {
        let environment = Environment::new(&target(), None).unwrap();
        let finished = shell(&environment, "echo 'sh: error: hunter2 is wrong' >&2; exit 1").run(&Context::default()).unwrap();
        let error = finished.succeeded(&target(), "Reading failed").unwrap_err();
        assert_eq!(error.code(), Code::ToolFailed);
        assert!(error.to_string().contains("is wrong") && !format!("{error:?}").contains("hunter2"));
    }

    #[test]
    fn a_cancelled_tool_is_killed_with_all_that_it_started() {
        let environment = Environment::new(&target(), None).unwrap();
        let file = environment.folder.path().join("pids");
        let context = Context::default();
        let call = shell(&environment, "sleep 600 & echo $! >p; echo $$ >>p; mv p pids; wait");
        let error = thread::scope(|scope| {
            scope.spawn(|| {
                wait_until(|| file.exists());
                context.cancel.cancel();
            });
            call.run(&context).err().unwrap()
        });
        assert_eq!(error.code(), Code::Cancelled);
        for pid in fs::read_to_string(&file).unwrap().lines() {
            wait_until(|| !is_alive(pid));
        }
    }

    #[test]
    fn limits_of_time_memory_and_output_hold() {
        let environment = Environment::new(&target(), None).unwrap();
        let context = Context::default();
        let mut slow = shell(&environment, "exec sleep 600");
        slow.time_limit = Duration::from_millis(1);
        assert!(slow.run(&context).err().unwrap().to_string().contains("took too long"));

        let endless = shell(&environment, "yes");
        assert!(endless.run(&context).err().unwrap().to_string().contains("more than can be held"));

        // Waits until the limit stands, then prints it: kilobytes of address space.
        let script = "while [ $(ulimit -v) = unlimited ]; do :; done; ulimit -v";
        let limits = shell(&environment, script).run(&context).unwrap().succeeded(&target(), "Reading").unwrap();
        assert_eq!(String::from_utf8(limits).unwrap().trim(), (MEMORY_LIMIT_BYTES / 1024).to_string());

        let noisy = shell(&environment, "yes | head -c 3000000 >&2; echo done").run(&context).unwrap();
        assert_eq!(noisy.succeeded(&target(), "Reading").unwrap(), b"done\n");
    }

    #[test]
    fn what_is_not_there_cannot_be_started() {
        let environment = Environment::new(&target(), None).unwrap();
        let mut call = shell(&environment, "");
        call.program = "/nowhere/pg_dump".into();
        let error = call.run(&Context::default()).err().unwrap();
        assert_eq!((error.code(), error.to_string().as_str()), (Code::ToolMissing, "pg_dump could not be started."));
    }
}
