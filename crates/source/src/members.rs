//! The two sides of an archive as a source sees them: a sink of members to write, a set of members to read.

use domain::Result;
use std::io::Read;

/// Takes the members of an archive. Several threads may write members at the same time.
///
/// Names are chosen by the source; parts that come from users go through [`domain::name::escape`].
/// A name that ends in `.zst` is compressed by the sink, which is given plain bytes.
pub trait Sink: Sync {
    /// Begins a member.
    fn member(&self, name: &str) -> Result<Box<dyn Member + '_>>;
}

/// One member being written. Dropping it without [`Member::finish`] leaves the member out, unless its size
/// had made the sink write it through already; then the whole archive fails.
pub trait Member: Send {
    /// Appends plain bytes.
    fn write(&mut self, bytes: &[u8]) -> Result<()>;

    /// Ends the member.
    fn finish(self: Box<Self>) -> Result<()>;
}

/// Takes members and drops them: for reading that only counts, as a comparison does.
pub struct Nowhere;

impl Sink for Nowhere {
    fn member(&self, _: &str) -> Result<Box<dyn Member + '_>> {
        Ok(Box::new(Self))
    }
}

impl Member for Nowhere {
    fn write(&mut self, _: &[u8]) -> Result<()> {
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

/// The members of an archive, read at random and by several threads.
pub trait Members: Sync {
    /// All names, in the order of the archive.
    fn names(&self) -> Vec<String>;

    /// The plain bytes of a member: decompressed if its name ends in `.zst`, its size and checksum checked.
    /// Errors of the archive come out of `read` as [`std::io::Error`]s that carry a [`domain::Error`];
    /// [`from_io`] takes them out again.
    fn open(&self, name: &str) -> Result<Box<dyn Read + Send + '_>>;
}

/// The error inside an [`std::io::Error`] that came from a [`Members::open`] reader.
pub fn from_io(error: std::io::Error) -> domain::Error {
    match error.downcast::<domain::Error>() {
        Ok(error) => error,
        Err(error) => domain::Error::new(
            domain::Code::Damaged,
            "The archive cannot be read.",
            "Run `rookery verify` on the repository, and choose another restore point.",
        )
        .because(error),
    }
}

/// Reads a whole small member.
pub fn read_all(members: &dyn Members, name: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    members.open(name)?.read_to_end(&mut bytes).map_err(from_io)?;
    Ok(bytes)
}
