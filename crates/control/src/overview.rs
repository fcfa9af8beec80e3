//! Is everything backed up?

use crate::{
    Control, Permit, View,
    key::seen_at,
    survey::{Survey, needs_attention, rank},
};
use catalog::{BackupRecord, DestinationRecord, ServerRecord, TaskRecord};
use domain::{
    DestinationId, Protection, Result, RunState,
    view::{
        overview::{Attention, Overview, Trouble},
        server::{DatabaseLine, ServerLine, Tally},
    },
};
use jiff::{SignedDuration, Timestamp};

/// How far back rounds are shown.
const BACK: SignedDuration = SignedDuration::from_hours(24);
/// How far ahead due times are shown.
const AHEAD: SignedDuration = SignedDuration::from_hours(12);
/// Due times of one task that are shown; one that is due every minute shall not fill the picture.
const MOST_DUE: usize = 50;
const MOST_ATTENTION: usize = 50;

impl Control {
    /// The first page.
    ///
    /// # Errors
    /// [`domain::Code::Catalog`].
    pub async fn overview(&self, _permit: &Permit<View>) -> Result<Overview> {
        self.overview_at(Timestamp::now()).await
    }

    pub(crate) async fn overview_at(&self, now: Timestamp) -> Result<Overview> {
        let survey = Survey::of_all(self, now).await?.with_runs(self).await?;
        let back = now.saturating_sub(BACK).unwrap_or(now);
        let rounds = self.round_lines(self.catalog.rounds_between(back, now).await?).await?;
        let destinations = self.catalog.destinations().await?;

        let (mut tally, mut goods, mut attention, mut servers) = (Tally::default(), Goods::default(), vec![], vec![]);
        let mut troubles = vec![];
        for server in survey.servers() {
            let lines = survey.database_lines(server);
            let line = survey.server_line_of(server, &lines);
            tally.merge(line.tally);
            lines.iter().for_each(|line| goods.add(line));
            attention.extend(of_server(server, &line, &lines));
            attention.extend(of_databases(server, &lines, &survey, line.tasks.iter().any(|task| task.enabled)));
            troubles.extend(failed_rounds(&line));
            servers.push(line);
        }
        attention.sort_by_key(|(rank, _)| *rank);
        troubles.extend(destinations.iter().filter_map(unreadable));
        troubles.extend(self.catalog.suspicious_backups().await?.into_iter().filter_map(|backup| suspicious(backup, &destinations)));
        let mut overdue: Vec<_> = survey.keys_overdue().collect();
        overdue.sort_by_key(|key| seen_at(key));
        troubles.extend(overdue.into_iter().map(|key| Trouble::Key { id: key.id, name: key.name.clone(), at: seen_at(key) }));
        Ok(Overview {
            tally,
            oldest_good: goods.oldest_covered,
            newest_good: goods.newest,
            sample: self.sample.as_ref().filter(|_| servers.is_empty()).map(|folder| folder.display().to_string()),
            servers,
            rounds,
            due: due(survey.tasks(), now),
            attention_more: attention.len().saturating_sub(MOST_ATTENTION) as u64,
            attention: attention.into_iter().take(MOST_ATTENTION).map(|(_, attention)| attention).collect(),
            troubles,
            space: self.space(destinations).await?,
            now,
        })
    }

    async fn space(&self, destinations: Vec<DestinationRecord>) -> Result<Vec<(DestinationId, String, u64, Option<u64>)>> {
        let stored = self.catalog.space_per_destination().await?;
        let of_one = destinations.into_iter().map(async |destination| {
            let free_bytes = self.rooms.free_bytes(&destination).await;
            let stored = stored.iter().find(|space| space.destination == destination.id);
            (destination.id, destination.name, stored.map_or(0, |space| space.bytes), free_bytes)
        });
        Ok(futures::future::join_all(of_one).await)
    }
}

/// The oldest and the newest of all last good backups.
#[derive(Default)]
struct Goods {
    oldest_covered: Option<Timestamp>,
    newest: Option<Timestamp>,
}

impl Goods {
    fn add(&mut self, line: &DatabaseLine) {
        let Some(last_good) = line.last_good else { return };
        self.newest = self.newest.max(Some(last_good));
        if !line.gone && line.protection != Protection::Uncovered {
            self.oldest_covered = Some(self.oldest_covered.map_or(last_good, |oldest| oldest.min(last_good)));
        }
    }
}

