//! One good archive and its manifest, what makes faulty ones of them, and what reads them as a restore does.

use crate::{Make, zip::Zip};
use base64::{Engine, engine::general_purpose::STANDARD};
use domain::{Code, Error, Label, Result};
use repository::{
    ArchiveRef, Body, Instance, Key, Manifest, Place, Repository, SealedBody, ServerRef, StoredBody, Trust, envelope, manifest,
};
use seal::{DataKey, Envelope, PrivateKey, PublicKey, Sealer};
use sha2::{Digest, Sha256};
use std::{collections::BTreeMap, io::Read, sync::Arc};
use store::{ObjectName, Store, memory::Memory};

/// The database and the server of the good manifest.
pub const DATABASE: &str = "shop";
pub const SERVER: &str = "db";

pub fn label(time: &str, kind: &str) -> Label {
    format!("2026-11-22-{time}Z.{kind}-backup").parse().unwrap()
}

pub fn full() -> Place {
    Place::of_full(DATABASE, SERVER, label("03-00-00", "full")).unwrap()
}

/// What lies under a root, and the backup that is asked for.
#[derive(Clone)]
pub struct Root {
    pub place: Place,
    pub manifest: Vec<u8>,
    /// The archive beside it, under the name of a sealed one.
    pub archive: Option<Vec<u8>>,
    pub others: BTreeMap<String, Vec<u8>>,
}

impl Root {
    pub fn archive(&self) -> &[u8] {
        self.archive.as_deref().unwrap_or_default()
    }
}

pub struct Kit {
    pub instance: Instance,
    pub stranger: Instance,
    pub key: PrivateKey,
    pub recipients: [PublicKey; 2],
    pub zip: Zip,
    pub plain: Vec<u8>,
    pub good: Vec<u8>,
    /// Another archive, sealed for the same keys.
    pub other: Vec<u8>,
    envelope: Envelope,
    data_key: DataKey,
}

impl Kit {
    pub async fn new() -> Self {
        let private = |byte: u8| STANDARD.encode([byte; 32]).parse::<PrivateKey>().unwrap();
        let (key, escrow) = (private(7), private(8));
        let recipients = [key.public().unwrap(), escrow.public().unwrap()];
        let zip = Zip::good(1);
        let (plain, other) = (zip.bytes(), Zip::good(2).bytes());
        let (envelope, data_key) = Envelope::seal(&recipients).unwrap();
        let good = sealed(&data_key, envelope.as_bytes(), &envelope.context(), &plain);
        let (other_envelope, other_key) = Envelope::seal(&recipients).unwrap();
        let other = sealed(&other_key, other_envelope.as_bytes(), &other_envelope.context(), &other);
        let instances = [(); 2].map(|()| Instance::generate().unwrap());
        let [instance, stranger] = instances;
        Self { instance, stranger, key, recipients, zip, plain, good, other, envelope, data_key }
    }

    /// The root without a fault.
    pub fn root(&self) -> Root {
        self.around(self.good.clone(), self.zip.plain_bytes())
    }

