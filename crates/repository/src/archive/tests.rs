use super::*;
use crate::{Body, StoredBody};
use domain::{Code, Result};
use std::{io::Read, sync::Arc};
use store::{ObjectName, Store, memory::Memory};

fn name() -> ObjectName {
    ObjectName::new("a/b.zip").unwrap()
}

/// Writes an archive with `write` on a blocking thread, as the engine does.
async fn written(store: &Arc<dyn Store>, write: impl FnOnce(&ArchiveWriter) + Send + 'static) -> Written {
    let writer = ArchiveWriter::new(store.create(&name()).await.unwrap());
    let writer = tokio::task::spawn_blocking(move || {
        write(&writer);
        writer
    });
    writer.await.unwrap().finish().await.unwrap()
}

fn member(writer: &ArchiveWriter, name: &str, bytes: &[u8]) {
    let mut member = writer.member(name).unwrap();
    bytes.chunks(100_000).for_each(|chunk| member.write(chunk).unwrap());
    member.finish().unwrap();
}

async fn reader(store: &Arc<dyn Store>, written: &Written) -> Result<ArchiveReader> {
    let body: Arc<dyn Body> = Arc::new(StoredBody::new(Arc::clone(store), name(), written.size_bytes));
    ArchiveReader::open(body, written.plain_bytes).await
}

async fn content(reader: Arc<ArchiveReader>, name: &'static str) -> std::io::Result<Vec<u8>> {
    tokio::task::spawn_blocking(move || {
        let mut out = vec![];
        reader.open_member(name).map_err(std::io::Error::other)?.read_to_end(&mut out).map(|_| out)
    })
    .await
    .unwrap()
}

