//! Where things lie under a root.
//!
//! ```text
//! rookery.json
//! <database>/<time>.rookery-<database>-<server>-backup/<label>.zip    archive, `.zip.sealed` if it is sealed
//!                                                      <label>.json   manifest
//! ```

use domain::{BackupKind, BackupType, Label, Result, name};
use jiff::Timestamp;
use store::ObjectName;

/// Child folder of what belongs to a server as a whole. No database's folder begins with `_`.
pub const GLOBALS: &str = "_globals";

/// The marker at the root.
pub const MARKER: &str = "rookery.json";

const ARCHIVE: &str = ".zip";
const SEALED_ARCHIVE: &str = ".zip.sealed";
const MANIFEST: &str = ".json";

/// The place of one backup: its chain's folder and its label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    folder: ObjectName,
    label: Label,
}

impl Place {
    /// The place of a full backup, which begins a chain of its own.
    pub fn of_full(database: &str, server: &str, label: Label) -> Result<Self> {
        let folder = database_folder(database)?.join(&chain_folder(database, server, label))?;
        Ok(Self { folder, label })
    }

    /// The place of an incremental in the chain of the backup at `prior`.
    #[must_use]
    pub fn after(prior: &Self, label: Label) -> Self {
        Self { folder: prior.folder.clone(), label }
    }

    /// The place that a manifest found at `object` claims by its name; `None` if it is not a manifest's name.
    #[must_use]
    pub fn of_manifest(object: &ObjectName) -> Option<Self> {
        let label = object.last().strip_suffix(MANIFEST)?.parse().ok()?;
        Some(Self { folder: object.folder()?, label })
    }

    /// Whether a backup of this database and server belongs here: a full one begins its chain, an incremental lies in the folder of
    /// one that began before it.
    pub fn is_of(&self, database: &str, server: &str, label: Label) -> Result<bool> {
        let begins = match label.kind() {
            BackupKind::Full => label,
            BackupKind::Incremental => {
                let time = self.folder.last().split_once('.').map_or("", |(time, _)| time);
                let full = format!("{time}.{}-{}", BackupKind::Full.as_str(), label.backup_type().as_name()).parse::<Label>();
                match full {
                    Ok(full) if full.at() < label.at() => full,
                    _ => return Ok(false),
                }
            }
        };
        Ok(Self::of_full(database, server, begins)?.folder == self.folder && label == self.label)
    }

    /// The chain's folder.
    #[must_use]
    pub fn folder(&self) -> &ObjectName {
        &self.folder
    }

    /// The backup's label.
    #[must_use]
    pub fn label(&self) -> Label {
        self.label
    }

    /// The archive's name within the chain's folder: a sealed one tells by its name that no other program opens it.
    #[must_use]
    pub fn archive_file(&self, sealed: bool) -> String {
        format!("{}{}", self.label, if sealed { SEALED_ARCHIVE } else { ARCHIVE })
    }

    /// The archive's object.
    pub fn archive(&self, sealed: bool) -> Result<ObjectName> {
        self.folder.join(&self.archive_file(sealed))
    }

    /// The manifest's object.
    pub fn manifest(&self) -> Result<ObjectName> {
        self.folder.join(&format!("{}{MANIFEST}", self.label))
    }
}

/// The label of the archive that a file is by its name.
#[must_use]
pub fn label_of_archive(file: &str) -> Option<Label> {
    [SEALED_ARCHIVE, ARCHIVE].into_iter().find_map(|ending| file.strip_suffix(ending)).and_then(|stem| stem.parse().ok())
}

/// The child folder of a database.
pub fn database_folder(database: &str) -> Result<ObjectName> {
    ObjectName::new(if database == GLOBALS { GLOBALS.into() } else { name::escape(database) })
}

/// Whether a folder at the root can be a database's: others, such as `lost+found`, are not looked into.
#[must_use]
pub fn is_database_folder(folder: &ObjectName) -> bool {
    let segment = folder.last();
    segment == GLOBALS || segment.contains("%-") || name::unescape(segment).is_some()
}

/// The folder of the chain that begins with `label`. Long names give way so that the segment stays usable.
fn chain_folder(database: &str, server: &str, label: Label) -> String {
    const MAX_PART: usize = 95;
    let part = |text: &str| name::escape_within(text, MAX_PART);
    let database = if database == GLOBALS { GLOBALS.into() } else { part(database) };
    format!("{}.rookery-{database}-{}-{}", label.time(), part(server), label.backup_type().as_name())
}

/// Whether the folder of a chain is one of this database, server and type.
pub fn is_chain_of(folder: &ObjectName, database: &str, server: &str, backup_type: BackupType) -> bool {
    let any = Label::new(Timestamp::UNIX_EPOCH, BackupKind::Full, backup_type);
    let name = chain_folder(database, server, any);
    match (folder.last().split_once('.'), name.split_once('.')) {
        (Some((_, there)), Some((_, here))) => there == here,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label() -> Label {
        Label::new("2026-11-22T03:00:00Z".parse().unwrap(), BackupKind::Full, BackupType::Logical)
    }

    #[test]
    fn a_backup_lies_where_the_format_says() {
        let place = Place::of_full("team/shop.db", "db.example:5433", label()).unwrap();
        let folder = "team%2Fshop.db/2026-11-22-03-00-00Z.rookery-team%2Fshop.db-db.example%3A5433-backup";
        assert_eq!(place.archive(false).unwrap().as_str(), format!("{folder}/2026-11-22-03-00-00Z.full-backup.zip"));
        assert_eq!(place.archive(true).unwrap().as_str(), format!("{folder}/2026-11-22-03-00-00Z.full-backup.zip.sealed"));
        for sealed in [false, true] {
            assert_eq!(label_of_archive(&place.archive_file(sealed)), Some(label()));
        }
        assert_eq!(label_of_archive("2026-11-22-03-00-00Z.full-backup.json"), None);
        let manifest = place.manifest().unwrap();
        assert_eq!(manifest.as_str(), format!("{folder}/2026-11-22-03-00-00Z.full-backup.json"));
        assert_eq!(Place::of_manifest(&manifest), Some(place.clone()));
        let later = Label::new("2026-11-22T04:00:00Z".parse().unwrap(), BackupKind::Incremental, BackupType::Logical);
        let incremental = Place::after(&place, later);
        assert!(incremental.is_of("team/shop.db", "db.example:5433", later).unwrap());
        assert_eq!(incremental.manifest().unwrap().as_str(), format!("{folder}/2026-11-22-04-00-00Z.incremental-backup.json"));
        let is_of = |database: &str, server: &str| is_chain_of(place.folder(), database, server, BackupType::Logical);
        assert!(is_of("team/shop.db", "db.example:5433") && !is_of("team/shop.db", "db.example") && !is_of("shop.db", "db.example:5433"));
    }

    #[test]
    fn the_longest_names_still_make_usable_segments() {
        let long = "é".repeat(300);
        let place = Place::of_full(&long, &long, label()).unwrap();
        assert!(place.archive(true).unwrap().segments().all(|segment| segment.len() <= 255));
        let globals = Place::of_full(GLOBALS, "db", label()).unwrap();
        assert!(globals.folder().as_str().starts_with("_globals/2026-11-22-03-00-00Z.rookery-_globals-db-backup"));
    }

    #[test]
    fn other_files_are_not_manifests() {
        for name in ["a/b/2026-11-22-03-00-00Z.full-backup.zip", "a/notes.json", "2026-11-22-03-00-00Z.full-backup.json"] {
            assert_eq!(Place::of_manifest(&ObjectName::new(name).unwrap()), None, "{name}");
        }
    }
}
