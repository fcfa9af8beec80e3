//! Keys: the private half opens, the public half seals, and a data key does both for one archive.

mod derivation;
mod text;

pub use derivation::{Derivation, MIN_PASSPHRASE, check_passphrase};

use crate::{Fingerprint, damaged, random};
use base64::{Engine, engine::general_purpose::STANDARD};
use domain::{Code, Error, Result};
use hpke::{Deserializable, Kem as _, Serializable, kem::X25519HkdfSha256};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use text::{PRIVATE, PUBLIC};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// DHKEM(X25519, HKDF-SHA256) of RFC 9180.
pub(crate) type Kem = X25519HkdfSha256;

const KEY_BYTES: usize = 32;

/// The key that one archive's body is sealed with. It is random, and used once.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct DataKey([u8; KEY_BYTES]);

impl DataKey {
    /// A new one.
    ///
    /// # Errors
    /// When there are no random numbers.
    pub fn generate() -> Result<Self> {
        let mut key = Self([0; KEY_BYTES]);
        random(&mut key.0)?;
        Ok(key)
    }

    /// The one with these bytes.
    ///
    /// # Errors
    /// [`Code::Damaged`] unless they are 32.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        bytes.try_into().map(Self).map_err(|_| damaged("The sealed archive's data key has a wrong size."))
    }

    /// As it travels to whoever opens the one archive.
    #[must_use]
    pub fn to_base64(&self) -> Zeroizing<String> {
        Zeroizing::new(STANDARD.encode(self.0))
    }

    /// Its bytes, for those who seal and open.
    #[must_use]
    pub fn expose(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DataKey(…)")
    }
}

/// The half of a key that seals. Whoever has it can read nothing.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PublicKey([u8; KEY_BYTES]);

impl PublicKey {
    /// The public key with these bytes, a point of Curve25519.
    ///
    /// # Errors
    /// [`Code::Usage`] for bytes that are no public key.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let key = bytes.try_into().map(Self).map_err(|_| not_a_public_key())?;
        key.for_hpke().map(|_| key)
    }

    /// Its 32 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }

    /// What tells it from all others.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of("rookery/v1/recipient", &self.0)
    }

    pub(crate) fn for_hpke(&self) -> Result<<Kem as hpke::Kem>::PublicKey> {
        Deserializable::from_bytes(&self.0).map_err(|_| not_a_public_key())
    }
}

