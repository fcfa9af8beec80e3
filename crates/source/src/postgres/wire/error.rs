//! What a server says is wrong, as errors that a person can act on.

use super::Target;
use domain::{Code, Error};
use std::fmt;

/// An ErrorResponse of the server, kept as the cause of an [`Error`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerError {
    /// The five characters of the SQLSTATE.
    pub sqlstate: String,
    /// The primary message.
    pub message: String,
    /// Detail, if given.
    pub detail: Option<String>,
    /// Hint, if given.
    pub hint: Option<String>,
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.sqlstate)?;
        for more in [&self.detail, &self.hint].into_iter().flatten() {
            write!(f, "; {more}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ServerError {}

impl ServerError {
    /// Takes an ErrorResponse apart: fields of one type byte and a zero-terminated string. What it does not
    /// hold stays empty; text that is not UTF-8 (messages before the encoding is agreed on) is replaced.
    pub(super) fn decode(body: &[u8]) -> Self {
        let mut error = Self::default();
        for field in body.split(|&byte| byte == 0) {
            let Some((&kind, text)) = field.split_first() else { continue };
            let text = String::from_utf8_lossy(text).into_owned();
            match kind {
                b'C' => error.sqlstate = text,
                b'M' => error.message = text,
                b'D' => error.detail = Some(text),
                b'H' => error.hint = Some(text),
                _ => {}
            }
        }
        error
    }

    /// The error for people. `place` says where: server and database.
    pub(super) fn into_error(self, target: &Target, database: &str) -> Error {
        let (code, next_step) = self.advice(target, database);
        let sentence = format!("PostgreSQL at {target}, database {database:?}: {}", sentence_of(&self.message));
        Error::new(code, sentence, next_step).because(self)
    }

    fn advice(&self, target: &Target, database: &str) -> (Code, String) {
        let user = &target.user;
        let (code, step) = match self.sqlstate.as_str() {
            "28P01" => {
                (Code::AuthFailed, format!("Check the user {user:?} and set its password in PGPASSWORD or a password file (PGPASSFILE)."))
            }
            "28000" if self.message.contains("pg_hba.conf") => (
                Code::AuthFailed,
                format!("Add a line for user {user:?} and this machine to the server's pg_hba.conf, or connect with another sslmode."),
            ),
            "28000" => (Code::AuthFailed, format!("Check that the role {user:?} exists and may log in.")),
            "3D000" | "57P04" => (Code::DatabaseGone, format!("Check that the database {database:?} still exists.")),
            "42501" => (
                Code::Privilege,
                format!(
                    "Give the role {user:?} the privilege that is named (to read a whole database, pg_read_all_data on 14 and newer; to restore one, CREATEDB, and membership in the roles that own what is in it), or use another role."
                ),
            ),
            "55000" if self.message.contains("not currently accepting connections") => (
                Code::Privilege,
                format!("Allow connections with ALTER DATABASE {} ALLOW_CONNECTIONS true, or leave it out of the backup.", super::quote_ident(database)),
            ),
            "22P05" => (
                Code::Unsupported,
                "The encoding of the database does not define this byte. Correct the texts that hold it: strpos(column, chr(n)) finds them, n being the byte in decimal.".into(),
            ),
            "57P03" => (Code::ConnectionLost, "Wait until the server has started, then start again.".into()),
            "53300" => (Code::Busy, "Raise max_connections on the server, or use fewer workers.".into()),
            "55P03" | "55006" => (Code::Busy, "Wait until the other session is done, then start again.".into()),
            "40001" if self.message.contains("recovery") => (
                Code::ServerError,
                "Set hot_standby_feedback = on at the standby (or raise max_standby_streaming_delay), or read from the primary.".into(),
            ),
            "53200" if self.message.contains("shared memory") => {
                (Code::ServerError, "Raise max_locks_per_transaction on the server: every table that is read needs a lock.".into())
            }
            "53100" => (Code::ServerError, "Make room on the server's disk.".into()),
            "42P04" => (Code::NameTaken, "Choose another name.".into()),
            "XX001" | "XX002" => {
                (Code::CorruptDatabase, "Check the server's disk and log; restore the damaged part from an older backup.".into())
            }
            state if state.starts_with("08") || state.starts_with("57P") => {
                (Code::ConnectionLost, "Check that the server runs (its log says why it ended the connection), then start again.".into())
            }
            _ => (Code::ServerError, "Look in the server's log for the statement that failed.".into()),
        };
        (code, step)
    }
}

/// A server's message as the end of a sentence of ours: one line, one full stop.
fn sentence_of(message: &str) -> String {
    // A terminal must not obey what a server sends.
    let line: String = message.lines().next().unwrap_or_default().chars().filter(|c| !c.is_control()).collect();
    let line = line.trim_end_matches('.');
    if line.is_empty() { "an error without a message.".into() } else { format!("{line}.") }
}

/// The SQLSTATE of the server's answer that caused `error`, if a server's answer did.
#[must_use]
pub fn sqlstate(error: &Error) -> Option<&str> {
    let mut cause = std::error::Error::source(error)?;
    loop {
        if let Some(told) = cause.downcast_ref::<ServerError>() {
            return Some(&told.sqlstate);
        }
        cause = cause.source()?;
    }
}

/// The server broke the rules of the protocol, or something else than PostgreSQL answered.
pub(super) fn protocol(target: &Target, what: &str) -> Error {
    Error::new(
        Code::ServerError,
        format!("What answers at {target} does not speak PostgreSQL's protocol as it should: {what}."),
        "Check host and port; a proxy in between must speak protocol 3.0.",
    )
}

/// The connection broke.
pub(in crate::postgres) fn lost(target: &Target, database: &str, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new(
        Code::ConnectionLost,
        format!("The connection to PostgreSQL at {target}, database {database:?}, broke."),
        "Check that the server runs and the network holds, then start again.",
    )
    .because(cause)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_and_the_state_is_kept() {
        let error = ServerError::decode(b"SERROR\0VERROR\0C42501\0Mpermission denied for table t\0Hask\0\0");
        assert_eq!((error.sqlstate.as_str(), error.hint.as_deref()), ("42501", Some("ask")));
        let wrapped = Error::internal("x").because(error);
        assert_eq!(sqlstate(&wrapped), Some("42501"));
        assert_eq!(sqlstate(&Error::internal("x")), None);
        assert_eq!(ServerError::decode(b"").sqlstate, "");
    }

    #[test]
    fn what_is_missing_fits_reading_and_restoring() {
        let connection = domain::Connection::Postgresql {
            host: "h".into(),
            port: 1,
            user: "u".into(),
            password: None,
            maintenance_database: "postgres".into(),
            tls: domain::TlsMode::Disable,
            root_certificate: None,
        };
        let target = Target::new(&connection).unwrap();
        let error = ServerError::decode(b"C42501\0Mpermission denied to create database\0").into_error(&target, "x");
        assert_eq!(error.code(), Code::Privilege);
        assert!(error.next_step().contains("pg_read_all_data") && error.next_step().contains("CREATEDB"), "{}", error.next_step());
    }
}
