//! What a task would do, told while its form is filled in.

use super::{clock, no_database, no_destination, no_key, no_server};
use crate::{Control, Permit, View};
use catalog::{DatabaseRecord, DestinationRecord, ServerRecord};
use domain::{
    Destination, Error, FieldError, Pattern, Result, Schedule, Schedules, Selection, TaskForm, TaskId,
    view::task::{NextTime, ServerPreview, TaskPreview},
};
use jiff::{Timestamp, tz};
use repository::layout::database_folder;
use std::collections::BTreeSet;

/// Times that are told ahead.
const TIMES: usize = 5;
/// Child folders that are shown.
const FOLDERS: usize = 6;

impl Control {
    /// What a task would do if it were as the form says; `edited` is the task that the form changes, if there is one. With `once`
    /// it is the form of one round, which no task stands behind. Bad input is no error here: it is told in the preview.
    ///
    /// # Errors
    /// [`domain::Code::Catalog`].
    pub async fn preview_task(&self, _permit: &Permit<View>, edited: Option<TaskId>, form: &TaskForm, once: bool) -> Result<TaskPreview> {
        let mut preview = self.preview_task_at(edited, form, Timestamp::now()).await?;
        if once {
            let asked = form.check_once().err().map(|error| error.told().fields.clone()).unwrap_or_default();
            preview
                .errors
                .retain(|error| asked.contains(error) || matches!(error.field.as_str(), "servers" | "only" | "recipients" | "destination"));
        }
        Ok(preview)
    }

    pub(crate) async fn preview_task_at(&self, edited: Option<TaskId>, form: &TaskForm, now: Timestamp) -> Result<TaskPreview> {
        let all_servers = self.catalog.servers().await?;
        let destinations = self.catalog.destinations().await?;
        let tasks = self.catalog.tasks().await?;
        let name_taken = tasks.iter().any(|task| Some(task.id) != edited && task.task.name == form.name.trim());
        let (servers, databases) = self.chosen_servers(form, &all_servers).await?;
        let has_servers = servers.len() == form.servers().collect::<BTreeSet<_>>().len();
        let chosen = destinations.iter().find(|destination| destination.id.to_string() == form.destination.trim());
        let keys = self.catalog.keys().await?;
        let has_keys = form.recipients().all(|id| keys.iter().any(|key| key.id.to_string() == id));
        let schedules = Schedules::parse(&form.full, &form.incremental, &form.time_zone).ok();
        let has_database = form.only.is_empty() || databases.iter().any(|database| database.name == form.only);
        let (selection, encrypted_at_rest) = (form.selection(), servers.iter().find_map(|server| server.encrypted_at_rest.clone()));
        let servers = previews(&selection, servers, &databases);
        let names = || servers.iter().flat_map(|server| &server.databases);
        Ok(TaskPreview {
            errors: errors(
                form,
                &[
                    name_taken.then(name_is_taken),
                    (!has_servers).then(no_server),
                    (!has_keys && form.encryption == "sealed").then(no_key),
                    (!has_database).then(no_database),
                    chosen.is_none().then(no_destination),
                ],
            ),
            schedule: schedules.as_ref().map(Schedules::describe),
            full: in_words(&form.full),
            incremental: in_words(&form.incremental),
            next: schedules.map_or_else(Vec::new, |schedules| next_times(&schedules, now)),
            folders: chosen.map_or_else(Vec::new, |destination| folders(&destination.destination, &servers)),
            unknown: unknown(&selection, names()),
            patterns: selection.patterns.iter().map(|pattern| (pattern.clone(), fitting(pattern, names()))).collect(),
            servers,
            all_servers: all_servers.into_iter().map(server_to_choose).collect(),
            root: chosen.map(|destination| destination.destination.to_string()),
            destinations: destinations.into_iter().map(to_choose).collect(),
            keys: keys.into_iter().map(|key| (key.id, key.name, key.fingerprint)).collect(),
            encrypted_at_rest,
            time_zones: time_zones(),
            now,
        })
    }

