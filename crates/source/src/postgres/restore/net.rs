//! Changes of one table taken together: what they come to, whatever happened in between.
//!
//! Rows are told apart by the text of their key, as the stream gives it: it is the text that the stored row has.

use crate::{
    changes::UNCHANGED,
    value::{damaged, pick},
};
use domain::{Error, Result};
use serde_json::value::RawValue;
use std::collections::{HashMap, HashSet};

/// What the changes so far come to.
#[derive(Debug, Default)]
pub(super) struct Net {
    /// Whether the table was emptied before all the rest.
    pub is_emptied: bool,
    /// Keys of rows of the table that are gone.
    pub gone: HashSet<Vec<u8>>,
    /// Rows that are new or changed, by the key that they have now.
    pub rows: HashMap<Vec<u8>, Changed>,
    /// Rows of a table without a key.
    pub appended: Vec<Vec<u8>>,
}

/// A row that is new or changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Changed {
    /// The key that the row has in the table; `None` for a new one.
    pub origin: Option<Vec<u8>>,
    /// Its values, encoded.
    pub row: Vec<u8>,
}

/// Where the columns of a table's key are among its columns.
pub(super) type KeyPlaces = [usize];

impl Net {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        !self.is_emptied && self.gone.is_empty() && self.rows.is_empty() && self.appended.is_empty()
    }

    /// A row was inserted.
    pub fn insert(&mut self, places: &KeyPlaces, row: &[u8]) -> Result<()> {
        if places.is_empty() {
            self.appended.push(row.to_vec());
            return Ok(());
        }
        let key = key_of(row, places)?;
        match self.rows.insert(key, Changed { origin: None, row: row.to_vec() }) {
            None => Ok(()),
            Some(_) => Err(contradiction("A row was inserted where one was")),
        }
    }

    /// The row with this key became another one.
    pub fn update(&mut self, places: &KeyPlaces, key: &[u8], row: &[u8]) -> Result<()> {
        let changed = match self.take(key)? {
            Some(before) => Changed { row: merged(row, &before.row)?, origin: before.origin },
            None => Changed { row: with_key(row, places, key)?, origin: Some(key.to_vec()) },
        };
        let key = key_of(&changed.row, places)?;
        match self.rows.insert(key, changed) {
            None => Ok(()),
            Some(_) => Err(contradiction("A row was given the key of another one")),
        }
    }

    /// The row with this key was deleted.
    pub fn delete(&mut self, key: &[u8]) -> Result<()> {
        let origin = match self.take(key)? {
            Some(before) => before.origin,
            None => Some(key.to_vec()),
        };
        self.gone.extend(origin);
        Ok(())
    }

    /// All rows were removed.
    pub fn empty(&mut self) {
        *self = Self { is_emptied: true, ..Self::default() };
    }

    /// The changed row with this key; `None` if it has to be in the table.
    fn take(&mut self, key: &[u8]) -> Result<Option<Changed>> {
        let found = self.rows.remove(key);
        if found.is_none() && (self.is_emptied || self.gone.contains(key)) {
            return Err(contradiction("A row was changed that was gone"));
        }
        Ok(found)
    }
}

pub(super) fn contradiction(what: &str) -> Error {
    damaged(format!("{what}: the changes in the archive contradict themselves."))
}

/// The values of an encoded row, each as it stands there.
pub(super) fn values(row: &[u8]) -> Result<Vec<&RawValue>> {
    serde_json::from_slice(row).map_err(|error| damaged("A changed row in the archive cannot be read.").because(error))
}

/// An encoded row of these values.
pub(super) fn encoded<'a>(values: impl IntoIterator<Item = &'a str>) -> Vec<u8> {
    let mut row = vec![b'['];
    for value in values {
        if row.len() > 1 {
            row.push(b',');
        }
        row.extend_from_slice(value.as_bytes());
    }
    row.push(b']');
    row
}

/// Whether a value stands for one that did not change.
pub(super) fn is_unchanged(value: &RawValue) -> bool {
    value.get().as_bytes() == UNCHANGED
}

/// The key of a row.
pub(super) fn key_of(row: &[u8], places: &KeyPlaces) -> Result<Vec<u8>> {
    let mut key = vec![];
    pick(row, places, &mut key)?;
    Ok(key)
}

