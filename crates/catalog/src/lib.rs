//! Rookery's own database: what the console knows, and every SQL string about it.
//!
//! One file per table. A change and the line of the audit log that tells of it are written in one transaction. Nothing is
//! decided here but what only the database can decide without a race: that a name is free, that a record is still as it was
//! when its change was begun, that a task has one round under way, that an administrator is left.

mod audit;
mod backup;
mod database;
mod destination;
mod expired;
mod hold;
mod key;
mod log;
mod open;
mod round;
mod round_server;
mod run;
mod server;
mod session;
mod setting;
mod sql;
mod stored;
mod task;
mod user;

pub use audit::AuditRecord;
pub use backup::{BackupFacts, BackupRecord, SpaceRecord};
pub use database::DatabaseRecord;
pub use destination::DestinationRecord;
pub use expired::{ExpiredRecord, ExpiryRecord};
pub use hold::HoldRecord;
pub use key::KeyRecord;
pub use open::Catalog;
pub use round::{RoundRecord, RoundTotals};
pub use round_server::RoundServerRecord;
pub use run::{NewestRun, RunChange, RunRecord};
pub use server::ServerRecord;
pub use session::SessionRecord;
pub use task::TaskRecord;
pub use user::UserRecord;

/// Most records on a page of a long list.
pub const PAGE_SIZE: u64 = 50;

/// The page with this number, 0 counting as 1, once its records and their total are known.
fn page<T>(number: u64, items: Vec<T>, total: u64) -> domain::view::Page<T> {
    domain::view::Page { items, total, number: number.max(1), size: PAGE_SIZE }
}

/// How many records lie before a page.
fn before(number: u64) -> u64 {
    number.saturating_sub(1).saturating_mul(PAGE_SIZE)
}

#[cfg(test)]
mod tests;
