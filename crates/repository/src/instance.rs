//! Who writes a repository, and whose repositories are trusted.

use base64::{Engine, engine::general_purpose::STANDARD};
use domain::{Code, Error, Result};
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use seal::Fingerprint;
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use zeroize::{Zeroize, Zeroizing};

/// The fingerprint of an instance's public key.
fn fingerprint_of(key: &VerifyingKey) -> Fingerprint {
    Fingerprint::of("rookery/v1/instance", key.as_bytes())
}

/// An instance's public half, as it stands in markers and manifests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicInstance {
    /// Its identifier.
    pub id: Uuid,
    /// Its Ed25519 public key, 32 bytes in base64.
    pub public_key: String,
}

impl PublicInstance {
    /// Its key's fingerprint, by which it is trusted.
    pub fn fingerprint(&self) -> Result<Fingerprint> {
        Ok(fingerprint_of(&self.key()?))
    }

    /// The key itself.
    pub fn key(&self) -> Result<VerifyingKey> {
        let bytes = STANDARD.decode(&self.public_key).ok().and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
        bytes.and_then(|bytes| VerifyingKey::from_bytes(&bytes).ok()).ok_or_else(|| {
            Error::new(
                Code::BadSignature,
                "The public key of the instance that signed is not an Ed25519 key.",
                "Choose another restore point.",
            )
        })
    }
}

/// This installation: its identifier and the Ed25519 key that signs what it writes.
pub struct Instance {
    id: Uuid,
    key: SigningKey,
}

#[derive(Serialize, Deserialize, Zeroize)]
#[serde(deny_unknown_fields)]
struct Saved {
    #[zeroize(skip)]
    id: Uuid,
    private_key: String,
}

impl Instance {
    /// A new instance with a key from the operating system's random numbers.
    pub fn generate() -> Result<Self> {
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(seed.as_mut()).map_err(|error| {
            Error::new(Code::DataDir, "The operating system gave no random numbers for a new key.", "Try again.").because(error)
        })?;
        Ok(Self { id: Uuid::new_v4(), key: SigningKey::from_bytes(&seed) })
    }

    /// Reads what [`Instance::to_json`] wrote.
    pub fn from_json(json: &str) -> Result<Self> {
        let broken = || {
            Error::new(
                Code::DataDir,
                "The instance key in the data directory is damaged.",
                "Restore the data directory from its own backup, or move the file away to start as a new instance and accept the old one's fingerprint.",
            )
        };
        let mut saved: Saved = serde_json::from_str(json).map_err(|_| broken())?;
        let seed =
            STANDARD.decode(&saved.private_key).map(Zeroizing::new).ok().and_then(|bytes| <[u8; 32]>::try_from(bytes.as_slice()).ok());
        saved.private_key.zeroize();
        let seed = Zeroizing::new(seed.ok_or_else(broken)?);
        Ok(Self { id: saved.id, key: SigningKey::from_bytes(&seed) })
    }

    /// The form in which the data directory keeps it. Holds the private key.
    #[must_use]
    pub fn to_json(&self) -> Zeroizing<String> {
        let private_key = Zeroizing::new(STANDARD.encode(Zeroizing::new(self.key.to_bytes()).as_slice()));
        Zeroizing::new(format!("{{\"id\":\"{}\",\"private_key\":\"{}\"}}\n", self.id, private_key.as_str()))
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> PublicInstance {
        PublicInstance { id: self.id, public_key: STANDARD.encode(self.key.verifying_key().as_bytes()) }
    }

    /// The fingerprint of the public half.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        fingerprint_of(&self.key.verifying_key())
    }

    /// Signs bytes.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> Signature {
        self.key.sign(message)
    }
}

/// The instances whose signatures count here: our own, and those that the user accepted.
#[derive(Clone, Debug, Default)]
pub struct Trust(Vec<Fingerprint>);

impl Trust {
    /// Trusts these fingerprints.
    pub fn new(fingerprints: impl IntoIterator<Item = Fingerprint>) -> Self {
        Self(fingerprints.into_iter().collect())
    }

    /// Whether an instance is trusted.
    #[must_use]
    pub fn includes(&self, fingerprint: Fingerprint) -> bool {
        self.0.contains(&fingerprint)
    }

    /// The fingerprints that are trusted.
    #[must_use]
    pub fn fingerprints(&self) -> &[Fingerprint] {
        &self.0
    }

    /// An error of code `unknown-instance` unless the instance is trusted.
    pub fn check(&self, instance: &PublicInstance) -> Result<()> {
        let fingerprint = fingerprint_of(&instance.key()?);
        if self.includes(fingerprint) {
            return Ok(());
        }
        Err(Error::new(
            Code::UnknownInstance,
            format!("This repository was signed by an instance that is not known here (fingerprint {fingerprint})."),
            format!("If you know that it is yours, compare the fingerprint and run again with --accept-instance {fingerprint}."),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_survives_being_saved() {
        let instance = Instance::generate().unwrap();
        let again = Instance::from_json(&instance.to_json()).unwrap();
        assert_eq!((instance.public(), instance.fingerprint()), (again.public(), again.fingerprint()));
        assert_ne!(Instance::generate().unwrap().fingerprint(), instance.fingerprint());
    }

    #[test]
    fn a_fingerprint_is_read_as_it_is_shown_and_without_dashes() {
        let fingerprint = Instance::generate().unwrap().fingerprint();
        let shown = fingerprint.to_string();
        assert_eq!(shown.len(), 39);
        assert_eq!(shown.parse::<Fingerprint>().unwrap(), fingerprint);
        assert_eq!(shown.replace('-', "").to_uppercase().parse::<Fingerprint>().unwrap(), fingerprint);
        assert_eq!("12".parse::<Fingerprint>().unwrap_err().code(), Code::Usage);
    }

    #[test]
    fn a_damaged_key_file_is_refused() {
        for json in ["", "{}", "{\"id\":\"x\"}", "{\"id\":\"6f2f3e0e-8f3a-4d5b-9c1a-000000000000\",\"private_key\":\"AAAA\"}"] {
            assert_eq!(Instance::from_json(json).err().map(|error| error.code()), Some(Code::DataDir), "{json}");
        }
    }

    #[test]
    fn only_trusted_instances_pass() {
        let (ours, other) = (Instance::generate().unwrap(), Instance::generate().unwrap());
        let trust = Trust::new([ours.fingerprint()]);
        trust.check(&ours.public()).unwrap();
        let error = trust.check(&other.public()).unwrap_err();
        assert_eq!(error.code(), Code::UnknownInstance);
        assert!(error.next_step().contains(&other.fingerprint().to_string()));
    }
}
