//! What a run needs, over a source of which a test says what it gives, and a store that fails where a test wants it to.
#![allow(
    dead_code,
    unused_imports,
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests, of which each test binary uses its part"
)]

mod scripted;

pub use scripted::{Scripted, Tables, missing, tables};

use domain::{BackupKind, ChainLimit, Dbms, Meter, Result};
use engine::{BackupRequest, RestoreRequest};
use repository::{Instance, Key, Repository, ServerRef, Trust};
use seal::PublicKey;
use source::{Context, Members, Scope, members::from_io, table};
use std::sync::Arc;
use store::{Fault, Store};

/// Everything that a run needs, over any store.
pub struct World {
    pub server: Scripted,
    pub instance: Arc<Instance>,
    pub trust: Trust,
    /// For whom backups are sealed, and what opens them.
    pub key: Option<Key>,
}

impl World {
    pub fn new() -> Self {
        let instance = Arc::new(Instance::generate().unwrap());
        let trust = Trust::new([instance.fingerprint()]);
        Self { server: Scripted::with("shop", tables()), instance, trust, key: None }
    }

    pub async fn repository(&self, store: &Arc<dyn Store>) -> Result<Repository> {
        Repository::create(Arc::clone(store), &self.instance, self.trust.clone()).await
    }

    fn recipients(&self) -> Vec<PublicKey> {
        match &self.key {
            Some(Key::Private(key)) => vec![key.public().unwrap()],
            _ => vec![],
        }
    }

    pub fn backup(&self, repository: Repository) -> BackupRequest {
        BackupRequest {
            source: Arc::new(self.server.clone()),
            server: ServerRef { name: "here".into(), dbms: Dbms::Sqlite, version: "1".into(), instance: "scripted".into() },
            scope: Scope::Database("shop".into()),
            repository,
            instance: Arc::clone(&self.instance),
            recipients: self.recipients(),
            task: None,
            kind: BackupKind::Full,
            reason: "A test asked for it.".into(),
            doubts: Default::default(),
            limit: ChainLimit::default(),
            follow: None,
            workers: 2,
        }
    }

    pub fn restore(&self, repository: Repository, name: &str) -> RestoreRequest {
        RestoreRequest {
            source: Arc::new(self.server.clone()),
            repository,
            name: name.into(),
            no_owner: false,
            create_roles: false,
            only_table: None,
            keep_different: false,
            key: self.key.clone(),
            until: None,
        }
    }
}

pub fn context() -> Context {
    Context::default()
}

/// What an archive's reader says, for tests that look inside.
pub fn rows(members: &dyn Members, name: &str) -> Vec<String> {
    let mut out = vec![];
    for part in table::parts(members, name) {
        let mut text = String::new();
        std::io::Read::read_to_string(&mut members.open(&part).unwrap(), &mut text).map_err(from_io).unwrap();
        out.extend(text.lines().skip(1).map(String::from));
    }
    out
}

/// A store that several wrappers can share.
#[derive(Clone)]
pub struct Shared(pub Arc<dyn Store>);

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
pub type MakeFault = fn(&tokio_util::sync::CancellationToken) -> Fault;

pub const FAULTS: [MakeFault; 3] = [
    |_| Fault::Before,
    |_| Fault::After,
    |cancel| {
        let cancel = cancel.clone();
        Fault::Hook(Box::new(move || cancel.cancel()))
    },
];
