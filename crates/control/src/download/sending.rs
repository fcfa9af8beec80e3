//! Bytes on their way out of a store: a piece in memory at a time, and the last one only once all are known to be those that were
//! signed.

use super::tar;
use bytes::Bytes;
use domain::Result;
use futures::{
    Stream, StreamExt, TryStreamExt,
    future::ready,
    stream::{self, BoxStream},
};
use repository::{Manifest, Place};
use sha2::{Digest, Sha256};
use std::{ops::Range, sync::Arc};
use store::{ObjectName, Store};

/// Bytes that are read at once.
const PIECE_BYTES: u64 = 1 << 20;

/// An archive that is there, with what was signed of it.
#[derive(Clone)]
pub struct Archive {
    store: Arc<dyn Store>,
    name: ObjectName,
    manifest: Arc<Manifest>,
}

impl Archive {
    pub fn new(store: &Arc<dyn Store>, place: &Place, manifest: &Manifest) -> Result<Self> {
        Ok(Self { store: Arc::clone(store), name: place.archive(manifest.sealed())?, manifest: Arc::new(manifest.clone()) })
    }

    pub fn size_bytes(&self) -> u64 {
        self.manifest.archive.size_bytes
    }

    /// What tells it from every other one.
    pub fn sha256(&self) -> &str {
        &self.manifest.archive.sha256
    }

    /// All of it. Where the bytes are not those that were signed, the last of them is an error: whoever counts what came knows that
    /// it is not whole.
    pub fn whole(&self) -> impl Stream<Item = Result<Bytes>> + Send + use<> {
        let (archive, size) = (self.clone(), self.size_bytes());
        let checked = move |(hash, done): &mut (Sha256, u64), piece: Result<Bytes>| {
            let piece = piece?;
            hash.update(&piece);
            *done += piece.len() as u64;
            if *done == size {
                archive.manifest.check_sha256(hash.clone().finalize().into())?;
            }
            Ok(piece)
        };
        self.part(0..size).scan((Sha256::new(), 0), move |so_far, piece| ready(Some(checked(so_far, piece))))
    }

    /// Some of it, which cannot be proven alone.
    pub fn part(&self, range: Range<u64>) -> impl Stream<Item = Result<Bytes>> + Send + use<> {
        let archive = self.clone();
        stream::try_unfold(range, move |Range { start, end }| {
            let archive = archive.clone();
            async move {
                if start >= end {
                    return Ok(None);
                }
                let next = end.min(start + PIECE_BYTES);
                Ok(Some((archive.store.read(&archive.name, start..next).await?, next..end)))
            }
        })
    }

    /// Reads all of it, for nothing but to know that it is what was signed.
    pub async fn prove(&self) -> Result<()> {
        self.whole().try_for_each(|_| ready(Ok(()))).await
    }
}

/// A file in a tar file.
pub struct Entry {
    pub path: String,
    pub content: Content,
    /// When it was written, in seconds after 1970.
    pub written_at: u64,
}

pub enum Content {
    Small(Bytes),
    Large { size_bytes: u64, body: BoxStream<'static, Result<Bytes>> },
}

impl Entry {
    fn size_bytes(&self) -> u64 {
        match &self.content {
            Content::Small(bytes) => bytes.len() as u64,
            Content::Large { size_bytes, .. } => *size_bytes,
        }
    }

    fn header(&self) -> Bytes {
        tar::header(&self.path, self.size_bytes(), self.written_at)
    }

    fn pieces(self) -> impl Stream<Item = Result<Bytes>> + Send {
        let (header, padding) = (self.header(), tar::padding(self.size_bytes()));
        let content = match self.content {
            Content::Small(bytes) => one(bytes).boxed(),
            Content::Large { body, .. } => body,
        };
        one(header).chain(content).chain(one(padding))
    }
}

/// Size of a tar file of these.
pub fn size_of(entries: &[Entry]) -> u64 {
    let one = |entry: &Entry| {
        let size = entry.size_bytes();
        entry.header().len() as u64 + size + tar::padding(size).len() as u64
    };
    entries.iter().map(one).sum::<u64>() + tar::end().len() as u64
}

/// A tar file of these.
pub fn bundle(entries: Vec<Entry>) -> BoxStream<'static, Result<Bytes>> {
    stream::iter(entries).flat_map(Entry::pieces).chain(one(tar::end())).boxed()
}

/// One piece.
pub fn one(bytes: Bytes) -> impl Stream<Item = Result<Bytes>> + Send {
    stream::iter((!bytes.is_empty()).then_some(Ok(bytes)))
}
