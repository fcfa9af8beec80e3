//! The envelope of a sealed archive, as the first bytes of a file that anybody could have put there.

#![no_main]

use libfuzzer_sys::fuzz_target;
use repository::Key;
use rookery_fuzz::KEY;
use seal::{
    Envelope,
    envelope::{MAX_HEADER_BYTES, START_BYTES},
};

fuzz_target!(|bytes: &[u8]| {
    let Ok(size) = Envelope::size(bytes) else {
        assert!(Envelope::parse(bytes).is_err());
        return;
    };
    assert!(size <= START_BYTES + MAX_HEADER_BYTES);
    let Ok(envelope) = Envelope::parse(bytes) else { return };
    assert!(envelope.as_bytes() == bytes && size == bytes.len());
    assert!(envelope.recipients().count() > 0);
    let Key::Private(key) = &*KEY else { return };
    let _ = envelope.open(key);
});
