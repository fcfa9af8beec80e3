//! What a backup of PostgreSQL leaves on its server, whatever fails: the slot of the chain that there is, and no other one.

#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]

mod support;

use domain::{BackupKind, BackupType, Destination, Result, Server};
use engine::{A_LOOK, BackupRequest, Follow, backup, kept_chains, let_go};
use repository::ServerRef;
use source::{Following, Source};
use std::{path::PathBuf, sync::Arc};
use store::{Faulty, Memory, Store};
use support::{FAULTS, Shared, World, context};
use testkit::PostgresServer;

/// A server with one small database, and what backs it up.
struct Chain {
    server: PostgresServer,
    source: Arc<dyn Source>,
    named: ServerRef,
    world: World,
    state: tempfile::TempDir,
    store: Arc<dyn Store>,
}

impl Chain {
    fn new() -> Self {
        let server = PostgresServer::builder().conf("wal_level = logical").start().unwrap();
        server.create_database("shop").unwrap();
        server.psql("shop", "create table item (id int primary key); insert into item values (1)").unwrap();
        let at: Server = server.address().parse().unwrap();
        let source: Arc<dyn Source> = source::open(&at, 1).unwrap().into();
        let identity = source.identify(&context()).unwrap();
        let named = ServerRef { name: "here".into(), dbms: identity.dbms, version: identity.version, instance: identity.instance };
        Self { server, source, named, world: World::new(), state: tempfile::tempdir().unwrap(), store: Arc::new(Memory::default()) }
    }

    async fn request(&self, store: &Arc<dyn Store>, kind: BackupKind) -> Result<BackupRequest> {
        let root = Destination::Local { root: "/".into() };
        Ok(BackupRequest {
            source: Arc::clone(&self.source),
            server: self.named.clone(),
            kind,
            follow: Some(Follow::new(&root, self.state.path().into())),
            ..self.world.backup(self.world.repository(store).await?)
        })
    }

    /// The slots of all backups that are under the root, the newest backup's first.
    async fn of_backups(&self) -> Vec<String> {
        let points = self.world.repository(&self.store).await.unwrap().points(None).await.unwrap();
        let slot = |point: &repository::Point| point.manifest.as_ref().unwrap().position.to["stream"]["slot"].as_str().unwrap().to_owned();
        points.iter().map(slot).collect()
    }

    /// The slot that the newest backup of the chain names, which need not have the latest label of all, and how many backups there are.
    async fn newest(&self) -> (Vec<String>, usize) {
        let points = self.world.repository(&self.store).await.unwrap().newest_chain("shop", "here", BackupType::Logical).await.unwrap();
        let position = &points.last().unwrap().manifest.as_ref().unwrap().position.to;
        (vec![position["stream"]["slot"].as_str().unwrap().to_owned()], self.of_backups().await.len())
    }

    fn slots(&self) -> Vec<String> {
        let slots = self.server.psql("postgres", "select slot_name from pg_replication_slots order by 1").unwrap();
        slots.lines().map(str::to_owned).collect()
    }
}

