//! Changes out of the server's log: a replication slot, and what comes through it.

mod line;
pub(super) mod lsn;
pub(super) mod slot;
pub(super) mod translate;
pub(super) mod visible;
pub(super) mod window;
