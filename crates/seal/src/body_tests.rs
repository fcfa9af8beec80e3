//! Against the published vectors, and against every change of a byte.

use super::*;
use crate::{Envelope, PrivateKey};
use flate2::read::ZlibDecoder;
use proptest::prelude::*;
use sha2::Digest;
use std::{io::Read, process::Command};

fn key() -> DataKey {
    DataKey::from_bytes(&[7; 32]).unwrap()
}

fn sealed(plain: &[u8]) -> Vec<u8> {
    let (mut sealer, head) = Sealer::new(&key(), b"context").unwrap();
    let mut out = head.to_vec();
    // In pieces that end anywhere.
    for piece in plain.chunks(5000) {
        sealer.seal(piece, &mut out).unwrap();
    }
    sealer.finish(&mut out).unwrap();
    out
}

/// Opens a whole body, and returns what was opened before the first failure with it.
fn open_all(key: &DataKey, context: &[u8], sealed: &[u8]) -> (Vec<u8>, Result<()>) {
    let mut plain = vec![];
    let outcome = open_into(key, context, sealed, &mut plain);
    (plain, outcome)
}

fn open_into(key: &DataKey, context: &[u8], sealed: &[u8], plain: &mut Vec<u8>) -> Result<()> {
    let opener = Opener::new(key, context, sealed.get(..HEAD_BYTES).unwrap_or(sealed))?;
    let body = &sealed[HEAD_BYTES..];
    let shape = Shape::of(body.len() as u64);
    for (number, chunk) in (0_u64..).zip(body.chunks(SEALED_BYTES)) {
        // A chunk that is short and not the last is never handed to the opener by a reader, which goes by the shape.
        if chunk.len() < SEALED_BYTES {
            shape.as_ref().map_err(|error| damaged(error.to_string()))?;
        }
        let mut chunk = chunk.to_vec();
        opener.open(number, &mut chunk)?;
        plain.extend_from_slice(&chunk);
    }
    shape.map(drop)
}

#[test]
fn the_published_vectors_hold() {
    let file = include_str!("../tests/vectors/c2sp_chunked_encryption_aes_256_gcm_test.json");
    let vectors: serde_json::Value = serde_json::from_str(file).unwrap();
    let tests: Vec<_> = vectors["testGroups"].as_array().unwrap().iter().flat_map(|group| group["tests"].as_array().unwrap()).collect();
    assert_eq!(tests.len(), 35);
    for test in tests {
        let bytes = |field: &str| hex::decode(test[field].as_str().unwrap()).unwrap();
        let about = format!("{} {}", test["tcId"], test["comment"]);
        let mut ct = vec![];
        ZlibDecoder::new(bytes("ct").as_slice()).read_to_end(&mut ct).unwrap();
        let valid = test["result"] == "valid";
        let Ok(key) = DataKey::from_bytes(&bytes("key")) else {
            assert!(!valid, "{about}");
            continue;
        };
        let context = bytes("ctx");
        let (plain, outcome) = open_all(&key, &context, &ct);
        assert_eq!(outcome.is_ok(), valid, "{about}: {outcome:?}");
        if let Some(length) = test["msgLength"].as_u64() {
            assert_eq!(plain.len() as u64, length, "{about}");
            assert_eq!(hex::encode(Sha512::digest(&plain)), test["msgSha512"].as_str().unwrap(), "{about}");
        } else {
            assert!(plain.is_empty(), "{about}");
        }
        if valid {
            let (mut sealer, head) = Sealer::with_salt(&key, &context, ct[..SALT_BYTES].try_into().unwrap()).unwrap();
            let mut again = head.to_vec();
            sealer.seal(&plain, &mut again).unwrap();
            sealer.finish(&mut again).unwrap();
            assert!(again == ct, "{about}: sealed anew, it has other bytes");
        }
    }
}

#[test]
fn chunks_open_in_any_order_and_only_as_what_they_are() {
    let plain: Vec<u8> = (0..3 * CHUNK_BYTES + 100).map(|at| at.to_be_bytes()[7]).collect();
    let sealed = sealed(&plain);
    let opener = Opener::new(&key(), b"context", &sealed[..HEAD_BYTES]).unwrap();
    let shape = Shape::of((sealed.len() - HEAD_BYTES) as u64).unwrap();
    assert_eq!(shape, Shape { last: 3, last_bytes: 116, plain_bytes: plain.len() as u64 });
    let chunk = |number: usize| sealed[HEAD_BYTES..].chunks(SEALED_BYTES).nth(number).unwrap().to_vec();
    for number in [3, 1, 0, 2] {
        let mut opened = chunk(number);
        opener.open(number as u64, &mut opened).unwrap();
        assert!(opened == plain[number * CHUNK_BYTES..].chunks(CHUNK_BYTES).next().unwrap());
    }
    for (number, at) in [(0, 1), (1, 0), (3, 2), (2, 3)] {
        let mut moved = chunk(number);
        assert!(opener.open(at, &mut moved).is_err() && moved.is_empty());
    }
    let mut nothing = vec![];
    assert!(opener.open(0, &mut nothing).is_err());
}

