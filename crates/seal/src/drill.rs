//! A drill: whoever says that a key is at hand shows it, without giving anything away.
//!
//! A random answer is sealed to the public half; only the private half gives it back. The purpose is not that of archives, so
//! that nobody can have an archive's data key taken out under the pretext of a drill.

use crate::key::{Kem, PrivateKey, PublicKey};
use base64::{Engine, engine::general_purpose::STANDARD};
use domain::{Code, Error, Result};
use hpke::{Deserializable, OpModeR, OpModeS, Serializable, aead::AesGcm256, kdf::HkdfSha256, single_shot_open, single_shot_seal};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Purpose of the sealed answer, for HPKE.
const INFO: &[u8] = b"rookery/v1/drill";

const ANSWER_BYTES: usize = 32;

/// What is asked: an answer, sealed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// HPKE's encapsulated key, in base64.
    enc: String,
    /// The sealed answer, in base64.
    ct: String,
}

/// The answer that is expected.
pub struct Expected(Zeroizing<[u8; ANSWER_BYTES]>);

impl Question {
    /// A new question for who has the private half, and its answer.
    ///
    /// # Errors
    /// When there are no random numbers.
    pub fn ask(key: &PublicKey) -> Result<(Self, Expected)> {
        let mut answer = Zeroizing::new([0; ANSWER_BYTES]);
        crate::random(answer.as_mut())?;
        let sealed = single_shot_seal::<AesGcm256, HkdfSha256, Kem>(&OpModeS::Base, &key.for_hpke()?, INFO, answer.as_ref(), &[]);
        let (enc, ct) = sealed.map_err(|_| Error::new(Code::Usage, "This public key cannot be sealed to.", "Make another key."))?;
        Ok((Self { enc: STANDARD.encode(enc.to_bytes()), ct: STANDARD.encode(ct) }, Expected(answer)))
    }

    /// The answer, in base64.
    ///
    /// # Errors
    /// [`Code::WrongKey`] if this is not the key that was asked for.
    pub fn answer(&self, key: &PrivateKey) -> Result<String> {
        let wrong = || Error::new(Code::WrongKey, "This is not the key that was asked for.", "Give the one with the fingerprint above.");
        let enc = STANDARD.decode(&self.enc).ok().and_then(|enc| Deserializable::from_bytes(&enc).ok()).ok_or_else(wrong)?;
        let ct = STANDARD.decode(&self.ct).map_err(|_| wrong())?;
        let opened = single_shot_open::<AesGcm256, HkdfSha256, Kem>(&OpModeR::Base, &key.for_hpke()?, &enc, INFO, &ct, &[]);
        Ok(STANDARD.encode(Zeroizing::new(opened.map_err(|_| wrong())?)))
    }
}

impl Expected {
    /// Whether this is the answer.
    #[must_use]
    pub fn is(&self, answer: &str) -> bool {
        STANDARD.decode(answer.trim()).is_ok_and(|answer| answer.ct_eq(self.0.as_ref()).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Envelope;

    #[test]
    fn only_the_key_that_is_asked_for_knows_the_answer() {
        let (key, other) = (PrivateKey::generate().unwrap(), PrivateKey::generate().unwrap());
        let (question, expected) = Question::ask(&key.public().unwrap()).unwrap();
        let sent: Question = serde_json::from_str(&serde_json::to_string(&question).unwrap()).unwrap();
        assert!(expected.is(&sent.answer(&key).unwrap()));
        assert_eq!(sent.answer(&other).unwrap_err().code(), Code::WrongKey);
        let (again, _) = Question::ask(&key.public().unwrap()).unwrap();
        assert!(!expected.is(&again.answer(&key).unwrap()), "an old answer was taken");
        assert!(!expected.is("") && !expected.is("no base64"));
    }

    /// The data key of an archive, passed off as a question: as it stands in an envelope, and as one that was sealed for that purpose
    /// with nothing else around it.
    #[test]
    fn a_drill_opens_no_archive() {
        let key = PrivateKey::generate().unwrap();
        let (envelope, data_key) = Envelope::seal(&[key.public().unwrap()]).unwrap();
        let header: serde_json::Value = serde_json::from_slice(&envelope.as_bytes()[crate::envelope::START_BYTES..]).unwrap();
        let recipient = &header["recipients"][0];
        let public = key.public().unwrap().for_hpke().unwrap();
        let (enc, ct) =
            single_shot_seal::<AesGcm256, HkdfSha256, Kem>(&OpModeS::Base, &public, crate::envelope::INFO, data_key.expose(), &[]).unwrap();
        for question in [
            Question { enc: recipient["enc"].as_str().unwrap().into(), ct: recipient["ct"].as_str().unwrap().into() },
            Question { enc: STANDARD.encode(enc.to_bytes()), ct: STANDARD.encode(ct) },
        ] {
            assert_eq!(question.answer(&key).unwrap_err().code(), Code::WrongKey);
        }
    }
}
