//! The database itself: what `CREATE DATABASE`, its settings and privileges would need.

use super::{
    archive::{DatabaseProperties, Extension, Extra, RoleSettings, Sequence},
    catalog::{self, all_readable},
    wire::{Row, Session, quote_literal, sqlstate},
};
use domain::{Code, Error, Result};

/// Sequences that are asked for in one statement.
const SEQUENCE_BATCH: usize = 200;

/// Reads everything about the database of this session.
pub(super) fn properties(session: &mut Session, database: &str) -> Result<DatabaseProperties> {
    let mut properties = of_database(session, "current_database()")?.ok_or_else(|| {
        Error::new(
            Code::DatabaseGone,
            format!("The database {database:?} vanished while it was being read."),
            "Check that it still exists.",
        )
    })?;
    properties.roles = roles(session)?;
    properties.extensions = extensions(session)?;
    properties.foreign_tables = catalog::labels(session, 'f')?;
    Ok(properties)
}

/// What the server's common catalogs say of a database, whose name is the value of the expression `name`.
pub(super) fn of_database(session: &mut Session, name: &str) -> Result<Option<DatabaseProperties>> {
    let rows = session.query(&database_sql(session.server_version(), name))?;
    let Some(row) = rows.first() else { return Ok(None) };
    let optional = |column: usize| row.get(column).map(str::to_owned);
    let mut properties = DatabaseProperties {
        server_version: session.server_version(),
        encoding: row.text(0)?.into(),
        client_encoding: session.client_encoding().into(),
        collate: row.text(1)?.into(),
        ctype: row.text(2)?.into(),
        provider: row.text(3)?.into(),
        locale: optional(4),
        icu_rules: optional(5),
        collation_version: optional(6),
        owner: row.text(7)?.into(),
        connection_limit: row.parse(8)?,
        is_template: row.is_true(9),
        acl: list(row, 10)?,
        comment: optional(11),
        tablespace: row.text(12)?.into(),
        ..DatabaseProperties::default()
    };
    settings(session, name, &mut properties)?;
    Ok(Some(properties))
}

/// Columns of `pg_database` that came or were renamed with a version.
fn database_sql(version: u32, name: &str) -> String {
    let provider = "CASE datlocprovider WHEN 'i' THEN 'icu' WHEN 'b' THEN 'builtin' ELSE 'libc' END";
    let (provider, collation_version) = if version >= 150_000 { (provider, "datcollversion") } else { ("'libc'", "NULL") };
    let locale = match version {
        170_000.. => "datlocale",
        150_000.. => "daticulocale",
        _ => "NULL",
    };
    let rules = if version >= 160_000 { "daticurules" } else { "NULL" };
    format!(
        "SELECT pg_encoding_to_char(d.encoding), d.datcollate, d.datctype, {provider}, {locale}, {rules}, {collation_version},
                pg_get_userbyid(d.datdba), d.datconnlimit, d.datistemplate, array_to_json(d.datacl::text[]),
                shobj_description(d.oid, 'pg_database'), t.spcname
         FROM pg_database d JOIN pg_tablespace t ON t.oid = d.dattablespace WHERE d.datname = {name}"
    )
}

/// A column that holds an array as JSON.
fn list(row: &Row, column: usize) -> Result<Option<Vec<String>>> {
    let parsed = row.get(column).map(serde_json::from_str).transpose();
    parsed.map_err(|error| Error::internal("A list in the server's catalog cannot be read.").because(error))
}

fn settings(session: &mut Session, name: &str, properties: &mut DatabaseProperties) -> Result<()> {
    let rows = session.query(&format!(
        "SELECT r.rolname, array_to_json(s.setconfig) FROM pg_db_role_setting s LEFT JOIN pg_roles r ON r.oid = s.setrole
         WHERE s.setdatabase = (SELECT oid FROM pg_database WHERE datname = {name}) ORDER BY r.rolname"
    ))?;
    for row in &rows {
        let settings = list(row, 1)?.unwrap_or_default();
        match row.get(0) {
            Some(role) => properties.role_settings.push(RoleSettings { role: role.into(), settings }),
            None => properties.settings = settings,
        }
    }
    Ok(())
}

/// Roles that objects in the database, or its own entry, depend on. The server does not record those that own it by
/// birth (the bootstrap superuser); owners in `pg_class` and the like name them.
fn roles(session: &mut Session) -> Result<Vec<String>> {
    let rows = session.query(
        "WITH here AS (SELECT oid, datdba FROM pg_database WHERE datname = current_database())
         SELECT r.rolname FROM pg_roles r WHERE r.oid IN (
             SELECT d.refobjid FROM pg_shdepend d, here
             WHERE d.refclassid = 'pg_authid'::regclass
               AND (d.dbid = here.oid OR (d.dbid = 0 AND d.classid = 'pg_database'::regclass AND d.objid = here.oid))
             UNION SELECT datdba FROM here
             UNION SELECT relowner FROM pg_class WHERE oid >= 16384
             UNION SELECT nspowner FROM pg_namespace WHERE oid >= 16384
             UNION SELECT proowner FROM pg_proc WHERE oid >= 16384
             UNION SELECT typowner FROM pg_type WHERE oid >= 16384
             UNION SELECT s.setrole FROM pg_db_role_setting s, here WHERE s.setdatabase = here.oid)
         ORDER BY r.rolname COLLATE \"C\"",
    )?;
    rows.iter().map(|row| row.text(0).map(str::to_owned)).collect()
}

/// The extensions that are installed.
pub(super) fn extensions(session: &mut Session) -> Result<Vec<Extension>> {
    let rows = session.query(
        "SELECT e.extname, e.extversion, n.nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
         ORDER BY e.extname COLLATE \"C\"",
    )?;
    let extension = |row: &Row| -> Result<Extension> {
        Ok(Extension { name: row.text(0)?.into(), version: row.text(1)?.into(), schema: row.text(2)?.into() })
    };
    rows.iter().map(extension).collect()
}

/// Where sequences stand and which materialized views hold rows. Sequences heed no snapshot: read after it, they are
/// never behind a row.
pub(super) fn extra(session: &mut Session, database: &str) -> Result<Extra> {
    let known = catalog::sequences(session)?;
    let missing: Vec<_> = known.iter().filter(|sequence| !sequence.readable).map(|sequence| sequence.label.clone()).collect();
    all_readable(&session.target().user, &format!("sequences in {database:?}"), &missing)?;
    let mut sequences = Vec::with_capacity(known.len());
    for batch in known.chunks(SEQUENCE_BATCH) {
        let one = |sequence: &catalog::Candidate| {
            format!("SELECT {}, last_value, is_called FROM {}", quote_literal(&sequence.label), sequence.quoted)
        };
        let sql: Vec<_> = batch.iter().map(one).collect();
        // Sequences cannot be locked without the right to change them.
        let dropped = |error: Error| match sqlstate(&error) {
            Some("42P01" | "3F000") => {
                Error::new(Code::Busy, format!("A sequence of {database:?} was dropped while it was being read."), "Start again.")
                    .because(error)
            }
            _ => error,
        };
        for row in session.query(&sql.join(" UNION ALL ")).map_err(dropped)? {
            sequences.push(Sequence { name: row.text(0)?.into(), last_value: row.parse(1)?, is_called: row.is_true(2) });
        }
    }
    sequences.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(Extra { sequences, materialized_views: catalog::labels(session, 'm')?, unstreamed: vec![] })
}
