//! What a task's wizard asks.

use super::{Check, is_on};
use crate::{DestinationId, KeyId, Result, Schedule, Selection, ServerId, Task};
use serde::{Deserialize, Serialize};

/// A task, as the wizard holds it from step to step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TaskForm {
    /// Its name.
    pub name: String,
    /// `logical`.
    pub backup_type: String,
    /// When a full backup is made: five fields.
    pub cron: String,
    /// IANA name.
    pub time_zone: String,
    /// `on` to make up for a time at which the console did not run.
    pub catch_up: String,
    /// Databases to leave out: one exact name a line.
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
            cron: "0 2 * * *".into(),
            time_zone: "UTC".into(),
            catch_up: "on".into(),
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
    /// Names of databases to leave out: every character of a line counts, and lines that are blank do not.
    pub fn excluded(&self) -> impl Iterator<Item = &str> {
        // Browsers turn each kind of line end into another, so that a name with one in it could not be shown and read again.
        self.excluded.split(['\r', '\n']).filter(|name| !name.trim().is_empty())
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

    /// Checks the form for a task of `server`.
    ///
    /// # Errors
    /// [`crate::Code::Invalid`] with every field that is wrong.
    pub fn check(&self, server: ServerId) -> Result<Task> {
        let mut check = Check::default();
        let name = check.name(&self.name);
        if self.backup_type != "logical" {
            check.fault("backup_type", "Choose the type of the backups.");
        }
        let schedule = check.take("cron", Schedule::parse(&self.cron, &self.time_zone));
        let recipients = self.sealed_for(&mut check);
        let retention = self.kept(&mut check);
        let destination = match self.destination.trim() {
            "" => {
                check.fault("destination", "Choose where the backups go.");
                None
            }
            id => check.take::<DestinationId>("destination", id.parse()),
        };
        let task =
            schedule.zip(destination).zip(recipients.zip(retention)).map(|((schedule, destination), (recipients, retention))| Task {
                name,
                server,
                selection: Selection { excluded: self.excluded().map(String::from).collect() },
                schedule,
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
        let error = form.check(ID.parse().unwrap()).unwrap_err();
        error.told().fields.iter().map(|error| error.field.clone()).collect()
    }

    #[test]
    fn every_wrong_field_is_named_at_once() {
        let form = TaskForm { cron: "never".into(), time_zone: "Nowhere".into(), ..Default::default() };
        assert_eq!(fields(&form), ["name", "cron", "time_zone", "encryption", "destination"]);
    }

    #[test]
    fn archives_are_readable_for_all_only_if_somebody_says_so() {
        let form = |encryption: &str, recipients: &str| TaskForm {
            name: "nightly".into(),
            destination: ID.into(),
            encryption: encryption.into(),
            recipients: recipients.into(),
            ..TaskForm::default()
        };
        let keys = |form: &TaskForm| form.check(ID.parse().unwrap()).unwrap().recipients;
        assert!(keys(&form("none", "")).is_empty());
        // Whoever chose keys and then none has none; the other way round is an error.
        assert!(keys(&form("none", ID)).is_empty());
        assert_eq!(keys(&form("sealed", &format!("{ID} {ID}"))), [ID.parse().unwrap()]);
        assert_eq!(fields(&form("sealed", " ")), ["recipients"]);
        assert_eq!(fields(&form("sealed", "nonsense")), ["recipients"]);
        assert_eq!(fields(&form("", ID)), ["encryption"]);
    }

    #[test]
    fn databases_are_left_out_by_exact_name() {
        let form = TaskForm { excluded: " shop\r\n \r\n\nno such *\nold \r".into(), ..Default::default() };
        let selection = Selection { excluded: form.excluded().map(String::from).collect() };
        assert_eq!(selection.excluded, [" shop", "no such *", "old "]);
        assert!(!selection.includes(" shop") && selection.includes("shop") && selection.includes("no such thing"));
    }

    #[test]
    fn what_is_left_out_is_the_same_when_its_form_is_sent_again() {
        let read = |excluded: String| TaskForm { excluded, ..Default::default() }.excluded().map(String::from).collect::<Vec<_>>();
        for typed in [" a\nb ", "a\r\r\nb", "a\rb\n", "\u{85}\n a \u{2028} b\n\tc", "", " \n \r\n"] {
            let names = read(typed.into());
            assert_eq!(read(names.join("\n")), names, "{typed:?}");
            assert_eq!(read(names.join("\r\n") + "\r\n"), names, "{typed:?}");
        }
    }
}
