//! What a restore does one after the other: the full backup, each incremental, and when which tables are compared.

use super::{RestoreRequest, TableOutcome};
use crate::{archive::FromArchive, check};
use domain::{Code, Comparison, Error, Phase, Result, Summary, TableSummary, display};
use jiff::Timestamp;
use repository::ArchiveReader;
use source::{Ahead, Context, Members, Staging};
use std::{collections::BTreeSet, time::Instant};

/// The steps of a restore: one for each archive, the full backup's first.
pub struct Steps<'a> {
    steps: Vec<Step<'a>>,
    until: Option<Timestamp>,
    /// Whether all tables are expected, so that one too many is a difference.
    all: bool,
}

struct Step<'a> {
    archive: &'a ArchiveReader,
    plain_bytes: u64,
    /// Tables whose rows are known after this step and after none that follows.
    expected: Vec<TableSummary>,
}

/// What the steps did.
pub struct Done {
    /// Every table that was compared, and was to be: not those of [`Done::elsewhere`].
    pub tables: Vec<TableOutcome>,
    /// Tables that hold rows of another moment than the one that was asked for.
    elsewhere: BTreeSet<String>,
    /// Rows that were changed after their table was compared.
    changes: u64,
    /// Seconds spent loading and indexing.
    pub load_seconds: f64,
    /// Seconds spent comparing rows.
    pub compare_seconds: f64,
}

impl<'a> Steps<'a> {
    /// The steps of a restore from these archives, the full one first.
    pub fn plan(archives: &'a [ArchiveReader], request: &RestoreRequest) -> Result<Self> {
        let mut summaries = archives.iter().map(check::summary).collect::<Result<Vec<_>>>()?;
        // Of one that is applied in part nothing is known at its end.
        if let (Some(last), Some(_)) = (summaries.last_mut(), request.until) {
            (last.tables, last.after) = (vec![], vec![]);
        }
        let expected = expected(summaries, request.only_table.as_deref())?;
        let steps = archives.iter().zip(expected);
        let steps = steps.map(|(archive, expected)| Step { archive, plain_bytes: archive.all_plain_bytes(), expected });
        Ok(Self { steps: steps.collect(), until: request.until, all: request.only_table.is_none() })
    }

    /// Takes them.
    pub fn take(mut self, staging: &mut dyn Staging, context: &Context) -> Result<Done> {
        let mut done = Done { tables: vec![], elsewhere: BTreeSet::new(), changes: 0, load_seconds: 0.0, compare_seconds: 0.0 };
        let archives: Vec<_> = self.steps.iter().map(|step| FromArchive(step.archive)).collect();
        let chain: Vec<&dyn Members> = archives.iter().map(|archive| archive as &dyn Members).collect();
        let last = self.steps.len() - 1;
        for at in 0..=last {
            let began = Instant::now();
            context.meter.enter(Phase::Loading, self.steps[at].plain_bytes);
            if at == 0 {
                let ahead = staging.load(&chain, self.until.filter(|_| last > 0), context)?;
                self.expect(ahead);
            } else {
                let applied = staging.apply(chain[at], self.until.filter(|_| at == last), context)?;
                done.changes += applied.changes;
                done.elsewhere.extend(applied.elsewhere);
            }
            if at == last {
                staging.finish(chain[at], context)?;
            }
            done.load_seconds += began.elapsed().as_secs_f64();
            let began = Instant::now();
            self.compare(at, staging, &mut done, context)?;
            done.compare_seconds += began.elapsed().as_secs_f64();
        }
        // That they were equal at another moment proves nothing of this one.
        done.tables.retain(|table| !table.equal || !done.elsewhere.contains(&table.table));
        done.tables.sort_by(|a, b| a.table.cmp(&b.table));
        Ok(done)
    }

    fn expect(&mut self, ahead: Vec<Ahead>) {
        let mut expected: Vec<_> = self.steps.iter_mut().map(|step| &mut step.expected).collect();
        ahead.into_iter().for_each(|ahead| correct(&mut expected, ahead));
    }

