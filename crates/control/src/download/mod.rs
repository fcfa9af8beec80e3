//! Backups that leave through a browser: an archive, its manifest, or all that a restore of it needs in one tar file that unpacks to
//! a root. What is sealed stays so.

mod sending;
mod tar;

use crate::{Control, Operate, Permit};
use bytes::Bytes;
use catalog::DestinationRecord;
use domain::{
    Code, DestinationId, Error, Label, Result, display,
    view::download::{DownloadFiles, DownloadPart, DownloadQuery, DownloadView},
};
use futures::{StreamExt, stream::BoxStream};
use jiff::Timestamp;
use repository::{
    Point, Repository,
    layout::{GLOBALS, MARKER},
};
use sending::{Archive, Content, Entry};
use sha2::{Digest, Sha256};
use std::{ops::Range, sync::Arc};
use store::{ObjectName, Store, read_small};

/// Up to so many bytes are read before the answer begins: whoever asked for what is damaged is told so, and gets no file that ends
/// early. More would let them wait too long.
const PROVEN_FIRST_BYTES: u64 = 256 << 20;

/// The largest manifest or marker.
const MOST_SMALL_BYTES: u64 = 1 << 20;

/// Longest part of a file's name that a database's name makes, in characters.
const MOST_NAME: usize = 60;

/// Why the password is asked for again.
const WHY: &str = "A download takes all that the backup holds out of the console.";

/// A file on its way to a browser.
pub struct Download {
    /// What it is called; any character but those that would lead astray.
    pub file_name: String,
    /// Size of the whole.
    pub size_bytes: u64,
    /// The part of it that is sent, if not all is.
    pub range: Option<Range<u64>>,
    /// What tells this content from every other; none if no part of it can be asked for alone.
    pub tag: Option<String>,
    /// The bytes. Where they turn out to be damaged, it ends with an error before the last of them.
    pub body: BoxStream<'static, Result<Bytes>>,
}

/// Which part of a file is wanted, as a browser asks that goes on with what it has begun.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// The first byte, and the last if it is not the end.
    pub range: Option<(u64, Option<u64>)>,
    /// Only of this content; all of another.
    pub only_of: Option<String>,
}

impl Wanted {
    /// The part of a file of this size; none for all of it.
    fn part_of(&self, size: u64, tag: &str) -> Option<Range<u64>> {
        let (first, last) = self.range.filter(|_| self.only_of.as_ref().is_none_or(|only| only == tag))?;
        let end = last.map_or(size, |last| last.saturating_add(1).min(size));
        (first < end).then_some(first..end)
    }
}

/// A restore point that is there.
struct Found {
    destination: DestinationRecord,
    repository: Repository,
    point: Point,
}

/// Keeps a chain from being deleted while something of it is sent.
struct Sending {
    control: Control,
    destination: DestinationId,
    folder: String,
}

impl Drop for Sending {
    fn drop(&mut self) {
        self.control.underway.retention.sent(self.destination, &self.folder);
    }
}

impl Control {
    /// A restore point with all that a restore of it needs, or why it cannot be had.
    ///
    /// # Errors
    /// [`Code::NotFound`] if there is no such restore point, and what reading the repository says.
    pub async fn download_view(&self, permit: &Permit<Operate>, id: DestinationId, asked: &DownloadQuery) -> Result<DownloadView> {
        let found = self.find(id, asked).await?;
        let needed = self.needed(&found).await;
        let mut view = self.view(&found);
        view.confirmed = self.ensure_fresh(permit, WHY, Timestamp::now()).is_ok();
        match needed {
            Ok(needed) => {
                view.needed = needed.iter().map(files).collect::<Result<_>>()?;
                view.bundle_bytes = sending::size_of(&self.entries(&found, &view, &needed).await?);
            }
            Err(error) => view.fault = Some((error.to_string(), error.next_step().to_owned())),
        }
        Ok(view)
    }

    /// Takes the password that a download needs, so that it may be done within the next five minutes.
    ///
    /// # Errors
    /// [`Code::Forbidden`] at the field `current_password`.
    pub async fn allow_download(&self, permit: &Permit<Operate>, password: &str) -> Result<()> {
        self.confirm_password(permit, password).await?;
        self.ensure_fresh(permit, WHY, Timestamp::now())
    }

