//! Writing an archive.

use super::{COMPRESSED, WINDOW_LOG};
use crate::zip::{self, Entry};
use bytes::Bytes;
use domain::{Error, Result};
use seal::{DataKey, Envelope, PublicKey, Sealer};
use sha2::{Digest, Sha256};
use std::{
    io::Write,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};
use store::Upload;
use tokio::{
    sync::{Mutex, OwnedMutexGuard, mpsc},
    task::JoinHandle,
};

/// How hard a member is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// zstd's level 3: its default, and where more CPU stops paying for PostgreSQL's and SQLite's rows.
    Usual,
    /// Level 1, in less than half the time, for what somebody waits for and little of is kept: from a little less to a seventh more to store.
    Least,
}

impl Effort {
    /// zstd's level.
    fn level(self) -> i32 {
        match self {
            Self::Usual => 3,
            Self::Least => 1,
        }
    }
}

/// Plain bytes up to which a member is gathered and compressed in one go: a part of a table and its last row. zstd then finds all of
/// it in one place; given it row by row, it copies everything into a window of its own, and searching across that window's ends
/// takes a third longer.
const WHOLE_BYTES: usize = 5 << 20;

/// Stored bytes after which a member no longer waits for its end but is written through.
const STREAM_BYTES: usize = 16 << 20;

/// Pieces in which bytes travel to the store.
const PIECE_BYTES: usize = 1 << 20;

/// An archive being written. Threads write members through [`ArchiveWriter::member`]; each is compressed in the
/// thread that writes it and appended whole, so that members never mix and memory stays bounded.
pub struct ArchiveWriter {
    state: Arc<Mutex<State>>,
    plain_bytes: AtomicU64,
    upload: JoinHandle<Result<Stored>>,
    data_key: Option<DataKey>,
}

/// What was written.
#[derive(Clone, Debug)]
pub struct Written {
    /// Bytes as stored.
    pub size_bytes: u64,
    /// SHA-256 of the stored bytes.
    pub sha256: store::Sha256,
    /// Bytes of all members when decompressed.
    pub plain_bytes: u64,
    /// Number of members.
    pub members: u64,
    /// What opens it, if it is sealed: to look at it once more, and for nothing that is kept.
    pub data_key: Option<DataKey>,
}

struct State {
    /// The way to the store; gone once the archive has ended.
    pieces: Option<mpsc::Sender<Bytes>>,
    offset: u64,
    entries: Vec<Entry>,
}

struct Stored {
    upload: Box<dyn Upload>,
    sha256: store::Sha256,
    size_bytes: u64,
}

/// The way of bytes into the store: sealed if they are to be, hashed as they are stored.
struct Storing {
    upload: Box<dyn Upload>,
    hash: Sha256,
    size_bytes: u64,
    sealer: Option<Sealer>,
}

impl ArchiveWriter {
    /// Begins an archive in `upload` that everybody can read. Must be called within a tokio runtime.
    #[must_use]
    pub fn new(upload: Box<dyn Upload>) -> Self {
        Self::begin(Storing { upload, hash: Sha256::new(), size_bytes: 0, sealer: None }, Bytes::new(), None)
    }

    /// Begins an archive in `upload` that only the holders of these keys can read. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// Without recipients, or without random numbers.
    pub fn sealed(upload: Box<dyn Upload>, recipients: &[PublicKey]) -> Result<Self> {
        let (envelope, key) = Envelope::seal(recipients)?;
        let (sealer, head) = Sealer::new(&key, &envelope.context())?;
        let start = [envelope.as_bytes(), &head].concat();
        Ok(Self::begin(Storing { upload, hash: Sha256::new(), size_bytes: 0, sealer: Some(sealer) }, start.into(), Some(key)))
    }

    fn begin(storing: Storing, start: Bytes, data_key: Option<DataKey>) -> Self {
        let (pieces, receiver) = mpsc::channel(2);
        let state = State { pieces: Some(pieces), offset: 0, entries: vec![] };
        let upload = tokio::spawn(send(storing, start, receiver));
        Self { state: Arc::new(Mutex::new(state)), plain_bytes: AtomicU64::new(0), upload, data_key }
    }

