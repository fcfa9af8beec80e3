//! What lies at destinations: root → database folders → chains → restore points.

use crate::{Control, Operate, Permit, View, shelf, survey::PAGE_SIZE, underway::Nudge};
use catalog::{BackupRecord, DestinationRecord};
use domain::{
    Code, DestinationId, Error, Label, Result,
    view::{
        Page,
        backup::{ChainView, FolderLine, FolderQuery, FolderView, Held, PointLine, RootView, Verified},
    },
};
use jiff::Timestamp;
use repository::{Point, Repository, layout::GLOBALS};
use std::collections::{BTreeMap, HashMap};
use store::Mode;

impl Control {
    /// A root with its database folders.
    ///
    /// # Errors
    /// [`Code::NotFound`] if there is no such destination, and what reading it says.
    pub async fn root(&self, _: &Permit<View>, id: DestinationId, query: &FolderQuery) -> Result<RootView> {
        let destination = self.catalog.destination(id).await?;
        let (folders, globals) = self.folders(&destination).await?;
        let (name, root, all) = (destination.name, destination.destination.to_string(), folders.len() as u64);
        Ok(RootView { destination: id, name, root, folders: asked_for(folders, query), all, globals, now: Timestamp::now() })
    }

    /// The folders of databases, and those of what belongs to whole servers.
    pub(crate) async fn folders(&self, destination: &DestinationRecord) -> Result<(Vec<FolderLine>, Vec<FolderLine>)> {
        let known = self.catalog.backups_of(destination.id, None).await?;
        let Some(repository) = self.open_known(destination).await? else { return Ok((vec![], vec![])) };
        let mut found = shelf::read(&repository, destination.id, &self.trust(), &known).await?;
        // The command line wrote or somebody removed something: other screens should know as well.
        if found.len() != known.len() {
            self.nudge(Nudge::Inventory);
        }
        adopt_faults(&mut found, &known);
        Ok(lines(&found).into_iter().partition(|folder| folder.database != GLOBALS))
    }

    /// A database folder with its chains, newest first.
    ///
    /// # Errors
    /// [`Code::NotFound`] if there is no such destination or folder, and what reading it says.
    pub async fn folder(&self, _: &Permit<View>, id: DestinationId, database: &str) -> Result<FolderView> {
        let destination = self.catalog.destination(id).await?;
        let points = self.points(&destination, database).await?;
        let holds = self.catalog.holds_at(id).await?;
        let held = |folder: &str| {
            let hold = holds.iter().find(|hold| hold.folder == folder)?;
            Some(Held { by: hold.held_by.clone(), at: hold.held_at, note: hold.note.clone() })
        };
        if points.is_empty() {
            return Err(Error::new(
                Code::NotFound,
                format!("There is no backup of database {database:?} at {}.", destination.name),
                "Go back to the destination and choose from what is there.",
            ));
        }
        // The points come newest first, and chains keep that order.
        let mut chains: Vec<ChainView> = vec![];
        for (folder, line) in points {
            match chains.iter_mut().find(|chain| chain.folder == folder) {
                Some(chain) => chain.points.push(line),
                None => chains.push(ChainView { held: held(&folder), folder, origin: line.origin.clone(), points: vec![line] }),
            }
        }
        Ok(FolderView {
            destination: id,
            name: destination.name,
            root: destination.destination.to_string(),
            database: database.into(),
            chains,
            now: Timestamp::now(),
        })
    }

    /// Restore points of a database, newest first, each with the folder of its chain.
    pub(crate) async fn points(&self, destination: &DestinationRecord, database: &str) -> Result<Vec<(String, PointLine)>> {
        let known = self.catalog.backups_of(destination.id, Some(database)).await?;
        let Some(repository) = self.open_known(destination).await? else { return Ok(vec![]) };
        let points = repository.points(Some(database)).await?;
        let known: HashMap<_, _> = known.iter().map(|record| ((record.folder.as_str(), record.label), record)).collect();
        let trust = self.trust();
        let line = |point: &Point| {
            let folder = point.place.folder().as_str();
            let trusted = point.manifest.as_ref().is_ok_and(|manifest| manifest.check_trust(&trust).is_ok());
            (folder.to_owned(), point_line(point, trusted, known.get(&(folder, point.place.label())).copied()))
        };
        Ok(points.iter().map(line).collect())
    }

