//! An archive in memory, for tests of sources; below it what only one Dbms needs.
#![allow(dead_code, clippy::unwrap_used, reason = "each test binary uses its own part; a test may panic")]

pub mod pace;
pub mod postgres;
pub mod sqlite;

use domain::{Error, Result};
use source::{Context, Member, Members, Sink, Staging};
use std::{
    collections::BTreeMap,
    io::{Cursor, Read},
    sync::{Arc, Mutex},
};

/// Members by name.
#[derive(Default)]
pub struct Archive(Mutex<BTreeMap<String, Arc<[u8]>>>);

impl Archive {
    /// The bytes of a member, if it is there.
    pub fn get(&self, name: &str) -> Option<Vec<u8>> {
        self.0.lock().unwrap().get(name).map(|bytes| bytes.to_vec())
    }

    /// The bytes of a member that is there.
    pub fn bytes(&self, name: &str) -> Vec<u8> {
        self.get(name).ok_or_else(|| format!("there is no member {name}")).unwrap()
    }

    /// The text of a member that is there.
    pub fn text(&self, name: &str) -> String {
        String::from_utf8(self.bytes(name)).unwrap()
    }

    /// Puts a member, replacing one of that name.
    pub fn put(&self, name: &str, bytes: impl Into<Vec<u8>>) {
        self.0.lock().unwrap().insert(name.into(), bytes.into().into());
    }

    /// Puts other bytes in the place of a member that is there.
    pub fn replace(&self, name: &str, bytes: impl Into<Vec<u8>>) {
        drop(self.bytes(name));
        self.put(name, bytes);
    }

    /// Takes a member out.
    pub fn remove(&self, name: &str) {
        self.0.lock().unwrap().remove(name);
    }

    /// All rows of a table, without the header lines.
    pub fn rows(&self, table: &str) -> Vec<String> {
        let parts = source::table::parts(self, table);
        parts.iter().flat_map(|part| self.text(part).lines().skip(1).map(str::to_owned).collect::<Vec<_>>()).collect()
    }
}

impl Sink for Archive {
    fn member(&self, name: &str) -> Result<Box<dyn Member + '_>> {
        Ok(Box::new(Writing { archive: self, name: name.into(), bytes: vec![] }))
    }
}

struct Writing<'a> {
    archive: &'a Archive,
    name: String,
    bytes: Vec<u8>,
}

impl Member for Writing<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<()> {
        let before = self.archive.0.lock().unwrap().insert(self.name.clone(), self.bytes.into());
        if before.is_some() { Err(Error::internal(format!("The member {} was written twice.", self.name))) } else { Ok(()) }
    }
}

impl Members for Archive {
    fn names(&self) -> Vec<String> {
        self.0.lock().unwrap().keys().cloned().collect()
    }

    fn open(&self, name: &str) -> Result<Box<dyn Read + Send + '_>> {
        let bytes = self.0.lock().unwrap().get(name).cloned();
        Ok(Box::new(Cursor::new(bytes.ok_or_else(|| source::value::damaged(format!("The member {name} is missing.")))?)))
    }
}

/// Loads a single archive as the engine does: all that comes before the comparison.
pub fn load_whole(staging: &mut dyn Staging, archive: &dyn Members, context: &Context) -> Result<()> {
    staging.load(&[archive], None, context)?;
    staging.finish(archive, context)
}
