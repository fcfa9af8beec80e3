//! A small disk of its own, for tests of a full one.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};

/// Mounts, and unmounts when standard input ends, which is when the test does, however that happens.
const KEEPER: &str = r#"
mount -t tmpfs -o "size=$2,mode=1777" rookery-test "$1" || exit 1
echo mounted; exec >&-
read -r _
umount -l "$1"; rmdir "$1"
"#;

/// A mounted memory file system of limited size; unmounted when dropped. Needs root, or sudo without a password.
#[derive(Debug)]
pub struct Tmpfs {
    keeper: Child,
    path: PathBuf,
}

impl Tmpfs {
    /// Mounts one with room for `size_bytes` (rounded up to whole pages).
    ///
    /// # Errors
    /// When mounting is not permitted.
    pub fn mount(size_bytes: u64) -> Result<Self> {
        let path = tempfile::Builder::new().prefix("rookery-disk-").tempdir().context("cannot make a mount point")?.keep();
        let root = rustix::process::geteuid().is_root();
        let mut command = Command::new(if root { "/bin/sh" } else { "sudo" });
        command
            .args(if root { [].as_slice() } else { &["-n", "/bin/sh"] })
            .args(["-c", KEEPER, "keeper"])
            .arg(&path)
            .arg(size_bytes.to_string());
        let keeper = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().context("cannot run a shell")?;
        let mut disk = Self { keeper, path };
        let mut said = String::new();
        BufReader::new(disk.keeper.stdout.take().context("the keeper has no output")?).read_line(&mut said)?;
        ensure!(said == "mounted\n", "cannot mount a small disk for the test; run as root, or allow sudo without a password");
        Ok(disk)
    }

    /// Where it is mounted; everybody may write there.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
        // Left over only when mounting failed; a mounted folder is refused, and so never emptied from here.
        let _ = std::fs::remove_dir(&self.path);
    }
}
