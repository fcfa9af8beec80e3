//! Faults in what seals an archive: envelope, head, chunks.

use super::{
    Case, Make, case,
    kit::{Kit, flipped, noise, shorten},
};
use domain::Code::{Damaged, Unsupported, WrongKey};
use serde_json::{Value, json};

/// The header with one recipient changed: the one whose key is at hand.
fn recipient(kit: &Kit, json: &str, change: impl FnOnce(&Kit, &mut Value)) -> Vec<u8> {
    let mut header: Value = serde_json::from_str(json).unwrap();
    change(kit, &mut header["recipients"][0]);
    header.to_string().into_bytes()
}

/// A field of it that is another.
fn field(kit: &Kit, json: &str, name: &str, value: impl Into<Value>) -> Vec<u8> {
    recipient(kit, json, |_, recipient| recipient[name] = value.into())
}

/// The header with one field changed.
fn header(json: &str, name: &str, value: impl Into<Value>) -> Vec<u8> {
    let mut header: Value = serde_json::from_str(json).unwrap();
    header[name] = value.into();
    header.to_string().into_bytes()
}

fn without(json: &str, name: &str) -> Vec<u8> {
    let mut header: Value = serde_json::from_str(json).unwrap();
    header.as_object_mut().unwrap().remove(name).unwrap();
    header.to_string().into_bytes()
}

/// A text of one recipient with bytes of it changed.
fn bytes(kit: &Kit, json: &str, name: &str, change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    use base64::{Engine, engine::general_purpose::STANDARD};
    recipient(kit, json, |_, recipient| {
        let mut bytes = STANDARD.decode(recipient[name].as_str().unwrap()).unwrap();
        change(&mut bytes);
        recipient[name] = STANDARD.encode(bytes).into();
    })
}

/// An encapsulated key that is this point, of low order: every key agrees with it on a secret of zeros.
fn point(kit: &Kit, json: &str, digits: &str) -> Vec<u8> {
    bytes(kit, json, "enc", |enc| *enc = hex::decode(digits).unwrap())
}

/// The file with the length of its header changed.
fn length(kit: &Kit, length: u32) -> Vec<u8> {
    [&kit.good[..8], &length.to_be_bytes(), &kit.good[12..]].concat()
}

/// The file whose header takes in the byte behind it, which is this one: the salt's first, that is a blank in one file of 64.
fn one_longer(kit: &Kit, next: u8) -> Vec<u8> {
    let mut bytes = length(kit, kit.header().len() as u32 + 1);
    bytes[kit.begins() - 56] = next;
    bytes
}

/// The file with bytes of its head changed: salt and commitment.
fn head(kit: &Kit, change: impl FnOnce(&mut [u8])) -> Vec<u8> {
    let mut bytes = kit.good.clone();
    change(&mut bytes[kit.begins() - 56..kit.begins()]);
    bytes
}

/// Salt and commitment of the other archive.
fn other_head(kit: &Kit) -> &[u8] {
    let begins = seal::Envelope::size(&kit.other).unwrap();
    &kit.other[begins..begins + 56]
}

const CANNOT_BE_READ: &str = "header cannot be read";
const DATA_KEY: &str = "data key in the sealed archive's header was changed";
const BEGINNING: &str = "beginning of the sealed archive was changed";
const ENDS: &str = "does not end as it was sealed";
const CUT: &str = "cut off";

