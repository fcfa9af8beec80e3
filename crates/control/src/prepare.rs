//! Preparing a round: which databases there are now, and a run for each.

use crate::{
    Control,
    cause::Cause,
    execute::{Asked, retry_at, told},
    underway::{Ground, Nudge},
};
use catalog::{RoundRecord, RunRecord};
use domain::{BackupKind, ChainLimit, Code, Error, Once, Origin, Result, RoundId, RoundState, RunId, RunKind, RunState, Selection, Task};
use jiff::Timestamp;
use repository::layout::GLOBALS;
use source::{Database, Scope};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// What a round begins with.
struct Prepared {
    ground: Arc<Ground>,
    scopes: Vec<Scope>,
    asked: Asked,
    owed: Owed,
}

/// Which databases an incremental round backs up in full, because the full backup before it failed for good.
#[derive(Debug, PartialEq, Eq)]
enum Owed {
    All,
    Of(Vec<String>),
}

impl Owed {
    fn has(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Of(names) => names.iter().any(|owed| owed == name),
        }
    }
}

/// Rounds of a task that are looked through for the one before.
const LOOKED_THROUGH: u64 = 20;

impl Control {
    /// Begins to prepare a round, unless that is under way.
    pub(crate) fn begin_preparing(&self, id: RoundId) {
        if let Some(token) = self.underway.begin_preparing(id) {
            let control = self.clone();
            tokio::spawn(async move {
                if let Err(error) = control.prepare(id, &token).await {
                    tracing::warn!(?error, round = %id, "a round is not prepared yet");
                }
                control.underway.end_preparing(id);
                control.underway.changed();
            });
        }
    }

    /// Prepares a round. Whoever cancels says in the catalog what becomes of it; where the console stops, it is prepared
    /// again at the next start.
    async fn prepare(&self, id: RoundId, token: &CancellationToken) -> Result<()> {
        let round = self.catalog.round(id).await?;
        // A crash came between the last two steps: all runs are there already.
        if !self.catalog.runs_of_round(id).await?.is_empty() {
            return self.let_run(&round, None).await;
        }
        let (control, asked) = (self.clone(), round.clone());
        let mut work = tokio::spawn(async move { control.look_for(&asked).await });
        let outcome = tokio::select! {
            () = token.cancelled() => {
                work.abort();
                return Ok(());
            }
            done = &mut work => done.unwrap_or_else(|error| Err(Error::internal("A piece of work broke off.").because(error))),
        };
        match outcome {
            Ok(prepared) => self.let_run(&round, Some(prepared)).await,
            Err(error) => self.not_prepared(&round, &error).await,
        }
    }

    /// What the round is ordered: by the round itself, or by its task as that is now. With it, how long chains may grow, and
    /// whether incrementals may come after.
    pub(crate) async fn order_of(&self, round: &RoundRecord) -> Result<(Once, ChainLimit, bool)> {
        if let Some(once) = &round.once {
            return Ok((once.clone(), ChainLimit::default(), false));
        }
        let gone = || {
            Error::new(
                Code::NotFound,
                "The task was deleted before its round began.",
                "Create a new task if the databases are to be backed up.",
            )
        };
        let task = self.catalog.task(round.task.ok_or_else(gone)?).await.map_err(|error| match error.code() {
            Code::NotFound => gone(),
            _ => error,
        })?;
        let Task { selection, recipients, chain_limit, schedules, .. } = task.task;
        let follow = schedules.incremental.is_some() || round.wanted == BackupKind::Incremental;
        Ok((Once { selection, recipients }, chain_limit, follow))
    }

    async fn look_for(&self, round: &RoundRecord) -> Result<Prepared> {
        let (order, limit, follow) = self.order_of(round).await?;
        let server = self.catalog.server(round.server).await?;
        let destination = self.catalog.destination(round.destination).await?;
        let (identity, databases) = self.discover(&server).await?;
        let scopes = scopes(&databases, identity.has_globals, &order.selection, round.only_database.as_deref())?;
        let source = self.open_source(&server).await?;
        let ground = self.open_ground(source, &server, identity, &destination).await?;
        let recipients = self.recipients(&order.recipients).await?;
        let asked = Asked { recipients, limit, follow, ..Asked::default() };
        Ok(Prepared { ground, scopes, asked, owed: self.owed(round).await? })
    }

