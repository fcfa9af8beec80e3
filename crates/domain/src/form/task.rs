//! What a task's wizard asks.

use super::{Check, is_on};
use crate::{ChainLimit, DestinationId, KeyId, Once, Result, Schedules, Selection, ServerId, Task, selection::lines};
use serde::{Deserialize, Serialize};

/// Most incrementals that a chain can be limited to: a restore reads all of them.
const MOST_INCREMENTALS: u32 = 10_000;
/// Most days.
const MOST_DAYS: u32 = 3_650;

/// A task, as the wizard holds it from step to step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TaskForm {
    /// Its name.
    pub name: String,
    /// `logical`.
    pub backup_type: String,
    /// When a full backup is made: five fields, or nothing for never.
    pub full: String,
    /// When an incremental one is made: five fields, or nothing for never.
    pub incremental: String,
    /// Most incrementals of a chain; empty for no limit.
    pub chain_incrementals: String,
    /// Most days from a full backup to the next; empty for no limit.
    pub chain_days: String,
    /// IANA name.
    pub time_zone: String,
    /// `on` to make up for a time at which the console did not run.
    pub catch_up: String,
    /// Identifiers of the servers, with blanks between them.
    pub servers: String,
    /// The one database that it is for; empty for all.
    pub only: String,
    /// Databases to leave out of all: a name or a pattern a line.
    pub excluded: String,
    /// `sealed` for who has one of the keys, or `none`.
    pub encryption: String,
    /// Identifiers of the keys, with blanks between them.
    pub recipients: String,
    /// The destination's identifier.
    pub destination: String,
    /// What is kept: `all`, a rule such as `days=30`, or `own` for one of the numbers below.
    pub keep_how: String,
    /// What is younger than so many days.
    pub keep_days: String,
    /// So many of the newest chains.
    pub keep_count: String,
    /// The newest chain of each of so many days.
    pub keep_daily: String,
    /// The same by weeks.
    pub keep_weekly: String,
    /// The same by months.
    pub keep_monthly: String,
    /// The same by years.
    pub keep_yearly: String,
}

impl Default for TaskForm {
    fn default() -> Self {
        Self {
            name: String::new(),
            backup_type: "logical".into(),
            full: "0 2 * * 0".into(),
            incremental: "0 2 * * *".into(),
            // Neither ends a chain before the full backup that common schedules make anyway: one a week with hourly
            // incrementals between, or one a month. They bound what would grow for ever.
            chain_incrementals: "200".into(),
            chain_days: "35".into(),
            time_zone: "UTC".into(),
            catch_up: "on".into(),
            servers: String::new(),
            only: String::new(),
            excluded: String::new(),
            // Nobody's archives are readable for all because nobody asked.
            encryption: String::new(),
            recipients: String::new(),
            destination: String::new(),
            // Nothing is deleted that nobody asked to be deleted.
            keep_how: super::keep::ALL.into(),
            keep_days: String::new(),
            keep_count: String::new(),
            keep_daily: String::new(),
            keep_weekly: String::new(),
            keep_monthly: String::new(),
            keep_yearly: String::new(),
        }
    }
}

impl TaskForm {
    /// The lines that say what is left out.
    pub fn excluded(&self) -> impl Iterator<Item = &str> {
        lines(&self.excluded)
    }

    /// Which databases it is for.
    #[must_use]
    pub fn selection(&self) -> Selection {
        if self.only.is_empty() { Selection::all_but(&self.excluded) } else { Selection::of_one(&self.only) }
    }

    /// Identifiers of the servers that were chosen.
    pub fn servers(&self) -> impl Iterator<Item = &str> {
        self.servers.split_whitespace()
    }

    /// The servers that it is for, in the order in which they were chosen.
    fn covered(&self, check: &mut Check) -> Option<Vec<ServerId>> {
        let servers: Result<Vec<ServerId>> = self.servers().map(str::parse).collect();
        let mut chosen: Vec<ServerId> = vec![];
        for server in check.take("servers", servers)? {
            if !chosen.contains(&server) {
                chosen.push(server);
            }
        }
        match chosen.len() {
            0 => check.fault("servers", "Choose at least one server."),
            2.. if !self.only.is_empty() => {
                check.fault("servers", "One database is of one server: choose that server alone, or all databases.");
            }
            _ => return Some(chosen),
        }
        None
    }

