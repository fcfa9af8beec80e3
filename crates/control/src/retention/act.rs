//! Deletes what every task lets go, chain by chain, each written down before it goes.

use super::{
    scope::{Beside, Looked, Scope},
    turns::Asked,
};
use crate::{Control, cause::Cause, execute::told, underway::Nudge};
use catalog::{ExpiredRecord, ExpiryRecord, RunRecord};
use domain::{Code, Error, Result, RunKind, RunState, display, view::retention::Freed};
use engine::expire::Name;
use jiff::Timestamp;
use repository::{Point, Repository};
use source::Context;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};
use store::Mode;

/// Who lets what go.
pub(crate) struct Errand<'a> {
    pub scope: &'a Scope,
    pub cause: &'a Cause,
    /// Folders of the chains that may go, if not all may that no rule keeps.
    pub only: Option<&'a BTreeSet<String>>,
}

/// Folders of chains that go, by database.
pub(crate) type Going = BTreeMap<String, BTreeSet<String>>;

impl Control {
    /// Notes that a run that has ended may let older backups of its database go.
    pub(crate) fn expire_after(&self, run: &RunRecord) {
        let Some(server) = run.server.filter(|_| run.kind == RunKind::Backup && run.state == RunState::Succeeded) else { return };
        let (destination, database, round) = (run.destination, run.database.clone(), run.round);
        self.underway.retention.ask(Asked { server, destination, database, round });
        self.nudge(Nudge::Expire);
    }

    /// Lets go what may go of all that a server has at a destination, and writes down how that went. What cannot be deleted holds
    /// up no other database.
    ///
    /// # Errors
    /// The first thing that went wrong.
    pub(crate) async fn expire_all(&self, scope: &Scope, cause: &Cause) -> Result<Freed> {
        let (mut freed, mut failed) = (Freed::default(), None);
        // Once for all databases: where the place cannot be read, nothing goes.
        if let Err(error) = self.open_own(&scope.destination, Mode::Read).await {
            self.write_look(scope, freed, Some(&error)).await?;
            return Err(error);
        }
        let databases = Beside::of(self, scope, None).await?.databases(scope);
        for database in databases {
            if self.underway.stopping.is_cancelled() {
                return Err(Error::cancelled());
            }
            if let Err(error) = self.expire(&Errand { scope, cause, only: None }, &database, &mut freed).await {
                tracing::warn!(
                    server = scope.server.server.name,
                    destination = scope.destination.name,
                    database,
                    ?error,
                    "chains that may go could not be deleted"
                );
                failed.get_or_insert(error);
            }
        }
        self.write_look(scope, freed, failed.as_ref()).await?;
        failed.map_or(Ok(freed), Err)
    }

    /// Lets go what was shown, if it still may.
    ///
    /// # Errors
    /// What reading or writing the repository says.
    pub(crate) async fn expire_shown(&self, scope: &Scope, going: &Going, cause: &Cause) -> Result<Freed> {
        let mut freed = Freed::default();
        for (database, folders) in going {
            self.expire(&Errand { scope, cause, only: Some(folders) }, database, &mut freed).await?;
        }
        self.underway.changed();
        Ok(freed)
    }

    /// Writes down how a look at everything went.
    pub(crate) async fn write_look(&self, scope: &Scope, freed: Freed, failed: Option<&Error>) -> Result<()> {
        let now = Timestamp::now();
        let look = ExpiryRecord {
            server: scope.server.id,
            destination: scope.destination.id,
            tried_at: now,
            done_at: failed.is_none().then_some(now),
            chains: freed.chains,
            size_bytes: freed.size_bytes,
            error: failed.map(told),
        };
        self.catalog.set_expiry(&look).await?;
        self.underway.changed();
        Ok(())
    }

