//! Chains: what makes a backup full, what a failure in the middle leaves, and what a restore goes through.

#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]

mod support;

use domain::{BackupKind, BackupType, ChainLimit, Code, Label, Result, retention::Wish};
use engine::{BackupRequest, Follow, Known, Outcome, backup, backup_and_close, restore, verify};
use jiff::{SignedDuration, Timestamp};
use repository::{Key, Manifest, Place, Repository};
use seal::PrivateKey;
use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};
use store::{Faulty, Memory, Store};
use support::{FAULTS, Shared, World, context};

/// A world of one small database whose chain is followed.
struct Chain {
    world: World,
    state: tempfile::TempDir,
    /// What the root is called; what lies there is in `store`.
    root: std::path::PathBuf,
    store: Arc<dyn Store>,
    limit: ChainLimit,
    doubts: HashMap<String, String>,
}

impl Chain {
    fn new() -> Self {
        let world = World::new();
        let rows = |count: u32| (0..count).map(|i| format!("[{i},\"row\"]")).collect();
        world.server.state().databases.insert("shop".into(), [("item".into(), rows(5)), ("other".into(), rows(2))].into());
        Self {
            world,
            state: tempfile::tempdir().unwrap(),
            root: "/".into(),
            store: Arc::new(Memory::default()),
            limit: ChainLimit::default(),
            doubts: HashMap::new(),
        }
    }

    async fn request(&self, store: &Arc<dyn Store>) -> Result<BackupRequest> {
        let repository = self.world.repository(store).await?;
        let root = domain::Destination::Local { root: self.root.clone() };
        Ok(BackupRequest {
            kind: BackupKind::Incremental,
            limit: self.limit,
            doubts: self.doubts.clone(),
            follow: Some(Follow::new(&root, self.state.path().into())),
            ..self.world.backup(repository)
        })
    }

    async fn back_up(&self) -> Option<Manifest> {
        let outcome = backup(&self.request(&self.store).await.unwrap(), &context()).await.unwrap();
        outcome.backed_up().map(|backup| backup.manifest.clone())
    }

    /// The kind that it was, and why.
    async fn made(&self) -> (BackupKind, String) {
        let manifest = self.back_up().await.unwrap();
        (manifest.kind, manifest.reason)
    }

    fn change(&self, table: &str, row: &str) {
        self.world.server.state().databases.get_mut("shop").unwrap().get_mut(table).unwrap().push(row.into());
    }

    async fn repository(&self) -> Repository {
        self.world.repository(&self.store).await.unwrap()
    }

    /// Folders of its chains, oldest first.
    async fn folders(&self) -> Vec<String> {
        let points = self.repository().await.points(None).await.unwrap();
        BTreeSet::from_iter(points.iter().map(|point| point.place.folder().as_str().to_owned())).into_iter().collect()
    }

