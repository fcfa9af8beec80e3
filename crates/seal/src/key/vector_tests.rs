//! X25519 and HPKE against the published vectors.

use super::*;
use hmac::{Hmac, KeyInit as _, Mac};
use hpke::{
    OpModeR,
    aead::{AesGcm128, AesGcm256},
    kdf::HkdfSha256,
    single_shot_open,
};
use sha2::Sha256;

fn hmac(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().to_vec()
}

/// ExtractAndExpand (RFC 9180, section 4.1): what DHKEM makes of the secret that X25519 gives.
fn extract_and_expand(shared: &[u8], context: &[&[u8]]) -> Vec<u8> {
    let suite: &[u8] = b"KEM\x00\x20";
    let prk = hmac(&[0; 32], &[b"HPKE-v1", suite, b"eae_prk", shared]);
    let info = [&[b"\x00\x20", b"HPKE-v1".as_slice(), suite, b"shared_secret"], context, &[b"\x01"]].concat();
    hmac(&prk, &info)
}

#[test]
fn the_published_vectors_of_x25519_hold_and_no_secret_is_all_zero() {
    let file = include_str!("../../tests/vectors/x25519_test.json");
    let vectors: serde_json::Value = serde_json::from_str(file).unwrap();
    let tests: Vec<_> = vectors["testGroups"].as_array().unwrap().iter().flat_map(|group| group["tests"].as_array().unwrap()).collect();
    assert_eq!(tests.len(), 518);
    let mut refused = 0;
    for test in tests {
        let bytes = |field: &str| hex::decode(test[field].as_str().unwrap()).unwrap();
        let about = format!("{} {}", test["tcId"], test["comment"]);
        let (public, shared) = (bytes("public"), bytes("shared"));
        let private = PrivateKey(bytes("private").try_into().unwrap());
        let enc = Deserializable::from_bytes(&public).unwrap();
        let decapsulated = Kem::decap(&private.for_hpke().unwrap(), None, &enc);
        let is_zero = test["flags"].as_array().unwrap().contains(&"ZeroSharedSecret".into());
        assert_eq!(is_zero, shared.iter().all(|byte| *byte == 0), "{about}");
        if is_zero {
            assert!(decapsulated.is_err(), "{about}: a secret that everybody knows was taken");
            let opened = single_shot_open::<AesGcm256, HkdfSha256, Kem>(
                &OpModeR::Base,
                &private.for_hpke().unwrap(),
                &enc,
                b"rookery/v1/data-key",
                &[0; 48],
                b"",
            );
            assert!(matches!(opened, Err(hpke::HpkeError::DecapError)), "{about}");
            refused += 1;
            continue;
        }
        let ours = private.public().unwrap();
        assert_eq!(decapsulated.unwrap().0.as_slice(), extract_and_expand(&shared, &[&public, ours.as_bytes()]), "{about}");
    }
    assert_eq!(refused, 31);
}

/// RFC 9180, appendix A.1.1.1, sequence number 0. It has AES-128-GCM; that RFC publishes nothing with X25519 and AES-256-GCM, for
/// which a program in another language is asked instead (`the_same_data_key_salt_and_context_give_the_same_bytes_in_another_language`).
#[test]
fn a_sealed_message_opens_as_the_rfc_says() {
    let bytes = |text: &str| hex::decode(text).unwrap();
    let private = PrivateKey(bytes("4612c550263fc8ad58375df3f557aac531d26850903e55a9f23f21d8534e8ac8").try_into().unwrap());
    let enc = Deserializable::from_bytes(&bytes("37fda3567bdbd628e88668c3c8d7e97d1d1253b6d4ea6d44c150f741f1bf4431")).unwrap();
    let ct = bytes("f938558b5d72f1a23810b4be2ab4f84331acc02fc97babc53a52ae8218a355a96d8770ac83d07bea87e13c512a");
    let opened = single_shot_open::<AesGcm128, HkdfSha256, Kem>(
        &OpModeR::Base,
        &private.for_hpke().unwrap(),
        &enc,
        b"Ode on a Grecian Urn",
        &ct,
        b"Count-0",
    );
    assert_eq!(opened.unwrap(), b"Beauty is truth, truth beauty");
}
