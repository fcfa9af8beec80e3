//! A sealed archive as a file that anybody could have put there, opened with the key of the seeds.

#![no_main]

use libfuzzer_sys::fuzz_target;
use repository::{Body, Key, SealedBody};
use rookery_fuzz::{InMemory, KEY, RUNTIME, opened, read_members};
use seal::DataKey;
use std::sync::Arc;

fuzz_target!(|bytes: &[u8]| {
    let stored: Arc<dyn Body> = Arc::new(InMemory(bytes.to_vec().into()));
    let data = Key::Data(vec![DataKey::from_bytes(&[7; 32]).expect("32 bytes")]);
    for key in [&*KEY, &data] {
        let Ok(body) = RUNTIME.block_on(SealedBody::open(Arc::clone(&stored), key)) else { continue };
        let size = body.size_bytes();
        assert!(size < stored.size_bytes());
        for range in [0..size, size / 2..size, size.saturating_sub(1)..size, size..size + 1, 0..size + 1] {
            let wanted = range.end - range.start;
            if let Ok(read) = RUNTIME.block_on(body.read(range)) {
                assert_eq!(read.len() as u64, wanted);
            }
        }
        if let Ok(archive) = opened(Arc::new(body)) {
            read_members(&archive);
        }
    }
});
