//! What the wizard's address holds: the whole form, so that reload, back and signing in again lose nothing.

use super::{
    step::Step,
    when::{Every, NAMES, Names, UNCLEAR, When},
};
use domain::{BackupKind, TaskForm, form::is_on, view::task::TaskPreview};
use std::collections::BTreeSet;
use url::form_urlencoded;

/// A task's fields as they travel in a query, in their order.
const FIELDS: [&str; 21] = [
    "name",
    "servers",
    "only",
    "excluded",
    "backup_type",
    "full",
    "incremental",
    "time_zone",
    "catch_up",
    "chain_incrementals",
    "chain_days",
    "encryption",
    "recipients",
    "destination",
    "keep_how",
    "keep_days",
    "keep_count",
    "keep_daily",
    "keep_weekly",
    "keep_monthly",
    "keep_yearly",
];

/// Those of them that are boxes to tick.
const TICKED: [&str; 2] = ["servers", "recipients"];

/// A task that is being written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// The step that is shown.
    pub step: Step,
    /// Whether it is for one round, which no task stands behind.
    pub once: bool,
    /// Number of the edit that it was begun from, if it changes a task.
    pub version: Option<i64>,
    /// The task as it is stored, or what a new one begins with.
    base: TaskForm,
    /// What was filled in, by field.
    given: Vec<(&'static str, String)>,
    /// The schedules' fields, of those that were sent.
    when: Vec<(BackupKind, When)>,
}

impl Draft {
    /// Reads a query over what the task is without it.
    pub fn read(base: TaskForm, version: Option<i64>, search: &str) -> Self {
        let pairs: Vec<(String, String)> = form_urlencoded::parse(search.trim_start_matches('?').as_bytes()).into_owned().collect();
        // The last one counts, as with every form.
        let value = |name: &str| pairs.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.clone());
        let mut given: Vec<_> = FIELDS.into_iter().filter_map(|field| Some((field, value(field)?))).collect();
        // Each box that is ticked sends its own.
        for (field, ids) in given.iter_mut().filter(|(field, _)| TICKED.contains(field)) {
            let ticked: Vec<&str> =
                pairs.iter().filter(|(key, _)| key.as_str() == *field).flat_map(|(_, ids)| ids.split_whitespace()).collect();
            *ids = ticked.join(" ");
        }
        let when_of = |names: &Names| {
            let of = |name: &str| value(name).unwrap_or_default();
            let every = Every::of_word(&of(names.every))?;
            Some(When { every, at: of(names.at), weekday: of(names.weekday), day: of(names.day) })
        };
        let mut when = vec![];
        for (names, one) in NAMES.iter().filter_map(|names| Some((names, when_of(names)?))) {
            given.retain(|(field, _)| *field != names.cron);
            given.push((names.cron, one.cron(&value(names.cron).unwrap_or_default())));
            when.push((names.kind, one));
        }
        Self {
            // The button that was pressed, else the step that the form was of.
            step: Step::of_word(&value("step").or_else(|| value("here")).unwrap_or_default()),
            once: false,
            version: version.map(|stored| value("version").and_then(|text| text.parse().ok()).unwrap_or(stored)),
            base,
            given,
            when,
        }
    }

    /// The same for one round, or for a task. A step that is not asked there is the first one.
    pub fn for_once(self, once: bool) -> Self {
        let step = if Step::all(once).contains(&self.step) { self.step } else { Step::default() };
        Self { once, step, ..self }
    }

    /// The form, with what was not filled in as it was.
    pub fn form(&self) -> TaskForm {
        let mut form = self.base.clone();
        for (field, value) in &self.given {
            *slot(&mut form, field) = value.clone();
        }
        form
    }

    /// Every field of the form with its value.
    pub fn fields(&self) -> Vec<(&'static str, String)> {
        let mut form = self.form();
        FIELDS.into_iter().map(|field| (field, slot(&mut form, field).clone())).collect()
    }

    /// The task's name without what was filled in.
    pub fn stored_name(&self) -> &str {
        &self.base.name
    }

    /// The fields that ask when backups of one kind are made.
    pub fn when(&self, kind: BackupKind) -> When {
        let sent = self.when.iter().find(|(of, _)| *of == kind).map(|(_, when)| when.clone());
        sent.unwrap_or_else(|| When::of_cron(&self.cron(kind)))
    }

    /// The cron expression of one kind; empty for never.
    pub fn cron(&self, kind: BackupKind) -> String {
        let TaskForm { full, incremental, .. } = self.form();
        if kind == BackupKind::Full { full } else { incremental }
    }

    /// What a form of this step has to carry along: all that other steps asked for, and the edit's number.
    pub fn carried(&self, step: Step) -> Vec<(&'static str, String)> {
        let mut carried: Vec<_> = self.given.iter().filter(|(field, _)| !step.fields().contains(field)).cloned().collect();
        // A choice that lacks its time comes back as it was made, and not as an expression that says nothing.
        let is_unclear = |names: &&Names| step != Step::Schedule && self.cron(names.kind) == UNCLEAR;
        carried.extend(NAMES.iter().filter(is_unclear).flat_map(|names| names.pairs(&self.when(names.kind))));
        carried.extend(self.version.map(|version| ("version", version.to_string())));
        carried
    }

    /// The query of a step, with everything that the form holds: also what is stored and was not touched.
    pub fn search(&self, step: Step) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("step", step.word());
        query.extend_pairs(self.fields());
        query.extend_pairs(self.version.map(|version| ("version", version.to_string())));
        query.finish()
    }

    /// What is wrong with a field, once it is due to be said: a new task is not blamed for what was not asked yet.
    pub fn error(&self, field: &str, preview: &TaskPreview) -> Option<String> {
        let due = self.version.is_some() || self.step == Step::Review || self.given.iter().any(|(given, _)| *given == field);
        let error = preview.errors.iter().find(|error| due && error.field == field)?;
        if let Some(names) = NAMES.iter().find(|names| names.cron == field) {
            match self.when(names.kind).every {
                // Nothing is unclear about never; then it is that there is no other kind either.
                Every::Never | Every::Hour => {}
                Every::Cron if self.cron(names.kind) == UNCLEAR => return Some("Give the times as five fields.".into()),
                Every::Cron => {}
                Every::Day | Every::Week | Every::Month => return Some("Give a time of day, such as 02:00, and a day.".into()),
            }
        }
        Some(error.sentence.clone())
    }

    /// Fields that this draft and the stored task have differently: the field, the draft's value, the stored one.
    pub fn differences(&self) -> Vec<(&'static str, String, String)> {
        let mut base = self.base.clone();
        let values = self.fields().into_iter().map(|(field, mine)| (field, mine, slot(&mut base, field).clone()));
        values.filter(|(field, mine, stored)| !is_same(field, mine, stored)).collect()
    }
}

