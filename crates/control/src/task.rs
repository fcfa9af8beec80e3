//! Tasks: records of standing orders.

mod preview;

use crate::{
    Administer, Control, Permit, View,
    conflict::changed_meanwhile,
    server::ensure_typed,
    survey::{PAGE_SIZE, Survey, needs_attention},
    underway::Nudge,
};
use catalog::TaskRecord;
use domain::{
    BackupKind, Code, DestinationId, Error, Once, Result, Schedules, ServerId, Task, TaskForm, TaskId,
    view::{
        server::Tally,
        task::{TaskDatabase, TaskLine, TaskView},
    },
};
use jiff::{Timestamp, tz::TimeZone};
use uuid::Uuid;

/// Rounds on a task's page.
const ROUNDS: u64 = 20;

impl Control {
    /// All tasks, by name.
    ///
    /// # Errors
    /// [`Code::Catalog`].
    pub async fn tasks(&self, _permit: &Permit<View>) -> Result<Vec<TaskLine>> {
        let survey = Survey::of_tasks(self, Timestamp::now()).await?;
        Ok(survey.tasks().map(|task| survey.task_line(task)).collect())
    }

    /// One task with its databases and newest rounds.
    ///
    /// # Errors
    /// [`Code::NotFound`].
    pub async fn task(&self, _permit: &Permit<View>, id: TaskId) -> Result<TaskView> {
        let task = self.catalog.task(id).await?;
        let mut servers = vec![];
        for server in &task.task.servers {
            servers.push(self.catalog.server(*server).await?);
        }
        let mut survey = Survey::of_servers(self, servers.clone(), Timestamp::now()).await?;
        let (mut tally, mut databases) = (Tally::default(), vec![]);
        for server in servers {
            survey = survey.with_runs_of(self, server.id).await?;
            let line = |line| TaskDatabase { server: server.id, server_name: server.server.name.clone(), line };
            databases.extend(survey.lines_of_task(&server, &task).into_iter().map(line));
        }
        databases.iter().for_each(|database| tally.add(database.line.protection));
        // The sort is stable, so that both parts stay ordered by server and name.
        databases.sort_by_key(|database| !needs_attention(&database.line));
        databases.truncate(PAGE_SIZE);
        Ok(TaskView {
            line: survey.task_line(&task),
            tally,
            databases,
            rounds: self.round_lines(self.catalog.rounds_of_task(id, ROUNDS).await?).await?,
            retention: self.retention_state(&task).await?,
            version: task.version,
            task: task.task,
            now: survey.now(),
        })
    }

    /// A task as a form, with the number of the edit.
    ///
    /// # Errors
    /// [`Code::NotFound`].
    pub async fn task_form(&self, _permit: &Permit<View>, id: TaskId) -> Result<(TaskForm, i64)> {
        let record = self.catalog.task(id).await?;
        Ok((form_of(&record.task), record.version))
    }

    /// Adds a task; its schedule is followed from now on.
    ///
    /// # Errors
    /// [`Code::Invalid`] with every field that is wrong.
    pub async fn add_task(&self, permit: &Permit<Administer>, form: &TaskForm) -> Result<TaskId> {
        let task = form.check()?;
        self.ensure_references(&task.servers, task.destination, &order_of(&task)).await?;
        let (id, now) = (TaskId::new(Uuid::now_v7()), Timestamp::now());
        let next_at = next_at(&task, now);
        let record = TaskRecord { id, task, enabled: true, next_at, put_off_from: None, version: 1, created_at: now };
        let detail = self.in_words(&record.task).await?;
        self.catalog.insert_task(&record, &permit.audit("task added", &record.task.name, Some(page(id)), detail)).await?;
        self.nudge(Nudge::Schedule);
        Ok(id)
    }

