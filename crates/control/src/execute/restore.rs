//! A restore run.

use super::Done;
use crate::{Control, restore::Request, underway::Nudge};
use catalog::RunRecord;
use domain::{Code, Error, Result, display, view::run::ComparedTable};
use engine::{Restored, restore};
use jiff::Timestamp;
use source::Context;
use std::sync::Arc;

impl Control {
    pub(super) async fn perform_restore(&self, run: &RunRecord, context: &Context) -> Result<Done> {
        let request = Request::of(run)?;
        let target = run.server.ok_or_else(|| Error::internal("A restore has no server to restore to."))?;
        let (repository, point) = self.find_point(run.destination, &request).await?;
        let source = self.open_source(&self.catalog.server(target).await?).await?;
        let (sweeping, swept) = (Arc::clone(&source), context.clone());
        crate::blocking(move |_| sweeping.sweep(&swept)).await?;
        let key = self.underway.take_key(run.id);
        request.ensure_has(key.as_ref())?;
        let order = request.for_engine(source, repository, run.database.clone(), key);
        let restored = restore(&order, &point, context).await?;
        self.nudge(Nudge::Discover);
        if is_proven(&restored) == Some(true) {
            let folder = point.place.folder().as_str();
            if let Err(error) = self.catalog.set_proven(run.destination, folder, request.label, Timestamp::now()).await {
                tracing::warn!(?error, run = %run.id, "that a backup was proven could not be written to its record");
            }
        }
        Ok(done(&run.database, &restored))
    }
}

/// Whether the new database is what was asked for: neither yes nor no where tables are known to be of another moment.
fn is_proven(restored: &Restored) -> Option<bool> {
    let is_of_the_moment = restored.elsewhere().next().is_none();
    (is_of_the_moment || !restored.proven()).then(|| restored.proven())
}

fn done(name: &str, restored: &Restored) -> Done {
    let rows = restored.tables.iter().map(|table| table.rows).sum();
    let mut compared: Vec<_> =
        restored.tables.iter().map(|table| ComparedTable { table: table.table.clone(), rows: table.rows, equal: table.equal }).collect();
    compared.sort_by_key(|table| table.equal);
    let elsewhere: Vec<_> = restored.elsewhere().collect();
    let how = match elsewhere.as_slice() {
        [] => "and proven".to_owned(),
        tables => format!("but not as it was at the moment that was asked for ({})", tables.join(", ")),
    };
    Done {
        label: Some(restored.point.to_string()),
        rows: Some(rows),
        proven: is_proven(restored),
        notes: restored.compared_in_words().chain(restored.notes.iter().cloned()).collect(),
        error: (!restored.proven()).then(|| difference(restored)),
        said: format!(
            "Restored as {name:?} {how}: {} of {} tables equal, {} rows.",
            compared.iter().filter(|table| table.equal).count(),
            compared.len(),
            display::count(rows)
        ),
        compared,
        ..Done::default()
    }
}

/// Most differences that the sentence tells; all tables are in the table of the run.
const TOLD: usize = 3;

fn difference(restored: &Restored) -> Error {
    let different: Vec<_> = restored.different().collect();
    let differs = match different.len() {
        0 => "The server refused some of its definitions.".into(),
        count if count > TOLD => format!("{} And {} more differences.", different[..TOLD].join(" "), count - TOLD),
        _ => different.join(" "),
    };
    Error::new(
        Code::Different,
        format!("What was restored differs from the backup, and was not kept. {differs}"),
        "Restore into a server of the same version, or choose another restore point.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::{BackupKind, BackupType, Comparison, Label};
    use engine::TableOutcome;

    fn restored(different: &[&str]) -> Restored {
        let table = |name: &str, equal| TableOutcome { table: name.into(), rows: 2, equal };
        Restored {
            until: None,
            point: Label::new(crate::fixture::at("02:00:00"), BackupKind::Full, BackupType::Logical),
            tables: vec![table("good", true), table("bad", different.is_empty())],
            compared: vec![Comparison::new("tables", 2, different.iter().map(|text| (*text).into()).collect())],
            notes: vec!["A role was left out.".into()],
            complete: true,
            load_seconds: 1.0,
            compare_seconds: 1.0,
        }
    }

    #[test]
    fn a_restore_says_what_it_compared_and_what_differs() {
        let equal = done("new", &restored(&[]));
        assert_eq!((equal.proven, equal.rows, equal.error.is_none()), (Some(true), Some(4), true));
        assert_eq!(equal.notes.last().map(String::as_str), Some("A role was left out."));
        let unequal = done("new", &restored(&["One.", "Two.", "Three.", "Four.", "Five."]));
        let error = unequal.error.unwrap();
        assert_eq!((unequal.proven, error.code()), (Some(false), Code::Different));
        assert!(error.to_string().contains("Three. And 2 more"), "{error}");
        assert_eq!(unequal.compared[0].table, "bad", "what differs comes first");
        let mut other = restored(&[]);
        other.compared[0].elsewhere = vec!["t".into()];
        let other = done("new", &other);
        assert_eq!((other.proven, other.error.is_none()), (None, true));
        assert!(other.said.contains("not as it was at the moment that was asked for (t): "), "{}", other.said);
    }
}
