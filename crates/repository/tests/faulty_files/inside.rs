//! Faults in what is sealed: the ZIP and its members.

use super::{
    Case, Make, case,
    kit::Kit,
    zip::{Member, Zip, Zip64},
};
use domain::Code::{Damaged, TooLarge};

/// A member more, of this name.
fn named(zip: &mut Zip, name: &[u8]) {
    let mut member = Member::new("", b"", 0);
    member.name = name.to_vec();
    zip.members.insert(1, member);
}

/// The extra fields of the first member.
fn extra(zip: &mut Zip, fields: &[&[u8]]) {
    zip.members[0].extra = Some(fields.concat());
}

/// The rows as other stored bytes, which their checksum fits.
fn rows(zip: &mut Zip, change: impl FnOnce(Vec<u8>) -> Vec<u8>) {
    let stored = std::mem::take(&mut zip.members[1].stored);
    zip.members[1].store(change(stored));
}

/// The same archive with ZIP64's records, as more than 65535 members would need them.
fn zip64(zip: &mut Zip, change: impl FnOnce(&mut Zip64)) {
    let mut records = Zip64::of(zip.members.len());
    (zip.count, zip.directory_bytes, zip.directory_offset) = (Some(u16::MAX), Some(u32::MAX), Some(u32::MAX));
    change(&mut records);
    zip.zip64 = Some(records);
}

/// A frame that needs a window of 128 MiB.
fn wide_window(plain: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::stream::Encoder::new(vec![], 1).unwrap();
    encoder.window_log(27).unwrap();
    encoder.include_contentsize(false).unwrap();
    std::io::Write::write_all(&mut encoder, plain).unwrap();
    encoder.finish().unwrap()
}

fn cut(_: &Kit, plain: Vec<u8>, bytes: usize) -> Vec<u8> {
    plain[..plain.len() - bytes].to_vec()
}

/// The extra field that tells the plain size of the first member.
const PLAIN_SIZE: &[u8] = &[0x52, 0x6b, 8, 0, 12, 0, 0, 0, 0, 0, 0, 0];

const NO_END: &str = "no end record";
const ELSEWHERE: &str = "does not lie where it should";
const CONTRADICT: &str = "end records contradict";
const UNREADABLE: &str = "directory cannot be read";
const ACCOUNT: &str = "does not account for all";
const OVERLAP: &str = "overlap or leave gaps";
const HEADER: &str = "differs from the directory";
const CHECKSUM: &str = "checksum";
const NAME: &str = "lead outside of a folder";
const WRITTEN: &str = "not as it was written";
const DECOMPRESS: &str = "cannot be decompressed";
const MORE: &str = "decompress to more";

