//! What people ask of rounds: begin one, stop it, try its failures again.

use crate::{Administer, Control, Operate, Permit, cause::Cause, run::carried_through, underway::Nudge};
use catalog::{RoundRecord, RoundServerRecord, RunRecord};
use domain::{
    BackupKind, Code, DestinationId, Error, FieldError, Origin, Result, RoundId, RoundState, RunAction, RunState, ServerId, TaskForm,
    TaskId, Told,
};
use jiff::Timestamp;
use std::collections::HashSet;
use uuid::Uuid;

/// What rounds are called that no task stands behind, in the history and in the manifests of their backups.
const ONCE: &str = "One-time backup";

/// One database of those that a task covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OneDatabase {
    /// Its server; none where only one server of the task has a database of this name.
    pub server: Option<ServerId>,
    /// Its name.
    pub name: String,
}

impl From<&str> for OneDatabase {
    fn from(name: &str) -> Self {
        Self { server: None, name: name.into() }
    }
}

impl Control {
    /// Starts a round of a task now: of all databases, or of one. If nobody says which kind of backup, it is the usual one of
    /// the task.
    ///
    /// # Errors
    /// [`Code::Busy`] while a round of the task is under way: the field `round` of the error holds its identifier.
    /// [`Code::Invalid`] at the field `database` if the task leaves that one out, or at the field `server` if it is not known which
    /// server is meant. [`Code::NotFound`].
    pub async fn back_up_now(
        &self,
        permit: &Permit<Operate>,
        id: TaskId,
        only: Option<OneDatabase>,
        kind: Option<BackupKind>,
    ) -> Result<RoundId> {
        let task = self.catalog.task(id).await?;
        if let Some(OneDatabase { name, .. }) = only.as_ref().filter(|only| !task.task.selection.includes(&only.name)) {
            return Err(Error::invalid_field("database", format!("The task leaves {name:?} out. Take it off that list first.")));
        }
        let servers = match &only {
            Some(only) => vec![self.server_of(&task.task.servers, only).await?],
            None => task.task.servers,
        };
        let who = permit.actor().name();
        let round = RoundRecord {
            task: Some(id),
            task_name: task.task.name,
            only_database: only.map(|only| only.name),
            wanted: kind.unwrap_or_else(|| task.task.schedules.usual()),
            ..by_hand(who, &servers, task.task.destination)
        };
        let kind = round.wanted.as_str();
        let said = match &round.only_database {
            Some(name) => format!("Started by {who}: {kind}, for {name:?} alone."),
            None => format!("Started by {who}: {kind}."),
        };
        let began = round.id;
        match self.begin_round(round, &Cause::user(permit, said)).await {
            Ok(()) => Ok(began),
            Err(error) if error.code() == Code::Busy => Err(self.with_open_round(error, id).await),
            Err(error) => Err(error),
        }
    }

    /// Which of a task's servers is meant.
    async fn server_of(&self, servers: &[ServerId], only: &OneDatabase) -> Result<ServerId> {
        let having = match (only.server, servers) {
            (Some(server), _) if servers.contains(&server) => return Ok(server),
            (Some(_), _) => return Err(Error::invalid_field("server", "The task does not cover this server.")),
            (None, [server]) => return Ok(*server),
            (None, _) => {
                let all = self.catalog.all_databases().await?;
                let has = |server: &&ServerId| all.get(server).into_iter().flatten().any(|database| database.name == only.name);
                servers.iter().filter(has).copied().collect::<Vec<_>>()
            }
        };
        match having.as_slice() {
            [server] => Ok(*server),
            _ => Err(Error::invalid_field("server", format!("Say on which of the task's servers the database {:?} is.", only.name))),
        }
    }

    /// Starts a round that no task stands behind: a full backup of what the form says, now and once.
    ///
    /// # Errors
    /// [`Code::Invalid`] with every field that is wrong.
    pub async fn back_up_once(&self, permit: &Permit<Administer>, form: &TaskForm) -> Result<RoundId> {
        let (servers, destination, once) = form.check_once()?;
        self.ensure_references(&servers, destination, &once).await?;
        let who = permit.actor().name();
        let round = RoundRecord { once: Some(once), ..by_hand(who, &servers, destination) };
        let began = round.id;
        self.begin_round(round, &Cause::user(permit, format!("Started by {who}: full, and once."))).await?;
        Ok(began)
    }

    /// Names the round that is in the way, so that a screen can lead to it.
    pub(crate) async fn with_open_round(&self, error: Error, task: TaskId) -> Error {
        let Ok(Some(open)) = self.catalog.open_round_of(task).await else { return error };
        let fields = vec![FieldError { field: "round".into(), sentence: open.id.to_string() }];
        Told { fields, ..error.told().clone() }.into()
    }

