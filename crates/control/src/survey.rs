//! What is known of servers, gathered in a few questions to the catalog, however many servers and databases there are.
//! The lines of all lists are made from it.

mod database;
mod promise;

pub(crate) use database::{needs_attention, rank, sort};

use crate::{Control, key::due_at, screen::Names, task::kind_at};
use catalog::{BackupFacts, DatabaseRecord, DestinationRecord, KeyRecord, NewestRun, ServerRecord, TaskRecord};
use domain::{
    DestinationId, Due, KeyId, Result, RoundId, ServerId, TaskId,
    view::{
        run::RoundLine,
        server::{DatabaseLine, ServerLine, Tally},
        task::TaskLine,
    },
};
use jiff::Timestamp;
use promise::Promise;
use std::collections::{HashMap, HashSet};

/// Databases on a page.
pub(crate) const PAGE_SIZE: usize = 100;

/// Everything that lines of servers, databases and tasks are made from, at one moment.
pub(crate) struct Survey {
    now: Timestamp,
    servers: Vec<ServerRecord>,
    /// Of all servers, also of those that are not surveyed.
    names: Names,
    tasks: Vec<TaskRecord>,
    destinations: HashMap<DestinationId, DestinationRecord>,
    keys: HashMap<KeyId, KeyRecord>,
    databases: HashMap<ServerId, Vec<DatabaseRecord>>,
    /// Good backups, by the server's instance and the database: for each name of the server.
    facts: HashMap<String, HashMap<String, Vec<BackupFacts>>>,
    /// Instances that several servers have: a copy of a whole server has the instance of the original.
    copied: HashSet<String>,
    /// Newest backup runs, if they were asked for.
    runs: HashMap<ServerId, HashMap<String, NewestRun>>,
    /// Rounds that are under way.
    open: HashMap<TaskId, RoundId>,
    last_of_servers: HashMap<ServerId, RoundLine>,
    last_of_tasks: HashMap<(TaskId, ServerId), RoundLine>,
}

impl Survey {
    /// Surveys all servers.
    pub async fn of_all(control: &Control, now: Timestamp) -> Result<Self> {
        let catalog = &control.catalog;
        let mut survey = Self::empty(now, catalog.servers().await?, catalog.tasks().await?);
        survey.copied = copied(&survey.servers);
        survey.databases = catalog.all_databases().await?;
        survey.take_facts(catalog.all_backup_facts().await?);
        survey.with_rounds(control, catalog.last_rounds_of_servers().await?.into_iter().collect()).await
    }

    /// Surveys tasks alone, for their lines.
    pub async fn of_tasks(control: &Control, now: Timestamp) -> Result<Self> {
        let tasks = control.catalog.tasks().await?;
        Self::empty(now, vec![], tasks).with_rounds(control, vec![]).await
    }

    /// Surveys one server.
    pub async fn of_server(control: &Control, server: ServerRecord, now: Timestamp) -> Result<Self> {
        Self::of_servers(control, vec![server], now).await
    }

    /// Surveys some servers.
    pub async fn of_servers(control: &Control, servers: Vec<ServerRecord>, now: Timestamp) -> Result<Self> {
        let catalog = &control.catalog;
        let mut tasks = catalog.tasks().await?;
        tasks.retain(|task| servers.iter().any(|server| task.task.servers.contains(&server.id)));
        let mut survey = Self::empty(now, servers.clone(), tasks);
        survey.copied = copied(&catalog.servers().await?);
        let mut last = vec![];
        for server in &servers {
            survey.databases.insert(server.id, catalog.databases(server.id).await?);
            last.extend(catalog.rounds_of_server(server.id, 1).await?.into_iter().map(|round| (server.id, round)));
        }
        let instances: HashSet<_> = servers.into_iter().filter_map(|server| server.instance).collect();
        for instance in instances {
            survey.take_facts(catalog.backup_facts(&instance).await?);
        }
        survey.with_rounds(control, last).await
    }

    /// Adds how the newest backup run of each database went.
    pub async fn with_runs(self, control: &Control) -> Result<Self> {
        let runs = control.catalog.newest_backup_runs().await?;
        Ok(self.take_runs(runs))
    }

