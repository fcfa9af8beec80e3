//! Folders of SQLite databases for tests, and the round trip through an archive.

pub mod chain;

use super::{Archive, load_whole};
use domain::{Result, Summary, TableSummary};
use rusqlite::Connection;
use source::{Context, Description, Scope, Source, StageRequest, sqlite::Sqlite};
use std::{
    path::{Path, PathBuf},
    process::Command,
};
use tempfile::TempDir;

/// A folder, and a source on it.
pub struct Folder {
    pub temp: TempDir,
    pub workers: usize,
}

/// What a backup gave.
pub struct Backup {
    pub archive: Archive,
    pub description: Description,
    pub summary: Summary,
}

impl Folder {
    pub fn new() -> Self {
        Self { temp: tempfile::tempdir().unwrap(), workers: 2 }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.temp.path().join(name)
    }

    pub fn source(&self) -> Sqlite {
        Sqlite::new(self.temp.path(), self.workers).unwrap().with_patience(std::time::Duration::from_secs(10))
    }

    /// A connection that creates the database if need be.
    pub fn connect(&self, name: &str) -> Connection {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        Connection::open(path).unwrap()
    }

    pub fn make(&self, name: &str, sql: &str) {
        self.connect(name).execute_batch(sql).unwrap();
    }

    pub fn names(&self) -> Vec<String> {
        self.source().databases(&Context::default()).unwrap().into_iter().map(|database| database.name).collect()
    }

    pub fn backup(&self, name: &str) -> Result<Backup> {
        self.backup_with(name, &Context::default())
    }

    pub fn backup_with(&self, name: &str, context: &Context) -> Result<Backup> {
        let archive = Archive::default();
        let reading = self.source().begin_full(&Scope::Database(name.into()), context)?;
        let description = reading.description().clone();
        let summary = reading.read(&archive, context)?;
        Ok(Backup { archive, description, summary })
    }

    pub fn request(&self, backup: &Backup, name: &str) -> StageRequest {
        StageRequest {
            name: name.into(),
            description: backup.description.clone(),
            no_owner: false,
            create_roles: false,
            only_table: None,
            keep_going: false,
        }
    }

    pub fn restore(&self, backup: &Backup, name: &str) -> Result<Vec<TableSummary>> {
        let context = Context::default();
        let mut staging = self.source().stage(&self.request(backup, name), &context)?;
        load_whole(&mut *staging, &backup.archive, &context)?;
        let tables = staging.tables(None, &context)?;
        let compared = staging.compare(&backup.archive, &context)?;
        assert!(compared.iter().all(domain::Comparison::is_equal), "{compared:?}");
        assert_eq!(compared.iter().map(|it| it.what.as_str()).collect::<Vec<_>>(), ["definitions", "properties of the database"]);
        staging.publish(&context)?;
        Ok(tables)
    }

    /// Backs up and restores as `copy`, and demands that nothing tells the two apart.
    pub fn round_trip(&self, name: &str, copy: &str) -> Backup {
        let backup = self.backup(name).unwrap();
        let tables = self.restore(&backup, copy).unwrap();
        assert_eq!(tables, backup.summary.tables);
        assert_same(&self.path(name), &self.path(copy));
        let hidden: Vec<_> = self.all_files().into_iter().filter(|file| file.contains(".rookery-")).collect();
        assert!(hidden.is_empty(), "left: {hidden:?}");
        backup
    }

    /// Every file below the folder, relative.
    pub fn all_files(&self) -> Vec<String> {
        fn list(folder: &Path, files: &mut Vec<PathBuf>) {
            for entry in folder.read_dir().unwrap() {
                let path = entry.unwrap().path();
                if path.symlink_metadata().unwrap().is_dir() { list(&path, files) } else { files.push(path) }
            }
        }
        let mut files = vec![];
        list(self.temp.path(), &mut files);
        let mut files: Vec<_> =
            files.iter().map(|path| path.strip_prefix(self.temp.path()).unwrap().to_string_lossy().into_owned()).collect();
        files.sort();
        files
    }
}

/// Output of the `sqlite3` program.
pub fn sqlite3(path: &Path, command: &str) -> Vec<u8> {
    let output = Command::new("sqlite3").arg("-readonly").arg(path).arg(command).output().unwrap();
    assert!(output.status.success(), "sqlite3 {command}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// Demands the same `.dump`, the same `sqlite_schema` with its rowids, and the same properties.
pub fn assert_same(a: &Path, b: &Path) {
    for command in [
        ".dump",
        "SELECT rowid, type, name, tbl_name, rootpage > 0, hex(sql) FROM sqlite_schema ORDER BY rowid",
        "PRAGMA page_size; PRAGMA encoding; PRAGMA auto_vacuum; PRAGMA user_version; PRAGMA application_id; PRAGMA journal_mode",
    ] {
        let (a, b) = (sqlite3(a, command), sqlite3(b, command));
        assert_eq!(String::from_utf8_lossy(&a), String::from_utf8_lossy(&b), "{command}");
        assert_eq!(a, b, "{command}");
    }
    assert_eq!(sqlite3(b, "PRAGMA integrity_check"), b"ok\n");
}