fn not_a_public_key() -> Error {
    Error::new(
        Code::Usage,
        "This is not a public key, or not as it was printed.",
        format!("Give the whole text that begins with {}, as `rookery key show FILE` prints it.", PUBLIC.prefix),
    )
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&PUBLIC.write(&self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

impl FromStr for PublicKey {
    type Err = Error;

    /// Reads what was printed. What is refused is not repeated, for it may be the other half.
    fn from_str(text: &str) -> Result<Self> {
        let text = text.trim();
        if text.starts_with(PRIVATE.prefix) {
            return Err(Error::new(
                Code::Usage,
                "This is a private key, which opens backups and is for nobody else to see.",
                "Give the public half, as `rookery key show FILE` prints it.",
            ));
        }
        Self::from_bytes(PUBLIC.read(text).ok_or_else(not_a_public_key)?.as_ref())
    }
}

impl Serialize for PublicKey {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(|error: Error| serde::de::Error::custom(error.to_string()))
    }
}

/// The half of a key that opens. It is wiped from memory when it is dropped, and never printed.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct PrivateKey([u8; KEY_BYTES]);

impl PrivateKey {
    /// A new one.
    ///
    /// # Errors
    /// When there are no random numbers.
    pub fn generate() -> Result<Self> {
        let mut seed = Zeroizing::new([0; KEY_BYTES]);
        random(seed.as_mut())?;
        Ok(Self::derive(seed.as_ref()))
    }

    /// The one that a passphrase gives: argon2id over it, then DeriveKeyPair of RFC 9180. Takes half a second, and 256 MiB.
    ///
    /// # Errors
    /// [`Code::Usage`] for parameters that argon2 refuses.
    pub fn from_passphrase(passphrase: &str, derivation: &Derivation) -> Result<Self> {
        let mut seed = Zeroizing::new([0; KEY_BYTES]);
        derivation.run(passphrase.as_bytes(), seed.as_mut())?;
        Ok(Self::derive(seed.as_ref()))
    }

    /// DeriveKeyPair (RFC 9180, section 7.1.3).
    fn derive(seed: &[u8]) -> Self {
        let mut key = Self([0; KEY_BYTES]);
        Kem::derive_keypair(seed).0.write_exact(&mut key.0);
        key
    }

    /// The public half.
    ///
    /// # Errors
    /// Not for any key that exists.
    pub fn public(&self) -> Result<PublicKey> {
        let mut key = PublicKey([0; KEY_BYTES]);
        Kem::sk_to_pk(&self.for_hpke()?).write_exact(&mut key.0);
        Ok(key)
    }

    /// As text to be kept.
    #[must_use]
    pub fn expose(&self) -> Zeroizing<String> {
        PRIVATE.write(&self.0)
    }

    pub(crate) fn for_hpke(&self) -> Result<<Kem as hpke::Kem>::PrivateKey> {
        Deserializable::from_bytes(&self.0).map_err(|_| not_a_private_key())
    }
}

fn not_a_private_key() -> Error {
    Error::new(
        Code::Usage,
        "This is not a private key, or not as it was saved.",
        format!("Give the whole text that begins with {}; a key from elsewhere is 32 bytes in base64.", PRIVATE.prefix),
    )
}

impl FromStr for PrivateKey {
    type Err = Error;

    /// Reads what was saved; 32 bytes from elsewhere, in base64, are as good.
    fn from_str(text: &str) -> Result<Self> {
        let text = text.trim();
        if text.starts_with(PUBLIC.prefix) {
            return Err(Error::new(
                Code::Usage,
                "This is a public key, which opens nothing.",
                "Give the private half, or the file that `rookery key generate` wrote.",
            ));
        }
        let key = if text.starts_with(PRIVATE.prefix) {
            Self(*PRIVATE.read(text).ok_or_else(not_a_private_key)?)
        } else {
            // The cause of the error would quote what was typed.
            let bytes = Zeroizing::new(STANDARD.decode(text).map_err(|_| not_a_private_key())?);
            Self(bytes.as_slice().try_into().map_err(|_| not_a_private_key())?)
        };
        key.for_hpke().map(|_| key)
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey(…)")
    }
}

#[cfg(test)]
#[path = "key/vector_tests.rs"]
mod vector_tests;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_back_as_it_was_saved_and_shows_itself_nowhere() {
        let key = PrivateKey::generate().unwrap();
        let again: PrivateKey = format!(" {}\n", &*key.expose()).parse().unwrap();
        assert_eq!(key.public().unwrap(), again.public().unwrap());
        assert!(!format!("{key:?}").contains(&key.expose()[..8]));
        assert_ne!(key.public().unwrap(), PrivateKey::generate().unwrap().public().unwrap());
    }

    #[test]
    fn halves_are_not_mistaken_for_each_other_and_no_character_is_mistyped_unseen() {
        let key = PrivateKey::generate().unwrap();
        let (private, public) = (key.expose(), key.public().unwrap().to_string());
        assert!(public.starts_with("rookery-pub1-") && public.len() == 61 && private.starts_with("rookery-key1-") && private.len() == 61);
        assert_eq!(format!(" {public}\n").parse::<PublicKey>().unwrap().to_string(), public);
        let error = private.parse::<PublicKey>().unwrap_err();
        assert!(error.to_string().contains("private key") && error.next_step().contains("public half"), "{error:?}");
        assert!(!format!("{error:?} {}", error.next_step()).contains(&private["rookery-key1-".len()..]));
        assert!(public.parse::<PrivateKey>().unwrap_err().to_string().contains("public key"));
        let bare = STANDARD.encode(key.0);
        assert!(bare.parse::<PublicKey>().is_err());
        assert_eq!(bare.parse::<PrivateKey>().unwrap().public().unwrap(), key.public().unwrap());
        for at in 0..public.len() {
            for other in ['A', 'b', '7', '_', '-', ' ', '='] {
                let changed = |text: &str| format!("{}{other}{}", &text[..at], &text[at + 1..]);
                assert!(changed(&public) == public || changed(&public).parse::<PublicKey>().is_err(), "{at} {other}");
                assert!(changed(&private) == *private || changed(&private).parse::<PrivateKey>().is_err(), "{at} {other}");
            }
            assert!(public[..at].parse::<PublicKey>().is_err() && private[..at].parse::<PrivateKey>().is_err());
        }
    }

    /// As a program in another language made them after docs/FORMAT.md: the texts of a key never change.
    #[test]
    fn the_texts_are_what_they_always_were() {
        let key = PrivateKey([7; KEY_BYTES]);
        assert_eq!(*key.expose(), "rookery-key1-BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwfR0Myf");
        assert_eq!(key.public().unwrap().to_string(), "rookery-pub1-E75P6uryBMf9M1j8nAByGIHRdCeBKCJ-xnTzf3_pe21b9sPI");
    }

    #[test]
    fn what_is_no_key_is_refused_without_being_repeated() {
        for text in ["", "secret words", "AAAA", &STANDARD.encode([1; 31]), &STANDARD.encode([1; 33])] {
            let error = text.parse::<PrivateKey>().unwrap_err();
            assert_eq!(error.code(), Code::Usage);
            assert!(text.is_empty() || !format!("{error:?}").contains(text), "{error:?}");
        }
    }

    #[test]
    fn a_fingerprint_is_read_however_it_is_grouped() {
        let fingerprint = PrivateKey::generate().unwrap().public().unwrap().fingerprint();
        let text = fingerprint.to_string();
        assert_eq!(text.len(), 39);
        assert_eq!(text.parse::<Fingerprint>().unwrap(), fingerprint);
        assert_eq!(text.replace('-', " ").to_uppercase().parse::<Fingerprint>().unwrap(), fingerprint);
        assert!("1234".parse::<Fingerprint>().is_err());
    }

    /// RFC 9180, appendix A.1.1: DHKEM(X25519, HKDF-SHA256).
    #[test]
    fn keys_are_derived_as_the_rfc_says() {
        let seed = hex::decode("6db9df30aa07dd42ee5e8181afdb977e538f5e1fec8a06223f33f7013e525037").unwrap();
        let key = PrivateKey::derive(&seed);
        let mut wanted = hex::decode("4612c550263fc8ad58375df3f557aac531d26850903e55a9f23f21d8534e8ac8").unwrap();
        // Bits that X25519 does not look at (RFC 7748, section 5).
        (wanted[0], wanted[31]) = (wanted[0] & 0xf8, wanted[31] & 0x7f | 0x40);
        assert_eq!(key.0.as_slice(), wanted);
        assert_eq!(hex::encode(key.public().unwrap().0), "3948cfe0ad1ddb695d780e59077195da6c56506b027329794ab02bca80815c4d");
    }
}
