//! What is taken out of a root through the browser.

use crate::{BackupKind, Dbms, DestinationId, Label, display::shell_word};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Which restore point, and what of it. It is named by what it is, never by a path.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DownloadQuery {
    /// The database.
    pub database: String,
    /// The folder of its chain, from the root on: another server can have a backup with the same label.
    pub folder: String,
    /// Its label.
    pub point: String,
    /// What of it.
    pub part: DownloadPart,
}

/// What can be taken of a restore point.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DownloadPart {
    /// All that a restore of it needs, as one tar file that unpacks to a root.
    #[default]
    Everything,
    /// Its archive.
    Archive,
    /// Its manifest.
    Manifest,
}

/// A restore point with all that a restore of it needs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DownloadView {
    /// The destination.
    pub destination: DestinationId,
    /// Its name.
    pub name: String,
    /// The database; `_globals` for roles and tablespaces.
    pub database: String,
    /// The folder of its chain, from the root on.
    pub folder: String,
    /// The restore point.
    pub point: Label,
    /// The kind of its server; none if that cannot be read.
    pub dbms: Option<Dbms>,
    /// The server that it came from.
    pub origin: Option<String>,
    /// What is needed, the full backup first and the restore point itself last; empty if it cannot be had.
    pub needed: Vec<DownloadFiles>,
    /// Why it cannot be had: a sentence, and what to do now.
    pub fault: Option<(String, String)>,
    /// Name of the tar file without its ending, which is that of the folder in it.
    pub bundle: String,
    /// Size of the tar file.
    pub bundle_bytes: u64,
    /// Who signed it, for those who trust nobody yet.
    pub signer: String,
    /// Fingerprints of the keys that open it; empty if it is not sealed.
    pub recipients: Vec<String>,
    /// Whether the password was typed so lately that it need not be typed again.
    pub confirmed: bool,
    /// When this was read.
    pub now: Timestamp,
}

/// The two files of a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DownloadFiles {
    /// Its label.
    pub label: Label,
    /// Full or incremental.
    pub kind: BackupKind,
    /// Where its archive lies, from the root on.
    pub archive: String,
    /// Bytes of its archive.
    pub archive_bytes: u64,
    /// Where its manifest lies, from the root on.
    pub manifest: String,
}

impl DownloadView {
    /// How the tar file is restored once it is unpacked, as a shell takes it. What nobody here can know is in capital letters.
    #[must_use]
    pub fn command(&self) -> String {
        let [bundle, database] = [&self.bundle, &self.database].map(|word| shell_word(word));
        let into = if self.dbms == Some(Dbms::Sqlite) { "sqlite:FOLDER" } else { "postgres://USER@HOST" };
        let key = if self.recipients.is_empty() { "" } else { " --key KEY_FILE" };
        let Self { point, signer, .. } = self;
        format!(
            "rookery restore {bundle} --database {database} --point {point} --into {into} --as NEW_NAME{key} --accept-instance {signer}"
        )
    }
}