    /// Lets go what may go of one database. What is freed is added as it goes.
    ///
    /// # Errors
    /// What reading or writing the repository says: what was not deleted is whole.
    pub(crate) async fn expire(&self, errand: &Errand<'_>, database: &str, freed: &mut Freed) -> Result<()> {
        let scope = errand.scope;
        let _turn = self.underway.retention.expiring.lock().await;
        let Some(repository) = self.open_own(&scope.destination, Mode::Write).await? else { return Ok(()) };
        let beside = Beside::of(self, scope, Some(database)).await?;
        let Some(looked) = self.chains_of(scope, &repository, &beside, database).await? else { return Ok(()) };
        let Looked { group, wishes, known, .. } = &looked;
        let context = Context { cancel: self.underway.stopping.child_token(), ..Context::default() };
        let now = Timestamp::now();
        let decisions = group.decide(&repository, wishes, known, now);
        let mut held = vec![];
        let fault = group.fault_of_newest(&repository, &decisions, known, now, &mut held, &context).await?;
        // A backup that ends meanwhile puts all off to the next look, which shall not read the same again.
        for (folder, label) in held {
            self.catalog.set_checked(scope.destination.id, &folder, label, now).await?;
        }
        if let Some((name, error)) = fault {
            return Err(self.newest_does_not_hold(scope, &name, error).await?);
        }
        let going = group.chains.iter().zip(decisions).filter(|(_, decision)| !decision.keep);
        let mut going: Vec<(&Arc<Vec<Point>>, String)> = going.map(|(points, decision)| (points, decision.reason)).collect();
        going.sort_by_key(|(points, _)| points.iter().map(|point| point.place.label()).min());
        for (points, reason) in going {
            context.check()?;
            let may_go = |folder: &str| errand.only.is_none_or(|only| only.contains(folder));
            if points.first().is_some_and(|point| may_go(point.place.folder().as_str()))
                && self.let_go(errand, &repository, &looked, points, reason).await?
            {
                freed.chains += 1;
                freed.size_bytes += size_of(points);
            }
        }
        Ok(())
    }

    /// Writes down what is wrong with a backup for which others would have gone, so that it counts as a good one no more.
    async fn newest_does_not_hold(&self, scope: &Scope, (folder, label): &Name, error: Error) -> Result<Error> {
        if matches!(error.code(), Code::Damaged | Code::BadSignature | Code::TooLarge) {
            self.catalog.set_fault(scope.destination.id, folder, *label, &error.to_string(), Timestamp::now()).await?;
        }
        Ok(error.during(format_args!("The newest backup, {label}, does not hold, so nothing is deleted")))
    }

    /// Deletes one chain, unless somebody needs it, wants it kept or backs its database up since that was looked at. A crash on the way
    /// leaves its line in the catalog and a part of it under the root, which goes at the next look.
    async fn let_go(
        &self,
        errand: &Errand<'_>,
        repository: &Repository,
        looked: &Looked,
        points: &[Point],
        reason: String,
    ) -> Result<bool> {
        let (Errand { scope, cause, .. }, database) = (errand, looked.group.database.as_str());
        let _turn = self.underway.retention.chains_at(scope.destination.id).await;
        // Reading the newest one back may have taken hours.
        if let Some(why) = self.stays(scope, looked, points).await? {
            tracing::info!(database, why, "a chain that would have gone stays for now");
            return Ok(false);
        }
        let moments = || points.iter().map(|point| point.place.label().at());
        let chain = ExpiredRecord {
            server: scope.server.id,
            destination: scope.destination.id,
            database: database.into(),
            folder: points.first().map_or_else(String::new, |point| point.place.folder().as_str().into()),
            from_at: moments().min().unwrap_or_default(),
            to_at: moments().max().unwrap_or_default(),
            backups: points.len() as u64,
            size_bytes: size_of(points),
            reason,
            actor: cause.who().into(),
            began_at: Timestamp::now(),
            ended_at: None,
            error: None,
        };
        let detail = format!("{} at {} ({}). {}", chain.folder, scope.destination.name, display::size(chain.size_bytes), chain.reason);
        let audit = |action: &str, said: String| {
            cause.saying(said, false).audit(Timestamp::now(), action, database, format!("/backups/{}", scope.destination.id))
        };
        let line = self.catalog.begin_expiry(&chain, &audit("chain expires", detail)).await?;
        match repository.remove_chain(points).await {
            Ok(()) => {
                tracing::info!(database, chain = chain.folder, reason = chain.reason, size_bytes = chain.size_bytes, "a chain was deleted");
                self.catalog.end_expiry(&line, &chain, Timestamp::now()).await?;
                Ok(true)
            }
            Err(error) => {
                let said = format!("{} {error} {}", chain.folder, error.next_step());
                self.catalog.fail_expiry(&line, &told(&error), &audit("chain not deleted", said)).await?;
                Err(error)
            }
        }
    }
}