    /// Begins a member, compressed if its name says so. Blocks while it is written: to be used outside of the runtime's own threads.
    pub fn member(&self, name: &str, effort: Effort) -> Result<MemberWriter<'_>> {
        let content = if name.ends_with(COMPRESSED) { Content::Gathered(Vec::new()) } else { Content::Plain(Vec::new()) };
        Ok(MemberWriter { archive: self, name: name.into(), effort, content, plain_bytes: 0, streaming: None })
    }

    /// Ends the archive with its directory and commits the upload under its name.
    ///
    /// # Errors
    /// What the store says; nothing is visible then.
    pub async fn finish(self) -> Result<Written> {
        let mut state = self.state.lock_owned().await;
        if state.entries.last().map_or(0, zip::end_of) != state.offset {
            return Err(Error::internal("A large member was begun and not ended."));
        }
        let directory = zip::directory(&state.entries, state.offset)?;
        let members = state.entries.len() as u64;
        let sender = state.pieces.take().ok_or_else(|| Error::internal("An archive was ended twice."))?;
        drop(state);
        for piece in pieces(directory) {
            // The receiver ends early only with an error, which the join below returns.
            if sender.send(piece).await.is_err() {
                break;
            }
        }
        drop(sender);
        let stored = joined(self.upload).await?;
        stored.upload.commit(stored.sha256).await?;
        let plain_bytes = self.plain_bytes.into_inner();
        Ok(Written { size_bytes: stored.size_bytes, sha256: stored.sha256, plain_bytes, members, data_key: self.data_key })
    }

    /// Gives the archive up and returns why the store failed, if it did: the reason behind a member's error.
    pub async fn abandon(self) -> Result<()> {
        self.state.lock_owned().await.pieces = None;
        joined(self.upload).await.map(|_| ())
    }
}

async fn joined(upload: JoinHandle<Result<Stored>>) -> Result<Stored> {
    upload.await.map_err(|error| Error::internal("The thread that stores the archive ended.").because(error))?
}

async fn send(mut storing: Storing, start: Bytes, mut pieces: mpsc::Receiver<Bytes>) -> Result<Stored> {
    if !start.is_empty() {
        storing.store(start).await?;
    }
    while let Some(piece) = pieces.recv().await {
        storing.take(piece).await?;
    }
    storing.finish().await
}

impl Storing {
    async fn take(&mut self, piece: Bytes) -> Result<()> {
        let Some(sealer) = &mut self.sealer else { return self.store(piece).await };
        let mut sealed = vec![];
        sealer.seal(&piece, &mut sealed)?;
        self.store(sealed.into()).await
    }

    async fn store(&mut self, piece: Bytes) -> Result<()> {
        self.hash.update(&piece);
        self.size_bytes += piece.len() as u64;
        self.upload.write(piece).await
    }

    async fn finish(mut self) -> Result<Stored> {
        if let Some(sealer) = self.sealer.take() {
            let mut sealed = vec![];
            sealer.finish(&mut sealed)?;
            self.store(sealed.into()).await?;
        }
        Ok(Stored { upload: self.upload, sha256: self.hash.finalize().into(), size_bytes: self.size_bytes })
    }
}

fn pieces(bytes: Vec<u8>) -> impl Iterator<Item = Bytes> {
    let mut rest = Bytes::from(bytes);
    std::iter::from_fn(move || (!rest.is_empty()).then(|| rest.split_to(rest.len().min(PIECE_BYTES))))
}

fn compressing(error: std::io::Error) -> Error {
    Error::internal("A member could not be compressed.").because(error)
}

impl State {
    fn send(&mut self, bytes: Vec<u8>) -> Result<()> {
        let ended = || Error::internal("The archive's upload ended before the archive.");
        self.offset += bytes.len() as u64;
        let sender = self.pieces.as_ref().ok_or_else(ended)?;
        pieces(bytes).try_for_each(|piece| sender.blocking_send(piece).map_err(|_| ended()))
    }
}

enum Content {
    Plain(Vec<u8>),
    /// To be compressed, as long as it is small enough to be compressed in one go.
    Gathered(Vec<u8>),
    Compressed(zstd::stream::write::Encoder<'static, Vec<u8>>),
}

impl Content {
    fn write(&mut self, bytes: &[u8], effort: Effort) -> Result<()> {
        if let Self::Gathered(plain) = self
            && plain.len() + bytes.len() > WHOLE_BYTES
        {
            let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), effort.level()).map_err(compressing)?;
            encoder.window_log(WINDOW_LOG).and_then(|()| encoder.write_all(plain)).map_err(compressing)?;
            *self = Self::Compressed(encoder);
        }
        match self {
            Self::Plain(out) | Self::Gathered(out) => {
                out.extend_from_slice(bytes);
                Ok(())
            }
            Self::Compressed(encoder) => encoder.write_all(bytes).map_err(compressing),
        }
    }

    /// What can be stored of it by now.
    fn stored(&mut self) -> Option<&mut Vec<u8>> {
        match self {
            Self::Plain(out) => Some(out),
            Self::Gathered(_) => None,
            Self::Compressed(encoder) => Some(encoder.get_mut()),
        }
    }

    fn finish(self, effort: Effort) -> Result<Vec<u8>> {
        match self {
            Self::Plain(out) => Ok(out),
            Self::Gathered(plain) => whole(&plain, effort).map_err(compressing),
            Self::Compressed(encoder) => encoder.finish().map_err(compressing),
        }
    }
}

