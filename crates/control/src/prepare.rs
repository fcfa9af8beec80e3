//! Preparing a round: which databases each of its servers has now, and a run for each database.
//!
//! The servers are looked at beside each other, and the databases of each wait for their places as soon as they are known. One that
//! cannot be looked at holds up no other: it is tried again later, or fails like a run does.

mod owed;

use crate::{
    Control,
    cause::Cause,
    execute::{Asked, retry_at, told},
    underway::{Ground, Nudge},
};
use catalog::{RoundRecord, RoundServerRecord, RunRecord};
use domain::{BackupKind, ChainLimit, Code, Error, Once, Result, RoundId, RoundState, RunId, RunKind, RunState, Selection, ServerId, Task};
use jiff::Timestamp;
use owed::Owed;
use repository::layout::GLOBALS;
use source::{Database, Scope};
use std::{collections::HashMap, sync::Arc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// What the runs of one server begin with.
struct Prepared {
    server_name: String,
    ground: Arc<Ground>,
    plan: Plan,
}

/// What is to be backed up of a server, and how.
struct Plan {
    scopes: Vec<Scope>,
    asked: Asked,
    owed: Owed,
}

/// What a look at a server came to: nothing, where its runs are there already.
type Found = Result<Option<Prepared>>;

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

    /// Looks at all servers of a round that wait for it. Whoever cancels says in the catalog what becomes of them; where the
    /// console stops, they are looked at again at the next start.
    async fn prepare(&self, id: RoundId, token: &CancellationToken) -> Result<()> {
        let round = self.catalog.round(id).await?;
        let runs = self.catalog.runs_of_round(id).await?;
        let (mut looks, mut servers) = (JoinSet::new(), HashMap::new());
        for server in round.waiting() {
            // A crash came between the last two steps: its runs are there already.
            let are_there = runs.iter().any(|run| run.server == Some(server));
            let (control, round) = (self.clone(), round.clone());
            let look = looks.spawn(async move { if are_there { Ok(None) } else { control.look_for(&round, server).await.map(Some) } });
            servers.insert(look.id(), server);
        }
        let mut missed = vec![];
        loop {
            let ended = tokio::select! {
                () = token.cancelled() => return Ok(()),
                ended = looks.join_next_with_id() => ended,
            };
            let (look, found): (_, Found) = match ended {
                Some(Ok(ended)) => ended,
                Some(Err(error)) => (error.id(), Err(Error::internal("A piece of work broke off.").because(error))),
                None => break,
            };
            let Some(server) = servers.remove(&look) else { continue };
            match found {
                Ok(prepared) => self.let_run(id, server, prepared).await?,
                Err(error) => missed.push((server, error)),
            }
        }
        self.not_prepared(id, &missed).await
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

    async fn look_for(&self, round: &RoundRecord, server: ServerId) -> Result<Prepared> {
        let (order, limit, follow) = self.order_of(round).await?;
        let server = self.catalog.server(server).await?;
        let destination = self.catalog.destination(round.destination).await?;
        let (identity, databases) = self.discover(&server).await?;
        let scopes = scopes(&databases, identity.has_globals, &order.selection, round.only_database.as_deref())?;
        let source = self.open_source(&server).await?;
        let ground = self.open_ground(source, &server, identity, &destination).await?;
        let recipients = self.recipients(&order.recipients).await?;
        let asked = Asked { recipients, limit, follow, ..Asked::default() };
        let plan = Plan { scopes, asked, owed: self.owed(round, server.id).await? };
        Ok(Prepared { server_name: server.server.name, ground, plan })
    }

    /// Adds the runs of one server and lets the round run. Two steps, and a crash between them is seen above.
    async fn let_run(&self, id: RoundId, server: ServerId, prepared: Option<Prepared>) -> Result<()> {
        let deciding = self.deciding().await;
        let now = self.catalog.round(id).await?;
        // Aborted, or put off while it was being prepared.
        if !now.waiting().any(|waiting| waiting == server) || now.retry_at.is_some_and(|at| at > Timestamp::now()) {
            return Ok(());
        }
        let mut said = "Goes on where the console was stopped.".to_owned();
        if let Some(prepared) = prepared {
            said = found(&prepared, now.servers.len() > 1);
            self.underway.keep_ground(id, server, &prepared.ground);
            let runs = runs(&now, server, &prepared.plan, Timestamp::now())?;
            let in_full = runs.iter().filter(|run| run.wanted != Some(now.wanted)).count();
            if in_full > 0 {
                said.push_str(&format!(" Full backups are made of {in_full} of them, in the place of those that failed."));
            }
            self.queue_runs(runs, "backups queued", now.task_name.clone(), crate::round::path(id), &Cause::console(&said)).await?;
        }
        let ready = |round: &mut RoundRecord| {
            round.retry_at = None;
            for one in round.servers.iter_mut().filter(|one| one.server == server) {
                *one = RoundServerRecord { state: RunState::Succeeded, error: None, ..one.clone() };
            }
        };
        self.change_round(&deciding, &now, RoundState::Running, &Cause::console(said), ready).await?;
        drop(deciding);
        // They may all have ended before the round ran.
        self.settle(id).await
    }

    /// Says of each server that could not be looked at why, and whether it is tried again. A round none of whose servers could be
    /// looked at fails as a whole.
    async fn not_prepared(&self, id: RoundId, missed: &[(ServerId, Error)]) -> Result<()> {
        if missed.is_empty() {
            return Ok(());
        }
        let names = self.server_names().await?;
        let deciding = self.deciding().await;
        let round = self.catalog.round(id).await?;
        let (now, mut changed) = (Timestamp::now(), round.clone());
        // Put off meanwhile.
        if round.retry_at.is_some_and(|at| at > now) {
            return Ok(());
        }
        let again = retry_at(round.attempt, now, self.next_due(&round).await);
        let (mut said, mut later) = (vec![], false);
        for one in changed.servers.iter_mut().filter(|one| one.state == RunState::Queued && !round.state.has_ended()) {
            let Some((_, error)) = missed.iter().find(|(server, _)| *server == one.server) else { continue };
            tracing::warn!(round = %id, task = round.task_name, server = %one.server, ?error, "a server could not be prepared");
            let (told, is_tried) = (told(error), again.is_some() && error.code().is_transient());
            let name = names.get(&one.server).filter(|_| round.servers.len() > 1).map(|name| format!("{name}: ")).unwrap_or_default();
            let then = if is_tried { "It will be tried again." } else { told.next_step.as_str() };
            said.push(format!("{name}{} {then}", told.sentence));
            later |= is_tried;
            (one.state, one.error) = (if is_tried { RunState::Queued } else { RunState::Failed }, Some(told));
        }
        if said.is_empty() {
            return Ok(());
        }
        let said = said.join(" ");
        let said = if later { format!("Attempt {}: {said}", round.attempt) } else { said };
        (changed.retry_at, changed.attempt) = if later { (again, round.attempt + 1) } else { (None, round.attempt) };
        let is_over = changed.waiting().next().is_none();
        let has_runs = changed.servers.iter().any(|one| one.state == RunState::Succeeded);
        let to = match (is_over, has_runs) {
            (true, false) => RoundState::Failed,
            _ => round.state,
        };
        changed.ended_at = (to == RoundState::Failed).then_some(now);
        let cause = Cause::console(String::new()).saying(said, true);
        self.change_round(&deciding, &round, to, &cause, |round| *round = RoundRecord { state: to, ..changed }).await?;
        drop(deciding);
        if to == RoundState::Failed {
            self.nudge(Nudge::Schedule);
        }
        // The runs of the others may all have ended.
        self.settle(id).await
    }

    /// When the task of a round is due next.
    pub(crate) async fn next_due(&self, round: &RoundRecord) -> Option<Timestamp> {
        self.catalog.task(round.task?).await.ok()?.next_at
    }
}

/// What was found on a server, a sentence.
fn found(prepared: &Prepared, is_one_of_several: bool) -> String {
    let Prepared { server_name, plan: Plan { scopes, .. }, .. } = prepared;
    let databases = scopes.iter().filter(|scope| **scope != Scope::Globals).count();
    let globals = if scopes.contains(&Scope::Globals) { ", and the server's roles and tablespaces" } else { "" };
    let on = if is_one_of_several { format!(" on {server_name}") } else { String::new() };
    format!("Found {databases} {} to back up{on}{globals}.", if databases == 1 { "database" } else { "databases" })
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

fn runs(round: &RoundRecord, server: ServerId, plan: &Plan, now: Timestamp) -> Result<Vec<RunRecord>> {
    let Plan { scopes, asked, owed } = plan;
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
            server: Some(server),
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
    use crate::fixture;

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
        let plan = Plan { scopes: vec![database(GLOBALS), Scope::Globals], asked: Asked::default(), owed: Owed::Of(vec![]) };
        let runs = runs(&round, round.servers[0].server, &plan, fixture::at("02:00:00")).unwrap();
        assert_eq!(runs[0].database, runs[1].database);
        let is_globals = |run: &RunRecord| run.request.as_ref().unwrap()["globals"].clone();
        assert_eq!((is_globals(&runs[0]), is_globals(&runs[1])), (false.into(), true.into()));
        assert!(runs[0].id < runs[1].id, "runs begin in the order of their identifiers");
    }

    #[test]
    fn what_is_owed_in_full_is_made_in_full() {
        let round = RoundRecord { wanted: BackupKind::Incremental, ..fixture::round(&fixture::task(), RoundState::Preparing) };
        let owed = Owed::Of(vec!["shop".into()]);
        let plan = Plan { scopes: vec![database("blog"), database("shop")], asked: Asked::default(), owed };
        let made = runs(&round, round.servers[0].server, &plan, fixture::at("03:00:00")).unwrap();
        assert_eq!(made.iter().map(|run| run.wanted).collect::<Vec<_>>(), [Some(BackupKind::Incremental), Some(BackupKind::Full)]);
        assert_eq!(made[1].request.as_ref().unwrap()["owed"], true);
    }
}
