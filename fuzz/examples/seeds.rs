//! Writes the seeds of all targets into `corpus/`, made from small archives as Rookery writes them.

use repository::{
    ArchiveReader, ArchiveRef, ArchiveWriter, Key, Manifest, Place, ServerRef, Written,
    archive::{DESCRIPTION, Effort, SUMMARY},
    marker::Marker,
};
use rookery_fuzz::{INSTANCE, InMemory, KEY};
use std::{fs, path::Path, sync::Arc};
use store::{ObjectName, Store, memory::Memory};

const DESCRIBED: &str = r#"{"format":1,"dbms":"sqlite","version":"3.51.0","database":"shop","properties":{"page_size":4096}}"#;
const ROWS: &str = "{\"table\":\"t\",\"columns\":[\"a\",\"b\"],\"types\":[\"int\",\"text\"]}\n[1,\"rook\"]\n[null,{\"b64\":\"AAEC\"}]\n[2.50e3,{\"text\":\"//4=\"}]\n[true,\"a\\\"\\\\\\n\\u0001\"]\n[3,{\"wide\":\"000102030405060708090a0b0c0d0e0f\",\"size_bytes\":9,\"form\":\"text\"}]\n[{\"real\":\"inf\"},[1,[2]]]\n";
const COUNTED: &str =
    r#"{"tables":[{"table":"t","rows":6,"bytes":180,"digest":"000102030405060708090a0b0c0d0e0f"}],"extra":{"sequences":[]}}"#;

fn main() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let (plain, written) = runtime.block_on(archive(false));
    let (sealed, sealed_written) = runtime.block_on(archive(true));
    let begins = seal::Envelope::size(&sealed).expect("an envelope");
    seed("directory", "archive", &plain);
    seed("directory", "empty", b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
    seed("sealed_body", "archive", &sealed);
    seed("envelope", "one", &sealed[..begins]);
    seed("envelope", "two", two_recipients().as_bytes());
    seed("manifest", "signed", &manifest(&written, None).sign(&INSTANCE).expect("a signature"));
    let recipients = Some(vec![recipient().fingerprint().to_string()]);
    for (name, manifest) in [("plain", manifest(&written, None)), ("sealed", manifest(&sealed_written, recipients))] {
        seed("manifest", name, &serde_json::to_vec(&manifest).expect("a manifest"));
    }
    seed("manifest", "marker", &Marker::new(INSTANCE.public()).to_bytes().expect("a marker"));
    let told = |kind: u8, content: &[u8]| [&[kind, ROWS.len() as u8, (ROWS.len() >> 8) as u8, 0], content].concat();
    seed("members", "description", &told(0, DESCRIBED.as_bytes()));
    seed("members", "summary", &told(1, COUNTED.as_bytes()));
    seed("members", "frame", &told(2, &zstd::bulk::compress(ROWS.as_bytes(), 3).expect("memory")));
    seed("members", "rows", &told(3, ROWS.as_bytes()));
    let reader = runtime.block_on(ArchiveReader::open(Arc::new(InMemory(plain.into())), written.plain_bytes)).expect("an archive");
    assert_eq!(reader.names().count(), 4);
}

fn seed(target: &str, name: &str, bytes: &[u8]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(folder.join(name), bytes).expect("a file");
}

fn recipient() -> seal::PublicKey {
    let Key::Private(key) = &*KEY else { unreachable!("the key is a private one") };
    key.public().expect("a public half")
}

fn two_recipients() -> seal::Envelope {
    let other = seal::PrivateKey::generate().and_then(|key| key.public()).expect("random numbers");
    seal::Envelope::seal(&[other, recipient()]).expect("an envelope").0
}

async fn archive(sealed: bool) -> (Vec<u8>, Written) {
    let (store, name) = (Memory::new(), ObjectName::new("archive").expect("a name"));
    let upload = store.create(&name).await.expect("memory");
    let writer = if sealed { ArchiveWriter::sealed(upload, &[recipient()]).expect("a key") } else { ArchiveWriter::new(upload) };
    let write = tokio::task::spawn_blocking(move || {
        for (name, content) in [(DESCRIPTION, DESCRIBED), ("data/t/000000.ndjson.zst", ROWS), ("wide/x.zst", "wide"), (SUMMARY, COUNTED)] {
            let mut member = writer.member(name, Effort::Usual).expect("a member");
            member.write(content.as_bytes()).and_then(|()| member.finish()).expect("memory");
        }
        writer
    });
    let written = write.await.expect("a thread").finish().await.expect("an archive");
    (store.read(&name, 0..written.size_bytes).await.expect("what was written").to_vec(), written)
}

fn manifest(written: &Written, recipients: Option<Vec<String>>) -> Manifest {
    let label = "2026-11-22-03-00-00Z.full-backup".parse().expect("a label");
    let place = Place::of_full("shop", "db", label).expect("a place");
    let at = "2026-11-22T03:00:00Z".parse().expect("a time");
    Manifest {
        format: repository::manifest::FORMAT,
        instance: INSTANCE.public(),
        server: ServerRef { name: "db".into(), dbms: domain::Dbms::Sqlite, version: "3.51.0".into(), instance: "x".into() },
        database: "shop".into(),
        backup_type: label.backup_type(),
        kind: label.kind(),
        label,
        prior: None,
        began_at: at,
        ended_at: at,
        position: Default::default(),
        covers_from: None,
        covers_to: None,
        archive: ArchiveRef {
            name: place.archive_file(recipients.is_some()),
            size_bytes: written.size_bytes,
            sha256: written.sha256.iter().map(|byte| format!("{byte:02x}")).collect(),
            plain_bytes: written.plain_bytes,
            members: written.members,
            rows: 6,
        },
        recipients,
        tools: vec![],
        task: None,
        reason: "It is the first.".into(),
        written_by: "0.1.0".into(),
    }
}