    /// Begins to send what was asked for. It is written to the audit log before its first byte leaves, and its chain is not deleted
    /// until it is dropped.
    ///
    /// # Errors
    /// [`Code::Forbidden`] unless the password was typed lately; [`Code::NotFound`]; what is wrong with the backup, or with one that
    /// it builds on.
    pub async fn download(&self, permit: &Permit<Operate>, id: DestinationId, asked: &DownloadQuery, wanted: &Wanted) -> Result<Download> {
        self.ensure_fresh(permit, WHY, Timestamp::now())?;
        let sending = self.begin_sending(id, &asked.folder).await;
        let found = self.find(id, asked).await?;
        let needed = self.needed(&found).await?;
        let mut download = match asked.part {
            DownloadPart::Everything => self.everything(&found, &needed).await?,
            DownloadPart::Archive => self.archive(&found, wanted).await?,
            DownloadPart::Manifest => manifest(&found).await?,
        };
        let from = download.range.as_ref().map(|range| format!(", from byte {}", range.start)).unwrap_or_default();
        let what = match asked.part {
            DownloadPart::Everything => "all that a restore needs",
            DownloadPart::Archive => "the archive",
            DownloadPart::Manifest => "the manifest",
        };
        let Found { destination, point, .. } = &found;
        let (place, size) = (&point.place, display::size(download.size_bytes));
        let said = format!("{} in {} at {}: {what} ({size}{from}).", place.label(), place.folder(), destination.name);
        self.catalog.append_audit(&permit.audit("backup downloaded", &asked.database, Some(format!("/backups/{id}")), said)).await?;
        let held = move |piece| {
            // As long as there is somebody who may ask for the next piece.
            let _ = &sending;
            piece
        };
        download.body = download.body.map(held).boxed();
        Ok(download)
    }

    async fn begin_sending(&self, destination: DestinationId, folder: &str) -> Sending {
        // What is about to go has gone, or stays.
        let _turn = self.underway.retention.chains_at(destination).await;
        self.underway.retention.send(destination, folder);
        Sending { control: self.clone(), destination, folder: folder.into() }
    }

    async fn find(&self, id: DestinationId, asked: &DownloadQuery) -> Result<Found> {
        let destination = self.catalog.destination(id).await?;
        let missing = || {
            Error::new(
                Code::NotFound,
                format!("Database {:?} has no such restore point at {} any more.", asked.database, destination.name),
                "Go back to the backups and choose one.",
            )
        };
        let label: Label = asked.point.parse().map_err(|_| missing())?;
        let repository = self.open_known(&destination).await?.ok_or_else(missing)?;
        let points = repository.points(Some(&asked.database)).await?;
        let is_wanted = |point: &Point| point.place.label() == label && point.place.folder().as_str() == asked.folder;
        let point = points.into_iter().find(is_wanted).ok_or_else(missing)?;
        Ok(Found { destination, repository, point })
    }

    /// The restore point and all that it builds on, the full backup first.
    ///
    /// # Errors
    /// What cannot be used of it, as far as that is known without reading archives.
    async fn needed(&self, found: &Found) -> Result<Vec<Point>> {
        let Found { destination, repository, point } = found;
        repository.usable(point)?;
        let needed = repository.lineage(point).await?;
        let known = self.catalog.backups_of(destination.id, Some(&point.database())).await?;
        let is_needed =
            |folder: &str, label: Label| needed.iter().any(|point| point.place.label() == label && point.place.folder().as_str() == folder);
        match known.iter().find(|record| record.verify_fault.is_some() && is_needed(&record.folder, record.label)) {
            Some(record) => Err(Error::new(
                Code::Damaged,
                record.verify_fault.clone().unwrap_or_default(),
                "Choose another restore point. If the destination's disk was mended, verify this one again.",
            )),
            None => Ok(needed),
        }
    }

    fn view(&self, found: &Found) -> DownloadView {
        let Found { destination, point, .. } = found;
        let manifest = point.manifest.as_ref().ok();
        DownloadView {
            destination: destination.id,
            name: destination.name.clone(),
            database: point.database(),
            folder: point.place.folder().as_str().into(),
            point: point.place.label(),
            dbms: manifest.map(|manifest| manifest.server.dbms),
            origin: crate::shelf::origin(point),
            needed: vec![],
            fault: None,
            bundle: format!("{}-{}", readable(&point.database()), point.place.label().time()),
            bundle_bytes: 0,
            signer: manifest.and_then(|manifest| manifest.instance.fingerprint().ok()).map(|signer| signer.to_string()).unwrap_or_default(),
            recipients: manifest.and_then(|manifest| manifest.recipients.clone()).unwrap_or_default(),
            confirmed: false,
            now: Timestamp::now(),
        }
    }

