//! What becomes of keys, in a temporary file: there may be millions, with their rows.

use domain::{Code, Error, Result};
use std::{
    borrow::Cow,
    fs::File,
    io::{self, Write},
    os::unix::fs::FileExt,
};

/// What becomes of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fate {
    /// Of the row that the table has with this key.
    pub own: Own,
    /// The row that has this key in the end.
    pub row: Option<Row>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Own {
    /// Nothing, or it becomes the one that has this key in the end. There is none if that comes from elsewhere.
    Stays,
    Gone,
    /// It has this key in the end.
    Moves(Vec<u8>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub origin: Origin,
    pub values: Vec<u8>,
}

/// Where a row comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// It is new.
    New,
    /// The table has it with the same key.
    Same,
    /// The table has it with this key.
    Key(Vec<u8>),
}

/// A temporary file of records, which goes with the process. Written by one thread, then read by many. Nothing is written twice into
/// one place: a row that is changed again and again takes room each time.
pub(super) struct Spool {
    file: File,
    /// Bytes that it may take.
    most: u64,
    /// Bytes in the file.
    written: u64,
    /// What comes after them.
    tail: Vec<u8>,
}

/// Bytes that a file may take at most. Half of what is free on its disk stays free, too: the server may have its log there.
const MOST_BYTES: u64 = 8 << 30;

/// Bytes that are written at once.
pub(super) const TAIL_BYTES: usize = 256 << 10;

/// Bytes that are read at first: most records are shorter.
pub(super) const GUESS_BYTES: usize = 512;

/// Stand for a length in a record.
const NONE: u32 = u32::MAX;
const HERE: u32 = u32::MAX - 1;

impl Spool {
    /// An empty one.
    ///
    /// # Errors
    /// [`Code::NoSpace`], as for all its methods.
    pub fn new() -> Result<Self> {
        let file = tempfile::tempfile().map_err(failed)?;
        let disk = rustix::fs::fstatvfs(&file).map_err(|error| failed(error.into()))?;
        let most = MOST_BYTES.min(disk.f_bavail.saturating_mul(disk.f_frsize) / 2);
        Ok(Self { file, most, written: 0, tail: vec![] })
    }

    /// Adds a key and its fate; says where they begin.
    pub fn append(&mut self, key: &[u8], fate: &Fate) -> Result<u64> {
        if self.tail.len() >= TAIL_BYTES {
            self.file.write_all(&self.tail).map_err(failed)?;
            self.written += self.tail.len() as u64;
            self.tail.clear();
            if self.written > self.most {
                return Err(failed(io::ErrorKind::StorageFull.into()));
            }
        }
        let place = self.written + self.tail.len() as u64;
        let length = |bytes: &[u8]| u32::try_from(bytes.len()).ok().filter(|length| *length < HERE);
        let (own, own_key): (_, &[u8]) = match &fate.own {
            Own::Stays => (Some(NONE), b""),
            Own::Gone => (Some(HERE), b""),
            Own::Moves(key) => (length(key), key),
        };
        let (origin, origin_key): (_, &[u8]) = match fate.row.as_ref().map(|row| &row.origin) {
            None | Some(Origin::New) => (Some(NONE), b""),
            Some(Origin::Same) => (Some(HERE), b""),
            Some(Origin::Key(key)) => (length(key), key),
        };
        let values = fate.row.as_ref().map_or(b"" as &[u8], |row| &row.values);
        let row = if fate.row.is_some() { length(values) } else { Some(NONE) };
        for number in [length(key), own, origin, row] {
            let number = number.ok_or_else(|| Error::internal("A changed row is too large."))?;
            self.tail.extend_from_slice(&number.to_le_bytes());
        }
        [key, own_key, origin_key, values].into_iter().for_each(|bytes| self.tail.extend_from_slice(bytes));
        Ok(place)
    }

    /// Whether the record that begins here is of this key.
    pub fn is_of(&self, place: u64, key: &[u8]) -> Result<bool> {
        let record = self.bytes(place, Lengths::to_key)?;
        Ok(record.get(Lengths::BYTES..) == Some(key))
    }

    /// The record that begins here: a key and its fate.
    pub fn read(&self, place: u64) -> Result<(Vec<u8>, Fate)> {
        let record = self.bytes(place, Lengths::record)?;
        let lengths = Lengths::of(&record).ok_or_else(broken)?;
        let mut rest = record.get(Lengths::BYTES..).ok_or_else(broken)?;
        let mut part = |length: u32| {
            let (part, other) = rest.split_at(bytes_of(length));
            rest = other;
            part.to_vec()
        };
        let [key, own, origin, row] = lengths.0;
        let key = part(key);
        let own_key = part(own);
        let origin_key = part(origin);
        let values = part(row);
        let own = match own {
            NONE => Own::Stays,
            HERE => Own::Gone,
            _ => Own::Moves(own_key),
        };
        let origin = match origin {
            NONE => Origin::New,
            HERE => Origin::Same,
            _ => Origin::Key(origin_key),
        };
        Ok((key, Fate { own, row: (row != NONE).then_some(Row { origin, values }) }))
    }

    /// As many bytes of the record that begins here as are wanted of one with such lengths.
    fn bytes(&self, place: u64, wanted: fn(&Lengths) -> usize) -> Result<Cow<'_, [u8]>> {
        if let Some(start) = place.checked_sub(self.written) {
            let tail = usize::try_from(start).ok().and_then(|start| self.tail.get(start..)).ok_or_else(broken)?;
            let wanted = wanted(&Lengths::of(tail).ok_or_else(broken)?);
            return tail.get(..wanted).map(Cow::Borrowed).ok_or_else(broken);
        }
        let mut bytes = vec![0; GUESS_BYTES];
        let read = self.file.read_at(&mut bytes, place).map_err(failed)?;
        bytes.truncate(read);
        let wanted = wanted(&Lengths::of(&bytes).ok_or_else(broken)?);
        bytes.resize(wanted, 0);
        if wanted > read {
            self.file.read_exact_at(&mut bytes[read..], place + read as u64).map_err(failed)?;
        }
        Ok(Cow::Owned(bytes))
    }
}

fn broken() -> Error {
    Error::internal("A record of a temporary file is not where it was put.")
}

/// The lengths of a record's parts: its key, the key in [`Own`], the key in [`Origin`], the row.
struct Lengths([u32; 4]);

impl Lengths {
    const BYTES: usize = 16;

    fn of(record: &[u8]) -> Option<Self> {
        let (numbers, _) = record.get(..Self::BYTES)?.as_chunks::<4>();
        Some(Self(<[[u8; 4]; 4]>::try_from(numbers).ok()?.map(u32::from_le_bytes)))
    }

    /// Bytes of the record up to the end of its key.
    fn to_key(&self) -> usize {
        Self::BYTES + bytes_of(self.0[0])
    }

    /// Bytes of the whole record.
    fn record(&self) -> usize {
        Self::BYTES + self.0.into_iter().map(bytes_of).sum::<usize>()
    }
}

fn bytes_of(length: u32) -> usize {
    if length >= HERE { 0 } else { length as usize }
}

pub(super) fn failed(error: io::Error) -> Error {
    Error::new(
        Code::NoSpace,
        "The changes of the chain could not be kept in a temporary file.",
        "Make room in the folder for temporary files (TMPDIR), then start again.",
    )
    .because(error)
}
