//! What the changes of a whole chain make of the rows of one table, known before its rows are loaded.
//!
//! In memory there is one number for each key that was changed; keys and rows lie in a temporary file without a name. So the changes of
//! a large chain can be put into the rows of its full backup while these are loaded, where otherwise the server would write every
//! changed row once more.

use super::{
    net::{KeyPlaces, contradiction, key_of, merged, with_key},
    spool::{self, Fate, Origin, Own, Row, Spool},
};
use domain::{Error, Result};
use hashbrown::HashTable;
use std::{
    hash::{BuildHasher, RandomState},
    io,
};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// The fates of the keys of one table. Each operation takes the file that all tables share.
pub(super) struct Fates {
    places: HashTable<Entry>,
    seed: u64,
    /// Whether the table was emptied before all the rest.
    pub is_emptied: bool,
    /// Rows of the table that are named; each must be found.
    pub named: u64,
    /// Whether a row was met that may be large (see [`may_be_wide`]).
    pub is_large: bool,
}

/// What becomes of a row of the table.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Becomes {
    Same,
    Nothing,
    Other(Vec<u8>),
}

/// A row from this size on may have values that its table's reader writes out of line (see [`crate::postgres::wide`]), or has them
/// there: which it does, and so which digest it has, depends on what the values are as the server has them. Encoded, no value is
/// smaller.
const LARGE_BYTES: usize = 1 << 20;

/// Whether a row may be written in another form when it is read back.
pub(super) fn may_be_wide(row: &[u8]) -> bool {
    row.len() >= LARGE_BYTES || memchr::memmem::find(row, b"{\"wide\":\"").is_some()
}

impl Fates {
    /// For a table that nothing was done to yet.
    pub fn new() -> Self {
        // Nobody who writes rows can know which keys would have one tag.
        let seed = RandomState::new().hash_one(0);
        Self { places: HashTable::new(), seed, is_emptied: false, named: 0, is_large: false }
    }

    /// Number of keys that are kept in memory.
    pub fn keys(&self) -> usize {
        self.places.len()
    }

