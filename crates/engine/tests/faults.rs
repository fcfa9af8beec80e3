//! The n-th call to the store fails, for every n until none is left: whatever fails, nothing half-made is listed,
//! every older restore point still restores, and the next run works.

#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]

mod support;

use domain::Code;
use engine::{backup, restore, verify};
use repository::Key;
use seal::PrivateKey;
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};
use store::{Faulty, Local, Memory, ObjectName, Store};
use support::{FAULTS, Shared, World, context};

/// A store in which somebody exchanges an archive for another one of the same size after so many calls.
struct Exchanged {
    plain: Arc<dyn Store>,
    archive: store::ObjectName,
    forged: bytes::Bytes,
    after: u64,
    calls: AtomicU64,
}

#[async_trait::async_trait]
impl Store for Exchanged {
    async fn create(&self, name: &store::ObjectName) -> domain::Result<Box<dyn store::Upload>> {
        self.plain.create(name).await
    }
    async fn read(&self, name: &store::ObjectName, range: std::ops::Range<u64>) -> domain::Result<bytes::Bytes> {
        if *name == self.archive && self.calls.fetch_add(1, Relaxed) >= self.after {
            return Ok(self.forged.slice(usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap()));
        }
        self.plain.read(name, range).await
    }
    async fn size(&self, name: &store::ObjectName) -> domain::Result<u64> {
        self.plain.size(name).await
    }
    async fn list(&self, folder: Option<&store::ObjectName>) -> domain::Result<Vec<store::Entry>> {
        self.plain.list(folder).await
    }
    async fn remove(&self, name: &store::ObjectName) -> domain::Result<()> {
        self.plain.remove(name).await
    }
    async fn sweep(&self) -> domain::Result<()> {
        self.plain.sweep().await
    }
}

/// The archive of the one backup in a store.
async fn archive_of(world: &World, store: &Arc<dyn Store>) -> (store::ObjectName, bytes::Bytes) {
    let point = world.repository(store).await.unwrap().points(None).await.unwrap().remove(0);
    let name = point.place.archive(false).unwrap();
    let bytes = store.read(&name, 0..store.size(&name).await.unwrap()).await.unwrap();
    (name, bytes)
}

#[tokio::test(flavor = "multi_thread")]
async fn whenever_an_archive_is_exchanged_nothing_but_what_was_signed_is_restored() {
    let world = small_world();
    let original = world.server.state().databases["shop"].clone();
    let plain: Arc<dyn Store> = Arc::new(Memory::default());
    backup(&world.backup(world.repository(&plain).await.unwrap()), &context()).await.unwrap();
    let (archive, signed) = archive_of(&world, &plain).await;
    // Another archive that is whole in itself, and of the same size.
    let mut forged = bytes::Bytes::new();
    for letters in (b'a'..=b'z').flat_map(|one| (b'a'..=b'z').map(move |other| [b'x', one, other])) {
        let row = format!("[0,\"{}\"]", std::str::from_utf8(&letters).unwrap());
        world.server.state().databases.get_mut("shop").unwrap().get_mut("small").unwrap()[0] = row;
        let store: Arc<dyn Store> = Arc::new(Memory::default());
        backup(&world.backup(world.repository(&store).await.unwrap()), &context()).await.unwrap();
        forged = archive_of(&world, &store).await.1;
        if forged.len() == signed.len() && forged != signed {
            break;
        }
    }
    assert!(forged.len() == signed.len() && forged != signed, "no forgery has the right size");

    let mut refused = 0;
    for after in 0.. {
        let exchanged = Arc::new(Exchanged {
            plain: Arc::clone(&plain),
            archive: archive.clone(),
            forged: forged.clone(),
            after,
            calls: AtomicU64::new(0),
        });
        let store: Arc<dyn Store> = exchanged.clone();
        let repository = world.repository(&store).await.unwrap();
        let point = repository.points(None).await.unwrap().remove(0);
        match restore(&world.restore(repository, "back"), &point, &context()).await {
            Ok(restored) => {
                assert!(restored.proven());
                let there = world.server.state().databases.remove("back").unwrap();
                assert!(sorted(there) == sorted(original.clone()), "what was not signed was restored");
            }
            Err(error) => {
                refused += 1;
                assert_eq!(error.code(), Code::Damaged, "{error}");
                assert!(!world.server.state().databases.contains_key("back"));
            }
        }
        if exchanged.calls.load(Relaxed) <= after {
            break;
        }
    }
    assert!(refused > 1, "the archive was never exchanged between the proof and the reading");
}

