//! Replication slots: what the server keeps for us between two backups.
//!
//! A slot holds back log on the server until it is advanced, whatever becomes of us. So it has a name that says whose it
//! is, everything that makes one also removes it, and one that holds back too much is dropped.

use super::lsn::Lsn;
use crate::{
    Context, Owner,
    postgres::{
        snapshot::pinned,
        wire::{Row, Session, Target, quote_ident, quote_literal, sqlstate},
    },
};
use domain::{Code, Error, Result};
use sha2::{Digest, Sha256};
use std::hash::{BuildHasher, RandomState};

/// The plugin: part of PostgreSQL itself, and it needs no publication, which could make users' statements fail.
pub(in crate::postgres) const PLUGIN: &str = "test_decoding";

/// How long to wait for one transaction that was under way before a slot can begin, in milliseconds.
const LOCK_TIMEOUT_MS: u32 = 10_000;

/// The same, where it is only tried whether one can be made.
const PROBE_TIMEOUT_MS: u32 = 200;

/// How long to wait for all such transactions where there is a slot to go on with: longer than it takes to move that one.
pub(in crate::postgres) const RENEWAL_TIMEOUT_MS: u32 = 1_000;

/// Why a standby is not followed, as [`refusal`] says it. From version 16 on one can decode, but its snapshots do not list the transactions that
/// are under way, so that what they see cannot be told from what comes later.
pub(in crate::postgres) const ON_A_STANDBY: &str = "use the primary: a standby's snapshots do not tell which transactions they see.";

/// Names of the slots of one owner for one database: `rookery_<instance>_<owner and database>_<one chain>`.
#[derive(Clone, Debug)]
pub(in crate::postgres) struct Names {
    prefix: String,
}

impl Names {
    /// Those of `owner` for `database`.
    pub fn new(owner: &Owner, database: &str) -> Self {
        let mut hash = Sha256::new();
        for part in [owner.instance.as_str(), owner.root.as_str(), database] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        Self { prefix: format!("{}{}_", of_instance(&owner.instance), hex::encode(&hash.finalize()[..6])) }
    }

    /// Whether a slot is one of them.
    pub fn include(&self, slot: &str) -> bool {
        slot.starts_with(&self.prefix)
    }

    /// A name that no slot has.
    fn fresh(&self) -> String {
        // Hash keys are the standard library's source of randomness.
        format!("{}{:016x}", self.prefix, RandomState::new().hash_one(std::process::id()))
    }
}

/// What the names of an installation's slots begin with.
fn of_instance(instance: &str) -> String {
    let digits: String = instance.chars().filter(char::is_ascii_hexdigit).take(8).collect();
    format!("rookery_{}_", digits.to_ascii_lowercase())
}

/// What came of the wish for a slot.
pub(in crate::postgres) enum Wish {
    /// It was made.
    Granted(Box<Slot>),
    /// The server or the way to it does not allow it: why, a sentence.
    Refused(String),
}

/// A slot that was just made. Dropped with this value unless it is kept.
pub(in crate::postgres) struct Slot {
    target: Target,
    database: String,
    /// Its name.
    pub name: String,
    /// Where its stream begins.
    pub begins: Lsn,
    maker: Option<Maker>,
    kept: bool,
}

/// Who made a slot together with a snapshot.
struct Maker {
    _session: Session,
    snapshot: String,
}

impl Slot {
    /// Makes a slot together with a snapshot, so that no transaction is between the two and none in both.
    ///
    /// Transactions that began before and do not end are no reason to do without a backup: there is no slot then, and they are named.
    pub fn make(target: &Target, database: &str, names: &Names, context: &Context) -> Result<Wish> {
        let made = Session::connect_for_replication(target, database, context).and_then(|mut session| {
            // Nothing but this ends the wait for a transaction that does not end, and the half-made slot with it.
            session.execute(&format!("SET lock_timeout = {LOCK_TIMEOUT_MS}; SET statement_timeout = 0"))?;
            if session.query("SELECT pg_is_in_recovery()")?.first().is_some_and(|row| row.is_true(0)) {
                return Ok(None);
            }
            let name = names.fresh();
            let rows = session.query(&format!("CREATE_REPLICATION_SLOT {} LOGICAL {PLUGIN} EXPORT_SNAPSHOT", quote_ident(&name)))?;
            Ok(Some((session, rows)))
        });
        match made {
            Ok(None) => Ok(Wish::Refused(ON_A_STANDBY.into())),
            Ok(Some((session, rows))) => {
                let row = rows.first().ok_or_else(untold)?;
                let maker = Maker { snapshot: row.text(2)?.to_owned(), _session: session };
                Ok(Wish::Granted(Box::new(Self::made(target, database, row, Some(maker))?)))
            }
            Err(error) if sqlstate(&error) == Some("55P03") => Ok(Wish::Refused(waiting(target, context))),
            Err(error) => refusal(&error, target).map(Wish::Refused).ok_or(error),
        }
    }

