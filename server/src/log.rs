//! The process's log, on standard error: text for people, JSON lines for machines that collect it.

use std::io::{IsTerminal, stderr};
use tracing_subscriber::EnvFilter;

/// What is told unless `ROOKERY_LOG` says otherwise. A command's own output tells what a person needs; the console's log is
/// all that there is. The libraries below tell each step of theirs, which nobody has asked for.
const COMMAND: &str = "warn";
const CONSOLE: &str = "info,sqlx=warn,hyper=warn,rustls=warn,h2=warn";

/// Starts it.
pub fn start(console: bool) {
    let level = if console { CONSOLE } else { COMMAND };
    let filter = EnvFilter::try_from_env("ROOKERY_LOG").unwrap_or_else(|_| level.into());
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr);
    if console && !stderr().is_terminal() {
        log.json().flatten_event(true).with_current_span(false).init();
    } else {
        log.with_target(!console).init();
    }
}
