//! The whole environment of a client tool, and the private folder behind it.

use super::Target;
use crate::room::{self, Room};
use base64::{Engine, engine::general_purpose::STANDARD};
use domain::{Code, Error, Result, TlsMode};
use rustls_pki_types::CertificateDer;
use std::{
    ffi::OsString,
    fs::OpenOptions,
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

/// How the folders begin.
const PREFIX: &str = "rookery-client-";

/// Removes the folders of processes that were killed, with the passwords in them.
pub(super) fn sweep() -> Result<()> {
    room::sweep(&std::env::temp_dir(), PREFIX).map_err(|error| {
        Error::new(
            Code::ToolFailed,
            "A private folder for PostgreSQL's client tools that a killed run left, with a password in it, could not be removed.",
            "See to the folders that begin with rookery-client- in the folder for temporary files (TMPDIR).",
        )
        .because(error)
    })
}

/// What a tool is told: names and secrets only here, never in its arguments, which every process can read and
/// where `host=…` or `--file=…` as a name would be obeyed.
pub(super) struct Environment {
    /// The variables; a tool gets no others.
    pub variables: Vec<(&'static str, OsString)>,
    /// What must not be repeated from a tool's messages.
    pub secret: Option<String>,
    /// The tool's home and working folder, mode 0700, removed with this value and by [`sweep`] after a kill. Without it libpq would look for
    /// passwords and certificates in the home of the console's user.
    pub folder: Room,
}

impl Environment {
    /// Prepares the environment for connections to `target`. `database` may be any name.
    pub fn new(target: &Target, database: Option<&str>) -> Result<Self> {
        let folder = Room::new(&std::env::temp_dir(), PREFIX).map_err(not_written)?;
        let password = target.password.as_ref().map(|password| password.expose().clone());
        let password_file = folder.path().join("password");
        write_private(&password_file, password_line(password.as_deref().unwrap_or_default())?.as_bytes())?;
        let mut variables: Vec<(&'static str, OsString)> = vec![
            ("HOME", folder.path().into()),
            ("LC_ALL", "C".into()),
            ("PGAPPNAME", "rookery".into()),
            ("PGHOST", target.host.clone().into()),
            ("PGPORT", target.port.to_string().into()),
            ("PGUSER", target.user.clone().into()),
            ("PGPASSFILE", password_file.into()),
            ("PGCONNECT_TIMEOUT", "30".into()),
            ("PGGSSENCMODE", "disable".into()),
            ("PGSSLMODE", ssl_mode(target.tls).into()),
        ];
        variables.extend(database.map(|name| ("PGDATABASE", name.into())));
        if let Some(file) = root_certificates(target, folder.path())? {
            variables.push(("PGSSLROOTCERT", file.into()));
        }
        Ok(Self { variables, secret: password.filter(|password| !password.is_empty()), folder })
    }
}

/// The line of a password file that matches every connection, for this one is used for a single server
/// (<https://www.postgresql.org/docs/current/libpq-pgpass.html>).
fn password_line(password: &str) -> Result<String> {
    if password.contains(['\n', '\r', '\0']) {
        return Err(Error::new(
            Code::Unsupported,
            "The server's password holds a line break, which PostgreSQL's client tools cannot be given.",
            "Give the role a password without line breaks.",
        ));
    }
    Ok(if password.is_empty() { String::new() } else { format!("*:*:*:*:{}\n", password.replace('\\', "\\\\").replace(':', "\\:")) })
}

fn ssl_mode(tls: TlsMode) -> &'static str {
    match tls {
        TlsMode::Disable => "disable",
        TlsMode::Prefer => "prefer",
        TlsMode::Require => "require",
        TlsMode::VerifyCa => "verify-ca",
        TlsMode::VerifyFull => "verify-full",
    }
}

/// The file of trusted authorities, where certificates are checked: as soon as there is a file, libpq checks.
/// It knows no machine-wide store before version 16, so that is written out.
fn root_certificates(target: &Target, folder: &Path) -> Result<Option<PathBuf>> {
    match target.tls {
        TlsMode::VerifyCa | TlsMode::VerifyFull => {}
        TlsMode::Require if target.root_certificate.is_some() => {}
        TlsMode::Disable | TlsMode::Prefer | TlsMode::Require => return Ok(None),
    }
    if let Some(file) = &target.root_certificate {
        // The tool runs in another folder.
        return std::path::absolute(file).map(Some).map_err(not_written);
    }
    let file = folder.join("authorities");
    let pem: String = rustls_native_certs::load_native_certs().certs.iter().map(pem).collect();
    write_private(&file, pem.as_bytes())?;
    Ok(Some(file))
}

fn pem(certificate: &CertificateDer<'_>) -> String {
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", STANDARD.encode(certificate))
}

fn write_private(path: &Path, bytes: &[u8]) -> Result<()> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(bytes)).map_err(not_written)
}

fn not_written(error: std::io::Error) -> Error {
    Error::new(
        Code::ToolFailed,
        "The private folder for PostgreSQL's client tools cannot be written.",
        "Make room in the folder for temporary files (TMPDIR) and let the console write there.",
    )
    .because(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::Secret;
    use std::os::unix::fs::PermissionsExt;

    fn target(password: &str, tls: TlsMode) -> Target {
        Target {
            host: "db.example".into(),
            port: 5433,
            user: "backup".into(),
            password: Some(Secret::new(password.into())),
            maintenance_database: "postgres".into(),
            tls,
            root_certificate: None,
        }
    }

    #[test]
    fn a_password_lies_in_a_private_file_that_vanishes() {
        let environment = Environment::new(&target("a:b\\c", TlsMode::Prefer), Some("host=evil")).unwrap();
        let file = environment.folder.path().join("password");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "*:*:*:*:a\\:b\\\\c\n");
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::metadata(environment.folder.path()).unwrap().permissions().mode() & 0o777, 0o700);
        assert!(environment.variables.contains(&("PGDATABASE", "host=evil".into())));
        drop(environment);
        assert!(!file.exists());
        assert_eq!(Environment::new(&target("a\nb", TlsMode::Prefer), None).err().unwrap().code(), Code::Unsupported);
    }

    #[test]
    fn authorities_are_given_only_where_certificates_are_checked() {
        let given = |tls| {
            let environment = Environment::new(&target("", tls), None).unwrap();
            environment.variables.iter().any(|(name, _)| *name == "PGSSLROOTCERT")
        };
        assert!(!given(TlsMode::Require));
        assert!(given(TlsMode::VerifyCa) && given(TlsMode::VerifyFull));
    }
}
