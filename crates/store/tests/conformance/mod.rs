//! The contract of `Store` as a suite: every driver and every wrapper passes it on an empty store.
//!
//! Each clause works in a folder of its own and leaves the store as it found it or with whole objects only.

use bytes::Bytes;
use domain::{Code, Error, Result};
use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::TestRunner,
};
use sha2::{Digest, Sha256};
use std::{pin::pin, sync::LazyLock};
use store::{ObjectName, Store, put, read_small};

/// Runs every clause; the error names the one that broke where an assertion does not.
pub async fn run(store: &dyn Store) -> Result<()> {
    whole_objects(store).await.map_err(during("whole objects"))?;
    many_writes(store).await.map_err(during("many writes"))?;
    invisible_before_commit(store).await.map_err(during("invisible before commit"))?;
    dropped_upload(store).await.map_err(during("a dropped upload"))?;
    wrong_hash(store).await.map_err(during("a wrong hash"))?;
    name_taken(store).await.map_err(during("a taken name"))?;
    one_winner(store).await.map_err(during("one winner"))?;
    object_or_folder(store).await.map_err(during("object or folder"))?;
    ranges(store).await.map_err(during("ranges"))?;
    nothing_there(store).await.map_err(during("nothing there"))?;
    listing(store).await.map_err(during("listing"))?;
    removal(store).await.map_err(during("removal"))?;
    sweeping(store).await.map_err(during("sweeping"))?;
    small_only(store).await.map_err(during("small objects"))?;
    cancellation(store).await.map_err(during("cancellation"))?;
    hostile_names(store).await.map_err(during("hostile names"))
}

/// The longest object of the suite.
const LONGEST: usize = 9 << 20;

fn during(clause: &'static str) -> impl FnOnce(Error) -> Error {
    move |error| error.during(clause)
}

fn name(text: &str) -> ObjectName {
    ObjectName::new(text).expect("a valid name")
}

fn sha256(bytes: &[u8]) -> store::Sha256 {
    Sha256::digest(bytes).into()
}

/// Bytes that differ from place to place, so that a shifted or doubled block shows.
fn pattern(length: usize) -> Bytes {
    static BYTES: LazyLock<Bytes> = LazyLock::new(|| {
        let mut bytes = Vec::new();
        (0..LONGEST as u64 / 8).for_each(|at| bytes.extend_from_slice(&at.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes()));
        bytes.into()
    });
    BYTES.slice(..length)
}

fn code<T>(outcome: Result<T>) -> Option<Code> {
    outcome.err().map(|error| error.code())
}

async fn names_in(store: &dyn Store, folder: &str) -> Result<Vec<String>> {
    let entries = store.list(Some(&name(folder))).await?;
    Ok(entries.iter().map(|entry| entry.name.last().to_owned()).collect())
}

async fn whole(store: &dyn Store, object: &ObjectName) -> Result<Bytes> {
    read_small(store, object, u64::MAX).await
}

async fn whole_objects(store: &dyn Store) -> Result<()> {
    for length in [0, 1, 4095, 4096, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 5 << 20] {
        let (object, bytes) = (name(&format!("whole/{length}")), pattern(length));
        put(store, &object, bytes.clone()).await?;
        assert_eq!(store.size(&object).await?, length as u64);
        assert!(whole(store, &object).await? == bytes, "{length} bytes came back changed");
    }
    Ok(())
}

/// Writes of every size, mixed, arrive in order.
async fn many_writes(store: &dyn Store) -> Result<()> {
    let (object, bytes) = (name("writes/mixed"), pattern(LONGEST));
    let mut upload = store.create(&object).await?;
    let (mut rest, mut sizes) = (bytes.clone(), [1, 0, 700_000, 13, 3 << 20, 64 << 10, (1 << 20) + 1].into_iter().cycle());
    while !rest.is_empty() {
        let size = sizes.next().unwrap_or(1).min(rest.len());
        upload.write(rest.split_to(size)).await?;
    }
    upload.commit(sha256(&bytes)).await?;
    assert!(whole(store, &object).await? == bytes, "the order of writes was lost");
    Ok(())
}

async fn invisible_before_commit(store: &dyn Store) -> Result<()> {
    let (object, bytes) = (name("invisible/object"), pattern(3 << 20));
    let mut upload = store.create(&object).await?;
    upload.write(bytes.clone()).await?;
    assert_eq!(names_in(store, "invisible").await?, [""; 0]);
    assert_eq!(code(store.size(&object).await), Some(Code::NotFound));
    assert_eq!(code(store.read(&object, 0..1).await), Some(Code::NotFound));
    upload.commit(sha256(&bytes)).await?;
    assert_eq!(names_in(store, "invisible").await?, ["object"]);
    Ok(())
}

async fn dropped_upload(store: &dyn Store) -> Result<()> {
    let object = name("dropped/a/b/object");
    let mut upload = store.create(&object).await?;
    upload.write(pattern(3 << 20)).await?;
    drop(upload);
    assert_eq!(code(store.size(&object).await), Some(Code::NotFound));
    assert_eq!(names_in(store, "dropped").await?, [""; 0], "folders of a dropped upload stayed");
    put(store, &object, pattern(10)).await
}

