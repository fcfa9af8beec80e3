//! What the changes of a whole chain make of the rows of one table, known before its rows are loaded.
//!
//! In memory there is one number for each key that was changed; the rows lie in a temporary file without a name. So the changes of
//! a large chain can be put into the rows of its full backup while these are loaded, where otherwise the server would write every
//! changed row once more.

use super::net::{KeyPlaces, contradiction, key_of, merged, with_key};
use domain::{Code, Error, Result};
use std::{
    collections::HashMap,
    fs::File,
    hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState},
    io::{self, Write},
    os::unix::fs::FileExt,
};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// The fates of the keys of one table. Each operation takes the file that all tables share.
pub(super) struct Fates {
    /// Where the last record of a key begins, by the key's hash, and whether the row is none of the table's own: twice the place, and one.
    places: HashMap<u64, u64, BuildHasherDefault<Itself>>,
    seed: u64,
    /// Whether the table was emptied before all the rest.
    pub is_emptied: bool,
    /// Rows of the table that are named; each must be found.
    pub named: u64,
    /// Whether two keys had one hash: then this table has to be done otherwise. Of millions of keys it happens to one in a million tables.
    pub is_mixed_up: bool,
}

/// What becomes of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Fate {
    /// Of the row that the table has with this key.
    own: Own,
    /// The row that has this key in the end.
    row: Option<Row>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Own {
    /// Nothing, or it becomes the one that has this key in the end. There is none if that comes from elsewhere.
    Stays,
    Gone,
    /// It has this key in the end.
    Moves(Vec<u8>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Row {
    origin: Origin,
    values: Vec<u8>,
}

/// Where a row comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Origin {
    /// It is new.
    New,
    /// The table has it with the same key.
    Same,
    /// The table has it with this key.
    Key(Vec<u8>),
}

/// What becomes of a row of the table.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Becomes {
    Same,
    Nothing,
    Other(Vec<u8>),
}

impl Fates {
    /// For a table that nothing was done to yet.
    pub fn new() -> Self {
        // Nobody who writes rows can know which keys would have one hash.
        let seed = RandomState::new().hash_one(0);
        Self { places: HashMap::default(), seed, is_emptied: false, named: 0, is_mixed_up: false }
    }

    /// Number of keys that are kept in memory.
    pub fn keys(&self) -> usize {
        self.places.len()
    }

    /// A row was inserted.
    pub fn insert(&mut self, at: &KeyPlaces, row: &[u8], spool: &mut Spool) -> Result<()> {
        let key = key_of(row, at)?;
        let own = match self.known(&key, spool)? {
            Some(Fate { row: Some(_), .. }) => return Err(contradiction("A row was inserted where one was")),
            Some(Fate { own, row: None }) => own,
            None => Own::Stays,
        };
        self.keep(&key, &Fate { own, row: Some(Row { origin: Origin::New, values: row.to_vec() }) }, spool)
    }

    /// The row with this key became another one.
    pub fn update(&mut self, at: &KeyPlaces, key: &[u8], row: &[u8], spool: &mut Spool) -> Result<()> {
        let (own, before) = self.take(key, spool)?;
        let (origin, values) = match before {
            Some(before) => (before.origin, merged(row, &before.values)?),
            None => (Origin::Same, with_key(row, at, key)?),
        };
        let new_key = key_of(&values, at)?;
        if new_key == key {
            return self.keep(key, &Fate { own, row: Some(Row { origin, values }) }, spool);
        }
        let origin = match origin {
            Origin::New => None,
            Origin::Same => Some(key.to_vec()),
            Origin::Key(origin) => Some(origin),
        };
        let is_own = origin.as_deref() == Some(key);
        self.leave(key, if is_own { Own::Moves(new_key.clone()) } else { own }, spool)?;
        if let Some(origin) = origin.as_deref().filter(|_| !is_own) {
            self.set_own(origin, Own::Moves(new_key.clone()), spool)?;
        }
        let there = self.known(&new_key, spool)?.unwrap_or(Fate { own: Own::Stays, row: None });
        if there.row.is_some() {
            return Err(contradiction("A row was given the key of another one"));
        }
        let (own, origin) = match origin {
            None => (there.own, Origin::New),
            Some(origin) if origin == new_key => (Own::Stays, Origin::Same),
            Some(origin) => (there.own, Origin::Key(origin)),
        };
        self.keep(&new_key, &Fate { own, row: Some(Row { origin, values }) }, spool)
    }

