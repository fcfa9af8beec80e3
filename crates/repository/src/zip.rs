//! The ZIP structures that an archive is made of (PKWARE APPNOTE 6.3.10), as few as are needed.
//!
//! Every member is stored (method 0), because its content is compressed already, and follows the one before it
//! without a gap. Sizes and offsets beyond 32 bits use ZIP64. Each entry of the central directory carries the
//! member's plain size in an extra field of ours, so that a reader knows how much it may decompress to.

use domain::{Code, Error, Result};

const LOCAL: u32 = 0x0403_4b50;
const DESCRIPTOR: u32 = 0x0807_4b50;
const CENTRAL: u32 = 0x0201_4b50;
const END: u32 = 0x0605_4b50;
const END64: u32 = 0x0606_4b50;
const END64_LOCATOR: u32 = 0x0706_4b50;
const EXTRA_ZIP64: u16 = 0x0001;
/// "Rk": the member's plain size, 8 bytes.
const EXTRA_PLAIN_SIZE: u16 = 0x6b52;
const FLAG_DESCRIPTOR: u16 = 1 << 3;
const FLAG_UTF8: u16 = 1 << 11;
const VERSION_PLAIN: u16 = 20;
const VERSION_ZIP64: u16 = 45;
/// 1980-01-01, the first day that ZIP knows: members have no times of their own.
const DOS_DATE: u16 = 0x0021;
const MAX32: u64 = u32::MAX as u64;

/// Bytes of the end record, which is all that an archive without a comment ends in.
pub const END_BYTES: u64 = 22;
/// Bytes before the end record in which a ZIP64 archive keeps its own end record and locator.
pub const END64_BYTES: u64 = 56 + 20;
/// Bytes that follow the data of a streamed member.
pub const DESCRIPTOR_BYTES: u64 = 24;
/// Bytes of a local header before the name.
pub const LOCAL_BYTES: u64 = 30;

/// One member in the central directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The member's name.
    pub name: String,
    /// CRC-32 of the stored bytes.
    pub crc: u32,
    /// Stored bytes.
    pub size_bytes: u64,
    /// Bytes after decompression.
    pub plain_bytes: u64,
    /// Where its local header begins.
    pub offset: u64,
    /// Whether sizes follow the data instead of standing in the local header.
    pub streamed: bool,
}

/// Where the central directory lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Directory {
    /// Its first byte.
    pub offset: u64,
    /// Its bytes.
    pub size_bytes: u64,
    /// Its entries.
    pub entries: u64,
}

struct Bytes(Vec<u8>);

impl Bytes {
    fn u16(&mut self, value: u16) -> &mut Self {
        self.0.extend_from_slice(&value.to_le_bytes());
        self
    }
    fn u32(&mut self, value: u32) -> &mut Self {
        self.0.extend_from_slice(&value.to_le_bytes());
        self
    }
    fn u64(&mut self, value: u64) -> &mut Self {
        self.0.extend_from_slice(&value.to_le_bytes());
        self
    }
    /// A 32-bit field, all ones where the value is in the ZIP64 field.
    fn low32(&mut self, value: u64) -> &mut Self {
        self.u32(u32::try_from(value).unwrap_or(u32::MAX))
    }
}

fn name_length(name: &str) -> Result<u16> {
    u16::try_from(name.len()).map_err(|error| Error::internal("The name of a member is too long.").because(error))
}

/// The local header of a member whose size is known. Members of 4 GiB or more are always streamed.
pub fn local_header(entry: &Entry) -> Result<Vec<u8>> {
    let mut out = Bytes(Vec::with_capacity(64 + entry.name.len()));
    let (flags, version) = if entry.streamed { (FLAG_UTF8 | FLAG_DESCRIPTOR, VERSION_ZIP64) } else { (FLAG_UTF8, VERSION_PLAIN) };
    out.u32(LOCAL).u16(version).u16(flags).u16(0).u16(0).u16(DOS_DATE);
    if entry.streamed {
        // Sizes come after the data, in 8 bytes each, which an empty ZIP64 field announces.
        out.u32(0).u32(u32::MAX).u32(u32::MAX).u16(name_length(&entry.name)?).u16(20);
        out.0.extend_from_slice(entry.name.as_bytes());
        out.u16(EXTRA_ZIP64).u16(16).u64(0).u64(0);
    } else {
        out.u32(entry.crc).low32(entry.size_bytes).low32(entry.size_bytes).u16(name_length(&entry.name)?).u16(0);
        out.0.extend_from_slice(entry.name.as_bytes());
    }
    Ok(out.0)
}

