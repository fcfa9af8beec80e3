//! One consistent moment: a transaction that holds locks on all tables and a snapshot that other sessions share.

use super::{
    catalog::{self, Candidate, Table, all_readable},
    moment::Snapshotted,
    stream::visible::Visible,
    wire::{Session, Target, quote_literal, sqlstate},
};
use crate::Context;
use domain::{Code, Error, Result};
use jiff::Timestamp;
use std::collections::HashSet;

/// How long to wait for the lock on a table, in milliseconds.
const LOCK_TIMEOUT_MS: u32 = 10_000;

/// How long a session that has others beside it waits for the lock on an index, in milliseconds.
const GLANCE_MS: u32 = 200;

/// Tables in one LOCK statement.
const LOCK_BATCH: usize = 100;

/// Settings on which the text of a value depends, what the server makes of such a text, or the peace of a long
/// transaction; a database or role can have its own of each. For reading and for loading.
const SETTINGS: &str = "
    SET datestyle = 'ISO, YMD'; SET intervalstyle = 'postgres'; SET timezone = 'UTC'; SET extra_float_digits = 1;
    SET bytea_output = 'hex'; SET xmlbinary = 'base64'; SET xmloption = 'content'; SET quote_all_identifiers = off;
    SET lc_monetary = 'C'; SET lc_numeric = 'C'; SET lc_time = 'C'; SET array_nulls = on; SET timezone_abbreviations = 'Default';
    SET standard_conforming_strings = on; SET escape_string_warning = off; SET backslash_quote = 'safe_encoding';
    SET transform_null_equals = off; SET search_path = ''; SET row_security = off; SET synchronize_seqscans = off; SET jit = off;
    SET statement_timeout = 0; SET lock_timeout = 0; SET idle_in_transaction_session_timeout = 0; SET exit_on_error = off;
    SET client_min_messages = 'warning'; SET default_transaction_isolation = 'read committed'";

/// A session with everything set that the text of values depends on. With its empty search path nothing that users
/// made can be meant by a name in our statements.
pub(crate) fn pinned(target: &Target, database: &str, context: &Context) -> Result<Session> {
    let mut session = Session::connect(target, database, context)?;
    let mut settings = SETTINGS.to_owned();
    if session.server_version() >= 140_000 {
        settings.push_str("; SET idle_session_timeout = 0");
    }
    if session.server_version() >= 170_000 {
        settings.push_str("; SET transaction_timeout = 0");
    }
    session.execute(&settings)?;
    Ok(session)
}

/// Makes the server refuse to read views, so that nobody can slip one, and with it functions of theirs, in the place of a
/// table by renaming its schema. Servers that got no security updates since August 2024 do not know the setting.
const TABLES_ONLY: &str = "SELECT set_config('restrict_nonsystem_relation_kind', 'view, foreign-table', false)
     WHERE current_setting('restrict_nonsystem_relation_kind', true) IS NOT NULL";

/// The moment, held open by `leader`.
pub(super) struct Snapshot {
    /// The session whose transaction holds the locks and exported the snapshot.
    pub leader: Session,
    /// The snapshot's identifier.
    pub id: String,
    /// Which transactions it sees.
    pub visible: Visible,
    /// When it had been taken, by the server's clock.
    pub at: Timestamp,
    /// A moment before it was taken.
    pub before: Timestamp,
    /// Every table that holds rows, ordered by name.
    pub tables: Vec<Table>,
}

impl Snapshot {
    /// Locks every table against changes of its definition, then takes the snapshot.
    ///
    /// Locks come first, because a table that is truncated or rewritten after the snapshot and before the lock
    /// would be read as empty: such changes do not heed snapshots.
    /// The leader goes on to wait for locks no longer than for these, until the reading begins.
    ///
    /// A snapshot that `import` names is joined before the locks are taken, for it cannot wait; what was truncated or
    /// rewritten in between is noticed, and then another is asked for.
    ///
    /// # Errors
    /// `privilege` (all tables named at once), `busy` with the blocker named, and what [`Session::connect`] gives.
    pub fn take(target: &Target, database: &str, import: Import<'_>, context: &Context) -> Result<Self> {
        let mut leader = leader(target, database, context)?;
        for _ in 0..ATTEMPTS {
            context.check()?;
            let imported = import()?;
            if let Some((taken, tables)) = attempt(&mut leader, database, imported.as_deref(), context)? {
                return Ok(Self { leader, id: taken.id, visible: taken.visible, at: taken.at, before: taken.before, tables });
            }
            leader.execute("ROLLBACK")?;
        }
        Err(restless(database))
    }
}

