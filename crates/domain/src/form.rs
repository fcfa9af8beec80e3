//! What people fill in, as text, and the checks that need nothing but the text.
//!
//! A form keeps whatever was typed, so that nothing is lost when it is shown again. Names of its fields are the names in
//! its HTML and in [`FieldError`].

pub mod keep;
mod key;
mod task;

pub use key::KeyForm;
pub use task::TaskForm;

use crate::{Connection, Destination, Error, FieldError, Pattern, Result, Secret, Server, server};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Longest name of a record, in characters.
pub const MAX_NAME: usize = 100;

/// A server. The password travels from the browser only, never to it.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ServerForm {
    /// Its name.
    pub name: String,
    /// `postgresql` or `sqlite`.
    pub dbms: String,
    /// The folder of a SQLite server.
    pub folder: String,
    /// Host name, address or socket folder.
    pub host: String,
    /// TCP port; 5432 if empty.
    pub port: String,
    /// Role to connect as; `postgres` if empty.
    pub user: String,
    /// Its password; empty keeps the one that is stored.
    pub password: String,
    /// `disable`, `prefer`, `require`, `verify-ca` or `verify-full`; `prefer` if empty.
    pub tls: String,
    /// PEM file of the authorities to trust, on the console's machine.
    pub root_certificate: String,
    /// Database for questions about the whole server; `postgres` if empty.
    pub maintenance_database: String,
    /// Log that the server may keep for each chain, such as `4 GiB`; that if empty.
    pub most_held: String,
    /// Runs at once on this server; half of the console's processors if empty.
    pub jobs: String,
    /// Anything worth knowing.
    pub note: String,
}

/// A destination.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DestinationForm {
    /// Its name.
    pub name: String,
    /// The root folder on the console's machine.
    pub root: String,
    /// Anything worth knowing.
    pub note: String,
}

/// What a restore is to do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RestoreForm {
    /// Where from: a destination's identifier.
    pub destination: String,
    /// Which database folder: the name of the database.
    pub database: String,
    /// The server that the database came from, as its manifests name it.
    pub origin: String,
    /// Which restore point: a label.
    pub point: String,
    /// Which moment of those that the restore point covers: with its offset from UTC; its end if it is empty.
    pub at: String,
    /// Which server gets the new database: its identifier.
    pub server: String,
    /// Name of the new database.
    pub name: String,
    /// `on` to leave owners and privileges out.
    pub no_owner: String,
    /// `on` to create missing roles, without the right to log in.
    pub create_roles: String,
}

/// Somebody who gets a name and a password.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct UserForm {
    /// The name to sign in with.
    pub name: String,
    /// `viewer`, `operator` or `administrator`.
    pub role: String,
    /// The password.
    pub password: String,
}

/// Shortest password, in characters.
pub const MIN_PASSWORD: usize = 10;

/// A record's name, trimmed.
///
/// # Errors
/// [`crate::Code::Invalid`] at the field `name`.
pub fn record_name(name: &str) -> Result<String> {
    let mut check = Check::default();
    let name = check.name(name);
    check.done(Some(name))
}

/// A checkbox of a form.
#[must_use]
pub fn is_on(value: &str) -> bool {
    matches!(value, "on" | "true")
}

/// Gathers what is wrong with a form.
#[derive(Default)]
struct Check(Vec<FieldError>);

impl Check {
    fn fault(&mut self, field: &str, sentence: impl Into<String>) {
        self.0.push(FieldError { field: field.into(), sentence: sentence.into() });
    }

    /// Takes the errors of a check over, each under its own name, and those without one under `field`.
    fn take<T>(&mut self, field: &str, checked: Result<T>) -> Option<T> {
        match checked {
            Ok(value) => return Some(value),
            Err(error) if error.told().fields.is_empty() => self.fault(field, format!("{error} {}", error.next_step())),
            Err(error) => self.0.extend(error.told().fields.iter().cloned()),
        }
        None
    }

