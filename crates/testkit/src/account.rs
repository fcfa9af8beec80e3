//! The account that servers under test run as: PostgreSQL refuses to run as root.

use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};

const NAME: &str = "rookery_test";

/// Whom a server under test runs as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Account {
    /// The tests do not run as root: servers run as the same user.
    Ours,
    /// The tests run as root: servers run as the system user `rookery_test`.
    Other {
        /// Numeric user id.
        uid: u32,
        /// Numeric group id.
        gid: u32,
    },
}

impl Account {
    /// The account for servers, made when it is missing.
    ///
    /// # Errors
    /// When the user cannot be made.
    pub fn for_servers() -> Result<Self> {
        if !rustix::process::geteuid().is_root() {
            return Ok(Self::Ours);
        }
        // Several test processes may make the user at once; useradd holds a lock, and whoever loses only has to look again.
        for _ in 0..50 {
            if let (Some(uid), Some(gid)) = (id("-u"), id("-g")) {
                return Ok(Self::Other { uid, gid });
            }
            Command::new("useradd").args(["--system", "--no-create-home", NAME]).output().context("cannot run useradd")?;
            thread::sleep(Duration::from_millis(20));
        }
        bail!("the user {NAME} is missing and useradd could not make it; make it by hand: useradd --system {NAME}")
    }

    /// A command that runs `program` as this account.
    #[must_use]
    pub fn command(self, program: &Path) -> Command {
        match self {
            Self::Ours => Command::new(program),
            Self::Other { uid, gid } => {
                let mut command = Command::new("setpriv");
                command.args([format!("--reuid={uid}"), format!("--regid={gid}"), "--clear-groups".into(), "--".into()]).arg(program);
                command
            }
        }
    }

    /// Gives a file or folder to this account, readable by nobody else.
    ///
    /// # Errors
    /// When owner or permissions cannot be set.
    pub fn give(self, path: &Path) -> Result<()> {
        let mode = if path.is_dir() { 0o700 } else { 0o600 };
        std::fs::set_permissions(path, Permissions::from_mode(mode)).with_context(|| format!("cannot protect {}", path.display()))?;
        if let Self::Other { uid, gid } = self {
            chown(path, Some(uid), Some(gid)).with_context(|| format!("cannot give {} to {NAME}", path.display()))?;
        }
        Ok(())
    }
}

fn id(which: &str) -> Option<u32> {
    let out = Command::new("id").args([which, NAME]).output().ok()?;
    String::from_utf8(out.stdout).ok()?.trim().parse().ok()
}