pub const CASES: &[Case] = &[
    // What it begins with.
    case("an empty file", Damaged, CUT, Make::Sealed(|_| vec![])),
    case("another first letter", Damaged, "not a sealed archive", Make::Sealed(|kit| flipped(&kit.good, 0))),
    case("a ZIP under the name of a sealed one", Damaged, "not a sealed archive", Make::Sealed(|kit| kit.plain.clone())),
    case("format 0", Unsupported, "format 0", Make::Sealed(|kit| flipped(&kit.good, 7))),
    case("format 2", Unsupported, "format 2", Make::Sealed(|kit| [&kit.good[..7], &[2], &kit.good[8..]].concat())),
    case("the end within the first word", Damaged, CUT, Make::Sealed(|kit| kit.good[..4].to_vec())),
    case("the end within the length", Damaged, CUT, Make::Sealed(|kit| kit.good[..10].to_vec())),
    case("the end within the header", Damaged, CUT, Make::Sealed(|kit| kit.good[..100].to_vec())),
    case("a length of 0", Damaged, "cannot be 0 bytes", Make::Sealed(|kit| length(kit, 0))),
    case("a length over the largest", Damaged, "cannot be 65537 bytes", Make::Sealed(|kit| length(kit, 65537))),
    case("the largest number as length", Damaged, "cannot be 4294967295 bytes", Make::Sealed(|kit| length(kit, u32::MAX))),
    case("a length beyond the file", Damaged, CUT, Make::Sealed(|kit| length(kit, kit.good.len() as u32 - 11))),
    case("a length one too small", Damaged, CANNOT_BE_READ, Make::Sealed(|kit| length(kit, kit.header().len() as u32 - 1))),
    case("a length one too large", Damaged, CANNOT_BE_READ, Make::Sealed(|kit| one_longer(kit, 0))),
    case("a length that takes in a blank", Damaged, BEGINNING, Make::Sealed(|kit| one_longer(kit, b' '))),
    // The header as JSON.
    case("a header that is cut", Damaged, CANNOT_BE_READ, Make::Header(|_, json| json.as_bytes()[..json.len() - 2].to_vec())),
    case("a header of words", Damaged, CANNOT_BE_READ, Make::Header(|_, _| b"not json".to_vec())),
    case("an empty header", Damaged, CANNOT_BE_READ, Make::Header(|_, _| b"{}".to_vec())),
    case("a header that is a list", Damaged, CANNOT_BE_READ, Make::Header(|_, json| format!("[{json}]").into_bytes())),
    case("more after the header", Damaged, CANNOT_BE_READ, Make::Header(|_, json| format!("{json}{{}}").into_bytes())),
    case("a byte order mark", Damaged, CANNOT_BE_READ, Make::Header(|_, json| format!("\u{feff}{json}").into_bytes())),
    case("a header that is not UTF-8", Damaged, CANNOT_BE_READ, Make::Header(|_, json| flip_high(&json))),
    case("a field nobody knows", Damaged, CANNOT_BE_READ, Make::Header(|_, json| json.replacen('{', "{\"more\":1,", 1).into_bytes())),
    case("no archive", Damaged, CANNOT_BE_READ, Make::Header(|_, json| without(&json, "archive"))),
    case("no suite", Damaged, CANNOT_BE_READ, Make::Header(|_, json| without(&json, "suite"))),
    case("no list of recipients", Damaged, CANNOT_BE_READ, Make::Header(|_, json| without(&json, "recipients"))),
    case("an archive that is a number", Damaged, CANNOT_BE_READ, Make::Header(|_, json| header(&json, "archive", 7))),
    case("a suite that is null", Damaged, CANNOT_BE_READ, Make::Header(|_, json| header(&json, "suite", Value::Null))),
    case("recipients as a text", Damaged, CANNOT_BE_READ, Make::Header(|_, json| header(&json, "recipients", "all"))),
    case("recipients as an object", Damaged, CANNOT_BE_READ, Make::Header(|_, json| header(&json, "recipients", json!({"0": {}})))),
    case("two archives", Damaged, CANNOT_BE_READ, Make::Header(|_, json| json.replacen('{', "{\"archive\":\"\",", 1).into_bytes())),
    case(
        "two lists of recipients",
        Damaged,
        CANNOT_BE_READ,
        Make::Header(|_, json| json.replacen('{', "{\"recipients\":[],", 1).into_bytes()),
    ),
    case("brackets without end", Damaged, CANNOT_BE_READ, Make::Header(|_, json| header_text(&json, "archive", &"[".repeat(9000)))),
    case("another suite", Unsupported, "way of sealing", Make::Header(|_, json| header(&json, "suite", "none"))),
    case("the suite in small letters", Unsupported, "way of sealing", Make::Header(|_, json| json.replace("HPKE", "hpke").into_bytes())),
    // Who it is sealed for.
    case("no recipients", Damaged, "names no key", Make::Header(|_, json| header(&json, "recipients", json!([])))),
    case("a field of a recipient nobody knows", Damaged, CANNOT_BE_READ, Make::Header(|kit, json| field(kit, &json, "more", 1))),
    case("no fingerprint", Damaged, CANNOT_BE_READ, Make::Header(|kit, json| recipient(kit, &json, |_, one| remove(one, "fingerprint")))),
    case("no encapsulated key", Damaged, CANNOT_BE_READ, Make::Header(|kit, json| recipient(kit, &json, |_, one| remove(one, "enc")))),
    case("no data key", Damaged, CANNOT_BE_READ, Make::Header(|kit, json| recipient(kit, &json, |_, one| remove(one, "ct")))),
    case("a fingerprint of words", Damaged, CANNOT_BE_READ, Make::Header(|kit, json| field(kit, &json, "fingerprint", "mine"))),
    case("a short fingerprint", Damaged, CANNOT_BE_READ, Make::Header(|kit, json| field(kit, &json, "fingerprint", "12ab"))),
    case(
        "the fingerprint of a stranger",
        WrongKey,
        "does not open",
        Make::Header(|kit, json| field(kit, &json, "fingerprint", "ab".repeat(16))),
    ),
    case("fingerprints that changed places", Damaged, DATA_KEY, Make::Header(|_, json| swapped(&json, "fingerprint"))),
    case("an encapsulated key of 31 bytes", Damaged, DATA_KEY, Make::Header(|kit, json| bytes(kit, &json, "enc", shorten))),
    case("an encapsulated key of 33 bytes", Damaged, DATA_KEY, Make::Header(|kit, json| bytes(kit, &json, "enc", |enc| enc.push(0)))),
    case("an empty encapsulated key", Damaged, DATA_KEY, Make::Header(|kit, json| field(kit, &json, "enc", ""))),
    case("an encapsulated key of words", Damaged, DATA_KEY, Make::Header(|kit, json| field(kit, &json, "enc", "not base64!"))),
    case("an encapsulated key without padding", Damaged, DATA_KEY, Make::Header(|kit, json| unpadded(kit, &json, "enc"))),
    case(
        "an encapsulated key with a flipped bit",
        Damaged,
        DATA_KEY,
        Make::Header(|kit, json| bytes(kit, &json, "enc", |enc| enc[3] ^= 1)),
    ),
    case("encapsulated keys that changed places", Damaged, DATA_KEY, Make::Header(|_, json| swapped(&json, "enc"))),
    case("the point 0", Damaged, DATA_KEY, Make::Header(|kit, json| point(kit, &json, &"00".repeat(32)))),
    case("the point 1", Damaged, DATA_KEY, Make::Header(|kit, json| point(kit, &json, &format!("01{}", "00".repeat(31))))),
    case("a point of order 8", Damaged, DATA_KEY, Make::Header(|kit, json| point(kit, &json, ORDER_8))),
    case("the point p", Damaged, DATA_KEY, Make::Header(|kit, json| point(kit, &json, &format!("ed{}7f", "ff".repeat(30))))),
    case("the encapsulated key of another archive", Damaged, DATA_KEY, Make::Header(|kit, json| of_other(kit, &json, &["enc"]))),
    case("the data key of another archive", Damaged, DATA_KEY, Make::Header(|kit, json| of_other(kit, &json, &["ct"]))),
    case("the recipient of another archive", Damaged, DATA_KEY, Make::Header(|kit, json| of_other(kit, &json, &["enc", "ct"]))),
    case("a data key with a flipped bit", Damaged, DATA_KEY, Make::Header(|kit, json| bytes(kit, &json, "ct", |ct| ct[0] ^= 1))),
    case("a data key with a flipped tag", Damaged, DATA_KEY, Make::Header(|kit, json| bytes(kit, &json, "ct", |ct| ct[47] ^= 128))),
    case("a data key without its last byte", Damaged, DATA_KEY, Make::Header(|kit, json| bytes(kit, &json, "ct", shorten))),
    case("a data key of its tag alone", Damaged, DATA_KEY, Make::Header(|kit, json| bytes(kit, &json, "ct", |ct| drop(ct.drain(..32))))),
    case("an empty data key", Damaged, DATA_KEY, Make::Header(|kit, json| field(kit, &json, "ct", ""))),
    case("a data key of words", Damaged, DATA_KEY, Make::Header(|kit, json| field(kit, &json, "ct", "%%%%"))),
    case("data keys that changed places", Damaged, DATA_KEY, Make::Header(|_, json| swapped(&json, "ct"))),
    case(
        "the name of another archive",
        Damaged,
        DATA_KEY,
        Make::Header(|kit, json| header(&json, "archive", kit.other_header()["archive"].clone())),
    ),
    case("an archive without a name", Damaged, DATA_KEY, Make::Header(|_, json| header(&json, "archive", ""))),
    case(
        "sealed for fewer than the manifest names",
        Damaged,
        "other keys",
        Make::Header(|_, json| recipients(&json, |list| drop(list.pop()))),
    ),
    case("sealed for more than the manifest names", Damaged, "other keys", Make::Header(|_, json| recipients(&json, one_more))),
    // What ties body and envelope.
    case("a space in the header", Damaged, BEGINNING, Make::Sealed(spaced)),
    case("the envelope of another archive", Damaged, BEGINNING, Make::Sealed(other_envelope)),
    case(
        "another data key",
        Damaged,
        BEGINNING,
        Make::Sealed(|kit| kit.sealed_wrongly(Some(seal::DataKey::from_bytes(&[1; 32]).unwrap()), &kit.context())),
    ),
    case("another purpose", Damaged, BEGINNING, Make::Sealed(|kit| kit.sealed_wrongly(None, &kit.context()[1..]))),
    case("a flipped bit of the salt", Damaged, BEGINNING, Make::Sealed(|kit| head(kit, |head| head[0] ^= 1))),
    case("a flipped bit of the commitment", Damaged, BEGINNING, Make::Sealed(|kit| head(kit, |head| head[55] ^= 1))),
    case(
        "the salt of another archive",
        Damaged,
        BEGINNING,
        Make::Sealed(|kit| head(kit, |head| head[..24].copy_from_slice(&other_head(kit)[..24]))),
    ),
    case(
        "the commitment of another archive",
        Damaged,
        BEGINNING,
        Make::Sealed(|kit| head(kit, |head| head[24..].copy_from_slice(&other_head(kit)[24..]))),
    ),
    case(
        "salt and commitment of another archive",
        Damaged,
        BEGINNING,
        Make::Sealed(|kit| head(kit, |head| head.copy_from_slice(other_head(kit)))),
    ),
    case("salt and commitment of zeros", Damaged, BEGINNING, Make::Sealed(|kit| head(kit, |head| head.fill(0)))),
    case("the end within the salt", Damaged, CUT, Make::Sealed(|kit| kit.good[..kit.begins() - 40].to_vec())),
    case("the end within the commitment", Damaged, CUT, Make::Sealed(|kit| kit.good[..kit.begins() - 1].to_vec())),
    // Chunks.
    case("no chunk at all", Damaged, CUT, Make::Chunks(|_, chunks| chunks.clear())),
    case("an empty chunk of zeros alone", Damaged, ENDS, Make::Chunks(|_, chunks| *chunks = vec![vec![0; 16]])),
    case("the first two chunks changed places", Damaged, "Chunk 0", Make::Chunks(|_, chunks| chunks.swap(0, 1))),
    case("the first chunk twice", Damaged, ENDS, Make::Chunks(|_, chunks| chunks.insert(0, chunks[0].clone()))),
    case("the first chunk in the place of the second", Damaged, "Chunk 1", Make::Chunks(|_, chunks| chunks[1] = chunks[0].clone())),
    case("no first chunk", Damaged, ENDS, Make::Chunks(|_, chunks| drop(chunks.remove(0)))),
    case("no second chunk", Damaged, ENDS, Make::Chunks(|_, chunks| drop(chunks.remove(1)))),
    case("no last chunk", Damaged, CUT, Make::Chunks(|_, chunks| drop(chunks.pop()))),
    case("no last chunk, and zeros for an end", Damaged, ENDS, Make::Chunks(|_, chunks| *chunks.last_mut().unwrap() = vec![0; 16])),
    case("the last chunk without its last byte", Damaged, ENDS, Make::Chunks(|_, chunks| shorten(last(chunks)))),
    case("the last chunk without its first byte", Damaged, ENDS, Make::Chunks(|_, chunks| drop(last(chunks).drain(..1)))),
    case("the last chunk cut to a tag", Damaged, ENDS, Make::Chunks(|_, chunks| last(chunks).truncate(16))),
    case("the last chunk cut to less than a tag", Damaged, CUT, Make::Chunks(|_, chunks| last(chunks).truncate(15))),
    case("the end within the first chunk", Damaged, ENDS, Make::Chunks(|_, chunks| *chunks = vec![chunks[0][..9000].to_vec()])),
    case(
        "the end within the second chunk",
        Damaged,
        ENDS,
        Make::Chunks(|_, chunks| *chunks = vec![chunks[0].clone(), chunks[1][..9000].to_vec()]),
    ),
    case("the first chunk of another archive", Damaged, "Chunk 0", Make::Chunks(|kit, chunks| chunks[0] = kit.other_chunks().remove(0))),
    case("the second chunk of another archive", Damaged, "Chunk 1", Make::Chunks(|kit, chunks| chunks[1] = kit.other_chunks().remove(1))),
    case("the last chunk of another archive", Damaged, ENDS, Make::Chunks(|kit, chunks| *last(chunks) = kit.other_chunks().pop().unwrap())),
    case("the body of another archive", Damaged, ENDS, Make::Chunks(|kit, chunks| *chunks = kit.other_chunks())),
    case("one byte more", Damaged, ENDS, Make::Chunks(|_, chunks| last(chunks).push(0))),
    case("a tag more", Damaged, ENDS, Make::Chunks(|_, chunks| last(chunks).extend([0; 16]))),
    case("a chunk more", Damaged, ENDS, Make::Chunks(|_, chunks| last(chunks).extend(noise(3, 16400)))),
    case("the last chunk twice", Damaged, ENDS, Make::Chunks(|_, chunks| chunks.push(chunks.last().unwrap().clone()))),
    case("the first bit of the first chunk", Damaged, "Chunk 0", Make::Chunks(|_, chunks| chunks[0][0] ^= 1)),
    case("the tag of the first chunk", Damaged, "Chunk 0", Make::Chunks(|_, chunks| chunks[0][16399] ^= 1)),
    case("a bit within the second chunk", Damaged, "Chunk 1", Make::Chunks(|_, chunks| chunks[1][8000] ^= 16)),
    case(
        "the tag of another chunk",
        Damaged,
        "Chunk 0",
        Make::Chunks(|_, chunks| {
            let tag = chunks[1][16384..].to_vec();
            chunks[0][16384..].copy_from_slice(&tag)
        }),
    ),
    case("the first bit of the last chunk", Damaged, ENDS, Make::Chunks(|_, chunks| last(chunks)[0] ^= 1)),
    case("the last bit", Damaged, ENDS, Make::Chunks(|_, chunks| *last(chunks).last_mut().unwrap() ^= 1)),
];