    fn name(&mut self, name: &str) -> String {
        let name = name.trim();
        if name.is_empty() {
            self.fault("name", "Give it a name.");
        } else if name.chars().count() > MAX_NAME {
            self.fault("name", format!("Use at most {MAX_NAME} characters."));
        } else if name.chars().any(char::is_control) {
            self.fault("name", "Use no line breaks or other control characters.");
        }
        name.into()
    }

    /// A limit from 1 to `most`; none if nothing is filled in.
    fn limit(&mut self, field: &str, text: &str, most: u32) -> Option<u32> {
        let text = text.trim();
        let limit = text.parse().ok().filter(|number| (1..=most).contains(number));
        if limit.is_none() && !text.is_empty() {
            self.fault(field, format!("Give a number from 1 to {most}, or nothing for no limit."));
        }
        limit
    }

    fn done<T>(self, value: Option<T>) -> Result<T> {
        match value {
            Some(value) if self.0.is_empty() => Ok(value),
            _ => Err(Error::invalid(self.0)),
        }
    }
}

fn or<'a>(text: &'a str, default: &'a str) -> &'a str {
    if text.trim().is_empty() { default } else { text.trim() }
}

impl ServerForm {
    /// Checks the form; the password is there if one was typed.
    ///
    /// # Errors
    /// [`crate::Code::Invalid`] with every field that is wrong.
    pub fn check(&self) -> Result<Server> {
        let mut check = Check::default();
        let name = check.name(&self.name);
        self.jobs_at_once().map_err(|error| check.take::<()>("jobs", Err(error))).ok();
        let most_held_bytes = match self.dbms.as_str() {
            "postgresql" => check.take("most_held", server::most_held(&self.most_held)).flatten(),
            _ => None,
        };
        let connection = match self.dbms.as_str() {
            "sqlite" => self.sqlite(&mut check),
            "postgresql" => self.postgresql(&mut check),
            _ => {
                check.fault("dbms", "Choose what kind of server it is.");
                None
            }
        };
        check.done(connection.map(|connection| Server { name, connection, most_held_bytes }))
    }

    /// Runs at once, if a number was given.
    ///
    /// # Errors
    /// [`crate::Code::Invalid`] for the field `jobs`.
    pub fn jobs_at_once(&self) -> Result<Option<u16>> {
        match self.jobs.trim() {
            "" => Ok(None),
            text => match text.parse() {
                Ok(jobs @ 1..=64) => Ok(Some(jobs)),
                _ => Err(Error::invalid_field("jobs", "Give a number from 1 to 64, or nothing.")),
            },
        }
    }

    fn sqlite(&self, check: &mut Check) -> Option<Connection> {
        let folder = PathBuf::from(self.folder.trim());
        if self.folder.trim().is_empty() {
            check.fault("folder", "Give the folder that holds the SQLite databases.");
        } else if !folder.is_absolute() {
            check.fault("folder", "Give the whole path of the folder, from / on.");
        }
        Some(Connection::Sqlite { folder })
    }

    fn postgresql(&self, check: &mut Check) -> Option<Connection> {
        if self.host.trim().is_empty() {
            check.fault("host", "Give the host's name or address, or the folder of its socket.");
        }
        let port = match or(&self.port, "5432").parse::<u16>() {
            Ok(port) if port > 0 => Some(port),
            _ => {
                check.fault("port", "Give a number from 1 to 65535.");
                None
            }
        };
        let tls = check.take("tls", or(&self.tls, "prefer").parse());
        let root_certificate = Some(self.root_certificate.trim()).filter(|path| !path.is_empty()).map(PathBuf::from);
        Some(Connection::Postgresql {
            host: self.host.trim().into(),
            port: port?,
            user: or(&self.user, "postgres").into(),
            password: Some(&self.password).filter(|password| !password.is_empty()).map(|password| Secret::new(password.clone())),
            maintenance_database: or(&self.maintenance_database, "postgres").into(),
            tls: tls?,
            root_certificate,
        })
    }
}

/// Never shows the password.
impl std::fmt::Debug for ServerForm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerForm").field("name", &self.name).field("dbms", &self.dbms).finish_non_exhaustive()
    }
}

