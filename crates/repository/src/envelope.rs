//! The signed envelope around a manifest: DSSE (<https://github.com/secure-systems-lab/dsse>).

use crate::instance::{Instance, PublicInstance};
use base64::{Engine, engine::general_purpose::STANDARD};
use domain::{Code, Error, Result};
use ed25519_dalek::{Signature, VerifyingKey};
use serde::{Deserialize, Serialize};

/// The payload type of a manifest.
pub const MANIFEST_TYPE: &str = "application/vnd.rookery.manifest+json";

#[derive(Serialize, Deserialize)]
struct Envelope {
    #[serde(rename = "payloadType")]
    payload_type: String,
    payload: String,
    signatures: Vec<Signed>,
}

#[derive(Serialize, Deserialize)]
struct Signed {
    keyid: String,
    sig: String,
}

/// The envelope of `payload`, signed by `instance`.
pub fn sign(payload: &[u8], instance: &Instance) -> Result<Vec<u8>> {
    let signature = instance.sign(&pre_authentication(MANIFEST_TYPE, payload));
    let envelope = Envelope {
        payload_type: MANIFEST_TYPE.into(),
        payload: STANDARD.encode(payload),
        signatures: vec![Signed { keyid: instance.fingerprint().to_string(), sig: STANDARD.encode(signature.to_bytes()) }],
    };
    serde_json::to_vec_pretty(&envelope).map_err(|error| Error::internal("A manifest could not be written.").because(error))
}

/// The payload inside an envelope, whose signature has not been looked at.
pub fn payload(envelope: &[u8]) -> Result<Vec<u8>> {
    open(envelope).map(|(payload, _)| payload)
}

/// Checks that the envelope was signed by `instance`; strictly, so that no second signature fits the same bytes, and by nobody else:
/// a manifest has one signature.
pub fn verify(envelope: &[u8], instance: &PublicInstance) -> Result<()> {
    let (payload, signatures) = open(envelope)?;
    let refused = |sentence: String| {
        let next_step = "Do not trust this backup. Choose another restore point, and find out who can write to the root.";
        Error::new(Code::BadSignature, sentence, next_step)
    };
    let signed = match signatures.as_slice() {
        [] => return Err(refused("The manifest is not signed.".into())),
        [signed] => signed,
        several => return Err(refused(format!("The manifest has {} signatures, and is written with one.", several.len()))),
    };
    let message = pre_authentication(MANIFEST_TYPE, &payload);
    let signature = STANDARD.decode(&signed.sig).unwrap_or_default();
    if holds(&instance.key()?, &message, &signature) {
        return Ok(());
    }
    Err(refused("The manifest's signature does not hold: it was changed after it was written.".into()))
}

/// Whether a signature is the one of this key for this message. Refuses what Ed25519 leaves open: an S that is not reduced, and points
/// of low order, with which one signature would fit several messages.
fn holds(key: &VerifyingKey, message: &[u8], signature: &[u8]) -> bool {
    Signature::from_slice(signature).and_then(|signature| key.verify_strict(message, &signature)).is_ok()
}

fn open(envelope: &[u8]) -> Result<(Vec<u8>, Vec<Signed>)> {
    let broken = || Error::new(Code::Damaged, "The manifest is not a signed envelope.", "Choose another restore point.");
    let envelope: Envelope = serde_json::from_slice(envelope).map_err(|error| broken().because(error))?;
    if envelope.payload_type != MANIFEST_TYPE {
        return Err(broken());
    }
    let payload = STANDARD.decode(&envelope.payload).map_err(|error| broken().because(error))?;
    Ok((payload, envelope.signatures))
}

/// DSSE's pre-authentication encoding (protocol.md, "Signature Definition").
fn pre_authentication(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let mut out = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len()).into_bytes();
    out.extend_from_slice(payload);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_encoding_is_the_published_one() {
        // The example of DSSE's protocol.md.
        assert_eq!(
            pre_authentication("http://example.com/HelloWorld", b"hello world"),
            b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
        );
    }

    #[test]
    fn what_was_signed_verifies_and_any_change_does_not() {
        let instance = Instance::generate().unwrap();
        let envelope = sign(b"{\"a\":1}", &instance).unwrap();
        verify(&envelope, &instance.public()).unwrap();
        assert_eq!(payload(&envelope).unwrap(), b"{\"a\":1}");

        assert_eq!(verify(&envelope, &Instance::generate().unwrap().public()).unwrap_err().code(), Code::BadSignature);
        // Which key it was is a hint that nobody signs, and nobody heeds.
        let key = instance.fingerprint().to_string();
        let hint = envelope.windows(key.len()).position(|part| part == key.as_bytes()).unwrap();
        for at in (0..envelope.len()).filter(|at| !(hint..hint + key.len()).contains(at)) {
            let mut changed = envelope.clone();
            changed[at] ^= 1;
            assert!(verify(&changed, &instance.public()).is_err(), "a flipped bit at byte {at} went unseen");
        }
    }

    /// Strict verification accepts every signature that these vectors call valid, so that there is no exception to list.
    #[test]
    fn the_published_vectors_of_ed25519_hold() {
        let file = include_str!("../../seal/tests/vectors/ed25519_test.json");
        let vectors: serde_json::Value = serde_json::from_str(file).unwrap();
        let bytes = |text: &serde_json::Value| hex::decode(text.as_str().unwrap()).unwrap();
        let (mut valid, mut refused) = (0, 0);
        for group in vectors["testGroups"].as_array().unwrap() {
            let key = VerifyingKey::from_bytes(&bytes(&group["publicKey"]["pk"]).try_into().unwrap()).unwrap();
            for test in group["tests"].as_array().unwrap() {
                let is_valid = test["result"] == "valid";
                let about = format!("{} {}", test["tcId"], test["comment"]);
                assert_eq!(holds(&key, &bytes(&test["msg"]), &bytes(&test["sig"])), is_valid, "{about}");
                *if is_valid { &mut valid } else { &mut refused } += 1;
            }
        }
        assert_eq!((valid, refused), (88, 63));
    }

    /// The eight points of low order, in their canonical encodings.
    #[test]
    fn a_key_of_low_order_signs_nothing() {
        for key in [
            "0100000000000000000000000000000000000000000000000000000000000000",
            "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "0000000000000000000000000000000000000000000000000000000000000000",
            "0000000000000000000000000000000000000000000000000000000000000080",
            "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
            "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        ] {
            let bytes: [u8; 32] = hex::decode(key).unwrap().try_into().unwrap();
            let key = VerifyingKey::from_bytes(&bytes).unwrap();
            // R = A and S = 0: fits every eighth message at least where verification is not strict.
            let signature = [bytes, [0; 32]].concat();
            for message in 0..64_u8 {
                assert!(!holds(&key, &[message], &signature), "{key:?} {message}");
            }
        }
    }
}
