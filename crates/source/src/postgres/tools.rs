//! PostgreSQL's own client tools: found, run in a bare environment, and what they print.
//!
//! Only definitions are read with them. Rows never pass through a tool, and nothing from an archive is ever
//! given to one: a restore sends the recorded SQL over the protocol.

mod environment;
mod failure;
mod find;
mod run;

use super::wire::Target;
use crate::Context;
use domain::{Error, Result};
use environment::Environment;
use run::Call;

pub use find::{Tools, find};

/// How long a tool waits for a lock on a table before it gives up, in milliseconds. The reading holds its own locks
/// already, so a longer wait means somebody queued for an exclusive lock in between, and he waits for the reading.
const LOCK_WAIT_MS: u32 = 2_000;

/// The definitions of one database.
///
/// The SQL is in the database's own encoding, as its first lines say: names and comments of a database
/// without an encoding (SQL_ASCII) can be any bytes.
pub struct Schema {
    /// The archive in pg_dump's custom format, uncompressed.
    pub archive: Vec<u8>,
    /// SQL that comes before the rows: types, functions, tables, views.
    pub pre_data: Vec<u8>,
    /// SQL that comes after the rows: indexes, constraints, triggers, rules.
    pub post_data: Vec<u8>,
    /// The tool and its version, such as `pg_dump 15.18`.
    pub tool: String,
}

/// What definitions are asked for.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The database.
    pub database: &'a str,
    /// The exported snapshot that is read.
    pub snapshot: &'a str,
    /// The server's `server_version_num`.
    pub server_version: u32,
    /// What there is beside definitions: asking for what is not there takes a fifth of the time in a small database.
    pub remarks: Remarks,
}

/// Whether there is anything of these in a database.
#[derive(Clone, Copy, Debug)]
pub struct Remarks {
    /// Comments on anything that pg_dump reads.
    pub comments: bool,
    /// Security labels.
    pub labels: bool,
}

impl Remarks {
    /// There may be all of them.
    pub const POSSIBLE: Self = Self { comments: true, labels: true };

    /// Arguments that spare pg_dump the search.
    fn arguments(self) -> impl Iterator<Item = &'static str> {
        [("--no-comments", self.comments), ("--no-security-labels", self.labels)].into_iter().filter(|(_, there)| !there).map(|(no, _)| no)
    }
}

/// Reads the definitions of a database.
///
/// # Errors
/// [`domain::Code::ToolMissing`], [`domain::Code::ToolTooOld`], [`domain::Code::Privilege`], [`domain::Code::Busy`] when a lock was not given in
/// time, [`domain::Code::ConnectionLost`], [`domain::Code::Cancelled`], and [`domain::Code::ToolFailed`] for the rest.
pub fn schema(target: &Target, asked: Asked<'_>, context: &Context) -> Result<Schema> {
    let snapshot = asked.snapshot;
    // The identifier comes from the server and becomes part of an argument.
    if snapshot.is_empty() || !snapshot.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-') {
        return Err(Error::internal("The server's snapshot identifier has an unknown form."));
    }
    let tools = find(asked.server_version)?;
    let environment = Environment::new(target, Some(asked.database))?;
    let dump = Call::new(&tools, "pg_dump", &environment)
        .arguments(["--format=custom", "--schema-only", "--compress=0", "--no-sync", "--no-password"])
        .arguments(asked.remarks.arguments())
        .argument(format!("--snapshot={snapshot}"))
        .argument(format!("--lock-wait-timeout={LOCK_WAIT_MS}"));
    let archive = dump.run(context)?.succeeded(target, "The definitions could not be read")?;
    let section = |name: &str| -> Result<Vec<u8>> {
        let restore = Call::new(&tools, "pg_restore", &environment).arguments(["--file=-"]).argument(format!("--section={name}"));
        Ok(unrestricted(restore.input(&archive).run(context)?.succeeded(target, "The definitions could not be written as SQL")?))
    };
    let (pre_data, post_data) = (section("pre-data")?, section("post-data")?);
    Ok(Schema { archive, pre_data, post_data, tool: format!("pg_dump {}", tools.version) })
}

