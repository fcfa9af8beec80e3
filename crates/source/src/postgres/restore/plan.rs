//! The order in which recorded statements are run.
//!
//! pg_dump's order holds what depends on what. Statements after the rows are moved only where nothing can
//! depend on the move: indexes and keys are built first and side by side, then what changes existing objects
//! follows in order, then foreign keys side by side. Where a statement makes a new object (a view that
//! groups by a primary key), what comes after it may build on it and waits in a wave of its own.

use crate::postgres::sql::{self, Class, Statement, added_constraint, commented_constraint, is_primary_key};
use domain::Result;
use std::collections::HashSet;

/// A statement with the settings that it was written under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Item<'a> {
    /// What to run.
    pub statement: Statement<'a>,
    /// What kind of statement it is.
    pub class: Class,
    /// The `SET default_tablespace` and `SET default_table_access_method` in force.
    pub settings: [Option<Statement<'a>>; 2],
}

/// Statements that belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step<'a> {
    /// To be run one after the other.
    Ordered(Vec<Item<'a>>),
    /// To be run side by side.
    Parallel(Vec<Item<'a>>),
}

/// All that is to be run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Plan<'a> {
    /// Settings for every session.
    pub header: Vec<Statement<'a>>,
    /// What to do, in order.
    pub steps: Vec<Step<'a>>,
    /// What could act on its own and therefore comes after everything else: subscriptions, event triggers.
    pub last: Vec<Item<'a>>,
    /// What hides rows, perhaps from the restore itself: after they have been read back. [`Plan::steps`] have nothing of it.
    pub secure: Vec<Item<'a>>,
    /// Number of foreign keys that were left out.
    pub foreign_keys_left_out: usize,
}

impl<'a> Plan<'a> {
    /// Takes the statements out that make primary keys.
    pub fn take_primary_keys(&mut self) -> Plan<'a> {
        let mut keys = vec![];
        for step in &mut self.steps {
            if let Step::Parallel(items) = step {
                keys.extend(items.extract_if(.., |item| item.class == Class::Key && is_primary_key(item.statement.text)));
            }
        }
        Plan { header: self.header.clone(), steps: vec![Step::Parallel(keys)], ..Plan::default() }
    }

    /// Every statement but the settings.
    pub fn items(&self) -> impl Iterator<Item = &Item<'a>> {
        let steps = self.steps.iter().flat_map(|step| match step {
            Step::Ordered(items) | Step::Parallel(items) => items,
        });
        steps.chain(&self.secure).chain(&self.last)
    }
}

/// What to leave out.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Choice {
    /// Ownership and privileges.
    pub no_owner: bool,
    /// Foreign keys, where the rows that they point to are not there.
    pub no_foreign_keys: bool,
}

/// Plans what comes before the rows: all in order.
pub(super) fn before_rows(sql: &[u8], choice: Choice) -> Result<Plan<'_>> {
    let (header, items) = read(sql, choice)?;
    let (last, items): (Vec<_>, Vec<_>) = items.into_iter().partition(|item| is_last(item.class));
    let (secure, ordered) = items.into_iter().partition(|item| item.class == Class::RowSecurity);
    Ok(Plan { header, steps: vec![Step::Ordered(ordered)], last, secure, foreign_keys_left_out: 0 })
}

/// Plans what comes after the rows.
pub(super) fn after_rows(sql: &[u8], choice: Choice) -> Result<Plan<'_>> {
    let (header, items) = read(sql, choice)?;
    let mut plan = Plan { header, ..Plan::default() };
    let (mut waves, mut foreign_keys, mut comments) = (vec![Wave::default()], vec![], vec![]);
    for item in items {
        match item.class {
            class if is_last(class) => plan.last.push(item),
            Class::RowSecurity => plan.secure.push(item),
            Class::ForeignKey => foreign_keys.push(item),
            Class::Comment => comments.push(item),
            Class::Index | Class::Key => Wave::for_build(&mut waves).builds.push(item),
            class => {
                if let Some(wave) = waves.last_mut() {
                    wave.defines |= class == Class::Definition;
                    wave.ordered.push(item);
                }
            }
        }
    }
    plan.steps.extend(waves.into_iter().flat_map(|wave| [Step::Parallel(wave.builds), Step::Ordered(wave.ordered)]));
    if choice.no_foreign_keys {
        let gone: HashSet<_> = foreign_keys.iter().filter_map(|item| added_constraint(item.statement.text)).collect();
        comments.retain(|item| commented_constraint(item.statement.text).is_none_or(|constraint| !gone.contains(&constraint)));
        plan.foreign_keys_left_out = foreign_keys.len();
        foreign_keys.clear();
    }
    plan.steps.extend([Step::Parallel(foreign_keys), Step::Ordered(comments)]);
    plan.steps.retain(|step| !matches!(step, Step::Ordered(items) | Step::Parallel(items) if items.is_empty()));
    Ok(plan)
}

/// Builds that can go side by side, and what follows them.
#[derive(Default)]
struct Wave<'a> {
    builds: Vec<Item<'a>>,
    ordered: Vec<Item<'a>>,
    defines: bool,
}

