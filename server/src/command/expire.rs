//! `rookery expire`

use crate::{
    Exit,
    arguments::{Expire, Home},
    data_dir::DataDir,
    output::{Output, harmless, table},
};
use domain::{
    Code, Error, Result, display,
    retention::{Chain, Condition, Decision, plan},
};
use jiff::{Timestamp, tz::TimeZone};
use repository::{Point, Repository};
use serde::Serialize;
use std::collections::BTreeMap;

/// The JSON document.
#[derive(Default, Serialize)]
struct Report {
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

/// Backups of one database, with what is decided about each chain of them.
struct Planned {
    database: String,
    server: Option<String>,
    chains: Vec<(Vec<Point>, Decision)>,
}

/// Plans for every database, then deletes what no rule keeps.
pub async fn run(arguments: Expire, home: Home, output: &Output) -> Result<Exit> {
    let zone = TimeZone::get(&arguments.time_zone).map_err(|error| {
        let sentence = format!("{:?} is no time zone that is known here.", arguments.time_zone);
        Error::new(Code::Usage, sentence, "Give its name in the IANA database, such as Europe/Berlin.").because(error)
    })?;
    let data_dir = DataDir::open(home)?;
    let trust = data_dir.trust(&data_dir.instance()?, None)?;
    let mode = if arguments.dry_run { store::Mode::Read } else { store::Mode::Write };
    let repository = Repository::open(store::open(&arguments.root, mode).await?, trust).await?;
    let points = repository.points(arguments.database.as_deref()).await?;
    let mut report = Report { dry_run: arguments.dry_run, ..Report::default() };
    for planned in planned(&repository, points, &arguments, &zone) {
        for (points, decision) in planned.chains {
            let lines = points.iter().map(|point| Line {
                database: planned.database.clone(),
                server: planned.server.clone(),
                label: point.place.label().to_string(),
                size_bytes: point.archive_bytes,
                reason: decision.reason.clone(),
            });
            let lines: Vec<Line> = lines.collect();
            if decision.keep {
                report.keep.extend(lines);
                continue;
            }
            if !arguments.dry_run
                && let Err(error) = repository.remove_chain(&points).await
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
                format!("{} backups could not be deleted; the first one, {}: {}", report.failed.len(), failed.label, failed.error);
            Err(Error::new(Code::RootUnusable, sentence, "Nothing half-deleted can be restored from by mistake: run it again."))
        }
    }
}

/// The chains of each database, judged. Backups of databases that have the same name on two servers never push each other out.
fn planned(repository: &Repository, points: Vec<Point>, arguments: &Expire, zone: &TimeZone) -> Vec<Planned> {
    let mut databases: BTreeMap<(String, Option<String>), BTreeMap<String, Vec<Point>>> = BTreeMap::new();
    for point in points {
        let server = point.manifest.as_ref().ok().map(|manifest| manifest.server.name.clone());
        let chains = databases.entry((super::database_of(&point), server)).or_default();
        chains.entry(point.place.folder().as_str().to_owned()).or_default().push(point);
    }
    let judged = |((database, server), chains): ((String, Option<String>), BTreeMap<String, Vec<Point>>)| {
        let chains: Vec<Vec<Point>> = chains.into_values().collect();
        let known: Vec<Chain> = chains.iter().map(|points| chain(repository, points)).collect();
        let decisions = plan(&known, &arguments.keep, zone, None, Timestamp::now());
        Planned { database, server, chains: chains.into_iter().zip(decisions).collect() }
    };
    databases.into_iter().map(judged).collect()
}

/// What the rules see of a chain.
fn chain(repository: &Repository, points: &[Point]) -> Chain {
    let times = || points.iter().map(|point| point.place.label().at());
    let full = points.iter().min_by_key(|point| point.place.label()).and_then(|point| point.manifest.as_ref().ok());
    let faults: Vec<Error> = points.iter().filter_map(|point| repository.usable(point).err()).collect();
    // What cannot be read, or was signed by somebody else, is not known to be ours.
    let foreign = faults.iter().find(|error| error.code() != Code::Damaged || full.is_none());
    let condition = match (foreign, faults.first()) {
        (Some(error), _) => Condition::Foreign(error.to_string()),
        (None, Some(error)) => Condition::Damaged(error.to_string()),
        (None, None) => Condition::Whole,
    };
    Chain {
        began_at: times().min().unwrap_or(Timestamp::MAX),
        ended_at: times().max().unwrap_or(Timestamp::MAX),
        size_bytes: full.map_or(0, |manifest| manifest.archive.plain_bytes),
        rows: full.map_or(0, |manifest| manifest.archive.rows),
        condition,
        held: None,
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
