//! Keys that archives are sealed for, and what a browser needs to use one.

use crate::{KeyId, TaskId};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// How long a key counts as being at hand after somebody proved it.
pub const DRILL_EVERY: SignedDuration = SignedDuration::from_hours(90 * 24);

/// A key: its public half, and when it was last proven to be at hand.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KeyView {
    /// Identifier.
    pub id: KeyId,
    /// Name.
    pub name: String,
    /// What tells it from all others.
    pub fingerprint: String,
    /// The public half.
    pub public_key: String,
    /// How a passphrase becomes the private half, as JSON; none for any other key.
    pub derivation: Option<String>,
    /// The one line of its key file, where that holds no secret: with a passphrase.
    pub file_line: Option<String>,
    /// Note.
    pub note: String,
    /// The tasks whose archives are sealed for it.
    pub tasks: Vec<(TaskId, String)>,
    /// When it was added.
    pub created_at: Timestamp,
    /// When somebody proved last that the private half is at hand, if anybody did.
    pub proven_at: Option<Timestamp>,
    /// By when that should be proven again.
    pub due_at: Timestamp,
    /// Number of the edit that this shows.
    pub version: i64,
    /// Fingerprint of the console, which signs the backups.
    pub instance: String,
    /// When this was read.
    pub now: Timestamp,
}

impl KeyView {
    /// Whether it is time to prove that the key is at hand.
    #[must_use]
    pub fn is_overdue(&self) -> bool {
        self.now >= self.due_at
    }
}

/// A sealed archive, as far as whoever has a key needs to see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedView {
    /// The envelopes of its archive and of those that it builds on, its own last, each in base64. The same keys open all of them.
    pub envelopes: Vec<String>,
    /// The keys that open it.
    pub keys: Vec<KnownKey>,
}

/// A key that opens an archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownKey {
    /// Its fingerprint.
    pub fingerprint: String,
    /// Its name here; none if this console does not know it.
    pub name: Option<String>,
    /// The public half, if it is known here.
    pub public_key: Option<String>,
    /// How a passphrase becomes it, as JSON, if one does and that is known here.
    pub derivation: Option<String>,
}