/// Of order 8 (RFC 7748's curve; Wycheproof's LowOrderPublic).
const ORDER_8: &str = "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800";

fn last(chunks: &mut [Vec<u8>]) -> &mut Vec<u8> {
    chunks.last_mut().unwrap()
}

fn remove(value: &mut Value, name: &str) {
    value.as_object_mut().unwrap().remove(name).unwrap();
}

fn flip_high(json: &str) -> Vec<u8> {
    let mut bytes = json.as_bytes().to_vec();
    let at = json.find("archive\":\"").unwrap() + 12;
    bytes[at] |= 0x80;
    bytes
}

fn header_text(json: &str, name: &str, text: &str) -> Vec<u8> {
    let header: Value = serde_json::from_str(json).unwrap();
    json.replacen(&header[name].to_string(), text, 1).into_bytes()
}

fn recipients(json: &str, change: impl FnOnce(&mut Vec<Value>)) -> Vec<u8> {
    let mut header: Value = serde_json::from_str(json).unwrap();
    change(header["recipients"].as_array_mut().unwrap());
    header.to_string().into_bytes()
}

fn one_more(list: &mut Vec<Value>) {
    let mut more = list[1].clone();
    more["fingerprint"] = "cd".repeat(16).into();
    list.push(more);
}

/// A field of the two recipients, each in the place of the other.
fn swapped(json: &str, name: &str) -> Vec<u8> {
    recipients(json, |list| {
        let (first, second) = (list[0][name].clone(), list[1][name].clone());
        (list[0][name], list[1][name]) = (second, first);
    })
}

fn unpadded(kit: &Kit, json: &str, name: &str) -> Vec<u8> {
    recipient(kit, json, |_, one| one[name] = one[name].as_str().unwrap().trim_end_matches('=').into())
}

fn of_other(kit: &Kit, json: &str, names: &[&str]) -> Vec<u8> {
    recipient(kit, json, |kit, one| names.iter().for_each(|name| one[*name] = kit.other_header()["recipients"][0][*name].clone()))
}

/// A header that means the same, which the body was not sealed for.
fn spaced(kit: &Kit) -> Vec<u8> {
    let json = kit.header().replacen(',', ", ", 1);
    [&kit.good[..8], &(json.len() as u32).to_be_bytes(), json.as_bytes(), &kit.good[kit.begins() - 56..]].concat()
}

fn other_envelope(kit: &Kit) -> Vec<u8> {
    let size = seal::Envelope::size(&kit.other).unwrap();
    [&kit.other[..size], &kit.good[kit.begins() - 56..]].concat()
}
