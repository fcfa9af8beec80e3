//! The staging database: made, guarded while its maker lives, renamed or dropped.

use super::{crew::open, notes::Notes, sweep};
use crate::{
    Context,
    postgres::{
        archive::DatabaseProperties,
        wire::{Session, Target, quote_ident, quote_literal, sqlstate},
    },
};
use domain::{Code, Error, Result};
use std::hash::{BuildHasher, RandomState};

/// What names of staging databases begin with; sixteen hexadecimal digits follow.
pub(super) const PREFIX: &str = "rookery_staging_";

/// How often a rename is tried while other sessions hold the database; the server itself waits 5 s each time.
const RENAME_TRIES: u32 = 6;

/// A database under a staging name. Dropped with this value unless it was given its own name.
///
/// As long as its maker lives, two advisory locks with a key made of its name are held: one on the maintenance
/// database, one on the staging database itself, so that a console with another maintenance database sees it too.
/// The second one must be let go for the renaming: before that a comment is put on the database, which all see.
/// Roles that were made for it carry its name as their comment until it has its own.
pub(super) struct StagingDatabase {
    target: Target,
    key: i64,
    name: String,
    keeper: Session,
    guard: Option<Session>,
    made_roles: Vec<String>,
    kept: bool,
}

impl StagingDatabase {
    /// Makes the database with the properties that can only be given at its making. `roles` are made with it, without the
    /// right to log in, and go with it.
    pub fn create(target: &Target, properties: &DatabaseProperties, roles: &[String], notes: &Notes, context: &Context) -> Result<Self> {
        // Hash keys are the standard library's source of randomness; a name that exists is refused by the server.
        let key = RandomState::new().hash_one(std::process::id());
        let (name, key) = (format!("{PREFIX}{key:016x}"), key.cast_signed());
        let keeper = locked(target, &target.maintenance_database, key, context)?;
        let mut staging = Self { target: target.clone(), key, name, keeper, guard: None, made_roles: vec![], kept: false };
        let tablespace = tablespace(&mut staging.keeper, &properties.tablespace, notes)?;
        let sql = create_statement(&staging.name, properties, tablespace, staging.keeper.server_version());
        staging.keeper.execute(&sql).map_err(|error| not_created(error, properties))?;
        // Nobody else looks at half a database; its own privileges are set when it is published.
        staging.keeper.execute(&format!("REVOKE ALL ON DATABASE {} FROM PUBLIC", quote_ident(&staging.name)))?;
        staging.guard = Some(locked(target, &staging.name, key, context)?);
        roles.iter().try_for_each(|role| staging.make_role(role))?;
        Ok(staging)
    }

    /// Makes a role that says what it was made for, so that a sweep can tell it from any other.
    fn make_role(&mut self, role: &str) -> Result<()> {
        let (role_ident, name) = (quote_ident(role), quote_literal(&self.name));
        self.keeper.execute(&format!("BEGIN; CREATE ROLE {role_ident} NOLOGIN; COMMENT ON ROLE {role_ident} IS {name}; COMMIT"))?;
        self.made_roles.push(role.to_owned());
        Ok(())
    }

    /// Its name now.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The session on the maintenance database.
    pub fn keeper(&mut self) -> &mut Session {
        &mut self.keeper
    }

    /// Says, to the sweeps of all, that it is about to get its name. Nothing else may come before [`Self::publish`] then
    /// that takes long.
    pub fn announce(&mut self, context: &Context) -> Result<()> {
        match sweep::mark(&mut self.keeper, &self.name) {
            Err(error) if error.code() == Code::ConnectionLost => {
                // Hours may have passed since it was used.
                self.reopen(context)?;
                sweep::mark(&mut self.keeper, &self.name)
            }
            result => result,
        }
    }

    /// Renames it and runs `finishing` on it in the same transaction: either all of it is seen or nothing. It must have
    /// been announced, because nothing holds the lock inside any more.
    pub fn publish(mut self, name: &str, finishing: &[String], context: &Context) -> Result<()> {
        drop(self.guard.take());
        let mut all = vec![format!("ALTER DATABASE {} RENAME TO {}", quote_ident(&self.name), quote_ident(name))];
        // Before what finishes it, which may give it a comment of its own.
        all.push(format!("COMMENT ON DATABASE {} IS NULL", quote_ident(name)));
        all.extend(self.made_roles.iter().map(|role| format!("COMMENT ON ROLE {} IS NULL", quote_ident(role))));
        all.extend_from_slice(finishing);
        let mut tries = 0;
        loop {
            context.check()?;
            tries += 1;
            match transaction(&mut self.keeper, &all) {
                Ok(()) => break,
                Err(error) if error.code() == Code::ConnectionLost && tries < RENAME_TRIES => {
                    self.reopen(context)?;
                    // What it was doing is undone or done: look.
                    if !exists(&mut self.keeper, &self.name)? && exists(&mut self.keeper, name)? {
                        break;
                    }
                }
                // The server has waited for the other sessions already.
                Err(error) if sqlstate(&error) == Some("55006") && tries < RENAME_TRIES => {}
                Err(error) if error.code() == Code::NameTaken => return Err(taken(name)),
                Err(error) => return Err(error.during("The restored database could not be given its name")),
            }
        }
        self.kept = true;
        Ok(())
    }

    /// A new session on the maintenance database, with the lock, in the place of one that was lost.
    fn reopen(&mut self, context: &Context) -> Result<()> {
        self.keeper = locked(&self.target, &self.target.maintenance_database, self.key, context)?;
        Ok(())
    }
}

