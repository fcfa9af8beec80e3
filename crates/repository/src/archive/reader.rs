//! Reading an archive.

use super::{COMPRESSED, WINDOW_LOG};
use crate::{
    body::Body,
    zip::{self, Entry},
};
use bytes::Bytes;
use domain::{Code, Error, Result};
use std::{collections::HashMap, io::Read, sync::Arc};
use tokio::runtime::Handle;

/// Bytes fetched at once while a member is read.
const FETCH_BYTES: u64 = 1 << 20;

/// The largest central directory that is read: some two million members.
const MAX_DIRECTORY_BYTES: u64 = 256 << 20;

/// An archive that is read at random. Members can be read by several threads at once.
pub struct ArchiveReader {
    body: Arc<dyn Body>,
    runtime: Handle,
    entries: Vec<Entry>,
    index: HashMap<String, usize>,
}

impl ArchiveReader {
    /// Reads the directory of an archive whose members may decompress to `plain_bytes` in all.
    /// Must be called within a tokio runtime.
    ///
    /// # Errors
    /// `damaged` if the directory does not hold; `too-large` if members claim more than `plain_bytes`.
    pub async fn open(body: Arc<dyn Body>, plain_bytes: u64) -> Result<Self> {
        let size = body.size_bytes();
        let tail = body.read(size.saturating_sub(zip::END_BYTES + zip::END64_BYTES)..size).await?;
        let directory = zip::find_directory(&tail, size)?;
        if directory.size_bytes > MAX_DIRECTORY_BYTES {
            return Err(too_large());
        }
        let bytes = body.read(directory.offset..directory.offset + directory.size_bytes).await?;
        let entries = zip::parse_directory(&bytes, directory)?;
        let claimed = entries.iter().try_fold(0_u64, |sum, entry| sum.checked_add(entry.plain_bytes));
        if claimed.is_none_or(|claimed| claimed > plain_bytes) {
            return Err(too_large());
        }
        let index = entries.iter().enumerate().map(|(i, entry)| (entry.name.clone(), i)).collect();
        Ok(Self { body, runtime: Handle::current(), entries, index })
    }

    /// Names of all members, in the order of the archive.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|entry| entry.name.as_str())
    }

    /// Bytes that all members decompress to.
    #[must_use]
    pub fn all_plain_bytes(&self) -> u64 {
        self.entries.iter().map(|entry| entry.plain_bytes).sum()
    }

    /// Bytes that a member decompresses to, if there is such a member.
    #[must_use]
    pub fn plain_bytes(&self, name: &str) -> Option<u64> {
        self.index.get(name).map(|at| self.entries[*at].plain_bytes)
    }

    /// Begins to read a member. The reader blocks and must be used outside of the runtime's own threads.
    /// Its errors carry a [`domain::Error`]; an end without error means that size and checksum hold.
    pub fn open_member(&self, name: &str) -> Result<Box<dyn Read + Send + '_>> {
        let entry = self.index.get(name).map(|at| &self.entries[*at]);
        let entry = entry.ok_or_else(|| damaged(format!("The archive has no member {name:?}.")))?;
        let start = zip::data_offset(entry);
        let stored = StoredReader {
            body: self.body.as_ref(),
            runtime: self.runtime.clone(),
            header: entry,
            next: entry.offset,
            data: start,
            end: start + entry.size_bytes,
            fetched: Bytes::new(),
            crc: crc32fast::Hasher::new(),
        };
        let plain: Box<dyn Read + Send + '_> = if name.ends_with(COMPRESSED) {
            let mut decoder =
                zstd::stream::read::Decoder::new(stored).map_err(|error| damaged("A member cannot be decompressed.").because(error))?;
            decoder.window_log_max(WINDOW_LOG).map_err(|error| damaged("A member cannot be decompressed.").because(error))?;
            Box::new(decoder)
        } else {
            Box::new(stored)
        };
        Ok(Box::new(Exact { plain, name: &entry.name, left: entry.plain_bytes }))
    }
}