    async fn everything(&self, found: &Found, needed: &[Point]) -> Result<Download> {
        let mut view = self.view(found);
        view.needed = needed.iter().map(files).collect::<Result<_>>()?;
        let entries = self.entries(found, &view, needed).await?;
        let size_bytes = sending::size_of(&entries);
        if size_bytes <= PROVEN_FIRST_BYTES {
            for point in needed {
                self.prove(found, point).await?;
            }
        }
        let body = sending::bundle(entries);
        Ok(Download { file_name: format!("{}.tar", view.bundle), size_bytes, range: None, tag: None, body })
    }

    async fn archive(&self, found: &Found, wanted: &Wanted) -> Result<Download> {
        let manifest = found.repository.usable(&found.point)?;
        let archive = Archive::new(found.repository.store(), &found.point.place, manifest)?;
        let size_bytes = archive.size_bytes();
        let range = wanted.part_of(size_bytes, archive.sha256());
        if range.is_none() && size_bytes <= PROVEN_FIRST_BYTES {
            self.prove(found, &found.point).await?;
        }
        let tag = Some(archive.sha256().to_owned());
        let body = match range.clone() {
            Some(range) => archive.part(range).boxed(),
            None => self.sent(found.destination.id, &found.point, &archive),
        };
        let file = found.point.place.archive_file(manifest.sealed());
        Ok(Download { file_name: format!("{}-{file}", readable(&manifest.database)), size_bytes, range, tag, body })
    }

    /// Reads an archive back; what is wrong with it is written down.
    async fn prove(&self, found: &Found, point: &Point) -> Result<()> {
        let archive = Archive::new(found.repository.store(), &point.place, found.repository.usable(point)?)?;
        let proven = archive.prove().await;
        if let Err(error) = &proven {
            self.note_fault(found.destination.id, point.place.folder().as_str(), point.place.label(), error).await;
        }
        proven
    }

    async fn note_fault(&self, destination: DestinationId, folder: &str, label: Label, error: &Error) {
        tracing::warn!(?error, folder, %label, "a backup that was asked for could not be sent whole");
        if error.code() != Code::Damaged {
            return;
        }
        if let Err(error) = self.catalog.set_fault(destination, folder, label, &error.to_string(), Timestamp::now()).await {
            tracing::warn!(?error, "what is wrong with a backup could not be written down");
        }
        self.underway.changed();
    }

    /// All of an archive; what turns out to be wrong with it on the way is written down.
    fn sent(&self, destination: DestinationId, point: &Point, archive: &Archive) -> BoxStream<'static, Result<Bytes>> {
        let (control, folder, label) = (self.clone(), point.place.folder().as_str().to_owned(), point.place.label());
        let noted = move |piece: Result<Bytes>| {
            let (control, folder) = (control.clone(), folder.clone());
            async move {
                if let Err(error) = &piece {
                    control.note_fault(destination, &folder, label, error).await;
                }
                piece
            }
        };
        archive.whole().then(noted).boxed()
    }

    /// The files of the tar file.
    async fn entries(&self, found: &Found, view: &DownloadView, needed: &[Point]) -> Result<Vec<Entry>> {
        let (store, bundle) = (found.repository.store(), &view.bundle);
        let entry = |path: &str, written_at: Timestamp, content| Entry {
            path: format!("{bundle}/{path}"),
            content,
            written_at: u64::try_from(written_at.as_second()).unwrap_or(0),
        };
        let mut entries = vec![entry("RESTORE.txt", view.point.at(), Content::Small(told(view).into()))];
        match read_small(store.as_ref(), &ObjectName::new(MARKER)?, MOST_SMALL_BYTES).await {
            Ok(marker) => entries.push(entry(MARKER, view.point.at(), Content::Small(marker))),
            // A root is one without it, too.
            Err(error) if error.code() == Code::NotFound => {}
            Err(error) => return Err(error),
        }
        for point in needed {
            let (manifest, at) = (found.repository.usable(point)?, point.place.label().at());
            let archive = Archive::new(store, &point.place, manifest)?;
            let content = Content::Large { size_bytes: archive.size_bytes(), body: self.sent(found.destination.id, point, &archive) };
            entries.push(entry(point.place.archive(manifest.sealed())?.as_str(), at, content));
            let signed = signed(store, point).await?;
            entries.push(entry(point.place.manifest()?.as_str(), at, Content::Small(signed)));
        }
        Ok(entries)
    }
}