    /// Makes a slot for a chain to go on with in the place of the one that it has, which the server would have to read its log again
    /// to move. A snapshot that is taken afterwards sees all that was committed before the slot begins, but for what
    /// [`Sieve`](super::translate::Sieve) holds back.
    ///
    /// `None` if there is none to be had, or not within `wait_ms`: transactions are under way on the server, or another chain may need the last
    /// slot that is free, and so may a reading (see [`Stretch::read`](super::window::Stretch::read)).
    pub fn renew(session: &mut Session, database: &str, names: &Names, wait_ms: u32, context: &Context) -> Result<Option<Self>> {
        if spare(session)? < 2 {
            return Ok(None);
        }
        session.execute(&format!("SET statement_timeout = {wait_ms}"))?;
        let name = quote_literal(&names.fresh());
        let made = session.query(&format!("SELECT slot_name, lsn FROM pg_create_logical_replication_slot({name}, '{PLUGIN}')"));
        let slot = match made {
            Ok(rows) => Some(Self::made(session.target(), database, rows.first().ok_or_else(untold)?, None)?),
            // What is half made goes with the error.
            Err(error) if sqlstate(&error).is_some() => {
                context.check()?;
                tracing::info!(%error, "the chain goes on with the slot that it has");
                None
            }
            Err(error) => return Err(error),
        };
        session.execute("SET statement_timeout = 0")?;
        // Others may have taken one at the same moment: a chain that begins now must find one.
        if slot.is_some() && spare(session)? < 1 {
            return Ok(None);
        }
        Ok(slot)
    }

    fn made(target: &Target, database: &str, row: &Row, maker: Option<Maker>) -> Result<Self> {
        let (name, begins) = (row.text(0)?.to_owned(), row.text(1)?.parse()?);
        Ok(Self { target: target.clone(), database: database.to_owned(), name, begins, maker, kept: false })
    }

    /// The snapshot that sees exactly what was committed before the slot begins, if it was made with one; others can join it while
    /// its maker stands still.
    pub fn snapshot(&self) -> Option<&str> {
        self.maker.as_ref().map(|maker| maker.snapshot.as_str())
    }

    /// Ends the session that made it, once somebody else keeps the snapshot.
    pub fn let_maker_go(&mut self) {
        self.maker = None;
    }

    /// The slot stays when this value goes.
    pub fn keep(&mut self) {
        self.kept = true;
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.maker = None;
        if self.kept {
            return;
        }
        // A cancelled run still cleans up.
        let dropped = pinned(&self.target, &self.database, &Context::default()).and_then(|mut session| drop_slot(&mut session, &self.name));
        if let Err(error) = dropped {
            tracing::warn!(slot = self.name, %error, "a replication slot could not be dropped; the next backup of its chain tries again");
        }
    }
}

fn untold() -> Error {
    Error::internal("The server said nothing of its replication slots.")
}

/// Slots that the server has room for.
fn spare(session: &mut Session) -> Result<i64> {
    let rows = session.query("SELECT current_setting('max_replication_slots')::bigint - count(*) FROM pg_replication_slots")?;
    rows.first().ok_or_else(untold)?.parse(0)
}

/// Tries whether there can be a slot, with one that goes with its session; why not, where there cannot.
pub(in crate::postgres) fn probe(target: &Target, database: &str, context: &Context) -> Result<Option<String>> {
    let tried = Session::connect_for_replication(target, database, context).and_then(|mut session| {
        session.execute(&format!("SET lock_timeout = {PROBE_TIMEOUT_MS}"))?;
        let name = format!("rookery_probe_{:016x}", RandomState::new().hash_one(std::process::id()));
        session.query(&format!("CREATE_REPLICATION_SLOT {name} TEMPORARY LOGICAL {PLUGIN} NOEXPORT_SNAPSHOT")).map(drop)
    });
    match tried {
        Ok(()) => Ok(None),
        // Somebody writes: it waited, so it could have been made.
        Err(error) if sqlstate(&error) == Some("55P03") => Ok(None),
        Err(error) => refusal(&error, target).map(Some).ok_or(error),
    }
}

