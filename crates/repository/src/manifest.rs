//! The signed record of one backup. A backup exists if and only if its manifest does.

use crate::{
    Fingerprint, envelope,
    instance::{PublicInstance, Trust},
    layout::Place,
};
use domain::{BackupKind, BackupType, Code, Covered, Dbms, Error, Label, Result};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

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
    /// With [`Manifest::covers_to`] the range of moments that an incremental can restore, by the clock of the server that was read:
    /// later than this one. None if only its end can be restored.
    pub covers_from: Option<Timestamp>,
    /// The last moment of that range.
    #[serde(default)]
    pub covers_to: Option<Timestamp>,
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

/// What is read before the signature was checked.
#[derive(Deserialize)]
struct Head {
    format: u32,
    instance: PublicInstance,
}

impl Manifest {
    /// Whether it was made so that others can come after it. One that was not says nothing of where the next one goes on from.
    #[must_use]
    pub fn is_followed(&self) -> bool {
        self.prior.is_some() || !self.position.to.is_null()
    }

    /// The signed bytes of this manifest.
    pub fn sign(&self, instance: &crate::Instance) -> Result<Vec<u8>> {
        let payload = serde_json::to_vec(self).map_err(|error| Error::internal("A manifest could not be written.").because(error))?;
        envelope::sign(&payload, instance)
    }

    /// Reads signed bytes found at `place`: checks the signature, the format, that the manifest does not contradict itself, and that
    /// it lies where it says it belongs. Whether the signer is trusted is [`Manifest::check_trust`]'s question.
    pub fn open(bytes: &[u8], place: &Place) -> Result<Self> {
        let unreadable = |error| Error::new(Code::Damaged, "The manifest cannot be read.", "Choose another restore point.").because(error);
        let payload = envelope::payload(bytes)?;
        let head: Head = serde_json::from_slice(&payload).map_err(unreadable)?;
        envelope::verify(bytes, &head.instance)?;
        if head.format != FORMAT {
            return Err(Error::new(
                Code::Unsupported,
                format!("The manifest has format {}, and this version of Rookery reads format {FORMAT}.", head.format),
                "Use a newer version of Rookery.",
            ));
        }
        let manifest: Self = serde_json::from_slice(&payload).map_err(unreadable)?;
        manifest.check_sense()?;
        manifest.check_place(place)?;
        Ok(manifest)
    }

    /// An error unless the signer is trusted here.
    pub fn check_trust(&self, trust: &Trust) -> Result<()> {
        trust.check(&self.instance)
    }

    /// The range of moments that it can restore; `None` if its end alone.
    #[must_use]
    pub fn covered(&self) -> Option<Covered> {
        self.covers_from.zip(self.covers_to).map(|(from, to)| Covered { from, to })
    }

    /// Whether the archive is encrypted.
    #[must_use]
    pub fn sealed(&self) -> bool {
        self.recipients.is_some()
    }

    /// An error unless the archive beside the manifest has the size that was signed; `None` if there is no archive.
    ///
    /// # Errors
    /// [`Code::Damaged`].
    pub fn check_size(&self, there: Option<u64>) -> Result<()> {
        match there {
            Some(there) if there == self.archive.size_bytes => Ok(()),
            Some(there) => {
                Err(self
                    .bad_archive(&format!("has {there} bytes where {} were signed: it was cut short or replaced", self.archive.size_bytes)))
            }
            None => Err(self.bad_archive("is missing, though its manifest is there")),
        }
    }

    /// An error unless the archive's stored bytes have the SHA-256 that was signed.
    ///
    /// # Errors
    /// [`Code::Damaged`].
    pub fn check_sha256(&self, there: [u8; 32]) -> Result<()> {
        if hex::encode(there) == self.archive.sha256 { Ok(()) } else { Err(self.bad_archive("does not have the bytes that were signed")) }
    }

    /// An error unless an archive is sealed for the keys that the manifest names, in any order.
    pub(crate) fn check_recipients(&self, sealed_for: &[Fingerprint]) -> Result<()> {
        let sealed_for: BTreeSet<String> = sealed_for.iter().map(ToString::to_string).collect();
        let named: BTreeSet<String> = self.recipients.iter().flatten().cloned().collect();
        if sealed_for == named { Ok(()) } else { Err(self.bad_archive("is sealed for other keys than its manifest names")) }
    }

    /// An error unless an archive has as many members as were signed.
    pub(crate) fn check_members(&self, there: u64) -> Result<()> {
        let signed = self.archive.members;
        if there == signed { Ok(()) } else { Err(self.bad_archive(&format!("has {there} members where {signed} were signed"))) }
    }

    fn bad_archive(&self, what: &str) -> Error {
        Error::new(
            Code::Damaged,
            format!("The archive of {} of database {:?} {what}.", self.label, self.database),
            "Choose another restore point, and make a new full backup.",
        )
    }

    /// What was signed and cannot be true: a defect of who wrote it, or the work of who holds its key.
    fn check_sense(&self) -> Result<()> {
        let is_sha256 = |text: &str| text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let is_fingerprint = |text: &String| text.parse::<Fingerprint>().is_ok_and(|fingerprint| fingerprint.to_string() == *text);
        let fault = if self.kind != self.label.kind() || self.backup_type != self.label.backup_type() {
            "is of another kind or type than its label says"
        } else if self.kind == BackupKind::Full && self.prior.is_some() {
            "is of a full backup, and names one that it builds on"
        } else if self.kind == BackupKind::Incremental && self.prior.is_none() {
            "is of an incremental backup, and does not name the one that it builds on"
        } else if self.prior.as_ref().is_some_and(|prior| prior.label >= self.label) {
            "names a backup that it builds on, which is not older"
        } else if self.prior.as_ref().is_some_and(|prior| !is_sha256(&prior.manifest_sha256)) || !is_sha256(&self.archive.sha256) {
            "holds a SHA-256 that is none"
        } else if self.recipients.as_ref().is_some_and(|recipients| recipients.is_empty() || !recipients.iter().all(is_fingerprint)) {
            "tells of a sealed archive, and does not name the keys that open it"
        } else {
            return Ok(());
        };
        Err(Self::untrustworthy(format!("The manifest of {} of database {:?} {fault}.", self.label, self.database)))
    }

    /// A manifest moved or renamed is a valid signature in the wrong place.
    fn check_place(&self, place: &Place) -> Result<()> {
        let (there, signed) = (place.label(), self.label);
        if there != signed {
            let poses = if signed.at() < there.at() { "an older backup poses as a newer one" } else { "it poses as another backup" };
            let sentence = format!("The manifest that lies under the name {there} was signed for another name, {signed}: {poses}.");
            return Err(Self::untrustworthy(sentence));
        }
        if !place.is_of(&self.database, &self.server.name, signed)? {
            let sentence =
                format!("The manifest of {signed} of database {:?} lies in another folder than it was signed for.", self.database);
            return Err(Self::untrustworthy(sentence));
        }
        if self.archive.name != place.archive_file(self.sealed()) {
            let sentence = format!("The manifest of {signed} of database {:?} names an archive that is not its own.", self.database);
            return Err(Self::untrustworthy(sentence));
        }
        Ok(())
    }

    fn untrustworthy(sentence: String) -> Error {
        let next_step = "Do not trust this backup. Choose another restore point, and find out who can write to the root.";
        Error::new(Code::Damaged, sentence, next_step)
    }
}
