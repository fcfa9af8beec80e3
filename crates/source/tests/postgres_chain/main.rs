//! Chains of a real PostgreSQL server: full backups, incrementals out of the change stream, and databases restored from them.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test that fails is to say where")]

mod chain;
mod compare;
mod definitions;
mod exact;
mod idle;
mod kinds;
mod limits;
mod moments;
mod promoted;
mod renewal;
mod simple;
mod stuck;
mod traps;
mod trouble;

#[path = "../support/mod.rs"]
mod support;