    /// The row with this key was deleted.
    pub fn delete(&mut self, key: &[u8], spool: &mut Spool) -> Result<()> {
        let (own, before) = self.take(key, spool)?;
        match before.map_or(Origin::Same, |row| row.origin) {
            Origin::New => self.leave(key, own, spool),
            Origin::Same => self.leave(key, Own::Gone, spool),
            Origin::Key(origin) => {
                self.leave(key, own, spool)?;
                self.set_own(&origin, Own::Gone, spool)
            }
        }
    }

    /// All rows were removed.
    pub fn empty(&mut self) {
        *self = Self { is_emptied: true, ..Self::new() };
    }

    /// What becomes of a row of the table, which has this key.
    pub fn of(&self, key: &[u8], row: &[u8], spool: &Spool) -> Result<Becomes> {
        let Some(fate) = self.find(key, spool)? else { return Ok(Becomes::Same) };
        let becomes = |values: &[u8]| merged(values, row).map(Becomes::Other);
        match fate {
            Fate { own: Own::Gone, .. } => Ok(Becomes::Nothing),
            Fate { own: Own::Stays, row: Some(Row { origin: Origin::Same, values }) } => becomes(&values),
            Fate { own: Own::Stays, .. } => Err(contradiction("A row was inserted where one was")),
            Fate { own: Own::Moves(new_key), .. } => match self.find(&new_key, spool)? {
                Some(Fate { row: Some(Row { origin: Origin::Key(origin), values }), .. }) if origin == key => becomes(&values),
                _ => Err(Error::internal("A row was moved to a key that it does not have.")),
            },
        }
    }

    /// Gives the rows that are none of the table's own.
    pub fn new_rows(&self, spool: &Spool, mut each: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let mut places: Vec<u64> = self.places.values().filter(|place| *place % 2 == 1).map(|place| place / 2).collect();
        places.sort_unstable();
        places.into_iter().try_for_each(|place| match spool.read(place)?.1.row {
            Some(row) => each(&row.values),
            None => Err(Error::internal("A new row has no values.")),
        })
    }

    /// The row with this key leaves it: what becomes of the table's own one with the key, and the row if it is not the table's own,
    /// untouched.
    fn take(&mut self, key: &[u8], spool: &Spool) -> Result<(Own, Option<Row>)> {
        match self.known(key, spool)? {
            Some(Fate { own, row: Some(row) }) => Ok((own, Some(row))),
            None if !self.is_emptied => {
                self.named += 1;
                Ok((Own::Stays, None))
            }
            _ => Err(contradiction("A row was changed that was gone")),
        }
    }

    /// No row has this key now.
    fn leave(&mut self, key: &[u8], own: Own, spool: &mut Spool) -> Result<()> {
        if own == Own::Stays {
            self.places.remove(&self.hash(key));
            return Ok(());
        }
        self.keep(key, &Fate { own, row: None }, spool)
    }

    fn set_own(&mut self, key: &[u8], own: Own, spool: &mut Spool) -> Result<()> {
        let row = self.known(key, spool)?.and_then(|fate| fate.row);
        self.keep(key, &Fate { own, row }, spool)
    }

    fn hash(&self, key: &[u8]) -> u64 {
        xxh3_64_with_seed(key, self.seed)
    }

    fn find(&self, key: &[u8], spool: &Spool) -> Result<Option<Fate>> {
        let Some(place) = self.places.get(&self.hash(key)) else { return Ok(None) };
        let (its_key, fate) = spool.read(place / 2)?;
        Ok((its_key == key).then_some(fate))
    }

    fn known(&mut self, key: &[u8], spool: &Spool) -> Result<Option<Fate>> {
        let found = self.find(key, spool)?;
        self.is_mixed_up |= found.is_none() && self.places.contains_key(&self.hash(key));
        Ok(found)
    }

    fn keep(&mut self, key: &[u8], fate: &Fate, spool: &mut Spool) -> Result<()> {
        let is_new = fate.row.as_ref().is_some_and(|row| row.origin == Origin::New);
        let place = spool.append(key, fate)?;
        self.places.insert(self.hash(key), 2 * place + u64::from(is_new));
        Ok(())
    }
}

/// Takes what is a hash already for the hash.
#[derive(Default)]
struct Itself(u64);

