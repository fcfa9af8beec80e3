//! An archive as a file that anybody could have put there: its end records, its directory, its members.

#![no_main]

use libfuzzer_sys::fuzz_target;
use rookery_fuzz::{InMemory, PLAIN_BYTES, opened, read_in_pieces, read_members};
use std::sync::Arc;

fuzz_target!(|bytes: &[u8]| {
    let Ok(archive) = opened(Arc::new(InMemory(bytes.to_vec().into()))) else { return };
    assert!(archive.names().map(|name| archive.plain_bytes(name).expect("a size")).sum::<u64>() <= PLAIN_BYTES);
    assert!(archive.names().all(|name| !name.starts_with('/') && !name.split('/').any(|part| part == "..")));
    assert!(read_members(&archive) <= PLAIN_BYTES);
    if let Some(name) = archive.names().next() {
        let _ = read_in_pieces(&archive, name);
    }
});
