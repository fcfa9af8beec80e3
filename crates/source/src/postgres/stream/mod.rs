//! Changes out of the server's log: a replication slot, and what comes through it.

mod line;
pub(super) mod visible;
