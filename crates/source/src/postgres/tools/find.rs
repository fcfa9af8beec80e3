//! Where the client tools are, and which of them are new enough.

use domain::{Code, Error, Result};
use std::{
    collections::BTreeSet,
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Folder of the tools, instead of those found on the machine.
const OVERRIDE: &str = "ROOKERY_PG_BIN";

/// Where distributions keep one folder per major version.
const VERSIONED: [&str; 2] = ["/usr/lib/postgresql", "/usr/pgsql"];

/// One set of client tools.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tools {
    /// The folder they are in.
    pub folder: PathBuf,
    /// Their version, such as `15.18`.
    pub version: String,
    /// Its major part.
    pub major: u32,
}

/// Finds the newest tools of this machine, which must be at least as new as a server with this
/// `server_version_num`: an older pg_dump refuses to read a newer server.
///
/// # Errors
/// [`Code::ToolMissing`] or [`Code::ToolTooOld`], each with the package to install.
pub fn find(server_version: u32) -> Result<Tools> {
    let tools = candidates().iter().filter_map(|folder| inspect(folder)).max_by_key(|tools| (tools.major, minor(&tools.version)));
    let needed = server_version / 10_000;
    match tools {
        Some(tools) if tools.major >= needed => Ok(tools),
        Some(tools) => Err(too_old(&tools.version, needed)),
        None => Err(Error::new(
            Code::ToolMissing,
            "PostgreSQL's client tools (pg_dump, pg_restore, pg_dumpall) are not installed on this machine.",
            install(needed),
        )),
    }
}

/// The error for tools that are older than the server.
pub(super) fn too_old(version: &str, needed: u32) -> Error {
    let sentence = format!("The server is PostgreSQL {needed}, but the newest pg_dump on this machine is {version}, which cannot read it.");
    Error::new(Code::ToolTooOld, sentence, install(needed))
}

fn install(major: u32) -> String {
    format!("Install the Debian package postgresql-client-{major} or a newer one, or set {OVERRIDE} to the folder of the tools.")
}

fn candidates() -> BTreeSet<PathBuf> {
    if let Some(folder) = env::var_os(OVERRIDE).filter(|folder| !folder.is_empty()) {
        return BTreeSet::from([PathBuf::from(folder)]);
    }
    let children = |root: &str| fs::read_dir(root).into_iter().flatten().flatten().map(|entry| entry.path().join("bin"));
    let mut folders: BTreeSet<PathBuf> = VERSIONED.into_iter().flat_map(children).collect();
    folders.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()).filter(|folder| folder.is_absolute()));
    folders
}

/// The tools in `folder`, if all of them are there. Debian's wrapper in /usr/bin is passed over: it chooses
/// a version by the user's own settings, and what it would choose from is looked at directly.
fn inspect(folder: &Path) -> Option<Tools> {
    let is_tool = |name: &str| {
        let path = folder.join(name).canonicalize().ok()?;
        (path.is_file() && path.file_name()? != "pg_wrapper").then_some(())
    };
    ["pg_dump", "pg_restore", "pg_dumpall"].into_iter().try_for_each(is_tool)?;
    let answer = Command::new(folder.join("pg_dump")).arg("--version").env_clear().stdin(Stdio::null()).output().ok()?;
    let version = parse(std::str::from_utf8(&answer.stdout).ok()?)?;
    let major = version.split('.').next()?.parse().ok()?;
    Some(Tools { folder: folder.into(), version, major })
}

/// The version in `pg_dump (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`; `17` in `… 17beta2`.
fn parse(answer: &str) -> Option<String> {
    let (_, rest) = answer.split_once("(PostgreSQL) ")?;
    let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
    let version = rest[..end].trim_end_matches('.');
    version.starts_with(|c: char| c.is_ascii_digit()).then(|| version.to_owned())
}

fn minor(version: &str) -> u32 {
    version.split('.').nth(1).and_then(|minor| minor.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        for (answer, version) in [
            ("pg_dump (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n", Some("15.18")),
            ("pg_dump (PostgreSQL) 17beta2\n", Some("17")),
            ("pg_dump (PostgreSQL) 18devel", Some("18")),
            ("pg_dump (PostgreSQL) 9.6.24", Some("9.6.24")),
            ("pg_dump (EnterpriseDB) 15.1", None),
            ("pg_dump (PostgreSQL) x", None),
            ("", None),
        ] {
            assert_eq!(parse(answer).as_deref(), version, "{answer}");
        }
    }

    #[test]
    fn the_installed_tools_are_found_and_a_server_of_the_future_is_too_new() {
        let tools = find(120_000).unwrap();
        assert!(tools.major >= 12 && tools.folder.join("pg_dump").is_file());
        let error = find(9_990_000).unwrap_err();
        assert_eq!(error.code(), Code::ToolTooOld);
        assert!(error.to_string().contains("999") && error.next_step().contains("postgresql-client-999"));
    }

    #[test]
    fn a_folder_that_lacks_one_tool_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        fs::copy("/bin/true", folder.path().join("pg_dump")).unwrap();
        assert_eq!(inspect(folder.path()), None);
    }
}
