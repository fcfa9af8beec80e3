//! Databases below a folder: finding them, and their names.
//!
//! A name is the path below the folder. Paths need not be UTF-8: a byte that is not is written `//xHH`,
//! which no path contains otherwise, so that names stay distinct and can be turned back.

use super::{fault::Subject, held};
use crate::{Context, Database};
use domain::{Code, Error, Result};
use std::{
    ffi::OsString,
    fs::{DirEntry, Metadata},
    io,
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::{Path, PathBuf},
};

/// How files begin that a restore has not finished.
pub const STAGING_PREFIX: &str = ".rookery-staging-";

/// What SQLite keeps beside a database.
pub const COMPANIONS: [&str; 3] = ["-journal", "-wal", "-shm"];

/// Longest path of a new database: SQLite takes 512 bytes, and needs some for names of its own.
const MAX_PATH_BYTES: usize = 450;

/// Something below the folder.
pub enum Entry {
    /// A regular file.
    File(PathBuf, Metadata),
    /// A folder that may not be read.
    Unreadable(PathBuf),
}

/// Visits everything below `root`; links are not followed.
pub fn walk(root: &Path, context: &Context, visit: &mut dyn FnMut(Entry)) -> Result<()> {
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        context.check()?;
        let mut each = |entry: io::Result<DirEntry>| -> io::Result<()> {
            let path = entry?.path();
            match path.symlink_metadata() {
                Ok(data) if data.is_dir() => folders.push(path),
                Ok(data) if data.is_file() => visit(Entry::File(path, data)),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
            Ok(())
        };
        match folder.read_dir().and_then(|mut entries| entries.try_for_each(&mut each)) {
            Ok(()) => {}
            Err(error) if folder == root => return Err(unusable(root, error)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(_) => visit(Entry::Unreadable(folder)),
        }
    }
    Ok(())
}

/// The error for a folder that cannot be used at all.
pub fn unusable(root: &Path, error: io::Error) -> Error {
    let path = root.display();
    match error.kind() {
        io::ErrorKind::NotFound => Error::new(
            Code::NotFound,
            format!("The folder {path} does not exist."),
            "Give the path of the folder that holds the SQLite databases.",
        ),
        io::ErrorKind::NotADirectory => Error::new(
            Code::Usage,
            format!("{path} is a file, not a folder."),
            "Give the folder that the database lies in; every database below it is found.",
        ),
        io::ErrorKind::PermissionDenied => Error::new(
            Code::Privilege,
            format!("The folder {path} may not be read."),
            "Give the account that runs Rookery the right to read it.",
        ),
        _ => Error::new(
            Code::Unreachable,
            format!("The folder {path} cannot be read: {error}."),
            "See to the disk or the share that it lies on.",
        ),
    }
    .because(error)
}

/// Every database below `root`, ordered by name.
///
/// What may not be looked into is listed too (a folder with a trailing `/`), so that its run fails and says so
/// rather than something being left out in silence.
pub fn databases(root: &Path, context: &Context) -> Result<Vec<Database>> {
    let mut found = vec![];
    walk(root, context, &mut |entry| match entry {
        Entry::Unreadable(path) => found.push(Database { name: format!("{}/", name_below(root, &path)), size_bytes: None }),
        Entry::File(path, _) if is_staging(&path) => {}
        Entry::File(path, data) => {
            let listed = held::looks_like_database(&path).unwrap_or_else(|_| path.symlink_metadata().is_ok_and(|data| data.is_file()));
            if listed {
                found.push(Database { name: name_below(root, &path), size_bytes: Some(data.len()) });
            }
        }
    })?;
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

/// Whether the file is one that a restore has not finished.
pub fn is_staging(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_bytes().starts_with(STAGING_PREFIX.as_bytes()))
}

fn name_below(root: &Path, path: &Path) -> String {
    let relative = path.strip_prefix(root).unwrap_or(path);
    let mut name = String::new();
    for chunk in relative.as_os_str().as_bytes().utf8_chunks() {
        name.push_str(chunk.valid());
        name.extend(chunk.invalid().iter().map(|byte| format!("//x{byte:02X}")));
    }
    name
}

/// The path below the folder that has this name, if it is the name of a file: relative, without `.` and `..`.
fn relative(name: &str) -> Option<PathBuf> {
    let mut parts = name.split("//x");
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        bytes.push(u8::from_str_radix(part.get(..2)?, 16).ok()?);
        bytes.extend_from_slice(&part.as_bytes()[2..]);
    }
    let segments_fine = bytes.split(|&byte| byte == b'/').all(|segment| !matches!(segment, b"" | b"." | b".."));
    let path = PathBuf::from(OsString::from_vec(bytes));
    (segments_fine && !name.contains('\0') && name_below(Path::new(""), &path) == name).then_some(path)
}