/// Never shows the password.
impl std::fmt::Debug for UserForm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UserForm").field("name", &self.name).field("role", &self.role).finish_non_exhaustive()
    }
}

impl DestinationForm {
    /// Checks the form: its name and its destination.
    ///
    /// # Errors
    /// [`crate::Code::Invalid`] with every field that is wrong.
    pub fn check(&self) -> Result<(String, Destination)> {
        let mut check = Check::default();
        let name = check.name(&self.name);
        let destination = match self.root.trim() {
            "" => {
                check.fault("root", "Give the folder in which each database gets its child folder.");
                None
            }
            root => check.take("root", root.parse::<Destination>()),
        };
        if let Some(Destination::Local { root }) = &destination
            && !root.is_absolute()
        {
            check.fault("root", "Give the whole path of the folder, from / on.");
        }
        check.done(destination.map(|destination| (name, destination)))
    }
}

impl UserForm {
    /// Checks name and password; the name comes back trimmed.
    ///
    /// # Errors
    /// [`crate::Code::Invalid`] with every field that is wrong.
    pub fn check(&self) -> Result<(String, crate::Role)> {
        let mut check = Check::default();
        let name = check.name(&self.name);
        if self.password.chars().count() < MIN_PASSWORD {
            check.fault("password", format!("Use at least {MIN_PASSWORD} characters."));
        } else if self.password.chars().count() > 1000 {
            check.fault("password", "Use at most 1000 characters.");
        }
        let role = check.take("role", or(&self.role, "viewer").parse());
        check.done(role.map(|role| (name, role)))
    }
}

/// A filter as people type it: part of a name, or a pattern with `*` or `?`; letters' case does not matter.
#[must_use]
pub fn filter_matches(filter: &str, name: &str) -> bool {
    let (filter, name) = (filter.trim().to_lowercase(), name.to_lowercase());
    if filter.contains(['*', '?']) { Pattern::new(&filter).matches(&name) } else { name.contains(&filter) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(error: &Error) -> Vec<&str> {
        error.told().fields.iter().map(|error| error.field.as_str()).collect()
    }

    #[test]
    fn every_wrong_field_is_named_at_once() {
        let form =
            ServerForm { dbms: "postgresql".into(), port: "0".into(), tls: "perhaps".into(), jobs: "none".into(), ..Default::default() };
        let form = ServerForm { most_held: "4 MiB".into(), ..form };
        assert_eq!(fields(&form.check().unwrap_err()), ["name", "jobs", "most_held", "host", "port", "tls"]);
        let form = ServerForm { dbms: "sqlite".into(), name: "apps".into(), folder: "apps".into(), ..Default::default() };
        assert_eq!(fields(&form.check().unwrap_err()), ["folder"]);
        assert_eq!(fields(&DestinationForm::default().check().unwrap_err()), ["name", "root"]);
        assert_eq!(
            fields(&UserForm { name: "a\nb".into(), role: "king".into(), ..Default::default() }.check().unwrap_err()),
            ["name", "password", "role"]
        );
    }

    #[test]
    fn what_is_left_empty_has_its_default_and_a_password_is_not_shown() {
        let form = ServerForm {
            name: " shop ".into(),
            dbms: "postgresql".into(),
            host: "db".into(),
            password: "hunter2".into(),
            ..Default::default()
        };
        let server = form.check().unwrap();
        assert_eq!(server.name, "shop");
        let Connection::Postgresql { port: 5432, ref user, .. } = server.connection else { panic!("{server:?}") };
        assert_eq!(user, "postgres");
        assert_eq!((server.most_held_bytes, server.held_limit_bytes()), (None, 4 << 30));
        let limited = ServerForm { most_held: " 800 mb ".into(), ..form.clone() }.check().unwrap();
        assert_eq!(limited.held_limit_bytes(), 800_000_000);
        assert!(!format!("{form:?}{server:?}").contains("hunter2"));
    }

    #[test]
    fn a_filter_is_part_of_a_name_or_a_pattern() {
        assert!(
            filter_matches("HOP", "shop") && filter_matches("", "x") && filter_matches("s*p", "shop") && !filter_matches("s?p", "shop")
        );
    }
}
