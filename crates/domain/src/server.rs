//! A database server being protected, as a record.

use crate::{Code, Dbms, Error, Result, Secret, size};
use serde::{Deserialize, Serialize};
use std::{fmt, path::PathBuf, str::FromStr};
use url::Url;

/// A server: its name, and how to connect to it.
#[derive(Clone, Debug)]
pub struct Server {
    /// The name that chain folders carry.
    pub name: String,
    /// How to reach it.
    pub connection: Connection,
    /// Bytes of its log that it may keep for each chain, if that was set.
    pub most_held_bytes: Option<u64>,
}

/// Bytes of its log that a server may keep for each chain, unless it is said otherwise.
pub const MOST_HELD_BYTES: u64 = 4 << 30;

/// What can be set instead: four segments of a log, as servers write it, and what no disk has.
pub const HELD_BOUNDS: std::ops::RangeInclusive<u64> = 64 << 20..=64 << 40;

/// A limit for the log that a server keeps for each chain; none if nothing is given.
///
/// # Errors
/// [`Code::Invalid`] at the field `most_held`.
pub fn most_held(text: &str) -> Result<Option<u64>> {
    if text.trim().is_empty() {
        return Ok(None);
    }
    let bytes = size::parse(text).ok().filter(|bytes| HELD_BOUNDS.contains(bytes));
    let [least, most] = [HELD_BOUNDS.start(), HELD_BOUNDS.end()].map(|bound| size::exact(*bound));
    let wrong = || format!("Give a whole number with its unit from {least} to {most}, such as 4 GiB, or nothing.");
    bytes.map(Some).ok_or_else(|| Error::invalid_field("most_held", wrong()))
}

/// How a server is reached. Its serialized form has no password.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "dbms")]
pub enum Connection {
    /// A folder of SQLite databases.
    Sqlite {
        /// The folder, absolute or relative to the process.
        folder: PathBuf,
    },
    /// A PostgreSQL server.
    Postgresql {
        /// Host name, address, or the absolute path of a socket folder.
        host: String,
        /// TCP port (and the socket's number).
        port: u16,
        /// Role to connect as.
        user: String,
        /// Its password, if the server asks for one.
        #[serde(skip)]
        password: Option<Secret<String>>,
        /// The database used for questions about the whole server.
        maintenance_database: String,
        /// How TLS is used.
        tls: TlsMode,
        /// PEM file of the certificate authorities to trust instead of the machine's.
        root_certificate: Option<PathBuf>,
    },
}

/// How TLS is used, with the meanings of libpq's `sslmode`
/// (<https://www.postgresql.org/docs/current/libpq-ssl.html>). `allow` is not offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TlsMode {
    /// Never.
    Disable,
    /// If the server offers it; the certificate is not checked.
    Prefer,
    /// Always; the certificate is not checked.
    Require,
    /// Always; the certificate must come from a trusted authority.
    VerifyCa,
    /// Always; the certificate must come from a trusted authority and name the host.
    VerifyFull,
}

impl TlsMode {
    /// The word of libpq.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Disable => "disable",
            Self::Prefer => "prefer",
            Self::Require => "require",
            Self::VerifyCa => "verify-ca",
            Self::VerifyFull => "verify-full",
        }
    }
}

impl FromStr for TlsMode {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Ok(match text {
            "disable" => Self::Disable,
            "prefer" => Self::Prefer,
            "require" => Self::Require,
            "verify-ca" => Self::VerifyCa,
            "verify-full" => Self::VerifyFull,
            _ => {
                return Err(Error::new(
                    Code::Usage,
                    format!("{text:?} is not a TLS mode."),
                    "Use one of disable, prefer, require, verify-ca, verify-full.",
                ));
            }
        })
    }
}

impl Server {
    /// The kind of the server.
    #[must_use]
    pub fn dbms(&self) -> Dbms {
        self.connection.dbms()
    }

    /// Bytes of its log that it may keep for each chain.
    #[must_use]
    pub fn held_limit_bytes(&self) -> u64 {
        self.most_held_bytes.unwrap_or(MOST_HELD_BYTES)
    }
}

impl Connection {
    /// The kind of the server.
    #[must_use]
    pub fn dbms(&self) -> Dbms {
        match self {
            Self::Sqlite { .. } => Dbms::Sqlite,
            Self::Postgresql { .. } => Dbms::Postgresql,
        }
    }
}

/// Where the server is, as people say it: `db.example:5432`, `/srv/apps`.
impl fmt::Display for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite { folder } => write!(f, "{}", folder.display()),
            Self::Postgresql { host, port, .. } => write!(f, "{host}:{port}"),
        }
    }
}