    /// A row was inserted.
    pub fn insert(&mut self, at: &KeyPlaces, row: &[u8], spool: &mut Spool) -> Result<()> {
        let key = key_of(row, at)?;
        let own = match self.find(&key, spool)? {
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
        let there = self.find(&new_key, spool)?.unwrap_or(Fate { own: Own::Stays, row: None });
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
        *self = Self { is_emptied: true, is_large: self.is_large, ..Self::new() };
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
        let mut places: Vec<u64> = self.places.iter().filter(|entry| entry.is_new()).map(|entry| entry.place()).collect();
        places.sort_unstable();
        places.into_iter().try_for_each(|place| match spool.read(place)?.1.row {
            Some(row) => each(&row.values),
            None => Err(Error::internal("A new row has no values.")),
        })
    }

    /// The row with this key leaves it: what becomes of the table's own one with the key, and the row if it is not the table's own,
    /// untouched.
    fn take(&mut self, key: &[u8], spool: &Spool) -> Result<(Own, Option<Row>)> {
        match self.find(key, spool)? {
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
        if own != Own::Stays {
            return self.keep(key, &Fate { own, row: None }, spool);
        }
        let tag = self.tag(key);
        let mut read = Ok(());
        if let Ok(entry) = self.places.find_entry(Entry::hash(tag), |entry| entry.is_of(tag, key, spool, &mut read)) {
            entry.remove();
        }
        read
    }

    fn set_own(&mut self, key: &[u8], own: Own, spool: &mut Spool) -> Result<()> {
        let row = self.find(key, spool)?.and_then(|fate| fate.row);
        self.keep(key, &Fate { own, row }, spool)
    }

    fn tag(&self, key: &[u8]) -> u64 {
        xxh3_64_with_seed(key, self.seed) & Entry::TAG
    }

    fn find(&self, key: &[u8], spool: &Spool) -> Result<Option<Fate>> {
        let tag = self.tag(key);
        let mut read = Ok(());
        let found = self.places.find(Entry::hash(tag), |entry| entry.is_of(tag, key, spool, &mut read));
        read.and_then(|()| found.map(|entry| spool.read(entry.place()).map(|(_, fate)| fate)).transpose())
    }

    fn keep(&mut self, key: &[u8], fate: &Fate, spool: &mut Spool) -> Result<()> {
        let tag = self.tag(key);
        let is_new = fate.row.as_ref().is_some_and(|row| row.origin == Origin::New);
        self.is_large |= fate.row.as_ref().is_some_and(|row| may_be_wide(&row.values));
        let new = Entry::new(tag, spool.append(key, fate)?, is_new)?;
        let mut read = Ok(());
        match self.places.find_mut(Entry::hash(tag), |entry| entry.is_of(tag, key, spool, &mut read)) {
            Some(entry) => *entry = new,
            None => drop(self.places.insert_unique(Entry::hash(tag), new, |entry| Entry::hash(entry.tag()))),
        }
        read
    }
}

/// Where the last record of a key begins, and a part of the key's hash, which tells most other keys apart; the record tells all.
/// In one number, as there are millions: from the top the tag, the place, and whether the row is none of the table's own.
#[derive(Clone, Copy)]
struct Entry(u64);

impl Entry {
    const TAG_BITS: u32 = 27;
    const TAG: u64 = (1 << Self::TAG_BITS) - 1;
    const PLACE: u64 = (1 << (63 - Self::TAG_BITS)) - 1;

    fn new(tag: u64, place: u64, is_new: bool) -> Result<Self> {
        if place > Self::PLACE {
            return Err(spool::failed(io::ErrorKind::FileTooLarge.into()));
        }
        Ok(Self(tag << (64 - Self::TAG_BITS) | place << 1 | u64::from(is_new)))
    }

    fn tag(self) -> u64 {
        self.0 >> (64 - Self::TAG_BITS)
    }

    fn place(self) -> u64 {
        (self.0 >> 1) & Self::PLACE
    }

    fn is_new(self) -> bool {
        self.0 & 1 == 1
    }

    /// The hash that the table is given, of whose bits it uses the lowest and the highest (Fibonacci hashing).
    fn hash(tag: u64) -> u64 {
        tag.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    /// Whether it is that of a key. `read` holds the first error.
    fn is_of(self, tag: u64, key: &[u8], spool: &Spool, read: &mut Result<()>) -> bool {
        self.tag() == tag
            && spool.is_of(self.place(), key).unwrap_or_else(|error| {
                if read.is_ok() {
                    *read = Err(error);
                }
                false
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::postgres::restore::{
        changing::{self, KEY, Rows, Told},
        spool::{GUESS_BYTES, TAIL_BYTES},
    };
    use domain::Code;
    use proptest::prelude::*;

    /// What the table is in the end, and how many of its rows were named.
    fn applied(table: &Rows, fates: &Fates, spool: &Spool) -> (Vec<Vec<u8>>, u64) {
        let (mut rows, mut named) = (vec![], 0);
        for (key, values) in table.iter().filter(|_| !fates.is_emptied) {
            let row = changing::row(*key, *values);
            match fates.of(&changing::key(*key), &row, spool).unwrap() {
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
        assert_eq!(fates.named, 0);
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

    #[test]
    fn keys_of_one_tag_are_told_apart() {
        let (mut fates, mut spool) = (Fates::new(), Spool::new().unwrap());
        let key = |number: u64| format!("[{number}]").into_bytes();
        let mut seen = std::collections::HashMap::new();
        let (one, two) = (0..).find_map(|number| seen.insert(fates.tag(&key(number)), number).map(|before| (before, number))).unwrap();
        for (number, value) in [(one, 1), (two, 2)] {
            fates.update(KEY, &key(number), format!("[{number},{value}]").as_bytes(), &mut spool).unwrap();
        }
        for (number, value) in [(one, 1), (two, 2)] {
            let becomes = fates.of(&key(number), b"[0,0]", &spool).unwrap();
            assert_eq!(becomes, Becomes::Other(format!("[{number},{value}]").into_bytes()));
        }
        fates.delete(&key(one), &mut spool).unwrap();
        assert_eq!(fates.of(&key(one), b"[0,0]", &spool).unwrap(), Becomes::Nothing);
        assert!(matches!(fates.of(&key(two), b"[0,0]", &spool).unwrap(), Becomes::Other(_)));
    }

    proptest! {
        #[test]
        fn the_fates_of_any_changes_are_their_effect(start in changing::rows(), ops in changing::ops()) {
            let (mut truth, mut fates, mut spool) = (start.clone(), Fates::new(), Spool::new().unwrap());
            for told in changing::told(&mut truth, ops) {
                match told {
                    Told::Insert(row) => fates.insert(KEY, &row, &mut spool).unwrap(),
                    Told::Update(key, row) => fates.update(KEY, &key, &row, &mut spool).unwrap(),
                    Told::Delete(key) => fates.delete(&key, &mut spool).unwrap(),
                    Told::Empty => fates.empty(),
                }
            }
            let mut expected: Vec<_> = truth.iter().map(|(key, values)| changing::row(*key, *values)).collect();
            expected.sort();
            let (rows, named) = applied(&start, &fates, &spool);
            prop_assert_eq!(rows, expected);
            prop_assert_eq!(named, fates.named);
        }
    }
}