/// The path of an existing database. Never leads through a link.
pub fn locate(root: &Path, name: &str) -> Result<PathBuf> {
    let subject = Subject(name.to_owned());
    if let Some(folder) = name.strip_suffix('/') {
        let sentence = format!("The folder {folder:?} may not be read, so databases in it cannot be backed up.");
        return Err(Error::new(
            Code::Privilege,
            sentence,
            "Give the account that runs Rookery the right to read it, or leave it out of the task.",
        ));
    }
    let path = root.join(relative(name).ok_or_else(|| subject.gone())?);
    for part in path.ancestors().take_while(|part| *part != root) {
        let data = part.symlink_metadata().map_err(|error| subject.io_fault("Opening", part, error))?;
        if data.is_symlink() || (part == path && !data.is_file()) {
            return Err(subject.gone());
        }
    }
    Ok(path)
}

/// The path of a database that does not exist yet.
pub fn locate_new(root: &Path, name: &str) -> Result<PathBuf> {
    let refuse = |sentence: String| Err(Error::new(Code::Usage, sentence, "Give a path below the folder, such as team/shop.db."));
    let Some(relative) = relative(name) else {
        return refuse(format!("{name:?} cannot be the name of a database in a folder."));
    };
    let last = relative.file_name().unwrap_or_default().as_bytes();
    if COMPANIONS.iter().any(|suffix| last.ends_with(suffix.as_bytes())) || last.starts_with(STAGING_PREFIX.as_bytes()) {
        return refuse(format!("{name:?} is a name that SQLite or Rookery uses for files beside a database."));
    }
    let path = root.join(relative);
    if path.as_os_str().len() > MAX_PATH_BYTES {
        return refuse(format!("The path {name:?} is longer than SQLite takes."));
    }
    for part in path.ancestors().skip(1).take_while(|part| *part != root) {
        match part.symlink_metadata() {
            Ok(data) if !data.is_dir() => {
                return refuse(format!("{name:?} would lead through {}, which is not a folder of its own.", part.display()));
            }
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(unusable(part, error)),
            _ => {}
        }
    }
    let taken = path.symlink_metadata().is_ok() || COMPANIONS.iter().any(|suffix| companion(&path, suffix).symlink_metadata().is_ok());
    if taken { Err(name_taken(name)) } else { Ok(path) }
}

/// The error for a name that something has already.
pub fn name_taken(name: &str) -> Error {
    Error::new(
        Code::NameTaken,
        format!("A file with the name {name:?} exists in the folder already."),
        "Choose another name, or move that file away.",
    )
}

/// The file that SQLite keeps beside a database.
pub fn companion(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_path_has_a_name_of_its_own(segments in proptest::collection::vec(proptest::collection::vec(1_u8.., 1..8), 1..4)) {
            let path = segments.join(&b'/');
            prop_assume!(path.split(|&b| b == b'/').all(|s| !matches!(s, b"" | b"." | b"..")));
            let path = PathBuf::from(OsString::from_vec(path));
            let name = name_below(Path::new("/srv"), &Path::new("/srv").join(&path));
            prop_assert_eq!(relative(&name), Some(path));
        }

        #[test]
        fn no_name_leads_out(name in "[./a\\x00~x//0-9A-F-]{0,12}") {
            if let Some(path) = relative(&name) {
                prop_assert!(path.components().all(|part| matches!(part, std::path::Component::Normal(_))));
            }
        }
    }
}