/// Whether two values of a field say the same.
fn is_same(field: &str, one: &str, other: &str) -> bool {
    match field {
        "catch_up" => is_on(one) == is_on(other),
        "servers" | "recipients" => one.split_whitespace().collect::<BTreeSet<_>>() == other.split_whitespace().collect(),
        "excluded" => lines(one).eq(lines(other)),
        // Blanks belong to the name of a database.
        "only" => one == other,
        _ => one.trim() == other.trim(),
    }
}

/// Line ends travel as browsers like it; the lines count, with blanks that belong to a name.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.split(['\r', '\n']).filter(|line| !line.trim().is_empty())
}

fn slot<'a>(form: &'a mut TaskForm, field: &str) -> &'a mut String {
    match field {
        "name" => &mut form.name,
        "servers" => &mut form.servers,
        "only" => &mut form.only,
        "excluded" => &mut form.excluded,
        "backup_type" => &mut form.backup_type,
        "full" => &mut form.full,
        "incremental" => &mut form.incremental,
        "chain_incrementals" => &mut form.chain_incrementals,
        "chain_days" => &mut form.chain_days,
        "time_zone" => &mut form.time_zone,
        "catch_up" => &mut form.catch_up,
        "encryption" => &mut form.encryption,
        "recipients" => &mut form.recipients,
        "keep_how" => &mut form.keep_how,
        "keep_days" => &mut form.keep_days,
        "keep_count" => &mut form.keep_count,
        "keep_daily" => &mut form.keep_daily,
        "keep_weekly" => &mut form.keep_weekly,
        "keep_monthly" => &mut form.keep_monthly,
        "keep_yearly" => &mut form.keep_yearly,
        _ => &mut form.destination,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new(search: &str) -> Draft {
        Draft::read(TaskForm::default(), None, search)
    }

    /// The next page's address, as a form of this step makes it.
    fn sent(draft: &Draft, step: Step, own: &[(&str, &str)]) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(draft.carried(step)).extend_pairs(own);
        query.finish()
    }

    #[test]
    fn every_step_carries_what_the_others_asked() {
        let draft = new("step=schedule&name=Nightly&excluded=a%2Fb%0D%0A100%2525&destination=7");
        let form = draft.form();
        assert_eq!((form.name.as_str(), form.incremental.as_str()), ("Nightly", "0 2 * * *"));
        assert_eq!(form.excluded().collect::<Vec<_>>(), ["a/b", "100%25"]);
        let again = new(&sent(&draft, Step::Retention, &[("step", "review")]));
        assert_eq!((again.form(), again.step), (form, Step::Review));
        assert_eq!(draft.carried(Step::Name), [("destination", "7".to_owned())]);
    }

    #[test]
    fn a_rule_travels_through_all_steps() {
        let draft = new("step=retention&keep_how=own&keep_days=3&keep_weekly=4");
        assert_eq!(draft.form().rule().unwrap().unwrap().to_string(), "days=3,weekly=4");
        let again = new(&sent(&draft, Step::Destination, &[("destination", "7"), ("step", "review")]));
        assert_eq!((again.form().rule().ok(), again.form().destination.as_str()), (draft.form().rule().ok(), "7"));
    }

    #[test]
    fn the_button_that_was_pressed_names_the_step_wherever_it_stands() {
        assert_eq!(new("step=schedule&here=name&name=x").step, Step::Schedule);
        assert_eq!(new("here=schedule&name=x").step, Step::Schedule);
        assert_eq!(new("here=name&name=x&step=type").step, Step::Type);
        assert_eq!(new("").step, Step::Name);
    }

    #[test]
    fn the_fields_of_a_schedule_become_cron_on_the_next_page() {
        let full = "full_every=weekly&full_at=03:30&full_weekday=5&full_day=1&full=ignored";
        let draft = new(&format!("step=retention&{full}&incremental_every=hourly&incremental_at=&incremental=ignored"));
        assert_eq!((draft.form().full.as_str(), draft.form().incremental.as_str()), ("30 3 * * 5", "0 * * * *"));
        let search = sent(&draft, Step::Retention, &[]);
        assert!(search.contains("full=30+3+*+*+5") && !search.contains("every"), "{search}");
        // One of them alone may be left out, and stays so on its way.
        let none = new("step=retention&incremental_every=never&incremental=0+2+*+*+*");
        assert_eq!((none.form().full.as_str(), none.form().incremental.as_str()), ("0 2 * * 0", ""));
        assert_eq!(new(&sent(&none, Step::Retention, &[])).when(BackupKind::Incremental).every, Every::Never);
        // A choice without its time is no answer, and no never either.
        let half = new("step=schedule&full_every=monthly&full_at=&full_day=31&full=x");
        assert_eq!(half.when(BackupKind::Full).every, Every::Month);
        let again = new(&sent(&half, Step::Type, &[]));
        assert_eq!((again.when(BackupKind::Full), again.form()), (half.when(BackupKind::Full), half.form()));
        assert!(half.form().check().unwrap_err().told().field("full").is_some());
    }

    #[test]
    fn every_key_that_is_ticked_counts_and_none_is_an_answer_too() {
        let draft = new("here=encryption&encryption=sealed&recipients=&recipients=a&recipients=b&step=destination");
        assert_eq!(draft.form().recipients, "a b");
        // As it travels through the other steps, and with one more that was just made.
        let again = new(&format!("{}&recipients=c", sent(&draft, Step::Destination, &[])));
        assert_eq!(again.form().recipients, "a b c");
        let stored = TaskForm { encryption: "sealed".into(), recipients: "b a".into(), ..TaskForm::default() };
        let same = Draft::read(stored.clone(), Some(1), "recipients=a&recipients=b");
        assert!(same.differences().is_empty());
        assert_eq!(Draft::read(stored.clone(), Some(1), "recipients=").form().recipients, "");
        // Whoever makes a key for a task that has others keeps those.
        let back = Draft::read(stored.clone(), Some(1), "step=encryption").search(Step::Encryption);
        let again = Draft::read(stored, Some(1), &format!("{back}&encryption=sealed&recipients=c"));
        assert_eq!((again.form().recipients.as_str(), again.step), ("b a c", Step::Encryption));
    }

    #[test]
    fn one_round_has_no_name_no_times_and_no_rule_of_keeping() {
        let steps: Vec<_> = Step::all(true).iter().map(|step| step.title_for(true)).collect();
        assert_eq!(steps, ["Databases", "Type", "Encryption", "Destination", "Review"]);
        assert_eq!(new("step=schedule").for_once(true).step, Step::Name);
        assert_eq!((Step::Type.next(true), Step::Encryption.previous(true)), (Some(Step::Encryption), Some(Step::Type)));
        assert_eq!((Step::Type.next(false), Step::Encryption.previous(false)), (Some(Step::Schedule), Some(Step::Retention)));
    }

    #[test]
    fn an_edit_shows_what_it_would_change() {
        let stored = TaskForm { name: "Nightly".into(), excluded: "a\nb".into(), ..TaskForm::default() };
        let draft = Draft::read(stored, Some(4), "step=name&version=3&name=Weekly&catch_up=on&excluded=a%0D%0Ab%0D%0A");
        assert_eq!(draft.version, Some(3));
        assert_eq!(draft.differences(), [("name", "Weekly".to_owned(), "Nightly".to_owned())]);
    }
}
