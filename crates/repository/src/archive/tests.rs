use super::*;
use crate::{Body, Key, SealedBody, StoredBody};
use domain::{Code, Result};
use seal::{PrivateKey, PublicKey};
use sha2::{Digest, Sha256};
use std::{
    io::Read,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};
use store::{ObjectName, Store, memory::Memory};

fn name() -> ObjectName {
    ObjectName::new("a/b.zip").unwrap()
}

/// Writes an archive with `write` on a blocking thread, as the engine does.
async fn written(store: &Arc<dyn Store>, write: impl FnOnce(&ArchiveWriter) + Send + 'static) -> Written {
    let writer = ArchiveWriter::new(store.create(&name()).await.unwrap());
    ended(writer, write).await
}

async fn ended(writer: ArchiveWriter, write: impl FnOnce(&ArchiveWriter) + Send + 'static) -> Written {
    let writer = tokio::task::spawn_blocking(move || {
        write(&writer);
        writer
    });
    writer.await.unwrap().finish().await.unwrap()
}

fn member(writer: &ArchiveWriter, name: &str, bytes: &[u8]) {
    let mut member = writer.member(name, Effort::Usual).unwrap();
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
        writer.member("gone.zst", Effort::Usual).unwrap().write(b"half").unwrap();
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
        writer.member("gone.zst", Effort::Usual).unwrap().write(&noise(40 << 20)).unwrap();
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
        assert!(!read(flipped).await, "a flipped bit at byte {at} of {} went unseen", bytes.len());
        assert!(!read(bytes[..at].to_vec()).await, "a cut at byte {at} went unseen");
    }
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

fn some_members(writer: &ArchiveWriter) {
    member(writer, DESCRIPTION, b"{}");
    member(writer, "tables/t/0.ndjson.zst", "[1,\"rook\"]\n".repeat(50_000).as_bytes());
    member(writer, "noise", &noise(3 << 20));
    member(writer, "empty", b"");
}

async fn sealed_for(store: &Arc<dyn Store>, recipients: &[PublicKey]) -> Written {
    let writer = ArchiveWriter::sealed(store.create(&name()).await.unwrap(), recipients).unwrap();
    ended(writer, some_members).await
}

async fn unsealed(store: &Arc<dyn Store>, written: &Written, key: &Key) -> Result<ArchiveReader> {
    let stored: Arc<dyn Body> = Arc::new(StoredBody::new(Arc::clone(store), name(), written.size_bytes));
    ArchiveReader::open(Arc::new(SealedBody::open(stored, key).await?), written.plain_bytes).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sealed_archive_reads_the_same_with_each_key_and_not_without() {
    let store: Arc<dyn Store> = Arc::new(Memory::default());
    let keys = [(); 2].map(|()| PrivateKey::generate().unwrap());
    let written = sealed_for(&store, &keys.each_ref().map(|key| key.public().unwrap())).await;
    let stored = store.read(&name(), 0..written.size_bytes).await.unwrap();
    assert_eq!(<store::Sha256>::from(Sha256::digest(&stored)), written.sha256, "the hash is that of the stored bytes");
    let data_key = Key::Data(vec![written.data_key.clone().unwrap()]);
    for key in keys.map(Key::Private).into_iter().chain([data_key]) {
        let reader = Arc::new(unsealed(&store, &written, &key).await.unwrap());
        assert_eq!(content(Arc::clone(&reader), "tables/t/0.ndjson.zst").await.unwrap().len(), 50_000 * 11);
        assert!(content(Arc::clone(&reader), "noise").await.unwrap() == noise(3 << 20));
        assert!(content(reader, "empty").await.unwrap().is_empty());
    }
    let stranger = Key::Private(PrivateKey::generate().unwrap());
    assert_eq!(unsealed(&store, &written, &stranger).await.err().unwrap().code(), Code::WrongKey);
    assert_eq!(reader(&store, &written).await.err().unwrap().code(), Code::Damaged, "sealed bytes are no archive");
    let text = String::from_utf8_lossy(&stored);
    assert!(!text.contains("rook\"") && !text.contains("ndjson"), "neither rows nor names of members show");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sealed_archive_that_failed_once_keeps_failing() {
    let store: Arc<dyn Store> = Arc::new(Memory::default());
    let key = PrivateKey::generate().unwrap();
    let written = sealed_for(&store, &[key.public().unwrap()]).await;
    let mut bytes = store.read(&name(), 0..written.size_bytes).await.unwrap().to_vec();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    let broken: Arc<dyn Store> = Arc::new(Memory::default());
    store::put(broken.as_ref(), &name(), bytes.into()).await.unwrap();
    let stored: Arc<dyn Body> = Arc::new(StoredBody::new(broken, name(), written.size_bytes));
    let body = SealedBody::open(stored, &Key::Private(key)).await.unwrap();
    assert!(body.read(0..10).await.is_ok(), "what comes before it is whole");
    assert_eq!(body.read(middle as u64 - 2000..middle as u64 + 10).await.unwrap_err().code(), Code::Damaged);
    assert_eq!(body.read(0..10).await.unwrap_err().code(), Code::Damaged);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_of_a_sealed_archive_is_read_without_the_rest() {
    let store: Arc<dyn Store> = Arc::new(Memory::default());
    let key = PrivateKey::generate().unwrap();
    let written = sealed_for(&store, &[key.public().unwrap()]).await;
    let counting = Arc::new(Counting { body: StoredBody::new(store, name(), written.size_bytes), bytes: AtomicU64::new(0) });
    let body = SealedBody::open(Arc::clone(&counting) as Arc<dyn Body>, &Key::Private(key)).await.unwrap();
    let reader = Arc::new(ArchiveReader::open(Arc::new(body), written.plain_bytes).await.unwrap());
    assert_eq!(content(reader, DESCRIPTION).await.unwrap(), b"{}");
    let read = counting.bytes.load(Relaxed);
    assert!(read < written.size_bytes / 10, "{read} of {} bytes were read", written.size_bytes);
}

/// Counts what is read.
struct Counting {
    body: StoredBody,
    bytes: AtomicU64,
}

#[async_trait::async_trait]
impl Body for Counting {
    fn size_bytes(&self) -> u64 {
        self.body.size_bytes()
    }

    async fn read(&self, range: Range<u64>) -> Result<bytes::Bytes> {
        self.bytes.fetch_add(range.end - range.start, Relaxed);
        self.body.read(range).await
    }
}