pub const CASES: &[Case] = &[
    // The end record.
    case("nothing sealed", Damaged, NO_END, Make::InsideBytes(|_, _| vec![])),
    case("words instead of a ZIP", Damaged, NO_END, Make::InsideBytes(|_, _| b"the rook and the raven sat in one tree".to_vec())),
    case("no end record", Damaged, NO_END, Make::InsideBytes(|kit, plain| cut(kit, plain, 22))),
    case("an end record without its last byte", Damaged, NO_END, Make::InsideBytes(|kit, plain| cut(kit, plain, 1))),
    case("a byte after the end record", Damaged, NO_END, Make::InsideBytes(|_, plain| [plain, vec![0]].concat())),
    case("a comment that is told and not there", Damaged, "holds a comment", Make::Inside(|_, zip| zip.comment_bytes = 1)),
    case("a comment", Damaged, NO_END, Make::Inside(|_, zip| (zip.comment_bytes, zip.comment) = (4, b"rook".to_vec()))),
    case("another disk", Damaged, NO_END, Make::Inside(|_, zip| zip.disk = 1)),
    case("a directory on another disk", Damaged, NO_END, Make::Inside(|_, zip| zip.directory_disk = 1)),
    case("two counts of members", Damaged, NO_END, Make::Inside(|_, zip| zip.count_here = Some(2))),
    case("a count one too large", Damaged, UNREADABLE, Make::Inside(|_, zip| zip.count = Some(4))),
    case("a count one too small", Damaged, ACCOUNT, Make::Inside(|_, zip| zip.count = Some(2))),
    case("a count of 0", Damaged, ACCOUNT, Make::Inside(|_, zip| zip.count = Some(0))),
    case("a count that the directory cannot hold", Damaged, "counts more members", Make::Inside(|_, zip| zip.count = Some(9000))),
    case("a count that ZIP64 would tell", Damaged, NO_END, Make::Inside(|_, zip| zip.count = Some(u16::MAX))),
    case("a directory one byte later", Damaged, ELSEWHERE, Make::Inside(|_, zip| zip.directory_offset = Some(zip.bytes().len() as u32))),
    case("a directory at the beginning", Damaged, ELSEWHERE, Make::Inside(|_, zip| zip.directory_offset = Some(0))),
    case("a directory that is too small", Damaged, ELSEWHERE, Make::Inside(|_, zip| zip.directory_bytes = Some(46))),
    case("a directory that is too large", Damaged, ELSEWHERE, Make::Inside(|_, zip| zip.directory_bytes = Some(1 << 30))),
    case("a size that ZIP64 would tell", Damaged, NO_END, Make::Inside(|_, zip| zip.directory_bytes = Some(u32::MAX))),
    case("bytes after the directory", Damaged, ELSEWHERE, Make::Inside(|_, zip| zip.after_directory = b"rook".to_vec())),
    // ZIP64's.
    case("ZIP64 where there is no need", Damaged, CONTRADICT, Make::Inside(|_, zip| zip64(zip, |_| {}))),
    case("ZIP64 beside an end record that needs none", Damaged, ELSEWHERE, Make::Inside(|_, zip| zip.zip64 = Some(Zip64::of(3)))),
    case("another sign of ZIP64", Damaged, NO_END, Make::Inside(|_, zip| zip64(zip, |zip64| zip64.signature[3] = 7))),
    case("another size of ZIP64's record", Damaged, NO_END, Make::Inside(|_, zip| zip64(zip, |zip64| zip64.bytes = 45))),
    case("another sign of ZIP64's locator", Damaged, NO_END, Make::Inside(|_, zip| zip64(zip, |zip64| zip64.locator[0] = 0))),
    case("more members than there is memory for", Damaged, CONTRADICT, Make::Inside(|_, zip| zip64(zip, |zip64| zip64.count = u64::MAX))),
    case(
        "a directory at the end of all numbers",
        Damaged,
        ELSEWHERE,
        Make::Inside(|_, zip| zip64(zip, |zip64| zip64.directory_offset = Some(u64::MAX))),
    ),
    case(
        "a directory as large as all numbers",
        Damaged,
        ELSEWHERE,
        Make::Inside(|_, zip| zip64(zip, |zip64| zip64.directory_bytes = Some(u64::MAX))),
    ),
    case("a locator that points elsewhere", Damaged, CONTRADICT, Make::Inside(|_, zip| zip64(zip, |zip64| zip64.locator_offset = Some(1)))),
    case("a locator of two disks", Damaged, CONTRADICT, Make::Inside(|_, zip| zip64(zip, |zip64| zip64.disks = 2))),
    // Where members lie.
    case("bytes before the first member", Damaged, OVERLAP, Make::Inside(|_, zip| zip.before = b"rook".to_vec())),
    case("a gap between members", Damaged, OVERLAP, Make::Inside(|_, zip| zip.members[1].gap = vec![0])),
    case("a member within another", Damaged, OVERLAP, Make::Inside(|_, zip| zip.members[1].offset = Some(3))),
    case("two members in one place", Damaged, OVERLAP, Make::Inside(|_, zip| zip.members[1].offset = Some(0))),
    case("a member beyond the end", Damaged, OVERLAP, Make::Inside(|_, zip| zip.members[2].offset = Some(u32::MAX - 1))),
    case("members in another order than the directory's", Damaged, OVERLAP, Make::InsideBytes(|kit, _| reordered(kit))),
    case("a size one too large", Damaged, OVERLAP, Make::Inside(|_, zip| zip.members[0].size += 1)),
    case("a last size one too large", Damaged, "beyond its place", Make::Inside(|_, zip| zip.members[2].size += 1)),
    case("a last size one too small", Damaged, ACCOUNT, Make::Inside(|_, zip| zip.members[2].size -= 1)),
    case("a size that ZIP64 would tell of a member", Damaged, WRITTEN, Make::Inside(|_, zip| zip.members[2].size = u32::MAX)),
    // What the two headers say.
    case("another size in the local header", Damaged, HEADER, Make::Inside(|_, zip| zip.members[0].local_size = Some(11))),
    case("another checksum in the local header", Damaged, HEADER, Make::Inside(|_, zip| zip.members[1].local_crc = Some(7))),
    case(
        "another name in the local header",
        Damaged,
        HEADER,
        Make::Inside(|_, zip| zip.members[0].local_name = Some(b"archive.jsom".to_vec())),
    ),
    case("a shorter name in the local header", Damaged, HEADER, Make::InsideBytes(|kit, _| shorter_name(kit))),
    case("a checksum that does not fit", Damaged, CHECKSUM, Make::Inside(|_, zip| zip.members[2].crc ^= 1)),
    case("a changed byte of a member", Damaged, CHECKSUM, Make::Inside(|_, zip| zip.members[0].stored[5] ^= 1)),
    case("deflate", Damaged, UNREADABLE, Make::Inside(|_, zip| zip.members[0].method = 8)),
    case("a member with a password", Damaged, UNREADABLE, Make::Inside(|_, zip| zip.members[0].flags |= 1)),
    case("a name that is not told to be UTF-8", Damaged, UNREADABLE, Make::Inside(|_, zip| zip.members[0].flags = 0)),
    case("a name that is not UTF-8", Damaged, UNREADABLE, Make::Inside(|_, zip| named(zip, b"\xff\xfe"))),
    case("a name that is longer than the directory", Damaged, UNREADABLE, Make::Inside(|_, zip| zip.members[2].name_bytes = Some(9999))),
    case("a comment of a member", Damaged, UNREADABLE, Make::Inside(|_, zip| zip.members[0].comment = b"rook".to_vec())),
    case("another version", Damaged, WRITTEN, Make::Inside(|_, zip| zip.members[0].version = 21)),
    case("another day", Damaged, WRITTEN, Make::Inside(|_, zip| zip.members[0].date = 0x22)),
    case("attributes", Damaged, WRITTEN, Make::Inside(|_, zip| zip.members[0].attributes = 0o120_777 << 16)),
    case("no plain size", Damaged, UNREADABLE, Make::Inside(|_, zip| extra(zip, &[]))),
    case("two plain sizes", Damaged, WRITTEN, Make::Inside(|_, zip| extra(zip, &[PLAIN_SIZE, PLAIN_SIZE]))),
    case("a plain size of 9 bytes", Damaged, WRITTEN, Make::Inside(|_, zip| extra(zip, &[&[0x52, 0x6b, 9, 0, 12], &[0; 8]]))),
    case("a plain size that is cut", Damaged, UNREADABLE, Make::Inside(|_, zip| extra(zip, &[&PLAIN_SIZE[..8]]))),
    case("an extra field that nobody knows", Damaged, UNREADABLE, Make::Inside(|_, zip| extra(zip, &[PLAIN_SIZE, b"UT\x01\x00\x00"]))),
    case("an empty field of ZIP64", Damaged, WRITTEN, Make::Inside(|_, zip| extra(zip, &[PLAIN_SIZE, &[1, 0, 0, 0]]))),
    case(
        "a checksum after the data that does not fit",
        Damaged,
        "what follows",
        Make::Inside(|_, zip| streamed(zip, |after| after[4] ^= 1)),
    ),
    case("a size after the data that does not fit", Damaged, "what follows", Make::Inside(|_, zip| streamed(zip, |after| after[8] ^= 1))),
    case("no sign after the data", Damaged, "what follows", Make::Inside(|_, zip| streamed(zip, |after| after[0] = 0))),
    // Names.
    case("two members of one name", Damaged, "same name", Make::Inside(|_, zip| named(zip, b"summary.json"))),
    case("a name above", Damaged, NAME, Make::Inside(|_, zip| named(zip, b"../../evil"))),
    case("a name above from within", Damaged, NAME, Make::Inside(|_, zip| named(zip, b"data/../../evil"))),
    case("two dots", Damaged, NAME, Make::Inside(|_, zip| named(zip, b".."))),
    case("an absolute name", Damaged, NAME, Make::Inside(|_, zip| named(zip, b"/etc/passwd"))),
    case("a name with a drive", Damaged, NAME, Make::Inside(|_, zip| named(zip, b"C:evil"))),
    case("a name with a backslash", Damaged, NAME, Make::Inside(|_, zip| named(zip, b"..\\evil"))),
    case("an empty name", Damaged, NAME, Make::Inside(|_, zip| named(zip, b""))),
    case("a name with an empty part", Damaged, NAME, Make::Inside(|_, zip| named(zip, b"data//x"))),
    case("a name of a folder", Damaged, NAME, Make::Inside(|_, zip| named(zip, b"data/"))),
    case("a name of one dot", Damaged, NAME, Make::Inside(|_, zip| named(zip, b"data/./x"))),
    case("a name with a line end", Damaged, NAME, Make::Inside(|_, zip| named(zip, b"a\nb"))),
    case("a name with a zero byte", Damaged, NAME, Make::Inside(|_, zip| named(zip, b"archive.json\0.zst"))),
    // What members decompress to.
    case("a frame that gives more than it tells", TooLarge, MORE, Make::Inside(|_, zip| zip.members[1].plain_bytes -= 1)),
    case("a bomb", TooLarge, MORE, Make::Inside(|_, zip| rows(zip, |_| zstd::bulk::compress(&vec![0; 64 << 20], 1).unwrap()))),
    case("two frames", TooLarge, MORE, Make::Inside(|_, zip| rows(zip, |frame| [frame.clone(), frame].concat()))),
    case("more than the manifest allows", TooLarge, "more than its manifest says", Make::Inside(|_, zip| zip.members[1].plain_bytes += 1)),
    case(
        "sizes whose sum is no number",
        TooLarge,
        "more than its manifest says",
        Make::Inside(|_, zip| zip.members[1].plain_bytes = u64::MAX),
    ),
    case("a member that is longer than it tells", TooLarge, MORE, Make::Inside(|_, zip| zip.members[0].plain_bytes = 11)),
    case("a member that is shorter than it tells", Damaged, "shorter", Make::Inside(|_, zip| shifted(zip))),
    case(
        "a frame that gives less than it tells",
        Damaged,
        "shorter",
        Make::Inside(|_, zip| rows(zip, |_| zstd::bulk::compress(b"rook", 1).unwrap())),
    ),
    case("a frame that is cut", Damaged, DECOMPRESS, Make::Inside(|_, zip| rows(zip, |frame| frame[..frame.len() - 9].to_vec()))),
    case("a frame without its first byte", Damaged, DECOMPRESS, Make::Inside(|_, zip| rows(zip, |frame| frame[1..].to_vec()))),
    case("words after a frame", Damaged, DECOMPRESS, Make::Inside(|_, zip| rows(zip, |frame| [frame, b"rook".to_vec()].concat()))),
    case("words instead of a frame", Damaged, DECOMPRESS, Make::Inside(|_, zip| rows(zip, |_| b"the rook and the raven".to_vec()))),
    case("no frame at all", Damaged, "member \"data", Make::Inside(|_, zip| rows(zip, |_| vec![]))),
    case(
        "a window over 2 MiB",
        Damaged,
        DECOMPRESS,
        Make::Inside(|_, zip| rows(zip, |frame| wide_window(&zstd::bulk::decompress(&frame, 1 << 20).unwrap()))),
    ),
    // What has to be there.
    case("no description", Damaged, "no member \"archive.json\"", Make::Inside(|_, zip| drop(zip.members.remove(0)))),
    case("no summary", Damaged, "no member \"summary.json\"", Make::Inside(|_, zip| drop(zip.members.pop()))),
    case("no member at all", Damaged, "no member", Make::Inside(|_, zip| zip.members.clear())),
];

/// The rows as a member whose sizes follow it, with something else there.
fn streamed(zip: &mut Zip, change: impl FnOnce(&mut Vec<u8>)) {
    zip.members[1].stream();
    change(zip.members[1].descriptor.as_mut().unwrap());
}

/// One member tells a byte too many, and another one too few, so that the sum is what it was.
fn shifted(zip: &mut Zip) {
    zip.members[0].plain_bytes += 1;
    zip.members[2].plain_bytes -= 1;
}

/// The directory lists the members in another order than they lie in.
fn reordered(kit: &Kit) -> Vec<u8> {
    let mut zip = kit.zip.clone();
    let length = |member: &Member| 30 + member.name.len() as u32 + member.size;
    zip.members.swap(0, 2);
    zip.members[0].offset = Some(length(&kit.zip.members[0]) + length(&kit.zip.members[1]));
    zip.bytes()
}

/// The local header has a shorter name and longer data, so that all lies where it should.
fn shorter_name(kit: &Kit) -> Vec<u8> {
    let mut bytes = kit.plain.clone();
    bytes[26] -= 1;
    bytes
}
