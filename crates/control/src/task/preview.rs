//! What a task would do, told while its form is filled in.

use super::{no_database, no_destination, no_key};
use crate::{Control, Permit, View};
use catalog::{DatabaseRecord, DestinationRecord};
use domain::{
    Destination, Error, FieldError, Pattern, Result, Schedule, Schedules, ServerId, TaskForm, TaskId,
    view::task::{NextTime, TaskPreview},
};
use jiff::{Timestamp, tz};
use repository::layout::database_folder;
use std::collections::BTreeSet;

/// Times that are told ahead.
const TIMES: usize = 5;
/// Child folders that are shown.
const FOLDERS: usize = 6;

impl Control {
    /// What a task of `server` would do if it were as the form says; `edited` is the task that the form changes, if there is
    /// one. With `once` it is the form of one round, which no task stands behind. Bad input is no error here: it is told in the preview.
    ///
    /// # Errors
    /// [`domain::Code::NotFound`] if there is no such server.
    pub async fn preview_task(
        &self,
        _permit: &Permit<View>,
        server: ServerId,
        edited: Option<TaskId>,
        form: &TaskForm,
        once: bool,
    ) -> Result<TaskPreview> {
        let mut preview = self.preview_task_at(server, edited, form, Timestamp::now()).await?;
        if once {
            let asked = form.check_once().err().map(|error| error.told().fields.clone()).unwrap_or_default();
            preview.errors.retain(|error| asked.contains(error) || matches!(error.field.as_str(), "only" | "recipients" | "destination"));
        }
        Ok(preview)
    }

    pub(crate) async fn preview_task_at(
        &self,
        server: ServerId,
        edited: Option<TaskId>,
        form: &TaskForm,
        now: Timestamp,
    ) -> Result<TaskPreview> {
        let server = self.catalog.server(server).await?;
        let destinations = self.catalog.destinations().await?;
        let tasks = self.catalog.tasks().await?;
        let name_taken = tasks.iter().any(|task| Some(task.id) != edited && task.task.name == form.name.trim());
        let databases = self.catalog.databases(server.id).await?;
        let chosen = destinations.iter().find(|destination| destination.id.to_string() == form.destination.trim());
        let keys = self.catalog.keys().await?;
        let has_keys = form.recipients().all(|id| keys.iter().any(|key| key.id.to_string() == id));
        let schedules = Schedules::parse(&form.full, &form.incremental, &form.time_zone).ok();
        let has_database = form.only.is_empty() || databases.iter().any(|database| database.name == form.only);
        let choice = Choice::of(form, &databases);
        Ok(TaskPreview {
            errors: errors(
                form,
                server.id,
                &[
                    name_taken.then(name_is_taken),
                    (!has_keys && form.encryption == "sealed").then(no_key),
                    (!has_database).then(no_database),
                    chosen.is_none().then(no_destination),
                ],
            ),
            server_name: server.server.name,
            schedule: schedules.as_ref().map(Schedules::describe),
            full: in_words(&form.full),
            incremental: in_words(&form.incremental),
            next: schedules.map_or_else(Vec::new, |schedules| next_times(&schedules, now)),
            folders: chosen.map_or_else(Vec::new, |destination| folders(&destination.destination, &choice.included)),
            included: choice.included,
            excluded: choice.excluded,
            unknown: choice.unknown,
            patterns: choice.patterns,
            databases: choice.databases,
            size_bytes: choice.size_bytes,
            root: chosen.map(|destination| destination.destination.to_string()),
            destinations: destinations.into_iter().map(to_choose).collect(),
            keys: keys.into_iter().map(|key| (key.id, key.name, key.fingerprint)).collect(),
            encrypted_at_rest: server.encrypted_at_rest,
            time_zones: time_zones(),
            now,
        })
    }
}

fn to_choose(destination: DestinationRecord) -> (domain::DestinationId, String, String) {
    let root = destination.destination.to_string();
    (destination.id, destination.name, root)
}

/// What the form's own check finds, and what only the catalog knows; of each field the first.
fn errors(form: &TaskForm, server: ServerId, known: &[Option<Error>]) -> Vec<FieldError> {
    let mut errors = form.check(server).map_or_else(|error| error.told().fields.clone(), |_| vec![]);
    for news in known.iter().flatten().flat_map(|error| &error.told().fields) {
        if !errors.iter().any(|error| error.field == news.field) {
            errors.push(news.clone());
        }
    }
    errors
}

fn name_is_taken() -> Error {
    Error::invalid_field("name", "There is already a task of this name.")
}

