//! Backups, restores and verifications as they should go, and as they go when something is wrong.

#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]

mod support;

use domain::{Code, Phase};
use engine::{Observer, RoundRequest, Run, Verified, backup, restore, round, verify};
use repository::{Instance, Place, Repository, Trust};
use source::Scope;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};
use store::{Memory, ObjectName, Store};
use support::{World, context, tables};

async fn world() -> (World, Arc<dyn Store>, Repository) {
    let world = World::new();
    let store: Arc<dyn Store> = Arc::new(Memory::default());
    let repository = world.repository(&store).await.unwrap();
    (world, store, repository)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_backed_up_is_restored_equal() {
    let (world, _, repository) = world().await;
    let manifest = backup(&world.backup(repository.clone()), &context()).await.unwrap().backed_up().unwrap().manifest.clone();
    assert_eq!(manifest.archive.rows, 20_013);

    let points = repository.points(Some("shop")).await.unwrap();
    assert_eq!(points.len(), 1);
    assert_eq!(verify(&repository, &points[0], None, 2, &context()).await.unwrap(), Verified::Checked);

    let context = context();
    let restored = restore(&world.restore(repository, "back"), &points[0], &context).await.unwrap();
    assert!(restored.proven());
    assert_eq!(restored.tables.len(), 4);
    assert_eq!(context.meter.read().phase, Phase::Finishing);
    let state = world.server.state();
    let sorted = |mut tables: support::Tables| {
        tables.values_mut().for_each(|rows| rows.sort());
        tables
    };
    assert_eq!(sorted(state.databases["back"].clone()), sorted(tables()));
    assert!(state.staging.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_that_differs_names_the_table_and_keeps_nothing() {
    let (world, _, repository) = world().await;
    backup(&world.backup(repository.clone()), &context()).await.unwrap();
    world.server.state().spoil = Some("small".into());
    let points = repository.points(None).await.unwrap();

    let request = world.restore(repository.clone(), "back");
    let restored = restore(&request, &points[0], &context()).await.unwrap();
    assert_eq!(restored.different().collect::<Vec<_>>(), ["The rows of small differ."]);
    assert!(!world.server.state().databases.contains_key("back") && world.server.state().staging.is_empty());

    let keep = engine::RestoreRequest { keep_different: true, ..request };
    assert!(!restore(&keep, &points[0], &context()).await.unwrap().proven());
    assert!(world.server.state().databases.contains_key("back"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_differs_beside_rows_is_named_and_nothing_is_kept() {
    let (world, _, repository) = world().await;
    backup(&world.backup(repository.clone()), &context()).await.unwrap();
    let points = repository.points(None).await.unwrap();
    world.server.state().different = Some("The sequence s stands at 1, instead of 2.".into());
    let request = world.restore(repository.clone(), "back");
    let restored = restore(&request, &points[0], &context()).await.unwrap();
    assert!(!restored.proven() && restored.complete && restored.tables.iter().all(|table| table.equal));
    assert_eq!(restored.different().collect::<Vec<_>>(), ["The sequence s stands at 1, instead of 2."]);
    assert_eq!(restored.compared.iter().map(|it| (it.what.as_str(), it.count)).collect::<Vec<_>>(), [("tables", 4), ("sequences", 1)]);
    assert!(!world.server.state().databases.contains_key("back") && world.server.state().staging.is_empty());

    let keep = engine::RestoreRequest { keep_different: true, ..request };
    assert!(!restore(&keep, &points[0], &context()).await.unwrap().proven());
    assert!(world.server.state().databases.contains_key("back"));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_table_alone_can_be_restored() {
    let (world, _, repository) = world().await;
    backup(&world.backup(repository.clone()), &context()).await.unwrap();
    let points = repository.points(None).await.unwrap();
    let one = |table: &str| engine::RestoreRequest { only_table: Some(table.into()), ..world.restore(repository.clone(), table) };
    let restored = restore(&one("small"), &points[0], &context()).await.unwrap();
    assert!(restored.proven() && restored.tables.len() == 1 && restored.tables[0].rows == 10);
    assert_eq!(restore(&one("none"), &points[0], &context()).await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_printed_without_a_server() {
    let (world, _, repository) = world().await;
    backup(&world.backup(repository.clone()), &context()).await.unwrap();
    let points = repository.points(None).await.unwrap();

    #[derive(Clone, Default)]
    struct Out(Arc<Mutex<Vec<u8>>>);
    impl std::io::Write for Out {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let out = Out::default();
    engine::cat(&repository, &points[0], None, "public.\"we\"\"ird\"".into(), out.clone(), &context()).await.unwrap();
    let printed = String::from_utf8(out.0.lock().unwrap().clone()).unwrap();
    let mut lines: Vec<_> = printed.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, tables()["public.\"we\"\"ird\""]);
    let error = engine::cat(&repository, &points[0], None, "nope".into(), Out::default(), &context()).await.unwrap_err();
    assert!(error.code() == Code::NotFound && error.next_step().contains("small"));
}

#[tokio::test(flavor = "multi_thread")]
async fn backups_in_the_same_second_get_labels_of_their_own() {
    let (world, _, repository) = world().await;
    let requests: Vec<_> = (0..4).map(|_| world.backup(repository.clone())).collect();
    let contexts: Vec<_> = requests.iter().map(|_| context()).collect();
    let runs = requests.iter().zip(&contexts).map(|(request, context)| backup(request, context));
    for manifest in futures::future::join_all(runs).await {
        manifest.unwrap();
    }
    let points = repository.points(None).await.unwrap();
    assert_eq!(points.len(), 4);
    for point in &points {
        verify(&repository, point, None, 1, &context()).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_failing_database_does_not_stop_the_others() {
    let (world, _, repository) = world().await;
    world.server.state().databases.insert("other".into(), BTreeMap::new());

    #[derive(Default)]
    struct Seen(Mutex<Vec<String>>);
    impl Observer for Seen {
        fn began(&self, _: &Scope, _: &Arc<domain::Meter>) {}
        fn ended(&self, run: &Run) {
            self.0.lock().unwrap().push(format!("{:?} {}", run.scope, run.result.is_ok()));
        }
    }
    let one = world.backup(repository.clone());
    let request = RoundRequest {
        source: one.source,
        server: one.server,
        scopes: ["shop", "gone", "other"].map(|name| Scope::Database(name.into())).into(),
        repository,
        instance: one.instance,
        recipients: vec![],
        task: Some("nightly".into()),
        kind: domain::BackupKind::Full,
        limit: domain::ChainLimit::default(),
        follow: None,
        reason: "A test asked for it.".into(),
        jobs: 2,
        workers: 1,
    };
    let seen = Seen::default();
    let done = round(&request, &seen, &context()).await;
    assert_eq!(done.runs.iter().map(|run| run.result.is_ok()).collect::<Vec<_>>(), [true, false, true]);
    assert_eq!(done.runs[1].result.as_ref().unwrap_err().code(), Code::DatabaseGone);
    assert_eq!(done.runs[0].result.as_ref().unwrap().backed_up().unwrap().manifest.task.as_deref(), Some("nightly"));
    assert_eq!(seen.0.lock().unwrap().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_run_leaves_nothing() {
    let (world, store, repository) = world().await;
    let context = context();
    context.cancel.cancel();
    assert_eq!(backup(&world.backup(repository.clone()), &context).await.unwrap_err().code(), Code::Cancelled);
    assert_eq!(store.list(None).await.unwrap().len(), 1, "only the marker");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_root_of_somebody_else_is_refused_until_it_is_accepted() {
    let (world, store, repository) = world().await;
    backup(&world.backup(repository.clone()), &context()).await.unwrap();

    let other = Instance::generate().unwrap();
    let theirs = Trust::new([other.fingerprint()]);
    let error = Repository::create(Arc::clone(&store), &other, theirs.clone()).await.err().unwrap();
    assert_eq!(error.code(), Code::UnknownInstance);

    // Whoever does not know the instance can see what there is, and use nothing of it.
    let stranger = Repository::open(Arc::clone(&store), theirs).await.unwrap();
    let points = stranger.points(None).await.unwrap();
    assert_eq!(verify(&stranger, &points[0], None, 1, &context()).await.unwrap_err().code(), Code::UnknownInstance);
    let error = restore(&world.restore(stranger.clone(), "back"), &points[0], &context()).await.unwrap_err();
    assert_eq!(error.code(), Code::UnknownInstance);

    let accepted = Trust::new([other.fingerprint(), world.instance.fingerprint()]);
    let friend = Repository::open(store, accepted).await.unwrap();
    assert!(restore(&world.restore(friend, "back"), &points[0], &context()).await.unwrap().proven());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_root_with_other_files_is_refused() {
    let world = World::new();
    let store: Arc<dyn Store> = Arc::new(Memory::default());
    store::put(store.as_ref(), &ObjectName::new("holiday.jpg").unwrap(), "x".into()).await.unwrap();
    let error = world.repository(&store).await.err().unwrap();
    assert_eq!(error.code(), Code::RootForeign);
    assert!(error.to_string().contains("holiday.jpg"));
    assert_eq!(Repository::open(store, Trust::default()).await.err().unwrap().code(), Code::NotFound);
}

/// Takes an object out and puts other bytes in, as only somebody with access to the root can.
async fn replace(store: &Arc<dyn Store>, name: &ObjectName, change: impl FnOnce(Vec<u8>) -> Vec<u8>) {
    let size = store.size(name).await.unwrap();
    let bytes = store.read(name, 0..size).await.unwrap();
    store.remove(name).await.unwrap();
    store::put(store.as_ref(), name, change(bytes.to_vec()).into()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_tampered_with_is_named_and_never_restored() {
    type Change = Box<dyn Fn(Vec<u8>) -> Vec<u8>>;
    let cases: Vec<(&str, bool, Code, &str, Change)> = vec![
        (
            "a flipped bit",
            true,
            Code::Damaged,
            "bytes that were signed",
            Box::new(|mut bytes| {
                let middle = bytes.len() / 2;
                bytes[middle] ^= 1;
                bytes
            }),
        ),
        ("a truncated archive", true, Code::Damaged, "cut short", Box::new(|bytes| bytes[..bytes.len() - 1].to_vec())),
        ("a longer archive", true, Code::Damaged, "were signed", Box::new(|bytes| [bytes, vec![0]].concat())),
        (
            "a changed signature",
            false,
            Code::BadSignature,
            "signature",
            Box::new(|bytes| {
                let text = String::from_utf8(bytes).unwrap();
                let at = text.find("\"sig\": \"").unwrap() + 10;
                let other = if &text[at..=at] == "A" { "B" } else { "A" };
                format!("{}{other}{}", &text[..at], &text[at + 1..]).into_bytes()
            }),
        ),
        ("no manifest at all", false, Code::Damaged, "envelope", Box::new(|_| b"{}".to_vec())),
        ("an endless manifest", false, Code::TooLarge, "bytes", Box::new(|_| vec![b' '; 2 << 20])),
    ];
    for (what, archive, code, words, change) in cases {
        let (world, store, repository) = world().await;
        backup(&world.backup(repository.clone()), &context()).await.unwrap();
        let place = repository.points(None).await.unwrap().remove(0).place;
        replace(&store, &if archive { place.archive(false) } else { place.manifest() }.unwrap(), change).await;

        let point = repository.points(None).await.unwrap().remove(0);
        let error = verify(&repository, &point, None, 1, &context()).await.unwrap_err();
        assert_eq!(error.code(), code, "{what}: {error}");
        assert!(error.to_string().contains(words), "{what}: {error}");
        let error = restore(&world.restore(repository, "back"), &point, &context()).await.unwrap_err();
        assert_eq!(error.code(), code, "{what}");
        assert!(!world.server.state().databases.contains_key("back"), "{what} was restored");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_manifest_under_a_newer_name_is_named_as_what_it_is() {
    let (world, store, repository) = world().await;
    backup(&world.backup(repository.clone()), &context()).await.unwrap();
    let old = repository.points(None).await.unwrap().remove(0).place;
    backup(&world.backup(repository.clone()), &context()).await.unwrap();
    let new = repository.points(None).await.unwrap().remove(0).place;
    assert_ne!(old, new);
    let bytes = store.read(&old.manifest().unwrap(), 0..store.size(&old.manifest().unwrap()).await.unwrap()).await.unwrap();
    replace(&store, &new.manifest().unwrap(), |_| bytes.to_vec()).await;

    let points = repository.points(None).await.unwrap();
    let posing = points.iter().find(|point| point.place == new).unwrap();
    let error = verify(&repository, posing, None, 1, &context()).await.unwrap_err();
    assert!(error.code() == Code::Damaged && error.to_string().contains("another name"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_old_archives_without_a_manifest_are_swept() {
    let (world, store, repository) = world().await;
    backup(&world.backup(repository.clone()), &context()).await.unwrap();
    let place: Place = repository.points(None).await.unwrap().remove(0).place;
    let now = jiff::Timestamp::now();
    let day_later = now + jiff::SignedDuration::from_hours(25);

    repository.sweep_orphans("shop", day_later).await.unwrap();
    assert_eq!(repository.points(None).await.unwrap().len(), 1, "a backup was swept");

    store.remove(&place.manifest().unwrap()).await.unwrap();
    repository.sweep_orphans("shop", now).await.unwrap();
    store.size(&place.archive(false).unwrap()).await.expect("a young orphan may be a backup that is being verified");
    repository.sweep_orphans("shop", day_later).await.unwrap();
    assert_eq!(store.size(&place.archive(false).unwrap()).await.unwrap_err().code(), Code::NotFound);
}