    fn compare(&self, at: usize, staging: &mut dyn Staging, done: &mut Done, context: &Context) -> Result<()> {
        let expected = &self.steps[at].expected;
        let others = self.steps.iter().enumerate().any(|(other, step)| other != at && !step.expected.is_empty());
        if expected.is_empty() && (others || at + 1 < self.steps.len()) {
            return Ok(());
        }
        context.meter.enter(Phase::Comparing, expected.iter().map(|table| table.bytes).sum());
        // Where all tables are compared at once, one that should not be there shows.
        let whole = self.all && !others && at + 1 == self.steps.len();
        let names: BTreeSet<String> = expected.iter().map(|table| table.table.clone()).collect();
        let actual = staging.tables(Some(&names).filter(|_| !whole), context)?;
        done.tables.extend(compare(expected, &actual, !whole));
        Ok(())
    }
}

impl Done {
    /// The comparison of tables among the others.
    pub fn rows(&self) -> Comparison {
        let different = self.tables.iter().filter(|table| !table.equal);
        let different = different.map(|table| format!("The rows of {} differ.", table.table)).collect();
        let mut compared = Comparison::new("tables", self.tables.len(), different);
        let mut without = vec![];
        if !self.elsewhere.is_empty() {
            without.push(format!(
                "the rows of {} at the moment that was asked for, for they are those of an earlier one.",
                listed(&self.elsewhere)
            ));
            compared.elsewhere = self.elsewhere.iter().cloned().collect();
        }
        if self.changes > 0 {
            without.push(format!(
                "what {} changed rows became, unless their table was compared after them; each change hit exactly the row that it names.",
                display::count(self.changes)
            ));
        }
        if without.is_empty() { compared } else { compared.without(without.join(" And ")) }
    }
}

/// The first names, and how many more there are.
fn listed(names: &BTreeSet<String>) -> String {
    const SHOWN: usize = 10;
    let shown = names.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN { format!("{shown} and {} more", names.len() - SHOWN) } else { shown }
}

/// For each archive the tables that are to be compared after it: those whose rows it tells, and none after it.
fn expected(summaries: Vec<Summary>, only: Option<&str>) -> Result<Vec<Vec<TableSummary>>> {
    let mut later: BTreeSet<String> = BTreeSet::new();
    let mut expected: Vec<Vec<TableSummary>> = vec![];
    for summary in summaries.into_iter().rev() {
        let known = summary.tables.into_iter().chain(summary.after);
        let mut known: Vec<_> = known.filter(|table| !later.contains(&table.table)).collect();
        later.extend(known.iter().map(|table| table.table.clone()).chain(summary.gone));
        known.retain(|table| only.is_none_or(|only| only == table.table));
        expected.push(known);
    }
    expected.reverse();
    match only {
        Some(only) if expected.iter().all(Vec::is_empty) => Err(Error::new(
            Code::NotFound,
            format!("The backup holds no table {only:?}."),
            "Name it as `rookery cat` without --table lists it, with its schema where there are schemas.",
        )),
        _ => Ok(expected),
    }
}

/// What an archive tells of a table does not hold where changes of a later one are in its rows already.
fn correct(expected: &mut [&mut Vec<TableSummary>], Ahead { summary, changed_in }: Ahead) {
    let mut earlier = expected.iter_mut().take(changed_in).flat_map(|tables| tables.iter_mut());
    if let Some(found) = earlier.find(|found| found.table == summary.table) {
        *found = summary;
    }
}

