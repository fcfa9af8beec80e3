//! A store that fails once, where a test wants it to.

use crate::{Entry, ObjectName, Sha256, Store, Upload};
use async_trait::async_trait;
use bytes::Bytes;
use domain::{Code, Error, Result};
use std::{
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// What happens at the chosen call.
pub enum Fault {
    /// It fails before it took effect.
    Before,
    /// It takes effect, but the reply is lost: the caller sees an error.
    After,
    /// Something else happens first (a token is cancelled, the process dies); then the call goes on.
    Hook(Box<dyn Fn() + Send + Sync>),
}

/// A wrapper that counts every call, those on its uploads too, and puts a fault into one of them.
///
/// For fault sweeps: run the work with the fault in call 1, 2, 3 … until [`Faulty::calls`] stays below that number.
pub struct Faulty<S> {
    inner: S,
    script: Arc<Script>,
}

struct Script {
    calls: AtomicU64,
    nth: u64,
    fault: Fault,
}

impl<S: Store> Faulty<S> {
    /// Puts the fault into the `nth` call, counted from 1; 0 puts it nowhere.
    pub fn new(inner: S, nth: u64, fault: Fault) -> Self {
        Self { inner, script: Arc::new(Script { calls: AtomicU64::new(0), nth, fault }) }
    }

    /// How many calls there have been.
    pub fn calls(&self) -> u64 {
        self.script.calls.load(Ordering::SeqCst)
    }
}

impl Script {
    async fn run<T>(&self, what: &str, call: impl Future<Output = Result<T>> + Send) -> Result<T> {
        let number = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
        if number == self.nth {
            match &self.fault {
                Fault::Before => return Err(failure(what, number)),
                // What the call returned is dropped with the reply that carried it.
                Fault::After => return call.await.and_then(|_| Err(lost(what, number))),
                Fault::Hook(hook) => hook(),
            }
        }
        call.await
    }
}

fn failure(what: &str, number: u64) -> Error {
    Error::new(
        Code::StoreFailed,
        format!("Call {number} to the store, {what}, failed on purpose."),
        "This is a rehearsal: go on with the next.",
    )
}

fn lost(what: &str, number: u64) -> Error {
    Error::new(
        Code::AnswerLost,
        format!("The answer to call {number} to the store, {what}, was lost on purpose."),
        "This is a rehearsal: go on with the next.",
    )
}

#[async_trait]
impl<S: Store> Store for Faulty<S> {
    async fn create(&self, name: &ObjectName) -> Result<Box<dyn Upload>> {
        let inner = self.script.run("create", self.inner.create(name)).await?;
        Ok(Box::new(FaultyUpload { inner, script: self.script.clone() }))
    }

    async fn read(&self, name: &ObjectName, range: Range<u64>) -> Result<Bytes> {
        self.script.run("read", self.inner.read(name, range)).await
    }

    async fn size(&self, name: &ObjectName) -> Result<u64> {
        self.script.run("size", self.inner.size(name)).await
    }

    async fn list(&self, folder: Option<&ObjectName>) -> Result<Vec<Entry>> {
        self.script.run("list", self.inner.list(folder)).await
    }

    async fn remove(&self, name: &ObjectName) -> Result<()> {
        self.script.run("remove", self.inner.remove(name)).await
    }

    async fn sweep(&self) -> Result<()> {
        self.script.run("sweep", self.inner.sweep()).await
    }
}

struct FaultyUpload {
    inner: Box<dyn Upload>,
    script: Arc<Script>,
}

#[async_trait]
impl Upload for FaultyUpload {
    async fn write(&mut self, bytes: Bytes) -> Result<()> {
        self.script.run("write", self.inner.write(bytes)).await
    }

    async fn commit(self: Box<Self>, sha256: Sha256) -> Result<()> {
        let Self { inner, script } = *self;
        script.run("commit", inner.commit(sha256)).await
    }
}
