//! What belongs to the server as a whole.

use super::{
    archive::GLOBALS,
    full::member,
    snapshot::pinned,
    tools::{self, Passwords},
    wire::{Session, Target},
};
use crate::{Context, Description, Reading, Sink};
use domain::{Dbms, Result, Summary};

/// Roles, memberships and tablespaces, ready to be read.
pub(super) struct Globals {
    target: Target,
    server_version: u32,
    passwords: Passwords,
    description: Description,
}

impl Globals {
    pub fn begin(target: &Target, context: &Context) -> Result<Self> {
        let mut session = pinned(target, &target.maintenance_database, context)?;
        super::discover::supported(&session)?;
        let tools = tools::find(session.server_version())?;
        let passwords = passwords(&mut session)?;
        let description = Description {
            format: Description::FORMAT,
            dbms: Dbms::Postgresql,
            version: session.server_version_text().into(),
            database: "_globals".into(),
            properties: serde_json::Value::Null,
            notes: note(passwords, target).into_iter().collect(),
            tools: vec![format!("pg_dumpall {}", tools.version)],
        };
        Ok(Self { target: target.clone(), server_version: session.server_version(), passwords, description })
    }
}

/// What the server's globals will lack, a sentence with what to do.
pub(super) fn lacking(target: &Target, context: &Context) -> Result<Option<String>> {
    let mut session = pinned(target, &target.maintenance_database, context)?;
    Ok(note(passwords(&mut session)?, target))
}

/// Whether passwords may be read. Roles are the same in every database, privileges on the catalog that holds them are not:
/// the session must be in the maintenance database, as pg_dumpall will be.
fn passwords(session: &mut Session) -> Result<Passwords> {
    // Each column, for the privilege may be on columns; asked and not tried, for a refusal would stand in the server's log.
    let rows = session.query(
        "SELECT bool_and(has_column_privilege(attrelid, attnum, 'SELECT')) FROM pg_attribute
         WHERE attrelid = 'pg_catalog.pg_authid'::regclass AND attnum > 0",
    )?;
    Ok(if rows.first().is_some_and(|row| row.is_true(0)) { Passwords::Kept } else { Passwords::LeftOut })
}

fn note(passwords: Passwords, target: &Target) -> Option<String> {
    (passwords == Passwords::LeftOut).then(|| {
        format!(
            "Roles are kept without their passwords: the role {:?} may not read them. Grant it SELECT on pg_authid in the database {:?} (or pg_read_all_data on PostgreSQL 14 and newer), or back up as a superuser.",
            target.user, target.maintenance_database
        )
    })
}

impl Reading for Globals {
    fn description(&self) -> &Description {
        &self.description
    }

    fn expected_bytes(&self) -> u64 {
        0
    }

    fn read(self: Box<Self>, sink: &dyn Sink, context: &Context) -> Result<Summary> {
        let (sql, _) = tools::globals(&self.target, self.server_version, self.passwords, context)?;
        member(sink, GLOBALS, &sql)?;
        Ok(Summary::default())
    }
}
