//! The keys of a table's rows in order, each with the hash of its row: what tells the next backup which rows have changed.
//!
//! A file holds entries sorted by key, each as `[length, 4 bytes][key][hash, 16 bytes]`, and ends with the length `u32::MAX`, the
//! number of entries in 8 bytes, and the XXH3-128 over all that came before: a file that was cut off or damaged is noticed. Numbers
//! are little-endian. Files that are larger than memory are sorted by merging runs.

use domain::{Code, Error, Result};
use std::{
    cmp::{Ordering, Reverse},
    collections::BinaryHeap,
    fs::File,
    io::{self, BufReader, BufWriter, Read, Write},
    path::{Path, PathBuf},
};
use xxhash_rust::xxh3::Xxh3Default;

/// Bytes of keys that are sorted in memory.
const RUN_BYTES: usize = 8 << 20;

/// The length that ends a file.
const END: u32 = u32::MAX;

/// Takes entries in any order. Its runs are files in a folder, removed when it is dropped or merged.
pub struct Sorter {
    folder: PathBuf,
    bytes: Vec<u8>,
    entries: Vec<(u32, u32, u128)>,
    runs: Vec<Run>,
}

/// A sorted file that is removed with its last user.
struct Run(PathBuf);

impl Drop for Run {
    fn drop(&mut self) {
        // The folder as a whole goes with a run that fails.
        let _ = std::fs::remove_file(&self.0);
    }
}

impl Sorter {
    /// A sorter whose runs go into `folder`.
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), bytes: vec![], entries: vec![], runs: vec![] }
    }

    /// Takes an entry.
    pub fn push(&mut self, key: &[u8], hash: u128) -> Result<()> {
        if self.bytes.len() + key.len() + self.entries.len() * 24 > RUN_BYTES && !self.entries.is_empty() {
            self.spill()?;
        }
        let too_long = || Error::new(Code::TooLarge, "A key is too long to be compared.", "Leave the database's task at full backups.");
        let at = u32::try_from(self.bytes.len()).map_err(|_| too_long())?;
        let length = u32::try_from(key.len()).ok().filter(|length| *length < END).ok_or_else(too_long)?;
        self.bytes.extend_from_slice(key);
        self.entries.push((at, length, hash));
        Ok(())
    }

    fn spill(&mut self) -> Result<()> {
        if self.entries.is_empty() {
            return Ok(());
        }
        let bytes = std::mem::take(&mut self.bytes);
        let key = |(at, length, _): &(u32, u32, u128)| &bytes[*at as usize..(*at + *length) as usize];
        // Keys often come in order already, and then this costs next to nothing.
        self.entries.sort_by(|a, b| key(a).cmp(key(b)));
        let file = tempfile::Builder::new().prefix("run-").tempfile_in(&self.folder).and_then(|file| Ok(file.keep()?));
        let (file, path) = file.map_err(|error| failed(&self.folder, error))?;
        let run = Run(path);
        let mut writer = Writer::new(file, &run.0);
        for entry in &self.entries {
            writer.entry(key(entry), entry.2)?;
        }
        writer.finish()?;
        self.runs.push(run);
        self.entries.clear();
        // The room is used again.
        self.bytes = bytes;
        self.bytes.clear();
        Ok(())
    }
}

/// Writes what several sorters took into one file.
///
/// # Errors
/// [`Code::Internal`] if two entries have the same key.
pub fn merge(sorters: Vec<Sorter>, to: &Path) -> Result<()> {
    let mut runs = vec![];
    for mut sorter in sorters {
        sorter.spill()?;
        runs.append(&mut sorter.runs);
    }
    let mut heap = BinaryHeap::new();
    let mut readers = runs.iter().map(|run| Keys::open(&run.0)).collect::<Result<Vec<_>>>()?;
    for (at, reader) in readers.iter_mut().enumerate() {
        heap.extend(reader.next()?.map(|entry| Reverse((entry.key, entry.hash, at))));
    }
    let mut writer = Writer::create(to)?;
    let mut before: Option<Vec<u8>> = None;
    while let Some(Reverse((key, hash, at))) = heap.pop() {
        if before.as_ref() == Some(&key) {
            return Err(Error::internal("Two rows of a table have the same key."));
        }
        writer.entry(&key, hash)?;
        before = Some(key);
        heap.extend(readers[at].next()?.map(|entry| Reverse((entry.key, entry.hash, at))));
    }
    writer.finish()
}

/// One key with the hash of its row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The key, in a form of the source's own.
    pub key: Vec<u8>,
    /// The hash of the row.
    pub hash: u128,
}

/// Writes a file whose entries come in order.
pub struct Writer {
    out: BufWriter<File>,
    hash: Xxh3Default,
    count: u64,
    path: PathBuf,
}

impl Writer {
    /// A new file.
    pub fn create(path: &Path) -> Result<Self> {
        Ok(Self::new(File::create(path).map_err(|error| failed(path, error))?, path))
    }

