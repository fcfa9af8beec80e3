//! The repository's archive as the source's sink and set of members.

use domain::Result;
use repository::{ArchiveReader, ArchiveWriter};
use source::{Member, Members, Sink};
use std::io::Read;

/// An archive that a source writes to.
pub struct ToArchive<'a>(pub &'a ArchiveWriter);

impl Sink for ToArchive<'_> {
    fn member(&self, name: &str) -> Result<Box<dyn Member + '_>> {
        Ok(Box::new(OneMember(self.0.member(name)?)))
    }
}

struct OneMember<'a>(repository::archive::MemberWriter<'a>);

impl Member for OneMember<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.0.write(bytes)
    }

    fn finish(self: Box<Self>) -> Result<()> {
        self.0.finish()
    }
}

/// An archive that a source reads.
pub struct FromArchive<'a>(pub &'a ArchiveReader);

impl Members for FromArchive<'_> {
    fn names(&self) -> Vec<String> {
        self.0.names().map(Into::into).collect()
    }

    fn open(&self, name: &str) -> Result<Box<dyn Read + Send + '_>> {
        self.0.open_member(name)
    }
}
