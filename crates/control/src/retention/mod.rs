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

use crate::{Control, Operate, Permit, View, cause::Cause, run::carried_through};
use catalog::{ExpiredRecord, TaskRecord};
use domain::{
    Code, Error, Result, ServerId, TaskForm, TaskId,
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
    /// names no destination or no rule that can be read. `edited` is the task that the form changes, if there is one.
    ///
    /// # Errors
    /// [`Code::NotFound`] if there is no such server.
    pub async fn preview_retention(
        &self,
        _: &Permit<View>,
        server: ServerId,
        edited: Option<TaskId>,
        form: &TaskForm,
    ) -> Result<Option<RetentionView>> {
        let (Ok(rule), Ok(destination)) = (form.rule(), form.destination.trim().parse()) else { return Ok(None) };
        let scope = match Scope::of(self, server, destination).await {
            Err(error) if error.code() == Code::NotFound => return Ok(None),
            scope => scope?,
        };
        self.planned(&scope.with(edited, form, rule.clone()), rule.as_ref(), &form.name).await.map(|(view, _)| Some(view))
    }

    /// What a task's rule deletes of what lies at its destination, if it is applied now.
    ///
    /// # Errors
    /// [`Code::NotFound`] if there is no such task.
    pub async fn retention_plan(&self, _: &Permit<View>, id: TaskId) -> Result<RetentionView> {
        let task = self.catalog.task(id).await?.task;
        let scope = Scope::of(self, task.server, task.destination).await?;
        self.planned(&scope, task.retention.as_ref(), &task.name).await.map(|(view, _)| view)
    }

    /// Deletes what the plan that was `seen` deletes.
    ///
    /// # Errors
    /// [`Code::Conflict`] if by now something else would go; what reading or writing the repository says.
    pub async fn apply_retention(&self, permit: &Permit<Operate>, id: TaskId, seen: &str) -> Result<Freed> {
        let task = self.catalog.task(id).await?.task;
        let scope = Scope::of(self, task.server, task.destination).await?;
        let (plan, going) = self.planned(&scope, task.retention.as_ref(), &task.name).await?;
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
        carried_through(async move { control.expire_shown(&scope, &going, &cause).await }).await
    }

    /// How a task's retention goes.
    pub(crate) async fn retention_state(&self, record: &TaskRecord) -> Result<RetentionState> {
        let task = &record.task;
        let look = self.catalog.expiry(task.server, task.destination).await?;
        let expired = self.catalog.expired_of(task.server, task.destination, DELETIONS).await?;
        Ok(RetentionState {
            rule: task.retention.as_ref().map(Rule::in_words),
            looked_at: look.as_ref().and_then(|look| look.done_at),
            error: look.and_then(|look| look.error),
            expired: expired.into_iter().filter(|line| task.selection.includes(&line.database)).map(line).collect(),
        })
    }

    async fn planned(&self, scope: &Scope, rule: Option<&Rule>, task: &str) -> Result<(RetentionView, Going)> {
        let now = Timestamp::now();
        let mut view = RetentionView {
            rule: rule.map(Rule::in_words),
            destination: scope.destination.id,
            destination_name: scope.destination.name.clone(),
            others: scope.others(task),
            databases: vec![],
            total: 0,
            stay: 0,
            go: 0,
            freed_bytes: 0,
            seen: String::new(),
            error: None,
            now,
        };
        let (mut going, mut databases) = (Going::new(), vec![]);
        match self.covered(scope, task).await {
            Ok(None) => {}
            Ok(Some((repository, looked))) => {
                for one in looked {
                    let decisions = one.group.decide(&repository, &one.wishes, &one.known, now);
                    let gone = one.going(&decisions);
                    if !gone.is_empty() {
                        going.insert(one.group.database.clone(), gone);
                    }
                    databases.push(database_plan(&one, decisions));
                }
            }
            Err(error) => view.error = Some(crate::execute::told(&error)),
        }
        view.total = databases.len() as u64;
        for database in &databases {
            view.go += database.go;
            view.stay += database.chains.len() as u64 - database.go;
            view.freed_bytes += database.freed_bytes;
        }
        // The sort is stable, so that both parts stay ordered by name.
        databases.sort_by_key(|database| database.go == 0);
        databases.truncate(SHOWN);
        (view.databases, view.seen) = (databases, fingerprint(&going));
        Ok((view, going))
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

/// What becomes of a database's chains, as it is shown.
fn database_plan(one: &Looked, decisions: Vec<Decision>) -> DatabasePlan {
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
        database: one.group.database.clone(),
        go: gone().count() as u64,
        freed_bytes: gone().map(|chain| chain.size_bytes).sum(),
        chains,
    }
}

/// Names a set of chains.
fn fingerprint(going: &Going) -> String {
    let hash = going.values().flatten().fold(Sha256::new(), |hash, folder| hash.chain_update(folder).chain_update("\n")).finalize();
    hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

fn line(record: ExpiredRecord) -> ExpiredLine {
    let error = match (record.ended_at, record.error) {
        (Some(_), _) => None,
        (None, Some(told)) => Some(format!("{} {}", told.sentence, told.next_step)),
        (None, None) => Some("It was cut off; what is left of it goes at the next look.".into()),
    };
    ExpiredLine {
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
