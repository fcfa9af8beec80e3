//! What the rules are told: the chains as they lie under the root, and all that is known beside.

use crate::{Control, restore::Request};
use catalog::{BackupRecord, DestinationRecord, HoldRecord, NewestRun, RoundRecord, RunRecord, ServerRecord};
use domain::{
    Code, DestinationId, Error, Result, RunKind, RunState, Selection, ServerId, TaskForm, TaskId,
    retention::{Decision, Rule, Wish},
};
use engine::{Group, Known, groups};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use repository::{Point, Repository, Trust, layout::GLOBALS};
use std::collections::BTreeSet;
use store::Mode;

/// A backup that was read back within this time is not read back again before others go.
const LATELY: SignedDuration = SignedDuration::from_hours(24);

/// All that a server has at a destination, with the tasks that have a word about it.
pub(crate) struct Scope {
    pub server: ServerRecord,
    pub destination: DestinationRecord,
    orders: Vec<Order>,
    /// Whether other servers have its instance: of copies only the name tells which one a backup came from.
    is_copied: bool,
}

/// What one task says.
struct Order {
    id: Option<TaskId>,
    name: String,
    selection: Selection,
    rule: Option<Rule>,
    zone: TimeZone,
}

/// What is known of a destination beside what lies there, read once for many databases.
pub(crate) struct Beside {
    server: ServerId,
    needs: Needs,
    records: Vec<BackupRecord>,
    /// Rounds of the tasks that ended last and failed on the server, before any database of it had its turn.
    failed: Vec<RoundRecord>,
}

/// Who needs chains at a destination.
pub(crate) struct Needs {
    holds: Vec<HoldRecord>,
    /// Runs that read chains or wait to, and backups that work.
    open: Vec<RunRecord>,
    /// Folders of chains that somebody downloads.
    sending: Vec<String>,
}

/// One database: its chains, who has a word about them, and what is known beside.
pub(crate) struct Looked {
    pub group: Group,
    pub wishes: Vec<Wish>,
    pub known: Known,
    /// The run that told last how backups of it go.
    newest: Option<NewestRun>,
}

impl Looked {
    /// Folders of the chains that go.
    pub fn going(&self, decisions: &[Decision]) -> BTreeSet<String> {
        let gone = self.group.chains.iter().zip(decisions).filter(|(_, decision)| !decision.keep);
        gone.filter_map(|(points, _)| Some(points.first()?.place.folder().as_str().to_owned())).collect()
    }
}

impl Scope {
    pub async fn of(control: &Control, server: ServerId, destination: DestinationId) -> Result<Self> {
        let (server, destination) = (control.catalog.server(server).await?, control.catalog.destination(destination).await?);
        let tasks = control.catalog.tasks_of(server.id).await?;
        let order = |record: &catalog::TaskRecord| Order {
            id: Some(record.id),
            name: record.task.name.clone(),
            selection: record.task.selection.clone(),
            rule: record.task.retention.clone(),
            zone: zone(&record.task.schedules.time_zone),
        };
        let orders = tasks.iter().filter(|record| record.task.destination == destination.id).map(order).collect();
        let servers = control.catalog.servers().await?;
        let is_copied = server.instance.is_some() && servers.iter().filter(|other| other.instance == server.instance).count() > 1;
        Ok(Self { server, destination, orders, is_copied })
    }

    /// The same with a task as its form says.
    pub fn with(mut self, edited: Option<TaskId>, form: &TaskForm, rule: Option<Rule>) -> Self {
        self.orders.retain(|order| edited.is_none() || order.id != edited);
        let selection = form.selection();
        self.orders.insert(0, Order { id: edited, name: form.name.clone(), selection, rule, zone: zone(&form.time_zone) });
        self
    }

    /// Tasks beside this one, by name.
    pub fn others(&self, task: &str) -> Vec<String> {
        self.orders.iter().filter(|order| order.name != task).map(|order| order.name.clone()).collect()
    }

    /// Whether a task covers a database.
    pub fn covers(&self, task: &str, database: &str) -> bool {
        self.orders.iter().any(|order| order.name == task && order.selection.includes(database))
    }

    /// Whether all is as it was when the other was read: the place, and what tasks say about a database.
    pub fn says_the_same(&self, other: &Self, database: &str) -> bool {
        self.destination.destination == other.destination.destination && self.wishes(database) == other.wishes(database)
    }

