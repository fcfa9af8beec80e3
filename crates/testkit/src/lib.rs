//! Real servers and hostile surroundings for tests: a private PostgreSQL, a full disk, a process killed at a chosen moment.
//!
//! Knows nothing of the other crates, so that every one of them can use it. A part that is missing on the machine is an
//! error that says what to install; a test is never skipped in silence.

mod account;
mod closed;
mod postgres;
mod process;
mod sqlite;
mod steps;
mod tmpfs;

pub use account::Account;
pub use closed::{ClosedPort, closed_port};
pub use postgres::{PostgresBuilder, PostgresServer, postgres_binaries, shared};
pub use process::{Ended, Puppet, eventually};
pub use sqlite::sqlite_dump;
pub use steps::{Stepped, run_to_step};
pub use tmpfs::Tmpfs;