    /// Stops a round: the looks at its servers, and all its runs that have not ended. Runs that work end by themselves a little
    /// later, when they have cleaned up, and the round with the last of them.
    ///
    /// # Errors
    /// [`Code::Conflict`] if it has ended; [`Code::NotFound`].
    pub async fn abort_round(&self, permit: &Permit<Operate>, id: RoundId) -> Result<()> {
        let (control, cause) = (self.clone(), Cause::user(permit, format!("Stopped by {}.", permit.actor().name())));
        carried_through(async move { control.abort_all(id, &cause).await }).await
    }

    async fn abort_all(&self, id: RoundId, cause: &Cause) -> Result<()> {
        let deciding = self.deciding().await;
        let round = self.catalog.round(id).await?;
        if round.state.has_ended() {
            return Err(Error::new(Code::Conflict, "The round has ended already.", "Nothing is left to stop."));
        }
        self.underway.hold_back(id);
        let runs = self.catalog.runs_of_round(id).await?;
        if round.state == RoundState::Preparing {
            self.underway.cancel_preparing(id);
            let mut stopped = round.clone();
            look_no_more(&mut stopped, &runs);
            // With runs, preparing was cut off at its very end: the round ends as those do.
            let states: Vec<_> = stopped.servers.iter().map(|one| one.state).collect();
            let to = if runs.is_empty() { RoundState::of(&states) } else { RoundState::Running };
            stopped.ended_at = runs.is_empty().then(Timestamp::now);
            self.change_round(&deciding, &round, to, cause, |round| *round = RoundRecord { state: to, ..stopped }).await?;
        } else if round.waiting().next().is_some() {
            self.underway.cancel_preparing(id);
            self.change_round(&deciding, &round, round.state, cause, |round| look_no_more(round, &runs)).await?;
        } else {
            self.log(Some(id), None, "", &cause.saying(format!("{} asked to stop the round.", cause.who()), false)).await;
        }
        drop(deciding);
        let open = runs.into_iter().filter(|run| !run.state.has_ended());
        let (waiting, working): (Vec<_>, Vec<_>) = open.partition(|run| run.state == RunState::Queued);
        // What works first: it is what costs something.
        let stopped = self.abort_each(&working, cause).await;
        let ended = |run: &mut RunRecord| (run.ended_at, run.retry_at) = (Some(Timestamp::now()), None);
        let aborted: HashSet<_> = self.change_all(&waiting, RunState::Aborted, cause, ended).await?.iter().map(|run| run.id).collect();
        self.follow(id).await;
        // The others were just beginning.
        let begun: Vec<_> = waiting.into_iter().filter(|run| !aborted.contains(&run.id)).collect();
        let stopped_too = self.abort_each(&begun, cause).await;
        self.nudge(Nudge::Schedule);
        stopped.and(stopped_too)
    }

    /// Stops runs one by one. One that cannot be stopped at the moment is told when all others were.
    async fn abort_each(&self, runs: &[RunRecord], cause: &Cause) -> Result<()> {
        let mut busy = Ok(());
        for run in runs {
            match self.abort(run.id, cause).await {
                // It ended by itself, just now.
                Err(error) if error.code() == Code::Conflict => {}
                Err(error) if error.code() == Code::Busy => busy = Err(error),
                done => done?,
            }
        }
        busy
    }

    /// Queues the runs of an ended round again that did not succeed, and lets the servers be looked at again that could not be
    /// looked at.
    ///
    /// # Errors
    /// [`Code::Conflict`] if there is nothing to try again, or its task was deleted; [`Code::Busy`] while another round of its task is
    /// under way; [`Code::NotFound`].
    pub async fn retry_failed(&self, permit: &Permit<Operate>, id: RoundId) -> Result<()> {
        let (control, cause) = (self.clone(), Cause::user(permit, format!("Tried again by {}.", permit.actor().name())));
        carried_through(async move { control.retry(id, &cause).await }).await
    }

    async fn retry(&self, id: RoundId, cause: &Cause) -> Result<()> {
        let deciding = self.deciding().await;
        let round = self.catalog.round(id).await?;
        let runs = self.catalog.runs_of_round(id).await?;
        let mut again: Vec<_> = runs.iter().filter(|run| run.state.allows(RunAction::Retry).is_ok()).cloned().collect();
        let is_unread = |one: &RoundServerRecord| one.state.allows(RunAction::Retry).is_ok();
        let has_unread = round.servers.iter().any(is_unread);
        if round.state == RoundState::Skipped || (again.is_empty() && !has_unread) {
            return Err(Error::new(Code::Conflict, "Nothing of this round can be tried again.", "Start a new round of its task instead."));
        }
        // It would be made for whoever the task sealed for when its round began.
        if round.task.is_none() && round.once.is_none() {
            let sentence = "The task of this round was deleted, so that nobody knows how its backups are to be made.";
            return Err(Error::new(Code::Conflict, sentence, "Back up by another task, or once."));
        }
        if round.once.is_none() {
            self.ask_anew(&round, &mut again).await?;
        }
        let to = if runs.is_empty() { RoundState::Preparing } else { RoundState::Running };
        if round.state != to || has_unread {
            let anew = |round: &mut RoundRecord| {
                (round.ended_at, round.retry_at, round.error, round.attempt) = (None, None, None, 1);
                for one in round.servers.iter_mut().filter(|one| is_unread(one)) {
                    *one = RoundServerRecord::new(one.server);
                }
            };
            self.change_round(&deciding, &round, to, cause, anew).await?;
        }
        self.underway.drop_grounds(id);
        // Why they failed is told until they begin: retention must know, however long they wait.
        let anew = |run: &mut RunRecord| {
            (run.queued_at, run.began_at, run.ended_at, run.retry_at) = (Timestamp::now(), None, None, None);
            run.attempt = 1;
        };
        self.change_all(&again, RunState::Queued, cause, anew).await?;
        self.nudge(Nudge::Rounds);
        Ok(())
    }
}

