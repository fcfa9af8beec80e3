//! Archives that are whole and signed, and whose members say what cannot be: each has one fault and is refused as what it is.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail anywhere")]

mod support;

use domain::Code::{self, Damaged, Unsupported};
use engine::{Verified, backup, verify};
use repository::{
    ArchiveWriter, Place, Repository,
    archive::{DESCRIPTION, Effort, SUMMARY},
};
use std::{collections::BTreeMap, io::Read, sync::Arc};
use store::{Memory, Store};
use support::{World, context};

type Members = BTreeMap<String, Vec<u8>>;

/// Name, class, words, and what is changed of the members.
type Case = (&'static str, Code, &'static str, fn(&mut Members));

const CASES: &[Case] = &[
    ("a description of words", Damaged, "archive.json of the archive cannot be read", |all| {
        set(all, DESCRIPTION, |_| b"the rook".to_vec())
    }),
    ("a description that is cut", Damaged, "archive.json of the archive cannot be read", |all| set(all, DESCRIPTION, cut)),
    ("no description", Damaged, "no member \"archive.json\"", |all| drop(all.remove(DESCRIPTION))),
    ("a description of format 2", Unsupported, "format 2", |all| replace(all, DESCRIPTION, "\"format\":1", "\"format\":2")),
    ("a summary of words", Damaged, "summary.json of the archive cannot be read", |all| set(all, SUMMARY, |_| b"[1".to_vec())),
    ("a summary that is cut", Damaged, "summary.json of the archive cannot be read", |all| set(all, SUMMARY, cut)),
    ("no summary", Damaged, "no member \"summary.json\"", |all| drop(all.remove(SUMMARY))),
    ("a table that the summary lacks", Damaged, "rows of smell", |all| replace(all, SUMMARY, "\"small\"", "\"smell\"")),
    ("a row that the summary counts", Damaged, "rows of small", |all| replace(all, SUMMARY, "\"rows\":10,", "\"rows\":11,")),
    ("a part that is missing", Damaged, "rows of small", |all| drop(all.remove(SMALL))),
    ("a row that is missing", Damaged, "rows of small", |all| replace(all, SMALL, "[4,\"xxxxxxx\"]\n", "")),
    ("a row that is there twice", Damaged, "rows of small", |all| {
        replace(all, SMALL, "[4,\"xxxxxxx\"]\n", "[4,\"xxxxxxx\"]\n[4,\"xxxxxxx\"]\n")
    }),
    ("another value in a row", Damaged, "rows of small", |all| replace(all, SMALL, "[4,", "[5,")),
    ("a row of another table", Damaged, "rows of", |all| replace(all, SMALL, "\"table\":\"small\"", "\"table\":\"big\"")),
    ("no header line", Damaged, "no header line", |all| {
        set(all, SMALL, |bytes| bytes[bytes.iter().position(|byte| *byte == b'\n').unwrap() + 1..].to_vec())
    }),
    ("an empty part", Damaged, "no header line", |all| set(all, SMALL, |_| vec![])),
    ("a header line that is cut", Damaged, "no header line", |all| replace(all, SMALL, "\"types\":", "\"types\"\n")),
    ("the end within a row", Damaged, "ends inside a row", |all| set(all, SMALL, cut)),
    ("a value that lies nowhere", Damaged, "lacks the value", |all| replace(all, SMALL, "[4,\"xxxxxxx\"]", WIDE)),
    ("a value out of line of an unknown form", Damaged, "form is not known", |all| {
        replace(all, SMALL, "[4,\"xxxxxxx\"]", "[4,{\"wide\":\"x\"}]")
    }),
    ("a line with such a value that is no array", Damaged, "not a JSON array", |all| {
        replace(all, SMALL, "[4,\"xxxxxxx\"]", "{\"wide\":\"00\"")
    }),
    ("a value out of line that is another", Damaged, "not what its name says", |all| {
        drop(all.insert("wide/00.zst".into(), b"rook".to_vec()))
    }),
];

const SMALL: &str = "data/small/000000.ndjson.zst";
const WIDE: &str = "[4,{\"wide\":\"000102030405060708090a0b0c0d0e0f\",\"size_bytes\":7,\"form\":\"text\"}]";

fn set(all: &mut Members, name: &str, change: impl FnOnce(Vec<u8>) -> Vec<u8>) {
    let member = all.get_mut(name).unwrap();
    *member = change(std::mem::take(member));
}

fn cut(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.truncate(bytes.len() - 1);
    bytes
}

fn replace(all: &mut Members, name: &str, from: &str, to: &str) {
    set(all, name, |bytes| {
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.contains(from), "{text}");
        text.replacen(from, to, 1).into_bytes()
    });
}

async fn members(repository: &Repository, place: &Place) -> Members {
    let point = repository.points(None).await.unwrap().remove(0);
    let archive = repository.archive(place, repository.usable(&point).unwrap(), None, None).await.unwrap();
    let read = tokio::task::spawn_blocking(move || {
        let read = |name: &str| {
            let mut bytes = vec![];
            archive.open_member(name).unwrap().read_to_end(&mut bytes).unwrap();
            (name.to_owned(), bytes)
        };
        archive.names().map(read).collect()
    });
    read.await.unwrap()
}

/// Puts an archive of these members in the place of a backup's, with a manifest that the right instance signed.
async fn forge(world: &World, store: &Arc<dyn Store>, place: &Place, repository: &Repository, all: Members) {
    let mut manifest = repository.points(None).await.unwrap().remove(0).manifest.unwrap();
    let (archive, signed) = (place.archive(false).unwrap(), place.manifest().unwrap());
    store.remove(&archive).await.unwrap();
    store.remove(&signed).await.unwrap();
    let writer = ArchiveWriter::new(store.create(&archive).await.unwrap());
    let writer = tokio::task::spawn_blocking(move || {
        for (name, bytes) in all {
            let mut member = writer.member(&name, Effort::Usual).unwrap();
            member.write(&bytes).unwrap();
            member.finish().unwrap();
        }
        writer
    });
    let written = writer.await.unwrap().finish().await.unwrap();
    manifest.archive.size_bytes = written.size_bytes;
    manifest.archive.sha256 = written.sha256.iter().map(|byte| format!("{byte:02x}")).collect();
    (manifest.archive.plain_bytes, manifest.archive.members) = (written.plain_bytes, written.members);
    store::put(store.as_ref(), &signed, manifest.sign(&world.instance).unwrap().into()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn members_that_say_what_cannot_be_are_refused_as_what_they_are() {
    let world = World::new();
    let store: Arc<dyn Store> = Arc::new(Memory::default());
    let repository = world.repository(&store).await.unwrap();
    // Small ones alone: each case writes them all.
    world.server.state().databases.get_mut("shop").unwrap().remove("big");
    backup(&world.backup(repository.clone()), &context()).await.unwrap();
    let place = repository.points(None).await.unwrap().remove(0).place;
    let good = members(&repository, &place).await;
    let mut wrong = vec![];
    for (name, code, words, change) in CASES {
        let mut all = good.clone();
        change(&mut all);
        forge(&world, &store, &place, &repository, all).await;
        let point = repository.points(None).await.unwrap().remove(0);
        match verify(&repository, &point, None, 1, &context()).await {
            Err(error) if error.code() == *code && error.to_string().contains(words) => {}
            other => wrong.push(format!("{name}: {other:?} instead of {code} {words:?}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    forge(&world, &store, &place, &repository, good).await;
    let point = repository.points(None).await.unwrap().remove(0);
    assert_eq!(verify(&repository, &point, None, 1, &context()).await.unwrap(), Verified::Checked);
}