    /// Every backup that is listed holds and restores; the newest of all gives the database as it is, if `whole`.
    async fn holds(&self, whole: bool) -> usize {
        let repository = self.repository().await;
        let points = repository.points(None).await.unwrap();
        for (at, point) in points.iter().enumerate() {
            verify(&repository, point, self.world.key.as_ref(), 1, &context()).await.unwrap();
            let restored = restore(&self.world.restore(repository.clone(), "check"), point, &context()).await.unwrap();
            assert!(restored.proven(), "{:?}", restored.different().collect::<Vec<_>>());
            let there = self.world.server.state().databases.remove("check").unwrap();
            assert!(at > 0 || !whole || there == self.world.server.state().databases["shop"], "the newest backup is not what there is");
        }
        points.len()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_reason_for_a_full_backup_is_written_on_it() {
    let mut chain = Chain::new();
    let full = |(kind, reason): (BackupKind, String), word: &str| assert!(kind == BackupKind::Full && reason.contains(word), "{reason}");
    full(chain.made().await, "no full backup yet");
    chain.change("item", "[6,\"b\"]");
    assert_eq!(chain.made().await, (BackupKind::Incremental, "A test asked for it.".into()));
    assert!(chain.back_up().await.is_none(), "a backup without changes was made");

    chain.change("item", "[7,\"c\"]");
    chain.limit.incrementals = Some(1);
    full(chain.made().await, "as many incrementals");
    chain.limit = ChainLimit::default();
    chain.change("item", "[8,\"d\"]");
    // What is known of an older chain does not matter to the newest one.
    let folders = chain.folders().await;
    chain.doubts.insert(folders[0].clone(), "An older chain.".into());
    assert_eq!(chain.made().await.0, BackupKind::Incremental);
    chain.change("item", "[8,\"e\"]");
    chain.doubts.insert(folders[1].clone(), "Its last verification failed.".into());
    full(chain.made().await, "verification failed");
    chain.change("item", "[9,\"e\"]");
    chain.world.key = Some(Key::Private(PrivateKey::generate().unwrap()));
    full(chain.made().await, "keys");
    chain.change("item", "[10,\"f\"]");
    assert_eq!(chain.made().await.0, BackupKind::Incremental);
    assert_eq!(chain.holds(true).await, 7);

    std::fs::remove_dir_all(chain.state.path()).unwrap();
    chain.change("item", "[11,\"g\"]");
    full(chain.made().await, "sealed");
    chain.world.server.state().databases.get_mut("shop").unwrap().insert("new".into(), vec![]);
    full(chain.made().await, "other tables");
    // The archive of the newest is gone.
    let repository = chain.repository().await;
    let newest = repository.points(None).await.unwrap().remove(0);
    chain.store.remove(&newest.place.archive(true).unwrap()).await.unwrap();
    chain.change("item", "[12,\"h\"]");
    full(chain.made().await, "cannot be used");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incremental_that_turns_out_not_to_be_possible_is_a_full_one_in_the_same_run() {
    let chain = Chain::new();
    chain.back_up().await;
    chain.change("item", "[6,\"b\"]");
    chain.world.server.state().unreadable = Some(("A change is too large.".into(), false));
    assert_eq!(chain.made().await, (BackupKind::Full, "A change is too large.".into()));
    chain.change("item", "[7,\"c\"]");
    assert_eq!(chain.made().await.0, BackupKind::Incremental);
    assert_eq!(chain.holds(true).await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_with_moments_is_ended_by_an_incremental_before_a_full_backup() {
    let mut chain = Chain::new();
    chain.world.server.state().gives_moments = true;
    chain.back_up().await;
    let full = async |chain: &Chain| {
        let request = BackupRequest { kind: BackupKind::Full, reason: "It is due.".into(), ..chain.request(&chain.store).await.unwrap() };
        let mut closed = vec![];
        let made = backup_and_close(&request, &mut closed, &context()).await.unwrap().backed_up().unwrap().clone();
        assert!(closed.len() < 2, "{closed:?}");
        (made, closed.pop())
    };
    // Nothing changed: its last backup tells how it was all along.
    let (made, closing) = full(&chain).await;
    assert!(closing.is_none() && made.notes.is_empty(), "{made:?}");

    chain.change("item", "[6,\"b\"]");
    let (made, closing) = full(&chain).await;
    let closing = closing.unwrap();
    assert_eq!((made.manifest.kind, made.manifest.reason.as_str()), (BackupKind::Full, "It is due."));
    assert_eq!(closing.manifest.reason, "A full backup follows it: no moment before that shall be missing.");
    assert!(closing.manifest.prior.is_some() && closing.place.folder().as_str() == chain.folders().await[1], "{closing:?}");
    assert!(closing.manifest.label < made.manifest.label && made.manifest.began_at <= made.manifest.ended_at, "{closing:?} {made:?}");
    assert_eq!(chain.world.server.state().settled.last(), Some(&made.manifest.position.to));

    // Also where the chain became too long, and whatever becomes of it.
    chain.limit.incrementals = Some(0);
    chain.change("item", "[7,\"c\"]");
    let mut closed = vec![];
    backup_and_close(&chain.request(&chain.store).await.unwrap(), &mut closed, &context()).await.unwrap();
    assert_eq!(closed.len(), 1);
    chain.change("item", "[8,\"d\"]");
    chain.world.server.state().unreadable = Some(("A change is too large.".into(), false));
    let (made, closing) = full(&chain).await;
    assert!(closing.is_none() && made.notes[0].contains("can be restored. A change is too large."), "{:?}", made.notes);
    chain.world.server.state().unreadable = None;
    // But not where it could not go on, or has no moments.
    chain.change("item", "[9,\"e\"]");
    chain.doubts.insert(chain.folders().await.last().unwrap().clone(), "Its last verification failed.".into());
    let (made, closing) = full(&chain).await;
    assert!(closing.is_none() && made.notes.is_empty(), "{made:?}");
    chain.doubts.clear();
    chain.world.server.state().gives_moments = false;
    chain.change("item", "[10,\"f\"]");
    let (made, closing) = full(&chain).await;
    assert!(closing.is_none() && made.notes.is_empty(), "{made:?}");
    assert_eq!((chain.holds(true).await, chain.folders().await.len()), (9, 7));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_crash_left_without_a_manifest_ends_no_chain() {
    let chain = Chain::new();
    chain.back_up().await;
    chain.change("item", "[6,\"b\"]");
    let later = Label::new(Timestamp::now() + SignedDuration::from_hours(1), BackupKind::Full, BackupType::Logical);
    let archive = Place::of_full("shop", "here", later).unwrap().archive(false).unwrap();
    store::put(chain.store.as_ref(), &archive, bytes::Bytes::from_static(b"half of it")).await.unwrap();
    assert_eq!(chain.made().await, (BackupKind::Incremental, "A test asked for it.".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_backup_that_nothing_was_meant_to_follow_ends_no_chain() {
    let chain = Chain::new();
    chain.back_up().await;
    chain.change("item", "[6,\"b\"]");
    let once = BackupRequest { kind: BackupKind::Full, follow: None, ..chain.request(&chain.store).await.unwrap() };
    let made = backup(&once, &context()).await.unwrap().backed_up().unwrap().manifest.clone();
    assert!(made.position.to.is_null() && made.kind == BackupKind::Full, "{made:?}");
    // Whoever looks at what the server keeps takes nothing away for it.
    let kept = engine::kept_chains(chain.state.path()).remove(0);
    let hold = kept.hold(chain.state.path(), engine::A_LOOK, &context()).unwrap();
    let following = kept.following(&chain.world.server, &chain.world.instance).into();
    engine::let_go(&hold, &chain.repository().await, &following, &context()).await.unwrap();
    drop(hold);

    assert_eq!(chain.made().await, (BackupKind::Incremental, "A test asked for it.".into()));
    assert!(chain.back_up().await.is_none(), "nothing changed since");
    chain.change("item", "[7,\"c\"]");
    assert_eq!(chain.made().await, (BackupKind::Incremental, "A test asked for it.".into()));
    assert_eq!(chain.holds(false).await, 4);
    assert!(chain.world.server.state().settled.iter().all(|position| !position.is_null()));
    // A rule that would keep the newest chain alone keeps the newest backup, too.
    let repository = chain.repository().await;
    let groups = engine::groups(repository.points(None).await.unwrap()).unwrap();
    let wish = Wish { task: String::new(), rule: Some("count=1".parse().unwrap()), zone: jiff::tz::TimeZone::UTC };
    let later = Timestamp::now() + SignedDuration::from_hours(1);
    let decisions = groups[0].decide(&repository, &[wish], &Known::default(), later);
    assert!(decisions.len() == 2 && decisions.iter().all(|decision| decision.keep), "{decisions:?}");
    assert!(decisions.iter().any(|decision| decision.reason == "Incremental backups go on with it."), "{decisions:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_was_followed_the_newest_full_backup_is_gone_on_from() {
    let chain = Chain::new();
    let once = BackupRequest { kind: BackupKind::Full, follow: None, ..chain.request(&chain.store).await.unwrap() };
    for _ in 0..2 {
        backup(&once, &context()).await.unwrap();
    }
    chain.change("item", "[6,\"b\"]");
    let made = chain.back_up().await.unwrap();
    assert_eq!((made.kind, chain.holds(true).await), (BackupKind::Incremental, 3), "{}", made.reason);
    let points = chain.repository().await.points(None).await.unwrap();
    let point = points.iter().find(|point| point.place.label() == made.label).unwrap();
    assert_eq!(Some(point.place.folder().as_str()), chain.folders().await.last().map(String::as_str));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_root_that_is_away_makes_no_chain_by_another_name() {
    let mut chain = Chain::new();
    chain.back_up().await;
    let (there, folder) = (engine::kept_chains(chain.state.path()), tempfile::tempdir().unwrap());
    chain.root = folder.path().join("link");
    std::os::unix::fs::symlink(folder.path().join("mounted"), &chain.root).unwrap();
    chain.change("item", "[6,\"b\"]");
    let error = backup(&chain.request(&chain.store).await.unwrap(), &context()).await.unwrap_err();
    assert_eq!(error.code(), Code::RootUnusable, "{error}");
    assert_eq!(engine::kept_chains(chain.state.path()), there);
    // Once it is there, its name is where it leads to.
    std::os::unix::fs::symlink("/", folder.path().join("mounted")).unwrap();
    assert_eq!(chain.made().await.0, BackupKind::Incremental);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_goes_through_the_chain_and_compares_each_table_where_it_is_told_last() {
    let chain = Chain::new();
    chain.back_up().await;
    for row in 10..13 {
        chain.change("item", &format!("[{row},\"new\"]"));
        chain.back_up().await;
    }
    let repository = chain.repository().await;
    let points = repository.points(None).await.unwrap();
    assert_eq!(points.len(), 4);
    let restored = restore(&chain.world.restore(repository.clone(), "back"), &points[0], &context()).await.unwrap();
    assert_eq!(restored.tables.iter().map(|table| (table.table.as_str(), table.rows)).collect::<Vec<_>>(), [("item", 8), ("other", 2)]);
    let one = engine::RestoreRequest { only_table: Some("item".into()), ..chain.world.restore(repository.clone(), "one") };
    assert_eq!(restore(&one, &points[1], &context()).await.unwrap().tables[0].rows, 7);
    // Positions are settled in their order, each once.
    assert_eq!(chain.world.server.state().settled.iter().map(|it| it["rows"].as_u64().unwrap()).collect::<Vec<_>>(), [7, 8, 9, 10]);
    // Without the one in the middle, the ones after it are of no use, and the ones before it are.
    chain.store.remove(&points[1].place.manifest().unwrap()).await.unwrap();
    let points = repository.points(None).await.unwrap();
    let broken = restore(&chain.world.restore(repository.clone(), "no"), &points[0], &context()).await.unwrap_err();
    assert_eq!(broken.code(), Code::Damaged);
    assert!(restore(&chain.world.restore(repository.clone(), "yes"), &points[1], &context()).await.unwrap().proven());
}

/// The n-th call to the store fails while an incremental is made, for every n.
#[tokio::test(flavor = "multi_thread")]
async fn whatever_call_fails_the_chain_holds_and_goes_on() {
    for make in FAULTS {
        for nth in 1.. {
            let chain = Chain::new();
            chain.back_up().await;
            chain.change("item", "[6,\"b\"]");
            let context = context();
            let faulty = Arc::new(Faulty::new(Shared(Arc::clone(&chain.store)), nth, make(&context.cancel)));
            let store: Arc<dyn Store> = faulty.clone();
            let done = match chain.request(&store).await {
                Ok(request) => backup(&request, &context).await,
                Err(error) => Err(error),
            };
            let listed = chain.holds(done.is_ok()).await;
            assert!(listed >= 1 && (done.is_err() || listed == 2), "call {nth}: {listed} after {done:?}");
            chain.change("other", "[7,\"c\"]");
            let next = chain.back_up().await.unwrap();
            assert_eq!(next.kind, BackupKind::Incremental, "call {nth}: {}", next.reason);
            assert_eq!(chain.holds(true).await, listed + 1);
            // Of the states the newest alone is left.
            let folder = std::fs::read_dir(chain.state.path()).unwrap().next().unwrap().unwrap().path();
            assert_eq!(std::fs::read_dir(folder).unwrap().count(), 2, "call {nth}: beside what says which chain it is");
            if faulty.calls() < nth {
                assert!(matches!(done, Ok(Outcome::BackedUp(_))) && nth > 8, "the sweep ended after {nth} calls: {done:?}");
                break;
            }
        }
    }
}