/// Lets no server of a round be looked at any more. One that has runs was looked at.
fn look_no_more(round: &mut RoundRecord, runs: &[RunRecord]) {
    round.retry_at = None;
    for one in round.servers.iter_mut().filter(|one| one.state == RunState::Queued) {
        let has_runs = runs.iter().any(|run| run.server == Some(one.server));
        one.state = if has_runs { RunState::Succeeded } else { RunState::Aborted };
    }
}

/// A round that somebody asks for now: full, of all databases, and with no task behind it.
fn by_hand(who: &str, servers: &[ServerId], destination: DestinationId) -> RoundRecord {
    let now = Timestamp::now();
    RoundRecord {
        id: RoundId::new(Uuid::now_v7()),
        task: None,
        task_name: ONCE.into(),
        servers: servers.iter().copied().map(RoundServerRecord::new).collect(),
        destination,
        only_database: None,
        wanted: BackupKind::Full,
        once: None,
        state: RoundState::Preparing,
        origin: Origin::User,
        started_by: Some(who.into()),
        attempt: 1,
        retry_at: None,
        due_at: now,
        began_at: now,
        ended_at: None,
        error: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    /// As many as a large server has.
    const MANY: usize = 2_000;

    /// A round under way whose runs are in these states.
    async fn round_of(control: &Control, states: impl Iterator<Item = RunState>) -> RoundId {
        let task = fixture::task();
        fixture::add_task(control, &task).await;
        let round = fixture::looked_at(fixture::round(&task, RoundState::Running));
        control.begin_round(round.clone(), &Cause::console("")).await.unwrap();
        let run = |(number, state): (usize, RunState)| RunRecord {
            round: Some(round.id),
            server: Some(round.servers[0].server),
            destination: round.destination,
            state,
            ..fixture::run(&format!("tenant_{number:04}"))
        };
        let runs = states.enumerate().map(run).collect();
        control.queue_runs(runs, "backups queued", round.task_name.clone(), String::new(), &Cause::console("")).await.unwrap();
        round.id
    }

    async fn count(control: &Control, round: RoundId, state: RunState) -> usize {
        control.catalog.runs_of_round(round).await.unwrap().iter().filter(|run| run.state == state).count()
    }

    #[tokio::test]
    async fn thousands_of_runs_are_stopped_and_tried_again_together() {
        let (control, _folder) = fixture::console().await;
        let id = round_of(&control, std::iter::repeat_n(RunState::Queued, MANY)).await;
        let state = async || control.catalog.round(id).await.unwrap().state;
        let lines = async |action: &str| control.catalog.audit_page(action, 1).await.unwrap().total;
        control.abort_all(id, &Cause::console("Stopped by ana.")).await.unwrap();
        assert_eq!((count(&control, id, RunState::Aborted).await, state().await), (MANY, RoundState::Aborted));
        assert_eq!((lines("backup aborted").await, control.underway.counts().0), (MANY as u64, 0));
        let one = control.catalog.runs_of_round(id).await.unwrap().remove(0);
        let log = control.catalog.log_of_run(one.id).await.unwrap();
        assert!(one.ended_at.is_some() && log.len() == 1 && log[0].text == "Stopped by ana.", "{log:?}");

        control.retry(id, &Cause::console("Tried again by ana.")).await.unwrap();
        assert_eq!((count(&control, id, RunState::Queued).await, state().await), (MANY, RoundState::Running));
        assert_eq!((lines("backup queued").await, control.underway.counts().0), (MANY as u64, MANY));
    }

    #[tokio::test]
    async fn one_run_between_two_states_keeps_no_other_from_being_stopped() {
        let (control, _folder) = fixture::console().await;
        // The catalog says that two work, and nothing works here.
        let states = [RunState::Running, RunState::Queued, RunState::Running, RunState::Succeeded, RunState::Queued];
        let id = round_of(&control, states.into_iter()).await;
        let error = control.abort_all(id, &Cause::console("Stopped.")).await.unwrap_err();
        assert_eq!(error.code(), Code::Busy);
        assert_eq!((count(&control, id, RunState::Aborted).await, count(&control, id, RunState::Running).await), (2, 2));
        assert_eq!(control.catalog.round(id).await.unwrap().state, RoundState::Running);
    }
}