impl Drop for StagingDatabase {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        self.guard = None;
        // A cancelled run still cleans up, in a session of its own: the keeper may be what failed.
        let context = Context::default();
        let removed = open(&self.target, &self.target.maintenance_database, &context).and_then(|mut session| {
            sweep::remove(&self.target, &mut session, &self.name, &context)?;
            self.made_roles.iter().try_for_each(|role| session.execute(&format!("DROP ROLE IF EXISTS {}", quote_ident(role))))
        });
        if let Err(error) = removed {
            tracing::warn!(database = self.name, %error, "a staging database could not be removed; the next sweep tries again");
        }
    }
}

/// The error for a name that is in use.
pub(super) fn taken(name: &str) -> Error {
    Error::new(Code::NameTaken, format!("A database named {name:?} exists already on the server."), "Choose another name.")
}

/// Whether there is a database of this name.
pub(super) fn exists(session: &mut Session, name: &str) -> Result<bool> {
    Ok(!session.query(&format!("SELECT 1 FROM pg_catalog.pg_database WHERE datname = {}", quote_literal(name)))?.is_empty())
}

/// A session that holds the lock of a staging database. A sweep that looks at it holds the lock for a moment.
fn locked(target: &Target, database: &str, key: i64, context: &Context) -> Result<Session> {
    let mut session = open(target, database, context)?;
    session.query(&format!("SELECT pg_catalog.pg_advisory_lock({key})"))?;
    Ok(session)
}

fn transaction(session: &mut Session, statements: &[String]) -> Result<()> {
    session.execute("BEGIN; SET LOCAL synchronous_commit = on")?;
    match statements.iter().try_for_each(|sql| session.execute(sql)) {
        Ok(()) => session.execute("COMMIT"),
        Err(error) => {
            // The first error is the one to tell; a session that cannot roll back is lost and undone by its end.
            let _ = session.execute("ROLLBACK");
            Err(error)
        }
    }
}

/// The database's own tablespace, if it is not the common one and the server has it.
fn tablespace<'a>(session: &mut Session, name: &'a str, notes: &Notes) -> Result<Option<&'a str>> {
    if name.is_empty() || name == "pg_default" {
        return Ok(None);
    }
    let sql = format!("SELECT 1 FROM pg_catalog.pg_tablespace WHERE spcname = {}", quote_literal(name));
    if session.query(&sql)?.is_empty() {
        notes.add(format!("The tablespace {name:?} is missing on the server; the database lies in the default one."));
        return Ok(None);
    }
    Ok(Some(name))
}

/// `CREATE DATABASE` for a server of this version.
fn create_statement(name: &str, properties: &DatabaseProperties, tablespace: Option<&str>, server_version: u32) -> String {
    let mut sql = format!("CREATE DATABASE {} TEMPLATE template0", quote_ident(name));
    if let Some(tablespace) = tablespace {
        sql.push_str(&format!(" TABLESPACE {}", quote_ident(tablespace)));
    }
    let mut add = |option: &str, value: &str| sql.push_str(&format!(" {option} = {}", quote_literal(value)));
    add("ENCODING", &properties.encoding);
    add("LC_COLLATE", &properties.collate);
    add("LC_CTYPE", &properties.ctype);
    if server_version >= 150_000 {
        add("LOCALE_PROVIDER", if properties.provider.is_empty() { "libc" } else { &properties.provider });
        match (properties.provider.as_str(), &properties.locale) {
            ("icu", Some(locale)) => add("ICU_LOCALE", locale),
            ("builtin", Some(locale)) => add("BUILTIN_LOCALE", locale),
            _ => {}
        }
    }
    if let Some(rules) = properties.icu_rules.as_deref().filter(|_| server_version >= 160_000) {
        add("ICU_RULES", rules);
    }
    sql
}

fn not_created(error: Error, properties: &DatabaseProperties) -> Error {
    let DatabaseProperties { encoding, collate, ctype, provider, .. } = properties;
    match sqlstate(&error) {
        Some("42501") => Error::new(
            Code::Privilege,
            "The user may not make databases on the server.",
            "Give the role CREATEDB, or restore as another one.",
        )
        .because(error),
        // Wrong object type, invalid value, undefined object, unsupported: the server lacks the locale or the encoding.
        Some("42809" | "22023" | "42704" | "0A000" | "42601") => Error::new(
            Code::RestoreNeeds,
            format!("The server cannot make a database with encoding {encoding}, LC_COLLATE {collate:?}, LC_CTYPE {ctype:?} and provider {provider}: {error}"),
            "Install the locale on the server (on Debian: locales or locales-all), restart it, then restore again.",
        )
        .because(error),
        _ => error.during("The staging database could not be made"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_are_given_as_far_as_the_server_knows_them() {
        let mut properties = DatabaseProperties {
            encoding: "UTF8".into(),
            collate: "C".into(),
            ctype: "it's".into(),
            provider: "icu".into(),
            locale: Some("de".into()),
            icu_rules: Some("&a<b".into()),
            ..Default::default()
        };
        let common = "CREATE DATABASE \"x\" TEMPLATE template0 ENCODING = 'UTF8' LC_COLLATE = 'C' LC_CTYPE = 'it''s'";
        assert_eq!(create_statement("x", &properties, None, 140_000), common);
        assert_eq!(create_statement("x", &properties, None, 150_000), format!("{common} LOCALE_PROVIDER = 'icu' ICU_LOCALE = 'de'"));
        let full = format!("{common} LOCALE_PROVIDER = 'icu' ICU_LOCALE = 'de' ICU_RULES = '&a<b'");
        assert_eq!(create_statement("x", &properties, None, 170_000), full);
        properties.provider = "builtin".into();
        properties.icu_rules = None;
        assert_eq!(
            create_statement("x", &properties, None, 170_000),
            format!("{common} LOCALE_PROVIDER = 'builtin' BUILTIN_LOCALE = 'de'")
        );
    }
}