impl<'a> Wave<'a> {
    /// The wave that a build belongs to: a new one, if the last made something that the build could need.
    fn for_build(waves: &mut Vec<Self>) -> &mut Self {
        if waves.last().is_none_or(|wave| wave.defines) {
            waves.push(Wave::default());
        }
        let last = waves.len() - 1;
        &mut waves[last]
    }
}

fn is_last(class: Class) -> bool {
    matches!(class, Class::EventTrigger | Class::Subscription)
}

/// The settings at the start, and the statements that are chosen.
fn read(sql: &[u8], choice: Choice) -> Result<(Vec<Statement<'_>>, Vec<Item<'_>>)> {
    let (mut header, mut items, mut settings) = (vec![], vec![], [None, None]);
    for statement in sql::split(sql)? {
        let class = sql::classify(statement.text);
        match class {
            Class::Setting => match sql::setting(statement.text).as_deref() {
                Some("DEFAULT_TABLESPACE") => settings[0] = Some(statement),
                Some("DEFAULT_TABLE_ACCESS_METHOD") => settings[1] = Some(statement),
                _ if items.is_empty() => header.push(statement),
                _ => items.push(Item { statement, class, settings }),
            },
            Class::Ownership | Class::Privileges if choice.no_owner => {}
            _ => items.push(Item { statement, class, settings }),
        }
    }
    Ok((header, items))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DUMP: &str = "
SET client_encoding = 'UTF8';
SELECT pg_catalog.set_config('search_path', '', false);
SET default_tablespace = '';
ALTER TABLE ONLY a ADD CONSTRAINT a_pkey PRIMARY KEY (id);
SET default_tablespace = fast;
CREATE INDEX i1 ON a USING btree (x);
COMMENT ON INDEX i1 IS 'c';
ALTER TABLE a CLUSTER ON i1;
CREATE MATERIALIZED VIEW m AS SELECT 1 GROUP BY id WITH NO DATA;
ALTER TABLE m OWNER TO o;
CREATE INDEX i2 ON m USING btree (x);
CREATE INDEX i3 ON a USING btree (y);
CREATE TRIGGER t BEFORE INSERT ON a EXECUTE FUNCTION f();
ALTER TABLE ONLY a ADD CONSTRAINT fk FOREIGN KEY (x) REFERENCES b(id);
COMMENT ON CONSTRAINT fk ON a IS 'c';
CREATE EVENT TRIGGER e ON sql_drop EXECUTE FUNCTION f();
GRANT SELECT ON TABLE m TO PUBLIC;
";

    fn outline(plan: &Plan<'_>) -> Vec<String> {
        let words = |items: &[Item<'_>]| {
            let words = items.iter().map(|item| item.statement.title().split(' ').take(3).collect::<Vec<_>>().join(" "));
            words.collect::<Vec<_>>().join("; ")
        };
        let steps = plan.steps.iter().map(|step| match step {
            Step::Ordered(items) => format!("then {}", words(items)),
            Step::Parallel(items) => format!("along {}", words(items)),
        });
        steps.chain([format!("last {}", words(&plan.last))]).collect()
    }

    #[test]
    fn builds_go_first_and_what_acts_goes_last() {
        let plan = after_rows(DUMP.as_bytes(), Choice::default()).unwrap();
        assert_eq!(plan.header.len(), 2);
        assert_eq!(
            outline(&plan),
            [
                "along ALTER TABLE ONLY; CREATE INDEX i1",
                "then ALTER TABLE a; CREATE MATERIALIZED VIEW; ALTER TABLE m",
                "along CREATE INDEX i2; CREATE INDEX i3",
                "then CREATE TRIGGER t; GRANT SELECT ON",
                "along ALTER TABLE ONLY",
                "then COMMENT ON INDEX; COMMENT ON CONSTRAINT",
                "last CREATE EVENT TRIGGER",
            ]
        );
        let Step::Parallel(builds) = &plan.steps[0] else { panic!("not builds") };
        let tablespaces: Vec<_> = builds.iter().map(|item| item.settings[0].unwrap().title()).collect();
        assert_eq!(tablespaces, ["SET default_tablespace = '…'", "SET default_tablespace = fast"]);
    }

    #[test]
    fn what_is_not_wanted_is_left_out() {
        let plan = after_rows(DUMP.as_bytes(), Choice { no_owner: true, no_foreign_keys: true }).unwrap();
        let all = outline(&plan).join("\n");
        assert!(!all.contains("GRANT") && !all.contains("ALTER TABLE m") && !all.contains("COMMENT ON CONSTRAINT"));
        assert!(all.contains("COMMENT ON INDEX"));
        assert_eq!(plan.foreign_keys_left_out, 1);
    }

    #[test]
    fn before_the_rows_all_is_in_order() {
        let plan = before_rows(b"SET a = 1; CREATE TABLE a (); ALTER TABLE a OWNER TO b; CREATE TABLE c ()", Choice::default()).unwrap();
        assert_eq!(outline(&plan), ["then CREATE TABLE a; ALTER TABLE a; CREATE TABLE c", "last "]);
    }
}