/// Bytes that do not compress.
fn noise(count: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    })
    .take(count)
    .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn members_of_all_sizes_read_back() {
    let store: Arc<dyn Store> = Arc::new(Memory::default());
    let big = noise(40 << 20);
    let copy = big.clone();
    let written = written(&store, move |writer| {
        member(writer, DESCRIPTION, b"{}");
        std::thread::scope(|scope| {
            scope.spawn(|| member(writer, "data/big/0.zst", &copy));
            scope.spawn(|| member(writer, "data/zeros/0.zst", &vec![0; 30 << 20]));
            scope.spawn(|| member(writer, "data/empty/0.zst", b""));
        });
        member(writer, SUMMARY, b"end");
    })
    .await;
    assert_eq!(written.members, 5);
    assert_eq!(written.plain_bytes, (70 << 20) + 5);

    let reader = Arc::new(reader(&store, &written).await.unwrap());
    let mut names: Vec<_> = reader.names().collect();
    assert_eq!((names[0], names[4]), (DESCRIPTION, SUMMARY));
    names.sort_unstable();
    assert_eq!(names, [DESCRIPTION, "data/big/0.zst", "data/empty/0.zst", "data/zeros/0.zst", SUMMARY]);
    assert!(content(Arc::clone(&reader), "data/big/0.zst").await.unwrap() == big, "a streamed member differs");
    assert!(content(Arc::clone(&reader), "data/zeros/0.zst").await.unwrap() == vec![0; 30 << 20], "a member differs");
    assert!(content(Arc::clone(&reader), "data/empty/0.zst").await.unwrap().is_empty());
    assert_eq!(content(reader, SUMMARY).await.unwrap(), b"end");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_is_dropped_is_left_out() {
    let store: Arc<dyn Store> = Arc::new(Memory::default());
    let written = written(&store, |writer| {
        writer.member("gone.zst").unwrap().write(b"half").unwrap();
        member(writer, "kept.zst", b"whole");
    })
    .await;
    assert_eq!(reader(&store, &written).await.unwrap().names().collect::<Vec<_>>(), ["kept.zst"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_member_that_is_dropped_fails_the_archive() {
    let store: Arc<dyn Store> = Arc::new(Memory::default());
    let writer = ArchiveWriter::new(store.create(&name()).await.unwrap());
    let writer = tokio::task::spawn_blocking(move || {
        writer.member("gone.zst").unwrap().write(&noise(40 << 20)).unwrap();
        writer
    });
    assert_eq!(writer.await.unwrap().finish().await.unwrap_err().code(), Code::Internal);
    assert!(store.list(None).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_flipped_bit_and_every_truncation_of_an_archive_is_noticed() {
    let store: Arc<dyn Store> = Arc::new(Memory::default());
    let written = written(&store, |writer| {
        member(writer, "one.zst", b"the rook");
        member(writer, "two.json", b"a raven");
    })
    .await;
    let bytes = store.read(&name(), 0..written.size_bytes).await.unwrap();

    let read = async |bytes: Vec<u8>| -> bool {
        let copy: Arc<dyn Store> = Arc::new(Memory::default());
        let size_bytes = bytes.len() as u64;
        store::put(copy.as_ref(), &name(), bytes.into()).await.unwrap();
        let Ok(reader) = reader(&copy, &Written { size_bytes, ..written.clone() }).await else { return false };
        let reader = Arc::new(reader);
        content(Arc::clone(&reader), "one.zst").await.is_ok_and(|bytes| bytes == b"the rook")
            && content(reader, "two.json").await.is_ok_and(|bytes| bytes == b"a raven")
    };
    assert!(read(bytes.to_vec()).await);
    for at in 0..bytes.len() {
        let mut flipped = bytes.to_vec();
        flipped[at] ^= 0x10;
        // Fields that no reader needs, such as a version, may differ; never the content.
        if read(flipped.clone()).await {
            assert!(is_unused(&bytes, at), "a flipped bit at byte {at} of {} went unseen", bytes.len());
        }
        assert!(!read(bytes[..at].to_vec()).await, "a cut at byte {at} went unseen");
    }
}

/// Whether byte `at` lies in a field of the central directory that reading does not depend on:
/// versions, time, date, disk number, attributes.
fn is_unused(archive: &[u8], at: usize) -> bool {
    let starts = (0..archive.len() - 4).filter(|i| archive[*i..].starts_with(b"PK\x01\x02"));
    starts.into_iter().any(|start| at >= start && matches!(at - start, 4..8 | 12..16 | 34..42))
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_the_manifest_allows_is_refused() {
    let store: Arc<dyn Store> = Arc::new(Memory::default());
    let written = written(&store, |writer| member(writer, "zeros.zst", &vec![0; 10 << 20])).await;
    assert!(written.size_bytes < 10 << 10, "the bomb is small: {}", written.size_bytes);
    let error = reader(&store, &Written { plain_bytes: written.plain_bytes - 1, ..written }).await.err().unwrap();
    assert_eq!(error.code(), Code::TooLarge);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_that_decompresses_to_more_than_it_claims_is_refused() {
    let store: Arc<dyn Store> = Arc::new(Memory::default());
    let written = written(&store, |writer| member(writer, "zeros.zst", &vec![0; 10 << 20])).await;
    let mut bytes = store.read(&name(), 0..written.size_bytes).await.unwrap().to_vec();
    // The plain size is the extra field of the only entry of the directory: 8 bytes before the end record.
    let at = bytes.len() - 22 - 8;
    assert_eq!(bytes[at..at + 8], (10_u64 << 20).to_le_bytes());
    bytes[at..at + 8].copy_from_slice(&100_u64.to_le_bytes());
    let copy: Arc<dyn Store> = Arc::new(Memory::default());
    store::put(copy.as_ref(), &name(), bytes.into()).await.unwrap();
    let reader = Arc::new(reader(&copy, &written).await.unwrap());
    let error = content(reader, "zeros.zst").await.unwrap_err();
    assert_eq!(error.downcast::<domain::Error>().unwrap().code(), Code::TooLarge);
}