async fn manifest(found: &Found) -> Result<Download> {
    let (bytes, point) = (signed(found.repository.store(), &found.point).await?, &found.point);
    let file_name = format!("{}-{}.json", readable(&point.database()), point.place.label());
    Ok(Download { file_name, size_bytes: bytes.len() as u64, range: None, tag: None, body: sending::one(bytes).boxed() })
}

/// The bytes of a manifest, which are those that were judged.
async fn signed(store: &Arc<dyn Store>, point: &Point) -> Result<Bytes> {
    let bytes = read_small(store.as_ref(), &point.place.manifest()?, MOST_SMALL_BYTES).await?;
    if hex::encode(Sha256::digest(&bytes)) == point.manifest_sha256 {
        return Ok(bytes);
    }
    let sentence = format!("The manifest of {} was changed at this moment.", point.place.label());
    Err(Error::new(Code::Damaged, sentence, "Load the page again, and look at the backup."))
}

fn files(point: &Point) -> Result<DownloadFiles> {
    let manifest = point.manifest.as_ref().map_err(|error| Error::from(error.told().clone()))?;
    Ok(DownloadFiles {
        label: point.place.label(),
        kind: manifest.kind,
        archive: point.place.archive(manifest.sealed())?.as_str().into(),
        archive_bytes: manifest.archive.size_bytes,
        manifest: point.place.manifest()?.as_str().into(),
    })
}

/// A database's name as the beginning of a file's name: without what paths, shells or eyes would take for something else.
fn readable(database: &str) -> String {
    let plain = |c: char| if c.is_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '_' };
    let name: String = database.chars().take(MOST_NAME).map(plain).collect();
    let name = name.trim_start_matches(['.', '-']);
    if name.is_empty() { "database".into() } else { name.into() }
}

/// What a tar file says of itself.
fn told(view: &DownloadView) -> String {
    let DownloadView { database, point, origin, recipients, .. } = view;
    let of = origin.as_ref().map(|origin| format!(" of the server {origin:?}")).unwrap_or_default();
    let head = format!("The database {database:?}{of} as Rookery backed it up: {point}, and all that a restore of it needs.\n\n");
    let sealed = match recipients.as_slice() {
        [] => String::new(),
        keys => format!("\nIt is sealed. One of these keys opens it: {}.\n", keys.join(", ")),
    };
    let how = if database == GLOBALS {
        "It holds roles and tablespaces as SQL text, to be read and run by hand: globals.sql in the archive.\n".to_owned()
    } else {
        let command = view.command();
        format!("To restore it, from where the folder lies that this file is in:\n\n    {command}\n")
    };
    format!("{head}{how}{sealed}\nWithout Rookery: an archive is a ZIP file of zstd members; its format is in Rookery's docs/FORMAT.md.\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leads_nobody_astray() {
        for (database, file) in [
            ("shop.db", "shop.db"),
            ("../../etc/passwd", "_.._etc_passwd"),
            ("-rf *", "rf__"),
            ("größe", "größe"),
            ("\u{202e}gpj.exe\r\n\"", "_gpj.exe___"),
            ("..", "database"),
        ] {
            assert_eq!(readable(database), file);
        }
        assert_eq!(readable(&"x".repeat(500)).len(), MOST_NAME);
    }

    #[test]
    fn a_part_is_one_that_there_is_of_the_same_content() {
        let wanted = |range, only: Option<&str>| Wanted { range, only_of: only.map(String::from) }.part_of(100, "a");
        assert_eq!(wanted(None, None), None);
        assert_eq!(wanted(Some((10, None)), None), Some(10..100));
        assert_eq!(wanted(Some((10, Some(19))), Some("a")), Some(10..20));
        assert_eq!(wanted(Some((10, Some(u64::MAX))), None), Some(10..100));
        assert_eq!(wanted(Some((10, None)), Some("b")), None);
        assert_eq!((wanted(Some((100, None)), None), wanted(Some((20, Some(10))), None)), (None, None));
    }
}
