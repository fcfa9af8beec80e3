//! What a database file itself says of its properties, without SQLite
//! (<https://www.sqlite.org/fileformat2.html#the_database_header>).

use super::{cell::Encoding, full::Properties};
use std::{
    fs::File,
    io,
    os::unix::fs::{FileExt, MetadataExt},
};

/// Bytes of the header.
const BYTES: usize = 100;

/// Permission bits that a restore gives: those of the origin, but always to its owner, and never to run it.
pub fn restored_mode(mode: u32) -> u32 {
    mode & 0o666 | 0o600
}

/// The properties in the header of a file, and its permission bits.
pub fn read(file: &File) -> io::Result<Properties> {
    let mut bytes = [0; BYTES];
    file.read_exact_at(&mut bytes, 0)?;
    Ok(parse(&bytes, file.metadata()?.mode() & 0o777))
}

fn parse(bytes: &[u8; BYTES], mode: u32) -> Properties {
    let word = |at: usize| u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    let page_size = u16::from_be_bytes([bytes[16], bytes[17]]);
    Properties {
        page_size: if page_size == 1 { 65_536 } else { page_size.into() },
        encoding: match word(56) {
            2 => Encoding::Utf16Le,
            3 => Encoding::Utf16Be,
            _ => Encoding::Utf8,
        },
        auto_vacuum: match (word(52), word(64)) {
            (0, _) => 0,
            (_, 0) => 1,
            _ => 2,
        },
        journal_mode: if bytes[18..20] == [2, 2] { "wal" } else { "delete" }.into(),
        user_version: word(60).cast_signed(),
        application_id: word(68).cast_signed(),
        mode,
    }
}

/// Names every property that differs; as many as there are properties are compared.
pub fn differences(then: &Properties, now: &Properties) -> (usize, Vec<String>) {
    let pairs = [
        ("page size", then.page_size.to_string(), now.page_size.to_string()),
        ("encoding", then.encoding.as_pragma().into(), now.encoding.as_pragma().into()),
        ("auto_vacuum", then.auto_vacuum.to_string(), now.auto_vacuum.to_string()),
        // Only this is kept in a file.
        ("journal in WAL mode", (then.journal_mode == "wal").to_string(), (now.journal_mode == "wal").to_string()),
        ("user_version", then.user_version.to_string(), now.user_version.to_string()),
        ("application_id", then.application_id.to_string(), now.application_id.to_string()),
        ("permission bits", format!("{:o}", restored_mode(then.mode)), format!("{:o}", now.mode)),
    ];
    let different = pairs.iter().filter(|(_, then, now)| then != now);
    let different = different.map(|(what, then, now)| format!("The database's {what} is {now}, instead of {then}.")).collect();
    (pairs.len(), different)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_says_what_sqlite_was_told() {
        for (page_size, encoding, vacuum, wal) in [(512, "UTF-8", 0, false), (65_536, "UTF-16le", 1, true), (4096, "UTF-16be", 2, false)] {
            let file = tempfile::NamedTempFile::new().unwrap();
            let connection = rusqlite::Connection::open(file.path()).unwrap();
            let journal = if wal { "wal" } else { "delete" };
            connection
                .execute_batch(&format!(
                    "PRAGMA page_size={page_size}; PRAGMA encoding='{encoding}'; PRAGMA auto_vacuum={vacuum}; PRAGMA journal_mode={journal};
                     CREATE TABLE t(a); PRAGMA user_version=-7; PRAGMA application_id=-2147483648;"
                ))
                .unwrap();
            drop(connection);
            let now = read(file.as_file()).unwrap();
            let then = Properties {
                page_size,
                encoding: Encoding::from_pragma(encoding).unwrap(),
                auto_vacuum: vacuum,
                journal_mode: journal.into(),
                user_version: -7,
                application_id: -2_147_483_648,
                mode: 0o600,
            };
            assert_eq!(now, then);
            assert_eq!(differences(&then, &now), (7, vec![]));
            let other = Properties { user_version: 8, mode: 0o644, ..now };
            assert_eq!(
                differences(&then, &other).1,
                ["The database's user_version is 8, instead of -7.", "The database's permission bits is 644, instead of 600."]
            );
        }
    }
}
