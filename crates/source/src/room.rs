//! Private folders for temporary files. They go with the value, and those of killed processes by [`sweep`].

use crate::lease::Lease;
use std::{
    fs::{File, Permissions},
    io,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
};
use tempfile::TempDir;

/// A folder that only this user may enter.
pub struct Room {
    folder: TempDir,
    _lease: Lease,
}

impl Room {
    /// Makes a folder below `base` with a name that begins with `prefix`.
    pub fn new(base: &Path, prefix: &str) -> io::Result<Self> {
        loop {
            let folder =
                tempfile::Builder::new().prefix(prefix).rand_bytes(16).permissions(Permissions::from_mode(0o700)).tempdir_in(base)?;
            // A sweep that came between the two calls has removed the folder: make another.
            match File::open(folder.path()) {
                Ok(file) => {
                    if let Some(lease) = Lease::take(file)? {
                        return Ok(Self { folder, _lease: lease });
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Removes the rooms below `base` whose makers do not live any more.
pub fn sweep(base: &Path, prefix: &str) -> io::Result<()> {
    let me = rustix::process::geteuid().as_raw();
    for entry in base.read_dir()? {
        let path = entry?.path();
        let ours = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(prefix));
        if ours && path.symlink_metadata().is_ok_and(|data| data.is_dir() && data.uid() == me) {
            let Ok(folder) = File::open(&path) else { continue };
            if Lease::take(folder)?.is_some() {
                std::fs::remove_dir_all(&path)?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_rooms_of_the_dead_are_swept() {
        let base = tempfile::tempdir().unwrap();
        let living = Room::new(base.path(), "ours-").unwrap();
        std::fs::write(living.path().join("file"), "x").unwrap();
        let dead = base.path().join("ours-dead");
        let other = base.path().join("other");
        for folder in [&dead, &other] {
            std::fs::create_dir(folder).unwrap();
            std::fs::write(folder.join("secret"), "x").unwrap();
        }
        sweep(base.path(), "ours-").unwrap();
        assert!(living.path().join("file").exists() && other.exists() && !dead.exists());
        let path = living.path().to_owned();
        drop(living);
        assert!(!path.exists());
    }
}
