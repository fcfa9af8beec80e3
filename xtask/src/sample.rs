//! A folder of SQLite databases with content that is worth looking at, so that the console can be tried at once.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

/// Each file with what makes it.
const DATABASES: [(&str, &str); 4] = [
    ("shop.db", include_str!("sample/shop.sql")),
    ("library.db", include_str!("sample/library.sql")),
    ("field/sensors.db", include_str!("sample/sensors.sql")),
    ("Odd names & types.db", include_str!("sample/odd.sql")),
];

/// Makes those that are not there.
///
/// # Errors
/// If SQLite's command line is missing or a file cannot be written.
pub fn make(folder: &Path) -> Result<()> {
    for (name, sql) in DATABASES {
        let file = folder.join(name);
        if file.exists() {
            continue;
        }
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        }
        // Under another name until it is whole.
        let partial = file.with_extension("partial");
        let _ = std::fs::remove_file(&partial);
        fill(&partial, sql).with_context(|| format!("cannot make {}", file.display()))?;
        std::fs::rename(&partial, &file)?;
    }
    Ok(())
}

fn fill(file: &Path, sql: &str) -> Result<()> {
    let mut sqlite =
        Command::new("sqlite3").arg("-bail").arg(file).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().context("cannot run sqlite3")?;
    let mut input = sqlite.stdin.take().context("sqlite3 takes no input")?;
    input.write_all(sql.as_bytes())?;
    drop(input);
    let status = sqlite.wait()?;
    ensure!(status.success(), "sqlite3 failed ({status})");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_database_is_made_once_and_whole() {
        let folder = std::env::temp_dir().join(format!("rookery-sample-{}", std::process::id()));
        make(&folder).unwrap();
        make(&folder).unwrap();
        for (name, _) in DATABASES {
            let check =
                Command::new("sqlite3").arg(folder.join(name)).arg("PRAGMA integrity_check; PRAGMA foreign_key_check;").output().unwrap();
            assert_eq!(String::from_utf8_lossy(&check.stdout), "ok\n", "{name}");
        }
        let rows = Command::new("sqlite3").arg(folder.join("field/sensors.db")).arg("SELECT count(*) FROM readings").output().unwrap();
        assert_eq!(rows.stdout, b"50000\n");
        std::fs::remove_dir_all(folder).unwrap();
    }
}
