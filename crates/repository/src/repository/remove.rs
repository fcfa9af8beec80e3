//! What is removed from a root: chains that may go, and archives that no manifest tells of.

use super::{Point, Repository};
use crate::{Place, layout};
use domain::{Code, Result};
use jiff::{SignedDuration, Timestamp};
use store::{Entry, ObjectName};

/// Age after which an archive without a manifest can only be what a crash left.
const ORPHAN_AGE: SignedDuration = SignedDuration::from_hours(24);

impl Repository {
    /// Removes the backups of one chain for good, the newest first, so that what is left can be restored at every moment: of each
    /// the manifest goes first, and with it the backup; then its archive. A crash in between leaves an archive that no manifest
    /// tells of, which the next backup removes as an orphan.
    ///
    /// # Errors
    /// [`Code::UnknownInstance`] if somebody else signed one of them, before anything is removed; where a backup cannot be removed:
    /// those after it stay.
    pub async fn remove_chain(&self, points: &[Point]) -> Result<()> {
        let mut points: Vec<&Point> = points.iter().collect();
        points.sort_by_key(|point| std::cmp::Reverse(point.place.label()));
        for point in &points {
            if let Ok(manifest) = &point.manifest {
                manifest.check_trust(&self.trust)?;
            }
        }
        for point in points {
            self.store.remove(&point.place.manifest()?).await?;
            // Of one that cannot be used it may not be known whether it was sealed.
            let forms = point.manifest.as_ref().map_or_else(|_| vec![false, true], |manifest| vec![manifest.sealed()]);
            for sealed in forms {
                self.store.remove(&point.place.archive(sealed)?).await?;
            }
        }
        Ok(())
    }

    /// Removes an archive of ours that will get no manifest; nothing, unless it is certain that no manifest tells of it.
    pub async fn discard(&self, place: &Place, sealed: bool) -> Result<()> {
        let is_free = match self.store.size(&place.manifest()?).await {
            Err(error) => error.code() == Code::NotFound,
            // Another process was quicker, with an archive of the other form.
            Ok(_) => self.point(place.clone(), &[]).await?.manifest.is_ok_and(|manifest| manifest.sealed() != sealed),
        };
        if is_free { self.store.remove(&place.archive(sealed)?).await } else { Ok(()) }
    }

    /// Removes archives of one database that a crash left without a manifest more than a day before `now`.
    pub async fn sweep_orphans(&self, database: &str, now: Timestamp) -> Result<()> {
        for chain in self.folders(Some(&layout::database_folder(database)?)).await? {
            let entries = self.store.list(Some(&chain)).await?;
            for orphan in self.orphans(&entries, now).await? {
                tracing::warn!(archive = %orphan, "removing an archive that a crash left without a manifest");
                self.store.remove(orphan).await?;
            }
        }
        Ok(())
    }

    /// Archives that are old and that no manifest tells of: there is none of their label, or it tells of the other one, sealed or not.
    async fn orphans<'a>(&self, entries: &'a [Entry], now: Timestamp) -> Result<Vec<&'a ObjectName>> {
        let mut orphans = vec![];
        for entry in entries.iter().filter(|entry| now.duration_since(entry.modified) > ORPHAN_AGE) {
            let Some(label) = layout::label_of_archive(entry.name.last()) else { continue };
            let place = entries.iter().filter_map(|other| Place::of_manifest(&other.name)).find(|place| place.label() == label);
            let of_label = entries.iter().filter(|other| layout::label_of_archive(other.name.last()) == Some(label)).count();
            let is_orphan = match place {
                None => true,
                // The only one of its label belongs to the manifest, whatever that says.
                Some(_) if of_label == 1 => false,
                Some(place) => {
                    let point = self.point(place, entries).await?;
                    point.manifest.is_ok_and(|manifest| manifest.archive.name != entry.name.last())
                }
            };
            if is_orphan {
                orphans.push(&entry.name);
            }
        }
        Ok(orphans)
    }
}
