//! A repository: what lies under one root, found and added to.

mod remove;

use crate::{
    ArchiveReader, ArchiveWriter, Body, Instance, Key, Manifest, Pieces, Place, ProvenBody, SealedBody, StoredBody, Trust, body, chain,
    layout::{self, MARKER},
    marker::Marker,
};
use bytes::Bytes;
use domain::{BackupKind, BackupType, Code, Error, Label, Result, name};
use jiff::{SignedDuration, Timestamp};
use seal::{Envelope, PublicKey};
use std::sync::Arc;
use store::{Entry, ObjectName, Store};

/// The largest manifest that is read.
const MAX_MANIFEST_BYTES: u64 = 1 << 20;

/// A root, opened.
#[derive(Clone)]
pub struct Repository {
    store: Arc<dyn Store>,
    trust: Trust,
}

/// One backup found under a root.
#[derive(Debug)]
pub struct Point {
    /// Where it lies.
    pub place: Place,
    /// What its manifest says, once signature and place have been checked; or why it cannot be used.
    pub manifest: Result<Manifest>,
    /// SHA-256 of the manifest's bytes, in hexadecimal digits, for the next one in the chain.
    pub manifest_sha256: String,
    /// Bytes of the archive that lies beside the manifest, if there is one.
    pub archive_bytes: Option<u64>,
}

impl Point {
    /// The database, whether or not the manifest can be read.
    #[must_use]
    pub fn database(&self) -> String {
        match &self.manifest {
            Ok(manifest) => manifest.database.clone(),
            Err(_) => {
                let segment = self.place.folder().segments().next().unwrap_or_default();
                name::unescape(segment).unwrap_or_else(|| segment.into())
            }
        }
    }

    /// An error unless the manifest holds and an archive of the size that it tells lies beside it. Its bytes are not read.
    pub(crate) fn check(&self) -> Result<&Manifest> {
        let manifest = self.manifest.as_ref().map_err(|error| Error::new(error.code(), error.to_string(), error.next_step()))?;
        manifest.check_size(self.archive_bytes)?;
        Ok(manifest)
    }
}

impl Repository {
    /// Opens a root to read it. Each backup's own signature decides whether it is trusted.
    pub async fn open(store: Arc<dyn Store>, trust: Trust) -> Result<Self> {
        let repository = Self { store, trust };
        if repository.marker().await?.is_none() && repository.points(None).await?.is_empty() {
            return Err(Error::new(
                Code::NotFound,
                "There is no repository at this root: neither the file rookery.json nor any backup.",
                "Check the path; it must be the root itself, the folder that holds one child folder per database.",
            ));
        }
        Ok(repository)
    }

    /// Opens a root to write to it, and makes it a repository if it is empty.
    ///
    /// # Errors
    /// `root-foreign` if it holds files of somebody else; `unknown-instance` if another instance began it.
    pub async fn create(store: Arc<dyn Store>, instance: &Instance, trust: Trust) -> Result<Self> {
        let repository = Self { store, trust };
        repository.store.sweep().await?;
        if repository.marker().await?.is_none() {
            repository.refuse_foreign_files().await?;
            let marker = Bytes::from(Marker::new(instance.public()).to_bytes()?);
            match store::put(repository.store.as_ref(), &ObjectName::new(MARKER)?, marker).await {
                // Another process began the repository at the same moment: what it wrote counts.
                Err(error) if error.code() == Code::NameTaken => {}
                other => other?,
            }
        }
        let marker = repository.marker().await?.ok_or_else(|| Error::internal("The marker vanished."))?;
        repository.trust.check(&marker.instance)?;
        Ok(repository)
    }

