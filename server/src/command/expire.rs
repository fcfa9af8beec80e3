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
use engine::verify;
use jiff::{Timestamp, tz::TimeZone};
use repository::{Point, Repository, Trust, layout::database_folder};
use serde::Serialize;
use source::Context;
use std::{collections::BTreeMap, sync::Arc};

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

/// The chains of one database of one server.
struct Group {
    database: String,
    server: Option<String>,
    chains: Vec<Arc<Vec<Point>>>,
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
    for group in groups(points)? {
        let decisions = group.decide(&repository, &arguments, &zone, context).await?;
        for (points, decision) in group.chains.iter().zip(decisions) {
            let line = |point: &Point| Line {
                database: group.database.clone(),
                server: group.server.clone(),
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

/// The chains of each database. Those of two servers never push each other out, whatever the servers are called. A chain of which no
/// manifest can be read belongs to every database whose it can be: there it stays, and stands in the way if it is the newest.
fn groups(points: Vec<Point>) -> Result<Vec<Group>> {
    let mut folders: BTreeMap<String, Vec<Point>> = BTreeMap::new();
    for point in points {
        folders.entry(point.place.folder().as_str().to_owned()).or_default().push(point);
    }
    let (mut groups, mut unknown) = (BTreeMap::<(String, String), Group>::new(), vec![]);
    for points in folders.into_values() {
        let Some(manifest) = points.iter().find_map(|point| point.manifest.as_ref().ok()) else {
            unknown.push(points);
            continue;
        };
        let (database, server) = (manifest.database.clone(), manifest.server.clone());
        let group = groups.entry((database.clone(), server.instance)).or_insert_with(|| Group { database, server: None, chains: vec![] });
        group.server = Some(server.name);
        group.chains.push(Arc::new(points));
    }
    let mut groups: Vec<Group> = groups.into_values().collect();
    for points in unknown.into_iter().map(Arc::new) {
        let folder = points[0].place.folder().segments().next().unwrap_or_default().to_owned();
        let mut is_placed = false;
        for group in &mut groups {
            if database_folder(&group.database)?.as_str() == folder {
                group.chains.push(Arc::clone(&points));
                is_placed = true;
            }
        }
        if !is_placed {
            groups.push(Group { database: super::database_of(&points[0]), server: None, chains: vec![points] });
        }
    }
    Ok(groups)
}

impl Group {
    /// What becomes of each chain. Before anything goes, the newest good one is read back: what only looks whole is nothing to
    /// delete others for.
    async fn decide(&self, repository: &Repository, arguments: &Expire, zone: &TimeZone, context: &Context) -> Result<Vec<Decision>> {
        let known: Vec<Chain> = self.chains.iter().map(|points| self.chain(repository, points)).collect();
        let decisions = plan(&known, &arguments.keep, zone, None, Timestamp::now());
        if decisions.iter().all(|decision| decision.keep) {
            return Ok(decisions);
        }
        let newest =
            (0..known.len()).filter(|at| decisions[*at].keep && known[*at].condition == Condition::Whole && known[*at].held.is_none());
        let Some(newest) = newest.max_by_key(|at| (known[*at].began_at <= Timestamp::now(), known[*at].began_at)) else {
            return Ok(decisions);
        };
        for point in self.chains[newest].iter() {
            match verify(repository, point, None, 1, context).await {
                Ok(_) => {}
                Err(error) if error.code() == Code::Cancelled => return Err(error),
                Err(error) => {
                    let failing = format!("The newest backup, {}, does not hold: {error}", point.place.label());
                    return Ok(plan(&known, &arguments.keep, zone, Some(&failing), Timestamp::now()));
                }
            }
        }
        Ok(decisions)
    }

    /// What the rules see of a chain.
    fn chain(&self, repository: &Repository, points: &[Point]) -> Chain {
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
        // A database may have the name under which these lie, and nothing tells the two apart.
        let is_globals = super::is_globals(&self.database);
        Chain {
            began_at: times().min().unwrap_or(Timestamp::MAX),
            ended_at: times().max().unwrap_or(Timestamp::MAX),
            size_bytes: full.map_or(0, |manifest| manifest.archive.plain_bytes),
            rows: full.map_or(0, |manifest| manifest.archive.rows),
            condition,
            held: is_globals.then(|| "Roles and tablespaces are small, and stay.".into()),
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