    /// Opens the repository of a destination to read it; none if nothing was ever written there.
    ///
    /// # Errors
    /// [`Code::RootUnusable`] if the catalog knows backups there and there is no repository any more. It is most likely that
    /// its disk is not mounted: then nothing may be written into the folder that it is mounted on, and nothing may be
    /// forgotten.
    pub(crate) async fn open_known(&self, destination: &DestinationRecord) -> Result<Option<Repository>> {
        let opened = match self.open_store(destination, Mode::Read).await {
            Ok(store) => Repository::open(store, self.trust()).await,
            Err(error) => Err(error),
        };
        match opened {
            Ok(repository) => Ok(Some(repository)),
            Err(error) if error.code() != Code::NotFound => Err(error),
            Err(error) if self.catalog.knows_backups_at(destination.id).await? => Err(vanished(destination, error)),
            Err(_) => Ok(None),
        }
    }

    /// Reads a destination's repository into the catalog now, every manifest of it.
    ///
    /// # Errors
    /// [`Code::NotFound`] if there is no such destination, and what reading it says.
    pub async fn read_again(&self, _: &Permit<Operate>, id: DestinationId) -> Result<()> {
        let destination = self.catalog.destination(id).await?;
        let control = self.clone();
        crate::run::carried_through(async move { control.take_inventory(&destination, true).await }).await
    }
}

fn vanished(destination: &DestinationRecord, error: Error) -> Error {
    Error::new(
        Code::RootUnusable,
        format!("The backups of {} are not under {} any more. Is its disk mounted?", destination.name, destination.destination),
        "Mount it, then try again. If the backups were removed on purpose, add the folder once more as a new destination, and let the \
         tasks write to that one.",
    )
    .because(error)
}

/// What verifications found wrong is not seen by looking at manifests.
pub(crate) fn adopt_faults(found: &mut [BackupRecord], known: &[BackupRecord]) {
    let known: HashMap<(&str, Label), &BackupRecord> =
        known.iter().map(|record| ((record.folder.as_str(), record.label), record)).collect();
    for record in found {
        record.verify_fault = known.get(&(record.folder.as_str(), record.label)).and_then(|known| known.verify_fault.clone());
    }
}

/// The page of a list of folders that was asked for.
pub(crate) fn asked_for(mut folders: Vec<FolderLine>, query: &FolderQuery) -> Page<FolderLine> {
    folders.retain(|folder| domain::form::filter_matches(&query.filter, &folder.database));
    Page::of(folders, query.page, PAGE_SIZE as u64)
}

/// A line for each database and server, ordered so. Backups whose manifest does not say where they come from are counted with
/// the others of their database, where there are others.
fn lines(found: &[BackupRecord]) -> Vec<FolderLine> {
    let mut folders: BTreeMap<(&str, Option<&str>), FolderLine> = BTreeMap::new();
    for record in found {
        let line = folders.entry((&record.database, record.server_name.as_deref())).or_insert_with(|| FolderLine {
            database: record.database.clone(),
            origin: record.server_name.clone(),
            dbms: record.dbms,
            points: 0,
            newest: None,
            oldest: None,
            stored_bytes: 0,
            bad: 0,
        });
        line.stored_bytes += record.size_bytes.unwrap_or(0);
        if record.trusted && record.fault().is_none() {
            line.points += 1;
            line.newest = line.newest.max(Some(record.at));
            line.oldest = Some(line.oldest.map_or(record.at, |oldest| oldest.min(record.at)));
        } else {
            line.bad += 1;
        }
    }
    // Those without an origin come first among those of their database.
    let mut lines: Vec<FolderLine> = folders.into_values().collect();
    for place in (1..lines.len()).rev() {
        if lines[place - 1].origin.is_none() && lines[place - 1].database == lines[place].database {
            let unknown = lines.remove(place - 1);
            lines[place - 1].bad += unknown.bad;
            lines[place - 1].stored_bytes += unknown.stored_bytes;
        }
    }
    lines
}

