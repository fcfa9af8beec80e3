//! The repository's archive as the source's sink and set of members.

use domain::Result;
use repository::{ArchiveReader, ArchiveWriter, archive::Effort};
use source::{Member, Members, Sink, changes};
use std::io::Read;

/// An archive that a source writes to.
pub struct ToArchive<'a>(pub &'a ArchiveWriter);

impl Sink for ToArchive<'_> {
    fn member(&self, name: &str) -> Result<Box<dyn Member + '_>> {
        let effort = if changes::is_part(name) { Effort::Least } else { Effort::Usual };
        Ok(Box::new(OneMember(self.0.member(name, effort)?)))
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

#[cfg(test)]
mod tests {
    use super::*;
    use source::{
        Context,
        changes::{Shape, Transaction},
    };
    use std::sync::Arc;
    use store::{Memory, ObjectName, Store};

    /// A row that compresses to half its size.
    fn row(bytes: usize) -> Vec<u8> {
        let mut state = 1_u64;
        let digits = std::iter::repeat_with(|| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            b"0123456789abcdef"[(state >> 60) as usize]
        });
        [b"[\"".to_vec(), digits.take(bytes).collect(), b"\"]".to_vec()].concat()
    }

    /// Such a member keeps the archive to itself, and parts are ended in their order.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_change_that_is_larger_than_a_part_waits_for_nobody_who_waits_for_it() {
        let upload = Memory::new().create(&ObjectName::new("archive").unwrap()).await.unwrap();
        let writer = ArchiveWriter::new(upload);
        let shape = Arc::new(Shape { columns: vec!["v".into()], types: vec!["text".into()], key: vec![] });
        let (writer, counted) = crate::blocking(move || {
            let archive = ToArchive(&writer);
            let counted = changes::write(&archive, &Context::default(), |mut out| {
                out.begin(&Transaction { xid: None, at: jiff::Timestamp::UNIX_EPOCH })?;
                for (number, bytes) in [5 << 20, 40 << 20, 5 << 20, 40 << 20, 40 << 20, 1].into_iter().enumerate() {
                    // As a source does before a row with a value that lies out of line.
                    let mut wide = archive.member(&format!("wide/{number}"))?;
                    wide.write(&row(20 << 20))?;
                    wide.finish()?;
                    out.insert("t", &shape, &row(bytes))?;
                }
                out.commit()?;
                out.finish()
            })?;
            Ok((writer, counted))
        })
        .await
        .unwrap();
        assert_eq!((counted.inserts, writer.finish().await.unwrap().members), (6, 12));
    }
}