/// Why there can be no slot, where that is not trouble that passes.
pub(in crate::postgres) fn refusal(error: &Error, target: &Target) -> Option<String> {
    let user = &target.user;
    Some(match sqlstate(error)? {
        "55000" => "set wal_level = logical on the server and restart it.".into(),
        "42501" => format!("give the role REPLICATION: ALTER ROLE {} REPLICATION.", quote_ident(user)),
        "53400" => {
            "raise max_replication_slots on the server (one for each database that is followed, and one more) and restart it: all are in use."
                .into()
        }
        "53300" => "raise max_wal_senders on the server and restart it: all are in use.".into(),
        "58P01" => "install the server's contrib modules (postgresql-contrib): test_decoding is missing.".into(),
        "28000" | "08P01" | "0A000" | "25006" => {
            "connect to the server itself: what answers here (a pooler, a standby, or a rule in pg_hba.conf) refuses replication mode.".into()
        }
        _ => return None,
    })
}

/// Who keeps a slot from beginning, and what to do, as [`refusal`] says it. Statements are not shown: they can hold secrets.
fn waiting(target: &Target, context: &Context) -> String {
    let blockers = pinned(target, &target.maintenance_database, context).and_then(|mut session| {
        session.query(
            "SELECT concat_ws(' ', 'process', pid, 'of role', usename, 'in database', datname, '(' || nullif(application_name, '') || ')')
             FROM pg_stat_activity WHERE backend_xid IS NOT NULL AND pid <> pg_backend_pid() AND xact_start < now() - interval '1 second'
             UNION ALL SELECT concat_ws(' ', 'the prepared transaction', gid, 'of', owner) FROM pg_prepared_xacts LIMIT 10",
        )
    });
    let names: Vec<_> = blockers.iter().flatten().filter_map(|row| row.get(0)).collect();
    let names = if names.is_empty() { "one that has ended meanwhile".into() } else { names.join(", ") };
    format!(
        "let every transaction end that was writing on the server for more than {} seconds when the backup began, or end it (pg_terminate_backend, ROLLBACK PREPARED): {names}.",
        LOCK_TIMEOUT_MS / 1000
    )
}

/// A replication slot of Rookery's as the server shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Its name, which tells whose it is.
    pub name: String,
    /// The database that it follows.
    pub database: String,
    /// Where its stream goes on; `None` if the server has taken that away.
    pub(in crate::postgres) confirmed: Option<Lsn>,
    /// Whether somebody reads from it now.
    pub is_active: bool,
    /// Whether the server has removed log that it needs.
    pub is_lost: bool,
    /// Whether the server may remove log that it needs at any moment.
    pub is_at_risk: bool,
    /// Bytes of log that the server keeps for it.
    pub held_bytes: u64,
}

impl Shown {
    /// Whether an installation made it, by its fingerprint.
    #[must_use]
    pub fn is_of(&self, instance: &str) -> bool {
        self.name.starts_with(&of_instance(instance))
    }
}

/// All slots of Rookery's on the server, whoever made them.
pub(in crate::postgres) fn all(session: &mut Session) -> Result<Vec<Shown>> {
    list(session, "true", "rookery_")
}

/// The slots that the database of the session has, by the beginning of their name.
pub(in crate::postgres) fn shown(session: &mut Session, prefix: &str) -> Result<Vec<Shown>> {
    list(session, "database = current_database()", prefix)
}