/// How bad something is: the smallest first.
type Rank = (u8, Option<Timestamp>);

/// A server that cannot be reached, or whose databases no task covers, concerns all of them at once.
fn of_server(server: &ServerRecord, line: &ServerLine, databases: &[DatabaseLine]) -> Option<(Rank, Attention)> {
    let error = line.seen.as_ref().and_then(|seen| seen.error.clone());
    let is_uncovered = line.tally.total() > 0 && !line.tasks.iter().any(|task| task.enabled);
    if error.is_none() && !is_uncovered {
        return None;
    }
    let worst = databases.iter().filter(|line| !line.gone).min_by_key(|line| rank(line));
    let rank = if error.is_some() { (0, None) } else { (2, None) };
    let attention = Attention {
        server: server.id,
        server_name: server.server.name.clone(),
        database: String::new(),
        protection: worst.map_or(Protection::Uncovered, |line| line.protection),
        last_good: None,
        promise: None,
        error,
        run: None,
        task: None,
    };
    Some((rank, attention))
}

/// Databases of a server that need attention; those that nobody covers are told by their server, if it has no task at work.
fn of_databases<'a>(
    server: &'a ServerRecord,
    lines: &'a [DatabaseLine],
    survey: &'a Survey,
    has_task: bool,
) -> impl Iterator<Item = (Rank, Attention)> + 'a {
    let told_by_server = move |line: &DatabaseLine| !has_task && line.protection == Protection::Uncovered;
    lines.iter().filter(move |line| needs_attention(line) && !told_by_server(line)).map(move |line| {
        let task = survey.tasks_of(server.id).find(|task| task.enabled && task.task.selection.includes(&line.name));
        let run = line.last_run.as_ref();
        let attention = Attention {
            server: server.id,
            server_name: server.server.name.clone(),
            database: line.name.clone(),
            protection: line.protection,
            last_good: line.last_good,
            promise: task.map(|task| task.task.schedules.describe()),
            error: run.and_then(|run| run.error.clone()),
            run: run.filter(|run| run.error.is_some()).map(|run| run.id),
            task: task.map(|task| task.id),
        };
        (rank(line), attention)
    })
}

/// Rounds that failed on a server before any database had its turn, so that no database tells of it. Why the server itself could
/// not be reached is told of the server.
fn failed_rounds(line: &ServerLine) -> impl Iterator<Item = Trouble> + '_ {
    let told = line.seen.as_ref().and_then(|seen| seen.error.as_ref()).map(|error| error.code);
    line.tasks.iter().filter(|task| task.enabled).filter_map(move |task| {
        let round = task.last_round.as_ref()?;
        let failed = round.servers.iter().find(|one| one.server == line.id && one.state == RunState::Failed)?;
        let error = failed.error.clone().filter(|error| Some(error.code) != told)?;
        Some(Trouble::Round {
            id: round.id,
            task_name: task.name.clone(),
            server_name: line.name.clone(),
            at: round.ended_at.unwrap_or(round.began_at),
            error,
        })
    })
}

fn unreadable(destination: &DestinationRecord) -> Option<Trouble> {
    let (at, error) = (destination.read_at?, destination.read_error.clone()?);
    Some(Trouble::Destination { id: destination.id, name: destination.name.clone(), at, error })
}

fn suspicious(backup: BackupRecord, destinations: &[DestinationRecord]) -> Option<Trouble> {
    let destination = destinations.iter().find(|destination| destination.id == backup.destination)?;
    let (name, why) = (destination.name.clone(), backup.suspicion?);
    Some(Trouble::Suspicious { destination: destination.id, name, database: backup.database, at: backup.at, why })
}

/// When enabled tasks are due soon, in order.
fn due<'a>(tasks: impl Iterator<Item = &'a TaskRecord>, now: Timestamp) -> Vec<(Timestamp, String)> {
    let until = now.saturating_add(AHEAD).unwrap_or(now);
    let of_task = |task: &'a TaskRecord| {
        let times = task.task.schedules.upcoming(now).map(|due| due.at).take_while(move |at| *at <= until).take(MOST_DUE);
        times.map(|at| (at, task.task.name.clone())).collect::<Vec<_>>()
    };
    let mut due: Vec<_> = tasks.filter(|task| task.enabled).flat_map(of_task).collect();
    due.sort();
    due
}
