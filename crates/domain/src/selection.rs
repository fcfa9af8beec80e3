//! Which databases of a server a task backs up.

use crate::Pattern;
use serde::{Deserialize, Serialize};

/// Which databases: one, or all that are not left out, today's and tomorrow's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Selection {
    /// The one database, if it is for one alone.
    pub only: Option<String>,
    /// Exact names of databases to leave out, also of such as do not exist yet.
    pub excluded: Vec<String>,
    /// Patterns of names to leave out.
    pub patterns: Vec<String>,
}

impl Selection {
    /// One database.
    #[must_use]
    pub fn of_one(database: &str) -> Self {
        Self { only: Some(database.into()), ..Self::default() }
    }

    /// All databases but those that lines name: each is a name, or a pattern if there is a `*` or a `?` in it that no `\`
    /// stands before. Every character of a line counts, and lines that are blank do not.
    #[must_use]
    pub fn all_but(text: &str) -> Self {
        let mut selection = Self::default();
        for line in lines(text) {
            match Pattern::new(line).literal() {
                Some(name) => selection.excluded.push(name),
                None => selection.patterns.push(line.into()),
            }
        }
        selection
    }

    /// What is left out, in lines that [`Selection::all_but`] reads.
    pub fn left_out(&self) -> impl Iterator<Item = String> + '_ {
        self.excluded.iter().map(|name| Pattern::escape(name)).chain(self.patterns.iter().cloned())
    }

    /// Whether a database is to be backed up.
    #[must_use]
    pub fn includes(&self, database: &str) -> bool {
        match &self.only {
            Some(only) => only == database,
            None => !self.leaves_out(database),
        }
    }

    /// Whether somebody said of a database that it is not to be backed up. Nobody did of those that are just not the one.
    #[must_use]
    pub fn leaves_out(&self, database: &str) -> bool {
        let by_name = || self.excluded.iter().any(|name| name == database);
        let by_pattern = || self.patterns.iter().any(|pattern| Pattern::new(pattern).matches(database));
        self.only.is_none() && (by_name() || by_pattern())
    }
}

/// The lines of a text that say something. Browsers turn each kind of line end into another, so that a name with one in it
/// could not be shown and read again.
pub(crate) fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.split(['\r', '\n']).filter(|line| !line.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn databases_are_left_out_by_name_and_by_pattern() {
        let selection = Selection::all_but(" shop\r\n \r\n\ntenant_*\nlog?\nno such \\*\nold \r");
        assert_eq!(selection.excluded, [" shop", "no such *", "old "]);
        assert_eq!(selection.patterns, ["tenant_*", "log?"]);
        for name in [" shop", "no such *", "tenant_", "tenant_7", "logs"] {
            assert!(!selection.includes(name) && selection.leaves_out(name), "{name:?}");
        }
        for name in ["shop", "no such thing", "my_tenant_7", "log", "Tenant_7"] {
            assert!(selection.includes(name), "{name:?}");
        }
    }

    #[test]
    fn one_database_leaves_no_other_one_out() {
        let one = Selection { patterns: vec!["*".into()], ..Selection::of_one("shop") };
        assert!(one.includes("shop") && !one.includes("blog") && !one.leaves_out("blog"));
    }

    #[test]
    fn names_that_were_exact_before_there_were_patterns_stay_so() {
        let stored: Selection = serde_json::from_str(r#"{"excluded":["tmp_*","a\\b","scratch"]}"#).unwrap();
        assert!(stored.leaves_out("tmp_*") && !stored.leaves_out("tmp_1"));
        let lines: Vec<_> = stored.left_out().collect();
        assert_eq!(lines, [r"tmp_\*", r"a\\b", "scratch"]);
        assert_eq!(Selection::all_but(&lines.join("\r\n")), stored);
    }

    proptest! {
        #[test]
        fn what_is_left_out_is_the_same_when_its_form_is_sent_again(text in r"[ a-c*?\\\r\n\u{85}\u{2028}]{0,40}") {
            let selection = Selection::all_but(&text);
            let lines: Vec<_> = selection.left_out().collect();
            prop_assert_eq!(&Selection::all_but(&lines.join("\n")), &selection);
            prop_assert_eq!(&Selection::all_but(&(lines.join("\r\n") + "\r\n")), &selection);
        }

        #[test]
        fn every_name_can_be_left_out_exactly(name in r"[a-c*?\\]{1,12}", other in r"[a-c*?\\]{1,12}") {
            let selection = Selection::all_but(&Pattern::escape(&name));
            prop_assert_eq!(selection.leaves_out(&other), name == other);
        }
    }
}