    /// The store below.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// An error unless this backup may be used: its manifest holds, its signer is trusted, the backups that it builds on are the ones
    /// that it was signed with, and its archive is there. That its archive has the bytes that were signed is another question, for
    /// they have to be read.
    pub fn usable<'a>(&self, point: &'a Point) -> Result<&'a Manifest> {
        if let Ok(manifest) = &point.manifest {
            manifest.check_trust(&self.trust)?;
        }
        point.check()
    }

    /// Every backup, newest first; of one database, if it is named.
    pub async fn points(&self, database: Option<&str>) -> Result<Vec<Point>> {
        let mut points = vec![];
        for chain in self.chains(database).await? {
            points.extend(self.points_of_chain(&chain).await?);
        }
        // A cut folder name may hold several databases' backups.
        points.retain(|point| database.is_none_or(|name| point.manifest.as_ref().map_or(true, |manifest| manifest.database == name)));
        points.sort_by_key(|point| std::cmp::Reverse(point.place.label()));
        Ok(points)
    }

    /// The folders of all chains; of one database, if it is named. Nothing in them is read.
    pub async fn chains(&self, database: Option<&str>) -> Result<Vec<ObjectName>> {
        let folders = match database {
            Some(database) => vec![layout::database_folder(database)?],
            None => self.folders(None).await?.into_iter().filter(layout::is_database_folder).collect(),
        };
        let mut chains = vec![];
        for folder in folders {
            chains.extend(self.folders(Some(&folder)).await?);
        }
        Ok(chains)
    }

    /// The backups in the folder of one chain, oldest first, each judged together with what it builds on.
    pub async fn points_of_chain(&self, chain: &ObjectName) -> Result<Vec<Point>> {
        let entries = self.store.list(Some(chain)).await?;
        let mut points = vec![];
        for entry in &entries {
            if let (Some(place), Some(_)) = (Place::of_manifest(&entry.name), entry.size_bytes) {
                points.push(self.point(place, &entries).await?);
            }
        }
        chain::judge(&mut points);
        Ok(points)
    }

    /// The backups of the newest chain of a database on a server that others are meant to come after, by the names that its folder
    /// carries, oldest first; if none is, of the newest one. None if there is no chain.
    pub async fn newest_chain(&self, database: &str, server: &str, backup_type: BackupType) -> Result<Vec<Point>> {
        let chains = self.chains(Some(database)).await?;
        let mut chains: Vec<_> = chains.into_iter().filter(|chain| layout::is_chain_of(chain, database, server, backup_type)).collect();
        // Their names begin with their times.
        chains.sort_unstable();
        let mut newest = vec![];
        while let Some(chain) = chains.pop() {
            let points = self.points_of_chain(&chain).await?;
            // What a crash left without a manifest is no chain, and the one before it goes on.
            let Some(last) = points.last() else { continue };
            // A backup that was made once, say, ends no chain.
            if last.manifest.as_ref().map_or(true, Manifest::is_followed) {
                return Ok(points);
            }
            if newest.is_empty() {
                newest = points;
            }
        }
        Ok(newest)
    }

    /// The backups that a restore of this one needs, the full one first and itself last.
    ///
    /// # Errors
    /// What cannot be used of them.
    pub async fn lineage(&self, point: &Point) -> Result<Vec<Point>> {
        let mut chain = self.points_of_chain(point.place.folder()).await?;
        let (mut lineage, mut next) = (vec![], Some(point.place.label()));
        while let Some(label) = next {
            let at = chain.iter().position(|point| point.place.label() == label);
            let Some(found) = at.map(|at| chain.swap_remove(at)) else {
                let sentence = format!("The backup {label}, which this restore point needs, is not in its folder any more.");
                return Err(Error::new(Code::Damaged, sentence, "Choose an older restore point."));
            };
            next = self.usable(&found)?.prior.as_ref().map(|prior| prior.label);
            lineage.push(found);
        }
        lineage.reverse();
        Ok(lineage)
    }

    /// A label for a backup of `database` begun `now`, which no other backup of it has.
    pub async fn free_label(&self, database: &str, wanted: Label) -> Result<Label> {
        let mut label = wanted;
        let taken = self.folders(Some(&layout::database_folder(database)?)).await?;
        while taken.iter().any(|chain| chain.last().starts_with(&label.time())) {
            label = Label::new(label.at() + SignedDuration::from_secs(1), label.kind(), label.backup_type());
        }
        Ok(label)
    }

    /// A place for an incremental begun `now`, after the backup at `prior`: later than that one whatever the clock says, and where
    /// nothing lies, not even an archive that a crash left.
    pub async fn free_place_after(&self, prior: &Place, now: Timestamp) -> Result<Place> {
        let second = SignedDuration::from_secs(1);
        let label = |at: Timestamp| Label::new(at, BackupKind::Incremental, prior.label().backup_type());
        let mut free = label(now.max(prior.label().at() + second));
        let there = self.store.list(Some(prior.folder())).await?;
        while there.iter().any(|entry| entry.name.last().starts_with(&free.time())) {
            free = label(free.at() + second);
        }
        Ok(Place::after(prior, free))
    }

    /// Begins the archive of a backup, sealed for its recipients if there are any.
    ///
    /// # Errors
    /// [`Code::NameTaken`] if there is an archive of this label, sealed or not.
    pub async fn begin(&self, place: &Place, recipients: &[PublicKey]) -> Result<ArchiveWriter> {
        let sealed = !recipients.is_empty();
        match self.store.size(&place.archive(!sealed)?).await {
            Err(error) if error.code() == Code::NotFound => {}
            Err(error) => return Err(error),
            Ok(_) => {
                let sentence = format!("Another process has just begun the backup {}.", place.label());
                return Err(Error::new(Code::NameTaken, sentence, "Try again."));
            }
        }
        let upload = self.store.create(&place.archive(sealed)?).await?;
        if recipients.is_empty() { Ok(ArchiveWriter::new(upload)) } else { ArchiveWriter::sealed(upload, recipients) }
    }

    /// Writes the manifest: from here on the backup exists.
    ///
    /// # Errors
    /// [`Code::NameTaken`] if another process was quicker with a backup of this label, [`Code::Damaged`] if the archive is not there,
    /// [`Code::NotFound`] if the backup that it builds on is not there any more.
    pub async fn commit(&self, place: &Place, manifest: &Manifest, instance: &Instance) -> Result<()> {
        let archive = place.archive(manifest.sealed())?;
        if self.store.size(&archive).await? != manifest.archive.size_bytes {
            return Err(Error::new(Code::Damaged, "The archive was changed before its manifest was written.", "Start the backup again."));
        }
        if let Some(prior) = &manifest.prior {
            // A chain is deleted from its end.
            let before = Place::after(place, prior.label).manifest()?;
            self.store.size(&before).await.map_err(|error| match error.code() {
                Code::NotFound => {
                    let sentence = format!("The backup {} was deleted while one that builds on it was made.", prior.label);
                    Error::new(Code::NotFound, sentence, "Start again: the next backup is a full one.").because(error)
                }
                _ => error,
            })?;
        }
        let name = place.manifest()?;
        let bytes = Bytes::from(manifest.sign(instance)?);
        match store::put(self.store.as_ref(), &name, bytes.clone()).await {
            Ok(()) => Ok(()),
            // Only where the answer was lost does what is there decide: a store that says that it failed did fail.
            Err(error) if error.code() == Code::AnswerLost => match store::read_small(self.store.as_ref(), &name, MAX_MANIFEST_BYTES).await
            {
                Ok(there) if there == bytes => Ok(()),
                _ => Err(error),
            },
            Err(error) => Err(error),
        }
    }

    /// The archive of a backup, to be read at random; with the key that opens it if it is sealed. With the pieces of a proof, every
    /// byte that is read is one that was proven.
    ///
    /// # Errors
    /// [`Code::KeyNeeded`], [`Code::WrongKey`], or what is damaged.
    pub async fn archive(&self, place: &Place, manifest: &Manifest, pieces: Option<Pieces>, key: Option<&Key>) -> Result<ArchiveReader> {
        check_key(manifest, key)?;
        let stored = self.stored(place, manifest)?;
        let stored: Arc<dyn Body> = match pieces {
            Some(pieces) => Arc::new(ProvenBody::new(stored, pieces)),
            None => Arc::new(stored),
        };
        let body = match key.filter(|_| manifest.sealed()) {
            Some(key) => {
                let sealed = SealedBody::open(stored, key).await?;
                manifest.check_recipients(sealed.recipients())?;
                Arc::new(sealed)
            }
            None => stored,
        };
        let archive = ArchiveReader::open(body, manifest.archive.plain_bytes).await?;
        manifest.check_members(archive.names().count() as u64)?;
        Ok(archive)
    }

    /// What a sealed archive begins with: whose keys open it, and the data key sealed for each of them.
    ///
    /// # Errors
    /// [`Code::Damaged`] if it is not sealed, or was changed.
    pub async fn envelope(&self, place: &Place, manifest: &Manifest) -> Result<Envelope> {
        body::envelope(&self.stored(place, manifest)?).await
    }

    fn stored(&self, place: &Place, manifest: &Manifest) -> Result<StoredBody> {
        Ok(StoredBody::new(Arc::clone(&self.store), place.archive(manifest.sealed())?, manifest.archive.size_bytes))
    }

    async fn marker(&self) -> Result<Option<Marker>> {
        match store::read_small(self.store.as_ref(), &ObjectName::new(MARKER)?, MAX_MANIFEST_BYTES).await {
            Ok(bytes) => Marker::parse(&bytes).map(Some),
            Err(error) if error.code() == Code::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn refuse_foreign_files(&self) -> Result<()> {
        let entries = self.store.list(None).await?;
        if entries.iter().any(|entry| entry.name.last() == MARKER) {
            // Another process began the repository just now.
            return Ok(());
        }
        // A file system of its own brings this folder along, and some tools leave hidden files.
        let foreign = entries.iter().find(|entry| entry.name.last() != "lost+found" && !entry.name.last().starts_with('.'));
        let Some(foreign) = foreign else { return Ok(()) };
        Err(Error::new(
            Code::RootForeign,
            format!("The root holds files that are not Rookery's, such as {:?}.", foreign.name.last()),
            "Choose an empty folder, or a new one below it.",
        ))
    }

    async fn point(&self, place: Place, entries: &[Entry]) -> Result<Point> {
        let size = |sealed| {
            let file = place.archive_file(sealed);
            entries.iter().find(|entry| entry.name.last() == file).and_then(|entry| entry.size_bytes)
        };
        let (plain_bytes, sealed_bytes) = (size(false), size(true));
        let name = place.manifest()?;
        let (manifest, manifest_sha256) = match store::read_small(self.store.as_ref(), &name, MAX_MANIFEST_BYTES).await {
            Ok(bytes) => (Manifest::open(&bytes, &place), sha256_hex(&bytes)),
            // A manifest that cannot be read spoils its own backup, not the listing of the others.
            Err(error) if matches!(error.code(), Code::Damaged | Code::TooLarge | Code::NotFound) => {
                (Err(error.during(format_args!("The manifest {name}"))), String::new())
            }
            Err(error) => return Err(error),
        };
        let archive_bytes = match &manifest {
            Ok(manifest) if manifest.sealed() => sealed_bytes,
            Ok(_) => plain_bytes,
            Err(_) => plain_bytes.or(sealed_bytes),
        };
        Ok(Point { place, manifest, manifest_sha256, archive_bytes })
    }

    async fn folders(&self, folder: Option<&ObjectName>) -> Result<Vec<ObjectName>> {
        let entries = self.store.list(folder).await?;
        Ok(entries.into_iter().filter(|entry| entry.size_bytes.is_none()).map(|entry| entry.name).collect())
    }
}

/// An error if an archive is sealed and the key is not one of those that it was sealed for, as the manifest tells.
///
/// # Errors
/// [`Code::KeyNeeded`], [`Code::WrongKey`].
pub fn check_key(manifest: &Manifest, key: Option<&Key>) -> Result<()> {
    let Some(recipients) = &manifest.recipients else { return Ok(()) };
    let wanted = || format!("Give the private key whose fingerprint is {}.", recipients.join(" or "));
    match key {
        None => Err(Error::new(Code::KeyNeeded, "This backup is sealed, and cannot be read without a key.", wanted())),
        Some(Key::Private(key)) => {
            let fingerprint = key.public()?.fingerprint().to_string();
            if recipients.contains(&fingerprint) {
                return Ok(());
            }
            Err(Error::new(Code::WrongKey, format!("The key {fingerprint} does not open this backup."), wanted()))
        }
        Some(Key::Data(_)) => Ok(()),
    }
}

fn sha256_hex(bytes: &[u8]) -> String {
    use sha2::Digest;
    hex::encode(sha2::Sha256::digest(bytes))
}
