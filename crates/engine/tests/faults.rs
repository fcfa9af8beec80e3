//! The n-th call to the store fails, for every n until none is left: whatever fails, nothing half-made is listed,
//! every older restore point still restores, and the next run works.

#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]

mod support;

use domain::Code;
use engine::{backup, restore, verify};
use std::sync::Arc;
use store::{Fault, Faulty, Local, Memory, Store};
use support::{World, context};

/// A store that several wrappers can share.
#[derive(Clone)]
struct Shared(Arc<dyn Store>);

#[async_trait::async_trait]
impl Store for Shared {
    async fn create(&self, name: &store::ObjectName) -> domain::Result<Box<dyn store::Upload>> {
        self.0.create(name).await
    }
    async fn read(&self, name: &store::ObjectName, range: std::ops::Range<u64>) -> domain::Result<bytes::Bytes> {
        self.0.read(name, range).await
    }
    async fn size(&self, name: &store::ObjectName) -> domain::Result<u64> {
        self.0.size(name).await
    }
    async fn list(&self, folder: Option<&store::ObjectName>) -> domain::Result<Vec<store::Entry>> {
        self.0.list(folder).await
    }
    async fn remove(&self, name: &store::ObjectName) -> domain::Result<()> {
        self.0.remove(name).await
    }
    async fn sweep(&self) -> domain::Result<()> {
        self.0.sweep().await
    }
}

/// What one round of the sweep puts into its n-th call.
type MakeFault = fn(&tokio_util::sync::CancellationToken) -> Fault;

const FAULTS: [MakeFault; 3] = [
    |_| Fault::Before,
    |_| Fault::After,
    |cancel| {
        let cancel = cancel.clone();
        Fault::Hook(Box::new(move || cancel.cancel()))
    },
];

/// A world with few rows, so that a sweep takes many steps and little time.
fn small_world() -> World {
    let world = World::new();
    world.server.state().databases.get_mut("shop").unwrap().get_mut("big").unwrap().truncate(300);
    world
}

/// Every restore point that is listed is whole and restores. Returns how many there are, and removes all but the oldest.
async fn all_hold(world: &World, store: &Arc<dyn Store>) -> usize {
    let repository = world.repository(store).await.unwrap();
    let points = repository.points(None).await.unwrap();
    for (at, point) in points.iter().enumerate() {
        verify(&repository, point, None, 1, &context()).await.unwrap();
        assert!(restore(&world.restore(repository.clone(), "check"), point, &context()).await.unwrap().proven());
        world.server.state().databases.remove("check");
        if at + 1 < points.len() {
            store.remove(&point.place.manifest().unwrap()).await.unwrap();
            store.remove(&point.place.archive(false).unwrap()).await.unwrap();
        }
    }
    assert!(world.server.state().staging.is_empty(), "a staging database stayed behind");
    // What a lost reply left without a manifest is removed once it is old enough to be nobody's.
    let day_later = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(25);
    repository.sweep_orphans("shop", day_later).await.unwrap();
    points.len()
}

async fn sweep_backup(plain: Arc<dyn Store>) {
    let world = small_world();
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

async fn sweep_restore(plain: Arc<dyn Store>) {
    let world = small_world();
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

#[tokio::test(flavor = "multi_thread")]
async fn backups_survive_every_fault_in_memory() {
    sweep_backup(Arc::new(Memory::default())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn backups_survive_every_fault_in_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    sweep_backup(Arc::new(Local::create(&folder.path().join("root")).unwrap())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn restores_survive_every_fault_in_memory() {
    sweep_restore(Arc::new(Memory::default())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn restores_survive_every_fault_in_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    sweep_restore(Arc::new(Local::create(&folder.path().join("root")).unwrap())).await;
}