/// What follows the data of a streamed member.
pub fn data_descriptor(crc: u32, size_bytes: u64) -> Vec<u8> {
    let mut out = Bytes(Vec::with_capacity(24));
    out.u32(DESCRIPTOR).u32(crc).u64(size_bytes).u64(size_bytes);
    out.0
}

/// The central directory and the end records of an archive whose members end at `offset`.
pub fn directory(entries: &[Entry], offset: u64) -> Result<Vec<u8>> {
    let mut out = Bytes(Vec::with_capacity(entries.len() * 128 + 98));
    for entry in entries {
        central_header(&mut out, entry)?;
    }
    let directory = Directory { offset, size_bytes: out.0.len() as u64, entries: entries.len() as u64 };
    end_records(&mut out, directory);
    Ok(out.0)
}

fn end_records(out: &mut Bytes, Directory { offset, size_bytes, entries }: Directory) {
    if entries >= u64::from(u16::MAX) || size_bytes >= MAX32 || offset >= MAX32 {
        out.u32(END64).u64(44).u16(VERSION_ZIP64).u16(VERSION_ZIP64).u32(0).u32(0);
        out.u64(entries).u64(entries).u64(size_bytes).u64(offset);
        out.u32(END64_LOCATOR).u32(0).u64(offset.saturating_add(size_bytes)).u32(1);
    }
    let count16 = u16::try_from(entries).unwrap_or(u16::MAX);
    out.u32(END).u16(0).u16(0).u16(count16).u16(count16).low32(size_bytes).low32(offset).u16(0);
}

fn central_header(out: &mut Bytes, entry: &Entry) -> Result<()> {
    let mut zip64 = Bytes(Vec::new());
    if entry.size_bytes >= MAX32 {
        zip64.u64(entry.size_bytes).u64(entry.size_bytes);
    }
    if entry.offset >= MAX32 {
        zip64.u64(entry.offset);
    }
    let mut extra = Bytes(Vec::new());
    if !zip64.0.is_empty() {
        extra.u16(EXTRA_ZIP64).u16(zip64.0.len() as u16);
        extra.0.extend_from_slice(&zip64.0);
    }
    extra.u16(EXTRA_PLAIN_SIZE).u16(8).u64(entry.plain_bytes);

    let flags = if entry.streamed { FLAG_UTF8 | FLAG_DESCRIPTOR } else { FLAG_UTF8 };
    let version = if entry.streamed || !zip64.0.is_empty() { VERSION_ZIP64 } else { VERSION_PLAIN };
    out.u32(CENTRAL).u16(version).u16(version).u16(flags).u16(0).u16(0).u16(DOS_DATE);
    out.u32(entry.crc).low32(entry.size_bytes).low32(entry.size_bytes);
    out.u16(name_length(&entry.name)?).u16(extra.0.len() as u16).u16(0).u16(0).u16(0).u32(0).low32(entry.offset);
    out.0.extend_from_slice(entry.name.as_bytes());
    out.0.extend_from_slice(&extra.0);
    Ok(())
}

/// Reads numbers off the front of a slice; `None` past its end.
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(count)?;
        self.0 = tail;
        Some(head)
    }
    fn u16(&mut self) -> Option<u16> {
        self.take(2)?.try_into().ok().map(u16::from_le_bytes)
    }
    fn u32(&mut self) -> Option<u32> {
        self.take(4)?.try_into().ok().map(u32::from_le_bytes)
    }
    fn u64(&mut self) -> Option<u64> {
        self.take(8)?.try_into().ok().map(u64::from_le_bytes)
    }
}

fn broken(what: &str) -> Error {
    Error::new(
        Code::Damaged,
        format!("The archive is damaged: {what}."),
        "Choose another restore point; `rookery verify` says which are whole.",
    )
}

/// Finds the central directory from the last bytes of an archive of `size_bytes`: at least
/// [`END_BYTES`] + [`END64_BYTES`] of them, or the whole archive.
pub fn find_directory(tail: &[u8], size_bytes: u64) -> Result<Directory> {
    let cut = || broken("it has no end record, so it was cut short or is not an archive");
    let at = tail.len().checked_sub(END_BYTES as usize).ok_or_else(cut)?;
    let (before, end) = tail.split_at(at);
    let (small, comment) = parse_end(end).ok_or_else(cut)?;
    if comment != 0 {
        return Err(broken("its end record holds a comment"));
    }
    let needs64 = small.entries == u64::from(u16::MAX) || small.size_bytes == MAX32 || small.offset == MAX32;
    let (directory, records) = if needs64 {
        let at = before.len().checked_sub(END64_BYTES as usize).ok_or_else(cut)?;
        (parse_end64(&before[at..]).ok_or_else(cut)?, END_BYTES + END64_BYTES)
    } else {
        (small, END_BYTES)
    };
    let ends = directory.offset.checked_add(directory.size_bytes).and_then(|end| end.checked_add(records));
    if ends != Some(size_bytes) {
        return Err(broken("its directory does not lie where it should"));
    }
    let mut written = Bytes(Vec::with_capacity(records as usize));
    end_records(&mut written, directory);
    if tail.ends_with(&written.0) { Ok(directory) } else { Err(broken("its end records contradict each other")) }
}

