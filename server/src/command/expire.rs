//! `rookery expire`

use crate::{
    Exit,
    arguments::{Expire, Home},
    data_dir::DataDir,
    output::{Output, harmless, table},
};
use domain::{Code, Error, Result, display, retention::Wish};
use engine::{Known, groups};
use jiff::{Timestamp, tz::TimeZone};
use repository::{Point, Repository, Trust};
use serde::Serialize;
use source::Context;

/// The JSON document.
#[derive(Default, Serialize)]
struct Report {
    /// The rule, as it was read.
    rule: String,
    keep: Vec<Line>,
    delete: Vec<Line>,
    /// Whether anything was deleted, or only shown.
    dry_run: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    failed: Vec<Failed>,
}

#[derive(Serialize)]
struct Line {
    database: String,
    server: Option<String>,
    label: String,
    size_bytes: Option<u64>,
    reason: String,
}

#[derive(Serialize)]
struct Failed {
    label: String,
    error: String,
}

/// Plans for every database, then deletes what no rule keeps.
pub async fn run(arguments: Expire, home: Home, output: &Output, context: &Context) -> Result<Exit> {
    let zone = TimeZone::get(&arguments.time_zone).map_err(|error| {
        let sentence = format!("{:?} is no time zone that is known here.", arguments.time_zone);
        Error::new(Code::Usage, sentence, "Give its name in the IANA database, such as Europe/Berlin.").because(error)
    })?;
    // What others signed was accepted to be read, not to be deleted.
    let trust = Trust::new([DataDir::open(home)?.instance()?.fingerprint()]);
    let mode = if arguments.dry_run { store::Mode::Read } else { store::Mode::Write };
    let repository = Repository::open(store::open(&arguments.root, mode).await?, trust).await?;
    let points = repository.points(arguments.database.as_deref()).await?;
    let mut report = Report { rule: arguments.keep.to_string(), dry_run: arguments.dry_run, ..Report::default() };
    let (wishes, known) = ([Wish { task: "this command".into(), rule: Some(arguments.keep), zone }], Known::default());
    for group in groups(points)? {
        let decisions = group.decide_for_good(&repository, &wishes, &known, Timestamp::now(), context).await?;
        for (points, decision) in group.chains.iter().zip(decisions) {
            let line = |point: &Point| Line {
                database: group.database.clone(),
                server: group.server.as_ref().map(|server| server.name.clone()),
                label: point.place.label().to_string(),
                size_bytes: point.archive_bytes,
                reason: decision.reason.clone(),
            };
            let lines: Vec<Line> = points.iter().map(line).collect();
            if decision.keep {
                report.keep.extend(lines);
                continue;
            }
            if !arguments.dry_run
                && let Err(error) = repository.remove_chain(points).await
            {
                let label = lines.first().map(|line| line.label.clone()).unwrap_or_default();
                report.failed.push(Failed { label, error: format!("{error} {}", error.next_step()) });
                continue;
            }
            report.delete.extend(lines);
        }
    }
    output.result(&report, || text(&report))?;
    match report.failed.first() {
        None => Ok(Exit::Done),
        Some(failed) => {
            let sentence =
                format!("{} chains could not be deleted; the first one, {}: {}", report.failed.len(), failed.label, failed.error);
            Err(Error::new(Code::RootUnusable, sentence, "What is listed is whole. See to the root, then run it again."))
        }
    }
}

fn text(report: &Report) -> String {
    let mut rows = vec![["", "DATABASE", "SERVER", "RESTORE POINT", "SIZE", "WHY"].map(String::from).to_vec()];
    let word = if report.dry_run { "would delete" } else { "deleted" };
    for (word, lines) in [("keeps", &report.keep), (word, &report.delete)] {
        for line in lines {
            rows.push(vec![
                word.into(),
                harmless(&line.database),
                harmless(line.server.as_deref().unwrap_or("?")),
                line.label.clone(),
                line.size_bytes.map_or_else(String::new, display::size),
                harmless(&line.reason),
            ]);
        }
    }
    if rows.len() == 1 { "There is no backup under this root yet.\n".into() } else { table(&rows, &[4]) }
}