fn sorted(mut tables: support::Tables) -> support::Tables {
    tables.values_mut().for_each(|rows| rows.sort());
    tables
}

/// A world with few rows, so that a sweep takes many steps and little time.
fn small_world() -> World {
    let world = World::new();
    world.server.state().databases.get_mut("shop").unwrap().get_mut("big").unwrap().truncate(300);
    world
}

/// The same, sealed.
fn sealed_world() -> World {
    World { key: Some(Key::Private(PrivateKey::generate().unwrap())), ..small_world() }
}

/// Every restore point that is listed is whole and restores. Returns how many there are, and removes all but the oldest.
async fn all_hold(world: &World, store: &Arc<dyn Store>) -> usize {
    let repository = world.repository(store).await.unwrap();
    let points = repository.points(None).await.unwrap();
    for (at, point) in points.iter().enumerate() {
        verify(&repository, point, world.key.as_ref(), 1, &context()).await.unwrap();
        assert!(restore(&world.restore(repository.clone(), "check"), point, &context()).await.unwrap().proven());
        world.server.state().databases.remove("check");
        if at + 1 < points.len() {
            store.remove(&point.place.manifest().unwrap()).await.unwrap();
            store.remove(&point.place.archive(point.manifest.as_ref().unwrap().sealed()).unwrap()).await.unwrap();
        }
    }
    assert!(world.server.state().staging.is_empty(), "a staging database stayed behind");
    // What a lost reply left without a manifest is removed once it is old enough to be nobody's.
    let day_later = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(25);
    repository.sweep_orphans("shop", day_later).await.unwrap();
    points.len()
}

async fn sweep_backup(world: World, plain: Arc<dyn Store>) {
    let repository = world.repository(&plain).await.unwrap();
    backup(&world.backup(repository), &context()).await.unwrap();
    for make in FAULTS {
        for nth in 1.. {
            let context = context();
            let faulty = Arc::new(Faulty::new(Shared(Arc::clone(&plain)), nth, make(&context.cancel)));
            let store: Arc<dyn Store> = faulty.clone();
            let done = match world.repository(&store).await {
                Ok(repository) => backup(&world.backup(repository), &context).await.map(|_| ()),
                Err(error) => Err(error),
            };
            let listed = all_hold(&world, &plain).await;
            assert!(listed >= 1, "call {nth}: the older backup was lost");
            assert!(done.is_err() || listed == 2, "call {nth}: a backup that succeeded is not listed");
            if faulty.calls() < nth {
                assert!(done.is_ok() && nth > 8, "the sweep ended after {nth} calls: {done:?}");
                break;
            }
        }
    }
}

async fn sweep_restore(world: World, plain: Arc<dyn Store>) {
    let repository = world.repository(&plain).await.unwrap();
    backup(&world.backup(repository), &context()).await.unwrap();
    for make in FAULTS {
        for nth in 1.. {
            let context = context();
            let faulty = Arc::new(Faulty::new(Shared(Arc::clone(&plain)), nth, make(&context.cancel)));
            let store: Arc<dyn Store> = faulty.clone();
            let done = async {
                let repository = world.repository(&store).await?;
                let points = repository.points(Some("shop")).await?;
                let point = points.first().ok_or_else(|| support::missing("shop"))?;
                restore(&world.restore(repository, "back"), point, &context).await
            };
            let done = done.await;
            assert!(world.server.state().staging.is_empty(), "a staging database stayed behind");
            let there = world.server.state().databases.remove("back").is_some();
            assert_eq!(there, done.as_ref().is_ok_and(engine::Restored::proven), "call {nth}: half a restore is visible: {done:?}");
            if faulty.calls() < nth {
                assert!(there && nth > 8, "the sweep ended after {nth} calls");
                break;
            }
            assert!(
                done.as_ref().err().is_none_or(|error| matches!(error.code(), Code::StoreFailed | Code::AnswerLost | Code::Cancelled)),
                "{done:?}"
            );
        }
    }
}