fn parse_end(bytes: &[u8]) -> Option<(Directory, u16)> {
    let mut cursor = Cursor(bytes);
    if cursor.u32()? != END || cursor.u32()? != 0 {
        return None;
    }
    let (here, entries) = (cursor.u16()?, cursor.u16()?);
    let directory = Directory { entries: entries.into(), size_bytes: cursor.u32()?.into(), offset: cursor.u32()?.into() };
    (here == entries).then_some((directory, cursor.u16()?))
}

fn parse_end64(bytes: &[u8]) -> Option<Directory> {
    let mut cursor = Cursor(bytes);
    if cursor.u32()? != END64 || cursor.u64()? != 44 {
        return None;
    }
    cursor.take(12)?;
    let (here, entries) = (cursor.u64()?, cursor.u64()?);
    let directory = Directory { entries, size_bytes: cursor.u64()?, offset: cursor.u64()? };
    (here == entries && cursor.u32()? == END64_LOCATOR).then_some(directory)
}

/// Reads the central directory: every member in its order, without gaps, overlaps, doubles or hostile names, and in the one way
/// in which it is written, so that no two readers see two archives.
pub fn parse_directory(bytes: &[u8], directory: Directory) -> Result<Vec<Entry>> {
    let mut cursor = Cursor(bytes);
    // An entry takes 46 bytes at least, so that a false count cannot ask for memory.
    if directory.entries > directory.size_bytes / 46 {
        return Err(broken("its directory counts more members than it can hold"));
    }
    let mut entries = Vec::with_capacity(directory.entries as usize);
    let (mut next, mut written) = (0, Bytes(Vec::new()));
    for _ in 0..directory.entries {
        let before = cursor.0;
        let entry = parse_central(&mut cursor).ok_or_else(|| broken("its directory cannot be read"))?;
        check_name(&entry.name)?;
        written.0.clear();
        central_header(&mut written, &entry)?;
        if before[..before.len() - cursor.0.len()] != written.0 {
            return Err(broken("an entry of its directory is not as it was written"));
        }
        if entry.offset != next {
            return Err(broken("its members overlap or leave gaps"));
        }
        next = end_of(&entry);
        if next > directory.offset {
            return Err(broken("a member reaches beyond its place"));
        }
        entries.push(entry);
    }
    if !cursor.0.is_empty() || next != directory.offset {
        return Err(broken("its directory does not account for all of it"));
    }
    let mut names: Vec<&str> = entries.iter().map(|entry| entry.name.as_str()).collect();
    names.sort_unstable();
    if names.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(broken("two members have the same name"));
    }
    Ok(entries)
}

/// Where a member's stored bytes begin.
pub fn data_offset(entry: &Entry) -> u64 {
    entry.offset.saturating_add(LOCAL_BYTES + entry.name.len() as u64 + if entry.streamed { 20 } else { 0 })
}

/// Where the next member begins.
pub fn end_of(entry: &Entry) -> u64 {
    data_offset(entry).saturating_add(entry.size_bytes).saturating_add(if entry.streamed { DESCRIPTOR_BYTES } else { 0 })
}

fn parse_central(cursor: &mut Cursor<'_>) -> Option<Entry> {
    if cursor.u32()? != CENTRAL {
        return None;
    }
    cursor.take(4)?;
    let flags = cursor.u16()?;
    let method = cursor.u16()?;
    cursor.take(4)?;
    let crc = cursor.u32()?;
    let (mut size_bytes, other): (u64, u64) = (cursor.u32()?.into(), cursor.u32()?.into());
    let (name, extra, comment) = (cursor.u16()?, cursor.u16()?, cursor.u16()?);
    cursor.take(8)?;
    let mut offset: u64 = cursor.u32()?.into();
    let name = String::from_utf8(cursor.take(name.into())?.to_vec()).ok()?;
    let mut extra = Cursor(cursor.take(extra.into())?);
    if method != 0 || size_bytes != other || comment != 0 || flags & !FLAG_DESCRIPTOR != FLAG_UTF8 {
        return None;
    }
    let mut plain_bytes = None;
    while !extra.0.is_empty() {
        let (id, length) = (extra.u16()?, extra.u16()?);
        let mut field = Cursor(extra.take(length.into())?);
        match id {
            EXTRA_ZIP64 => {
                if size_bytes == MAX32 {
                    size_bytes = field.u64()?;
                    field.u64().filter(|again| *again == size_bytes)?;
                }
                if offset == MAX32 {
                    offset = field.u64()?;
                }
            }
            EXTRA_PLAIN_SIZE => plain_bytes = Some(field.u64()?),
            _ => return None,
        }
    }
    Some(Entry { name, crc, size_bytes, plain_bytes: plain_bytes?, offset, streamed: flags & FLAG_DESCRIPTOR != 0 })
}

