//! What the targets share: bytes in memory in the place of a store, keys that never change, and an archive around given members.

use async_trait::async_trait;
use bytes::Bytes;
use domain::{Code, Error, Result};
use repository::{ArchiveReader, Body, Instance, Key};
use source::{Members, members::from_io, table::RowReader, value};
use std::{
    io::Read,
    ops::Range,
    sync::{Arc, LazyLock},
};
use tokio::runtime::Runtime;

/// What the manifest allows an archive to decompress to. Nothing that is read may need more memory than this and a little.
pub const PLAIN_BYTES: u64 = 16 << 20;

/// The runtime of all targets.
pub static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| tokio::runtime::Builder::new_current_thread().build().expect("a runtime without input and output"));

/// The key that the seeds are sealed for.
pub static KEY: LazyLock<Key> =
    LazyLock::new(|| Key::Private("BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=".parse().expect("32 bytes in base64")));

/// The instance that signs the seeds.
pub static INSTANCE: LazyLock<Instance> = LazyLock::new(|| {
    let saved = r#"{"id":"6f2f3e0e-8f3a-4d5b-9c1a-000000000001","private_key":"CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk="}"#;
    Instance::from_json(saved).expect("an instance as it is saved")
});

/// Bytes in memory.
pub struct InMemory(pub Bytes);

#[async_trait]
impl Body for InMemory {
    fn size_bytes(&self) -> u64 {
        self.0.len() as u64
    }

    async fn read(&self, range: Range<u64>) -> Result<Bytes> {
        assert!(range.start <= range.end, "a range that ends before it begins");
        if range.end > self.size_bytes() {
            return Err(Error::new(Code::Damaged, "The object ends before that.", "Choose another restore point."));
        }
        Ok(self.0.slice(range.start as usize..range.end as usize))
    }
}

/// Opens an archive, as a restore does.
pub fn opened(body: Arc<dyn Body>) -> Result<ArchiveReader> {
    RUNTIME.block_on(ArchiveReader::open(body, PLAIN_BYTES))
}

/// Reads everything that an archive holds, as a verification does: rows as rows, descriptions as descriptions, the rest as bytes.
/// Returns how many bytes there were.
pub fn read_members(archive: &ArchiveReader) -> u64 {
    let names: Vec<String> = archive.names().map(Into::into).collect();
    names.iter().map(|name| read_member(archive, name).unwrap_or(0)).sum()
}

fn read_member(archive: &ArchiveReader, name: &str) -> Result<u64> {
    let claimed = archive.plain_bytes(name).expect("a member that is listed has a size");
    if name.ends_with(".ndjson.zst") {
        return rows(archive, name, claimed);
    }
    let bytes = source::members::read_all(&Archived(archive), name)?;
    assert_eq!(bytes.len() as u64, claimed, "another size than the directory promises");
    match name {
        repository::archive::DESCRIPTION => drop(serde_json::from_slice::<source::Description>(&bytes)),
        repository::archive::SUMMARY => drop(serde_json::from_slice::<domain::Summary>(&bytes)),
        _ => {}
    }
    Ok(bytes.len() as u64)
}

fn rows(archive: &ArchiveReader, name: &str, claimed: u64) -> Result<u64> {
    let mut reader = RowReader::new(archive.open_member(name)?)?;
    let mut bytes = 0;
    while let Some(row) = reader.next_row()? {
        bytes += row.len() as u64 + 1;
        assert!(bytes <= claimed, "more rows than the directory promises");
        // A row that is refused spoils itself; the next one is read all the same, to see more.
        let _ = value::split(row, |_| Ok(()));
    }
    Ok(bytes)
}

struct Archived<'a>(&'a ArchiveReader);

impl Members for Archived<'_> {
    fn names(&self) -> Vec<String> {
        self.0.names().map(Into::into).collect()
    }

    fn open(&self, name: &str) -> Result<Box<dyn Read + Send + '_>> {
        self.0.open_member(name)
    }
}

/// Reads a member to its end in pieces of odd sizes.
pub fn read_in_pieces(archive: &ArchiveReader, name: &str) -> Result<u64> {
    let mut input = archive.open_member(name)?;
    let (mut bytes, mut buffer) = (0, [0; 4099]);
    loop {
        match input.read(&mut buffer[..1 + bytes as usize % 4098]).map_err(from_io)? {
            0 => return Ok(bytes),
            count => bytes += count as u64,
        }
    }
}

/// A ZIP around one stored member, with the checksum that fits and the plain size that is told. A fuzzer would never guess these.
pub fn archive_around(name: &str, stored: &[u8], plain_bytes: u64) -> Vec<u8> {
    let (crc, size) = (crc32fast::hash(stored).to_le_bytes(), (stored.len() as u32).to_le_bytes());
    let length = (name.len() as u16).to_le_bytes();
    let mut out = vec![];
    let put = |out: &mut Vec<u8>, parts: &[&[u8]]| parts.iter().for_each(|part| out.extend_from_slice(part));
    // Version 2.0, names in UTF-8, stored, the first day of ZIP.
    let fixed: &[u8] = &[20, 0, 0, 8, 0, 0, 0, 0, 0x21, 0];
    put(&mut out, &[b"PK\x03\x04", fixed, &crc, &size, &size, &length, &[0, 0], name.as_bytes(), stored]);
    let directory = out.len();
    put(&mut out, &[b"PK\x01\x02", &[20, 0], fixed, &crc, &size, &size, &length, &[12, 0], &[0; 14], name.as_bytes()]);
    put(&mut out, &[&[0x52, 0x6b, 8, 0], &plain_bytes.to_le_bytes()]);
    let (begin, length) = ((directory as u32).to_le_bytes(), ((out.len() - directory) as u32).to_le_bytes());
    put(&mut out, &[b"PK\x05\x06", &[0; 4], &[1, 0, 1, 0], &length, &begin, &[0, 0]]);
    out
}