/// Gives the identifier of a snapshot to join, or `None` if one is to be taken.
pub(super) type Import<'a> = &'a mut dyn FnMut() -> Result<Option<String>>;

/// How often to begin again, and what to say after that.
pub(super) const ATTEMPTS: u32 = 10;

/// The error for a database whose tables do not stand still.
pub(super) fn restless(database: &str) -> Error {
    Error::new(
        Code::Busy,
        format!("Tables of the database {database:?} are dropped, truncated or rewritten faster than they can be locked."),
        "Start again when whatever changes its definitions has ended.",
    )
}

/// A session that is to hold a moment.
pub(super) fn leader(target: &Target, database: &str, context: &Context) -> Result<Session> {
    let mut leader = pinned(target, database, context)?;
    leader.execute(TABLES_ONLY)?;
    Ok(leader)
}

/// Begins a transaction whose first statement takes its snapshot.
pub(super) fn begin(leader: &mut Session) -> Result<()> {
    leader.execute(&format!("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY; SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}"))
}

/// Waits no longer for locks than at the beginning, until the end of the transaction.
pub(super) fn be_impatient(leader: &mut Session) -> Result<()> {
    leader.execute(&format!("SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}"))
}

/// A snapshot, as the session that took it tells of it.
pub(super) struct Taken {
    pub id: String,
    pub visible: Visible,
    pub at: Timestamp,
    /// What was committed, and said to be, by this moment is seen by a snapshot that [`Taken::now`] took and did not join.
    pub before: Timestamp,
}

impl Taken {
    /// Takes the snapshot of the transaction, if it has none yet, and exports it.
    pub fn now(leader: &mut Session) -> Result<Self> {
        let rows = leader
            // A statement gets its time before its snapshot; the clock is looked at after it.
            .query("SELECT pg_export_snapshot(), txid_current_snapshot(), (extract(epoch FROM clock_timestamp()) * 1000000)::bigint, (extract(epoch FROM statement_timestamp()) * 1000000)::bigint")?;
        let row = rows.first().ok_or_else(|| Error::internal("The server exported no snapshot."))?;
        let time = |column| {
            let time = Timestamp::from_microsecond(row.parse(column)?);
            time.map_err(|error| Error::internal("The server's clock shows no time that there is.").because(error))
        };
        Ok(Self { id: row.text(0)?.into(), visible: row.text(1)?.parse()?, at: time(2)?, before: time(3)? })
    }
}

/// A session of another thread, in the same moment.
pub(super) fn join(moment: &Snapshotted<'_>) -> Result<Session> {
    let mut session = pinned(moment.target, moment.database, moment.context)?;
    session.execute(TABLES_ONLY)?;
    session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")?;
    session.execute(&format!("SET TRANSACTION SNAPSHOT {}", quote_literal(moment.id)))?;
    Ok(session)
}

/// Locks a table for a session that [`join`]ed, or says at once that somebody queues for a lock that excludes ours.
///
/// Planning a query locks the table's indexes too (a REINDEX excludes that), so one is planned here: then nothing that
/// reads the table later has to wait.
pub(super) fn lock_at_once(session: &mut Session, table: &Table) -> Result<bool> {
    let (name, condition) = (&table.quoted, table.condition.as_deref().unwrap_or_default());
    let locked = session.execute(&format!(
        "SAVEPOINT piece; SET LOCAL lock_timeout = {GLANCE_MS}; LOCK TABLE ONLY {name} IN ACCESS SHARE MODE NOWAIT;
         SELECT FROM ONLY {name} {condition} LIMIT 0; RELEASE SAVEPOINT piece"
    ));
    match locked {
        Err(error) if sqlstate(&error) == Some("55P03") => {
            session.execute("ROLLBACK TO SAVEPOINT piece; RELEASE SAVEPOINT piece")?;
            Ok(false)
        }
        other => other.map(|()| true),
    }
}

