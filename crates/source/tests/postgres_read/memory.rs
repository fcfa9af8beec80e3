//! A sink that keeps members in memory.

use domain::Result;
use source::{Member, Sink};
use std::{collections::BTreeMap, sync::Mutex};

/// Members by name.
#[derive(Default)]
pub struct Memory(Mutex<BTreeMap<String, Vec<u8>>>);

impl Memory {
    /// All names, ordered.
    pub fn names(&self) -> Vec<String> {
        self.0.lock().unwrap().keys().cloned().collect()
    }

    /// The bytes of a member.
    pub fn bytes(&self, name: &str) -> Vec<u8> {
        self.0.lock().unwrap()[name].clone()
    }

    /// The members whose names begin so, as text.
    pub fn texts(&self, prefix: &str) -> impl Iterator<Item = String> {
        let members = self.0.lock().unwrap();
        let found = members.iter().filter(|(name, _)| name.starts_with(prefix));
        found.map(|(_, bytes)| String::from_utf8(bytes.clone()).unwrap()).collect::<Vec<_>>().into_iter()
    }
}

impl Sink for Memory {
    fn member(&self, name: &str) -> Result<Box<dyn Member + '_>> {
        Ok(Box::new(Open { memory: self, name: name.into(), bytes: vec![] }))
    }
}

struct Open<'a> {
    memory: &'a Memory,
    name: String,
    bytes: Vec<u8>,
}

impl Member for Open<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<()> {
        let before = self.memory.0.lock().unwrap().insert(self.name.clone(), self.bytes);
        assert!(before.is_none(), "member {} was written twice", self.name);
        Ok(())
    }
}