    fn wishes(&self, database: &str) -> Vec<Wish> {
        let covering = self.orders.iter().filter(|order| order.selection.includes(database));
        covering.map(|order| Wish { task: order.name.clone(), rule: order.rule.clone(), zone: order.zone.clone() }).collect()
    }

    /// Whether a backup may be of this server: its manifest says so, or cannot be read.
    fn is_of_it(&self, point: &Point) -> bool {
        let Ok(manifest) = &point.manifest else { return true };
        let is_named = !self.is_copied || manifest.server.name == self.server.server.name;
        Some(&manifest.server.instance) == self.server.instance.as_ref() && is_named
    }
}

/// A zone that is known no more is read as UTC: whose day a backup belongs to may differ then, and no more.
fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).unwrap_or(TimeZone::UTC)
}

impl Needs {
    pub async fn at(control: &Control, destination: DestinationId) -> Result<Self> {
        Ok(Self {
            holds: control.catalog.holds_at(destination).await?,
            open: control.catalog.runs_needing(destination).await?,
            sending: control.underway.retention.sending_at(destination),
        })
    }

    /// Why the chain must not go: somebody pinned it, or it is being read.
    pub fn of(&self, database: &str, points: &[Point]) -> Option<String> {
        let folder = points.first()?.place.folder().as_str();
        let pinned = self.holds.iter().find(|hold| hold.folder == folder).map(|hold| match hold.note.as_str() {
            "" => format!("{} holds it.", hold.held_by),
            note => format!("{} holds it: {note}", hold.held_by),
        });
        let sent = || self.sending.iter().any(|sent| sent == folder).then(|| "It is being downloaded.".to_owned());
        pinned.or_else(|| self.open.iter().find(|run| reads(run, database, points)).map(|run| in_use(run.kind))).or_else(sent)
    }

    fn is_backed_up(&self, server: ServerId, database: &str) -> bool {
        let is_its = |run: &RunRecord| run.server == Some(server) && run.database == database;
        self.open.iter().any(|run| run.kind == RunKind::Backup && run.state == RunState::Running && is_its(run))
    }
}

impl Beside {
    /// What is known of one database, or of all.
    pub async fn of(control: &Control, scope: &Scope, only: Option<&str>) -> Result<Self> {
        let (catalog, server, destination) = (&control.catalog, scope.server.id, scope.destination.id);
        let last = catalog.last_ended_rounds_of_tasks().await?.into_iter();
        let mut failed: Vec<RoundRecord> = last.filter(|((_, of), _)| *of == server).map(|(_, round)| round).collect();
        let is_unread = |round: &RoundRecord| round.server(server).is_some_and(|one| one.state == RunState::Failed);
        failed.retain(|round| round.destination == destination && is_unread(round));
        let (needs, records) = (Needs::at(control, destination).await?, catalog.backups_of(destination, only).await?);
        Ok(Self { server, needs, records, failed })
    }

    /// Databases of the server that have backups at the destination, by name. What belongs to the server as a whole always stays.
    pub fn databases(&self, scope: &Scope) -> BTreeSet<String> {
        let of_server =
            self.records.iter().filter(|record| record.server_instance.is_some() && record.server_instance == scope.server.instance);
        of_server.map(|record| record.database.clone()).filter(|database| database != GLOBALS).collect()
    }

    fn known(&self, database: &str, group: &Group, newest: Option<&NewestRun>, now: Timestamp) -> Known {
        let mut known = Known { failing: self.failing(database, group, newest), ..Known::default() };
        for points in &group.chains {
            if let (Some(why), Some(point)) = (self.needs.of(database, points), points.first()) {
                known.held.insert(point.place.folder().as_str().to_owned(), why);
            }
        }
        for record in self.records.iter().filter(|record| record.database == database) {
            let name = (record.folder.clone(), record.label);
            if let Some(fault) = &record.verify_fault {
                known.faults.insert(name, fault.clone());
            } else if now.duration_since(record.checked_at) < LATELY && record.checked_at > record.at {
                known.proven.insert(name);
            }
        }
        known
    }

    /// Why a chain stays that was to go when its database was looked at: somebody needs it, or a backup that may build on it was made
    /// since, works or failed.
    fn stays(&self, looked: &Looked, newest: Option<&NewestRun>, points: &[Point]) -> Option<String> {
        let group = &looked.group;
        let made = || (newest != looked.newest.as_ref()).then(|| "It was backed up meanwhile".to_owned());
        self.needs.of(&group.database, points).or_else(made).or_else(|| self.failing(&group.database, group, newest))
    }

