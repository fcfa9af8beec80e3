//! Rookery's vocabulary and the pure rules over it.
//!
//! Nothing here does I/O or reads a clock: time is an argument. That keeps the crate usable in the
//! browser, where the same code previews what the console will do.

pub mod backup;
pub mod chain;
pub mod destination;
pub mod digest;
pub mod display;
pub mod error;
pub mod form;
pub mod id;
pub mod label;
pub mod name;
pub mod pattern;
pub mod progress;
pub mod protection;
pub mod retention;
pub mod role;
pub mod run;
pub mod schedule;
pub mod schedules;
pub mod secret;
pub mod selection;
pub mod server;
pub mod size;
pub mod summary;
pub mod task;
pub mod view;

pub use backup::{BackupKind, BackupType, Dbms};
pub use chain::ChainLimit;
pub use destination::Destination;
pub use digest::RowDigest;
pub use error::{Code, Error, FieldError, Result, Told};
pub use form::{DestinationForm, KeyForm, RestoreForm, ServerForm, TaskForm, UserForm};
pub use id::{DestinationId, KeyId, RoundId, RunId, ServerId, TaskId, UserId};
pub use label::Label;
pub use pattern::Pattern;
pub use progress::{Meter, Phase};
pub use protection::Protection;
pub use role::Role;
pub use run::{Origin, RoundState, RunAction, RunKind, RunState};
pub use schedule::Schedule;
pub use schedules::{Due, Schedules};
pub use secret::Secret;
pub use selection::Selection;
pub use server::{Connection, Server, TlsMode};
pub use summary::{ChangeSummary, Comparison, Covered, Summary, TableSummary};
pub use task::{Once, Task};
