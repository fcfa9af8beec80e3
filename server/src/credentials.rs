//! Passwords from the environment and from files, never from arguments.

use crate::whole_file;
use domain::{Code, Connection, Error, Result, Secret, Server};
use std::{env, fs, io::ErrorKind, path::PathBuf};

/// The server at an address, with its password as libpq would find it: `PGPASSWORD`, else the password file.
///
/// Addresses are parsed here and not with the other arguments, whose errors repeat what was given.
pub fn server(address: &str) -> Result<Server> {
    let mut server: Server = address.parse()?;
    if let Connection::Postgresql { host, port, user, password, maintenance_database, .. } = &mut server.connection {
        *password = match env::var("PGPASSWORD") {
            Ok(value) => Some(Secret::new(value)),
            Err(_) => from_file(host, *port, maintenance_database, user)?,
        };
    }
    Ok(server)
}

/// The entry of `PGPASSFILE` or `~/.pgpass` (<https://www.postgresql.org/docs/current/libpq-pgpass.html>).
fn from_file(host: &str, port: u16, database: &str, user: &str) -> Result<Option<Secret<String>>> {
    let named = env::var_os("PGPASSFILE").map(PathBuf::from);
    let Some(path) = named.clone().or_else(|| env::home_dir().map(|home| home.join(".pgpass"))) else { return Ok(None) };
    let unusable = |why: String| {
        Error::new(Code::Usage, format!("The password file {} {why}.", path.display()), "Make it readable for its owner alone (chmod 600).")
    };
    let text = match fs::read_to_string(&path) {
        Ok(text) => Secret::new(text),
        Err(error) if error.kind() == ErrorKind::NotFound && named.is_none() => return Ok(None),
        Err(error) => return Err(unusable(format!("cannot be read: {error}"))),
    };
    let metadata = fs::metadata(&path).map_err(|error| unusable(format!("cannot be read: {error}")))?;
    if !whole_file::is_private(&metadata) {
        return Err(unusable("can be read by others".into()));
    }
    Ok(find(text.expose(), [host, &port.to_string(), database, user]).map(Secret::new))
}

/// The password of the first line whose four fields fit. A database field names the one that is connected to; as
/// Rookery connects to all of them, only `*` and the maintenance database fit.
fn find(text: &str, wanted: [&str; 4]) -> Option<String> {
    text.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
        let fields = split(line);
        let [host, port, database, user, password] = fields.as_slice() else { return None };
        let fits = [host, port, database, user].iter().zip(wanted).all(|(field, wanted)| *field == "*" || *field == wanted);
        fits.then(|| password.clone())
    })
}

/// Fields between colons; a backslash takes the next character as it is.
fn split(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            ':' if fields.len() < 5 => fields.push(String::new()),
            '\\' => fields.last_mut().into_iter().for_each(|field| field.extend(chars.next())),
            c => fields.last_mut().into_iter().for_each(|field| field.push(c)),
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_that_fits_gives_the_password() {
        let file = "# a comment\ndb:5432:app:me:wrong database\nother:*:*:*:no\ndb:5432:*:me:pa\\:ss\\\\word:x\n*:*:*:*:last\n";
        assert_eq!(find(file, ["db", "5432", "postgres", "me"]).as_deref(), Some("pa:ss\\word:x"));
        assert_eq!(find(file, ["db", "5433", "postgres", "me"]).as_deref(), Some("last"));
        assert_eq!(find("a:b:c\n", ["a", "b", "c", "d"]), None);
    }
}
