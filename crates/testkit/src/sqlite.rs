//! SQLite's own view of a database, by its command line.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// The database as `sqlite3 .dump` writes it: schema and rows as SQL. Opens read-only.
///
/// # Errors
/// When `sqlite3` is not installed, or with its message.
pub fn sqlite_dump(file: &Path) -> Result<String> {
    // An absolute path is never taken for an option or a URI, whatever the file is called.
    let file = std::path::absolute(file)?;
    let out = Command::new("sqlite3").arg("-readonly").arg(&file).arg(".dump").output();
    let out = out.context("cannot run sqlite3; install the package `sqlite3`")?;
    let (text, message) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    // The tool reports a damaged page inside the dump and still ends with success.
    let whole = out.status.success() && message.is_empty() && text.ends_with("COMMIT;\n");
    ensure!(whole, "sqlite3 .dump of {} failed: {message}", file.display());
    Ok(text.into_owned())
}
