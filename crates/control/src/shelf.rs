//! What lies under a root, as records: of one backup, and of all.

use catalog::BackupRecord;
use domain::{
    BackupKind, DestinationId, Result, display,
    retention::{Measure, suspicion},
};
use futures::{StreamExt, TryStreamExt};
use jiff::Timestamp;
use repository::{Manifest, Place, Point, Repository, Trust};
use std::collections::{HashMap, HashSet};

/// Chains that are read at once.
const AT_ONCE: usize = 8;

/// Up to so many backups, everything is read whenever somebody looks; beyond, only what is new.
const FEW: usize = 100;

/// The record of a backup that its manifest tells of, looked at when `checked_at` says.
pub(crate) fn record_at(
    place: &Place,
    manifest: &Manifest,
    destination: DestinationId,
    trusted: bool,
    checked_at: Timestamp,
) -> BackupRecord {
    BackupRecord {
        destination,
        folder: place.folder().as_str().into(),
        label: manifest.label,
        database: manifest.database.clone(),
        server_name: Some(manifest.server.name.clone()),
        server_instance: Some(manifest.server.instance.clone()),
        dbms: Some(manifest.server.dbms),
        at: manifest.label.at(),
        size_bytes: Some(manifest.archive.size_bytes),
        rows: Some(manifest.archive.rows),
        plain_bytes: Some(manifest.archive.plain_bytes),
        suspicion: None,
        task_name: manifest.task.clone(),
        read_fault: None,
        verify_fault: None,
        trusted,
        checked_at,
        proven_at: None,
    }
}

/// The record of a backup that was found. It was checked when it was made; that it was found proves nothing new.
pub(crate) fn record(point: &Point, destination: DestinationId, trust: &Trust) -> BackupRecord {
    let label = point.place.label();
    let record = match &point.manifest {
        Ok(manifest) => record_at(&point.place, manifest, destination, manifest.check_trust(trust).is_ok(), label.at()),
        Err(_) => BackupRecord {
            destination,
            folder: point.place.folder().as_str().into(),
            label,
            database: point.database(),
            server_name: None,
            server_instance: None,
            dbms: None,
            at: label.at(),
            size_bytes: point.archive_bytes,
            rows: None,
            plain_bytes: None,
            suspicion: None,
            task_name: None,
            read_fault: None,
            verify_fault: None,
            trusted: false,
            checked_at: label.at(),
            proven_at: None,
        },
    };
    BackupRecord { read_fault: fault(point), ..record }
}

/// Why a backup cannot be used, as far as it can be told without reading its archive.
pub(crate) fn fault(point: &Point) -> Option<String> {
    match (&point.manifest, point.archive_bytes) {
        (Err(error), _) => Some(error.to_string()),
        (Ok(_), None) => Some("Its archive is missing, though its manifest is there.".into()),
        (Ok(manifest), Some(there)) if there != manifest.archive.size_bytes => {
            let signed = display::size(manifest.archive.size_bytes);
            Some(format!("Its archive has {} where {signed} were signed: it was cut short or replaced.", display::size(there)))
        }
        _ => None,
    }
}

/// The server that a backup came from, as its manifest names it.
pub(crate) fn origin(point: &Point) -> Option<String> {
    point.manifest.as_ref().ok().map(|manifest| manifest.server.name.clone())
}

/// Says of each chain whether its full backup is suspicious, compared with the usable ones of the same database before it.
pub(crate) fn suspect(records: &mut [BackupRecord]) {
    type Full<'a> = (Timestamp, &'a str, Measure);
    let mut fulls: HashMap<(&str, Option<&str>), Vec<Full<'_>>> = HashMap::new();
    for record in records.iter().filter(|record| record.label.kind() == BackupKind::Full && record.trusted && record.fault().is_none()) {
        let Some((size_bytes, rows)) = record.plain_bytes.zip(record.rows) else { continue };
        let of = (record.database.as_str(), record.server_instance.as_deref());
        fulls.entry(of).or_default().push((record.at, &record.folder, Measure { size_bytes, rows }));
    }
    let mut suspicious: HashMap<String, String> = HashMap::new();
    for mut of_one in fulls.into_values() {
        of_one.sort_by_key(|(at, ..)| std::cmp::Reverse(*at));
        for (place, (_, folder, measure)) in of_one.iter().enumerate() {
            if let Some(why) = suspicion(*measure, of_one[place + 1..].iter().map(|(.., measure)| *measure)) {
                suspicious.insert((*folder).to_owned(), why);
            }
        }
    }
    for record in records {
        record.suspicion = suspicious.get(&record.folder).cloned();
    }
}

/// Every backup in a repository. Where many are known, chains whose backups are all known to be good are not read again:
/// what was written never changes, so that they are still there says enough.
pub(crate) async fn read(
    repository: &Repository,
    destination: DestinationId,
    trust: &Trust,
    known: &[BackupRecord],
) -> Result<Vec<BackupRecord>> {
    let mut by_chain: HashMap<&str, Vec<&BackupRecord>> = HashMap::new();
    for record in known.iter().filter(|_| known.len() > FEW) {
        by_chain.entry(&record.folder).or_default().push(record);
    }
    by_chain.retain(|_, records| records.iter().all(|record| record.fault().is_none() && record.trusted));
    let chains = repository.chains(None).await?;
    let there: HashSet<_> = chains.iter().map(|chain| chain.as_str()).collect();
    let mut found: Vec<BackupRecord> =
        by_chain.iter().filter(|(chain, _)| there.contains(*chain)).flat_map(|(_, records)| records.iter().copied().cloned()).collect();
    let unknown: Vec<_> = chains.iter().filter(|chain| !by_chain.contains_key(chain.as_str())).cloned().collect();
    let reads = unknown.into_iter().map(|chain| {
        let repository = repository.clone();
        async move { repository.points_of_chain(&chain).await }
    });
    let read: Vec<Vec<Point>> = futures::stream::iter(reads).buffer_unordered(AT_ONCE).try_collect().await?;
    found.extend(read.iter().flatten().map(|point| record(point, destination, trust)));
    Ok(found)
}
