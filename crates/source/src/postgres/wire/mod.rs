//! Our own blocking client of PostgreSQL's frontend/backend protocol 3.0
//! (<https://www.postgresql.org/docs/current/protocol.html>).
//!
//! It exists because a backup is COPY at full speed from worker threads: a 256 KiB read buffer and rows handed on
//! without a copy are as fast as libpq, and every wait looks at the wish to stop. What a server sends is
//! bounded before it is believed: a length never allocates more than has arrived.

mod auth;
mod binding;
mod buffer;
mod copy_in;
mod endpoint;
mod error;
mod extended;
mod quote;
mod row;
mod session;
mod socket;
mod target;
mod tls;

#[cfg(test)]
mod hostile_tests;

pub use copy_in::CopyIn;
pub(super) use error::lost;
pub use error::{ServerError, sqlstate};
pub use extended::Parameter;
pub use quote::{quote_ident, quote_literal};
pub use row::Row;
pub use session::Session;
pub use target::Target;