/// Removes the newer of two backups: it is gone or still whole, and the other one is never touched.
async fn sweep_removal(world: World, plain: Arc<dyn Store>) {
    let repository = world.repository(&plain).await.unwrap();
    backup(&world.backup(repository.clone()), &context()).await.unwrap();
    for make in FAULTS {
        for nth in 1.. {
            backup(&world.backup(repository.clone()), &context()).await.unwrap();
            let context = context();
            let faulty = Arc::new(Faulty::new(Shared(Arc::clone(&plain)), nth, make(&context.cancel)));
            let store: Arc<dyn Store> = faulty.clone();
            let done = async {
                let repository = world.repository(&store).await?;
                let mut points = repository.points(Some("shop")).await?;
                points.truncate(1);
                repository.remove_chain(&points).await
            };
            let done = done.await;
            let listed = all_hold(&world, &plain).await;
            assert!(listed == 1 || (listed == 2 && done.is_err()), "call {nth}: {listed} are listed after {done:?}");
            let folders = plain.list(Some(&ObjectName::new("shop").unwrap())).await.unwrap();
            assert_eq!(folders.len(), 1, "call {nth}: something of a removed backup stayed: {folders:?}");
            if faulty.calls() < nth {
                assert!(done.is_ok() && nth > 4, "the sweep ended after {nth} calls: {done:?}");
                break;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removal_survives_every_fault() {
    sweep_removal(small_world(), Arc::new(Memory::default())).await;
    let folder = tempfile::tempdir().unwrap();
    sweep_removal(sealed_world(), Arc::new(Local::create(&folder.path().join("root")).unwrap())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn backups_survive_every_fault_in_memory() {
    sweep_backup(small_world(), Arc::new(Memory::default())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn backups_survive_every_fault_in_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    sweep_backup(small_world(), Arc::new(Local::create(&folder.path().join("root")).unwrap())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn restores_survive_every_fault_in_memory() {
    sweep_restore(small_world(), Arc::new(Memory::default())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn restores_survive_every_fault_in_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    sweep_restore(small_world(), Arc::new(Local::create(&folder.path().join("root")).unwrap())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sealed_backups_survive_every_fault() {
    sweep_backup(sealed_world(), Arc::new(Memory::default())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sealed_restores_survive_every_fault() {
    sweep_restore(sealed_world(), Arc::new(Memory::default())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plain_and_a_sealed_backup_at_once_leave_nothing_behind() {
    let (mut world, store) = (sealed_world(), Arc::new(Memory::default()) as Arc<dyn Store>);
    let sealed = world.backup(world.repository(&store).await.unwrap());
    let key = world.key.take();
    let plain = world.backup(world.repository(&store).await.unwrap());
    for _ in 0..5 {
        let (one, other) = (context(), context());
        let (one, other) = tokio::join!(backup(&sealed, &one), backup(&plain, &other));
        assert!(one.is_ok() && other.is_ok(), "{one:?} {other:?}");
    }
    let repository = world.repository(&store).await.unwrap();
    let points = repository.points(None).await.unwrap();
    assert_eq!(points.len(), 10);
    for point in &points {
        verify(&repository, point, key.as_ref(), 1, &context()).await.unwrap();
        let place = &point.place;
        let archives = [store.size(&place.archive(false).unwrap()).await, store.size(&place.archive(true).unwrap()).await];
        assert_eq!(archives.iter().filter(|archive| archive.is_ok()).count(), 1, "an archive without a manifest stayed at {place:?}");
    }
}