/// Reads the definitions of a database that nobody changes as SQL.
///
/// # Errors
/// Those of [`schema`].
pub fn schema_sql(target: &Target, database: &str, server_version: u32, context: &Context) -> Result<Vec<u8>> {
    let tools = find(server_version)?;
    let environment = Environment::new(target, Some(database))?;
    let dump = Call::new(&tools, "pg_dump", &environment).arguments(["--schema-only", "--no-sync", "--no-password"]);
    let sql = dump.run(context)?.succeeded(target, "The definitions of the new database could not be read")?;
    Ok(unrestricted(sql))
}

/// Whether the roles' passwords are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passwords {
    /// They are: the user may read them.
    Kept,
    /// They are not; the first line of the SQL says so.
    LeftOut,
}

/// Reads roles, memberships and tablespaces as SQL, and names the tool that did. It asks the maintenance database.
///
/// # Errors
/// Those of [`schema`]: [`domain::Code::Privilege`] too when passwords are to be kept that the user may not read.
pub fn globals(target: &Target, server_version: u32, passwords: Passwords, context: &Context) -> Result<(Vec<u8>, String)> {
    let tools = find(server_version)?;
    let environment = Environment::new(target, None)?;
    // The one name that can be given in an argument alone. As a setting with quotes it is nothing but a name; without it
    // pg_dumpall would ask `postgres` or `template1`, where other privileges may hold.
    let database = target.maintenance_database.replace('\\', "\\\\").replace('\'', "\\'");
    let dump = Call::new(&tools, "pg_dumpall", &environment)
        .arguments(["--globals-only", "--no-sync", "--no-password"])
        .argument(format!("--database=dbname='{database}'"));
    let (dump, mut sql) = match passwords {
        Passwords::Kept => (dump, vec![]),
        Passwords::LeftOut => (
            dump.argument("--no-role-passwords"),
            b"-- The user of this backup may not read passwords: roles are written without them.\n".to_vec(),
        ),
    };
    sql.extend(unrestricted(dump.run(context)?.succeeded(target, "Roles and tablespaces could not be read")?));
    Ok((sql, format!("pg_dumpall {}", tools.version)))
}

/// Removes what the tools of killed processes were given.
pub fn sweep() -> Result<()> {
    environment::sweep()
}

/// Takes out the `\restrict` and `\unrestrict` lines: they speak to psql alone and hold a random key, so that
/// equal definitions would give unequal SQL. Only the pair with the same key goes, whatever else the text holds.
fn unrestricted(sql: Vec<u8>) -> Vec<u8> {
    const OPEN: &[u8] = b"\\restrict ";
    let lines = || sql.split_inclusive(|&byte| byte == b'\n');
    let Some(key) = lines().find_map(|line| line.strip_prefix(OPEN)).map(<[u8]>::trim_ascii) else { return sql };
    let (open, close) = ([OPEN, key].concat(), [b"\\unrestrict ", key].concat());
    lines().filter(|line| line.trim_ascii_end() != open && line.trim_ascii_end() != close).flatten().copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_pair_with_its_key_is_taken_out() {
        let sql = "--\n\n\\restrict abc\n\nSELECT '\n\\restrict x\n\\unrestrict y\n';\n\\unrestrict abc\n\n";
        let kept = unrestricted(sql.as_bytes().to_vec());
        assert_eq!(String::from_utf8(kept).unwrap(), "--\n\n\nSELECT '\n\\restrict x\n\\unrestrict y\n';\n\n");
        assert_eq!(unrestricted(b"SELECT 1;".to_vec()), b"SELECT 1;");
    }

    #[test]
    fn a_snapshot_is_not_an_argument_of_its_own() {
        let target = Target {
            host: "127.0.0.1".into(),
            port: 1,
            user: "nobody".into(),
            password: None,
            maintenance_database: "postgres".into(),
            tls: domain::TlsMode::Disable,
            root_certificate: None,
        };
        for snapshot in ["", "1 --file=x", "00\n", "'"] {
            let asked = Asked { database: "x", snapshot, server_version: 150_000, remarks: Remarks::POSSIBLE };
            assert!(schema(&target, asked, &Context::default()).is_err_and(|error| error.code() == domain::Code::Internal));
        }
    }
}