/// `None` if what is there changed meanwhile.
fn attempt(leader: &mut Session, database: &str, imported: Option<&str>, context: &Context) -> Result<Option<(Taken, Vec<Table>)>> {
    if let Some(id) = imported {
        begin(leader)?;
        leader.execute(&format!("SET TRANSACTION SNAPSHOT {}", quote_literal(id)))?;
    }
    let candidates = catalog::candidates(leader)?;
    let missing: Vec<_> = candidates.iter().filter(|table| !table.readable).map(|table| table.label.clone()).collect();
    all_readable(&leader.target().user, &format!("all rows of tables in {database:?}"), &missing)?;
    if imported.is_none() {
        // LOCK takes no snapshot: the first statement after it does.
        begin(leader)?;
    }
    if !lock(leader, database, &candidates, context)? {
        return Ok(None);
    }
    let taken = Taken::now(leader)?;
    // Tables that were made between the list and the snapshot.
    let locked: HashSet<_> = candidates.iter().map(|table| table.oid).collect();
    let mut late = catalog::candidates(leader)?;
    late.retain(|table| !locked.contains(&table.oid));
    if late.iter().any(|table| !table.readable) || !lock(leader, database, &late, context)? {
        return Ok(None);
    }
    Ok(catalog::tables(leader, None)?.map(|tables| (taken, tables)))
}

/// Takes the locks; `false` if a table is not there any more.
pub(super) fn lock(leader: &mut Session, database: &str, tables: &[Candidate], context: &Context) -> Result<bool> {
    for batch in tables.chunks(LOCK_BATCH) {
        let names: Vec<_> = batch.iter().map(|table| format!("ONLY {}", table.quoted)).collect();
        match leader.execute(&format!("LOCK TABLE {} IN ACCESS SHARE MODE", names.join(", "))) {
            Ok(()) => {}
            // Undefined table, undefined schema.
            Err(error) if matches!(sqlstate(&error), Some("42P01" | "3F000")) => return Ok(false),
            Err(error) if sqlstate(&error) == Some("55P03") => {
                let blocker = blocker(leader.target(), database, batch, context);
                return Err(blocker.unwrap_or(None).map_or(error, |blocker| busy(&blocker)));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

/// Who keeps the tables of a batch locked, in words. A session that waits in the queue for its exclusive lock
/// blocks those behind it as well.
fn blocker(target: &Target, database: &str, batch: &[Candidate], context: &Context) -> Result<Option<String>> {
    let oids: Vec<_> = batch.iter().map(|table| table.oid.to_string()).collect();
    let rows = pinned(target, database, context)?.query(&format!(
        "SELECT l.relation, a.pid, a.usename, coalesce(nullif(a.application_name, ''), a.backend_type), a.state, a.xact_start
         FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
         WHERE l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock' AND l.relation IN ({})
           AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
         ORDER BY l.granted DESC, a.xact_start LIMIT 1",
        oids.join(", ")
    ))?;
    let Some(row) = rows.first() else { return Ok(None) };
    let table =
        batch.iter().find(|table| Some(table.oid.to_string().as_str()) == row.get(0)).map_or("a table", |table| table.label.as_str());
    let get = |column| row.get(column).unwrap_or("unknown");
    Ok(Some(format!(
        "Process {} of role {} ({}, {}, in a transaction since {}) keeps {table} of {database:?} locked",
        get(1),
        get(2),
        get(3),
        get(4),
        get(5)
    )))
}

fn busy(blocker: &str) -> Error {
    let sentence = format!("{blocker}: it could not be locked for reading within {} seconds.", LOCK_TIMEOUT_MS / 1000);
    Error::new(Code::Busy, sentence, "Wait for that transaction, or end it with pg_terminate_backend, then start again.")
}
