//! What belongs to the database itself and is set in the moment it gets its name: owner, limit, comment,
//! settings, privileges.

use super::database::StagingDatabase;
use crate::postgres::{
    archive::DatabaseProperties,
    wire::{Session, quote_ident, quote_literal},
};
use domain::{Code, Error, Result};

/// Settings whose value is a list of names, each quoted by itself (GUC_LIST_QUOTE in the server's source).
const LISTS: [&str; 6] = [
    "search_path",
    "temp_tablespaces",
    "local_preload_libraries",
    "session_preload_libraries",
    "shared_preload_libraries",
    "unix_socket_directories",
];

/// Tries the statements on the staging database and undoes them.
pub(super) fn rehearse(database: &mut StagingDatabase, properties: &DatabaseProperties, no_owner: bool) -> Result<()> {
    let name = database.name().to_owned();
    let session = database.keeper();
    let all = statements(session, &name, properties, no_owner)?;
    session.execute("BEGIN")?;
    let tried = all.iter().try_for_each(|sql| session.execute(sql));
    session.execute("ROLLBACK")?;
    tried.map_err(|error| {
        Error::new(
            Code::RestoreNeeds,
            format!("The database's owner, settings or privileges cannot be set as they were: {error}"),
            "Restore as a role that may set them, or leave ownership and privileges out.",
        )
        .because(error)
    })
}

/// The statements that give the database `name` its properties. Needs the roles to be there, unless `no_owner`.
pub(super) fn statements(session: &mut Session, name: &str, properties: &DatabaseProperties, no_owner: bool) -> Result<Vec<String>> {
    let database = quote_ident(name);
    let mut sql = vec![];
    if !no_owner {
        sql.push(format!("ALTER DATABASE {database} OWNER TO {}", quote_ident(&properties.owner)));
    }
    if properties.connection_limit >= 0 {
        sql.push(format!("ALTER DATABASE {database} CONNECTION LIMIT {}", properties.connection_limit));
    }
    if properties.is_template {
        sql.push(format!("ALTER DATABASE {database} IS_TEMPLATE true"));
    }
    if let Some(comment) = &properties.comment {
        sql.push(format!("COMMENT ON DATABASE {database} IS {}", quote_literal(comment)));
    }
    sql.extend(properties.settings.iter().map(|setting| format!("ALTER DATABASE {database} SET {}", assignment(setting))));
    match properties.acl.as_ref().filter(|_| !no_owner) {
        Some(acl) => {
            sql.push(format!("REVOKE ALL ON DATABASE {database} FROM {}", quote_ident(&properties.owner)));
            sql.extend(grants(session, acl, &format!("DATABASE {database}"))?);
        }
        None => sql.push(format!("GRANT CONNECT, TEMPORARY ON DATABASE {database} TO PUBLIC")),
    }
    for role in properties.role_settings.iter().filter(|_| !no_owner) {
        let target = format!("ALTER ROLE {} IN DATABASE {database} SET", quote_ident(&role.role));
        sql.extend(role.settings.iter().map(|setting| format!("{target} {}", assignment(setting))));
    }
    Ok(sql)
}

/// The `GRANT`s that privileges, as the server writes them, stand for. `object` is kind and quoted name.
pub(super) fn grants(session: &mut Session, acl: &[String], object: &str) -> Result<Vec<String>> {
    let items: Vec<_> = acl.iter().map(|item| quote_literal(item)).collect();
    // The server takes the items apart: their quoting has rules of its own.
    let rows = session.query(&format!(
        "SELECT privilege_type, CASE grantee WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(grantee)) END, is_grantable \
         FROM pg_catalog.aclexplode(ARRAY[{}]::pg_catalog.aclitem[]) WITH ORDINALITY ORDER BY ordinality",
        items.join(", ")
    ))?;
    let grant = |row: &crate::postgres::wire::Row| {
        let option = if row.is_true(2) { " WITH GRANT OPTION" } else { "" };
        Ok(format!("GRANT {} ON {object} TO {}{option}", row.text(0)?, row.text(1)?))
    };
    rows.iter().map(grant).collect()
}

/// `name=value` as `name TO 'value'`, a list with each of its names as a literal.
pub(super) fn assignment(setting: &str) -> String {
    let (name, value) = setting.split_once('=').unwrap_or((setting, ""));
    let value = if LISTS.contains(&name) {
        list(value).iter().map(|item| quote_literal(item)).collect::<Vec<_>>().join(", ")
    } else {
        quote_literal(value)
    };
    // A setting of an extension has a dot between its parts.
    let name: Vec<_> = name.split('.').map(quote_ident).collect();
    format!("{} TO {value}", name.join("."))
}

/// The names in `"$user", public`.
fn list(value: &str) -> Vec<String> {
    let (mut names, mut name, mut quoted, mut rest) = (vec![], String::new(), false, value.chars().peekable());
    while let Some(c) = rest.next() {
        match c {
            '"' if quoted && rest.peek() == Some(&'"') => {
                rest.next();
                name.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => names.push(std::mem::take(&mut name)),
            ' ' if !quoted => {}
            _ => name.push(c),
        }
    }
    names.push(name);
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_keep_their_meaning() {
        for (setting, assigned) in [
            ("work_mem=5MB", "\"work_mem\" TO '5MB'"),
            ("search_path=\"$user\", public, \"a, \"\"b\"", "\"search_path\" TO '$user', 'public', 'a, \"b'"),
            ("search_path=\"\"", "\"search_path\" TO ''"),
            ("pg_trgm.limit=a=b", "\"pg_trgm\".\"limit\" TO 'a=b'"),
            ("datestyle=ISO, DMY", "\"datestyle\" TO 'ISO, DMY'"),
        ] {
            assert_eq!(assignment(setting), assigned);
        }
    }
}
