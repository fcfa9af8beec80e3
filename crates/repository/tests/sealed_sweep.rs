//! Every bit of a sealed archive of 40 KiB, and every length that it could be cut to.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use async_trait::async_trait;
use bytes::Bytes;
use domain::{Code, Error, Result};
use repository::{Body, Key, SealedBody};
use seal::{Envelope, PrivateKey, Sealer};
use std::{ops::Range, sync::Arc};

/// Bytes in memory.
struct InMemory(Bytes);

#[async_trait]
impl Body for InMemory {
    fn size_bytes(&self) -> u64 {
        self.0.len() as u64
    }

    async fn read(&self, range: Range<u64>) -> Result<Bytes> {
        Ok(self.0.slice(range.start as usize..range.end as usize))
    }
}

/// What is refused before one byte of the chunk that `at` lies in is handed out.
async fn refused(sealed: Bytes, key: &Key, at: u64) -> Option<Error> {
    let body = match SealedBody::open(Arc::new(InMemory(sealed)), key).await {
        Ok(body) => body,
        Err(error) => return Some(error),
    };
    body.read(at..at + 1).await.err()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_bit_of_a_sealed_archive_is_changed_unseen_and_no_end_cut_off() {
    let private = PrivateKey::generate().unwrap();
    let (envelope, data_key) = Envelope::seal(&[private.public().unwrap()]).unwrap();
    let (mut sealer, head) = Sealer::new(&data_key, &envelope.context()).unwrap();
    let mut sealed = [envelope.as_bytes(), &head].concat();
    let begins = sealed.len();
    sealer.seal(&vec![0x5a; 40 << 10], &mut sealed).unwrap();
    sealer.finish(&mut sealed).unwrap();
    let sealed = Bytes::from(sealed);
    // Who has the data key is spared the exchange of keys; the envelope is looked at with the private key.
    let (private, data) = (Arc::new(Key::Private(private)), Arc::new(Key::Data(vec![data_key])));
    assert!(refused(sealed.clone(), &private, 0).await.is_none() && refused(sealed.clone(), &data, 40_000).await.is_none());

    let flips = |from: usize, to: usize, key: Arc<Key>| {
        let sealed = sealed.clone();
        tokio::spawn(async move {
            for (at, bit) in (from..to).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
                let mut changed = sealed.to_vec();
                changed[at] ^= 1 << bit;
                let chunk = at.saturating_sub(begins) / 16400;
                let error = refused(changed.into(), &key, chunk as u64 * 16384).await;
                let code = error.unwrap_or_else(|| panic!("bit {bit} of byte {at} of {} went unseen", sealed.len())).code();
                // A flipped bit can make another format of it, or a fingerprint that nobody has.
                assert!(
                    code == Code::Damaged || at < begins && matches!(code, Code::Unsupported | Code::WrongKey),
                    "{bit} of {at}: {code}"
                );
            }
        })
    };
    let middle = begins + (sealed.len() - begins) / 2;
    let work = [flips(0, begins, private), flips(begins, middle, Arc::clone(&data)), flips(middle, sealed.len(), Arc::clone(&data))];
    for end in 0..sealed.len() {
        let error = SealedBody::open(Arc::new(InMemory(sealed.slice(..end))), &data).await.err();
        assert_eq!(error.map(|error| error.code()), Some(Code::Damaged), "cut off after {end} bytes");
    }
    for done in work {
        done.await.unwrap();
    }
}
