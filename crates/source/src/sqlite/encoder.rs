//! Rows of a result set as lines of an archive, and the keys in them.

use super::{
    cell::{self, Encoding, Wide},
    read::Fault,
    schema::Table,
};
use domain::{Code, Error, Result};
use rusqlite::{Row, types::ValueRef};

/// Encodes rows of one table, one after the other.
pub struct Encoder<'t> {
    encoding: Encoding,
    table: &'t Table,
    values: usize,
    line: Vec<u8>,
    /// Where in the line each value ends.
    ends: Vec<usize>,
    key: Vec<u8>,
}

impl<'t> Encoder<'t> {
    /// An encoder for rows that [`super::job::select`] asks for.
    pub fn new(encoding: Encoding, table: &'t Table) -> Self {
        Self { encoding, table, values: table.values().len(), line: Vec::with_capacity(4096), ends: vec![], key: vec![] }
    }

    /// Encodes a row.
    pub fn encode(&mut self, row: &Row<'_>, wide: &Wide<'_>) -> Result<(), Fault> {
        self.line.clear();
        self.ends.clear();
        self.line.push(b'[');
        for at in 0..self.values {
            if at > 0 {
                self.line.push(b',');
            }
            if self.encoding == Encoding::Utf8 {
                cell::encode_value(&mut self.line, row.get_ref(at)?, wide)?;
            } else {
                match (row.get_ref(2 * at)?, row.get_ref(2 * at + 1)?) {
                    (ValueRef::Blob(stored), ValueRef::Integer(1)) => cell::encode_utf16(&mut self.line, stored, self.encoding, wide)?,
                    (value, _) => cell::encode_value(&mut self.line, value, wide)?,
                }
            }
            self.ends.push(self.line.len());
        }
        self.line.push(b']');
        Ok(())
    }

    /// The row that was encoded last.
    pub fn row(&self) -> &[u8] {
        &self.line
    }

    /// Its key: a rowid in an order of bytes that is its own, or the values of a primary key as an encoded row.
    pub fn key(&mut self) -> Result<&[u8]> {
        self.key.clear();
        if self.table.rowid.is_some() {
            let rowid = self.table.key_at.first().and_then(|at| std::str::from_utf8(self.value(*at)).ok()?.parse().ok());
            let rowid: i64 = rowid.ok_or_else(|| Error::internal("A rowid is no number."))?;
            self.key.extend_from_slice(&rowid_key(rowid));
            return Ok(&self.key);
        }
        let mut key = std::mem::take(&mut self.key);
        for (nth, at) in self.table.key_at.iter().enumerate() {
            key.push(if nth == 0 { b'[' } else { b',' });
            let value = self.value(*at);
            if value.starts_with(b"{\"wide\":") {
                return Err(Error::new(
                    Code::Unsupported,
                    format!("A key of the table {:?} is so large that its rows cannot be compared.", self.table.name),
                    "Leave the task of this database at full backups.",
                ));
            }
            key.extend_from_slice(value);
        }
        key.push(b']');
        self.key = key;
        Ok(&self.key)
    }

    fn value(&self, at: usize) -> &[u8] {
        let begins = at.checked_sub(1).map_or(1, |before| self.ends[before] + 1);
        &self.line[begins..self.ends[at]]
    }
}

/// Bytes that are ordered as rowids are.
pub fn rowid_key(rowid: i64) -> [u8; 8] {
    (rowid ^ i64::MIN).to_be_bytes()
}

/// The rowid of such bytes.
pub fn rowid_of(key: &[u8]) -> Option<i64> {
    key.try_into().ok().map(|bytes| i64::from_be_bytes(bytes) ^ i64::MIN)
}

/// A key as a change of the archive names it.
pub fn key_as_json(table: &Table, key: &[u8]) -> Result<Vec<u8>> {
    if table.rowid.is_none() {
        return Ok(key.to_vec());
    }
    let rowid = rowid_of(key).ok_or_else(crate::keys::lost)?;
    Ok(format!("[{rowid}]").into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_rowids_are_ordered_as_they_are() {
        let rowids = [i64::MIN, -300, -1, 0, 1, 255, 256, i64::MAX];
        assert!(rowids.windows(2).all(|pair| rowid_key(pair[0]) < rowid_key(pair[1])));
        assert!(rowids.iter().all(|rowid| rowid_of(&rowid_key(*rowid)) == Some(*rowid)));
        assert_eq!(rowid_of(b"short"), None);
    }
}