/// Parses `sqlite:FOLDER` or `postgres://user@host:port/database?sslmode=…&sslrootcert=…&host=/socket/folder`.
///
/// A password in the address is refused, because arguments are visible to every process of the machine.
impl FromStr for Server {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if let Some(folder) = text.strip_prefix("sqlite:") {
            return sqlite(folder);
        }
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return postgresql(text);
        }
        Err(usage(format!("{text:?} is not the address of a server.")))
    }
}

fn usage(sentence: impl Into<String>) -> Error {
    Error::new(Code::Usage, sentence, "Give it as sqlite:FOLDER or postgres://user@host:port.")
}

fn sqlite(folder: &str) -> Result<Server> {
    // `sqlite:///srv/data` is how URLs of SQLite are often written: it means the same as `sqlite:/srv/data`.
    let folder = if folder.starts_with("///") { &folder[2..] } else { folder };
    if folder.is_empty() {
        return Err(usage("The address names no folder."));
    }
    let folder = PathBuf::from(folder);
    let name = folder.file_name().map_or_else(|| "sqlite".into(), |name| name.to_string_lossy().into_owned());
    Ok(Server { name, connection: Connection::Sqlite { folder }, most_held_bytes: None })
}

fn postgresql(text: &str) -> Result<Server> {
    let url = Url::parse(text).map_err(|error| usage("The address of the PostgreSQL server cannot be read.").because(error))?;
    if url.password().is_some() {
        return Err(Error::new(
            Code::Usage,
            "The address holds a password, which every process of this machine could read.",
            "Leave it out, and set PGPASSWORD or write a password file (PGPASSFILE).",
        ));
    }
    let decode = |part: &str| -> Result<String> {
        url::form_urlencoded::parse(format!("v={}", part.replace('+', "%2B")).as_bytes())
            .next()
            .map(|(_, value)| value.into_owned())
            .ok_or_else(|| usage("The address of the PostgreSQL server cannot be read."))
    };
    let mut host = decode(url.host_str().unwrap_or_default().trim_matches(['[', ']']))?;
    let (mut tls, mut root_certificate) = (TlsMode::Prefer, None);
    for (key, value) in url.query_pairs() {
        match key.as_ref() {
            "host" => host = value.into_owned(),
            "sslmode" => tls = value.parse()?,
            "sslrootcert" => root_certificate = Some(PathBuf::from(value.into_owned())),
            other => return Err(usage(format!("{other:?} is not a setting of a PostgreSQL address; sslmode, sslrootcert and host are."))),
        }
    }
    if host.is_empty() {
        host = "localhost".into();
    }
    let port = url.port().unwrap_or(5432);
    let database = decode(url.path().trim_start_matches('/'))?;
    let user = decode(url.username())?;
    Ok(Server {
        name: if port == 5432 { host.clone() } else { format!("{host}:{port}") },
        connection: Connection::Postgresql {
            host,
            port,
            user: if user.is_empty() { "postgres".into() } else { user },
            password: None,
            maintenance_database: if database.is_empty() { "postgres".into() } else { database },
            tls,
            root_certificate,
        },
        most_held_bytes: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_understood() {
        let server: Server = "postgres://back%40up@db.example:5433/app?sslmode=verify-full".parse().unwrap();
        assert_eq!(server.name, "db.example:5433");
        let Connection::Postgresql { host, port, user, maintenance_database, tls, .. } = server.connection else {
            panic!("not PostgreSQL")
        };
        assert_eq!(
            (host.as_str(), port, user.as_str(), maintenance_database.as_str(), tls),
            ("db.example", 5433, "back@up", "app", TlsMode::VerifyFull)
        );

        let server: Server = "postgresql:///?host=/run/postgresql".parse().unwrap();
        assert_eq!(server.name, "/run/postgresql");

        let server: Server = "sqlite:///srv/apps".parse().unwrap();
        let Connection::Sqlite { folder } = server.connection else { panic!("not SQLite") };
        assert_eq!((folder.to_str().unwrap(), server.name.as_str()), ("/srv/apps", "apps"));
    }

    #[test]
    fn bad_addresses_say_what_is_wrong() {
        for text in ["", "oracle://x", "sqlite:", "postgres://u@h:99999", "postgres://u@h?sslmode=maybe", "postgres://u@h?pool=3"] {
            assert_eq!(text.parse::<Server>().unwrap_err().code(), Code::Usage, "{text}");
        }
        let error = "postgres://u:hunter2@h".parse::<Server>().unwrap_err();
        assert!(error.to_string().contains("password") && !error.to_string().contains("hunter2"));
    }
}
