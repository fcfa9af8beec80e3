//! What killed restores left behind: found, told from what is in use, removed.
//!
//! Only what certainly is abandoned goes. A server that is full, a database that lets nobody in for now, one of a role
//! that this one cannot act as: all of that is left for another time, and never fails the work that comes after a sweep.

use super::{
    crew::open,
    database::{PREFIX, exists},
};
use crate::{
    Context,
    postgres::wire::{Session, Target, quote_ident, quote_literal, sqlstate},
};
use domain::{Code, Error, Result};

/// How a database says that it is about to get its name; the second since 1970 follows, then ` in ` and the
/// database in which its maker holds the lock.
const MARK: &str = "Rookery gives this database its name since ";

/// How long the mark is believed, in seconds. Giving the name takes half a minute if others are in the way.
const MARK_SECONDS: u32 = 3600;

/// Staging databases that this role can drop.
const FOUND: &str = "SELECT datname FROM pg_catalog.pg_database \
    WHERE datname ~ '^rookery_staging_[0-9a-f]{16}$' AND pg_catalog.pg_has_role(datdba, 'USAGE') ORDER BY 1";

/// Roles that were made for a staging database which is gone.
const ROLES: &str = "SELECT rolname FROM pg_catalog.pg_roles r CROSS JOIN pg_catalog.shobj_description(r.oid, 'pg_authid') AS made_for \
    WHERE made_for ~ '^rookery_staging_[0-9a-f]{16}$' AND NOT rolcanlogin AND NOT rolsuper \
    AND made_for NOT IN (SELECT datname FROM pg_catalog.pg_database) ORDER BY 1";

/// Removes staging databases whose makers are gone, their subscriptions and the roles that were made for them.
///
/// # Errors
/// Only what keeps it from looking. What cannot be removed is logged.
pub(super) fn sweep(target: &Target, context: &Context) -> Result<()> {
    let mut session = open(target, &target.maintenance_database, context)?;
    // A standby shows what its primary is working on, but not its locks.
    if session.query("SELECT pg_catalog.pg_is_in_recovery()")?.first().is_some_and(|row| row.is_true(0)) {
        return Ok(());
    }
    for row in session.query(FOUND)? {
        let name = row.text(0)?;
        match sweep_one(target, &mut session, name, context) {
            Ok(true) => tracing::info!(database = name, "removed a staging database that a killed restore had left"),
            Ok(false) => {}
            Err(error) if !is_about_one(&error) => return Err(error),
            Err(error) => tracing::warn!(database = name, %error, "a staging database could not be removed; the next sweep tries again"),
        }
    }
    for row in session.query(ROLES)? {
        let name = row.text(0)?;
        match session.execute(&format!("DROP ROLE IF EXISTS {}", quote_ident(name))) {
            Ok(()) => tracing::info!(role = name, "removed a role that was made for a restore that was killed"),
            Err(error) if !is_about_one(&error) => return Err(error),
            // Something depends on it by now: it stays.
            Err(error) => tracing::debug!(role = name, %error, "a role that was made for a killed restore stays"),
        }
    }
    Ok(())
}

/// Whether the sweep can go on after this error.
fn is_about_one(error: &Error) -> bool {
    !matches!(error.code(), Code::Cancelled | Code::ConnectionLost | Code::Silent | Code::Unreachable)
}

/// Says, for sweeps from other databases than the one of `session`, that the staging database is about to get its name
/// and has no lock inside.
pub(super) fn mark(session: &mut Session, name: &str) -> Result<()> {
    let now = session.query("SELECT pg_catalog.date_part('epoch', pg_catalog.now())::bigint, pg_catalog.current_database()")?;
    let now = now.first().ok_or_else(|| Error::internal("The server told no time."))?;
    let mark = format!("{MARK}{} in {}", now.parse::<i64>(0)?, now.text(1)?);
    session.execute(&format!("COMMENT ON DATABASE {} IS {}", quote_ident(name), quote_literal(&mark)))
}

