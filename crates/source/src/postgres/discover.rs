//! Who the server is, what databases it has, and what can be done with them.

use super::{
    blobs, catalog,
    follow::known,
    globals,
    snapshot::pinned,
    stream::slot,
    tools,
    wire::{Row, Session, Target, sqlstate},
};
use crate::{Capabilities, Context, Database, Identity, IncrementalMethod};
use domain::{Code, Dbms, Error, Result};

/// The oldest server that is read.
const OLDEST: u32 = 120_000;

/// Databases of our own that are being loaded.
const STAGING: &str = "^rookery_staging_[0-9a-f]{16}$";

/// An error for a server that is too old.
pub(super) fn supported(session: &Session) -> Result<()> {
    if session.server_version() >= OLDEST {
        return Ok(());
    }
    Err(Error::new(
        Code::Unsupported,
        format!("PostgreSQL at {} is version {}; Rookery reads 12 and newer.", session.target(), session.server_version_text()),
        "Upgrade the server; versions before 12 get no corrections any more.",
    ))
}

/// Who the server is: its system identifier, which survives restarts, renaming and moving.
pub(super) fn identify(target: &Target, context: &Context) -> Result<Identity> {
    let mut session = pinned(target, &target.maintenance_database, context)?;
    supported(&session)?;
    let instance = match session.query("SELECT system_identifier FROM pg_control_system()") {
        Ok(rows) => rows.first().map(|row| row.text(0).map(str::to_owned)).transpose()?,
        Err(error) if sqlstate(&error) == Some("42501") => None,
        Err(error) => return Err(error),
    };
    Ok(Identity {
        dbms: Dbms::Postgresql,
        version: session.server_version_text().into(),
        instance: instance.unwrap_or_else(|| target.to_string()),
        has_globals: true,
        encrypted_at_rest: encrypted_at_rest(&mut session)?,
    })
}

/// PostgreSQL itself encrypts nothing. Of those that add it, each has a setting that tells: EDB's
/// `data_encryption_version` is not 0, Fujitsu's `keystore_location` is not empty, and Percona's `pg_tde` is a library that is loaded.
fn encrypted_at_rest(session: &mut Session) -> Result<Option<String>> {
    let rows = session.query(
        "SELECT CASE
           WHEN coalesce(current_setting('data_encryption_version', true), '') NOT IN ('', '0') THEN 'Transparent Data Encryption'
           WHEN coalesce(current_setting('keystore_location', true), '') <> '' THEN 'encrypted tablespaces'
           WHEN 'pg_tde' = ANY (string_to_array(replace(current_setting('shared_preload_libraries'), ' ', ''), ','))
             OR coalesce(current_setting('pg_tde.wal_encrypt', true), '') = 'on' THEN 'pg_tde'
         END",
    );
    match rows {
        Ok(rows) => Ok(rows.first().and_then(|row| row.get(0)).map(|_| rows[0].text(0).map(str::to_owned)).transpose()?),
        // Some of these settings may be hidden from whoever is not a superuser: then nothing is said.
        Err(error) if sqlstate(&error) == Some("42501") => Ok(None),
        Err(error) => Err(error),
    }
}

/// Every database but `template0`, ordered by name. One that takes no connections is among them: whoever backs it up is told.
/// Of a name that is not UTF-8, a byte that is not is written `//xHH`: it can be left out, but not be read.
pub(super) fn databases(target: &Target, context: &Context) -> Result<Vec<Database>> {
    let mut session = pinned(target, &target.maintenance_database, context)?;
    supported(&session)?;
    // A connection limit of -2 marks a database whose DROP was interrupted: nobody can connect to it any more.
    let rows = session.query(&format!(
        "SELECT encode(namesend(datname), 'hex'), CASE WHEN has_database_privilege(oid, 'CONNECT') THEN pg_database_size(oid) END
         FROM pg_database WHERE datconnlimit <> -2 AND datname <> 'template0' AND datname !~ '{STAGING}'
         ORDER BY datname COLLATE \"C\""
    ))?;
    let database = |row: &Row| -> Result<Database> {
        Ok(Database { name: readable(row.text(0)?)?, size_bytes: row.get(1).map(|_| row.parse(1)).transpose()? })
    };
    rows.iter().map(database).collect()
}

/// A name out of its bytes in hexadecimal.
fn readable(hex: &str) -> Result<String> {
    let byte = |at: usize| hex.get(at..at + 2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
    let bytes: Option<Vec<u8>> = (0..hex.len()).step_by(2).map(byte).collect();
    let bytes = bytes.ok_or_else(|| Error::internal("The name of a database came in an unknown form."))?;
    let mut name = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        name.push_str(chunk.valid());
        name.extend(chunk.invalid().iter().map(|byte| format!("//x{byte:02X}")));
    }
    Ok(name)
}

