//! The steps of the restore wizard: which there are, and which one a URL shows.

use domain::{FieldError, RestoreForm};

/// A step. Each has its own URL, which holds everything that was chosen so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// Which destination.
    Where,
    /// Which database folder.
    Folder,
    /// Which restore point.
    Point,
    /// The key of a sealed one.
    Key,
    /// Which server, and the new name.
    Target,
    /// What will happen.
    Review,
}

impl Step {
    /// All, in order.
    pub const ALL: [Self; 6] = [Self::Where, Self::Folder, Self::Point, Self::Key, Self::Target, Self::Review];

    /// Its word in the URL.
    pub fn word(self) -> &'static str {
        match self {
            Self::Where => "where",
            Self::Folder => "folder",
            Self::Point => "point",
            Self::Key => "key",
            Self::Target => "target",
            Self::Review => "review",
        }
    }

    /// Its name in the list of steps.
    pub fn title(self) -> &'static str {
        match self {
            Self::Where => "Where from",
            Self::Folder => "Database folder",
            Self::Point => "Restore point",
            Self::Key => "Key",
            Self::Target => "Target",
            Self::Review => "Review",
        }
    }

    /// The step of a field.
    pub fn of_field(field: &str) -> Self {
        match field {
            "destination" => Self::Where,
            "database" | "origin" => Self::Folder,
            "point" | "at" => Self::Point,
            "server" | "name" | "no_owner" | "create_roles" => Self::Target,
            _ => Self::Review,
        }
    }

    /// The step of a word in the URL.
    fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|step| step.word() == word)
    }

    /// Whether the form holds what the step asks for. The key is in no form: what is open is known elsewhere.
    fn is_answered(self, form: &RestoreForm) -> bool {
        match self {
            Self::Where => !form.destination.is_empty(),
            Self::Folder => !form.database.is_empty(),
            Self::Point => !form.point.is_empty(),
            Self::Key => true,
            Self::Target => !form.server.is_empty() && !form.name.trim().is_empty(),
            Self::Review => false,
        }
    }
}

/// The step that a URL asks for: the one it names, or the first one without an answer.
pub fn asked(word: &str, form: &RestoreForm) -> Step {
    Step::of_word(word).or_else(|| Step::ALL.into_iter().find(|step| !step.is_answered(form))).unwrap_or(Step::Review)
}

/// The step to show: the one asked for, unless an earlier one has no answer or a wrong one, or the backup is sealed and not
/// open.
pub fn shown(asked: Step, form: &RestoreForm, errors: &[FieldError], locked: bool) -> Step {
    let is_wrong = |step: Step| errors.iter().any(|error| Step::of_field(&error.field) == step);
    Step::ALL
        .into_iter()
        .take_while(|step| *step < asked)
        .find(|step| !step.is_answered(form) || is_wrong(*step) || (locked && *step == Step::Key))
        .unwrap_or(asked)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form() -> RestoreForm {
        RestoreForm {
            destination: "d".into(),
            database: "shop".into(),
            point: "p".into(),
            server: "s".into(),
            name: "shop_2".into(),
            ..Default::default()
        }
    }

    #[test]
    fn a_url_without_a_step_shows_the_first_one_without_an_answer() {
        assert_eq!(asked("", &RestoreForm::default()), Step::Where);
        assert_eq!(asked("", &RestoreForm { destination: "d".into(), ..Default::default() }), Step::Folder);
        assert_eq!(asked("nonsense", &form()), Step::Review);
        assert_eq!(asked("where", &form()), Step::Where);
    }

    #[test]
    fn an_earlier_step_that_is_empty_or_wrong_comes_first() {
        let error = |field: &str| vec![FieldError { field: field.into(), sentence: "No.".into() }];
        assert_eq!(shown(Step::Review, &form(), &[], false), Step::Review);
        assert_eq!(shown(Step::Review, &form(), &[], true), Step::Key);
        assert_eq!(shown(Step::Point, &form(), &[], true), Step::Point);
        assert_eq!(shown(Step::Review, &form(), &error("point"), true), Step::Point);
        assert_eq!(shown(Step::Review, &form(), &error("name"), false), Step::Target);
        assert_eq!(shown(Step::Review, &form(), &error("origin"), false), Step::Folder);
        assert_eq!(shown(Step::Folder, &form(), &error("name"), false), Step::Folder);
        assert_eq!(shown(Step::Review, &RestoreForm::default(), &error("name"), false), Step::Where);
    }
}
