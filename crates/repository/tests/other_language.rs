//! What a program in another language sealed, which knows only docs/FORMAT.md, is read like an archive of our own.

#![allow(clippy::unwrap_used, reason = "tests")]

use repository::{ArchiveReader, ArchiveWriter, Key, SealedBody, StoredBody, archive::Effort};
use seal::PrivateKey;
use std::{io::Read, process::Command, sync::Arc};
use store::{ObjectName, Store, memory::Memory};

const MEMBERS: [(&str, usize); 4] = [("archive.json", 2), ("data/t/000000.ndjson.zst", 300_000), ("noise", 50_000), ("empty.zst", 0)];

/// Bytes that hardly compress.
fn content(count: usize) -> Vec<u8> {
    (0..count as u64).map(|at| (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect()
}

/// The bytes of an archive that is not sealed, and what its members decompress to.
async fn plain() -> (Vec<u8>, u64) {
    let (store, name) = (Memory::new(), ObjectName::new("plain").unwrap());
    let writer = ArchiveWriter::new(store.create(&name).await.unwrap());
    let write = tokio::task::spawn_blocking(move || {
        for (name, count) in MEMBERS {
            let mut member = writer.member(name, Effort::Usual).unwrap();
            member.write(&content(count)).unwrap();
            member.finish().unwrap();
        }
        writer
    });
    let written = write.await.unwrap().finish().await.unwrap();
    (store.read(&name, 0..written.size_bytes).await.unwrap().to_vec(), written.plain_bytes)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_that_another_language_sealed_is_read_with_each_of_its_keys() {
    let (plain, plain_bytes) = plain().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("plain.zip");
    std::fs::write(&file, &plain).unwrap();
    let keys = [(); 2].map(|()| PrivateKey::generate().unwrap());
    // Debian's own, for which the package with the ciphers is installed.
    let sealed = Command::new("/usr/bin/python3")
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../seal/tests/seal_archive.py"))
        .arg(&file)
        .args(["0a".repeat(32), "0b".repeat(24), "0c".repeat(16), "0d".repeat(32)])
        .args(keys.each_ref().map(|key| key.public().unwrap().to_string()))
        .output()
        .unwrap();
    assert!(sealed.status.success(), "{}", String::from_utf8_lossy(&sealed.stderr));

    let (store, name) = (Arc::new(Memory::new()), ObjectName::new("sealed").unwrap());
    let size_bytes = sealed.stdout.len() as u64;
    store::put(store.as_ref(), &name, sealed.stdout.into()).await.unwrap();
    for key in keys {
        let stored = Arc::new(StoredBody::new(Arc::clone(&store) as Arc<dyn Store>, name.clone(), size_bytes));
        let body = SealedBody::open(stored, &Key::Private(key)).await.unwrap();
        assert_eq!(body.recipients().len(), 2);
        let archive = ArchiveReader::open(Arc::new(body), plain_bytes).await.unwrap();
        let read = tokio::task::spawn_blocking(move || {
            for (name, count) in MEMBERS {
                let mut bytes = vec![];
                archive.open_member(name).unwrap().read_to_end(&mut bytes).unwrap();
                assert!(bytes == content(count), "{name} differs");
            }
        });
        read.await.unwrap();
    }
}