    /// Identifiers of the keys that were chosen.
    pub fn recipients(&self) -> impl Iterator<Item = &str> {
        self.recipients.split_whitespace()
    }

    /// The keys that archives are sealed for.
    fn sealed_for(&self, check: &mut Check) -> Option<Vec<KeyId>> {
        match self.encryption.trim() {
            "none" => Some(vec![]),
            "sealed" if self.recipients().next().is_none() => {
                check.fault("recipients", "Choose at least one key, or make one.");
                None
            }
            "sealed" => {
                let keys: Result<Vec<KeyId>> = self.recipients().map(str::parse).collect();
                let mut keys = check.take("recipients", keys)?;
                keys.sort_unstable();
                keys.dedup();
                Some(keys)
            }
            _ => {
                check.fault("encryption", "Choose who can read the archives.");
                None
            }
        }
    }

    /// The destination's identifier.
    fn place(&self, check: &mut Check) -> Option<DestinationId> {
        match self.destination.trim() {
            "" => {
                check.fault("destination", "Choose where the backups go.");
                None
            }
            id => check.take("destination", id.parse()),
        }
    }

    /// Checks the form for one round, which has no name, no schedule and no rule of how long it is kept.
    ///
    /// # Errors
    /// [`crate::Code::Invalid`] with every field that is wrong.
    pub fn check_once(&self) -> Result<(Vec<ServerId>, DestinationId, Once)> {
        let mut check = Check::default();
        let servers = self.covered(&mut check);
        self.check_type(&mut check);
        let recipients = self.sealed_for(&mut check);
        let destination = self.place(&mut check);
        let once = servers.zip(destination.zip(recipients)).map(|(servers, (destination, recipients))| {
            let once = Once { selection: self.selection(), recipients };
            (servers, destination, once)
        });
        check.done(once)
    }

    fn check_type(&self, check: &mut Check) {
        if self.backup_type != "logical" {
            check.fault("backup_type", "Choose the type of the backups.");
        }
    }

