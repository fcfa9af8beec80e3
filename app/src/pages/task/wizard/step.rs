//! The steps of the wizard, and the answer of each in the list.

use super::{
    draft::Draft,
    when::{Every, NAMES},
};
use domain::{TaskForm, view::task::TaskPreview};

/// A step of the task wizard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Step {
    /// What it is called and which databases it covers.
    #[default]
    Name,
    /// What kind of backups it makes.
    Type,
    /// When it runs.
    Schedule,
    /// How long its backups are kept.
    Retention,
    /// For whom its archives are sealed.
    Encryption,
    /// Where its backups go.
    Destination,
    /// Everything once more.
    Review,
}

impl Step {
    /// All, in order.
    pub const ALL: [Self; 7] = [Self::Name, Self::Type, Self::Schedule, Self::Retention, Self::Encryption, Self::Destination, Self::Review];

    /// Those of one round, in order: no task stands behind it, so that it has no name, no times and nothing that expires.
    const ONCE: [Self; 5] = [Self::Name, Self::Type, Self::Encryption, Self::Destination, Self::Review];

    /// All that are asked of one round, or of a task.
    pub fn all(once: bool) -> &'static [Self] {
        if once { &Self::ONCE } else { &Self::ALL }
    }

    /// Its word in the address.
    pub fn word(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Type => "type",
            Self::Schedule => "schedule",
            Self::Retention => "retention",
            Self::Encryption => "encryption",
            Self::Destination => "destination",
            Self::Review => "review",
        }
    }

    /// Its name in the list of one round, or of a task.
    pub fn title_for(self, once: bool) -> &'static str {
        if once && self == Self::Name { "Databases" } else { self.title() }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Name => "Name",
            Self::Type => "Type",
            Self::Schedule => "Schedule",
            Self::Retention => "Retention",
            Self::Encryption => "Encryption",
            Self::Destination => "Destination",
            Self::Review => "Review",
        }
    }

    /// What it asks.
    pub fn question(self, once: bool) -> &'static str {
        match self {
            Self::Name if once => "What is to be backed up?",
            Self::Name => "What is it called, and what does it cover?",
            Self::Type => "What kind of backups does it make?",
            Self::Schedule => "When should it run?",
            Self::Retention => "How long are backups kept?",
            Self::Encryption => "Who can read the archives?",
            Self::Destination => "Where do the backups go?",
            Self::Review => "Is everything as it should be?",
        }
    }

    /// What is worth knowing for the answer.
    pub fn explains(self, once: bool) -> &'static str {
        match self {
            Self::Name if once => {
                "One full backup, now and once, of every database of the servers except those that you leave out; or of one."
            }
            Self::Name => {
                "It covers every database of its servers, those that come later too, except the ones that you leave out here; or one database alone."
            }
            Self::Type => "There is one kind so far.",
            Self::Schedule => {
                "A full backup holds everything; an incremental one holds what changed since the one before, and needs it. Where both are due at once, the full one is made. The first backup of a database is full in any case."
            }
            Self::Retention => {
                "A chain is a full backup with the incrementals that build on it. It goes as a whole, after a newer backup succeeded, and never the newest good one. While backups fail, nothing goes."
            }
            Self::Encryption => {
                "What is sealed can be read with one of its keys alone, and not by this console. A change counts from the next backup on, which begins a new chain."
            }
            Self::Destination => "Every database gets a child folder of its own under the root of the destination.",
            Self::Review => "Nothing is kept and nothing begins before you press the button below.",
        }
    }

    /// The step of a word; the first, if it is none.
    pub fn of_word(word: &str) -> Self {
        Self::ALL.into_iter().find(|step| step.word() == word).unwrap_or_default()
    }

    /// The step before.
    pub fn previous(self, once: bool) -> Option<Self> {
        Self::all(once).iter().copied().take_while(|step| *step != self).last()
    }

    /// The step after.
    pub fn next(self, once: bool) -> Option<Self> {
        Self::all(once).iter().copied().skip_while(|step| *step != self).nth(1)
    }

    /// Names of the fields that it asks for.
    pub fn fields(self) -> &'static [&'static str] {
        match self {
            Self::Name => &["name", "servers", "only", "excluded"],
            Self::Type => &["backup_type"],
            Self::Schedule => &["full", "incremental", "time_zone", "chain_incrementals", "chain_days", "catch_up"],
            Self::Encryption => &["encryption", "recipients"],
            Self::Destination => &["destination"],
            Self::Retention => &["keep_how", "keep_days", "keep_count", "keep_daily", "keep_weekly", "keep_monthly", "keep_yearly"],
            Self::Review => &[],
        }
    }

    /// What is wrong with its fields, a few words, of those whose errors are due to be shown.
    pub fn error(self, draft: &Draft, preview: &TaskPreview) -> Option<String> {
        let (field, error) = self.fields().iter().find_map(|field| Some((*field, draft.error(field, preview)?)))?;
        // The list has no room for what an expression lacks; its field says that.
        let by_hand = NAMES.iter().any(|names| names.cron == field && draft.when(names.kind).every == Every::Cron);
        Some(if by_hand { "These times cannot be read.".into() } else { error })
    }

    /// All of it, a sentence for each field.
    pub fn errors(self, draft: &Draft, preview: &TaskPreview) -> Vec<String> {
        self.fields().iter().filter_map(|field| draft.error(field, preview)).collect()
    }

    /// Its answer so far, a few words; empty if there is none.
    pub fn answer(self, draft: &Draft, preview: &TaskPreview) -> String {
        let form = draft.form();
        match self {
            Self::Name if draft.once && form.only.is_empty() => "All but what is left out".into(),
            Self::Name if draft.once => form.only,
            Self::Name => form.name.trim().into(),
            Self::Type => "Backup (logical)".into(),
            Self::Schedule => preview.schedule.clone().unwrap_or_default(),
            Self::Retention => match form.rule() {
                Ok(None) => "Every backup is kept".into(),
                Ok(Some(rule)) => rule.in_words().trim_end_matches('.').into(),
                Err(_) => "Not clear yet".into(),
            },
            Self::Encryption => match form.encryption.as_str() {
                "none" => "Not encrypted".into(),
                "sealed" => sealed_for(&form, preview),
                _ => "Not chosen yet".into(),
            },
            Self::Destination => {
                let chosen = preview.destinations.iter().find(|(id, ..)| id.to_string() == form.destination);
                chosen.map_or_else(|| "Not chosen yet".into(), |(_, name, _)| name.clone())
            }
            Self::Review => String::new(),
        }
    }

    /// Whether its question has its answer, so that the list ticks it.
    pub fn is_answered(self, preview: &TaskPreview) -> bool {
        let wrong = |field: &&str| preview.errors.iter().any(|error| error.field == **field);
        self != Self::Review && !self.fields().iter().any(wrong)
    }
}

/// For whom archives are sealed, by name.
pub fn sealed_for(form: &TaskForm, preview: &TaskPreview) -> String {
    let names: Vec<_> = preview.keys.iter().filter(|(id, ..)| form.recipients().any(|key| key == id.to_string())).collect();
    match names.as_slice() {
        [] => "Sealed, for no key yet".into(),
        names => format!("Sealed for {}", names.iter().map(|(_, name, _)| name.as_str()).collect::<Vec<_>>().join(" and ")),
    }
}