#[test]
fn no_bit_can_be_flipped_and_nothing_cut_off() {
    let plain: Vec<u8> = (0..40 << 10).map(|at| (at % 251) as u8).collect();
    let sealed = sealed(&plain);
    let (key, context) = (key(), b"context");
    let opener = Opener::new(&key, context, &sealed[..HEAD_BYTES]).unwrap();
    for at in 0..HEAD_BYTES {
        for bit in 0..8 {
            let mut head = sealed[..HEAD_BYTES].to_vec();
            head[at] ^= 1 << bit;
            assert!(Opener::new(&key, context, &head).is_err(), "bit {bit} of byte {at} of the head");
        }
    }
    for (number, chunk) in (0_u64..).zip(sealed[HEAD_BYTES..].chunks(SEALED_BYTES)) {
        let mut changed = vec![];
        for (at, bit) in (0..chunk.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
            changed.clear();
            changed.extend_from_slice(chunk);
            changed[at] ^= 1 << bit;
            assert!(opener.open(number, &mut changed).is_err() && changed.is_empty(), "bit {bit} of byte {at} of chunk {number}");
        }
    }
    for end in 0..sealed.len() {
        // Chunks before the cut are as they were, so the shape and the last of them tell.
        let begin = end.saturating_sub(HEAD_BYTES) / SEALED_BYTES;
        let cut = sealed[..end].get(HEAD_BYTES + begin * SEALED_BYTES..);
        let refused = Opener::new(&key, context, &sealed[..end.min(HEAD_BYTES)]).is_err()
            || cut.is_none_or(|cut| Shape::of((end - HEAD_BYTES) as u64).is_err() || opener.open(begin as u64, &mut cut.to_vec()).is_err());
        assert!(refused, "cut off after {end} bytes");
    }
}

/// Bytes that do not repeat soon.
fn some_bytes(count: usize) -> Vec<u8> {
    (0..count).map(|at| (at * 7 % 251) as u8).collect()
}

#[test]
fn the_same_data_key_salt_and_context_give_the_same_bytes_in_another_language() {
    let recipient = PrivateKey::generate().unwrap();
    let folder = tempfile::tempdir().unwrap();
    for count in [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES + 100] {
        let (plain, file) = (some_bytes(count), folder.path().join(count.to_string()));
        std::fs::write(&file, &plain).unwrap();
        let (salt, archive, ephemeral) = ([5; SALT_BYTES], [6; 16], [9; 32]);
        // Debian's own, for which the package with the ciphers is installed.
        let sealed = Command::new("/usr/bin/python3")
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/seal_archive.py"))
            .arg(&file)
            .args([hex::encode(key().expose()), hex::encode(salt), hex::encode(archive), hex::encode(ephemeral)])
            .arg(recipient.public().unwrap().to_string())
            .output()
            .unwrap();
        assert!(sealed.status.success(), "{}", String::from_utf8_lossy(&sealed.stderr));
        let sealed = sealed.stdout;
        let envelope = Envelope::parse(&sealed[..Envelope::size(&sealed).unwrap()]).unwrap();
        assert_eq!(envelope.open(&recipient).unwrap().expose(), key().expose());

        let (mut sealer, head) = Sealer::with_salt(&key(), &envelope.context(), salt).unwrap();
        let mut ours = [envelope.as_bytes(), &head].concat();
        sealer.seal(&plain, &mut ours).unwrap();
        sealer.finish(&mut ours).unwrap();
        assert!(ours == sealed, "{count} bytes are sealed otherwise");
        let (opened, outcome) = open_all(&key(), &envelope.context(), &sealed[envelope.as_bytes().len()..]);
        assert!(outcome.is_ok() && opened == plain, "{count} bytes: {outcome:?}");
    }
}

proptest! {
    #[test]
    fn what_was_sealed_is_opened(plain in prop::collection::vec(any::<u8>(), 0..40_000)) {
        let sealed = sealed(&plain);
        let (opened, outcome) = open_all(&key(), b"context", &sealed);
        prop_assert!(outcome.is_ok() && opened == plain);
        prop_assert_eq!(Shape::of((sealed.len() - HEAD_BYTES) as u64).unwrap().plain_bytes, plain.len() as u64);
        prop_assert!(open_all(&key(), b"another", &sealed).1.is_err());
    }
}