async fn wrong_hash(store: &dyn Store) -> Result<()> {
    for length in [0, 10, 3 << 20] {
        let object = name("wrong/object");
        let mut upload = store.create(&object).await?;
        upload.write(pattern(length)).await?;
        assert_eq!(code(upload.commit(sha256(b"other")).await), Some(Code::Damaged));
        assert_eq!(names_in(store, "wrong").await?, [""; 0]);
    }
    Ok(())
}

async fn name_taken(store: &dyn Store) -> Result<()> {
    let (object, bytes) = (name("taken/object"), pattern(100));
    let mut late = store.create(&object).await?;
    late.write(pattern(50)).await?;
    put(store, &object, bytes.clone()).await?;
    assert_eq!(code(late.commit(sha256(&pattern(50))).await), Some(Code::NameTaken));
    assert_eq!(code(put(store, &object, pattern(60)).await), Some(Code::NameTaken));
    assert_eq!(whole(store, &object).await?, bytes);
    assert_eq!(names_in(store, "taken").await?, ["object"]);
    Ok(())
}

/// Two uploads that end at the same time: one wins, its bytes stand.
async fn one_winner(store: &dyn Store) -> Result<()> {
    for round in 0..20 {
        let object = name(&format!("race/{round}/object"));
        let contents = [pattern(1000), pattern(2 << 20)];
        let mut uploads = (store.create(&object).await?, store.create(&object).await?);
        uploads.0.write(contents[0].clone()).await?;
        uploads.1.write(contents[1].clone()).await?;
        let outcomes = tokio::join!(uploads.0.commit(sha256(&contents[0])), uploads.1.commit(sha256(&contents[1])));
        let codes = [code(outcomes.0), code(outcomes.1)];
        let winner = codes.iter().position(Option::is_none).expect("a winner");
        assert_eq!(codes[1 - winner], Some(Code::NameTaken));
        assert!(whole(store, &object).await? == contents[winner], "the winner's bytes were touched");
    }
    Ok(())
}

async fn object_or_folder(store: &dyn Store) -> Result<()> {
    let (object, below) = (name("either/x"), name("either/x/y/z"));
    put(store, &object, pattern(10)).await?;
    assert_eq!(code(put(store, &below, pattern(10)).await), Some(Code::NameTaken));
    assert_eq!(code(store.size(&below).await), Some(Code::NotFound));
    assert_eq!(names_in(store, "either/x").await?, [""; 0]);
    store.remove(&below).await?;
    store.remove(&object).await?;
    put(store, &below, pattern(10)).await?;
    assert_eq!(code(put(store, &object, pattern(10)).await), Some(Code::NameTaken));
    assert_eq!(code(store.read(&object, 0..0).await), Some(Code::NotFound));
    store.remove(&object).await?;
    assert_eq!(store.size(&below).await?, 10, "removing an object's name took the folder of that name");
    Ok(())
}

async fn ranges(store: &dyn Store) -> Result<()> {
    let (object, bytes) = (name("ranges/object"), pattern(2_000_000));
    put(store, &object, bytes.clone()).await?;
    for (start, end) in [(0, 0), (0, 1), (0, 2_000_000), (1_234_567, 1_234_599), (1_999_999, 2_000_000), (2_000_000, 2_000_000)] {
        assert!(store.read(&object, start..end).await? == bytes[start as usize..end as usize], "{start}..{end}");
    }
    for (start, end) in [(0, 2_000_001), (2_000_000, 2_000_001), (3_000_000, 3_000_000), (0, u64::MAX), (u64::MAX, u64::MAX)] {
        assert_eq!(code(store.read(&object, start..end).await), Some(Code::Damaged), "{start}..{end}");
    }
    Ok(())
}

async fn nothing_there(store: &dyn Store) -> Result<()> {
    for missing in ["nowhere", "no/where/at/all"] {
        assert_eq!(code(store.size(&name(missing)).await), Some(Code::NotFound));
        assert_eq!(code(store.read(&name(missing), 0..1).await), Some(Code::NotFound));
        assert_eq!(names_in(store, missing).await?, [""; 0]);
        store.remove(&name(missing)).await?;
    }
    Ok(())
}

async fn listing(store: &dyn Store) -> Result<()> {
    let before = jiff::Timestamp::now();
    for object in ["list/b", "list/a.json", "list/a/z", "list/a/y/x", "list/B", "list/é", "list/a b"] {
        put(store, &name(object), pattern(object.len())).await?;
    }
    let entries = store.list(Some(&name("list"))).await?;
    let found: Vec<_> = entries.iter().map(|entry| (entry.name.as_str(), entry.size_bytes)).collect();
    let expected =
        [("list/B", Some(6)), ("list/a", None), ("list/a b", Some(8)), ("list/a.json", Some(11)), ("list/b", Some(6)), ("list/é", Some(7))];
    assert_eq!(found, expected);
    // The destination's clock may tick coarser than ours, or be another.
    assert!(entries.iter().all(|entry| (entry.modified - before).total(jiff::Unit::Second).is_ok_and(|seconds| seconds.abs() < 600.0)));
    let root = store.list(None).await?;
    assert!(root.is_sorted_by(|a, b| a.name < b.name));
    assert!(root.iter().any(|entry| entry.name.as_str() == "list" && entry.size_bytes.is_none()));
    Ok(())
}

