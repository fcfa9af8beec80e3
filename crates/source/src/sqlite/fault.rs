//! What SQLite and the file system say, told as errors of ours.

use domain::{Code, Error};
use rusqlite::{ErrorCode, ffi};
use std::{fmt::Display, io, path::Path};

/// Which database something happened to, for sentences.
#[derive(Clone, Debug)]
pub struct Subject(pub String);

impl Subject {
    /// An error of SQLite while `doing` something (a sentence's beginning, such as `Reading the table "item"`).
    pub fn fault(&self, doing: impl Display, error: rusqlite::Error) -> Error {
        let name = &self.0;
        let (code, sentence, next) = match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => (
                Code::Busy,
                format!("{doing} in {name:?} was not possible, because another program keeps the database locked."),
                "Let the program that writes to it finish, then run again.",
            ),
            Some(ErrorCode::DatabaseCorrupt) => (
                Code::CorruptDatabase,
                format!("{doing} in {name:?} failed, because the database file is damaged ({error})."),
                "Examine it with `sqlite3 FILE 'PRAGMA integrity_check'`, and repair it or restore an earlier backup; nothing of this run was kept.",
            ),
            Some(ErrorCode::NotADatabase) => (
                Code::NotADatabase,
                format!("The file {name:?} begins like a SQLite database but is none, or it is encrypted."),
                "Move it out of the folder, or leave it out of the task.",
            ),
            Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied | ErrorCode::ReadOnly) => (
                Code::Privilege,
                format!("{doing} in {name:?} was not possible, because the file or its folder cannot be opened."),
                "Give the account that runs Rookery access to the file and to its folder.",
            ),
            Some(ErrorCode::OperationInterrupted) => return Error::cancelled().because(error),
            Some(ErrorCode::DiskFull) => (
                Code::NoSpace,
                format!("{doing} in {name:?} failed, because the disk is full."),
                "Make room there, or set TMPDIR to a folder with room, and run again.",
            ),
            _ => (
                Code::ServerError,
                format!("{doing} in {name:?} failed: SQLite says {error}."),
                "See what it names; the log of the run has more.",
            ),
        };
        Error::new(code, sentence, next).because(error)
    }

    /// An error of the file system with the file at `path` while `doing` something.
    pub fn io_fault(&self, doing: impl Display, path: &Path, error: io::Error) -> Error {
        let (name, path) = (&self.0, path.display());
        let (code, next) = match error.kind() {
            io::ErrorKind::NotFound => return self.gone().because(error),
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                (Code::Privilege, "Give the account that runs Rookery access to it.")
            }
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => (Code::NoSpace, "Make room there, then run again."),
            _ => (Code::ServerError, "See to the disk or the share that it lies on, then run again."),
        };
        Error::new(code, format!("{doing} of {name:?} failed at {path}: {error}."), next).because(error)
    }

    /// The database is not there (any more).
    pub fn gone(&self) -> Error {
        Error::new(
            Code::DatabaseGone,
            format!("The database {:?} is not in the folder any more.", self.0),
            "If it was removed on purpose, leave it out of the task; otherwise restore it from its last backup.",
        )
    }

    /// The database contradicts itself in a way that SQLite did not notice.
    pub fn contradicts(&self, what: impl Display) -> Error {
        Error::new(
            Code::CorruptDatabase,
            format!("The database {:?} contradicts itself: {what}.", self.0),
            "Examine it with `sqlite3 FILE 'PRAGMA integrity_check'`, and repair it or restore an earlier backup; nothing of this run was kept.",
        )
    }
}

/// Whether waiting may help.
pub fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

/// Whether the file cannot be read where it lies: a journal of a crash must be rolled back first, the folder
/// is read-only while a WAL index would have to be made, or the path is longer than SQLite takes.
pub fn needs_copy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::CannotOpen))
        || matches!(error.sqlite_error(), Some(ffi::Error { code: ErrorCode::ReadOnly, .. }))
}
