//! Where the client tools are, and which of them are new enough.

use domain::{Code, Error, Result};
use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Mutex, PoisonError},
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
    let program = folder.join("pg_dump");
    let state = FileState::of(&program).ok()?;
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, tools)) = known.get(folder).filter(|(then, _)| *then == state) {
        return Some(tools.clone());
    }
    let answer = Command::new(program).arg("--version").env_clear().stdin(Stdio::null()).output().ok()?;
    let version = parse(std::str::from_utf8(&answer.stdout).ok()?)?;
    let major = version.split('.').next()?.parse().ok()?;
    let tools = Tools { folder: folder.into(), version, major };
    known.insert(folder.into(), (state, tools.clone()));
    Some(tools)
}

/// What has told its version, by folder: asking takes a process, and a round asks for every database.
static KNOWN: Mutex<BTreeMap<PathBuf, (FileState, Tools)>> = Mutex::new(BTreeMap::new());

/// What tells a program from the one that an upgrade puts in its place.
#[derive(Clone, Copy, PartialEq, Eq)]
struct FileState {
    file: (u64, u64),
    size_bytes: u64,
    changed_at: (i64, i64),
}

impl FileState {
    fn of(path: &Path) -> io::Result<Self> {
        let data = fs::metadata(path)?;
        Ok(Self { file: (data.dev(), data.ino()), size_bytes: data.len(), changed_at: (data.ctime(), data.ctime_nsec()) })
    }
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
    use std::os::unix::fs::PermissionsExt;

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
    fn tools_are_asked_again_only_when_they_were_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let install = |version: &str| {
            for tool in ["pg_dump", "pg_restore", "pg_dumpall"] {
                // As a package manager does: another file under the same name.
                let (new, count) = (folder.path().join("new"), folder.path().join("count"));
                fs::write(&new, format!("#!/bin/sh\necho >>'{}'\necho 'pg_dump (PostgreSQL) {version}'\n", count.display())).unwrap();
                fs::set_permissions(&new, fs::Permissions::from_mode(0o755)).unwrap();
                fs::rename(new, folder.path().join(tool)).unwrap();
            }
        };
        let asked = || fs::read_to_string(folder.path().join("count")).unwrap().len();
        install("15.1");
        assert_eq!((0..3).map(|_| inspect(folder.path()).unwrap().version).collect::<Vec<_>>(), ["15.1"; 3]);
        assert_eq!(asked(), 1);
        install("16.2");
        assert_eq!((inspect(folder.path()).unwrap().version.as_str(), asked()), ("16.2", 2));
    }

    #[test]
    fn a_folder_that_lacks_one_tool_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        fs::copy("/bin/true", folder.path().join("pg_dump")).unwrap();
        assert_eq!(inspect(folder.path()), None);
    }
}