    /// The servers that a form names, in its order, as far as they are there; with all their databases.
    async fn chosen_servers<'a>(&self, form: &TaskForm, all: &'a [ServerRecord]) -> Result<(Vec<&'a ServerRecord>, Vec<DatabaseRecord>)> {
        let (mut servers, mut databases): (Vec<&ServerRecord>, _) = (vec![], vec![]);
        for server in form.servers().filter_map(|id| all.iter().find(|server| server.id.to_string() == id)) {
            if !servers.iter().any(|chosen| chosen.id == server.id) {
                databases.extend(self.catalog.databases(server.id).await?);
                servers.push(server);
            }
        }
        Ok((servers, databases))
    }
}

fn server_to_choose(server: ServerRecord) -> (domain::ServerId, String, String) {
    let where_to = format!("{} · {}", server.server.dbms(), server.server.connection);
    (server.id, server.server.name, where_to)
}

fn to_choose(destination: DestinationRecord) -> (domain::DestinationId, String, String) {
    let root = destination.destination.to_string();
    (destination.id, destination.name, root)
}

/// What the form's own check finds, and what only the catalog knows; of each field the first.
fn errors(form: &TaskForm, known: &[Option<Error>]) -> Vec<FieldError> {
    let mut errors = form.check().map_or_else(|error| error.told().fields.clone(), |_| vec![]);
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

/// What becomes of the databases of each server.
fn previews(selection: &Selection, servers: Vec<&ServerRecord>, databases: &[DatabaseRecord]) -> Vec<ServerPreview> {
    let preview = |server: &ServerRecord| {
        let there = || databases.iter().filter(|database| database.server == server.id && database.gone_at.is_none());
        let names = |is: &dyn Fn(&str) -> bool| there().map(|database| database.name.clone()).filter(|name| is(name)).collect();
        let included = |name: &str| selection.includes(name);
        ServerPreview {
            id: server.id,
            name: server.server.name.clone(),
            included: names(&included),
            excluded: names(&|name| selection.leaves_out(name)),
            databases: names(&|_| true),
            size_bytes: there().filter(|database| included(&database.name)).filter_map(|database| database.size_bytes).sum(),
        }
    };
    servers.into_iter().map(preview).collect()
}

/// Names to leave out that no database has.
fn unknown<'a>(selection: &Selection, names: impl Iterator<Item = &'a String>) -> Vec<String> {
    let there: BTreeSet<_> = names.collect();
    let unknown: BTreeSet<_> = selection.excluded.iter().filter(|name| !there.contains(name)).cloned().collect();
    unknown.into_iter().collect()
}

/// The names that a pattern fits.
fn fitting<'a>(pattern: &str, names: impl Iterator<Item = &'a String>) -> Vec<String> {
    let pattern = Pattern::new(pattern);
    names.filter(|name| pattern.matches(name)).cloned().collect()
}

/// One schedule in words, if it can be read, whatever the time zone and the other one are.
fn in_words(cron: &str) -> Option<String> {
    Schedule::parse(cron, "UTC").ok().map(|schedule| schedule.describe())
}

/// The next times of both kinds, each as the clocks of the schedules' time zone will show it.
fn next_times(schedules: &Schedules, now: Timestamp) -> Vec<NextTime> {
    schedules.upcoming(now).take(TIMES).map(|due| NextTime { due, clock: clock(schedules, due.at) }).collect()
}

/// Where the first databases would lie, exactly as the repository names their folders: databases of one name share theirs, in which
/// each chain has its own that names the server.
fn folders(root: &Destination, servers: &[ServerPreview]) -> Vec<String> {
    let root = root.to_string();
    let root = root.trim_end_matches('/');
    let mut folders = vec![];
    for name in servers.iter().flat_map(|server| &server.included) {
        let folder = database_folder(name).ok().map(|folder| format!("{root}/{folder}/"));
        folders.extend(folder.filter(|folder| !folders.contains(folder)));
        if folders.len() == FOLDERS {
            break;
        }
    }
    folders
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
        let server = |included: &[&str]| ServerPreview {
            id: crate::fixture::server(),
            name: String::new(),
            included: included.iter().map(|name| (*name).to_owned()).collect(),
            excluded: vec![],
            databases: vec![],
            size_bytes: 0,
        };
        let servers = [server(&["shop.db", "team/a b"]), server(&["_globals2", "shop.db"])];
        assert_eq!(folders(&root, &servers), ["/srv/backups/shop.db/", "/srv/backups/team%2Fa%20b/", "/srv/backups/%5Fglobals2/"]);
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
