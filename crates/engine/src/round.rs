//! Many backups of one server: one failing never stops the others.

use crate::{BackupRequest, Follow, Outcome, backup};
use domain::{BackupKind, ChainLimit, Meter, Phase, Result};
use futures::StreamExt;
use repository::{Instance, Repository, ServerRef};
use seal::PublicKey;
use source::{Context, Scope, Source};
use std::{collections::HashMap, sync::Arc, time::Instant};

/// What a round is asked to do.
#[derive(Clone)]
pub struct RoundRequest {
    /// The server.
    pub source: Arc<dyn Source>,
    /// The server as its manifests name it.
    pub server: ServerRef,
    /// Everything to back up, in the order to begin with.
    pub scopes: Vec<Scope>,
    /// Where to.
    pub repository: Repository,
    /// Who signs.
    pub instance: Arc<Instance>,
    /// Who shall be able to read the archives; nobody named: everybody who can read the root.
    pub recipients: Vec<PublicKey>,
    /// The task that ordered the round.
    pub task: Option<String>,
    /// The kind that is asked for.
    pub kind: BackupKind,
    /// Why that kind, a sentence.
    pub reason: String,
    /// How long chains may grow.
    pub limit: ChainLimit,
    /// How chains are followed; none for full backups that no incremental will come after.
    pub follow: Option<Follow>,
    /// Runs at the same time, at least one.
    pub jobs: usize,
    /// Threads for one run.
    pub workers: usize,
}

/// One run of a round.
pub struct Run {
    /// What was backed up.
    pub scope: Scope,
    /// What came of it, or why nothing did.
    pub result: RunResult,
    /// How long it took, waiting not counted.
    pub seconds: f64,
}

/// The outcome of a run.
pub type RunResult = Result<Outcome>;

/// A round that has ended. Runs are in the order of the request.
pub struct Round {
    /// All runs.
    pub runs: Vec<Run>,
}

/// Watches a round.
pub trait Observer: Send + Sync {
    /// A run has a place and begins.
    fn began(&self, scope: &Scope, meter: &Arc<Meter>);
    /// A run has ended.
    fn ended(&self, run: &Run);
}

/// Carries out a round, with at most `jobs` runs at once.
pub async fn round(request: &RoundRequest, observer: &dyn Observer, context: &Context) -> Round {
    let runs = request.scopes.iter().enumerate().map(|(at, scope)| async move { (at, run(request, scope, observer, context).await) });
    let mut runs: Vec<_> = futures::stream::iter(runs).buffer_unordered(request.jobs.max(1)).collect().await;
    runs.sort_by_key(|(at, _)| *at);
    Round { runs: runs.into_iter().map(|(_, run)| run).collect() }
}

async fn run(request: &RoundRequest, scope: &Scope, observer: &dyn Observer, context: &Context) -> Run {
    let began = Instant::now();
    let context = Context { meter: Arc::default(), ..context.clone() };
    context.meter.enter(Phase::Waiting, 0);
    observer.began(scope, &context.meter);
    let one = BackupRequest {
        source: Arc::clone(&request.source),
        server: request.server.clone(),
        scope: scope.clone(),
        repository: request.repository.clone(),
        instance: Arc::clone(&request.instance),
        recipients: request.recipients.clone(),
        task: request.task.clone(),
        kind: request.kind,
        reason: request.reason.clone(),
        doubts: HashMap::new(),
        limit: request.limit,
        follow: request.follow.clone(),
        workers: request.workers,
    };
    let result = match context.check() {
        Ok(()) => backup(&one, &context).await,
        Err(cancelled) => Err(cancelled),
    };
    if let Err(error) = &result {
        tracing::debug!(?scope, ?error, "a run failed");
    }
    let run = Run { scope: scope.clone(), result, seconds: began.elapsed().as_secs_f64() };
    observer.ended(&run);
    run
}
