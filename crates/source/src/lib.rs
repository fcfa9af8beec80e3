//! A database server, opened.
//!
//! A [`Source`] reads databases into the members of an archive and writes them back. Its methods block:
//! the engine calls them on threads of its own, and every wait inside them looks at [`Context::cancel`].

pub mod changes;
pub mod encode;
pub mod follow;
pub mod gently;
mod keys;
mod lease;
pub mod members;
pub mod open;
pub mod postgres;
mod room;
pub mod sqlite;
pub mod table;
pub mod value;

use domain::{Comparison, Dbms, Error, Meter, Result, Summary, TableSummary};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, sync::Arc};
use tokio_util::sync::CancellationToken;

pub use follow::{Begun, Following, Owner, Since};
pub use members::{Member, Members, Nowhere, Sink};
pub use open::open;
pub use postgres::Slot;

/// What every piece of work is given: the wish to stop, and the counters to report to.
#[derive(Clone, Default)]
pub struct Context {
    /// Cancelled when the work should stop.
    pub cancel: CancellationToken,
    /// Counters that a screen reads.
    pub meter: Arc<Meter>,
    /// Whether the work gives way to others on the machine (see [`gently`]). Programs say so of backups and verifications; a restore
    /// that people wait for does not.
    pub gives_way: bool,
}

impl Context {
    /// An error once the work should stop.
    pub fn check(&self) -> Result<()> {
        if self.cancel.is_cancelled() { Err(Error::cancelled()) } else { Ok(()) }
    }
}

/// Who a server is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Its kind.
    pub dbms: Dbms,
    /// Its version, as it names itself.
    pub version: String,
    /// What stays the same while it is the same server: PostgreSQL's system identifier, a folder's path.
    pub instance: String,
    /// Whether it has roles, tablespaces and the like, to be read with [`Scope::Globals`].
    pub has_globals: bool,
    /// What encrypts its files, in a few words, if it says that something does.
    pub encrypted_at_rest: Option<String>,
}

/// One database found on a server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Database {
    /// Its name; for SQLite the path below the folder.
    pub name: String,
    /// Its size on the server, if the server tells.
    pub size_bytes: Option<u64>,
}

/// What can be done with a database, and in words what would be needed for more.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capabilities {
    /// The best incremental method that this server and this database allow.
    pub incremental: Option<IncrementalMethod>,
    /// Why there is no better one, what else is left out (of the server's globals too), and what to change, one sentence each.
    pub notes: Vec<String>,
    /// What would make a full backup fail or lack something, one sentence each.
    pub obstacles: Vec<String>,
}

/// How changes since the last backup are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IncrementalMethod {
    /// The server's own stream of changes: any moment can be restored.
    ChangeStream,
    /// Rows compared with the last backup: the moment of each backup can be restored.
    RowComparison,
}

/// What is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// One database, by name.
    Database(String),
    /// What belongs to the server as a whole: roles, memberships, tablespaces.
    Globals,
}

/// The first member of an archive, `archive.json`: what was read, and what a restore needs to know first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Description {
    /// Version of the archive format.
    pub format: u32,
    /// Kind of the server.
    pub dbms: Dbms,
    /// Version of the server.
    pub version: String,
    /// Name of the database; `_globals` for what belongs to the whole server.
    pub database: String,
    /// What only the Dbms understands: encoding, locale, page size …
    pub properties: serde_json::Value,
    /// What is left out or special, one sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Versions of the client tools that took part.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<String>,
}

impl Description {
    /// The archive format that this code writes.
    pub const FORMAT: u32 = 1;
}

/// A server, opened. Cheap to open: connections are made by the methods.
///
/// A source never changes a user's objects or settings. What it makes for itself (staging databases,
/// temporary files) it removes, and [`Source::sweep`] removes what a killed process left.
pub trait Source: Send + Sync {
    /// Who the server is.
    fn identify(&self, context: &Context) -> Result<Identity>;

    /// Every database that can be backed up, ordered by name; staging databases of ours are not listed.
    fn databases(&self, context: &Context) -> Result<Vec<Database>>;

    /// What can be done with one database.
    fn capabilities(&self, database: &str, context: &Context) -> Result<Capabilities>;

    /// Takes hold of one consistent moment and describes it. Nothing of the data is read yet.
    fn begin_full(&self, scope: &Scope, context: &Context) -> Result<Box<dyn Reading>>;

    /// Looks after the chain of one database: full backups that incrementals can follow, and those incrementals.
    fn follow(&self, database: &str, owner: &Owner) -> Box<dyn Following>;

    /// Begins a new database, under a staging name, from archives of this Dbms.
    ///
    /// Everything that can be known before the start is checked first: the name is free, roles and
    /// extensions exist, the version fits. Those are errors that name all that is missing at once.
    fn stage(&self, request: &StageRequest, context: &Context) -> Result<Box<dyn Staging>>;