    /// Changes a task. `version` is the number of the edit that the form was begun from.
    ///
    /// # Errors
    /// [`Code::Invalid`] with every field that is wrong; [`Code::Conflict`], with both values, if somebody else was quicker;
    /// [`Code::Forbidden`] if it changes who can read the backups, or which are deleted, and the password was not typed lately.
    pub async fn change_task(&self, permit: &Permit<Administer>, id: TaskId, version: i64, form: &TaskForm) -> Result<()> {
        let known = self.catalog.task(id).await?;
        let task = form.check()?;
        self.ensure_references(&task.servers, task.destination, &order_of(&task)).await?;
        if task.recipients != known.task.recipients {
            self.ensure_fresh(permit, "This changes who can read the backups.", Timestamp::now())?;
        }
        let is_for_others = !same(&task.servers, &known.task.servers);
        if (task.retention != known.task.retention || is_for_others) && task.retention.is_some() {
            self.ensure_fresh(permit, "This changes which backups are deleted.", Timestamp::now())?;
        }
        // This counts if it is due at other times from now on; else what was put off stays so.
        let next_at = next_at(&task, Timestamp::now());
        let record = TaskRecord { task, next_at, version, ..known };
        let audit = permit.audit("task changed", &record.task.name, Some(page(id)), self.in_words(&record.task).await?);
        match self.catalog.update_task(&record, &audit).await {
            Err(error) if error.code() == Code::Conflict => {
                let theirs = self.catalog.task(id).await?;
                Err(changed_meanwhile("task", theirs.version, &form_of(&theirs.task), &form_of(&record.task)))
            }
            done => {
                done?;
                self.nudge(Nudge::Schedule);
                self.nudge(Nudge::Chains);
                Ok(())
            }
        }
    }

    /// Lets a task's schedule be followed, or not. Times that pass meanwhile are not made up for.
    ///
    /// # Errors
    /// [`Code::NotFound`].
    pub async fn enable_task(&self, permit: &Permit<Administer>, id: TaskId, enabled: bool) -> Result<()> {
        let record = self.catalog.task(id).await?;
        let next_at = next_at(&record.task, Timestamp::now());
        let action = if enabled { "task enabled" } else { "task disabled" };
        let audit = permit.audit(action, &record.task.name, Some(page(id)), "");
        self.catalog.set_enabled(id, enabled, next_at, &audit).await?;
        self.nudge(Nudge::Schedule);
        Ok(())
    }

    /// Forgets a task. Its rounds stay in the history, and its backups where they are.
    ///
    /// # Errors
    /// [`Code::Busy`] while a round of it is under way; [`Code::Invalid`] at the field `typed_name`.
    pub async fn remove_task(&self, permit: &Permit<Administer>, id: TaskId, typed_name: &str) -> Result<()> {
        let record = self.catalog.task(id).await?;
        ensure_typed(typed_name, &record.task.name)?;
        if self.catalog.open_rounds().await?.iter().any(|round| round.task == Some(id)) {
            return Err(Error::new(Code::Busy, "A round of this task is under way.", "Wait until it has ended, or abort it first."));
        }
        let audit = permit.audit("task removed", &record.task.name, None, "Its backups stay.");
        self.catalog.delete_task(id, &audit).await?;
        // What servers keep for its chains goes.
        self.nudge(Nudge::Chains);
        Ok(())
    }

    /// An error at its field if there is no such server, destination, key, or database.
    pub(crate) async fn ensure_references(&self, servers: &[ServerId], destination: DestinationId, order: &Once) -> Result<()> {
        let names = self.server_names().await?;
        if servers.iter().any(|id| !names.contains_key(id)) {
            return Err(no_server());
        }
        let keys = self.catalog.keys().await?;
        if order.recipients.iter().any(|id| !keys.iter().any(|key| key.id == *id)) {
            return Err(no_key());
        }
        if let (Some(only), [server]) = (&order.selection.only, servers)
            && !self.catalog.databases(*server).await?.iter().any(|database| database.name == *only)
        {
            return Err(no_database());
        }
        match self.catalog.destination(destination).await {
            Err(error) if error.code() == Code::NotFound => Err(no_destination()),
            other => other.map(drop),
        }
    }

