//! Faults in manifests, and in what lies beside them.

use super::{
    Case, Make, case,
    kit::{DATABASE, Kit, Root, SERVER, flipped, full, label, shorten},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use domain::Code::{BadSignature, Damaged, TooLarge, UnknownInstance, Unsupported, WrongKey};
use repository::{Manifest, Place, envelope};
use serde_json::{Value, json};

/// The signature with its bytes changed.
fn signature(envelope: &mut Value, change: impl FnOnce(&mut Vec<u8>)) {
    let sig = &mut envelope["signatures"][0]["sig"];
    let mut bytes = STANDARD.decode(sig.as_str().unwrap()).unwrap();
    change(&mut bytes);
    *sig = STANDARD.encode(bytes).into();
}

/// The order of the base point, little-endian: S + L signs the same for who does not look whether S is reduced.
const ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0x10,
];

fn plus_order(signature: &mut [u8]) {
    let mut carry = 0;
    for (byte, order) in signature[32..].iter_mut().zip(ORDER) {
        let sum = u16::from(*byte) + u16::from(order) + carry;
        (*byte, carry) = (sum as u8, sum >> 8);
    }
}

/// A payload signed by something else than the instance over exactly that payload.
fn signed_over(kit: &Kit, envelope: &mut Value, message: impl FnOnce(&[u8]) -> Vec<u8>) {
    let payload = STANDARD.decode(envelope["payload"].as_str().unwrap()).unwrap();
    envelope["signatures"][0]["sig"] = STANDARD.encode(kit.instance.sign(&message(&payload)).to_bytes()).into();
}

/// A public key that is the neutral point; R the same and S of 0 sign every message for who does not look.
fn low_order(kit: &Kit, text: &str) -> Vec<u8> {
    let mut point = [0; 32];
    point[0] = 1;
    let text = text.replace(&kit.instance.public().public_key, &STANDARD.encode(point));
    let signature = STANDARD.encode([point, [0; 32]].concat());
    let payload = STANDARD.encode(text);
    json!({"payloadType": envelope::MANIFEST_TYPE, "payload": payload, "signatures": [{"keyid": "", "sig": signature}]})
        .to_string()
        .into_bytes()
}

fn by_low_order(kit: &Kit) -> Vec<u8> {
    low_order(kit, &serde_json::to_string(&kit.manifest(&kit.good)).unwrap())
}

/// The backup in another place than it was signed for.
fn moved(root: &mut Root, place: Place) {
    root.place = place;
}

fn later() -> Place {
    Place::of_full(DATABASE, SERVER, label("04-00-00", "full")).unwrap()
}

const NOT_AN_ENVELOPE: &str = "not a signed envelope";
const CANNOT_BE_READ: &str = "manifest cannot be read";
const DOES_NOT_HOLD: &str = "signature does not hold";
pub(super) const FOLDER: &str = "another folder";
const NOT_ITS_OWN: &str = "not its own";
const BYTES: &str = "bytes that were signed";
const WHERE: &str = "cut short or replaced";
const LABEL_SAYS: &str = "than its label says";
pub(super) const SHA256: &str = "a SHA-256 that is none";
const KEYS: &str = "does not name the keys";

