//! The command line as a user meets it: the real binary, its exit code, what it prints.
#![allow(dead_code, clippy::unwrap_used, clippy::panic, reason = "helpers of tests, of which each test binary uses its part")]

pub mod console;
pub mod http;

use control::Safe;
use repository::Instance;
use serde_json::Value;
use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};
use tempfile::TempDir;

/// A machine of its own: a data directory, a root, and folders for databases.
pub struct World {
    pub folder: TempDir,
}

/// What a command did.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    /// The one JSON document on standard output.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("no JSON document ({error}): {self:?}"))
    }

    /// Checks exit code and words on standard error, and that what a person reads is a sentence and a next step.
    #[track_caller]
    pub fn fails(&self, code: i32, words: &[&str]) -> &Self {
        assert_eq!(self.code, code, "{self:?}");
        let all = format!("{}{}", self.stderr, self.stdout);
        for word in words {
            assert!(all.to_lowercase().contains(&word.to_lowercase()), "{word:?} is not in {self:?}");
        }
        assert!(all.contains('→') || all.contains("next_step") || code == 2, "no next step in {self:?}");
        for noise in ["panicked", "RUST_BACKTRACE", "Error {", "Os {", "stack backtrace"] {
            assert!(!all.contains(noise), "{noise:?} in {self:?}");
        }
        self
    }

    #[track_caller]
    pub fn succeeds(&self) -> &Self {
        assert_eq!(self.code, 0, "{self:?}");
        self
    }
}

impl World {
    pub fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("rookery-cli-").tempdir().unwrap();
        fs::create_dir(folder.path().join("dbs")).unwrap();
        fs::create_dir(folder.path().join("tmp")).unwrap();
        Self { folder }
    }

    /// Another machine with the same files.
    pub fn copied(&self) -> Self {
        let world = Self::new();
        copy(self.folder.path(), world.folder.path());
        world
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The key that this installation signs with, taken out of its data directory.
    pub fn instance(&self) -> Instance {
        let kept: Value = serde_json::from_slice(&fs::read(self.path("data/instance-key.json")).unwrap()).unwrap();
        let safe = Safe::open(&self.path("data")).unwrap();
        Instance::from_json(safe.unseal("instance", "key", kept["sealed"].as_str().unwrap()).unwrap().expose()).unwrap()
    }

    /// The root's path as an argument.
    pub fn root(&self) -> String {
        self.path("root").display().to_string()
    }

    /// The folder of databases as a server.
    pub fn server(&self) -> String {
        format!("sqlite:{}", self.path("dbs").display())
    }

    /// Makes a database with the `sqlite3` command line.
    pub fn database(&self, name: &str, sql: &str) {
        let path = self.path("dbs").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut child =
            Command::new("sqlite3").arg(&path).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("sqlite3 is installed");
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), sql.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success());
    }

    /// A database with a table of 1000 rows.
    pub fn shop(&self) {
        self.database(
            "shop.db",
            "create table item(id integer primary key, name text); \
             with recursive n(i) as (values(1) union all select i+1 from n where i<1000) insert into item select i, 'item '||i from n;",
        );
    }

    /// The command, ready to be changed before it runs.
    pub fn command<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rookery"));
        command
            .args(arguments)
            .env("ROOKERY_DATA_DIR", self.path("data"))
            .env_remove("PGPASSWORD")
            .env_remove("PGPASSFILE")
            .env("HOME", self.path("home"))
            .env("TMPDIR", self.path("tmp"));
        command
    }

    pub fn run<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Ran {
        ran(self.command(arguments))
    }

    pub fn backup(&self) -> Ran {
        self.run(["backup", &self.server(), "--to", &self.root(), "--json"])
    }

    pub fn restore(&self, database: &str, name: &str) -> Ran {
        self.run(["restore", &self.root(), "--database", database, "--into", &self.server(), "--as", name, "--json"])
    }

    pub fn verify(&self) -> Ran {
        self.run(["verify", &self.root(), "--json"])
    }

    /// Every file below the root, with its bytes.
    pub fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut out = vec![];
        collect(&self.path("root"), &mut out);
        out.sort();
        out
    }

    /// The only file below the root with this ending.
    pub fn file(&self, ending: &str) -> PathBuf {
        let found: Vec<_> =
            self.files().into_iter().map(|(path, _)| path).filter(|path| path.to_string_lossy().ends_with(ending)).collect();
        assert_eq!(found.len(), 1, "files that end in {ending}: {found:?}");
        found.into_iter().next().unwrap()
    }
}

pub fn ran(mut command: Command) -> Ran {
    let output = command.stdin(Stdio::null()).output().unwrap();
    Ran {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Copies a folder into one that may exist.
pub fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-aT").args([from, to]).output().unwrap();
    assert!(copied.status.success(), "{copied:?}");
}

/// Every file below a folder, with its bytes.
pub fn collect(folder: &Path, out: &mut Vec<(PathBuf, Vec<u8>)>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, out);
        } else {
            let bytes = fs::read(&path).unwrap();
            out.push((path, bytes));
        }
    }
}
