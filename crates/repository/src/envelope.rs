//! The signed envelope around a manifest: DSSE (<https://github.com/secure-systems-lab/dsse>).

use crate::instance::{Instance, PublicInstance};
use base64::{Engine, engine::general_purpose::STANDARD};
use domain::{Code, Error, Result};
use ed25519_dalek::Signature;
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

/// Checks that the envelope was signed by `instance`; strictly, so that no second signature fits the same bytes.
pub fn verify(envelope: &[u8], instance: &PublicInstance) -> Result<()> {
    let (payload, signatures) = open(envelope)?;
    let message = pre_authentication(MANIFEST_TYPE, &payload);
    let key = instance.key()?;
    let holds = |signed: &Signed| {
        let bytes = STANDARD.decode(&signed.sig).ok()?;
        let signature = Signature::from_slice(&bytes).ok()?;
        key.verify_strict(&message, &signature).ok()
    };
    if signatures.iter().any(|signed| holds(signed).is_some()) {
        return Ok(());
    }
    Err(Error::new(
        Code::BadSignature,
        "The manifest's signature does not hold: it was changed after it was written.",
        "Do not trust this backup. Choose another restore point, and find out who can write to the root.",
    ))
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
        for at in 0..envelope.len() {
            let mut changed = envelope.clone();
            changed[at] ^= 1;
            let same = payload(&changed).is_ok_and(|payload| payload == b"{\"a\":1}");
            assert!(verify(&changed, &instance.public()).is_err() || same, "a flipped bit at byte {at} went unseen");
        }
    }
}
