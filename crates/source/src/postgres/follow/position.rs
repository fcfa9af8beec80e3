//! Where a backup ended, for the next one to go on from.

use crate::{
    Context,
    postgres::{
        snapshot::pinned,
        stream::lsn::Lsn,
        wire::{Session, Target, quote_literal},
    },
};
use domain::{Code, Error, Result};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};

/// How long the server may take to write its log to its disk.
const FLUSH_LIMIT: Duration = Duration::from_secs(60);

/// What [`domain::Summary::position`] holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::postgres) struct Position {
    /// Which server, and which of its histories.
    pub server: History,
    /// When its snapshot had been taken, by the server's clock.
    pub at: Timestamp,
    /// Which transactions the snapshot sees, as `txid_current_snapshot()` writes it.
    pub snapshot: String,
    /// SHA-256 of the state that belongs to it.
    pub state: String,
    /// Where the change stream goes on, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<Place>,
    /// Why there is none: what to do, the end of a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_stream: Option<String>,
}

/// A place in the stream of a slot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::postgres) struct Place {
    /// The slot.
    pub slot: String,
    /// What was committed before this is in the backup, or in one before it.
    pub advance: Lsn,
}

/// What tells that a log is the one that was read before, going on, and that it tells of the same database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::postgres) struct History {
    /// The system identifier; `None` if the role may not know it.
    pub system: Option<String>,
    /// The timeline, marked where it is that of a standby; `None` if the role may not know it.
    pub timeline: Option<String>,
    /// The database's number. One that was made anew under its name has another, and one that was made from a template has tables with
    /// the numbers, and rows with the marks, of those that the template was copied to before. 0 where an older version did not note it.
    #[serde(default)]
    pub database: u32,
}

impl History {
    /// That of the session's database.
    pub fn of(session: &mut Session) -> Result<Self> {
        // Asked for first, for an error would end the transaction.
        let may = session.query(
            "SELECT has_function_privilege('pg_control_system()', 'EXECUTE'),
                    has_function_privilege('pg_control_checkpoint()', 'EXECUTE') AND has_function_privilege('pg_control_recovery()', 'EXECUTE'),
                    pg_is_in_recovery()",
        )?;
        let may = may.first().ok_or_else(untold)?;
        let system = if may.is_true(0) { "(SELECT system_identifier FROM pg_control_system())" } else { "NULL" };
        let timeline = match (may.is_true(2), may.is_true(1)) {
            (false, _) => "substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)",
            // A standby that was rewound or copied anew has the timeline in one of both at once.
            (true, true) => {
                "(SELECT 'standby ' || greatest(timeline_id, min_recovery_end_timeline) FROM pg_control_checkpoint(), pg_control_recovery())"
            }
            (true, false) => "NULL",
        };
        let told = session.query(&format!("SELECT {system}, {timeline}, oid FROM pg_database WHERE datname = current_database()"))?;
        let told = told.first().ok_or_else(untold)?;
        let text = |column| told.get(column).map(str::to_owned);
        Ok(Self { system: text(0), timeline: text(1), database: told.parse(2)? })
    }

    /// Why it is not how `before` goes on, if it is not: a sentence.
    pub fn departs_from(&self, before: &Self) -> Option<String> {
        let Some(timeline) = &self.timeline else {
            return Some(
                "The standby does not tell whether it was rewound: let the role execute pg_control_checkpoint() and pg_control_recovery()."
                    .into(),
            );
        };
        if before.database == 0 {
            return Some("The backup before was made by an older version of Rookery, which noted less than this one goes on from.".into());
        }
        if self.system != before.system || before.timeline.as_ref() != Some(timeline) {
            return Some("The server is another one than before, or was restored or promoted since.".into());
        }
        (self.database != before.database).then(|| "The database was made anew, or its name was given to another one, since.".into())
    }
}

fn untold() -> Error {
    Error::internal("The server did not tell its history.")
}

/// Waits until the log up to `upto` is on the server's disk.
pub(in crate::postgres) fn await_disk(session: &mut Session, upto: Lsn, context: &Context) -> Result<()> {
    let begun = Instant::now();
    while !is_on_disk(session, upto)? {
        context.check()?;
        if begun.elapsed() > FLUSH_LIMIT {
            return Err(Error::new(
                Code::Busy,
                "The server does not get its log written to its disk.",
                "Look at the load of the server's disk, then start again.",
            ));
        }
        // An idle server writes the tail of its log when somebody commits. No standby is waited for.
        session.query("SET synchronous_commit = local; SELECT pg_logical_emit_message(true, 'rookery', '')")?;
    }
    Ok(())
}

/// Waits until all that a snapshot of `leader`'s can see is on the server's disk. A snapshot sees transactions before they are,
/// where commits do not wait for that; a server that crashed would not know them any more, and give their numbers to others,
/// whose rows would then look as if they had been backed up.
pub(in crate::postgres) fn await_seen(leader: &mut Session, target: &Target, database: &str, context: &Context) -> Result<()> {
    // What a standby shows came to it from its disk.
    if leader.query("SELECT pg_is_in_recovery()")?.first().is_some_and(|row| row.is_true(0)) {
        return Ok(());
    }
    let upto = end_of_log(leader)?;
    if is_on_disk(leader, upto)? { Ok(()) } else { await_disk(&mut pinned(target, database, context)?, upto, context) }
}

fn is_on_disk(session: &mut Session, upto: Lsn) -> Result<bool> {
    let rows = session.query(&format!("SELECT pg_current_wal_flush_lsn() >= {}::pg_lsn", quote_literal(&upto.to_string())))?;
    Ok(rows.first().is_some_and(|row| row.is_true(0)))
}

/// The end of the server's log now.
pub(in crate::postgres) fn end_of_log(session: &mut Session) -> Result<Lsn> {
    let rows = session.query("SELECT pg_current_wal_insert_lsn()")?;
    rows.first().ok_or_else(|| Error::internal("The server told no end of its log."))?.text(0)?.parse()
}