fn point_line(point: &Point, trusted: bool, known: Option<&BackupRecord>) -> PointLine {
    let (label, manifest) = (point.place.label(), point.manifest.as_ref().ok());
    let fault = shelf::fault(point).or_else(|| known?.verify_fault.clone());
    let checked_at = known.map_or(label.at(), |record| record.checked_at);
    let verified = match (&fault, known.and_then(|record| record.proven_at)) {
        (Some(_), _) => Verified::Damaged,
        (None, _) if !trusted => Verified::Untrusted,
        (None, Some(at)) => Verified::Proven { at },
        (None, None) => Verified::Checked { at: checked_at },
    };
    PointLine {
        label,
        kind: label.kind(),
        backup_type: label.backup_type(),
        at: label.at(),
        covers: manifest.and_then(repository::Manifest::covered),
        size_bytes: manifest.map(|manifest| manifest.archive.size_bytes).or(point.archive_bytes),
        rows: manifest.map(|manifest| manifest.archive.rows),
        sealed: manifest.is_some_and(repository::Manifest::sealed),
        task: manifest.and_then(|manifest| manifest.task.clone()),
        origin: shelf::origin(point),
        verified,
        suspicion: known.and_then(|record| record.suspicion.clone()).filter(|_| fault.is_none()),
        fault,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::at;
    use domain::{BackupKind, BackupType, Dbms};
    use uuid::Uuid;

    fn record(database: &str, server: &str, time: &str, fault: Option<&str>) -> BackupRecord {
        let label = Label::new(at(time), BackupKind::Full, BackupType::Logical);
        BackupRecord {
            destination: DestinationId::new(Uuid::nil()),
            folder: format!("{database}/{label}-{server}"),
            label,
            database: database.into(),
            server_name: Some(server.into()),
            server_instance: Some(server.into()),
            dbms: Some(Dbms::Sqlite),
            at: label.at(),
            size_bytes: Some(10),
            rows: Some(1),
            plain_bytes: Some(20),
            suspicion: None,
            task_name: None,
            read_fault: fault.map(String::from),
            verify_fault: None,
            trusted: true,
            checked_at: label.at(),
            proven_at: None,
        }
    }

    #[test]
    fn a_folder_has_a_line_for_each_server_and_counts_what_cannot_be_used_apart() {
        let records = [
            record("shop", "b", "03:00:00", None),
            record("shop", "a", "01:00:00", None),
            record("shop", "a", "02:00:00", None),
            record("shop", "a", "04:00:00", Some("Broken.")),
            record("blog", "a", "01:00:00", Some("Broken.")),
        ];
        let lines = lines(&records);
        let shown: Vec<_> = lines.iter().map(|line| (line.database.as_str(), line.origin.as_deref(), line.points, line.bad)).collect();
        assert_eq!(shown, [("blog", Some("a"), 0, 1), ("shop", Some("a"), 2, 1), ("shop", Some("b"), 1, 0)]);
        assert_eq!((lines[1].newest, lines[1].oldest, lines[1].stored_bytes), (Some(at("02:00:00")), Some(at("01:00:00")), 30));
        assert_eq!((lines[0].newest, lines[0].oldest), (None, None));
    }

    #[test]
    fn a_backup_is_suspicious_beside_those_of_its_own_database_and_server_alone() {
        let sized = |database: &str, server: &str, time: &str, plain_bytes| BackupRecord {
            plain_bytes: Some(plain_bytes),
            ..record(database, server, time, None)
        };
        let mut records = [
            sized("shop", "a", "01:00:00", 1000),
            sized("shop", "a", "02:00:00", 499),
            sized("shop", "b", "03:00:00", 10),
            sized("blog", "a", "04:00:00", 10),
            // Nobody compares with what cannot be used.
            BackupRecord { verify_fault: Some("Broken.".into()), ..sized("news", "a", "01:00:00", 1000) },
            sized("news", "a", "02:00:00", 10),
        ];
        shelf::suspect(&mut records);
        let suspicious: Vec<_> = records.iter().map(|record| record.suspicion.is_some()).collect();
        assert_eq!(suspicious, [false, true, false, false, false, false]);
    }

    #[test]
    fn folders_come_by_pages_of_those_that_were_asked_for() {
        let records: Vec<_> = (0..250).map(|number| record(&format!("tenant_{number:03}"), "a", "01:00:00", None)).collect();
        let asked = |filter: &str, page| asked_for(lines(&records), &FolderQuery { filter: filter.into(), page });
        let third = asked("", 3);
        assert_eq!((third.total, third.number, third.items.len(), third.items[0].database.as_str()), (250, 3, 50, "tenant_200"));
        assert_eq!((asked("", 0).number, asked("", 9).items.len()), (1, 0));
        let found = asked("tenant_1*", 1);
        assert_eq!((found.total, found.items.len(), found.items[0].database.as_str()), (100, 100, "tenant_100"));
    }

    #[test]
    fn a_fault_that_a_verification_found_is_not_forgotten() {
        let mut found = [record("shop", "a", "01:00:00", None), record("shop", "a", "02:00:00", None)];
        let verified = BackupRecord { verify_fault: Some("Its bytes differ.".into()), ..record("shop", "a", "02:00:00", None) };
        adopt_faults(&mut found, &[verified, record("shop", "a", "01:00:00", Some("It was missing."))]);
        assert_eq!([found[0].fault(), found[1].fault()], [None, Some("Its bytes differ.")]);
    }
}
