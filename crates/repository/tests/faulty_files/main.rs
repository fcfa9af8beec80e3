//! Files that somebody else made: each has one fault and is refused as what it is, and without the fault it is accepted.
//!
//! A fault in an archive comes with a manifest that was signed for it, as if whoever made it held the instance's key: so the archive's
//! own reader has to find it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod chains;
mod inside;
mod kit;
mod manifests;
mod sealed;
mod zip;

use domain::Code;
use kit::{Kit, Root};
use repository::{Manifest, Place, Repository, Trust};
use std::{collections::BTreeSet, sync::Arc};
use store::{ObjectName, Store, memory::Memory};

/// One faulty file.
pub struct Case {
    name: &'static str,
    code: Code,
    /// What the sentence says, where the class is not all that is told.
    words: &'static str,
    make: Make,
}

/// How the fault gets in.
pub enum Make {
    /// Changes what is under the root.
    Root(fn(&Kit, &mut Root)),
    /// The bytes of the sealed archive.
    Sealed(fn(&Kit) -> Vec<u8>),
    /// The same, where the fault lies in the chunks.
    Chunks(fn(&Kit, &mut Vec<Vec<u8>>)),
    /// The JSON of the sealed archive's header; the body is sealed for it.
    Header(fn(&Kit, String) -> Vec<u8>),
    /// What is sealed: a ZIP.
    Inside(fn(&Kit, &mut zip::Zip)),
    /// The same as bytes.
    InsideBytes(fn(&Kit, Vec<u8>) -> Vec<u8>),
    /// What the manifest says; it is signed.
    Payload(fn(&Kit, &mut serde_json::Value)),
    /// The same as text.
    PayloadText(fn(&Kit, String) -> Vec<u8>),
    /// The envelope that is signed already.
    Envelope(fn(&Kit, &mut serde_json::Value)),
    /// The bytes of the manifest.
    Manifest(fn(&Kit, Vec<u8>) -> Vec<u8>),
}

/// A case in one line.
pub const fn case(name: &'static str, code: Code, words: &'static str, make: Make) -> Case {
    Case { name, code, words, make }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_faulty_file_is_refused_as_what_it_is() {
    let kit = Kit::new().await;
    kit.accepts(&kit.root()).await.expect("the file without a fault");
    for chain in chains::good_chains(&kit) {
        kit.accepts(&chain).await.expect("the chain without a fault");
    }
    let cases: Vec<&Case> = [sealed::CASES, inside::CASES, manifests::CASES, chains::CASES].into_iter().flatten().collect();
    assert!(cases.len() >= 120, "{} cases", cases.len());
    assert_eq!(cases.iter().map(|case| case.name).collect::<BTreeSet<_>>().len(), cases.len(), "two cases have one name");
    let mut wrong = vec![];
    for case in &cases {
        match kit.accepts(&kit.root_with(&case.make)).await {
            Ok(()) => wrong.push(format!("{}: accepted", case.name)),
            Err(error) if error.code() == case.code && error.to_string().contains(case.words) && !error.next_step().is_empty() => {}
            Err(error) => wrong.push(format!("{}: {error:?} instead of {} {:?}", case.name, case.code, case.words)),
        }
    }
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_changed_byte_of_a_sealed_body_is_handed_out() {
    let kit = Kit::new().await;
    for case in sealed::CASES {
        if let Make::Chunks(_) | Make::Sealed(_) = case.make {
            let root = kit.root_with(&case.make);
            let (handed_out, whole) = kit.handed_out(root.archive()).await;
            assert!(!whole && kit.plain.starts_with(&handed_out), "{}: other bytes than those that were sealed", case.name);
        }
    }
    let (handed_out, whole) = kit.handed_out(kit.root().archive()).await;
    assert!(whole && handed_out == kit.plain);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_faulty_archive_is_looked_at_where_the_manifest_was_signed_for_another() {
    let kit = Kit::new().await;
    for case in sealed::CASES.iter().chain(inside::CASES) {
        let good = kit.root();
        let faulty = Root { manifest: good.manifest.clone(), ..kit.root_with(&case.make) };
        if faulty.archive() != good.archive() {
            let error = kit.accepts(&faulty).await.expect_err(case.name);
            let told = error.to_string();
            assert!(
                told.contains("where") && told.contains("were signed") || told.contains("bytes that were signed"),
                "{}: {told}",
                case.name
            );
        }
    }
}

#[tokio::test]
async fn a_backup_is_committed_only_while_the_one_that_it_builds_on_is_there() {
    let kit = Kit::new().await;
    for root in chains::good_chains(&kit) {
        for is_deleted in [false, true] {
            let store: Arc<dyn Store> = Arc::new(Memory::new());
            let trust = Trust::new([kit.instance.fingerprint()]);
            let repository = Repository::create(Arc::clone(&store), &kit.instance, trust).await.unwrap();
            let manifest = Manifest::open(&root.manifest, &root.place).unwrap();
            let prior = Place::after(&root.place, manifest.prior.as_ref().unwrap().label).manifest().unwrap();
            let others = root.others.iter().filter(|(name, _)| !is_deleted || name.as_str() != prior.as_str());
            let archive = (root.place.archive(true).unwrap().as_str().to_owned(), root.archive().to_vec());
            for (name, bytes) in others.map(|(name, bytes)| (name.clone(), bytes.clone())).chain([archive]) {
                store::put(store.as_ref(), &ObjectName::new(name).unwrap(), bytes.into()).await.unwrap();
            }
            let committed = repository.commit(&root.place, &manifest, &kit.instance).await;
            assert_eq!(committed.err().map(|error| error.code()), is_deleted.then_some(Code::NotFound));
            assert_eq!(store.size(&root.place.manifest().unwrap()).await.is_ok(), !is_deleted);
        }
    }
}

/// An end that nobody sealed must not go unseen because nothing of what it holds is read.
#[tokio::test(flavor = "multi_thread")]
async fn a_body_of_whole_chunks_ends_with_an_empty_one_that_counts() {
    let kit = Kit::new().await;
    let plain = vec![7; 2 * 16384];
    let good = kit.sealed(&plain);
    assert_eq!(kit.handed_out(&good).await, (plain, true));
    for at in good.len() - 16..good.len() {
        for bit in 0..8 {
            let mut changed = good.clone();
            changed[at] ^= 1 << bit;
            assert_eq!(kit.handed_out(&changed).await, (vec![], false), "bit {bit} of byte {at}");
        }
    }
    for cut in 1..=16 {
        assert_eq!(kit.handed_out(&good[..good.len() - cut]).await, (vec![], false), "cut off by {cut} bytes");
    }
    let shorter = [&good[..good.len() - 16 - 16400], &good[good.len() - 16..]].concat();
    assert_eq!(kit.handed_out(&shorter).await, (vec![], false), "a chunk less");
}
