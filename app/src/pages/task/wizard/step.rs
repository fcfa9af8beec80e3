//! The steps of the wizard, and the answer of each in the list.

use super::draft::Draft;
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

    /// Its name in the list.
    pub fn title(self) -> &'static str {
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
    pub fn question(self) -> &'static str {
        match self {
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
    pub fn explains(self) -> &'static str {
        match self {
            Self::Name => "It covers every database of the server, those that come later too, except the ones that you name here.",
            Self::Type => "There is one kind so far.",
            Self::Schedule => "Each run makes a full backup of every database. Incremental backups come with a later version.",
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
    pub fn previous(self) -> Option<Self> {
        Self::ALL.into_iter().take_while(|step| *step != self).last()
    }

    /// The step after.
    pub fn next(self) -> Option<Self> {
        Self::ALL.into_iter().skip_while(|step| *step != self).nth(1)
    }

    /// Names of the fields that it asks for.
    pub fn fields(self) -> &'static [&'static str] {
        match self {
            Self::Name => &["name", "excluded"],
            Self::Type => &["backup_type"],
            Self::Schedule => &["cron", "time_zone", "catch_up"],
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
        Some(if field == "cron" { "These times cannot be read.".into() } else { error })
    }

    /// All of it, a sentence for each field.
    pub fn errors(self, draft: &Draft, preview: &TaskPreview) -> Vec<String> {
        self.fields().iter().filter_map(|field| draft.error(field, preview)).collect()
    }

    /// Its answer so far, a few words; empty if there is none.
    pub fn answer(self, draft: &Draft, preview: &TaskPreview) -> String {
        let form = draft.form();
        match self {
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
