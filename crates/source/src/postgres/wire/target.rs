//! Where a server is and who connects.

use domain::{Connection, Error, Result, Secret, TlsMode};
use std::{fmt, path::PathBuf};

/// A PostgreSQL server to connect to.
#[derive(Clone, Debug)]
pub struct Target {
    /// Host name, address, or the absolute path of a socket folder.
    pub host: String,
    /// TCP port (and the socket's number).
    pub port: u16,
    /// Role to connect as.
    pub user: String,
    /// Its password, if the server asks for one.
    pub password: Option<Secret<String>>,
    /// The database used for questions about the whole server.
    pub maintenance_database: String,
    /// How TLS is used. With a root certificate, `require` checks the certificate like `verify-ca`, as libpq does.
    pub tls: TlsMode,
    /// PEM file of the certificate authorities to trust instead of the machine's.
    pub root_certificate: Option<PathBuf>,
}

impl Target {
    /// The target in the record of a server; an internal error for another Dbms.
    pub fn new(connection: &Connection) -> Result<Self> {
        let Connection::Postgresql { host, port, user, password, maintenance_database, tls, root_certificate } = connection else {
            return Err(Error::internal("A server that is not PostgreSQL was given to the PostgreSQL source."));
        };
        Ok(Self {
            host: host.clone(),
            port: *port,
            user: user.clone(),
            password: password.clone(),
            maintenance_database: maintenance_database.clone(),
            tls: *tls,
            root_certificate: root_certificate.clone(),
        })
    }

    /// Whether it is reached by a Unix socket.
    #[must_use]
    pub fn is_local_socket(&self) -> bool {
        self.host.starts_with('/')
    }
}

/// How sentences name the server.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') { write!(f, "[{}]:{}", self.host, self.port) } else { write!(f, "{}:{}", self.host, self.port) }
    }
}
