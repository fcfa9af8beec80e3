//! Who or what causes a change, and what is told of it.

use crate::{Level, Permit};
use catalog::AuditRecord;
use domain::{RunId, view::run::LogLine};
use jiff::Timestamp;

/// Why something changes: for the audit log, and for the log of the run or round.
#[derive(Clone, Debug)]
pub(crate) struct Cause {
    actor: String,
    address: String,
    /// What happened, a sentence.
    pub said: String,
    /// Whether it went wrong.
    pub bad: bool,
}

impl Cause {
    /// Something that the console does by itself.
    pub fn console(said: impl Into<String>) -> Self {
        Self { actor: "console".into(), address: String::new(), said: said.into(), bad: false }
    }

    /// Something that a user asked for.
    pub fn user<L: Level>(permit: &Permit<L>, said: impl Into<String>) -> Self {
        let actor = permit.actor();
        Self { actor: actor.name().into(), address: actor.address().into(), said: said.into(), bad: false }
    }

    /// The same with another sentence, which may tell of something that went wrong.
    pub fn saying(&self, said: impl Into<String>, bad: bool) -> Self {
        Self { said: said.into(), bad, ..self.clone() }
    }

    /// The user, if one asked.
    pub fn who(&self) -> &str {
        &self.actor
    }

    /// The line of the audit log.
    pub fn audit(&self, at: Timestamp, action: &str, subject: &str, path: String) -> AuditRecord {
        AuditRecord {
            at,
            actor: self.actor.clone(),
            address: self.address.clone(),
            action: action.into(),
            subject: subject.into(),
            path: Some(path),
            detail: self.said.clone(),
        }
    }

    /// The line of the run's or the round's log.
    pub fn line(&self, at: Timestamp, run: Option<RunId>, database: &str) -> LogLine {
        LogLine { at, run, server: String::new(), database: database.into(), text: self.said.clone(), bad: self.bad }
    }
}
