//! `rookery`: backs up every database of a server into child folders, and proves what it restores.

mod arguments;
mod command;
mod credentials;
mod data_dir;
mod key_file;
mod log;
mod output;
mod progress;
mod prompt;
mod serve;
mod whole_file;

use arguments::{Arguments, Command};
use clap::Parser;
use domain::Error;
use output::Output;
use source::Context;
use std::process::ExitCode;
use tokio_util::sync::CancellationToken;

/// How a command ended; the process's exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Everything was done.
    Done = 0,
    /// Nothing, or not what was asked.
    Failed = 1,
    /// The command could not be understood.
    Usage = 2,
    /// Some databases were done, others failed.
    Partly = 3,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    log::start(matches!(arguments.command, Command::Serve(_)));
    let output = Output::new(arguments.command.wants_json());
    let exit = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(run(arguments, &output)),
        Err(error) => output.failed(&Error::internal("The process could not start its threads.").because(error)),
    };
    ExitCode::from(exit as u8)
}

async fn run(arguments: Arguments, output: &Output) -> Exit {
    let context = Context { cancel: CancellationToken::new(), ..Context::default() };
    cancel_on_signal(context.cancel.clone());
    let home = arguments.home;
    let done = match arguments.command {
        Command::Backup(arguments) => command::backup::run(arguments, home, output, &context).await,
        Command::List(arguments) => command::list::run(arguments, home, output).await,
        Command::Restore(arguments) => command::restore::run(arguments, home, output, &context).await,
        Command::Verify(arguments) => command::verify::run(arguments, home, output, &context).await,
        Command::Cat(arguments) => command::cat::run(arguments, home, output, &context).await,
        Command::Expire(arguments) => command::expire::run(arguments, home, output, &context).await,
        Command::Probe(arguments) => command::probe::run(arguments, output, &context).await,
        Command::Key(command) => command::key::run(command, output),
        Command::Serve(arguments) => serve::run(arguments, home, context.cancel).await,
    };
    done.unwrap_or_else(|error| output.failed(&error))
}

/// The first signal asks the work to stop and clean up after itself; the second ends the process at once. While a passphrase is
/// asked for, nothing is under way, and the first ends it, with the terminal as it was before.
fn cancel_on_signal(cancel: CancellationToken) {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate())) else {
        tracing::warn!("signals cannot be waited for: stopping will not clean up");
        return;
    };
    tokio::spawn(async move {
        for last in [false, true] {
            tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
            if prompt::abandon() || last {
                std::process::exit(130);
            }
            cancel.cancel();
        }
    });
}