pub const CASES: &[Case] = &[
    // The file.
    case("an empty manifest", Damaged, NOT_AN_ENVELOPE, Make::Manifest(|_, _| vec![])),
    case("a manifest that is cut", Damaged, NOT_AN_ENVELOPE, Make::Manifest(|_, bytes| bytes[..bytes.len() - 5].to_vec())),
    case("a manifest of words", Damaged, NOT_AN_ENVELOPE, Make::Manifest(|_, _| b"the rook".to_vec())),
    case("a manifest that is a list", Damaged, NOT_AN_ENVELOPE, Make::Manifest(|_, bytes| [b"[".as_slice(), &bytes, b"]"].concat())),
    case("more after the manifest", Damaged, NOT_AN_ENVELOPE, Make::Manifest(|_, bytes| [bytes.as_slice(), b"{}"].concat())),
    case(
        "a manifest that is not UTF-8",
        Damaged,
        NOT_AN_ENVELOPE,
        Make::Manifest(|_, bytes| [&bytes[..30], b"\xff", &bytes[30..]].concat()),
    ),
    case("a manifest of brackets", Damaged, NOT_AN_ENVELOPE, Make::Manifest(|_, _| b"[".repeat(100_000))),
    case("a manifest over a MiB", TooLarge, "The manifest", Make::Manifest(|_, bytes| [bytes.as_slice(), &b" ".repeat(1 << 20)].concat())),
    case(
        "a payload without an envelope",
        Damaged,
        NOT_AN_ENVELOPE,
        Make::Manifest(|kit, _| serde_json::to_vec(&kit.manifest(&kit.good)).unwrap()),
    ),
    case("no manifest but the marker", Damaged, NOT_AN_ENVELOPE, Make::Manifest(|_, _| br#"{"format":1}"#.to_vec())),
    // The envelope.
    case(
        "another payload type",
        Damaged,
        NOT_AN_ENVELOPE,
        Make::Envelope(|_, envelope| envelope["payloadType"] = "application/json".into()),
    ),
    case(
        "no payload type",
        Damaged,
        NOT_AN_ENVELOPE,
        Make::Envelope(|_, envelope| drop(envelope.as_object_mut().unwrap().remove("payloadType"))),
    ),
    case("no payload", Damaged, NOT_AN_ENVELOPE, Make::Envelope(|_, envelope| drop(envelope.as_object_mut().unwrap().remove("payload")))),
    case(
        "a payload that is not base64",
        Damaged,
        NOT_AN_ENVELOPE,
        Make::Envelope(|_, envelope| envelope["payload"] = "not base64!".into()),
    ),
    case("a payload in the other base64", Damaged, NOT_AN_ENVELOPE, Make::Envelope(|_, envelope| envelope["payload"] = "-_-_".into())),
    case("an empty payload", Damaged, CANNOT_BE_READ, Make::Envelope(|_, envelope| envelope["payload"] = "".into())),
    case("a payload that is a number", Damaged, NOT_AN_ENVELOPE, Make::Envelope(|_, envelope| envelope["payload"] = 7.into())),
    case(
        "two payloads",
        Damaged,
        NOT_AN_ENVELOPE,
        Make::Manifest(|_, bytes| String::from_utf8(bytes).unwrap().replacen('{', "{\"payload\":\"\",", 1).into_bytes()),
    ),
    case(
        "no list of signatures",
        Damaged,
        NOT_AN_ENVELOPE,
        Make::Envelope(|_, envelope| drop(envelope.as_object_mut().unwrap().remove("signatures"))),
    ),
    case("no signature", BadSignature, "not signed", Make::Envelope(|_, envelope| envelope["signatures"] = json!([]))),
    case(
        "the signature twice",
        BadSignature,
        "2 signatures",
        Make::Envelope(|_, envelope| envelope["signatures"] = json!([envelope["signatures"][0], envelope["signatures"][0]])),
    ),
    case(
        "another signature beside it",
        BadSignature,
        "2 signatures",
        Make::Envelope(|_, envelope| envelope["signatures"].as_array_mut().unwrap().push(json!({"keyid": "", "sig": ""}))),
    ),
    case(
        "a signature without its bytes",
        Damaged,
        NOT_AN_ENVELOPE,
        Make::Envelope(|_, envelope| envelope["signatures"] = json!([{"keyid": ""}])),
    ),
    case("an empty signature", BadSignature, DOES_NOT_HOLD, Make::Envelope(|_, envelope| signature(envelope, Vec::clear))),
    case(
        "a signature that is not base64",
        BadSignature,
        DOES_NOT_HOLD,
        Make::Envelope(|_, envelope| envelope["signatures"][0]["sig"] = "%".into()),
    ),
    case("a signature of 63 bytes", BadSignature, DOES_NOT_HOLD, Make::Envelope(|_, envelope| signature(envelope, shorten))),
    case("a signature of 65 bytes", BadSignature, DOES_NOT_HOLD, Make::Envelope(|_, envelope| signature(envelope, |sig| sig.push(0)))),
    case("a signature of zeros", BadSignature, DOES_NOT_HOLD, Make::Envelope(|_, envelope| signature(envelope, |sig| sig.fill(0)))),
    case("a flipped bit of R", BadSignature, DOES_NOT_HOLD, Make::Envelope(|_, envelope| signature(envelope, |sig| sig[0] ^= 1))),
    case("a flipped bit of S", BadSignature, DOES_NOT_HOLD, Make::Envelope(|_, envelope| signature(envelope, |sig| sig[32] ^= 1))),
    case("an S that is not reduced", BadSignature, DOES_NOT_HOLD, Make::Envelope(|_, envelope| signature(envelope, |sig| plus_order(sig)))),
    case(
        "R and S changed places",
        BadSignature,
        DOES_NOT_HOLD,
        Make::Envelope(|_, envelope| signature(envelope, |sig| sig.rotate_left(32))),
    ),
    case(
        "a signature of the payload alone",
        BadSignature,
        DOES_NOT_HOLD,
        Make::Envelope(|kit, envelope| signed_over(kit, envelope, <[u8]>::to_vec)),
    ),
    case(
        "a signature of another payload type",
        BadSignature,
        DOES_NOT_HOLD,
        Make::Envelope(|kit, envelope| {
            signed_over(kit, envelope, |payload| [format!("DSSEv1 16 application/json {} ", payload.len()).as_bytes(), payload].concat())
        }),
    ),
    case(
        "a signature by another key",
        BadSignature,
        DOES_NOT_HOLD,
        Make::Manifest(|kit, _| kit.manifest(&kit.good).sign(&kit.stranger).unwrap()),
    ),
    case(
        "a changed payload",
        BadSignature,
        DOES_NOT_HOLD,
        Make::Envelope(|kit, envelope| {
            envelope["payload"] = STANDARD.encode(serde_json::to_string(&kit.manifest(&kit.other)).unwrap()).into()
        }),
    ),
    // Who signed.
    case("an instance that is not known", UnknownInstance, "not known here", Make::Manifest(|kit, _| by_stranger(kit))),
    case(
        "a public key that is not base64",
        BadSignature,
        "not an Ed25519 key",
        Make::Payload(|_, payload| payload["instance"]["public_key"] = "mine".into()),
    ),
    case(
        "a public key of 31 bytes",
        BadSignature,
        "not an Ed25519 key",
        Make::Payload(|_, payload| payload["instance"]["public_key"] = STANDARD.encode([9; 31]).into()),
    ),
    case(
        "a public key that is no point",
        BadSignature,
        "not an Ed25519 key",
        Make::Payload(|_, payload| payload["instance"]["public_key"] = STANDARD.encode(no_point()).into()),
    ),
    case("a public key of low order", BadSignature, DOES_NOT_HOLD, Make::Manifest(|kit, _| by_low_order(kit))),
    case(
        "an instance without a key",
        Damaged,
        CANNOT_BE_READ,
        Make::Payload(|_, payload| payload["instance"] = json!({"id": payload["instance"]["id"]})),
    ),
    // What it says, as JSON.
    case("a payload that is cut", Damaged, CANNOT_BE_READ, Make::PayloadText(|_, text| text.as_bytes()[..text.len() - 1].to_vec())),
    case("more after the payload", Damaged, CANNOT_BE_READ, Make::PayloadText(|_, text| format!("{text}1").into_bytes())),
    case(
        "a payload that is not UTF-8",
        Damaged,
        CANNOT_BE_READ,
        Make::PayloadText(|_, text| {
            text.replace("shop", "\0").into_bytes().into_iter().map(|byte| if byte == 0 { 0xff } else { byte }).collect()
        }),
    ),
    case("two databases", Damaged, CANNOT_BE_READ, Make::PayloadText(|_, text| text.replacen('{', "{\"database\":\"x\",", 1).into_bytes())),
    case(
        "two instances",
        Damaged,
        CANNOT_BE_READ,
        Make::PayloadText(|_, text| format!("{},\"instance\":null}}", &text[..text.len() - 1]).into_bytes()),
    ),
    case(
        "positions that are nested without end",
        Damaged,
        CANNOT_BE_READ,
        Make::PayloadText(|_, text| {
            text.replace("\"from\":null", &format!("\"from\":{}1{}", "[".repeat(500), "]".repeat(500))).into_bytes()
        }),
    ),
    case(
        "a number over all numbers",
        Damaged,
        CANNOT_BE_READ,
        Make::PayloadText(|_, text| text.replace("\"rows\":1000", "\"rows\":1e400").into_bytes()),
    ),
    case(
        "more rows than 64 bits count",
        Damaged,
        CANNOT_BE_READ,
        Make::PayloadText(|_, text| text.replace("\"rows\":1000", "\"rows\":18446744073709551616").into_bytes()),
    ),
    case("fewer rows than none", Damaged, CANNOT_BE_READ, Make::Payload(|_, payload| payload["archive"]["rows"] = (-1).into())),
    case("half a row", Damaged, CANNOT_BE_READ, Make::Payload(|_, payload| payload["archive"]["rows"] = 0.5.into())),
    case("no format", Damaged, CANNOT_BE_READ, Make::Payload(|_, payload| drop(payload.as_object_mut().unwrap().remove("format")))),
    case("a format of words", Damaged, CANNOT_BE_READ, Make::Payload(|_, payload| payload["format"] = "1".into())),
    case("manifest format 0", Unsupported, "format 0", Make::Payload(|_, payload| payload["format"] = 0.into())),
    case("manifest format 2", Unsupported, "format 2", Make::Payload(|_, payload| payload["format"] = 2.into())),
    case(
        "manifest format 2 that looks otherwise",
        Unsupported,
        "format 2",
        Make::Payload(|_, payload| *payload = json!({"format": 2, "instance": payload["instance"]})),
    ),
    case("no database", Damaged, CANNOT_BE_READ, Make::Payload(|_, payload| drop(payload.as_object_mut().unwrap().remove("database")))),
    case("no archive in the manifest", Damaged, CANNOT_BE_READ, Make::Payload(|_, payload| payload["archive"] = Value::Null)),
    case("a kind nobody knows", Damaged, CANNOT_BE_READ, Make::Payload(|_, payload| payload["kind"] = "half".into())),
    case("a type nobody knows", Damaged, CANNOT_BE_READ, Make::Payload(|_, payload| payload["type"] = "photo".into())),
    case("a Dbms nobody knows", Damaged, CANNOT_BE_READ, Make::Payload(|_, payload| payload["server"]["dbms"] = "abacus".into())),
    case("a label that is none", Damaged, CANNOT_BE_READ, Make::Payload(|_, payload| payload["label"] = "today".into())),
    case(
        "a label in the 13th month",
        Damaged,
        CANNOT_BE_READ,
        Make::Payload(|_, payload| payload["label"] = "2026-13-22-03-00-00Z.full-backup".into()),
    ),
    case("a beginning that is no time", Damaged, CANNOT_BE_READ, Make::Payload(|_, payload| payload["began_at"] = "noon".into())),
    case("a prior of words", Damaged, CANNOT_BE_READ, Make::Payload(|_, payload| payload["prior"] = "the last one".into())),
    // What it says of itself.
    case(
        "incremental under the label of a full one",
        Damaged,
        LABEL_SAYS,
        Make::Payload(|_, payload| payload["kind"] = "incremental".into()),
    ),
    case(
        "a snapshot under the label of a logical one",
        Damaged,
        LABEL_SAYS,
        Make::Payload(|_, payload| payload["type"] = "snapshot".into()),
    ),
    case(
        "a full backup that builds on another",
        Damaged,
        "names one that it builds on",
        Make::Payload(|_, payload| {
            payload["prior"] = json!({"label": "2026-11-21-03-00-00Z.full-backup", "manifest_sha256": "00".repeat(32)})
        }),
    ),
    case("a hash of words", Damaged, SHA256, Make::Payload(|_, payload| payload["archive"]["sha256"] = "none".into())),
    case("a hash of 31 bytes", Damaged, SHA256, Make::Payload(|_, payload| payload["archive"]["sha256"] = "00".repeat(31).into())),
    case("a hash in capital letters", Damaged, SHA256, Make::Payload(|_, payload| payload["archive"]["sha256"] = "AB".repeat(32).into())),
    case("sealed for nobody", Damaged, KEYS, Make::Payload(|_, payload| payload["recipients"] = json!([]))),
    case("sealed for words", Damaged, KEYS, Make::Payload(|_, payload| payload["recipients"] = json!(["me"]))),
    case(
        "sealed for a fingerprint without dashes",
        Damaged,
        KEYS,
        Make::Payload(|_, payload| payload["recipients"] = json!(["ab".repeat(16)])),
    ),
    case("sealed for a stranger", WrongKey, "does not open", Make::Payload(|_, payload| payload["recipients"] = json!([stranger()]))),
    case(
        "a recipient too few",
        Damaged,
        "other keys",
        Make::Payload(|_, payload| drop(payload["recipients"].as_array_mut().unwrap().pop())),
    ),
    case(
        "a recipient too many",
        Damaged,
        "other keys",
        Make::Payload(|_, payload| payload["recipients"].as_array_mut().unwrap().push(json!(stranger()))),
    ),
    // Where it lies.
    case("another time", Damaged, "another name", Make::Payload(|_, payload| payload["label"] = "2026-11-22-03-00-01Z.full-backup".into())),
    case(
        "an older manifest under a newer name",
        Damaged,
        "an older backup poses as a newer one",
        Make::Root(|_, root| moved(root, later())),
    ),
    case(
        "a newer manifest under an older name",
        Damaged,
        "it poses as another backup",
        Make::Root(|_, root| moved(root, Place::of_full(DATABASE, SERVER, label("02-00-00", "full")).unwrap())),
    ),
    case("another database", Damaged, FOLDER, Make::Payload(|_, payload| payload["database"] = "shops".into())),
    case("another server", Damaged, FOLDER, Make::Payload(|_, payload| payload["server"]["name"] = "db2".into())),
    case("a database that leads above", Damaged, FOLDER, Make::Payload(|_, payload| payload["database"] = "../shop".into())),
    case(
        "the folder of another database",
        Damaged,
        FOLDER,
        Make::Root(|_, root| moved(root, Place::of_full("till", SERVER, full().label()).unwrap())),
    ),
    case(
        "the folder of another server",
        Damaged,
        FOLDER,
        Make::Root(|_, root| moved(root, Place::of_full(DATABASE, "db2", full().label()).unwrap())),
    ),
    case(
        "an archive that leads above",
        Damaged,
        NOT_ITS_OWN,
        Make::Payload(|_, payload| payload["archive"]["name"] = "../../evil.zip".into()),
    ),
    case("an absolute archive", Damaged, NOT_ITS_OWN, Make::Payload(|_, payload| payload["archive"]["name"] = "/etc/passwd".into())),
    case(
        "an archive of another label",
        Damaged,
        NOT_ITS_OWN,
        Make::Payload(|_, payload| payload["archive"]["name"] = "2026-11-22-03-00-01Z.full-backup.zip.sealed".into()),
    ),
    case("a sealed archive that is called plain", Damaged, NOT_ITS_OWN, Make::Payload(|_, payload| payload["recipients"] = Value::Null)),
    case(
        "a plain archive that is called sealed",
        Damaged,
        NOT_ITS_OWN,
        Make::Payload(|_, payload| payload["archive"]["name"] = "2026-11-22-03-00-00Z.full-backup.zip".into()),
    ),
    // The archive beside it.
    case("no archive beside it", Damaged, "is missing, though its manifest is there", Make::Root(|_, root| root.archive = None)),
    case("an archive that is cut", Damaged, WHERE, Make::Root(|_, root| shorten(root.archive.as_mut().unwrap()))),
    case("an archive that is longer", Damaged, WHERE, Make::Root(|_, root| root.archive.as_mut().unwrap().push(0))),
    case("an empty archive", Damaged, WHERE, Make::Root(|_, root| root.archive.as_mut().unwrap().clear())),
    case("another whole archive in its place", Damaged, "were signed", Make::Root(|kit, root| root.archive = Some(kit.other.clone()))),
    case("a changed archive", Damaged, BYTES, Make::Root(|kit, root| root.archive = Some(flipped(&kit.good, 3000)))),
    case("the same rows sealed once more", Damaged, BYTES, Make::Root(|kit, root| root.archive = Some(kit.sealed(&kit.plain)))),
    case(
        "a size one too large in the manifest",
        Damaged,
        WHERE,
        Make::Payload(|kit, payload| payload["archive"]["size_bytes"] = (kit.good.len() + 1).into()),
    ),
    case(
        "the largest size in the manifest",
        Damaged,
        WHERE,
        Make::Payload(|_, payload| payload["archive"]["size_bytes"] = u64::MAX.into()),
    ),
    case("another hash in the manifest", Damaged, BYTES, Make::Payload(|_, payload| payload["archive"]["sha256"] = "00".repeat(32).into())),
    case(
        "fewer plain bytes in the manifest",
        TooLarge,
        "more than its manifest says",
        Make::Payload(|kit, payload| payload["archive"]["plain_bytes"] = (kit.zip.plain_bytes() - 1).into()),
    ),
    case("fewer members in the manifest", Damaged, "members where", Make::Payload(|_, payload| payload["archive"]["members"] = 2.into())),
];

/// The fingerprint of a key that nothing is sealed for.
fn stranger() -> String {
    ["abab"; 8].join("-")
}

fn no_point() -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[0] = 2;
    bytes
}

fn by_stranger(kit: &Kit) -> Vec<u8> {
    let manifest = Manifest { instance: kit.stranger.public(), ..kit.manifest(&kit.good) };
    manifest.sign(&kit.stranger).unwrap()
}
