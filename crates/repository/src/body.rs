//! The bytes of an archive as its reader sees them, wherever they lie and however they were stored.

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use domain::{Code, Error, Result};
use seal::{
    DataKey, Envelope, Fingerprint, Opener, PrivateKey,
    body::{CHUNK_BYTES, HEAD_BYTES, SEALED_BYTES, Shape},
    envelope::START_BYTES,
};
use sha2::{Digest, Sha256};
use std::{
    collections::VecDeque,
    ops::Range,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};
use store::{ObjectName, Store};

/// Plain archive bytes at random. A sealed archive is unsealed below this trait, so that nothing above it differs.
#[async_trait]
pub trait Body: Send + Sync {
    /// Number of bytes.
    fn size_bytes(&self) -> u64;

    /// The bytes of `range`.
    async fn read(&self, range: Range<u64>) -> Result<Bytes>;
}

/// An archive that is stored as it is.
pub struct StoredBody {
    store: Arc<dyn Store>,
    name: ObjectName,
    size_bytes: u64,
}

impl StoredBody {
    /// The body of an object whose size is known from its manifest.
    pub fn new(store: Arc<dyn Store>, name: ObjectName, size_bytes: u64) -> Self {
        Self { store, name, size_bytes }
    }
}

#[async_trait]
impl Body for StoredBody {
    fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    async fn read(&self, range: Range<u64>) -> Result<Bytes> {
        self.store.read(&self.name, range).await
    }
}

/// Bytes of a piece, the unit in which stored bytes are proven.
pub const PIECE_BYTES: usize = 1 << 20;

/// Pieces that are kept for the next reads: neighbouring members share them, and threads read several members at once.
const RECENT: usize = 8;

/// The hash of each piece of a stored archive, taken while all of it was compared with what was signed: 32 bytes for a MiB.
#[derive(Clone, Debug, Default)]
pub struct Pieces(Vec<[u8; 32]>);

impl Pieces {
    /// Takes the bytes that come next: whole pieces, except at the end.
    pub fn take(&mut self, bytes: &[u8]) {
        self.0.extend(bytes.chunks(PIECE_BYTES).map(|piece| <[u8; 32]>::from(Sha256::digest(piece))));
    }
}

/// Stored bytes that are the ones that were proven, whoever changes the object between the proof and the reading.
pub struct ProvenBody {
    stored: StoredBody,
    pieces: Pieces,
    recent: Mutex<VecDeque<(u64, Bytes)>>,
}

impl ProvenBody {
    /// The body whose pieces are these.
    #[must_use]
    pub fn new(stored: StoredBody, pieces: Pieces) -> Self {
        Self { stored, pieces, recent: Mutex::default() }
    }

    async fn piece(&self, number: u64) -> Result<Bytes> {
        let known = self.recent().iter().find(|(other, _)| *other == number).map(|(_, bytes)| bytes.clone());
        if let Some(bytes) = known {
            return Ok(bytes);
        }
        let begin = number * PIECE_BYTES as u64;
        let bytes = self.stored.read(begin..self.size_bytes().min(begin + PIECE_BYTES as u64)).await?;
        let proven = usize::try_from(number).ok().and_then(|number| self.pieces.0.get(number));
        if proven.is_none_or(|proven| *proven != <[u8; 32]>::from(Sha256::digest(&bytes))) {
            return Err(Error::new(
                Code::Damaged,
                "The archive was changed while it was being read.",
                "Find out who can write to the root, and choose another restore point.",
            ));
        }
        let mut recent = self.recent();
        recent.truncate(RECENT - 1);
        recent.push_front((number, bytes.clone()));
        Ok(bytes)
    }

    fn recent(&self) -> MutexGuard<'_, VecDeque<(u64, Bytes)>> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Body for ProvenBody {
    fn size_bytes(&self) -> u64 {
        self.stored.size_bytes()
    }

    async fn read(&self, range: Range<u64>) -> Result<Bytes> {
        if range.end > self.size_bytes() {
            return Err(damaged("The archive ends before what its directory tells of."));
        }
        let piece_bytes = PIECE_BYTES as u64;
        let mut out = BytesMut::new();
        let mut at = range.start;
        while at < range.end {
            let piece = self.piece(at / piece_bytes).await?;
            let from = usize::try_from(at % piece_bytes).unwrap_or(usize::MAX);
            let to = usize::try_from(range.end - (at - at % piece_bytes)).unwrap_or(usize::MAX).min(piece.len());
            let Some(part) = piece.get(from..to).filter(|part| !part.is_empty()) else {
                return Err(damaged("The archive was cut off."));
            };
            if part.len() as u64 == range.end - range.start {
                return Ok(piece.slice(from..to));
            }
            out.extend_from_slice(part);
            at += part.len() as u64;
        }
        Ok(out.freeze())
    }
}

/// What opens a sealed archive.
#[derive(Clone, Debug)]
pub enum Key {
    /// The private half of a key that it was sealed to.
    Private(PrivateKey),
    /// The data keys of archives, which somebody else took out of their envelopes: each opens one of them.
    Data(Vec<DataKey>),
}