/// A backup whose n-th call to the store fails. Returns what came of it, and whether the call was reached.
async fn faulty(chain: &Chain, kind: BackupKind, nth: u64, make: support::MakeFault) -> (Result<()>, bool) {
    let context = context();
    let faulty = Arc::new(Faulty::new(Shared(Arc::clone(&chain.store)), nth, make(&context.cancel)));
    let store: Arc<dyn Store> = faulty.clone();
    let done = match chain.request(&store, kind).await {
        Ok(request) => backup(&request, &context).await.map(drop),
        Err(error) => Err(error),
    };
    (done, faulty.calls() >= nth)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_backup_that_fails_at_whatever_point_leaves_no_slot_of_its_own() {
    let chain = Chain::new();
    // The first has no chain before it: nothing at all may stay.
    for nth in (6..).step_by(4) {
        let (done, _) = faulty(&chain, BackupKind::Full, nth, FAULTS[0]).await;
        if done.is_ok() {
            break;
        }
        assert_eq!(chain.slots(), Vec::<String>::new(), "call {nth}: {done:?}");
    }
    let mut kept = chain.of_backups().await;
    assert_eq!((kept.len(), chain.slots()), (1, kept.clone()));

    let mut failed = 0;
    for nth in 1.. {
        let (done, is_reached) = faulty(&chain, BackupKind::Full, nth, FAULTS[usize::try_from(nth).unwrap() % FAULTS.len()]).await;
        let now = chain.of_backups().await;
        if done.is_ok() {
            assert_eq!(chain.slots(), now[..1], "call {nth}: the slot of the newest goes on");
            kept = now;
            if !is_reached {
                break;
            }
            continue;
        }
        failed += 1;
        assert_eq!((chain.slots(), now.len()), (kept[..1].to_vec(), kept.len()), "call {nth}: {done:?}");
    }
    assert!(failed > 12, "the sweep ended after {failed} calls");

    // And the chain goes on from there.
    chain.server.psql("shop", "insert into item values (2)").unwrap();
    let request = chain.request(&chain.store, BackupKind::Incremental).await.unwrap();
    let outcome = backup(&request, &context()).await.unwrap();
    let made = outcome.backed_up().unwrap();
    assert_eq!((made.manifest.kind, made.manifest.archive.rows), (BackupKind::Incremental, 1), "{}", made.manifest.reason);
    assert_eq!(chain.slots(), chain.of_backups().await[..1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incremental_that_fails_at_whatever_point_leaves_the_slot_of_the_backup_before() {
    let chain = Chain::new();
    assert!(faulty(&chain, BackupKind::Incremental, u64::MAX, FAULTS[0]).await.0.is_ok());
    let mut failed = 0;
    for nth in 1.. {
        chain.server.psql("shop", "insert into item select max(id) + 1 from item").unwrap();
        let before = chain.newest().await;
        let (done, is_reached) = faulty(&chain, BackupKind::Incremental, nth, FAULTS[usize::try_from(nth).unwrap() % FAULTS.len()]).await;
        let now = chain.newest().await;
        assert_eq!((chain.slots(), now.1), (now.0.clone(), before.1 + usize::from(done.is_ok())), "call {nth}: {done:?}");
        failed += usize::from(done.is_err());
        if !is_reached {
            assert_ne!(now.0, before.0, "it went on with a slot of its own");
            break;
        }
        if done.is_ok() {
            // A chain that grows would take ever more calls.
            assert!(faulty(&chain, BackupKind::Full, u64::MAX, FAULTS[0]).await.0.is_ok());
        }
    }
    assert!(failed > 12, "the sweep ended after {failed} calls");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_idle_chain_keeps_is_let_go_and_what_a_crash_left() {
    let chain = Chain::new();
    assert!(faulty(&chain, BackupKind::Incremental, u64::MAX, FAULTS[0]).await.0.is_ok());
    let kept = kept_chains(chain.state.path()).remove(0);
    let following: Arc<dyn Following> = kept.following(chain.source.as_ref(), &chain.world.instance).into();
    let repository = chain.world.repository(&chain.store).await.unwrap();
    let fill =
        "create table if not exists busy(a text); insert into busy select repeat('x', 1000) from generate_series(1, 5000); checkpoint";
    chain.server.psql("postgres", fill).unwrap();
    // As after a crash in the middle of another backup: its slot is there, and the folder of its state.
    let slots = chain.slots();
    chain.server.psql("shop", &format!("select pg_copy_logical_replication_slot('{0}', '{0}_x')", slots[0])).unwrap();
    let folders: Vec<PathBuf> = chain.state.path().read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    std::fs::create_dir(folders[0].join("another")).unwrap();

    let hold = kept.hold(chain.state.path(), A_LOOK, &context()).unwrap();
    let held = || following.held_bytes(&context()).unwrap().unwrap();
    assert!(held() > 1 << 20);
    assert!(let_go(&hold, &repository, &following, &context()).await.unwrap());
    assert!(held() < 1 << 20);
    assert_eq!(chain.slots(), slots);
    // What changed is left.
    chain.server.psql("shop", "insert into item values (2)").unwrap();
    chain.server.psql("postgres", fill).unwrap();
    assert!(!let_go(&hold, &repository, &following, &context()).await.unwrap());
    assert!(held() > 1 << 20);
    drop(hold);
    let made = backup(&chain.request(&chain.store, BackupKind::Incremental).await.unwrap(), &context()).await.unwrap();
    assert_eq!(made.backed_up().unwrap().manifest.kind, BackupKind::Incremental);
    assert_eq!(made.backed_up().unwrap().manifest.archive.rows, 1);
}