/// Members are read by name and never become files; a name that tries to leave a folder gives the archive away all the same.
fn check_name(name: &str) -> Result<()> {
    let hostile = name.is_empty()
        || name.split('/').any(|segment| matches!(segment, "" | "." | ".."))
        || name.bytes().any(|byte| byte < 0x20 || byte == 0x7f || matches!(byte, b'\\' | b':'));
    if hostile { Err(broken("a member has a name that could lead outside of a folder")) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entry(name: &str, offset: u64, size_bytes: u64) -> Entry {
        Entry { name: name.into(), crc: 7, size_bytes, plain_bytes: size_bytes * 3, offset, streamed: false }
    }

    fn read(bytes: &[u8], size_bytes: u64) -> Result<Vec<Entry>> {
        let tail = &bytes[bytes.len().saturating_sub((END_BYTES + END64_BYTES) as usize)..];
        let directory = find_directory(tail, size_bytes)?;
        parse_directory(&bytes[..directory.size_bytes as usize], directory)
    }

    /// Entries that follow each other as in an archive.
    fn chain(members: &[(&str, u64, bool)]) -> (Vec<Entry>, u64) {
        let (mut entries, mut offset) = (vec![], 0);
        for (name, size_bytes, streamed) in members {
            let entry = Entry { streamed: *streamed, ..entry(name, offset, *size_bytes) };
            offset = end_of(&entry);
            entries.push(entry);
        }
        (entries, offset)
    }

    #[test]
    fn a_directory_reads_back() {
        for members in [vec![], vec![("a", 0, false), ("b/c.zst", 100, true)], vec![("huge", 5 << 32, true), ("after", 9, false)]] {
            let (entries, offset) = chain(&members);
            let bytes = directory(&entries, offset).unwrap();
            assert_eq!(read(&bytes, offset + bytes.len() as u64).unwrap(), entries);
        }
    }

    #[test]
    fn more_members_than_16_bits_count() {
        let names: Vec<String> = (0..70_000).map(|i| format!("m{i}")).collect();
        let members: Vec<_> = names.iter().map(|name| (name.as_str(), 1, false)).collect();
        let (entries, offset) = chain(&members);
        let bytes = directory(&entries, offset).unwrap();
        assert_eq!(read(&bytes, offset + bytes.len() as u64).unwrap().len(), 70_000);
    }

    #[test]
    fn hostile_directories_are_refused() {
        let refused = |entries: &[Entry], offset: u64| {
            let bytes = directory(entries, offset).unwrap();
            read(&bytes, offset + bytes.len() as u64).unwrap_err()
        };
        for name in ["../etc/passwd", "/etc/passwd", "a//b", "a/./b", "", "a\\b", "C:x", "a\nb", ".."] {
            let (entries, offset) = chain(&[(name, 1, false)]);
            assert!(refused(&entries, offset).to_string().contains("outside"), "{name:?}");
        }
        let (entries, offset) = chain(&[("a", 1, false), ("a", 1, false)]);
        assert!(refused(&entries, offset).to_string().contains("same name"));
        let (mut entries, offset) = chain(&[("a", 10, false), ("b", 10, false)]);
        entries[1].offset -= 5;
        assert!(refused(&entries, offset).to_string().contains("overlap"));
        let (mut entries, offset) = chain(&[("a", 10, false)]);
        entries[0].size_bytes += 1;
        assert!(refused(&entries, offset).to_string().contains("beyond"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300), size in any::<u64>()) {
            let _ = find_directory(&bytes, size);
            let _ = parse_directory(&bytes, Directory { offset: 0, size_bytes: bytes.len() as u64, entries: size });
        }

        #[test]
        fn any_flipped_bit_is_read_or_refused_without_a_panic(at in 0_usize..200, bit in 0_u8..8) {
            let (entries, offset) = chain(&[("a", 10, false), ("b", 10, true)]);
            let mut bytes = directory(&entries, offset).unwrap();
            let at = at % bytes.len();
            bytes[at] ^= 1 << bit;
            let _ = read(&bytes, offset + bytes.len() as u64);
        }
    }
}