fn list(session: &mut Session, which: &str, prefix: &str) -> Result<Vec<Shown>> {
    let [lost, at_risk] = ["lost", "unreserved"].map(|status| match session.server_version() >= 130_000 {
        true => format!("wal_status IS NOT DISTINCT FROM '{status}'"),
        false => "false".into(),
    });
    let rows = session.query(&format!(
        "SELECT slot_name, database, confirmed_flush_lsn, active, restart_lsn IS NULL OR {lost}, {at_risk},
                coalesce(greatest(pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END, restart_lsn), 0), 0)::bigint
         FROM pg_replication_slots WHERE slot_type = 'logical' AND {which} AND starts_with(slot_name, {}) ORDER BY slot_name",
        quote_literal(prefix)
    ))?;
    let one = |row: &Row| -> Result<Shown> {
        Ok(Shown {
            name: row.text(0)?.into(),
            database: row.text(1)?.into(),
            confirmed: row.get(2).map(str::parse).transpose()?,
            is_active: row.is_true(3),
            is_lost: row.is_true(4),
            is_at_risk: row.is_true(5),
            held_bytes: row.parse(6)?,
        })
    };
    rows.iter().map(one).collect()
}

/// Drops a slot, if it is still there.
pub(in crate::postgres) fn drop_slot(session: &mut Session, name: &str) -> Result<()> {
    match session.query(&format!("SELECT pg_drop_replication_slot({})", quote_literal(name))) {
        Err(error) if sqlstate(&error) == Some("42704") => Ok(()),
        other => other.map(drop),
    }
}

/// Drops a slot of ours, whoever made it.
pub(in crate::postgres) fn drop_ours(session: &mut Session, name: &str) -> Result<()> {
    if !all(session)?.iter().any(|slot| slot.name == name) {
        return Ok(());
    }
    drop_slot(session, name).map_err(|error| match sqlstate(&error) {
        Some("55006") => {
            Error::new(Code::Busy, format!("A backup reads from the replication slot {name} at this moment."), "Wait until it has ended.")
                .because(error)
        }
        _ => error,
    })
}

/// Drops the slots of `names` except one, also where their database has another name by now. One that is being read from is left for the next time.
pub(in crate::postgres) fn drop_others(session: &mut Session, names: &Names, kept: Option<&str>) -> Result<()> {
    for slot in list(session, "true", &names.prefix)? {
        if Some(slot.name.as_str()) != kept && !slot.is_active {
            drop_slot(session, &slot.name)?;
            tracing::info!(slot = slot.name, "dropped a replication slot that is not needed any more");
        }
    }
    Ok(())
}

/// Bytes of log that the server keeps for the slots of `names`, if there are any, also where their database has another name by now.
pub(in crate::postgres) fn held(session: &mut Session, names: &Names) -> Result<Option<u64>> {
    Ok(list(session, "true", &names.prefix)?.iter().map(|slot| slot.held_bytes).max())
}

/// Lets the server forget its log up to a place, unless it has gone further.
pub(in crate::postgres) fn advance(session: &mut Session, name: &str, to: Lsn) -> Result<()> {
    let behind =
        shown(session, name)?.into_iter().any(|slot| slot.name == name && !slot.is_lost && slot.confirmed.is_some_and(|at| at < to));
    if behind {
        let literal = quote_literal(name);
        session.query(&format!(
            "SELECT pg_replication_slot_advance({literal}, least({}::pg_lsn, pg_current_wal_flush_lsn()))",
            quote_literal(&to.to_string())
        ))?;
    }
    Ok(())
}

/// Lets the server forget what a slot holds back before the place that it was moved to.
///
/// While a slot is moved the server notes the first later place from which it could read, and the last one only of those before
/// where the slot stood already: it has to be moved once more, to where it is (`LogicalIncreaseRestartDecodingForSlot` in the
/// server's `logical.c`).
pub(in crate::postgres) fn catch_up(session: &mut Session, name: &str) -> Result<()> {
    session.query(&format!(
        "SELECT pg_replication_slot_advance(slot_name, confirmed_flush_lsn) FROM pg_replication_slots WHERE slot_name = {}",
        quote_literal(name)
    ))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_whose_it_is_and_is_new_each_time() {
        let owner = |root: &str| Owner { instance: "0123456789ABcdef".into(), root: root.into() };
        let names = Names::new(&owner("a"), "db");
        let (one, two) = (names.fresh(), names.fresh());
        assert!(one != two && one.len() <= 63 && one.starts_with("rookery_01234567_"), "{one}");
        assert!(one.bytes().all(|byte| byte == b'_' || byte.is_ascii_lowercase() || byte.is_ascii_digit()));
        assert!(one.starts_with(&names.prefix));
        for other in [Names::new(&owner("b"), "db"), Names::new(&owner("a"), "db2"), Names::new(&owner("ad"), "b")] {
            assert!(!one.starts_with(&other.prefix));
        }
    }
}