    /// The same for the databases of one server.
    pub async fn with_runs_of(self, control: &Control, server: ServerId) -> Result<Self> {
        let runs = control.catalog.newest_backup_run_per_database(server).await?;
        Ok(self.take_runs(runs))
    }

    fn empty(now: Timestamp, servers: Vec<ServerRecord>, tasks: Vec<TaskRecord>) -> Self {
        Self {
            now,
            servers,
            names: Names::new(),
            tasks,
            destinations: HashMap::new(),
            keys: HashMap::new(),
            databases: HashMap::new(),
            facts: HashMap::new(),
            copied: HashSet::new(),
            runs: HashMap::new(),
            open: HashMap::new(),
            last_of_servers: HashMap::new(),
            last_of_tasks: HashMap::new(),
        }
    }

    fn take_facts(&mut self, facts: Vec<BackupFacts>) {
        for fact in facts {
            self.facts.entry(fact.instance.clone()).or_default().entry(fact.database.clone()).or_default().push(fact);
        }
    }

    fn take_runs(mut self, runs: Vec<NewestRun>) -> Self {
        for run in runs {
            self.runs.entry(run.server).or_default().insert(run.database.clone(), run);
        }
        self
    }

    /// Adds destinations and rounds. The lines of all rounds are made together.
    async fn with_rounds(mut self, control: &Control, last_of_servers: Vec<(ServerId, catalog::RoundRecord)>) -> Result<Self> {
        let catalog = &control.catalog;
        self.names = control.server_names().await?;
        self.destinations = catalog.destinations().await?.into_iter().map(|destination| (destination.id, destination)).collect();
        self.keys = catalog.keys().await?.into_iter().map(|key| (key.id, key)).collect();
        self.open = catalog.open_rounds().await?.into_iter().filter_map(|round| Some((round.task?, round.id))).collect();
        let mut last_of_tasks = catalog.last_ended_rounds_of_tasks().await?;
        last_of_tasks.retain(|(id, _), _| self.tasks.iter().any(|task| task.id == *id));
        let (servers, last): (Vec<_>, Vec<_>) = last_of_servers.into_iter().unzip();
        let (tasks, last_of_tasks): (Vec<_>, Vec<_>) = last_of_tasks.into_iter().unzip();
        let all = last.into_iter().chain(last_of_tasks).collect();
        let mut lines = control.round_lines(all).await?.into_iter();
        self.last_of_servers = servers.into_iter().zip(lines.by_ref()).collect();
        self.last_of_tasks = tasks.into_iter().zip(lines).collect();
        Ok(self)
    }

    /// The moment of the survey.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// All servers that were surveyed, by name.
    pub fn servers(&self) -> impl Iterator<Item = &ServerRecord> {
        self.servers.iter()
    }

    /// Keys that enabled tasks seal for and that nobody proved for long.
    pub fn keys_overdue(&self) -> impl Iterator<Item = &KeyRecord> {
        let is_used = |key: &KeyRecord| self.tasks.iter().any(|task| task.enabled && task.task.recipients.contains(&key.id));
        self.keys.values().filter(move |key| due_at(key) <= self.now && is_used(key))
    }

    /// All tasks of the servers, by name.
    pub fn tasks(&self) -> impl Iterator<Item = &TaskRecord> {
        self.tasks.iter()
    }

    /// Tasks that cover a server, by name.
    pub fn tasks_of(&self, server: ServerId) -> impl Iterator<Item = &TaskRecord> {
        self.tasks.iter().filter(move |task| task.task.servers.contains(&server))
    }

    /// A server in a list.
    pub fn server_line(&self, server: &ServerRecord) -> ServerLine {
        self.server_line_of(server, &self.database_lines(server))
    }

    /// The same, where the lines of its databases are there already.
    pub fn server_line_of(&self, server: &ServerRecord, databases: &[DatabaseLine]) -> ServerLine {
        let mut tally = Tally::default();
        let there = databases.iter().filter(|line| !line.gone);
        there.clone().for_each(|line| tally.add(line.protection));
        ServerLine {
            id: server.id,
            name: server.server.name.clone(),
            dbms: server.server.dbms(),
            address: server.server.connection.to_string(),
            tally,
            size_bytes: there.filter_map(|line| line.size_bytes).sum(),
            seen: server.seen.clone(),
            tasks: self.tasks_of(server.id).map(|task| self.task_line_on(task, &[server.id])).collect(),
            last_round: self.last_of_servers.get(&server.id).cloned(),
        }
    }

