//! Sealed backups that somebody opens: the browser takes the data key of one archive out of its envelope, and only that is sent.

use super::Request;
use crate::{Control, Operate, Permit};
use base64::{Engine, engine::general_purpose::STANDARD};
use domain::{
    Code, DestinationId, Error, Label, Result, RunKind,
    view::key::{KnownKey, SealedView},
};
use repository::Key;
use seal::DataKey;
use zeroize::Zeroizing;

/// The data keys that were sent, with blanks between them. What is none is not repeated.
pub(super) fn data_keys(text: String) -> Result<Key> {
    let text = Zeroizing::new(text);
    let key = |word: &str| STANDARD.decode(word).map(Zeroizing::new).ok().and_then(|bytes| DataKey::from_bytes(&bytes).ok());
    let keys: Option<Vec<DataKey>> = text.split_whitespace().map(key).collect();
    let keys = keys.filter(|keys| !keys.is_empty()).map(Key::Data);
    keys.ok_or_else(|| Error::new(Code::WrongKey, "This is not the key of an archive.", "Give the key again."))
}

impl Control {
    /// What a sealed restore point begins with, for the browser to open with a key; none for one that is not sealed.
    ///
    /// # Errors
    /// [`Code::NotFound`], and what reading the repository says.
    pub async fn sealed_point(
        &self,
        _: &Permit<Operate>,
        destination: DestinationId,
        database: &str,
        label: &str,
        origin: Option<String>,
    ) -> Result<Option<SealedView>> {
        let label: Label = label.parse()?;
        let request =
            Request { database: database.into(), origin, label, until: None, no_owner: false, create_roles: false, with_key: false };
        let (repository, point) = self.find_point(destination, &request).await?;
        let manifest = repository.usable(&point)?;
        if !manifest.sealed() {
            return Ok(None);
        }
        let mut envelopes = vec![];
        for point in repository.lineage(&point).await? {
            envelopes.push(repository.envelope(&point.place, repository.usable(&point)?).await?);
        }
        let recipients: Vec<_> = envelopes.last().iter().flat_map(|envelope| envelope.recipients()).collect();
        let known = self.catalog.keys().await?;
        let key = |fingerprint: seal::Fingerprint| {
            let fingerprint = fingerprint.to_string();
            let known = known.iter().find(|key| key.fingerprint == fingerprint);
            KnownKey {
                name: known.map(|key| key.name.clone()),
                public_key: known.map(|key| key.public_key.clone()),
                derivation: known.and_then(|key| key.derivation.as_ref().map(ToString::to_string)),
                fingerprint,
            }
        };
        let envelopes = envelopes.iter().map(|envelope| STANDARD.encode(envelope.as_bytes())).collect();
        Ok(Some(SealedView { envelopes, keys: recipients.into_iter().map(key).collect() }))
    }

    /// How many runs wait with the data key of their archive, which is in memory as long.
    #[must_use]
    pub fn keys_in_memory(&self) -> usize {
        self.underway.keys()
    }

    /// The key, if the backup is sealed and it opens it, and for a restore those that it builds on; none if the backup is not sealed.
    pub(super) async fn ensure_opens(
        &self,
        kind: RunKind,
        destination: DestinationId,
        request: &Request,
        key: Option<Key>,
    ) -> Result<Option<Key>> {
        let (repository, point) = self.find_point(destination, request).await?;
        let manifest = repository.usable(&point)?;
        if !manifest.sealed() {
            return Ok(None);
        }
        let needed = if kind == RunKind::Restore { repository.lineage(&point).await? } else { vec![point] };
        for point in needed {
            let opened = repository.archive(&point.place, repository.usable(&point)?, None, key.as_ref()).await;
            opened.map_err(|error| match error.code() {
                Code::KeyNeeded => Error::new(Code::KeyNeeded, "This backup is sealed, and no key was given.", "Go back to the step Key."),
                _ => error,
            })?;
        }
        Ok(key)
    }
}
