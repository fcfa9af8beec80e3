//! An archive: a ZIP of members, written by several threads at once and read at random.

mod reader;
mod writer;

pub use reader::ArchiveReader;
pub use writer::{ArchiveWriter, Effort, MemberWriter, Written};

/// Name of the member that says what the archive holds. It is the first.
pub const DESCRIPTION: &str = "archive.json";
/// Name of the member that says what was counted. It is the last.
pub const SUMMARY: &str = "summary.json";
/// Ending of the members that are zstd frames.
pub const COMPRESSED: &str = ".zst";

/// The zstd window that is written, and the largest that is accepted, as a power of two: 2 MiB.
const WINDOW_LOG: u32 = 21;

#[cfg(test)]
mod tests;