    /// Why newer backups of a database fail, as far as no backup tells of it.
    fn failing(&self, database: &str, group: &Group, newest: Option<&NewestRun>) -> Option<String> {
        if self.needs.is_backed_up(self.server, database) {
            return Some("It is being backed up".into());
        }
        if let Some(run) = newest.filter(|run| run.state != RunState::Succeeded) {
            let why = run.error.as_ref().map_or_else(|| format!("it is {}", run.state), |told| told.sentence.clone());
            return Some(format!("The newest run did not succeed ({})", why.trim_end_matches('.')));
        }
        let ended_at = newest.and_then(|run| run.ended_at);
        if let Some(round) = self.failed.iter().find(|round| round.ended_at > ended_at) {
            return Some(format!("The last round of {:?} failed", round.task_name));
        }
        // Part of the root may not be there at the moment.
        let there = group.chains.iter().flat_map(|points| points.iter()).map(|point| point.place.label().at()).max();
        let instance = group.server.as_ref().map(|server| server.instance.as_str());
        let of_it = |record: &&BackupRecord| record.database == database && record.server_instance.as_deref() == instance;
        let newest = self.records.iter().filter(of_it).max_by_key(|record| record.at).filter(|record| Some(record.at) > there)?;
        Some(format!("The newest backup, {}, is not under the root any more", newest.label))
    }
}

/// Whether a run that waits or works reads something of a chain.
fn reads(run: &RunRecord, database: &str, points: &[Point]) -> bool {
    let Some(request) = Some(run).filter(|run| run.kind != RunKind::Backup).and_then(|run| Request::of(run).ok()) else { return false };
    let is_read = |point: &Point| point.place.label() == request.label;
    request.database == database && points.iter().any(is_read)
}

fn in_use(kind: RunKind) -> String {
    let what = if kind == RunKind::Verify { "verification" } else { "restore" };
    format!("A {what} that waits or works reads it.")
}

impl Control {
    /// Opens a repository so that only what this console signed may go: what others signed was accepted to be read. None if nothing
    /// was ever written there.
    pub(crate) async fn open_own(&self, destination: &DestinationRecord, mode: Mode) -> Result<Option<Repository>> {
        if self.open_known(destination).await?.is_none() {
            return Ok(None);
        }
        let store = self.open_store(destination, mode).await?;
        Repository::open(store, Trust::new([self.instance.fingerprint()])).await.map(Some)
    }

    /// Reads the chains of one database of the server; none if there are none.
    pub(crate) async fn chains_of(
        &self,
        scope: &Scope,
        repository: &Repository,
        beside: &Beside,
        database: &str,
    ) -> Result<Option<Looked>> {
        // Before the chains: a backup that is made between the two is news to whoever asks again.
        let newest = self.catalog.newest_backup_run_to(scope.server.id, database, scope.destination.id).await?;
        let mut points = repository.points(Some(database)).await?;
        points.retain(|point| scope.is_of_it(point));
        let mut groups = groups(points)?.into_iter().filter(|group| group.server.is_some() && group.database == database);
        let Some(group) = groups.next() else { return Ok(None) };
        if groups.next().is_some() {
            return Err(Error::new(
                Code::Internal,
                format!("The chains of {database:?} are those of several servers."),
                "Look at the log.",
            ));
        }
        let known = beside.known(database, &group, newest.as_ref(), Timestamp::now());
        Ok(Some(Looked { group, wishes: scope.wishes(database), known, newest }))
    }

    /// Why a chain stays that was to go when its database was looked at, if something has happened since. Whoever asks holds the turn
    /// at chains, so that nothing happens until the chain is gone.
    pub(super) async fn stays(&self, scope: &Scope, looked: &Looked, points: &[Point]) -> Result<Option<String>> {
        let (server, destination, database) = (scope.server.id, scope.destination.id, looked.group.database.as_str());
        if !Scope::of(self, server, destination).await?.says_the_same(scope, database) {
            return Ok(Some("Its tasks were changed meanwhile".into()));
        }
        let beside = Beside::of(self, scope, Some(database)).await?;
        let newest = self.catalog.newest_backup_run_to(server, database, destination).await?;
        Ok(beside.stays(looked, newest.as_ref(), points))
    }
}
