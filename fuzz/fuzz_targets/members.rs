//! One member in an archive that is sound otherwise: the first byte chooses what it is, three tell its plain size, the rest is what is
//! stored, or for rows what zstd is given, too.

#![no_main]

use libfuzzer_sys::fuzz_target;
use repository::archive::{DESCRIPTION, SUMMARY};
use rookery_fuzz::{InMemory, archive_around, opened, read_in_pieces, read_members};
use std::sync::Arc;

fuzz_target!(|bytes: &[u8]| {
    let Some(([kind, size @ ..], content)) = bytes.split_first_chunk::<4>() else { return };
    let told = u64::from(u32::from_le_bytes([size[0], size[1], size[2], 0]));
    let rows = "data/t/000000.ndjson.zst";
    let (name, stored, plain_bytes) = match kind % 4 {
        0 => (DESCRIPTION, content.to_vec(), content.len() as u64),
        1 => (SUMMARY, content.to_vec(), content.len() as u64),
        2 => (rows, content.to_vec(), told),
        _ => (rows, zstd::bulk::compress(content, 1).expect("memory"), content.len() as u64),
    };
    let archive = archive_around(name, &stored, plain_bytes);
    let archive = opened(Arc::new(InMemory(archive.into()))).expect("the archive itself is sound");
    read_members(&archive);
    let _ = read_in_pieces(&archive, name);
});
