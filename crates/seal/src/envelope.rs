//! What stands before the body of a sealed archive: which key opens it.
//!
//! ```text
//! 0    8    "ROOKERY" 0x01
//! 8    4    length H of the header, big-endian, at most 65536
//! 12   H    header, JSON
//! 12+H      body
//! ```
//!
//! The hash of these bytes is part of the body's context, so that a body opens after its own envelope alone.

use crate::{
    Fingerprint,
    body::HEAD_BYTES,
    damaged,
    key::{DataKey, Kem, PrivateKey, PublicKey},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use domain::{Code, Error, Result};
use hpke::{Deserializable, OpModeR, OpModeS, Serializable, aead::AesGcm256, kdf::HkdfSha256, single_shot_open, single_shot_seal};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// What every sealed archive begins with, whatever its format.
const MAGIC: &[u8; 7] = b"ROOKERY";

/// The format that this code reads and writes: the byte after [`MAGIC`].
const FORMAT: u8 = 1;

/// Bytes before the header.
pub const START_BYTES: usize = 12;

/// The largest header that is read.
pub const MAX_HEADER_BYTES: usize = 64 << 10;

/// The one way of sealing that there is.
const SUITE: &str = "HPKE-X25519-SHA256-AES256GCM+C2SP-CHUNKED-AES256GCM-SHA512";

/// Purpose of the sealed data key, for HPKE.
pub(crate) const INFO: &[u8] = b"rookery/v1/data-key";

const CONTEXT: &[u8] = b"rookery.archive/v1\0";

/// The envelope of one archive, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    header: Header,
    bytes: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    /// 16 random bytes in hexadecimal digits.
    archive: String,
    suite: String,
    recipients: Vec<Recipient>,
}

/// The data key, sealed to one key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Recipient {
    fingerprint: Fingerprint,
    /// HPKE's encapsulated key, in base64.
    enc: String,
    /// The sealed data key, in base64.
    ct: String,
}

impl Envelope {
    /// A new archive's data key, and the envelope that gives it to each of the recipients.
    ///
    /// # Errors
    /// [`Code::Usage`] without recipients, or with a key that is none.
    pub fn seal(recipients: &[PublicKey]) -> Result<(Self, DataKey)> {
        if recipients.is_empty() {
            return Err(Error::new(Code::Usage, "A sealed archive needs a key that opens it.", "Name at least one public key."));
        }
        let mut archive = [0; 16];
        crate::random(&mut archive)?;
        let archive = hex::encode(archive);
        let key = DataKey::generate()?;
        let recipients = recipients.iter().map(|recipient| Recipient::seal(recipient, &key, &archive)).collect::<Result<Vec<_>>>()?;
        let header = Header { archive, suite: SUITE.into(), recipients };
        let json = serde_json::to_vec(&header).map_err(|error| Error::internal("An envelope could not be written.").because(error))?;
        let length = u32::try_from(json.len()).ok().filter(|length| *length as usize <= MAX_HEADER_BYTES);
        let length =
            length.ok_or_else(|| Error::new(Code::Usage, "There are too many keys for one archive.", "Name fewer public keys."))?;
        let bytes = [MAGIC.as_slice(), &[FORMAT], &length.to_be_bytes(), &json].concat();
        Ok((Self { header, bytes }, key))
    }

    /// How many bytes the envelope has whose first [`START_BYTES`] these are.
    ///
    /// # Errors
    /// [`Code::Damaged`] unless they begin an envelope; [`Code::Unsupported`] for one of another format.
    pub fn size(start: &[u8]) -> Result<usize> {
        let rest = start.strip_prefix(MAGIC).ok_or_else(|| damaged("This is not a sealed archive."))?;
        let (format, rest) = rest.split_first().ok_or_else(|| damaged("The sealed archive ends within its header."))?;
        if *format != FORMAT {
            return Err(unsupported(format!("The sealed archive has format {format}, and this version of Rookery reads format {FORMAT}.")));
        }
        let length = rest.first_chunk().ok_or_else(|| damaged("The sealed archive ends within its header."))?;
        let length = u32::from_be_bytes(*length) as usize;
        if !(1..=MAX_HEADER_BYTES).contains(&length) {
            return Err(damaged(format!("The sealed archive's header cannot be {length} bytes long.")));
        }
        Ok(START_BYTES + length)
    }