fn damaged(sentence: impl Into<String>) -> Error {
    Error::new(Code::Damaged, sentence, "Choose another restore point; `rookery verify` says which are whole.")
}

fn too_large() -> Error {
    Error::new(
        Code::TooLarge,
        "The archive would decompress to more than its manifest says.",
        "Do not trust this backup: it may be made to exhaust memory or disk. Choose another restore point.",
    )
}

/// The stored bytes of one member, whose checksum must hold at the end.
struct StoredReader<'a> {
    body: &'a dyn Body,
    runtime: Handle,
    header: &'a Entry,
    next: u64,
    data: u64,
    end: u64,
    fetched: Bytes,
    crc: crc32fast::Hasher,
}

impl StoredReader<'_> {
    fn fetch(&mut self) -> Result<()> {
        let until = self.end.min(self.next.max(self.data) + FETCH_BYTES);
        let after = if self.header.streamed && until == self.end { zip::DESCRIPTOR_BYTES } else { 0 };
        let mut fetched = self.runtime.block_on(self.body.read(self.next..until + after))?;
        // Shorter than asked for is a store's fault; what is missing is noticed below.
        let descriptor = fetched.split_off(fetched.len().saturating_sub(after as usize));
        if self.next < self.data {
            // The local header must say what the directory says: two readers must not see two archives.
            let header = fetched.split_to((self.data - self.next) as usize);
            if zip::local_header(self.header)? != header {
                return Err(damaged(format!(
                    "The archive is damaged: the header of member {:?} differs from the directory.",
                    self.header.name
                )));
            }
        }
        if after > 0 && zip::data_descriptor(self.header.crc, self.header.size_bytes) != descriptor {
            return Err(damaged(format!("The archive is damaged: what follows member {:?} differs from the directory.", self.header.name)));
        }
        self.next = until;
        self.fetched = fetched;
        Ok(())
    }
}

impl Read for StoredReader<'_> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        if self.fetched.is_empty() && (self.next < self.end || self.next < self.data) {
            self.fetch().map_err(std::io::Error::other)?;
        }
        let count = out.len().min(self.fetched.len());
        out[..count].copy_from_slice(&self.fetched.split_to(count));
        self.crc.update(&out[..count]);
        if count == 0 && !out.is_empty() && self.crc.clone().finalize() != self.header.crc {
            return Err(std::io::Error::other(damaged(format!(
                "The archive is damaged: the checksum of member {:?} does not hold.",
                self.header.name
            ))));
        }
        Ok(count)
    }
}

/// Lets through exactly as many bytes as the directory promises.
struct Exact<'a> {
    plain: Box<dyn Read + Send + 'a>,
    name: &'a str,
    left: u64,
}

impl Read for Exact<'_> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        if self.left == 0 {
            // One byte more would be one too many; and reading to the end checks the checksum.
            let more = self.plain.read(&mut [0]).map_err(|error| self.explain(error))?;
            return if more == 0 || out.is_empty() { Ok(0) } else { Err(std::io::Error::other(too_large())) };
        }
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(out.len());
        let count = self.plain.read(&mut out[..most]).map_err(|error| self.explain(error))?;
        if count == 0 && most > 0 {
            return Err(std::io::Error::other(damaged(format!(
                "The archive is damaged: member {:?} is shorter than it should be.",
                self.name
            ))));
        }
        self.left -= count as u64;
        Ok(count)
    }
}

impl Exact<'_> {
    fn explain(&self, error: std::io::Error) -> std::io::Error {
        match error.downcast::<Error>() {
            Ok(ours) => std::io::Error::other(ours),
            Err(other) => std::io::Error::other(
                damaged(format!("The archive is damaged: member {:?} cannot be decompressed.", self.name)).because(other),
            ),
        }
    }
}
