//! `rookery list`

use crate::{
    Exit,
    arguments::{Home, List},
    output::{Output, harmless, table},
};
use domain::{BackupKind, BackupType, Result, display};
use jiff::Timestamp;
use repository::Point;
use serde::Serialize;
use std::collections::BTreeMap;

/// The JSON document.
#[derive(Serialize)]
struct Report {
    databases: Vec<DatabaseReport>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    globals: Vec<DatabaseReport>,
}

#[derive(Serialize)]
struct DatabaseReport {
    database: String,
    server: Option<String>,
    restore_points: Vec<PointReport>,
}

#[derive(Serialize)]
struct PointReport {
    label: String,
    kind: BackupKind,
    #[serde(rename = "type")]
    backup_type: BackupType,
    at: Timestamp,
    from: Option<Timestamp>,
    sealed: bool,
    /// Fingerprints of the keys that open it; null if it is plain.
    recipients: Option<Vec<String>>,
    size_bytes: Option<u64>,
    rows: Option<u64>,
    verified: &'static str,
    reason: Option<String>,
}

/// Lists every database under a root with its restore points, newest first.
pub async fn run(arguments: List, home: Home, output: &Output) -> Result<Exit> {
    let repository = super::open(&arguments.root, home, None).await?;
    let mut found: BTreeMap<(String, Option<String>), Vec<PointReport>> = BTreeMap::new();
    for point in repository.points(arguments.database.as_deref()).await? {
        let server = point.manifest.as_ref().ok().map(|manifest| manifest.server.name.clone());
        let report = one(&point, repository.usable(&point).err().map(|error| error.to_string()));
        found.entry((point.database(), server)).or_default().push(report);
    }
    let reports = found.into_iter().map(|((database, server), restore_points)| DatabaseReport { database, server, restore_points });
    let (globals, databases) = reports.partition(|report: &DatabaseReport| super::is_globals(&report.database));
    let document = Report { databases, globals };
    output.result(&document, || text(&document))?;
    Ok(Exit::Done)
}

/// A manifest is written only after its archive was read back and decoded: a backup that is listed was checked then.
/// What can be seen without reading the archive again is whether it is still there.
fn one(point: &Point, unusable: Option<String>) -> PointReport {
    let manifest = point.manifest.as_ref().ok();
    let whole = manifest.is_some_and(|manifest| point.archive_bytes == Some(manifest.archive.size_bytes));
    let label = point.place.label();
    PointReport {
        label: label.to_string(),
        kind: label.kind(),
        backup_type: label.backup_type(),
        at: label.at(),
        from: manifest.and_then(|manifest| manifest.covers_from),
        sealed: manifest.is_some_and(|manifest| manifest.sealed()),
        recipients: manifest.and_then(|manifest| manifest.recipients.clone()),
        size_bytes: manifest.map(|manifest| manifest.archive.size_bytes),
        rows: manifest.map(|manifest| manifest.archive.rows),
        verified: match &unusable {
            _ if !whole => "damaged",
            None => "checked",
            Some(_) => "untrusted",
        },
        reason: unusable.or_else(|| (!whole).then(|| "Its archive is missing or has another size than was signed.".into())),
    }
}

fn text(report: &Report) -> String {
    let mut rows = vec![["DATABASE", "SERVER", "RESTORE POINT", "ROWS", "SIZE", "VERIFIED"].map(String::from).to_vec()];
    for database in report.databases.iter().chain(&report.globals) {
        for (at, point) in database.restore_points.iter().enumerate() {
            let first = |text: &str| if at == 0 { harmless(text) } else { String::new() };
            rows.push(vec![
                first(&database.database),
                first(database.server.as_deref().unwrap_or("?")),
                point.label.clone(),
                point.rows.map_or_else(String::new, display::count),
                point.size_bytes.map_or_else(String::new, display::size),
                point.verified.into(),
            ]);
        }
    }
    if rows.len() == 1 { "There is no backup under this root yet.\n".into() } else { table(&rows, &[3, 4]) }
}
