//! The folder below which all local roots must lie, if an administrator has set one.

use domain::{Code, Error, Result};
use std::{
    io::{Error as IoError, ErrorKind},
    path::{Path, PathBuf},
};

/// The folder that `root` really is, if it lies below `limit`: all links resolved. What is used later is this path.
///
/// # Errors
/// [`Code::Forbidden`] if it lies elsewhere, [`Code::RootUnusable`] if that cannot be told.
pub fn resolve_below(root: &Path, limit: &Path) -> Result<PathBuf> {
    let resolved = |path: &Path| resolve(path).map_err(|error| unclear(path, &error));
    let (real, real_limit) = (resolved(root)?, resolved(limit)?);
    if real.starts_with(&real_limit) {
        return Ok(real);
    }
    let through = if real == root { String::new() } else { format!(", which is really {},", real.display()) };
    Err(Error::new(
        Code::Forbidden,
        format!("The folder {}{through} lies outside {}, below which all backups must be kept.", root.display(), limit.display()),
        "Choose a folder below it, or ask for the limit to be changed in the settings.",
    ))
}

/// Resolves all links of a path whose last folders may not exist yet.
fn resolve(path: &Path) -> std::io::Result<PathBuf> {
    let (mut at, mut missing) = (path, vec![]);
    loop {
        match at.canonicalize() {
            Ok(real) => return Ok(missing.into_iter().rev().fold(real, |path, name| path.join(name))),
            // A link to nothing is there, and could lead anywhere once something is made at its end.
            Err(error) if error.kind() != ErrorKind::NotFound || at.symlink_metadata().is_ok() => return Err(error),
            Err(_) => {
                let unclear = || IoError::new(ErrorKind::InvalidInput, "it goes up from a folder that does not exist");
                missing.push(at.file_name().ok_or_else(unclear)?);
                at = at.parent().ok_or_else(unclear)?;
            }
        }
    }
}

fn unclear(path: &Path, error: &IoError) -> Error {
    Error::new(
        Code::RootUnusable,
        format!("It cannot be told where {} really is: {error}.", path.display()),
        "Give the path of a folder without links to nowhere.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, os::unix::fs::symlink};

    #[test]
    fn a_root_outside_is_refused_however_it_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().canonicalize().unwrap();
        let (limit, outside) = (base.join("allowed"), base.join("outside"));
        fs::create_dir_all(limit.join("inside")).unwrap();
        fs::create_dir(&outside).unwrap();
        symlink(&outside, limit.join("out")).unwrap();
        symlink(limit.join("inside"), limit.join("in")).unwrap();
        symlink(base.join("nowhere"), limit.join("dangling")).unwrap();
        symlink(&limit, base.join("alias")).unwrap();

        let code = |path: PathBuf| resolve_below(&path, &limit).map_err(|error| error.code());
        assert_eq!(code(limit.join("inside")), Ok(limit.join("inside")));
        assert_eq!(code(limit.join("new/deeper")), Ok(limit.join("new/deeper")));
        assert_eq!(code(limit.join("in/new")), Ok(limit.join("inside/new")));
        assert_eq!(code(base.join("alias/new")), Ok(limit.join("new")));
        assert_eq!(resolve_below(&limit.join("new"), &base.join("alias")).unwrap(), limit.join("new"));
        for outside in [outside.clone(), limit.join("out"), limit.join("out/new"), limit.join("../outside"), base.join("allowed-not")] {
            assert_eq!(code(outside.clone()), Err(Code::Forbidden), "{}", outside.display());
        }
        for unclear in [limit.join("dangling"), limit.join("dangling/new"), limit.join("new/../../outside")] {
            assert_eq!(code(unclear.clone()), Err(Code::RootUnusable), "{}", unclear.display());
        }
    }
}
