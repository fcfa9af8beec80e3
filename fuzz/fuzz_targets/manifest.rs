//! A manifest: once as the bytes of a file, and once as a payload that the right instance signed, so that what comes after the
//! signature is reached, too.

#![no_main]

use libfuzzer_sys::fuzz_target;
use repository::{Manifest, Place, Trust, envelope, layout, marker::Marker};
use rookery_fuzz::INSTANCE;
use std::sync::LazyLock;

static PLACE: LazyLock<Place> = LazyLock::new(|| {
    let label = "2026-11-22-03-00-00Z.full-backup".parse().expect("a label");
    Place::of_full("shop", "db", label).expect("a place")
});

fuzz_target!(|bytes: &[u8]| {
    let trust = Trust::new([INSTANCE.fingerprint()]);
    let _ = Marker::parse(bytes);
    if let Ok(manifest) = Manifest::open(bytes, &PLACE) {
        let _ = manifest.check_trust(&trust);
    }
    let signed = envelope::sign(bytes, &INSTANCE).expect("any bytes can be signed");
    if let Ok(manifest) = Manifest::open(&signed, &PLACE) {
        manifest.check_trust(&trust).expect("only what the instance signed is opened");
        assert!(manifest.label == PLACE.label() && manifest.archive.name == PLACE.archive_file(manifest.sealed()));
        assert_eq!(layout::label_of_archive(&manifest.archive.name), Some(manifest.label));
        let again = Manifest::open(&manifest.sign(&INSTANCE).expect("it was read"), &PLACE).expect("it was accepted before");
        assert_eq!(again, manifest);
    }
});