    fn new(file: File, path: &Path) -> Self {
        Self { out: BufWriter::with_capacity(128 << 10, file), hash: Xxh3Default::new(), count: 0, path: path.to_owned() }
    }

    /// Appends an entry whose key is greater than all before it.
    pub fn entry(&mut self, key: &[u8], hash: u128) -> Result<()> {
        let length = u32::try_from(key.len()).map_err(|_| Error::internal("A key is too long."))?;
        self.put(&length.to_le_bytes())?;
        self.put(key)?;
        self.put(&hash.to_le_bytes())?;
        self.count += 1;
        Ok(())
    }

    /// Ends the file.
    pub fn finish(mut self) -> Result<()> {
        self.put(&END.to_le_bytes())?;
        self.put(&self.count.to_le_bytes())?;
        let digest = self.hash.digest128().to_le_bytes();
        self.out.write_all(&digest).and_then(|()| self.out.flush()).map_err(|error| failed(&self.path, error))
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.hash.update(bytes);
        self.out.write_all(bytes).map_err(|error| failed(&self.path, error))
    }
}

/// Reads a file.
pub struct Keys {
    input: BufReader<File>,
    hash: Xxh3Default,
    count: u64,
    ended: bool,
}

impl Keys {
    /// Opens a file.
    ///
    /// # Errors
    /// [`Code::StateLost`] if it is not there.
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|error| lost().because(error))?;
        Ok(Self { input: BufReader::with_capacity(128 << 10, file), hash: Xxh3Default::new(), count: 0, ended: false })
    }

    /// The next entry, or `None` at the end, where the file has proven to be whole.
    ///
    /// # Errors
    /// [`Code::StateLost`] if the file is not what was written.
    #[allow(clippy::should_implement_trait, reason = "it can fail")]
    pub fn next(&mut self) -> Result<Option<Entry>> {
        if self.ended {
            return Ok(None);
        }
        let length = u32::from_le_bytes(self.take()?);
        if length == END {
            let count = u64::from_le_bytes(self.take()?);
            let expected = self.hash.digest128().to_le_bytes();
            let mut digest = [0; 16];
            self.input.read_exact(&mut digest).map_err(|error| lost().because(error))?;
            self.ended = true;
            return if count == self.count && digest == expected { Ok(None) } else { Err(lost()) };
        }
        // Grows with what is there, and not with what a damaged file claims.
        let mut key = vec![];
        let read = (&mut self.input).take(length.into()).read_to_end(&mut key).map_err(|error| lost().because(error))?;
        if read != length as usize {
            return Err(lost());
        }
        self.hash.update(&key);
        self.count += 1;
        Ok(Some(Entry { key, hash: u128::from_le_bytes(self.take()?) }))
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        self.input.read_exact(&mut bytes).map_err(|error| lost().because(error))?;
        self.hash.update(&bytes);
        Ok(bytes)
    }
}

/// How a row differs between two backups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Difference {
    /// It is new.
    Inserted,
    /// It has other values.
    Changed,
    /// It is gone.
    Deleted,
}

/// Calls `each` for every key whose row differs, in the order of the keys.
///
/// # Errors
/// [`Code::StateLost`], or what `each` says.
pub fn differences(before: &Path, after: &Path, mut each: impl FnMut(Difference, &[u8]) -> Result<()>) -> Result<()> {
    let (mut before, mut after) = (Keys::open(before)?, Keys::open(after)?);
    let (mut old, mut new) = (before.next()?, after.next()?);
    loop {
        let order = match (&old, &new) {
            (None, None) => return Ok(()),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(old), Some(new)) => old.key.cmp(&new.key),
        };
        match (order, &old, &new) {
            (Ordering::Less, Some(gone), _) => each(Difference::Deleted, &gone.key)?,
            (Ordering::Greater, _, Some(added)) => each(Difference::Inserted, &added.key)?,
            (Ordering::Equal, Some(then), Some(now)) if then.hash != now.hash => each(Difference::Changed, &now.key)?,
            _ => {}
        }
        if order.is_le() {
            old = before.next()?;
        }
        if order.is_ge() {
            new = after.next()?;
        }
    }
}

/// Writes to `to` what `before` becomes when the rows of `gone` are deleted and then those of `set` are inserted or changed.
///
/// # Errors
/// [`Code::StateLost`] if one of them is not whole.
pub fn changed(before: &Path, gone: &Path, set: &Path, to: &Path) -> Result<()> {
    let (mut kept, mut gone, mut set) = (Keys::open(before)?, Keys::open(gone)?, Keys::open(set)?);
    let mut writer = Writer::create(to)?;
    let (mut old, mut dropped, mut new) = (kept.next()?, gone.next()?, set.next()?);
    while let Some(key) = [&old, &new].into_iter().flatten().map(|entry| &entry.key).min().cloned() {
        while dropped.as_ref().is_some_and(|entry| entry.key < key) {
            dropped = gone.next()?;
        }
        let is = |entry: &Option<Entry>| entry.as_ref().is_some_and(|entry| entry.key == key);
        if let Some(entry) = new.as_ref().filter(|entry| entry.key == key) {
            writer.entry(&key, entry.hash)?;
        } else if let Some(entry) = old.as_ref().filter(|_| !is(&dropped)) {
            writer.entry(&key, entry.hash)?;
        }
        if is(&old) {
            old = kept.next()?;
        }
        if is(&new) {
            new = set.next()?;
        }
    }
    writer.finish()
}