/// Every expected table, and every table that should not be there, with whether it is equal.
fn compare(expected: &[TableSummary], actual: &[TableSummary], only_some: bool) -> Vec<TableOutcome> {
    let find = |tables: &[TableSummary], name: &str| tables.iter().find(|table| table.table == name).cloned();
    let compared = expected.iter().map(|table| {
        let there = find(actual, &table.table);
        TableOutcome {
            table: table.table.clone(),
            rows: there.as_ref().map_or(0, |there| there.rows),
            equal: there.as_ref() == Some(table),
        }
    });
    let surplus = actual.iter().filter(|table| !only_some && find(expected, &table.table).is_none());
    compared.chain(surplus.map(|table| TableOutcome { table: table.table.clone(), rows: table.rows, equal: false })).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::RowDigest;

    fn table(name: &str, rows: u64, hash: u128) -> TableSummary {
        let mut digest = RowDigest::default();
        digest.add(hash);
        TableSummary { table: name.into(), rows, bytes: rows, digest }
    }

    #[test]
    fn a_table_that_differs_lacks_or_is_too_many_is_named() {
        let expected = [table("a", 1, 1), table("b", 2, 2), table("c", 3, 3)];
        let actual = [table("a", 1, 1), table("b", 2, 9), table("d", 4, 4)];
        let named = |outcomes: Vec<TableOutcome>| outcomes.into_iter().map(|t| (t.table, t.equal)).collect::<Vec<_>>();
        let differ = [("a".into(), true), ("b".into(), false), ("c".into(), false), ("d".into(), false)];
        assert_eq!(named(compare(&expected, &actual, false)), differ);
        assert_eq!(named(compare(&expected[..1], &actual, true)), differ[..1]);
    }

    #[test]
    fn what_was_told_before_the_last_change_that_was_put_in_does_not_hold() {
        let (mut full, mut second) = (vec![table("a", 1, 1), table("b", 2, 2)], vec![table("c", 3, 3)]);
        let mut put = |name: &str, changed_in| correct(&mut [&mut full, &mut second], Ahead { summary: table(name, 9, 9), changed_in });
        put("b", 2);
        put("c", 1);
        put("d", 2);
        assert_eq!((full, second), (vec![table("a", 1, 1), table("b", 9, 9)], vec![table("c", 3, 3)]));
    }

    #[test]
    fn a_table_of_another_moment_is_named_and_not_among_the_equal() {
        let elsewhere = BTreeSet::from(["b".to_owned()]);
        let mut done = Done { tables: vec![], elsewhere, changes: 0, load_seconds: 0.0, compare_seconds: 0.0 };
        let found = done.rows();
        assert!(found.is_equal() && found.elsewhere == ["b"], "{found:?}");
        assert!(found.not_compared.unwrap().starts_with("the rows of b at the moment"));
        done.changes = 3;
        assert!(done.rows().not_compared.unwrap().contains(". And what 3 changed rows became"));
        done.elsewhere.clear();
        assert_eq!(done.rows().elsewhere, [""; 0]);
    }

    #[test]
    fn each_table_is_compared_where_its_rows_are_told_last() {
        let full = Summary { tables: vec![table("a", 1, 1), table("b", 2, 2), table("c", 3, 3)], ..Summary::default() };
        let second = Summary { tables: vec![table("b", 4, 4)], gone: vec!["c".into()], ..Summary::default() };
        let third = Summary { after: vec![table("b", 5, 5)], ..Summary::default() };
        let names = |only: Option<&str>, summaries: &[&Summary]| -> Vec<Vec<String>> {
            let expected = expected(summaries.iter().map(|summary| (*summary).clone()).collect(), only).unwrap();
            expected.into_iter().map(|tables| tables.into_iter().map(|table| table.table).collect()).collect()
        };
        assert_eq!(names(None, &[&full, &second]), [vec!["a"], vec!["b"]]);
        assert_eq!(names(None, &[&full, &second, &third]), [vec!["a"], vec![], vec!["b"]]);
        assert_eq!(names(Some("a"), &[&full, &third]), [vec!["a"], vec![]]);
        assert_eq!(expected(vec![full, second], Some("d")).unwrap_err().code(), Code::NotFound);
    }
}
