//! How long a task's backups are kept, as its form asks.

use super::{Check, TaskForm};
use crate::{Result, retention::Rule};

/// The answer that keeps everything.
pub const ALL: &str = "all";

/// The answer that the numbers beside it give.
pub const OWN: &str = "own";

/// Rules that are proposed, each with its title.
pub const PRESETS: [(&str, &str); 3] = [
    ("days=30", "A month"),
    ("daily=7,weekly=4,monthly=12", "A year, thinned out"),
    ("daily=14,weekly=8,monthly=24,yearly=10", "Ten years, thinned out"),
];

impl TaskForm {
    /// The numbers of a rule of one's own, each with the word of its part and the name of its field.
    #[must_use]
    pub fn keep_numbers(&self) -> [(&'static str, &'static str, &str); 6] {
        [
            ("days", "keep_days", &self.keep_days),
            ("count", "keep_count", &self.keep_count),
            ("daily", "keep_daily", &self.keep_daily),
            ("weekly", "keep_weekly", &self.keep_weekly),
            ("monthly", "keep_monthly", &self.keep_monthly),
            ("yearly", "keep_yearly", &self.keep_yearly),
        ]
    }

    /// The same form with another rule in it.
    #[must_use]
    pub fn keeping(self, rule: Option<&Rule>) -> Self {
        let Some(rule) = rule else { return Self { keep_how: ALL.into(), ..self } };
        let text = rule.to_string();
        let keep_how = if PRESETS.iter().any(|(preset, _)| *preset == text) { text } else { OWN.into() };
        let number = |part: Option<u32>| part.map(|number| number.to_string()).unwrap_or_default();
        Self {
            keep_how,
            keep_days: number(rule.days),
            keep_count: number(rule.count),
            keep_daily: number(rule.daily),
            keep_weekly: number(rule.weekly),
            keep_monthly: number(rule.monthly),
            keep_yearly: number(rule.yearly),
            ..self
        }
    }

    /// The rule that it asks for; none keeps everything.
    ///
    /// # Errors
    /// [`crate::Code::Invalid`] with every field that is wrong.
    pub fn rule(&self) -> Result<Option<Rule>> {
        let mut check = Check::default();
        let rule = self.kept(&mut check);
        check.done(rule)
    }

    pub(super) fn kept(&self, check: &mut Check) -> Option<Option<Rule>> {
        match self.keep_how.trim() {
            "" | ALL => Some(None),
            OWN => self.own_rule(check).map(Some),
            preset => match preset.parse() {
                Ok(rule) => Some(Some(rule)),
                Err(_) => {
                    check.fault("keep_how", "Choose how long backups are kept.");
                    None
                }
            },
        }
    }

    fn own_rule(&self, check: &mut Check) -> Option<Rule> {
        let mut parts = vec![];
        for (word, field, number) in self.keep_numbers() {
            let part = format!("{word}={}", number.trim());
            let is_number = number.trim().chars().all(|digit| digit.is_ascii_digit());
            match part.parse::<Rule>() {
                _ if number.trim().is_empty() => {}
                Ok(_) if is_number => parts.push(part),
                _ => {
                    check.fault(field, "Give a whole number from 1 to 36525, or nothing.");
                    return None;
                }
            }
        }
        if parts.is_empty() {
            check.fault("keep_how", "Fill in at least one of the numbers, or keep every backup.");
        }
        parts.join(",").parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(keep_how: &str) -> TaskForm {
        TaskForm { keep_how: keep_how.into(), ..TaskForm::default() }
    }

    #[test]
    fn a_rule_survives_its_way_through_the_form() {
        for text in ["days=30", "daily=7,weekly=4,monthly=12", "days=3,count=9,yearly=1"] {
            let rule: Rule = text.parse().unwrap();
            assert_eq!(TaskForm::default().keeping(Some(&rule)).rule().unwrap(), Some(rule), "{text}");
        }
        assert_eq!(TaskForm::default().rule().unwrap(), None, "nothing is deleted that nobody asked to be");
        let changed_back = TaskForm { keep_days: "3".into(), ..form(ALL) };
        assert_eq!(changed_back.rule().unwrap(), None, "numbers count only for a rule of one's own");
        assert_eq!(TaskForm::default().keeping(Some(&"days=30".parse().unwrap())).keep_how, "days=30");
    }

    #[test]
    fn what_is_wrong_is_told_at_its_field() {
        let wrong = |form: TaskForm| form.rule().unwrap_err().told().fields.iter().map(|fault| fault.field.clone()).collect::<Vec<_>>();
        assert_eq!(wrong(form(OWN)), ["keep_how"]);
        assert_eq!(wrong(form("forever")), ["keep_how"]);
        for number in ["0", "-1", "x", "1.5", "99999", "3,count=1"] {
            assert_eq!(wrong(TaskForm { keep_weekly: number.into(), ..form(OWN) }), ["keep_weekly"], "{number}");
        }
    }

    #[test]
    fn what_is_proposed_is_a_rule() {
        for (preset, _) in PRESETS {
            assert_eq!(preset.parse::<Rule>().unwrap().to_string(), preset);
        }
    }
}
