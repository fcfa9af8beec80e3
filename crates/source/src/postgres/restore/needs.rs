//! What a restore needs on the server, looked at before anything is made.

use super::{
    database::{exists, taken},
    plan::Plan,
};
use crate::{
    StageRequest,
    postgres::{
        archive::DatabaseProperties,
        sql::named_roles,
        wire::{Session, quote_literal},
    },
};
use domain::{Code, Dbms, Error, Result};

/// Longest name of a database, in bytes.
const MAX_NAME_BYTES: usize = 63;

const ROLES: &str = "SELECT rolname FROM pg_catalog.pg_roles";

/// Checks a request against the server and returns the roles that are to be made.
///
/// # Errors
/// [`Code::Usage`] for a name that cannot be, [`Code::NameTaken`], [`Code::Unsupported`] for an older server,
/// [`Code::Privilege`], and one [`Code::RestoreNeeds`] that names all roles and extensions that are missing.
pub(super) fn check(session: &mut Session, request: &StageRequest, properties: &DatabaseProperties) -> Result<Vec<String>> {
    check_name(&request.name)?;
    if exists(session, &request.name)? {
        return Err(taken(&request.name));
    }
    check_version(session, request, properties)?;
    check_privilege(session)?;
    let missing = if request.no_owner && !request.create_roles { vec![] } else { missing_roles(session, properties)? };
    // The server keeps names that begin so for itself.
    let (reserved, free): (Vec<_>, Vec<_>) = missing.into_iter().partition(|role| role.starts_with("pg_"));
    let (made, lacking) = if request.create_roles { (free, reserved) } else { (vec![], [free, reserved].concat()) };
    let extensions = missing_extensions(session, properties)?;
    if lacking.is_empty() && extensions.is_empty() { Ok(made) } else { Err(needs(&lacking, &extensions)) }
}

fn check_name(name: &str) -> Result<()> {
    let problem = match name {
        "" => "The new database has no name.".to_owned(),
        _ if name.contains('\0') => "A name of a database cannot hold a zero byte.".to_owned(),
        _ if name.len() > MAX_NAME_BYTES => {
            format!("The name {name:?} has {} bytes; PostgreSQL takes at most {MAX_NAME_BYTES}.", name.len())
        }
        _ => return Ok(()),
    };
    Err(Error::new(Code::Usage, problem, "Choose another name."))
}

fn check_version(session: &Session, request: &StageRequest, properties: &DatabaseProperties) -> Result<()> {
    if request.description.dbms != Dbms::Postgresql {
        let sentence = format!("The backup is of a {} database and cannot be restored into PostgreSQL.", request.description.dbms);
        return Err(Error::new(Code::Unsupported, sentence, "Choose a server of the same kind."));
    }
    let (theirs, ours) = (properties.server_version / 10_000, session.server_version() / 10_000);
    if ours < theirs {
        let sentence = format!("The backup is of PostgreSQL {theirs}, the server is PostgreSQL {ours}, which may not understand it.");
        return Err(Error::new(Code::Unsupported, sentence, format!("Restore into PostgreSQL {theirs} or newer.")));
    }
    Ok(())
}

fn check_privilege(session: &mut Session) -> Result<()> {
    let rows = session.query("SELECT current_user, rolcreatedb OR rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user")?;
    match rows.first() {
        Some(row) if !row.is_true(1) => Err(Error::new(
            Code::Privilege,
            format!("The role {:?} may not make databases on the server.", row.text(0)?),
            "Give the role CREATEDB, or restore as another one.",
        )),
        _ => Ok(()),
    }
}

/// Checks the roles that definitions need even without ownership: those of policies and user mappings.
pub(super) fn check_named_roles(session: &mut Session, plans: [&Plan<'_>; 2]) -> Result<()> {
    let mut wanted: Vec<_> = plans.iter().flat_map(|plan| plan.items()).flat_map(|item| named_roles(item.statement.text)).collect();
    wanted.sort_unstable();
    wanted.dedup();
    let missing = not_among(session, wanted, ROLES)?;
    if missing.is_empty() { Ok(()) } else { Err(needs(&missing, &[])) }
}

fn missing_roles(session: &mut Session, properties: &DatabaseProperties) -> Result<Vec<String>> {
    let settings = properties.role_settings.iter().map(|role| &role.role);
    let mut wanted: Vec<_> =
        properties.roles.iter().chain([&properties.owner]).chain(settings).filter(|role| !role.is_empty()).cloned().collect();
    wanted.sort_unstable();
    wanted.dedup();
    not_among(session, wanted, ROLES)
}

fn missing_extensions(session: &mut Session, properties: &DatabaseProperties) -> Result<Vec<String>> {
    let wanted = properties.extensions.iter().map(|extension| extension.name.clone()).collect();
    not_among(session, wanted, "SELECT name FROM pg_catalog.pg_available_extensions")
}

fn not_among(session: &mut Session, wanted: Vec<String>, sql: &str) -> Result<Vec<String>> {
    if wanted.is_empty() {
        return Ok(wanted);
    }
    let values: Vec<_> = wanted.iter().map(|name| format!("({})", quote_literal(name))).collect();
    let sql = format!("SELECT wanted FROM (VALUES {}) AS w(wanted) WHERE wanted NOT IN ({sql}) ORDER BY 1", values.join(", "));
    session.query(&sql)?.iter().map(|row| row.text(0).map(str::to_owned)).collect()
}

fn needs(roles: &[String], extensions: &[String]) -> Error {
    let named = |what: &str, names: &[String]| {
        let names: Vec<_> = names.iter().map(|name| format!("{name:?}")).collect();
        (!names.is_empty()).then(|| format!("the {what}{} {}", if names.len() == 1 { "" } else { "s" }, names.join(", ")))
    };
    let missing: Vec<_> = [named("role", roles), named("extension", extensions)].into_iter().flatten().collect();
    let mut steps = vec![];
    if !roles.is_empty() {
        steps.push("create the roles, or restore with --create-roles or --no-owner (policies and user mappings need theirs even so)");
    }
    if !extensions.is_empty() {
        steps.push("install the packages of the extensions on the server");
    }
    let mut step = steps.join("; ");
    step.replace_range(..1, &step[..1].to_uppercase());
    Error::new(Code::RestoreNeeds, format!("The server lacks {}.", missing.join(" and ")), format!("{step}."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_is_missing_is_named_at_once() {
        let error = needs(&["bob".into(), "o\"x".into()], &["postgis".into()]);
        assert_eq!(error.to_string(), "The server lacks the roles \"bob\", \"o\\\"x\" and the extension \"postgis\".");
        assert!(error.next_step().starts_with("Create the roles, or restore with --create-roles or --no-owner"));
        assert!(needs(&[], &["postgis".into()]).next_step().starts_with("Install"));
    }

    #[test]
    fn names_that_cannot_be_are_refused() {
        assert!(check_name("é".repeat(31).as_str()).is_ok());
        for name in ["", "a\0b", "é".repeat(32).as_str()] {
            assert_eq!(check_name(name).unwrap_err().code(), Code::Usage);
        }
    }
}
