//! Recorded statements, run.

use super::{
    crew::{Crew, Hand},
    notes::Notes,
    plan::{Item, Plan, Step},
};
use crate::postgres::{
    sql::{Class, Statement, setting},
    wire::{Session, quote_literal, sqlstate},
};
use domain::{Code, Error, Result};

/// How often a statement that met another one is begun again.
const TRIES: u32 = 20;

/// What to do about statements that fail.
#[derive(Clone, Copy)]
pub(super) struct Manner<'a> {
    /// Where to tell what is otherwise than it was.
    pub notes: &'a Notes,
    /// Whether the statements come after the rows: the rows are worth keeping without them.
    pub after_rows: bool,
    /// Whether to go on without what can be left out.
    pub keep_going: bool,
}

impl Manner<'_> {
    /// Whether the database is of use without what failed: its rows are complete then. What secures tables is no part of it.
    fn can_do_without(self, class: Class, error: &Error) -> bool {
        let Some(state) = sqlstate(error) else { return false };
        // No room, no memory, stopped from outside, the server's own trouble: that says nothing of the statement.
        let is_about_statement = state == "58P01" || !["08", "53", "57", "58", "XX"].iter().any(|kind| state.starts_with(kind));
        is_about_statement
            && match class {
                Class::Setting => false,
                // On what could not be made.
                Class::Privileges => self.after_rows && matches!(state, "42P01" | "42883" | "42704"),
                Class::Comment => true,
                _ => self.after_rows,
            }
    }
}

/// Runs the steps of a plan; its last statements are left to [`last`].
pub(super) fn run(plan: &Plan<'_>, crew: &Crew<'_>, manner: Manner<'_>) -> Result<()> {
    let ready = |session| Runner::ready(session, &plan.header, manner);
    plan.steps.iter().try_for_each(|step| match step {
        Step::Ordered(items) => crew.alone(ready, |runner| items.iter().try_for_each(|item| runner.run(item))),
        Step::Parallel(items) => crew.each(items, ready, |runner, item| runner.run(item)),
    })
}

/// Runs the statements that come after everything else.
pub(super) fn last(plan: &Plan<'_>, crew: &Crew<'_>, manner: Manner<'_>) -> Result<()> {
    if plan.last.is_empty() {
        return Ok(());
    }
    let ready = |session| Runner::ready(session, &plan.header, manner);
    crew.alone(ready, |runner| plan.last.iter().try_for_each(|item| runner.run(item)))
}

/// Statements of a plan that outlive the archive's text: they are run when the rows have been read back.
#[derive(Debug, Default)]
pub(super) struct Kept(Vec<Vec<u8>>);

impl Kept {
    /// Those that secure tables, with the encoding that they are written in.
    pub fn securing(plans: [&Plan<'_>; 2]) -> Self {
        let mut all = vec![];
        for plan in plans.into_iter().filter(|plan| !plan.secure.is_empty()) {
            let encoding = plan.header.iter().filter(|statement| setting(statement.text).as_deref() == Some("CLIENT_ENCODING"));
            all.extend(encoding.chain(plan.secure.iter().map(|item| &item.statement)).map(|statement| statement.text.to_vec()));
        }
        Self(all)
    }

    /// Whether there is nothing to run.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Runs them. A table that cannot be secured as it was is always an error: nobody may see more than before.
    pub fn run(&self, session: &mut Session) -> Result<()> {
        self.0.iter().try_for_each(|text| execute(session, Statement { text, offset: 0 }))
    }
}

/// A session and the settings it is under.
struct Runner<'a> {
    session: Session,
    encoding: String,
    settings: [Option<Statement<'a>>; 2],
    manner: Manner<'a>,
}

impl<'a> Runner<'a> {
    fn ready(session: Session, header: &[Statement<'a>], manner: Manner<'a>) -> Result<Self> {
        let encoding = session.client_encoding().to_owned();
        let mut runner = Self { session, encoding, settings: [None; 2], manner };
        header.iter().try_for_each(|statement| runner.set(*statement))?;
        Ok(runner)
    }

    fn run(&mut self, item: &Item<'a>) -> Result<()> {
        for (at, wanted) in item.settings.iter().enumerate() {
            if let (Some(statement), true) = (wanted, *wanted != self.settings[at]) {
                self.set(*statement)?;
                self.settings[at] = *wanted;
            }
        }
        if item.class == Class::Setting {
            return self.set(item.statement);
        }
        match execute(&mut self.session, item.statement) {
            Err(error) if self.manner.can_do_without(item.class, &error) => {
                if !self.manner.keep_going {
                    let step = format!("{} Or restore with --keep-different, to keep the database without it.", error.next_step());
                    return Err(Error::new(error.code(), error.to_string(), step).because(error));
                }
                self.manner.notes.leave_out(format!("Left out, because the server refused it. {error}"));
                Ok(())
            }
            result => result,
        }
    }

    /// Runs a setting. One that the server does not know comes from newer tools and changes nothing that is
    /// restored; a tablespace that is not there is replaced by the database's own.
    fn set(&mut self, statement: Statement<'_>) -> Result<()> {
        let Err(error) = execute(&mut self.session, statement) else { return Ok(()) };
        let name = setting(statement.text).unwrap_or_default();
        match (name.as_str(), sqlstate(&error)) {
            ("DEFAULT_TABLE_ACCESS_METHOD", _) => Err(error),
            ("DEFAULT_TABLESPACE", Some("42704" | "22023")) => {
                self.manner
                    .notes
                    .add(format!("A tablespace is missing on the server; the database's own took its place ({}).", statement.title()));
                self.session.execute("SET default_tablespace = ''")
            }
            (_, Some("42704")) if !name.is_empty() => {
                tracing::debug!(statement = statement.title(), "the server does not know a setting of the recorded definitions");
                Ok(())
            }
            _ => Err(error),
        }
    }
}

/// Of all that recorded definitions set, only this matters to what comes after them.
impl Hand for Runner<'_> {
    fn release(mut self) -> Result<Session> {
        self.session.execute(&format!("SET default_tablespace = ''; SET client_encoding = {}", quote_literal(&self.encoding)))?;
        Ok(self.session)
    }
}

/// Runs one statement; again, if it was in the way of another one.
fn execute(session: &mut Session, statement: Statement<'_>) -> Result<()> {
    let mut tries = 1;
    loop {
        match session.execute_bytes(statement.text) {
            Err(error) if tries < TRIES && is_collision(&error) => tries += 1,
            result => return result.map_err(|error| failed(statement, error)),
        }
    }
}

/// A deadlock, or two statements that changed the same row of a system catalog.
fn is_collision(error: &Error) -> bool {
    match sqlstate(error) {
        Some("40P01" | "40001") => true,
        Some("XX000") => error.to_string().contains("concurrently updated"),
        _ => false,
    }
}

/// The error that names the object. What the server has not (an object, a library, a feature) has a code of its own.
fn failed(statement: Statement<'_>, error: Error) -> Error {
    let doing = format!("While running {:?}", statement.title());
    match sqlstate(&error) {
        Some("42704" | "58P01" | "0A000" | "3F000" | "42883") => Error::new(
            Code::RestoreNeeds,
            format!("{doing}: {error}"),
            "Make what is named available on the server (a role, an extension, a library), then restore again.",
        )
        .because(error),
        _ => error.during(doing),
    }
}