/// The row with values that did not change taken from what it was.
pub(super) fn merged(row: &[u8], before: &[u8]) -> Result<Vec<u8>> {
    if memchr::memmem::find(row, UNCHANGED).is_none() {
        return Ok(row.to_vec());
    }
    let (now, before) = (values(row)?, values(before)?);
    if now.len() != before.len() {
        return Err(contradiction("A row has not as many values as it had"));
    }
    Ok(encoded(now.iter().zip(&before).map(|(now, before)| if is_unchanged(now) { before.get() } else { now.get() })))
}

/// The row with those columns of its key that did not change taken from the key that it had.
pub(super) fn with_key(row: &[u8], places: &KeyPlaces, key: &[u8]) -> Result<Vec<u8>> {
    if memchr::memmem::find(row, UNCHANGED).is_none() {
        return Ok(row.to_vec());
    }
    let (now, key) = (values(row)?, values(key)?);
    let value = |(at, now): (usize, &&RawValue)| match places.iter().position(|place| *place == at) {
        Some(part) if is_unchanged(now) => key.get(part).map_or("null", |value| value.get()).to_owned(),
        _ => now.get().to_owned(),
    };
    let row: Vec<_> = now.iter().enumerate().map(value).collect();
    Ok(encoded(row.iter().map(String::as_str)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::postgres::restore::changing::{self, KEY, Rows, Told};
    use proptest::prelude::*;

    #[test]
    fn what_cannot_be_is_refused() {
        let mut net = Net::default();
        net.insert(KEY, b"[1,2]").unwrap();
        assert!(net.insert(KEY, b"[1,3]").is_err());
        let mut net = Net::default();
        net.delete(b"[1]").unwrap();
        assert!(net.delete(b"[1]").is_err());
        assert!(net.update(KEY, b"[1]", b"[1,2]").is_err());
        let mut net = Net::default();
        net.empty();
        assert!(net.delete(b"[1]").is_err());
        assert!(Net::default().insert(&[3], b"[1,2]").is_err() && Net::default().insert(KEY, b"[1,").is_err());
    }

    #[test]
    fn a_key_that_did_not_change_is_known_from_the_old_one() {
        let mut net = Net::default();
        net.update(&[1, 0], b"[\"k\",1]", br#"[2,{"unchanged":true},{"unchanged":true}]"#).unwrap();
        let expected = Changed { origin: Some(b"[\"k\",1]".to_vec()), row: br#"[2,"k",{"unchanged":true}]"#.to_vec() };
        assert_eq!(net.rows, HashMap::from([(b"[\"k\",2]".to_vec(), expected)]));
    }

    /// What the table is after the net changes.
    fn applied(mut table: Rows, net: &Net) -> Rows {
        let number = |text: &[u8]| String::from_utf8(text.to_vec()).unwrap().trim_matches(['[', ']']).parse::<u8>().unwrap();
        let before = if net.is_emptied { Rows::new() } else { table.clone() };
        table.clone_from(&before);
        for key in &net.gone {
            table.remove(&number(key)).unwrap();
        }
        for origin in net.rows.values().filter_map(|row| row.origin.as_ref()) {
            table.remove(&number(origin)).unwrap();
        }
        for (key, changed) in &net.rows {
            let values = values(&changed.row).unwrap();
            let large = if is_unchanged(values[2]) {
                before[&number(changed.origin.as_ref().unwrap())].1
            } else {
                values[2].get().parse().unwrap()
            };
            let other = table.insert(number(key), (values[1].get().parse().unwrap(), large));
            assert_eq!(other, None);
        }
        table
    }

    proptest! {
        #[test]
        fn the_net_of_any_changes_is_their_effect(start in changing::rows(), ops in changing::ops()) {
            let (mut truth, mut net) = (start.clone(), Net::default());
            for told in changing::told(&mut truth, ops) {
                match told {
                    Told::Insert(row) => net.insert(KEY, &row).unwrap(),
                    Told::Update(key, row) => net.update(KEY, &key, &row).unwrap(),
                    Told::Delete(key) => net.delete(&key).unwrap(),
                    Told::Empty => net.empty(),
                }
            }
            prop_assert_eq!(applied(start, &net), truth);
        }
    }
}
