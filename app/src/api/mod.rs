//! Server functions: who asks, one call on `Control`, return.
//!
//! Each is registered at `/api/` and its own name, answers POST alone, and takes its fields as a form sends them.

#![allow(missing_docs, reason = "the macro makes a struct of each function's arguments, which are told by the function's own comment")]

pub mod client;
pub mod failure;
#[cfg(feature = "ssr")]
pub mod visit;

pub mod audit;
pub mod backups;
pub mod destinations;
pub mod keys;
pub mod overview;
pub mod people;
pub mod restore;
pub mod round;
pub mod run;
pub mod servers;
pub mod settings;
pub mod task;
pub mod theme;

pub use failure::Failure;
#[cfg(feature = "ssr")]
pub use visit::{Visit, asked, settle, visit};