/// Databases of a server, as the form sorts them.
#[derive(Default)]
struct Choice {
    databases: Vec<String>,
    included: Vec<String>,
    excluded: Vec<String>,
    unknown: Vec<String>,
    patterns: Vec<(String, Vec<String>)>,
    size_bytes: u64,
}

impl Choice {
    fn of(form: &TaskForm, databases: &[DatabaseRecord]) -> Self {
        let selection = form.selection();
        let mut choice = Self::default();
        for database in databases.iter().filter(|database| database.gone_at.is_none()) {
            choice.databases.push(database.name.clone());
            if selection.includes(&database.name) {
                choice.size_bytes += database.size_bytes.unwrap_or(0);
                choice.included.push(database.name.clone());
            } else if selection.only.is_none() {
                choice.excluded.push(database.name.clone());
            }
        }
        let unknown: BTreeSet<_> = selection.excluded.iter().filter(|name| !choice.databases.contains(name)).cloned().collect();
        choice.unknown = unknown.into_iter().collect();
        choice.patterns = selection.patterns.iter().map(|pattern| (pattern.clone(), fitting(pattern, &choice.databases))).collect();
        choice
    }
}

/// The names that a pattern fits.
fn fitting(pattern: &str, names: &[String]) -> Vec<String> {
    let pattern = Pattern::new(pattern);
    names.iter().filter(|name| pattern.matches(name)).cloned().collect()
}

/// One schedule in words, if it can be read, whatever the time zone and the other one are.
fn in_words(cron: &str) -> Option<String> {
    Schedule::parse(cron, "UTC").ok().map(|schedule| schedule.describe())
}

/// The next times of both kinds, each as the clocks of the schedules' time zone will show it.
fn next_times(schedules: &Schedules, now: Timestamp) -> Vec<NextTime> {
    let Ok(zone) = tz::TimeZone::get(&schedules.time_zone) else { return vec![] };
    let clock = |at: Timestamp| at.to_zoned(zone.clone()).strftime("%a %-d %b %Y, %H:%M %Z").to_string();
    schedules.upcoming(now).take(TIMES).map(|due| NextTime { due, clock: clock(due.at) }).collect()
}

/// Where the first databases would lie, exactly as the repository names their folders.
fn folders(root: &Destination, databases: &[String]) -> Vec<String> {
    let root = root.to_string();
    let root = root.trim_end_matches('/');
    databases.iter().take(FOLDERS).filter_map(|name| database_folder(name).ok()).map(|folder| format!("{root}/{folder}/")).collect()
}

/// Names to choose from. Other ways of writing the same zone, and files that are none, are left out.
fn time_zones() -> Vec<String> {
    let is_zone = |name: &str| name == "UTC" || (name.contains('/') && !name.starts_with("posix/") && !name.starts_with("right/"));
    let mut names: Vec<_> = tz::db().available().map(|name| name.as_str().to_owned()).filter(|name| is_zone(name)).collect();
    names.sort_unstable();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_as_the_clocks_of_the_zone_show_them() {
        let schedules = Schedules::parse("30 2 * * 0", "30 2 * * *", "Europe/Berlin").unwrap();
        let times = next_times(&schedules, "2026-10-23T12:00:00Z".parse().unwrap());
        let shown: Vec<_> = times.iter().map(|time| (time.clock.as_str(), time.due.kind.as_str())).collect();
        assert_eq!(
            shown,
            [
                ("Sat 24 Oct 2026, 02:30 CEST", "incremental"),
                ("Sun 25 Oct 2026, 02:30 CEST", "full"),
                ("Mon 26 Oct 2026, 02:30 CET", "incremental"),
                ("Tue 27 Oct 2026, 02:30 CET", "incremental"),
                ("Wed 28 Oct 2026, 02:30 CET", "incremental")
            ]
        );
    }

    #[test]
    fn folders_are_those_that_the_repository_makes() {
        let root = Destination::Local { root: "/srv/backups/".into() };
        let names = ["shop.db", "team/a b", "_globals2"].map(String::from);
        assert_eq!(folders(&root, &names), ["/srv/backups/shop.db/", "/srv/backups/team%2Fa%20b/", "/srv/backups/%5Fglobals2/"]);
    }

    #[test]
    fn every_zone_that_can_be_chosen_is_one() {
        let zones = time_zones();
        assert!(zones.len() > 300 && zones.iter().any(|zone| zone == "Europe/Berlin") && zones.iter().any(|zone| zone == "UTC"));
        for zone in zones {
            assert!(Schedule::parse("0 2 * * *", &zone).is_ok(), "{zone}");
        }
    }
}