    /// A task in a list.
    pub fn task_line(&self, task: &TaskRecord) -> TaskLine {
        self.task_line_on(task, &task.task.servers)
    }

    /// The same, with its last round that included one of these servers.
    fn task_line_on(&self, task: &TaskRecord, servers: &[ServerId]) -> TaskLine {
        let rounds = servers.iter().filter_map(|server| self.last_of_tasks.get(&(task.id, *server)));
        let destination = self.destinations.get(&task.task.destination);
        TaskLine {
            id: task.id,
            name: task.task.name.clone(),
            servers: task.task.servers.iter().map(|id| (*id, self.names.get(id).cloned().unwrap_or_default())).collect(),
            enabled: task.enabled,
            schedule: task.task.schedules.describe(),
            time_zone: task.task.schedules.time_zone.clone(),
            next: task.next_at.filter(|_| task.enabled).map(|at| Due { at, kind: kind_at(task, at) }),
            put_off_from: task.put_off_from.filter(|_| task.enabled),
            usual: task.task.schedules.usual(),
            destination: destination.map_or_else(String::new, |destination| destination.name.clone()),
            root: destination.map_or_else(String::new, |destination| destination.destination.to_string()),
            destination_id: task.task.destination,
            selection: task.task.selection.clone(),
            keys: task.task.recipients.iter().filter_map(|id| self.keys.get(id)).map(|key| key.name.clone()).collect(),
            running: self.open.get(&task.id).copied(),
            last_round: rounds.max_by_key(|round| (round.began_at, round.id)).cloned(),
        }
    }

    /// All databases of a server by name, judged by whichever of its tasks promises most.
    pub fn database_lines(&self, server: &ServerRecord) -> Vec<DatabaseLine> {
        let promises: Vec<_> = self.tasks_of(server.id).filter(|task| task.enabled).map(Promise::new).collect();
        let mut lines = self.lines(server, &promises);
        for line in &mut lines {
            line.excluded = self.tasks_of(server.id).any(|task| task.task.selection.leaves_out(&line.name));
        }
        lines
    }

    /// The databases of a server that a task covers, by name, judged by this task alone. Those that are gone are not among them.
    pub fn lines_of_task(&self, server: &ServerRecord, task: &TaskRecord) -> Vec<DatabaseLine> {
        let promises: Vec<_> = task.enabled.then(|| Promise::new(task)).into_iter().collect();
        let mut lines = self.lines(server, &promises);
        lines.retain(|line| !line.gone && task.task.selection.includes(&line.name));
        lines
    }

    fn lines(&self, server: &ServerRecord, promises: &[Promise<'_>]) -> Vec<DatabaseLine> {
        let facts = server.instance.as_ref().and_then(|instance| self.facts.get(instance));
        let is_copied = server.instance.as_ref().is_some_and(|instance| self.copied.contains(instance));
        // A server may have been renamed since its backups were made; but of copies only the name tells which one it was.
        let is_of_it = |fact: &&BackupFacts| !is_copied || fact.server_name.as_deref() == Some(server.server.name.as_str());
        let runs = self.runs.get(&server.id);
        let line = |database: &DatabaseRecord| {
            let facts = facts.and_then(|facts| facts.get(&database.name)).into_iter().flatten().filter(is_of_it);
            let facts = facts.cloned().reduce(|facts, other| facts.with(&other));
            let run = runs.and_then(|runs| runs.get(&database.name));
            database::line(database, facts.as_ref(), run, promises, self.now)
        };
        self.databases.get(&server.id).into_iter().flatten().map(line).collect()
    }
}

/// Instances that more than one of these servers has.
fn copied(servers: &[ServerRecord]) -> HashSet<String> {
    let mut seen = HashSet::new();
    servers.iter().filter_map(|server| server.instance.as_ref()).filter(|instance| !seen.insert(*instance)).cloned().collect()
}