    /// What is owed at a round: once, at the next time, so that a full backup that fails again and again does not keep the
    /// incrementals from being made that still can be.
    async fn owed(&self, round: &RoundRecord) -> Result<Owed> {
        let nothing = Owed::Of(vec![]);
        let Some(task) = round.task.filter(|_| round.wanted == BackupKind::Incremental && is_of_schedule(round)) else {
            return Ok(nothing);
        };
        let newest = self.catalog.rounds_of_task(task, LOOKED_THROUGH).await?;
        let Some(full) = before(round, &newest).filter(|before| before.wanted == BackupKind::Full && is_of_schedule(before)) else {
            return Ok(nothing);
        };
        let runs = self.catalog.runs_of_round(full.id).await?;
        if runs.is_empty() && full.state == RoundState::Failed {
            return Ok(Owed::All);
        }
        Ok(Owed::Of(runs.into_iter().filter(|run| run.state == RunState::Failed).map(|run| run.database).collect()))
    }

    /// Adds the runs and lets the round run. Two steps, and a crash between them is seen above.
    async fn let_run(&self, round: &RoundRecord, prepared: Option<Prepared>) -> Result<()> {
        let deciding = self.deciding().await;
        let now = self.catalog.round(round.id).await?;
        // Aborted, or put off while it was being prepared.
        if now.state != RoundState::Preparing || now.retry_at.is_some_and(|at| at > Timestamp::now()) {
            return Ok(());
        }
        let mut said = "Goes on where the console was stopped.".to_owned();
        if let Some(Prepared { ground, scopes, asked, owed }) = prepared {
            let databases = scopes.iter().filter(|scope| **scope != Scope::Globals).count();
            let globals = if scopes.contains(&Scope::Globals) { ", and the server's roles and tablespaces" } else { "" };
            said = format!("Found {databases} {} to back up{globals}.", if databases == 1 { "database" } else { "databases" });
            self.underway.keep_ground(round.id, &ground);
            let runs = runs(&now, &scopes, &asked, &owed, Timestamp::now())?;
            let in_full = runs.iter().filter(|run| run.wanted != Some(now.wanted)).count();
            if in_full > 0 {
                said.push_str(&format!(" Full backups are made of {in_full} of them, in the place of those that failed."));
            }
            self.queue_runs(runs, "backups queued", now.task_name.clone(), crate::round::path(now.id), &Cause::console(&said)).await?;
        }
        let ready = |round: &mut RoundRecord| (round.retry_at, round.error) = (None, None);
        self.change_round(&deciding, &now, RoundState::Running, &Cause::console(said), ready).await?;
        drop(deciding);
        // They may all have ended before the round ran.
        self.settle(round.id).await
    }

    async fn not_prepared(&self, round: &RoundRecord, error: &Error) -> Result<()> {
        tracing::warn!(round = %round.id, task = round.task_name, ?error, "a round could not be prepared");
        let next_due = match round.task {
            Some(task) => self.catalog.task(task).await.ok().and_then(|task| task.next_at),
            None => None,
        };
        let deciding = self.deciding().await;
        let round = self.catalog.round(round.id).await?;
        if round.state != RoundState::Preparing {
            return Ok(());
        }
        let (now, told) = (Timestamp::now(), told(error));
        let again = retry_at(round.attempt, now, next_due).filter(|_| error.code().is_transient());
        let cause = Cause::console(String::new());
        if again.is_some() {
            let cause = cause.saying(format!("Attempt {}: {} It will be tried again.", round.attempt, told.sentence), true);
            let later = |round: &mut RoundRecord| {
                (round.retry_at, round.error, round.attempt) = (again, Some(told), round.attempt + 1);
            };
            self.change_round(&deciding, &round, RoundState::Preparing, &cause, later).await?;
        } else {
            let cause = cause.saying(format!("{} {}", told.sentence, told.next_step), true);
            let failed = |round: &mut RoundRecord| {
                (round.retry_at, round.error, round.ended_at) = (None, Some(told), Some(now));
            };
            self.change_round(&deciding, &round, RoundState::Failed, &cause, failed).await?;
            self.nudge(Nudge::Schedule);
        }
        Ok(())
    }
}

