//! Retention of tasks: what would go, what goes, and what is held.
//!
//! A server's backups at a destination are one thing: every task of the server that writes there and covers a database has a word
//! about the database's chains, whoever made them, and one goes only if each of these tasks lets it go. Tasks that are paused have
//! their word, too; but where all that have a rule are paused, nothing goes by itself.

mod act;
mod hold;
mod scope;
mod turns;

pub(crate) use act::{Errand, Going};
pub(crate) use scope::Scope;
pub(crate) use turns::{Asked, Turns};

use crate::{Control, Operate, Permit, View, cause::Cause, run::carried_through, screen::Names};
use catalog::{ExpiredRecord, ExpiryRecord, TaskRecord};
use domain::{
    Code, DestinationId, Error, Result, ServerId, Task, TaskForm, TaskId,
    retention::{Decision, Rule},
    view::retention::{ChainPlan, DatabasePlan, ExpiredLine, Freed, RetentionState, RetentionView},
};
use futures::{StreamExt, TryStreamExt};
use jiff::Timestamp;
use repository::Repository;
use scope::Looked;
use sha2::{Digest, Sha256};
use store::Mode;

/// Databases that are looked at together.
const AT_ONCE: usize = 8;
/// Databases of a plan that are shown; all are counted.
const SHOWN: usize = 50;
/// Deletions that a task's page shows.
const DELETIONS: u64 = 10;

impl Control {
    /// What a task's rule would delete of what lies at its destination, if the task were as its form says; none while the form
    /// names no server, no destination or no rule that can be read. `edited` is the task that the form changes, if there is one.
    ///
    /// # Errors
    /// [`Code::Catalog`].
    pub async fn preview_retention(&self, _: &Permit<View>, edited: Option<TaskId>, form: &TaskForm) -> Result<Option<RetentionView>> {
        let (Ok(rule), Ok(destination)) = (form.rule(), form.destination.trim().parse()) else { return Ok(None) };
        let Ok(servers) = form.servers().map(str::parse).collect::<Result<Vec<ServerId>>>() else { return Ok(None) };
        let scopes = match self.scopes(&servers, destination).await {
            Err(error) if error.code() == Code::NotFound => return Ok(None),
            scopes => scopes?,
        };
        let scopes: Vec<_> = scopes.into_iter().map(|scope| scope.with(edited, form, rule.clone())).collect();
        let Some(first) = scopes.first() else { return Ok(None) };
        let view = empty_view(first, rule.as_ref());
        self.planned(view, &scopes, &form.name).await.map(|(view, _)| Some(view))
    }

    /// What a task's rule deletes of what lies at its destination, if it is applied now.
    ///
    /// # Errors
    /// [`Code::NotFound`] if there is no such task.
    pub async fn retention_plan(&self, _: &Permit<View>, id: TaskId) -> Result<RetentionView> {
        let (_, view, _) = self.plan_of(id).await?;
        Ok(view)
    }

    /// What a task's rule lets go now: on each server that it covers.
    async fn plan_of(&self, id: TaskId) -> Result<(Task, RetentionView, Vec<(Scope, Going)>)> {
        let task = self.catalog.task(id).await?.task;
        let scopes = self.scopes(&task.servers, task.destination).await?;
        let first = scopes.first().ok_or_else(|| Error::internal("A task covers no server."))?;
        let view = empty_view(first, task.retention.as_ref());
        let (view, going) = self.planned(view, &scopes, &task.name).await?;
        Ok((task, view, scopes.into_iter().zip(going).collect()))
    }

    /// All that each of these servers has at a destination.
    async fn scopes(&self, servers: &[ServerId], destination: DestinationId) -> Result<Vec<Scope>> {
        let mut scopes: Vec<Scope> = vec![];
        for server in servers {
            if !scopes.iter().any(|scope| scope.server.id == *server) {
                scopes.push(Scope::of(self, *server, destination).await?);
            }
        }
        Ok(scopes)
    }

    /// Deletes what the plan that was `seen` deletes.
    ///
    /// # Errors
    /// [`Code::Conflict`] if by now something else would go; what reading or writing the repository says.
    pub async fn apply_retention(&self, permit: &Permit<Operate>, id: TaskId, seen: &str) -> Result<Freed> {
        let (task, plan, going) = self.plan_of(id).await?;
        if let Some(told) = plan.error {
            return Err(told.into());
        }
        if plan.seen != seen {
            let sentence = "What would be deleted has changed since it was shown.";
            return Err(Error::new(Code::Conflict, sentence, "Load the page again, and look at what would go now."));
        }
        let said = format!("Asked for by {}: {} chains, {} bytes.", permit.actor().name(), plan.go, plan.freed_bytes);
        self.catalog.append_audit(&permit.audit("retention applied", &task.name, Some(format!("/tasks/{id}")), said.clone())).await?;
        let (control, cause) = (self.clone(), Cause::user(permit, said));
        carried_through(async move {
            let mut freed = Freed::default();
            for (scope, going) in &going {
                freed += control.expire_shown(scope, going, &cause).await?;
            }
            Ok(freed)
        })
        .await
    }