    /// Checks all that [`Source::stage`] checks first, and makes nothing.
    fn check_needs(&self, request: &StageRequest, context: &Context) -> Result<()>;

    /// What the server keeps for chains between two backups: replication slots of ours, whichever installation made them, ordered by
    /// name. None where a server keeps nothing.
    fn slots(&self, _: &Context) -> Result<Vec<Slot>> {
        Ok(vec![])
    }

    /// Drops one of them. One that is gone is no error.
    ///
    /// # Errors
    /// [`domain::Code::Busy`] while somebody reads from it.
    fn drop_slot(&self, _: &str, _: &Context) -> Result<()> {
        Ok(())
    }

    /// Removes what processes that were killed left behind on the server, and nothing that is in use.
    fn sweep(&self, context: &Context) -> Result<()>;
}

/// One consistent moment of a database, held open until it is read or dropped.
pub trait Reading: Send {
    /// What `archive.json` will say.
    fn description(&self) -> &Description;

    /// Bytes that reading is expected to give, 0 if unknown: an estimate for the progress.
    fn expected_bytes(&self) -> u64;

    /// Reads everything into `sink` and returns what was counted. An `Ok` is the positive end mark:
    /// every row of the moment has been given to the sink.
    ///
    /// # Errors
    /// [`domain::Code::StateLost`], if an incremental turns out not to be possible: whoever begins the next one is told why it must
    /// be a full backup.
    fn read(self: Box<Self>, sink: &dyn Sink, context: &Context) -> Result<Summary>;
}

/// What a restore asks for.
#[derive(Clone, Debug)]
pub struct StageRequest {
    /// Name of the new database.
    pub name: String,
    /// What the archive says of itself; of several, the last.
    pub description: Description,
    /// Leave ownership and privileges out.
    pub no_owner: bool,
    /// Create roles that are missing, without the right to log in.
    pub create_roles: bool,
    /// Load the rows of this table alone.
    pub only_table: Option<String>,
    /// Keep the new database without what cannot be made after its rows are loaded (an index, a constraint, a trigger …):
    /// each such object becomes a note and not an error.
    pub keep_going: bool,
}

/// What became of the changes of one incremental.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Rows that were inserted, changed or deleted.
    pub changes: u64,
    /// Whether a change later than the moment asked for was met: nothing after it counts.
    pub reached: bool,
    /// Tables that are known to hold rows of another moment than the one asked for; [`Staging::notes`] say which.
    pub elsewhere: BTreeSet<String>,
}

/// A table whose rows were loaded with changes of incrementals put into them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ahead {
    /// What it has to hold now: what the archive that its rows come from tells, without the rows that went and with those that came.
    pub summary: TableSummary,
    /// The last archive that changed it, by its place in the chain.
    pub changed_in: usize,
}

/// A new database under its staging name. Dropping it without [`Staging::publish`] removes it.
///
/// Its methods are called in this order: `load`, `apply` for each incremental, `finish`; then `tables`, `compare` and `publish`.
/// `tables` may also be called between them.
pub trait Staging: Send {
    /// Writes definitions and the rows of the full backup. `chain` holds its archive and after it those of the incrementals that
    /// will be applied, the last one up to `until`: what they define or replace as a whole need not be taken from the first. A
    /// moment that cannot be had of the last is refused before anything is loaded.
    ///
    /// Changes of incrementals may be put into the rows at once: of which tables is the answer.
    fn load(&mut self, chain: &[&dyn Members], until: Option<Timestamp>, context: &Context) -> Result<Vec<Ahead>>;

    /// Applies the changes of one incremental that are not there yet, up to the last commit before the first that is later than
    /// `until`. Each must hit exactly the row that it names.
    fn apply(&mut self, archive: &dyn Members, until: Option<Timestamp>, context: &Context) -> Result<Applied>;

    /// Makes what is made once all rows are there: indexes, constraints, values of sequences as the last archive tells them.
    fn finish(&mut self, last: &dyn Members, context: &Context) -> Result<()>;

    /// Reads the new database back with the encoder of a backup, ordered by name: all tables, or those that are named.
    fn tables(&mut self, only: Option<&BTreeSet<String>>, context: &Context) -> Result<Vec<TableSummary>>;

    /// Compares everything else that the last archive tells of the origin (definitions, sequences, properties of the database …), and
    /// says of what was not compared why. Comes after [`Staging::tables`]: it may do what would hide rows from that.
    fn compare(&mut self, last: &dyn Members, context: &Context) -> Result<Vec<Comparison>>;

    /// What the new database lacks or has otherwise than the origin, one sentence each. Complete after [`Staging::compare`].
    fn notes(&self) -> Vec<String> {
        vec![]
    }

    /// Whether every definition was made. Not so only where [`StageRequest::keep_going`] let something be left out.
    fn is_complete(&self) -> bool {
        true
    }

    /// Gives the database its name. Fails, and leaves nothing, if the name was taken meanwhile.
    fn publish(self: Box<Self>, context: &Context) -> Result<()>;
}