impl Hasher for Itself {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {}

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

/// A temporary file of records, which goes with the process. Written by one thread, then read by many.
pub(super) struct Spool {
    file: File,
    /// Bytes in the file.
    written: u64,
    /// What comes after them.
    tail: Vec<u8>,
}

/// Bytes that are written at once.
const TAIL_BYTES: usize = 256 << 10;

/// Bytes that are read at first: most records are shorter.
const GUESS_BYTES: usize = 512;

/// Stand for a length in a record.
const NONE: u32 = u32::MAX;
const HERE: u32 = u32::MAX - 1;

impl Spool {
    /// An empty one.
    ///
    /// # Errors
    /// [`Code::NoSpace`], as for all its methods.
    pub fn new() -> Result<Self> {
        Ok(Self { file: tempfile::tempfile().map_err(failed)?, written: 0, tail: vec![] })
    }

    fn append(&mut self, key: &[u8], fate: &Fate) -> Result<u64> {
        if self.tail.len() >= TAIL_BYTES {
            self.file.write_all(&self.tail).map_err(failed)?;
            self.written += self.tail.len() as u64;
            self.tail.clear();
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

    /// The record that begins here: a key and its fate.
    fn read(&self, place: u64) -> Result<(Vec<u8>, Fate)> {
        let broken = || Error::internal("A record of a temporary file is not where it was put.");
        let mut bytes;
        let record: &[u8] = match place.checked_sub(self.written) {
            Some(start) => self.tail.get(usize::try_from(start).unwrap_or(usize::MAX)..).ok_or_else(broken)?,
            None => {
                bytes = vec![0; GUESS_BYTES];
                let read = self.file.read_at(&mut bytes, place).map_err(failed)?;
                let whole = bytes.get(..read).and_then(Lengths::of).ok_or_else(broken)?.record();
                if whole > read {
                    bytes.resize(whole, 0);
                    self.file.read_exact_at(&mut bytes[read..], place + read as u64).map_err(failed)?;
                }
                &bytes
            }
        };
        let lengths = Lengths::of(record).ok_or_else(broken)?;
        let mut rest = record.get(Lengths::BYTES..lengths.record()).ok_or_else(broken)?;
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
}

/// The lengths of a record's parts: its key, the key in [`Own`], the key in [`Origin`], the row.
struct Lengths([u32; 4]);

impl Lengths {
    const BYTES: usize = 16;

    fn of(record: &[u8]) -> Option<Self> {
        let (numbers, _) = record.get(..Self::BYTES)?.as_chunks::<4>();
        Some(Self(<[[u8; 4]; 4]>::try_from(numbers).ok()?.map(u32::from_le_bytes)))
    }

    fn record(&self) -> usize {
        Self::BYTES + self.0.into_iter().map(bytes_of).sum::<usize>()
    }
}

fn bytes_of(length: u32) -> usize {
    if length >= HERE { 0 } else { length as usize }
}

fn failed(error: io::Error) -> Error {
    Error::new(
        Code::NoSpace,
        "The changes of the chain could not be kept in a temporary file.",
        "Make room in the folder for temporary files (TMPDIR), then start again.",
    )
    .because(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    const KEY: &KeyPlaces = &[0];

    /// A row: its key, a small value, and a large one.
    type Rows = BTreeMap<u8, (u8, u8)>;

    #[derive(Clone, Debug)]
    enum Op {
        Insert(u8, u8, u8),
        Update(u8, u8, u8, Option<u8>),
        Delete(u8),
        Empty,
    }

    fn op() -> impl Strategy<Value = Op> {
        let key = || 0..5_u8;
        prop_oneof![
            4 => (key(), any::<u8>(), any::<u8>()).prop_map(|(key, a, b)| Op::Insert(key, a, b)),
            6 => (key(), key(), any::<u8>(), proptest::option::of(any::<u8>())).prop_map(|(old, new, a, b)| Op::Update(old, new, a, b)),
            3 => key().prop_map(Op::Delete),
            1 => Just(Op::Empty),
        ]
    }

    fn encoded(key: u8, (a, b): (u8, u8)) -> Vec<u8> {
        format!("[{key},{a},{b}]").into_bytes()
    }

    /// What the table is in the end, and how many of its rows were named.
    fn applied(table: &Rows, fates: &Fates, spool: &Spool) -> (Vec<Vec<u8>>, u64) {
        let (mut rows, mut named) = (vec![], 0);
        for (key, values) in table.iter().filter(|_| !fates.is_emptied) {
            let row = encoded(*key, *values);
            match fates.of(format!("[{key}]").as_bytes(), &row, spool).unwrap() {
                Becomes::Same => rows.push(row),
                Becomes::Nothing => named += 1,
                Becomes::Other(row) => {
                    named += 1;
                    rows.push(row);
                }
            }
        }
        let new = |row: &[u8]| {
            rows.push(row.to_vec());
            Ok(())
        };
        fates.new_rows(spool, new).unwrap();
        rows.sort();
        (rows, named)
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let (mut fates, mut spool) = (Fates::new(), Spool::new().unwrap());
        fates.insert(KEY, b"[1,2]", &mut spool).unwrap();
        assert_eq!(fates.insert(KEY, b"[1,3]", &mut spool).unwrap_err().code(), Code::Damaged);
        assert_eq!(fates.of(b"[1]", b"[1,4]", &spool).unwrap_err().code(), Code::Damaged);
        fates.delete(b"[2]", &mut spool).unwrap();
        assert!(fates.delete(b"[2]", &mut spool).is_err());
        assert!(fates.update(KEY, b"[2]", b"[2,2]", &mut spool).is_err());
        assert!(fates.update(KEY, b"[3]", b"[1,2]", &mut spool).is_err());
        fates.empty();
        assert!(fates.delete(b"[4]", &mut spool).is_err());
        assert!(fates.insert(&[3], b"[1,2]", &mut spool).is_err());
        assert_eq!((fates.named, fates.is_mixed_up), (0, false));
    }

    #[test]
    fn records_of_any_size_are_read_back() {
        let (mut fates, mut spool) = (Fates::new(), Spool::new().unwrap());
        let sizes = [0, 1, GUESS_BYTES - 40, GUESS_BYTES, TAIL_BYTES, 3 * TAIL_BYTES, 5];
        let row = |number: usize, size: usize| format!("[{number},\"{}\"]", "x".repeat(size)).into_bytes();
        for (number, size) in sizes.into_iter().enumerate() {
            fates.update(KEY, format!("[{number}]").as_bytes(), &row(number, size), &mut spool).unwrap();
        }
        for (number, size) in sizes.into_iter().enumerate() {
            let becomes = fates.of(format!("[{number}]").as_bytes(), &row(number, 2), &spool).unwrap();
            assert_eq!(becomes, Becomes::Other(row(number, size)));
        }
        assert_eq!(fates.keys(), sizes.len());
    }

    proptest! {
        #[test]
        fn the_fates_of_any_changes_are_their_effect(start in proptest::collection::btree_map(0..5_u8, (any::<u8>(), any::<u8>()), 0..5), ops in proptest::collection::vec(op(), 0..30)) {
            let mut truth: Rows = start.clone();
            let (mut fates, mut spool) = (Fates::new(), Spool::new().unwrap());
            for op in ops {
                match op {
                    Op::Insert(key, a, b) if !truth.contains_key(&key) => {
                        truth.insert(key, (a, b));
                        fates.insert(KEY, &encoded(key, (a, b)), &mut spool).unwrap();
                    }
                    Op::Update(old, new, a, b) if truth.contains_key(&old) && (old == new || !truth.contains_key(&new)) => {
                        let (_, large) = truth.remove(&old).unwrap();
                        truth.insert(new, (a, b.unwrap_or(large)));
                        let large = b.map_or(r#"{"unchanged":true}"#.to_owned(), |b| b.to_string());
                        fates.update(KEY, format!("[{old}]").as_bytes(), format!("[{new},{a},{large}]").as_bytes(), &mut spool).unwrap();
                    }
                    Op::Delete(key) if truth.remove(&key).is_some() => fates.delete(format!("[{key}]").as_bytes(), &mut spool).unwrap(),
                    Op::Empty => {
                        truth.clear();
                        fates.empty();
                    }
                    _ => {}
                }
            }
            let mut expected: Vec<_> = truth.iter().map(|(key, values)| encoded(*key, *values)).collect();
            expected.sort();
            let (rows, named) = applied(&start, &fates, &spool);
            prop_assert_eq!(rows, expected);
            prop_assert_eq!(named, fates.named);
        }
    }
}