    /// How a task's retention goes.
    pub(crate) async fn retention_state(&self, record: &TaskRecord) -> Result<RetentionState> {
        let (task, names) = (&record.task, self.server_names().await?);
        let (mut looks, mut expired) = (vec![], vec![]);
        for server in &task.servers {
            looks.push(self.catalog.expiry(*server, task.destination).await?);
            expired.extend(self.catalog.expired_of(*server, task.destination, DELETIONS).await?);
        }
        expired.retain(|line| task.selection.includes(&line.database));
        expired.sort_by_key(|line| std::cmp::Reverse(line.began_at));
        expired.truncate(usize::try_from(DELETIONS).unwrap_or(usize::MAX));
        let done_at = |look: &Option<ExpiryRecord>| look.as_ref().and_then(|look| look.done_at);
        Ok(RetentionState {
            rule: task.retention.as_ref().map(Rule::in_words),
            looked_at: looks.iter().map(done_at).min().flatten(),
            error: looks.into_iter().flatten().find_map(|look| look.error),
            expired: expired.into_iter().map(|record| line(record, &names)).collect(),
        })
    }

    /// Fills a view in, and says what goes of each scope.
    async fn planned(&self, mut view: RetentionView, scopes: &[Scope], task: &str) -> Result<(RetentionView, Vec<Going>)> {
        let (mut goings, mut databases) = (vec![], vec![]);
        for scope in scopes {
            let mut going = Going::new();
            view.others.extend(scope.others(task));
            match self.covered(scope, task).await {
                Ok(None) => {}
                Ok(Some((repository, looked))) => {
                    for one in looked {
                        let decisions = one.group.decide(&repository, &one.wishes, &one.known, view.now);
                        let gone = one.going(&decisions);
                        if !gone.is_empty() {
                            going.insert(one.group.database.clone(), gone);
                        }
                        databases.push(database_plan(&scope.server.server.name, &one, decisions));
                    }
                }
                Err(error) => view.error = Some(crate::execute::told(&error)),
            }
            goings.push(going);
        }
        view.others.sort_unstable();
        view.others.dedup();
        view.total = databases.len() as u64;
        for database in &databases {
            view.go += database.go;
            view.stay += database.chains.len() as u64 - database.go;
            view.freed_bytes += database.freed_bytes;
        }
        // The sort is stable, so that both parts stay ordered by server and name.
        databases.sort_by_key(|database| database.go == 0);
        databases.truncate(SHOWN);
        (view.databases, view.seen) = (databases, fingerprint(&goings));
        Ok((view, goings))
    }

    /// The databases that a task covers, with their chains, as they lie at the destination; none if nothing was ever written there.
    async fn covered(&self, scope: &Scope, task: &str) -> Result<Option<(Repository, Vec<Looked>)>> {
        let Some(repository) = self.open_own(&scope.destination, Mode::Read).await? else { return Ok(None) };
        let beside = scope::Beside::of(self, scope, None).await?;
        let covered: Vec<String> = beside.databases(scope).into_iter().filter(|database| scope.covers(task, database)).collect();
        let (repository, beside) = (&repository, &beside);
        let looks = covered.into_iter().map(|database| async move { self.chains_of(scope, repository, beside, &database).await });
        let looked: Vec<Option<Looked>> = futures::stream::iter(looks).buffered(AT_ONCE).try_collect().await?;
        Ok(Some((repository.clone(), looked.into_iter().flatten().collect())))
    }
}

/// A view to be filled in.
fn empty_view(scope: &Scope, rule: Option<&Rule>) -> RetentionView {
    RetentionView {
        rule: rule.map(Rule::in_words),
        destination: scope.destination.id,
        destination_name: scope.destination.name.clone(),
        others: vec![],
        databases: vec![],
        total: 0,
        stay: 0,
        go: 0,
        freed_bytes: 0,
        seen: String::new(),
        error: None,
        now: Timestamp::now(),
    }
}

/// What becomes of a database's chains, as it is shown.
fn database_plan(server_name: &str, one: &Looked, decisions: Vec<Decision>) -> DatabasePlan {
    let plan = |(points, decision): (&std::sync::Arc<Vec<repository::Point>>, Decision)| {
        let moments = || points.iter().map(|point| point.place.label().at());
        ChainPlan {
            from: moments().min().unwrap_or_default(),
            to: moments().max().unwrap_or_default(),
            backups: points.len() as u64,
            size_bytes: points.iter().filter_map(|point| point.archive_bytes).sum(),
            keep: decision.keep,
            reason: decision.reason,
        }
    };
    let mut chains: Vec<ChainPlan> = one.group.chains.iter().zip(decisions).map(plan).collect();
    chains.sort_by_key(|chain| std::cmp::Reverse(chain.from));
    let gone = || chains.iter().filter(|chain| !chain.keep);
    DatabasePlan {
        server_name: server_name.into(),
        database: one.group.database.clone(),
        go: gone().count() as u64,
        freed_bytes: gone().map(|chain| chain.size_bytes).sum(),
        chains,
    }
}

/// Names a set of chains.
fn fingerprint(goings: &[Going]) -> String {
    let folders = goings.iter().flat_map(|going| going.values().flatten());
    let hash = folders.fold(Sha256::new(), |hash, folder| hash.chain_update(folder).chain_update("\n")).finalize();
    hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

fn line(record: ExpiredRecord, names: &Names) -> ExpiredLine {
    let error = match (record.ended_at, record.error) {
        (Some(_), _) => None,
        (None, Some(told)) => Some(format!("{} {}", told.sentence, told.next_step)),
        (None, None) => Some("It was cut off; what is left of it goes at the next look.".into()),
    };
    ExpiredLine {
        server_name: names.get(&record.server).cloned().unwrap_or_default(),
        database: record.database,
        from: record.from_at,
        to: record.to_at,
        backups: record.backups,
        size_bytes: record.size_bytes,
        reason: record.reason,
        actor: record.actor,
        at: record.ended_at.unwrap_or(record.began_at),
        error,
    }
}