    /// Checks the form for a task.
    ///
    /// # Errors
    /// [`crate::Code::Invalid`] with every field that is wrong.
    pub fn check(&self) -> Result<Task> {
        let mut check = Check::default();
        let name = check.name(&self.name);
        let servers = self.covered(&mut check);
        self.check_type(&mut check);
        let schedules = check.take("full", Schedules::parse(&self.full, &self.incremental, &self.time_zone));
        let chain_limit = ChainLimit {
            incrementals: check.limit("chain_incrementals", &self.chain_incrementals, MOST_INCREMENTALS),
            days: check.limit("chain_days", &self.chain_days, MOST_DAYS),
        };
        let recipients = self.sealed_for(&mut check);
        let retention = self.kept(&mut check);
        let destination = self.place(&mut check);
        let order = servers.zip(schedules).zip(destination).zip(recipients.zip(retention));
        let task = order.map(|(((servers, schedules), destination), (recipients, retention))| Task {
            name,
            servers,
            selection: self.selection(),
            schedules,
            chain_limit,
            catch_up: is_on(&self.catch_up),
            destination,
            retention,
            recipients,
        });
        check.done(task)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

    fn fields(form: &TaskForm) -> Vec<String> {
        let error = form.check().unwrap_err();
        error.told().fields.iter().map(|error| error.field.clone()).collect()
    }

    #[test]
    fn every_wrong_field_is_named_at_once() {
        let form = TaskForm { full: "never".into(), time_zone: "Nowhere".into(), chain_days: "0".into(), ..Default::default() };
        assert_eq!(fields(&form), ["name", "servers", "full", "time_zone", "chain_days", "encryption", "destination"]);
    }

    #[test]
    fn a_chain_has_the_limits_that_are_filled_in() {
        let form = |incrementals: &str, days: &str| TaskForm {
            name: "nightly".into(),
            servers: ID.into(),
            destination: ID.into(),
            encryption: "none".into(),
            chain_incrementals: incrementals.into(),
            chain_days: days.into(),
            ..TaskForm::default()
        };
        let limit = |incrementals, days| form(incrementals, days).check().unwrap().chain_limit;
        assert_eq!(limit(" 7 ", ""), ChainLimit { incrementals: Some(7), days: None });
        assert_eq!(limit("", " "), ChainLimit::default());
        for wrong in ["0", "-1", "10001", "many", "1.5", "99999999999"] {
            assert_eq!(fields(&form(wrong, "1")), ["chain_incrementals"], "{wrong}");
        }
    }

    #[test]
    fn the_limits_that_are_proposed_end_no_chain_of_a_common_schedule() {
        use jiff::Timestamp;
        let proposed =
            TaskForm { name: "x".into(), servers: ID.into(), destination: ID.into(), encryption: "none".into(), ..TaskForm::default() };
        let limit = proposed.check().unwrap().chain_limit;
        let since = |days: i64| (Timestamp::UNIX_EPOCH, Timestamp::from_second(days * 86_400).unwrap());
        for (days, incrementals) in [(7, 7 * 24 - 1), (31, 30)] {
            let (began_at, now) = since(days);
            assert_eq!(limit.reached(began_at, incrementals, now), None);
        }
    }

    #[test]
    fn archives_are_readable_for_all_only_if_somebody_says_so() {
        let form = |encryption: &str, recipients: &str| TaskForm {
            name: "nightly".into(),
            servers: ID.into(),
            destination: ID.into(),
            encryption: encryption.into(),
            recipients: recipients.into(),
            ..TaskForm::default()
        };
        let keys = |form: &TaskForm| form.check().unwrap().recipients;
        assert!(keys(&form("none", "")).is_empty());
        // Whoever chose keys and then none has none; the other way round is an error.
        assert!(keys(&form("none", ID)).is_empty());
        assert_eq!(keys(&form("sealed", &format!("{ID} {ID}"))), [ID.parse().unwrap()]);
        assert_eq!(fields(&form("sealed", " ")), ["recipients"]);
        assert_eq!(fields(&form("sealed", "nonsense")), ["recipients"]);
        assert_eq!(fields(&form("", ID)), ["encryption"]);
    }

    #[test]
    fn one_round_asks_for_no_name_and_no_times() {
        let form = TaskForm { full: "never".into(), time_zone: "Nowhere".into(), only: "shop".into(), ..TaskForm::default() };
        let error = form.check_once().unwrap_err();
        assert_eq!(
            error.told().fields.iter().map(|error| error.field.as_str()).collect::<Vec<_>>(),
            ["servers", "encryption", "destination"]
        );
        let form = TaskForm { servers: ID.into(), encryption: "none".into(), destination: ID.into(), ..form };
        let once = Once { selection: Selection::of_one("shop"), recipients: vec![] };
        assert_eq!(form.check_once().unwrap(), (vec![ID.parse().unwrap()], ID.parse().unwrap(), once));
    }

    #[test]
    fn a_task_is_for_one_database_or_for_all_but_some() {
        let form = TaskForm { excluded: "tmp_*\nold".into(), ..TaskForm::default() };
        assert_eq!(form.selection(), Selection::all_but("tmp_*\nold"));
        assert_eq!(TaskForm { only: " shop".into(), ..form }.selection(), Selection::of_one(" shop"));
    }

    #[test]
    fn a_task_has_servers_in_order_and_for_one_database_just_one() {
        const OTHER: &str = "01890a5d-ac96-774b-bcce-b302099a8058";
        let form = |servers: &str, only: &str| TaskForm {
            name: "nightly".into(),
            servers: servers.into(),
            only: only.into(),
            destination: ID.into(),
            encryption: "none".into(),
            ..TaskForm::default()
        };
        let both = form(&format!("{OTHER} {ID}  {OTHER}"), "");
        assert_eq!(both.check().unwrap().servers, [OTHER.parse().unwrap(), ID.parse().unwrap()]);
        assert_eq!(both.check_once().unwrap().0.len(), 2);
        let one = form(&format!("{OTHER} {ID}"), "shop");
        assert_eq!(fields(&one), ["servers"]);
        assert!(one.check_once().unwrap_err().told().field("servers").is_some());
        assert_eq!(fields(&form(" ", "")), ["servers"]);
        assert_eq!(fields(&form("nonsense", "")), ["servers"]);
    }
}
