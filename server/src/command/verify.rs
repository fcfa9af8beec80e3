//! `rookery verify`

use crate::{
    Exit,
    arguments::Verify,
    output::{Output, harmless, table},
    progress::Progress,
};
use domain::{Code, Error, Meter, Result};
use engine::{Verified, verify};
use serde::Serialize;
use source::Context;
use std::{path::PathBuf, sync::Arc};

/// The JSON document.
#[derive(Serialize)]
struct Report {
    result: &'static str,
    backups: Vec<BackupReport>,
}

#[derive(Serialize)]
struct BackupReport {
    database: String,
    label: String,
    result: &'static str,
    reason: Option<String>,
    next_step: Option<String>,
}

/// Verifies every backup under a root.
pub async fn run(arguments: Verify, data_dir: Option<PathBuf>, output: &Output, context: &Context) -> Result<Exit> {
    let repository = super::open(&arguments.root, data_dir, arguments.accept.accept_instance).await?;
    let points = repository.points(arguments.database.as_deref()).await?;
    if points.is_empty() {
        return Err(Error::new(Code::NotFound, "There is no backup to verify.", "`rookery list` shows what is under the root."));
    }
    let key = arguments.opening.key()?;
    let workers = std::thread::available_parallelism().map_or(2, usize::from);
    let progress = Progress::new(points.len());
    let mut backups = vec![];
    for point in &points {
        let (database, label) = (super::database_of(point), point.place.label().to_string());
        let name = format!("{database} {label}");
        let meter: Arc<Meter> = Arc::default();
        progress.watch(&name, &meter);
        let watched = Context { cancel: context.cancel.clone(), meter };
        let report = match verify(&repository, point, key.as_ref(), workers, &watched).await {
            Ok(Verified::Checked) => BackupReport { database, label, result: "checked", reason: None, next_step: None },
            Ok(Verified::Stored) => BackupReport {
                database,
                label,
                result: "stored",
                reason: None,
                next_step: Some("Its bytes are what was signed; give --key to have what is sealed in them looked at.".into()),
            },
            Err(error) if error.code() == Code::Cancelled => return Err(error),
            Err(error) => BackupReport {
                database,
                label,
                result: "damaged",
                reason: Some(error.to_string()),
                next_step: Some(error.next_step().into()),
            },
        };
        progress.done(&name, &verdict(&report));
        backups.push(report);
    }
    drop(progress);
    let whole = backups.iter().all(|backup| backup.reason.is_none());
    let document = Report { result: if whole { "succeeded" } else { "failed" }, backups };
    output.result(&document, || text(&document))?;
    Ok(if whole { Exit::Done } else { Exit::Failed })
}

/// What was found, and what to do if it is bad.
fn verdict(backup: &BackupReport) -> String {
    match (&backup.reason, &backup.next_step) {
        (Some(reason), Some(next_step)) => format!("{}: {reason} → {next_step}", backup.result),
        (None, Some(next_step)) => format!("{} → {next_step}", backup.result),
        _ => backup.result.into(),
    }
}

fn text(report: &Report) -> String {
    let row = |backup: &BackupReport| vec![harmless(&backup.database), backup.label.clone(), harmless(&verdict(backup))];
    let damaged = report.backups.iter().filter(|backup| backup.reason.is_some()).count();
    let sum = match damaged {
        0 => "Every backup holds.".into(),
        some => format!("{some} of {} backups must not be relied on.", report.backups.len()),
    };
    format!("{}{sum}\n", table(&report.backups.iter().map(row).collect::<Vec<_>>(), &[]))
}