/// What is to be backed up: one database, or all that the task does not leave out and what belongs to the whole server.
fn scopes(databases: &[Database], has_globals: bool, selection: &Selection, only: Option<&str>) -> Result<Vec<Scope>> {
    let of = |database: &Database| Scope::Database(database.name.clone());
    if let Some(name) = only.or(selection.only.as_deref()) {
        return match databases.iter().find(|database| database.name == name) {
            Some(database) => Ok(vec![of(database)]),
            None if name == GLOBALS && has_globals => Ok(vec![Scope::Globals]),
            None => Err(Error::new(
                Code::DatabaseGone,
                format!("The server has no database {name:?} any more."),
                "Its backups stay where they are.",
            )),
        };
    }
    let mut scopes: Vec<_> = databases.iter().filter(|database| selection.includes(&database.name)).map(of).collect();
    if scopes.is_empty() {
        let sentence = if databases.is_empty() {
            "The server has no database to back up."
        } else {
            "The task leaves every database of the server out."
        };
        return Err(Error::new(Code::NoDatabases, sentence, "Check the server's settings and what the task leaves out."));
    }
    if has_globals {
        scopes.push(Scope::Globals);
    }
    Ok(scopes)
}

/// Whether a round is one of all databases that the schedule began.
fn is_of_schedule(round: &RoundRecord) -> bool {
    round.only_database.is_none() && round.origin != Origin::User
}

/// The last round of all databases that took place before this one.
fn before<'a>(round: &RoundRecord, newest: &'a [RoundRecord]) -> Option<&'a RoundRecord> {
    newest.iter().find(|other| other.id != round.id && other.only_database.is_none() && other.state != RoundState::Skipped)
}