    /// What a task does, for the audit log.
    async fn in_words(&self, task: &Task) -> Result<String> {
        let left_out: Vec<_> = task.selection.left_out().collect();
        let covers = match (&task.selection.only, left_out.as_slice()) {
            (Some(only), _) => format!("the database {only:?}"),
            (None, []) => "all databases".into(),
            (None, left_out) => format!("all databases but {}", left_out.join(", ")),
        };
        let keys = self.catalog.keys().await?;
        let keys: Vec<_> = keys.iter().filter(|key| task.recipients.contains(&key.id)).map(|key| key.name.as_str()).collect();
        let sealed = if keys.is_empty() { "not encrypted".into() } else { format!("sealed for {}", keys.join(", ")) };
        let kept = match &task.retention {
            Some(rule) => format!("kept by the rule {rule}"),
            None => "all kept".into(),
        };
        let names = self.server_names().await?;
        let servers: Vec<_> = task.servers.iter().filter_map(|id| names.get(id)).map(String::as_str).collect();
        let Schedules { time_zone, .. } = &task.schedules;
        Ok(format!("On {}. {} ({time_zone}), {covers}, {sealed}, {kept}.", servers.join(", "), task.schedules.describe()))
    }
}

/// What a task orders of each of its rounds.
fn order_of(task: &Task) -> Once {
    Once { selection: task.selection.clone(), recipients: task.recipients.clone() }
}

fn no_server() -> Error {
    Error::invalid_field("servers", "One of these servers is not there any more: choose again.")
}

fn no_key() -> Error {
    Error::invalid_field("recipients", "One of these keys is not there any more: choose again.")
}

fn no_database() -> Error {
    Error::invalid_field("only", "The server has no such database: choose another one.")
}

fn no_destination() -> Error {
    Error::invalid_field("destination", "There is no such destination any more: choose another one.")
}

fn form_of(task: &Task) -> TaskForm {
    TaskForm {
        name: task.name.clone(),
        servers: task.servers.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
        full: task.schedules.full.clone().unwrap_or_default(),
        incremental: task.schedules.incremental.clone().unwrap_or_default(),
        chain_incrementals: limit(task.chain_limit.incrementals),
        chain_days: limit(task.chain_limit.days),
        time_zone: task.schedules.time_zone.clone(),
        catch_up: if task.catch_up { "on".into() } else { String::new() },
        only: task.selection.only.clone().unwrap_or_default(),
        excluded: task.selection.left_out().collect::<Vec<_>>().join("\n"),
        destination: task.destination.to_string(),
        encryption: if task.recipients.is_empty() { "none".into() } else { "sealed".into() },
        recipients: task.recipients.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
        ..TaskForm::default()
    }
    .keeping(task.retention.as_ref())
}

fn limit(limit: Option<u32>) -> String {
    limit.map_or_else(String::new, |limit| limit.to_string())
}

/// The kind of the backup that a task makes at its next time, if it is begun then: that of everything that is due up to then,
/// from what was put off or missed on.
pub(crate) fn kind_at(task: &TaskRecord, then: Timestamp) -> BackupKind {
    let from = task.put_off_from.or(task.next_at).unwrap_or(then);
    task.task.schedules.kind_within(from.min(then), then)
}

/// When a task is due first after a moment.
pub(crate) fn next_at(task: &Task, after: Timestamp) -> Option<Timestamp> {
    task.schedules.next_after(after).map(|due| due.at)
}

/// A moment as the clocks of the schedules' time zone show it.
pub(crate) fn clock(schedules: &Schedules, at: Timestamp) -> String {
    let zone = TimeZone::get(&schedules.time_zone).unwrap_or(TimeZone::UTC);
    at.to_zoned(zone).strftime("%a %-d %b %Y, %H:%M %Z").to_string()
}

pub(crate) fn page(id: TaskId) -> String {
    format!("/tasks/{id}")
}

/// Whether these are the same servers, in whatever order.
fn same(some: &[ServerId], others: &[ServerId]) -> bool {
    some.len() == others.len() && some.iter().all(|server| others.contains(server))
}
