//! The signed record of one backup. A backup exists if and only if its manifest does.

use crate::{envelope, instance::PublicInstance, instance::Trust, layout::Place};
use domain::{BackupKind, BackupType, Code, Dbms, Error, Label, Result};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What a manifest says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of the manifest's format.
    pub format: u32,
    /// Who signed it.
    pub instance: PublicInstance,
    /// The server that was read.
    pub server: ServerRef,
    /// The database that was read.
    pub database: String,
    /// Logical or snapshot.
    #[serde(rename = "type")]
    pub backup_type: BackupType,
    /// Full or incremental.
    pub kind: BackupKind,
    /// The backup's label.
    pub label: Label,
    /// What an incremental builds on.
    pub prior: Option<Prior>,
    /// When reading began.
    pub began_at: Timestamp,
    /// When the archive was complete.
    pub ended_at: Timestamp,
    /// Where the server's log of changes stood, before and after.
    #[serde(default)]
    pub position: Positions,
    /// The first moment that this backup can restore, where it covers a range that ends with its own time.
    pub covers_from: Option<Timestamp>,
    /// The archive.
    pub archive: ArchiveRef,
    /// Fingerprints of the keys that open it; `None` for an archive that is not sealed.
    pub recipients: Option<Vec<String>>,
    /// Client tools that took part, with their versions.
    pub tools: Vec<String>,
    /// The task, if one ordered it.
    pub task: Option<String>,
    /// Why it is of its kind, a sentence.
    pub reason: String,
    /// Version of Rookery that wrote it.
    pub written_by: String,
}

/// The server of a manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerRef {
    /// The name that the chain's folder carries.
    pub name: String,
    /// Its kind.
    pub dbms: Dbms,
    /// Its version.
    pub version: String,
    /// What stays the same while it is the same server.
    pub instance: String,
}

/// The backup that an incremental builds on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prior {
    /// Its label.
    pub label: Label,
    /// SHA-256 of its manifest's bytes, in hexadecimal digits.
    pub manifest_sha256: String,
}

/// Positions in the server's log of changes, in the form of the Dbms.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Positions {
    /// Where the backup goes on from.
    #[serde(default)]
    pub from: serde_json::Value,
    /// Where the next one goes on from.
    #[serde(default)]
    pub to: serde_json::Value,
}

/// The archive of a manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchiveRef {
    /// Its name within the chain's folder.
    pub name: String,
    /// Bytes as stored.
    pub size_bytes: u64,
    /// SHA-256 of the stored bytes, in hexadecimal digits.
    pub sha256: String,
    /// Bytes of all members when decompressed.
    pub plain_bytes: u64,
    /// Number of members.
    pub members: u64,
    /// Rows of all tables.
    pub rows: u64,
}

/// The format that this code reads and writes.
pub const FORMAT: u32 = 1;

impl Manifest {
    /// The signed bytes of this manifest.
    pub fn sign(&self, instance: &crate::Instance) -> Result<Vec<u8>> {
        let payload = serde_json::to_vec(self).map_err(|error| Error::internal("A manifest could not be written.").because(error))?;
        envelope::sign(&payload, instance)
    }

    /// Reads signed bytes found at `place`: checks the signature, that the manifest lies where it says it belongs,
    /// and its format. Whether the signer is trusted is [`Manifest::check_trust`]'s question.
    pub fn open(bytes: &[u8], place: &Place) -> Result<Self> {
        let payload = envelope::payload(bytes)?;
        let manifest: Self = serde_json::from_slice(&payload)
            .map_err(|error| Error::new(Code::Damaged, "The manifest cannot be read.", "Choose another restore point.").because(error))?;
        envelope::verify(bytes, &manifest.instance)?;
        if manifest.format != FORMAT {
            return Err(Error::new(
                Code::Unsupported,
                format!("The manifest has format {}, and this version of Rookery reads format {FORMAT}.", manifest.format),
                "Use a newer version of Rookery.",
            ));
        }
        manifest.check_place(place)?;
        Ok(manifest)
    }

    /// An error unless the signer is trusted here.
    pub fn check_trust(&self, trust: &Trust) -> Result<()> {
        trust.check(&self.instance)
    }

    /// Whether the archive is encrypted.
    #[must_use]
    pub fn sealed(&self) -> bool {
        self.recipients.is_some()
    }

    /// A manifest moved or renamed is a valid signature in the wrong place: an older backup posing as a newer one.
    fn check_place(&self, place: &Place) -> Result<()> {
        let belongs = self.label == place.label()
            && self.kind == self.label.kind()
            && self.backup_type == self.label.backup_type()
            && self.archive.name == place.archive_file(self.sealed())
            && match self.kind {
                BackupKind::Full => Place::of_full(&self.database, &self.server.name, self.label)? == *place,
                BackupKind::Incremental => self.prior.is_some(),
            };
        if belongs {
            return Ok(());
        }
        Err(Error::new(
            Code::Damaged,
            format!(
                "The manifest of {} of database {:?} lies under another name or in another folder than it was signed for.",
                self.label, self.database
            ),
            "Do not trust this backup. Choose another restore point, and find out who can write to the root.",
        ))
    }
}