/// That the state of a backup is not there, or not whole. It can be made anew.
pub fn lost() -> Error {
    Error::new(Code::StateLost, "What was kept of the last backup is lost.", "The next backup makes it anew, or is a full one.")
}

/// That a file of the state could not be written.
pub fn failed(path: &Path, error: io::Error) -> Error {
    let code = if matches!(error.kind(), io::ErrorKind::StorageFull) { Code::NoSpace } else { Code::DataDir };
    let sentence = format!("What the next backup builds on could not be written to {}: {error}.", path.display());
    Error::new(code, sentence, "See to the data directory: its permissions, and the room on its disk.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn write(folder: &Path, name: &str, rows: &BTreeMap<Vec<u8>, u128>, sorters: usize) -> PathBuf {
        let mut parts: Vec<Sorter> = (0..sorters).map(|_| Sorter::new(folder)).collect();
        // In the worst order.
        for (at, (key, hash)) in rows.iter().rev().enumerate() {
            parts[at % sorters].push(key, *hash).unwrap();
            if at % 7 == 0 {
                parts[at % sorters].spill().unwrap();
            }
        }
        let path = folder.join(name);
        merge(parts, &path).unwrap();
        path
    }

    fn read(path: &Path) -> BTreeMap<Vec<u8>, u128> {
        let mut keys = Keys::open(path).unwrap();
        std::iter::from_fn(|| keys.next().unwrap()).map(|entry| (entry.key, entry.hash)).collect()
    }

    fn any_rows() -> impl Strategy<Value = BTreeMap<Vec<u8>, u128>> {
        proptest::collection::btree_map(proptest::collection::vec(0..3_u8, 0..4), 0..3_u128, 0..40)
    }

    proptest! {
        #[test]
        fn differences_are_those_of_the_rows(before in any_rows(), after in any_rows(), sorters in 1..4_usize) {
            let folder = tempfile::tempdir().unwrap();
            let (old, new) = (write(folder.path(), "old", &before, sorters), write(folder.path(), "new", &after, sorters));
            prop_assert_eq!(read(&old), before.clone());
            let mut found = vec![];
            differences(&old, &new, |difference, key| { found.push((key.to_vec(), difference)); Ok(()) }).unwrap();
            let mut keys: Vec<_> = before.keys().chain(after.keys()).cloned().collect();
            keys.sort();
            keys.dedup();
            let expected: Vec<_> = keys.into_iter().filter_map(|key| match (before.get(&key), after.get(&key)) {
                (Some(then), Some(now)) if then == now => None,
                (Some(_), Some(_)) => Some((key, Difference::Changed)),
                (Some(_), None) => Some((key, Difference::Deleted)),
                _ => Some((key, Difference::Inserted)),
            }).collect();
            prop_assert_eq!(found, expected);
            // Only the two files are left.
            prop_assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
        }

        #[test]
        fn changes_are_applied(before in any_rows(), gone in any_rows(), set in any_rows()) {
            let folder = tempfile::tempdir().unwrap();
            let path = |name: &str, rows| write(folder.path(), name, rows, 2);
            let to = folder.path().join("to");
            changed(&path("old", &before), &path("gone", &gone), &path("set", &set), &to).unwrap();
            let mut expected = before;
            expected.retain(|key, _| !gone.contains_key(key));
            expected.extend(set);
            prop_assert_eq!(read(&to), expected);
        }

        #[test]
        fn a_file_that_was_changed_is_never_taken_for_whole(rows in any_rows(), at in any::<proptest::sample::Index>(), cut: bool) {
            let folder = tempfile::tempdir().unwrap();
            let path = write(folder.path(), "keys", &rows, 1);
            let mut bytes = std::fs::read(&path).unwrap();
            let at = at.index(bytes.len());
            if cut { bytes.truncate(at) } else { bytes[at] ^= 0x10 }
            std::fs::write(&path, bytes).unwrap();
            let mut keys = Keys::open(&path).unwrap();
            let ended = loop {
                match keys.next() {
                    Ok(Some(_)) => {}
                    Ok(None) => break true,
                    Err(error) => { prop_assert_eq!(error.code(), Code::StateLost); break false }
                }
            };
            prop_assert!(!ended);
        }
    }

    #[test]
    fn two_rows_with_one_key_are_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let mut sorter = Sorter::new(folder.path());
        sorter.push(b"a", 1).unwrap();
        sorter.push(b"a", 2).unwrap();
        assert_eq!(merge(vec![sorter], &folder.path().join("keys")).unwrap_err().code(), Code::Internal);
        assert_eq!(Keys::open(&folder.path().join("none")).map(|_| ()).unwrap_err().code(), Code::StateLost);
    }
}