/// A sealed archive, opened: it has the bytes that were sealed. Nothing is handed out before its tag was checked, and after the
/// first failure nothing at all.
pub struct SealedBody {
    stored: Arc<dyn Body>,
    opener: Opener,
    /// Where the first chunk lies.
    begins: u64,
    shape: Shape,
    recipients: Vec<Fingerprint>,
    failed: AtomicBool,
}

impl SealedBody {
    /// Opens a sealed archive, and proves that it ends where it was ended: an end that was cut off, or put on, would otherwise go
    /// unseen by who reads only what comes before it.
    ///
    /// # Errors
    /// [`Code::WrongKey`]; [`Code::Damaged`] unless envelope, head, key and last chunk belong together.
    pub async fn open(stored: Arc<dyn Body>, key: &Key) -> Result<Self> {
        let envelope = envelope(stored.as_ref()).await?;
        let recipients = envelope.recipients().collect();
        let keys = match key {
            Key::Private(key) => vec![envelope.open(key)?],
            Key::Data(keys) => keys.clone(),
        };
        let begins = envelope.body_begins();
        let head = read(stored.as_ref(), begins - HEAD_BYTES as u64..begins).await?;
        // The head commits to one key, so that no other opens it.
        let mut openers = keys.iter().map(|key| Opener::new(key, &envelope.context(), &head));
        let first = openers.next().unwrap_or_else(|| Err(Error::new(Code::WrongKey, "No key was given.", "Give the key that opens it.")));
        let opener = openers.fold(first, |found, next| found.or(next))?;
        let shape = Shape::of(stored.size_bytes().saturating_sub(begins))?;
        let body = Self { stored, opener, begins, shape, recipients, failed: AtomicBool::new(false) };
        let ended = body.chunks(shape.last, shape.last).await;
        ended.map_err(|error| match error.code() {
            Code::Damaged => {
                damaged("The sealed archive does not end as it was sealed: it was cut short, lengthened or changed.").because(error)
            }
            _ => error,
        })?;
        Ok(body)
    }

    /// The keys that it was sealed for, as its envelope names them.
    #[must_use]
    pub fn recipients(&self) -> &[Fingerprint] {
        &self.recipients
    }

    async fn chunks(&self, first: u64, last: u64) -> Result<Vec<u8>> {
        let sealed_bytes = SEALED_BYTES as u64;
        let end = if last == self.shape.last { last * sealed_bytes + self.shape.last_bytes } else { (last + 1) * sealed_bytes };
        let sealed = read(self.stored.as_ref(), self.begins + first * sealed_bytes..self.begins + end).await?;
        let mut plain = Vec::with_capacity(sealed.len());
        let mut chunk = Vec::with_capacity(SEALED_BYTES);
        for (number, sealed) in (first..).zip(sealed.chunks(SEALED_BYTES)) {
            chunk.clear();
            chunk.extend_from_slice(sealed);
            self.opener.open(number, &mut chunk)?;
            plain.extend_from_slice(&chunk);
        }
        Ok(plain)
    }
}

#[async_trait]
impl Body for SealedBody {
    fn size_bytes(&self) -> u64 {
        self.shape.plain_bytes
    }

    async fn read(&self, range: Range<u64>) -> Result<Bytes> {
        if self.failed.load(Relaxed) {
            return Err(damaged("The sealed archive is not what was sealed."));
        }
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        if range.end > self.shape.plain_bytes {
            return Err(damaged("The archive ends before what its directory tells of."));
        }
        let chunk_bytes = CHUNK_BYTES as u64;
        let (first, last) = (range.start / chunk_bytes, (range.end - 1) / chunk_bytes);
        let plain = self.chunks(first, last).await.inspect_err(|error| {
            self.failed.fetch_or(error.code() == Code::Damaged, Relaxed);
        })?;
        let (from, to) = (range.start - first * chunk_bytes, range.end - first * chunk_bytes);
        match (usize::try_from(from), usize::try_from(to)) {
            (Ok(from), Ok(to)) if to <= plain.len() => Ok(Bytes::from(plain).slice(from..to)),
            _ => Err(damaged("The sealed archive ends within a chunk.")),
        }
    }
}

/// The envelope of a sealed archive.
///
/// # Errors
/// [`Code::Damaged`] for anything else.
pub async fn envelope(stored: &dyn Body) -> Result<Envelope> {
    let start = read(stored, 0..START_BYTES as u64).await?;
    let size = Envelope::size(&start)?;
    Envelope::parse(&read(stored, 0..size as u64).await?)
}

/// A range that may lie beyond the end of what is there.
async fn read(stored: &dyn Body, range: Range<u64>) -> Result<Bytes> {
    if range.end > stored.size_bytes() {
        return Err(damaged("The sealed archive was cut off."));
    }
    stored.read(range).await
}

fn damaged(sentence: &str) -> Error {
    Error::new(Code::Damaged, sentence, "Choose another restore point; `rookery verify` says which are whole.")
}