    /// The root with a fault.
    pub fn root_with(&self, make: &Make) -> Root {
        let mut root = self.root();
        match make {
            Make::Root(change) => change(self, &mut root),
            Make::Sealed(change) => return self.around(change(self), self.zip.plain_bytes()),
            Make::Chunks(change) => {
                let (head, body) = self.good.split_at(self.begins());
                let mut chunks = body.chunks(16400).map(Into::into).collect();
                change(self, &mut chunks);
                return self.around([head.to_vec(), chunks.concat()].concat(), self.zip.plain_bytes());
            }
            Make::Header(change) => {
                let json = change(self, self.header());
                let start = [b"ROOKERY\x01".as_slice(), &(json.len() as u32).to_be_bytes(), &json].concat();
                let context = [b"rookery.archive/v1\0".as_slice(), &Sha256::digest(&start)].concat();
                return self.around(sealed(&self.data_key, &start, &context, &self.plain), self.zip.plain_bytes());
            }
            Make::Inside(change) => {
                let mut zip = self.zip.clone();
                change(self, &mut zip);
                // The manifest counts members as they are, and allows what it did: more is a fault of its own.
                let archive = self.sealed(&zip.bytes());
                let mut manifest = self.manifest(&archive);
                manifest.archive.members = zip.members.len() as u64;
                root.manifest = manifest.sign(&self.instance).unwrap();
                root.archive = Some(archive);
            }
            Make::InsideBytes(change) => return self.around(self.sealed(&change(self, self.plain.clone())), self.zip.plain_bytes()),
            Make::Payload(change) => {
                let mut payload = serde_json::to_value(self.manifest(&self.good)).unwrap();
                change(self, &mut payload);
                root.manifest = envelope::sign(payload.to_string().as_bytes(), &self.instance).unwrap();
            }
            Make::PayloadText(change) => {
                let payload = serde_json::to_string(&self.manifest(&self.good)).unwrap();
                root.manifest = envelope::sign(&change(self, payload), &self.instance).unwrap();
            }
            Make::Envelope(change) => {
                let mut signed = serde_json::from_slice(&root.manifest).unwrap();
                change(self, &mut signed);
                root.manifest = signed.to_string().into_bytes();
            }
            Make::Manifest(change) => root.manifest = change(self, root.manifest.clone()),
        }
        root
    }

    /// An archive with a manifest that was signed for it.
    fn around(&self, archive: Vec<u8>, plain_bytes: u64) -> Root {
        let mut manifest = self.manifest(&archive);
        manifest.archive.plain_bytes = plain_bytes;
        Root { place: full(), manifest: manifest.sign(&self.instance).unwrap(), archive: Some(archive), others: BTreeMap::new() }
    }

    /// A manifest for an archive.
    pub fn manifest(&self, archive: &[u8]) -> Manifest {
        let at = "2026-11-22T03:00:00Z".parse().unwrap();
        let label = full().label();
        Manifest {
            format: manifest::FORMAT,
            instance: self.instance.public(),
            server: ServerRef { name: SERVER.into(), dbms: domain::Dbms::Sqlite, version: "3".into(), instance: "x".into() },
            database: DATABASE.into(),
            backup_type: label.backup_type(),
            kind: label.kind(),
            label,
            prior: None,
            began_at: at,
            ended_at: at,
            position: manifest::Positions::default(),
            covers_from: None,
            covers_to: None,
            archive: ArchiveRef {
                name: full().archive_file(true),
                size_bytes: archive.len() as u64,
                sha256: hex::encode(Sha256::digest(archive)),
                plain_bytes: self.zip.plain_bytes(),
                members: 3,
                rows: 1000,
            },
            recipients: Some(self.recipients.map(|recipient| recipient.fingerprint().to_string()).to_vec()),
            tools: vec![],
            task: None,
            reason: "It is the first.".into(),
            written_by: "0.1.0".into(),
        }
    }

    /// Plain bytes, sealed as they should be.
    pub fn sealed(&self, plain: &[u8]) -> Vec<u8> {
        sealed(&self.data_key, self.envelope.as_bytes(), &self.envelope.context(), plain)
    }

    /// Plain bytes, sealed under another key or for another purpose behind the good envelope.
    pub fn sealed_wrongly(&self, key: Option<DataKey>, context: &[u8]) -> Vec<u8> {
        sealed(&key.unwrap_or_else(|| self.data_key.clone()), self.envelope.as_bytes(), context, &self.plain)
    }

    pub fn context(&self) -> Vec<u8> {
        self.envelope.context()
    }

    /// Where the first chunk lies, and before it salt and commitment.
    pub fn begins(&self) -> usize {
        self.envelope.body_begins() as usize
    }

    /// The header's JSON.
    pub fn header(&self) -> String {
        String::from_utf8(self.envelope.as_bytes()[12..].to_vec()).unwrap()
    }