fn runs(round: &RoundRecord, scopes: &[Scope], asked: &Asked, owed: &Owed, now: Timestamp) -> Result<Vec<RunRecord>> {
    let run = |scope: &Scope| {
        let database = match scope {
            Scope::Database(name) => name.clone(),
            Scope::Globals => GLOBALS.into(),
        };
        let owed = round.wanted == BackupKind::Incremental && owed.has(&database);
        Ok(RunRecord {
            id: RunId::new(Uuid::now_v7()),
            round: Some(round.id),
            kind: RunKind::Backup,
            wanted: Some(if owed { BackupKind::Full } else { round.wanted }),
            server: Some(round.server),
            destination: round.destination,
            database,
            state: RunState::Queued,
            attempt: 1,
            started_by: round.started_by.clone(),
            queued_at: now,
            began_at: None,
            ended_at: None,
            retry_at: None,
            reason: None,
            request: Asked { globals: *scope == Scope::Globals, owed, ..asked.clone() }.to_request()?,
            label: None,
            stored_bytes: None,
            rows: None,
            proven: None,
            compared: vec![],
            notes: vec![],
            error: None,
        })
    };
    scopes.iter().map(run).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{self, at};

    fn databases(names: &[&str]) -> Vec<Database> {
        names.iter().map(|name| Database { name: (*name).into(), size_bytes: None }).collect()
    }

    fn database(name: &str) -> Scope {
        Scope::Database(name.into())
    }

    #[test]
    fn all_databases_but_those_left_out_and_what_belongs_to_the_server() {
        let selection = Selection::all_but("scratch\nnot there\ntenant_*");
        let found = databases(&["blog", "scratch", "shop", "tenant_7"]);
        let chosen = scopes(&found, true, &selection, None).unwrap();
        assert_eq!(chosen, [database("blog"), database("shop"), Scope::Globals]);
        assert_eq!(scopes(&found, false, &selection, None).unwrap().len(), 2);
        assert_eq!(scopes(&found, true, &selection, Some("shop")).unwrap(), [database("shop")]);
        assert_eq!(scopes(&found, true, &selection, Some(GLOBALS)).unwrap(), [Scope::Globals]);
        // Whoever backs up one database wants nothing of its server.
        assert_eq!(scopes(&found, true, &Selection::of_one("shop"), None).unwrap(), [database("shop")]);
    }

    #[test]
    fn nothing_to_back_up_is_said() {
        let code = |names: &[&str], selection: &Selection, only| scopes(&databases(names), true, selection, only).unwrap_err().code();
        let all = Selection::all_but("sh*");
        assert_eq!(code(&[], &Selection::default(), None), Code::NoDatabases);
        assert_eq!(code(&["shop"], &all, None), Code::NoDatabases);
        assert_eq!(code(&["shop"], &all, Some("blog")), Code::DatabaseGone);
        assert_eq!(code(&["shop"], &Selection::of_one("blog"), None), Code::DatabaseGone);
    }

    #[test]
    fn a_database_that_is_called_like_what_belongs_to_the_server_is_still_a_database() {
        let round = fixture::round(&fixture::task(), RoundState::Preparing);
        let runs =
            runs(&round, &[database(GLOBALS), Scope::Globals], &Asked::default(), &Owed::Of(vec![]), fixture::at("02:00:00")).unwrap();
        assert_eq!(runs[0].database, runs[1].database);
        let is_globals = |run: &RunRecord| run.request.as_ref().unwrap()["globals"].clone();
        assert_eq!((is_globals(&runs[0]), is_globals(&runs[1])), (false.into(), true.into()));
        assert!(runs[0].id < runs[1].id, "runs begin in the order of their identifiers");
    }

    #[tokio::test]
    async fn a_full_backup_that_failed_is_owed_once_by_those_databases_alone() {
        let (control, _folder) = fixture::console().await;
        let task = fixture::task();
        fixture::add_task(&control, &task).await;
        let round =
            |hour: &str, wanted, state| RoundRecord { wanted, began_at: at(hour), due_at: at(hour), ..fixture::round(&task, state) };
        let run = |round: &RoundRecord, name: &str, state| RunRecord { round: Some(round.id), state, ..fixture::run(name) };
        let add = async |round: &RoundRecord, runs: Vec<RunRecord>| {
            control.begin_round(round.clone(), &Cause::console("")).await.unwrap();
            let runs = runs.into_iter().map(|run| RunRecord { server: Some(round.server), ..run }).collect();
            control.queue_runs(runs, "backups queued", String::new(), String::new(), &Cause::console("")).await.unwrap();
        };
        let full = round("02:00:00", BackupKind::Full, RoundState::Partly);
        let next = round("03:00:00", BackupKind::Incremental, RoundState::Partly);
        assert_eq!(control.owed(&next).await.unwrap(), Owed::Of(vec![]));
        let states = [("blog", RunState::Succeeded), ("shop", RunState::Failed), ("till", RunState::Aborted)];
        add(&full, states.map(|(name, state)| run(&full, name, state)).into()).await;
        add(&round("02:30:00", BackupKind::Incremental, RoundState::Skipped), vec![]).await;
        let owed = control.owed(&next).await.unwrap();
        assert_eq!(owed, Owed::Of(vec!["shop".into()]));
        let made = runs(&next, &[database("blog"), database("shop")], &Asked::default(), &owed, at("03:00:00")).unwrap();
        assert_eq!(made.iter().map(|run| run.wanted).collect::<Vec<_>>(), [Some(BackupKind::Incremental), Some(BackupKind::Full)]);
        assert_eq!(made[1].request.as_ref().unwrap()["owed"], true);
        // Whoever asks for an incremental gets one.
        assert_eq!(control.owed(&RoundRecord { origin: Origin::User, ..next.clone() }).await.unwrap(), Owed::Of(vec![]));

        // It fails once more: the one after it is an incremental again.
        add(&next, vec![run(&next, "blog", RunState::Succeeded), run(&next, "shop", RunState::Failed)]).await;
        assert_eq!(control.owed(&round("04:00:00", BackupKind::Incremental, RoundState::Preparing)).await.unwrap(), Owed::Of(vec![]));
        // One that never got as far as its databases is owed by all of them.
        add(&round("05:00:00", BackupKind::Full, RoundState::Failed), vec![]).await;
        assert_eq!(control.owed(&round("06:00:00", BackupKind::Incremental, RoundState::Preparing)).await.unwrap(), Owed::All);
    }
}