async fn removal(store: &dyn Store) -> Result<()> {
    for object in ["gone/a/b/one", "gone/a/b/two", "gone/c"] {
        put(store, &name(object), pattern(10)).await?;
    }
    store.remove(&name("gone/a/b/one")).await?;
    assert_eq!(code(store.size(&name("gone/a/b/one")).await), Some(Code::NotFound));
    assert_eq!(names_in(store, "gone/a/b").await?, ["two"]);
    store.remove(&name("gone/a/b/two")).await?;
    assert_eq!(names_in(store, "gone").await?, ["c"], "empty folders stayed");
    store.remove(&name("gone/a/b/two")).await?;
    put(store, &name("gone/a/b/two"), pattern(20)).await?;
    assert_eq!(store.size(&name("gone/a/b/two")).await?, 20);
    Ok(())
}

/// A sweep touches neither objects nor what living uploads have written.
async fn sweeping(store: &dyn Store) -> Result<()> {
    let bytes = pattern(4 << 20);
    put(store, &name("sweep/object"), bytes.clone()).await?;
    let mut upload = store.create(&name("sweep/below/living")).await?;
    upload.write(bytes.slice(..2 << 20)).await?;
    store.sweep().await?;
    upload.write(bytes.slice(2 << 20..)).await?;
    store.sweep().await?;
    upload.commit(sha256(&bytes)).await?;
    store.sweep().await?;
    assert!(whole(store, &name("sweep/object")).await? == bytes);
    assert!(whole(store, &name("sweep/below/living")).await? == bytes);
    Ok(())
}

async fn small_only(store: &dyn Store) -> Result<()> {
    let object = name("small/object");
    put(store, &object, pattern(100)).await?;
    assert_eq!(read_small(store, &object, 100).await?, pattern(100));
    assert_eq!(code(read_small(store, &object, 99).await), Some(Code::TooLarge));
    Ok(())
}

/// An upload is cut off ever later: at that moment the object is whole, or it never appears.
async fn cancellation(store: &dyn Store) -> Result<()> {
    let (object, bytes) = (name("cancelled/a/object"), pattern(3 << 20));
    for polls in std::iter::successors(Some(0_u64), |polls| Some(polls * 3 / 2 + 1)) {
        let done = {
            let mut upload = pin!(put(store, &object, bytes.clone()));
            let mut done = None;
            for _ in 0..polls {
                tokio::select! {
                    biased;
                    outcome = &mut upload => { done = Some(outcome); break }
                    () = tokio::task::yield_now() => {}
                }
            }
            done
        };
        if store.size(&object).await.is_ok() {
            assert!(whole(store, &object).await? == bytes, "half an object after {polls} polls");
            store.remove(&object).await?;
        } else if done.is_none() {
            put(store, &object, bytes.clone()).await?;
            store.remove(&object).await?;
        }
        assert_eq!(names_in(store, "cancelled/a").await?, [""; 0]);
        if let Some(outcome) = done {
            return outcome;
        }
    }
    Ok(())
}

/// Whatever a valid name holds, the object is found under it and under no other.
async fn hostile_names(store: &dyn Store) -> Result<()> {
    let awkward = proptest::sample::select(vec![
        "...",
        "-rf",
        "%2e%2e",
        "CON",
        "a:b",
        "*",
        "'; --",
        "\u{202e}x",
        "é",
        "e\u{301}",
        "👻",
        " ",
        "~",
        "$HOME",
    ]);
    let segment = proptest::prop_oneof![awkward.prop_map(String::from), "\\PC{1,40}", "[a-zA-Z0-9%._ -]{200,255}"];
    let names = proptest::collection::vec(segment, 1..4).prop_map(|segments| format!("hostile/{}", segments.join("/")));
    let names = names.prop_filter_map("not a name", |text| ObjectName::new(text).ok());
    let mut runner = TestRunner::default();
    for _ in 0..64 {
        let object = names.new_tree(&mut runner).expect("a name").current();
        put(store, &object, object.to_string().into()).await.map_err(|error| error.during(&object))?;
        assert_eq!(whole(store, &object).await?, object.as_str());
        let folder = object.folder();
        let listed = store.list(folder.as_ref()).await?;
        assert!(
            listed.iter().any(|entry| entry.name == object && entry.size_bytes == Some(object.as_str().len() as u64)),
            "{object:?} is not listed"
        );
        store.remove(&object).await?;
        assert_eq!(names_in(store, "hostile").await?, [""; 0], "{object:?} left something");
    }
    Ok(())
}