    /// Reads an envelope.
    ///
    /// # Errors
    /// [`Code::Damaged`] for anything but an envelope, and nothing after it; [`Code::Unsupported`] for one of another format.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        if Self::size(bytes)? != bytes.len() {
            return Err(damaged("The sealed archive ends within its header."));
        }
        let broken = |sentence: &str| damaged(format!("The sealed archive's header {sentence}."));
        let header: Header = serde_json::from_slice(&bytes[START_BYTES..]).map_err(|error| broken("cannot be read").because(error))?;
        if header.suite != SUITE {
            return Err(unsupported(
                "The sealed archive's header names a way of sealing that this version of Rookery does not know.".into(),
            ));
        }
        if header.recipients.is_empty() {
            return Err(broken("names no key"));
        }
        Ok(Self { header, bytes: bytes.to_vec() })
    }

    /// As it is stored.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Bytes before the first chunk of the body.
    #[must_use]
    pub fn body_begins(&self) -> u64 {
        (self.bytes.len() + HEAD_BYTES) as u64
    }

    /// The keys that open it.
    pub fn recipients(&self) -> impl Iterator<Item = Fingerprint> {
        self.header.recipients.iter().map(|recipient| recipient.fingerprint)
    }

    /// The data key, for one who has the private half of a recipient.
    ///
    /// # Errors
    /// [`Code::WrongKey`] if it was not sealed to this key, [`Code::Damaged`] if it was and does not open.
    pub fn open(&self, key: &PrivateKey) -> Result<DataKey> {
        let fingerprint = key.public()?.fingerprint();
        let Some(recipient) = self.header.recipients.iter().find(|recipient| recipient.fingerprint == fingerprint) else {
            let wanted: Vec<String> = self.recipients().map(|recipient| recipient.to_string()).collect();
            return Err(Error::new(
                Code::WrongKey,
                format!("The key {fingerprint} does not open this backup."),
                format!("Give the private key whose fingerprint is {}.", wanted.join(" or ")),
            ));
        };
        recipient.open(key, &self.header.archive)
    }

    /// What ties a body to this envelope.
    #[must_use]
    pub fn context(&self) -> Vec<u8> {
        [CONTEXT, &Sha256::digest(&self.bytes)].concat()
    }
}

fn unsupported(sentence: String) -> Error {
    Error::new(Code::Unsupported, sentence, "Use a newer version of Rookery.")
}

impl Recipient {
    fn seal(recipient: &PublicKey, key: &DataKey, archive: &str) -> Result<Self> {
        let sealed =
            single_shot_seal::<AesGcm256, HkdfSha256, Kem>(&OpModeS::Base, &recipient.for_hpke()?, INFO, key.expose(), archive.as_bytes());
        let (enc, ct) = sealed.map_err(|_| Error::new(Code::Usage, "This public key cannot be sealed to.", "Make another key."))?;
        Ok(Self { fingerprint: recipient.fingerprint(), enc: STANDARD.encode(enc.to_bytes()), ct: STANDARD.encode(ct) })
    }