/// What is wrong when a database that [`databases`] lists cannot be found because its name is not UTF-8.
pub(super) fn nameless(error: Error, database: &str) -> Error {
    if error.code() != Code::DatabaseGone || !database.contains("//x") {
        return error;
    }
    Error::new(
        Code::Unsupported,
        format!("The name of the database {database:?} is not UTF-8 (//xHH stands for a byte that is not): it cannot be read."),
        "Rename it with ALTER DATABASE, or leave it out of the backup.",
    )
    .because(error)
}

/// What can be done with a database.
pub(super) fn capabilities(target: &Target, database: &str, context: &Context) -> Result<Capabilities> {
    let mut session = pinned(target, database, context).map_err(|error| nameless(error, database))?;
    supported(&session)?;
    let mut found = Capabilities { incremental: Some(IncrementalMethod::RowComparison), ..Capabilities::default() };
    obstacles(&mut session, &mut found)?;
    let missing = stream_needs(&mut session, database, context)?;
    if missing.is_empty() {
        found.incremental = Some(IncrementalMethod::ChangeStream);
        let keyless = keyless(&mut session)?;
        if !keyless.is_empty() {
            found.notes.push(format!(
                "Tables without a primary key or replica identity are read whole after they were updated; a primary key would spare that: {}.",
                catalog::list(&keyless)
            ));
        }
    }
    found.notes.extend(missing);
    let foreign = catalog::labels(&mut session, 'f')?;
    if !foreign.is_empty() {
        found.notes.push(format!("Of foreign tables only the definition is backed up: {}.", catalog::list(&foreign)));
    }
    found.notes.extend(globals::lacking(target, context)?);
    Ok(found)
}

fn obstacles(session: &mut Session, found: &mut Capabilities) -> Result<()> {
    let user = session.target().user.clone();
    for (what, relations) in [("table", catalog::candidates(session)?), ("sequence", catalog::sequences(session)?)] {
        let unreadable = relations.into_iter().filter(|relation| !relation.readable);
        found.obstacles.extend(unreadable.map(|relation| format!("The role {user:?} may not read the {what} {}.", relation.label)));
    }
    let objects = blobs::unreadable(session)?;
    if !objects.is_empty() {
        found.obstacles.push(format!("The role {user:?} may not read large objects: {}.", catalog::list(&objects)));
    }
    if let Err(error) = tools::find(session.server_version()) {
        found.obstacles.push(format!("{error} {}", error.next_step()));
    }
    Ok(())
}

/// What is missing for the change stream, a sentence each, with what to do.
fn stream_needs(session: &mut Session, database: &str, context: &Context) -> Result<Vec<String>> {
    let rows = session.query(
        "SELECT current_setting('wal_level'), r.rolreplication OR r.rolsuper, r.rolsuper, pg_is_in_recovery(),
                current_setting('max_replication_slots')::int - (SELECT count(*) FROM pg_replication_slots),
                (SELECT count(*) FROM pg_replication_slots), (SELECT count(*) FROM pg_database WHERE datallowconn AND NOT datistemplate),
                current_setting('max_wal_senders')
         FROM pg_roles r WHERE r.rolname = current_user",
    )?;
    let row = rows.first().ok_or_else(|| Error::internal("The server does not know the role that is connected."))?;
    let mut missing = Vec::new();
    if row.get(0) != Some("logical") {
        missing.push("For incremental backups to any second set wal_level = logical on the server and restart it.".into());
    }
    if !row.is_true(1) {
        missing.push(format!(
            "For incremental backups to any second give the role REPLICATION: ALTER ROLE {} REPLICATION.",
            session.target().user
        ));
    }
    if row.parse::<i64>(4)? < 1 {
        missing.push(format!(
            "For incremental backups to any second raise max_replication_slots to at least {} on the server and restart it (one slot for each of its {} databases beside those in use, and one more): all are in use.",
            row.parse::<i64>(5)? + row.parse::<i64>(6)? + 1,
            row.parse::<i64>(6)?
        ));
    }
    if row.parse::<i64>(7)? < 1 {
        missing.push("For incremental backups to any second raise max_wal_senders on the server and restart it: it is 0.".into());
    }
    if row.is_true(3) {
        missing.push(format!("For incremental backups to any second {}", slot::ON_A_STANDBY));
    }
    if missing.is_empty() {
        let why = slot::probe(session.target(), database, context)?;
        missing.extend(why.map(|why| format!("For incremental backups to any second {why}")));
    }
    Ok(missing)
}

/// Tables whose updates and deletes do not say which row they mean.
fn keyless(session: &mut Session) -> Result<Vec<String>> {
    let tables = known::tables(session)?;
    Ok(tables.into_iter().filter(|table| table.is_keyless() && !table.is_compared).map(|table| table.label).collect())
}