    /// The other archive's header.
    pub fn other_header(&self) -> serde_json::Value {
        let size = Envelope::size(&self.other).unwrap();
        serde_json::from_slice(&self.other[12..size]).unwrap()
    }

    pub fn other_chunks(&self) -> Vec<Vec<u8>> {
        self.other[Envelope::size(&self.other).unwrap() + 56..].chunks(16400).map(Into::into).collect()
    }

    /// Reads the backup as a restore does, to the last byte of its last member.
    pub async fn accepts(&self, root: &Root) -> Result<()> {
        let store: Arc<dyn Store> = Arc::new(Memory::new());
        let archive = root.archive.as_ref().map(|archive| (root.place.archive(true).unwrap(), archive));
        let others = root.others.iter().map(|(name, bytes)| (ObjectName::new(name.as_str()).unwrap(), bytes));
        for (name, bytes) in others.chain(archive).chain([(root.place.manifest()?, &root.manifest)]) {
            store::put(store.as_ref(), &name, bytes.clone().into()).await?;
        }
        let repository = Repository::open(Arc::clone(&store), Trust::new([self.instance.fingerprint()])).await?;
        let points = repository.points(None).await?;
        let point = points.iter().find(|point| point.place == root.place).unwrap();
        let manifest = repository.usable(point)?;
        let name = point.place.archive(manifest.sealed())?;
        let size = store.size(&name).await?;
        manifest.check_size(Some(size))?;
        manifest.check_sha256(Sha256::digest(store.read(&name, 0..size).await?).into())?;
        let key = Key::Private(self.key.clone());
        let archive = repository.archive(&point.place, manifest, None, Some(&key)).await?;
        let read = tokio::task::spawn_blocking(move || {
            let names: Vec<String> = archive.names().map(Into::into).collect();
            for name in names.iter().map(String::as_str).chain([repository::archive::DESCRIPTION, repository::archive::SUMMARY]) {
                let read = archive.open_member(name)?.read_to_end(&mut vec![]);
                read.map_err(|error| error.downcast::<Error>().expect("an error of ours"))?;
            }
            Ok(())
        });
        read.await.expect("no panic")
    }

    /// What a sealed archive gives to one who reads it piece by piece until it is refused, and whether that was all.
    pub async fn handed_out(&self, archive: &[u8]) -> (Vec<u8>, bool) {
        let (store, name) = (Arc::new(Memory::new()), ObjectName::new("archive").unwrap());
        store::put(store.as_ref(), &name, archive.to_vec().into()).await.unwrap();
        let stored = Arc::new(StoredBody::new(store, name, archive.len() as u64));
        let mut out = vec![];
        let Ok(body) = SealedBody::open(stored, &Key::Private(self.key.clone())).await else { return (out, false) };
        while (out.len() as u64) < body.size_bytes() {
            let at = out.len() as u64;
            match body.read(at..body.size_bytes().min(at + 5000)).await {
                Ok(bytes) => out.extend_from_slice(&bytes),
                Err(error) => {
                    assert_eq!(error.code(), Code::Damaged);
                    assert!(body.read(0..1).await.is_err(), "it goes on after a refusal");
                    return (out, false);
                }
            }
        }
        (out, true)
    }
}

fn sealed(key: &DataKey, start: &[u8], context: &[u8], plain: &[u8]) -> Vec<u8> {
    let (mut sealer, head) = Sealer::new(key, context).unwrap();
    let mut out = [start, &head].concat();
    sealer.seal(plain, &mut out).unwrap();
    sealer.finish(&mut out).unwrap();
    out
}

/// Bytes that do not compress.
pub fn noise(seed: u64, count: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64 ^ seed;
    std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    })
    .take(count)
    .collect()
}

/// The same bytes with one bit of one of them changed.
pub fn flipped(bytes: &[u8], at: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[at] ^= 1;
    bytes
}

/// Takes the last byte away.
pub fn shorten(bytes: &mut Vec<u8>) {
    bytes.truncate(bytes.len() - 1);
}