/// Whether a staging database carries a mark that is not too old and was left from another database: from the same one,
/// the lock that `session` holds says already that the maker is gone.
fn is_marked(session: &mut Session, name: &str) -> Result<bool> {
    let sql = format!(
        "SELECT pg_catalog.substring(mark, '^{MARK}([0-9]{{1,12}}) in ')::bigint \
           > pg_catalog.date_part('epoch', pg_catalog.now()) - {MARK_SECONDS} \
           AND pg_catalog.substring(mark, '^{MARK}[0-9]{{1,12}} in (.*)$') IS DISTINCT FROM pg_catalog.current_database()::text \
         FROM pg_catalog.pg_database, pg_catalog.shobj_description(oid, 'pg_database') AS mark WHERE datname = {}",
        quote_literal(name)
    );
    Ok(session.query(&sql)?.first().is_some_and(|row| row.is_true(0)))
}

/// Removes one staging database if it is abandoned; says whether it did.
fn sweep_one(target: &Target, session: &mut Session, name: &str, context: &Context) -> Result<bool> {
    let Ok(key) = u64::from_str_radix(name.trim_start_matches(PREFIX), 16) else { return Ok(false) };
    let key = key.cast_signed();
    if !try_lock(session, key)? {
        return Ok(false);
    }
    let done = is_abandoned(target, session, name, key, context)
        .and_then(|abandoned| if abandoned { remove(target, session, name, context).map(|()| true) } else { Ok(false) });
    // Its maker may want the lock back, after it lost its session.
    session.query(&format!("SELECT pg_catalog.pg_advisory_unlock({key})"))?;
    done
}

fn try_lock(session: &mut Session, key: i64) -> Result<bool> {
    Ok(session.query(&format!("SELECT pg_catalog.pg_try_advisory_lock({key})"))?.first().is_some_and(|row| row.is_true(0)))
}

/// Whether the maker of a staging database is gone. `session` holds the lock of the maintenance database.
fn is_abandoned(target: &Target, session: &mut Session, name: &str, key: i64, context: &Context) -> Result<bool> {
    let inside = match open(target, name, context) {
        Ok(mut inside) => try_lock(&mut inside, key)?,
        Err(error) if error.code() == Code::Cancelled => return Err(error),
        // Half dropped: its files are gone, or the server marked it as invalid. Any other reason says nothing of its maker.
        Err(error) => sqlstate(&error) == Some("3D000") || is_invalid(session, name)?,
    };
    // Looked for last: its maker lets the lock inside go only after it has left the mark.
    Ok(inside && !is_marked(session, name)?)
}

/// Whether the server began to drop the database and did not end (`DATCONNLIMIT_INVALID_DB` in its source).
fn is_invalid(session: &mut Session, name: &str) -> Result<bool> {
    let sql = format!("SELECT datconnlimit = -2 FROM pg_catalog.pg_database WHERE datname = {}", quote_literal(name));
    Ok(session.query(&sql)?.first().is_some_and(|row| row.is_true(0)))
}

/// Drops a staging database with the sessions in it.
pub(super) fn remove(target: &Target, session: &mut Session, name: &str, context: &Context) -> Result<()> {
    if !exists(session, name)? {
        return Ok(());
    }
    drop_subscriptions(target, session, name, context)?;
    let (ident, literal) = (quote_ident(name), quote_literal(name));
    if session.server_version() >= 130_000 {
        return session.execute(&format!("DROP DATABASE IF EXISTS {ident} WITH (FORCE)"));
    }
    session.query(&format!("SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity WHERE datname = {literal}"))?;
    // The server waits a few seconds for sessions that are on their way out.
    session.execute(&format!("DROP DATABASE IF EXISTS {ident}"))
}

/// A database with subscriptions cannot be dropped. Restored ones have never been connected: they are let go
/// without a word to the other server, whose slots belong to the origin.
fn drop_subscriptions(target: &Target, session: &mut Session, name: &str, context: &Context) -> Result<()> {
    let sql = format!(
        "SELECT subname FROM pg_catalog.pg_subscription JOIN pg_catalog.pg_database d ON d.oid = subdbid WHERE datname = {}",
        quote_literal(name)
    );
    let subscriptions = session.query(&sql)?;
    if subscriptions.is_empty() {
        return Ok(());
    }
    let mut inside = open(target, name, context)?;
    for row in subscriptions {
        let subscription = quote_ident(row.text(0)?);
        inside.execute(&format!("ALTER SUBSCRIPTION {subscription} DISABLE"))?;
        inside.execute(&format!("ALTER SUBSCRIPTION {subscription} SET (slot_name = NONE)"))?;
        inside.execute(&format!("DROP SUBSCRIPTION {subscription}"))?;
    }
    Ok(())
}