fn whole(plain: &[u8], effort: Effort) -> std::io::Result<Vec<u8>> {
    let mut compressor = zstd::bulk::Compressor::new(effort.level())?;
    compressor.set_parameter(zstd::zstd_safe::CParameter::WindowLog(WINDOW_LOG))?;
    compressor.compress(plain)
}

/// One member being written. Dropped without [`MemberWriter::finish`] it is left out, unless it had grown so large
/// that its beginning was written already; then the archive cannot be finished and its upload fails.
pub struct MemberWriter<'a> {
    archive: &'a ArchiveWriter,
    name: String,
    effort: Effort,
    content: Content,
    plain_bytes: u64,
    streaming: Option<Streaming>,
}

/// A large member, which keeps the archive to itself until it ends.
struct Streaming {
    state: OwnedMutexGuard<State>,
    entry: Entry,
    crc: crc32fast::Hasher,
}

impl MemberWriter<'_> {
    /// Appends plain bytes.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        for bytes in bytes.chunks(PIECE_BYTES) {
            self.content.write(bytes, self.effort)?;
            self.plain_bytes += bytes.len() as u64;
            let limit = if self.streaming.is_some() { PIECE_BYTES } else { STREAM_BYTES };
            if let Some(stored) = self.content.stored().filter(|stored| stored.len() >= limit) {
                let stored = std::mem::take(stored);
                self.stream(stored)?;
            }
        }
        Ok(())
    }

    /// Ends the member: from here on it is part of the archive.
    pub fn finish(self) -> Result<()> {
        if self.streaming.is_some() {
            return self.finish_streaming();
        }
        let bytes = self.content.finish(self.effort)?;
        let mut state = Arc::clone(&self.archive.state).blocking_lock_owned();
        let entry = Entry {
            name: self.name,
            crc: crc32fast::hash(&bytes),
            size_bytes: bytes.len() as u64,
            plain_bytes: self.plain_bytes,
            offset: state.offset,
            streamed: false,
        };
        let mut header = zip::local_header(&entry)?;
        if bytes.len() <= PIECE_BYTES {
            header.extend_from_slice(&bytes);
            state.send(header)?;
        } else {
            state.send(header)?;
            state.send(bytes)?;
        }
        state.entries.push(entry);
        self.archive.plain_bytes.fetch_add(self.plain_bytes, Relaxed);
        Ok(())
    }

    fn stream(&mut self, bytes: Vec<u8>) -> Result<()> {
        let streaming = match &mut self.streaming {
            Some(streaming) => streaming,
            none => {
                let mut state = Arc::clone(&self.archive.state).blocking_lock_owned();
                let entry = Entry { name: self.name.clone(), crc: 0, size_bytes: 0, plain_bytes: 0, offset: state.offset, streamed: true };
                let header = zip::local_header(&entry)?;
                state.send(header)?;
                none.insert(Streaming { state, entry, crc: crc32fast::Hasher::new() })
            }
        };
        streaming.append(bytes)
    }

    fn finish_streaming(mut self) -> Result<()> {
        let rest = self.content.finish(self.effort)?;
        let mut streaming = self.streaming.take().ok_or_else(|| Error::internal("A member was ended twice."))?;
        streaming.append(rest)?;
        let Streaming { mut state, mut entry, crc } = streaming;
        entry.crc = crc.finalize();
        entry.plain_bytes = self.plain_bytes;
        state.send(zip::data_descriptor(entry.crc, entry.size_bytes))?;
        state.entries.push(entry);
        self.archive.plain_bytes.fetch_add(self.plain_bytes, Relaxed);
        Ok(())
    }
}

impl Streaming {
    fn append(&mut self, bytes: Vec<u8>) -> Result<()> {
        self.crc.update(&bytes);
        self.entry.size_bytes += bytes.len() as u64;
        self.state.send(bytes)
    }
}