    fn open(&self, key: &PrivateKey, archive: &str) -> Result<DataKey> {
        let broken = || damaged("The data key in the sealed archive's header was changed.");
        let enc = STANDARD.decode(&self.enc).ok().and_then(|enc| Deserializable::from_bytes(&enc).ok()).ok_or_else(broken)?;
        let ct = STANDARD.decode(&self.ct).map_err(|_| broken())?;
        let opened = single_shot_open::<AesGcm256, HkdfSha256, Kem>(&OpModeR::Base, &key.for_hpke()?, &enc, INFO, &ct, archive.as_bytes());
        DataKey::from_bytes(&Zeroizing::new(opened.map_err(|_| broken())?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_recipient_opens_it_and_nobody_else() {
        let keys: Vec<PrivateKey> = (0..3).map(|_| PrivateKey::generate().unwrap()).collect();
        let public: Vec<PublicKey> = keys[..2].iter().map(|key| key.public().unwrap()).collect();
        let (envelope, key) = Envelope::seal(&public).unwrap();
        let envelope = Envelope::parse(envelope.as_bytes()).unwrap();
        for recipient in &keys[..2] {
            assert_eq!(envelope.open(recipient).unwrap().expose(), key.expose());
        }
        let error = envelope.open(&keys[2]).unwrap_err();
        assert_eq!(error.code(), Code::WrongKey);
        assert!(error.next_step().contains(&public[1].fingerprint().to_string()), "{}", error.next_step());
        assert_eq!(Envelope::seal(&[]).unwrap_err().code(), Code::Usage);
    }

    #[test]
    fn two_archives_share_nothing() {
        let public = PrivateKey::generate().unwrap().public().unwrap();
        let (one, other) = (Envelope::seal(&[public]).unwrap(), Envelope::seal(&[public]).unwrap());
        assert_ne!(one.1.expose(), other.1.expose());
        assert_ne!(one.0.context(), other.0.context());
    }

    #[test]
    fn no_bit_of_an_envelope_can_be_changed_unseen() {
        let key = PrivateKey::generate().unwrap();
        let (envelope, data_key) = Envelope::seal(&[key.public().unwrap()]).unwrap();
        for at in 0..envelope.bytes.len() {
            for bit in 0..8 {
                let mut changed = envelope.bytes.clone();
                changed[at] ^= 1 << bit;
                let opened = Envelope::parse(&changed).and_then(|changed| Ok((changed.open(&key)?, changed.context())));
                // Where the data key still opens, the body does not, because its context is another one.
                assert!(
                    opened.is_err()
                        || opened.is_ok_and(|(key, context)| key.expose() == data_key.expose() && context != envelope.context())
                );
            }
        }
        for end in 0..envelope.bytes.len() {
            assert!(Envelope::parse(&envelope.bytes[..end]).is_err());
        }
        assert!(Envelope::parse(&[envelope.bytes.as_slice(), b" "].concat()).is_err());
    }

    #[test]
    fn headers_that_lie_are_refused() {
        let key = PrivateKey::generate().unwrap();
        let (envelope, _) = Envelope::seal(&[key.public().unwrap()]).unwrap();
        let json = std::str::from_utf8(&envelope.bytes[START_BYTES..]).unwrap();
        let with = |json: &str| [MAGIC.as_slice(), &[FORMAT], &u32::try_from(json.len()).unwrap().to_be_bytes(), json.as_bytes()].concat();
        assert!(Envelope::parse(&with(json)).is_ok());
        let (before, after) = json.split_once("\"recipients\":").unwrap();
        for lie in [
            "{}".to_owned(),
            "not json".to_owned(),
            json.replacen('{', "{\"extra\":1,", 1),
            json.replace(SUITE, "none"),
            format!("{before}\"recipients\":[]}}"),
            json.replacen("\"enc\"", "\"encc\"", 1),
            format!("{before}\"recipients\":{after} "),
        ] {
            let parsed = Envelope::parse(&with(&lie));
            assert!(parsed.is_err() || parsed.is_ok_and(|parsed| parsed.context() != envelope.context()), "{lie}");
        }
        assert!(
            Envelope::size(&[MAGIC.as_slice(), &[FORMAT], &u32::MAX.to_be_bytes()].concat()).is_err(),
            "a length that would take all memory"
        );
        assert!(Envelope::size(&[MAGIC.as_slice(), &[FORMAT], &[0; 4]].concat()).is_err());
    }
}