fn size_of(points: &[Point]) -> u64 {
    points.iter().filter_map(|point| point.archive_bytes).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use catalog::{RoundRecord, TaskRecord};
    use domain::{Origin, RoundId, RoundState};
    use std::{path::Path, time::Duration};
    use uuid::Uuid;

    /// A task over one database with so many chains. The console does nothing by itself any more.
    async fn with_chains(control: &Control, folder: &Path, count: usize) -> TaskRecord {
        std::fs::create_dir(folder.join("dbs")).unwrap();
        let connection = rusqlite::Connection::open(folder.join("dbs/shop.db")).unwrap();
        connection.execute_batch("CREATE TABLE t (x); INSERT INTO t VALUES (1)").unwrap();
        let task = TaskRecord { enabled: false, next_at: None, ..fixture::task() };
        fixture::add_task_in(control, &task, folder).await;
        control.start().await.unwrap();
        for _ in 0..count {
            let (id, now) = (RoundId::new(Uuid::now_v7()), Timestamp::now());
            let round = fixture::round(&task, RoundState::Preparing);
            let round = RoundRecord { id, origin: Origin::User, due_at: now, began_at: now, ..round };
            control.begin_round(round, &Cause::console("")).await.unwrap();
            let began = std::time::Instant::now();
            let ended = loop {
                let round = control.catalog.round(id).await.unwrap();
                if round.state.has_ended() {
                    break round;
                }
                assert!(began.elapsed() < Duration::from_secs(60), "{round:?}");
                tokio::time::sleep(Duration::from_millis(20)).await;
            };
            assert_eq!(ended.state, RoundState::Succeeded, "{ended:?}");
        }
        control.stop(Duration::from_secs(30)).await;
        task
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_happens_while_the_newest_is_read_back_keeps_what_would_have_gone() {
        let (control, folder) = fixture::console().await;
        let task = with_chains(&control, folder.path(), 3).await;
        let (server, destination) = (task.task.servers[0], task.task.destination);
        let scope = Scope::of(&control, server, destination).await.unwrap();
        let repository = control.open_own(&scope.destination, Mode::Write).await.unwrap().unwrap();
        let beside = Beside::of(&control, &scope, Some("shop.db")).await.unwrap();
        let look = async || control.chains_of(&scope, &repository, &beside, "shop.db").await.unwrap().unwrap();
        let (cause, looked) = (Cause::console("By the rules of its tasks."), look().await);
        let errand = Errand { scope: &scope, cause: &cause, only: None };
        let goes = async |looked: &Looked| {
            let points = &looked.group.chains[0];
            let has_gone = control.let_go(&errand, &repository, looked, points, "No rule keeps it.".into()).await.unwrap();
            let folder = folder.path().join("root").join(points[0].place.folder().as_str());
            let has_files = std::fs::read_dir(folder).is_ok_and(|mut files| files.next().is_some());
            assert_eq!(has_gone, !has_files);
            has_gone
        };
        assert_eq!((looked.group.chains.len(), goes(&looked).await), (3, true));
        let looked = look().await;

        // A backup begins, which may go on with the chain.
        let run = RunRecord { round: None, server: Some(server), destination, queued_at: Timestamp::now(), ..fixture::run("shop.db") };
        let working = RunRecord { state: RunState::Running, ..run.clone() };
        let queue = async |run: RunRecord| control.queue_runs(vec![run], "", String::new(), String::new(), &cause).await.unwrap();
        queue(working.clone()).await;
        assert!(!goes(&looked).await, "it is being backed up");
        let ended = |run: &mut RunRecord| run.ended_at = Some(Timestamp::now());
        control.change_alone(&working, RunState::Succeeded, &cause, ended).await.unwrap();
        assert!(!goes(&looked).await, "it was backed up");
        // Or one fails.
        let looked = look().await;
        let failed = RunRecord { id: domain::RunId::new(Uuid::now_v7()), state: RunState::Failed, queued_at: Timestamp::now(), ..run };
        queue(failed).await;
        assert!(!goes(&looked).await, "its newest run failed");
        assert_eq!(looked.group.chains.len(), 2);
    }
}
