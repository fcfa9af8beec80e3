//! A new database below the folder, under a hidden name until it is published.

use super::{
    Sqlite,
    apply::Applier,
    cell::Wide,
    connect,
    define::{self, Definer},
    fault::Subject,
    folder::{self, COMPANIONS, STAGING_PREFIX, companion},
    full::Properties,
    header,
    load::Loader,
    moment::SHARED_FROM_BYTES,
    read::Reader,
    schema::{self, Layout, Object},
};
use crate::{Ahead, Applied, Context, Members, Nowhere, StageRequest, Staging, lease::Lease, table};
use domain::{Code, Comparison, Error, Phase, Result, TableSummary};
use jiff::Timestamp;
use rusqlite::Connection;
use std::{
    collections::{BTreeSet, HashMap},
    fs::{DirBuilder, File, Permissions},
    io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

/// Memory for pages while loading, in KiB; negative as `PRAGMA cache_size` wants it.
const CACHE_KIB: i32 = -32 << 10;

/// See [`Staging`].
pub struct Stage {
    // Dropped in this order: the connection, then the file, then the lease on it.
    connection: Option<Connection>,
    file: StagingFile,
    lease: Lease,
    root: PathBuf,
    target: PathBuf,
    subject: Subject,
    properties: Properties,
    objects: Vec<Object>,
    only_table: Option<String>,
    workers: usize,
}

/// The file, removed with everything beside it unless it got its name.
struct StagingFile(PathBuf);

impl Drop for StagingFile {
    fn drop(&mut self) {
        remove_with_companions(&self.0);
    }
}

fn remove_with_companions(path: &Path) {
    for suffix in COMPANIONS.iter().chain(&[""]) {
        // What is not there need not be removed; what cannot be is found again by the next sweep.
        let _ = std::fs::remove_file(companion(path, suffix));
    }
}

/// Checks all that can be known before anything is made.
pub fn check_needs(source: &Sqlite, request: &StageRequest) -> Result<()> {
    place(source, request).map(drop)
}

/// What the new database is like, and where it will be.
fn place(source: &Sqlite, request: &StageRequest) -> Result<(Properties, PathBuf)> {
    Ok((Properties::of(&request.description)?, folder::locate_new(&source.folder, &request.name)?))
}

impl Stage {
    /// Begins a database.
    pub fn begin(source: &Sqlite, request: &StageRequest, context: &Context) -> Result<Self> {
        let subject = Subject(request.name.clone());
        let (properties, target) = place(source, request)?;
        let folder = target.ancestors().skip(1).find(|folder| folder.is_dir()).unwrap_or(&source.folder);
        let (path, lease) = new_file(folder).map_err(|error| subject.io_fault("Making the new database", folder, error))?;
        let file = StagingFile(path);
        let connection = create(&file.0, &properties, context).map_err(|error| subject.fault("Making the new database", error))?;
        Ok(Self {
            connection: Some(connection),
            file,
            lease,
            root: source.folder.clone(),
            target,
            subject,
            properties,
            objects: vec![],
            only_table: request.only_table.clone(),
            workers: source.workers,
        })
    }

    fn connection(&self) -> Result<&Connection> {
        self.connection.as_ref().ok_or_else(|| Error::internal("A new database was used after it was closed."))
    }

    fn load_rows(&self, archive: &dyn Members, context: &Context) -> Result<()> {
        let connection = self.connection()?;
        let loader = Loader { connection, archive, workers: self.workers, subject: &self.subject, context };
        let mut parts: HashMap<String, Vec<String>> = HashMap::new();
        for member in archive.names() {
            if let Some((folder, _)) = member.rsplit_once('/') {
                parts.entry(format!("{folder}/")).or_default().push(member);
            }
        }
        let layout = Layout::new(connection, &self.subject)?;
        for object in self.wanted()? {
            let table = layout.table(&object.name)?;
            if object.is_internal() {
                // `sqlite_sequence` has filled itself while the other tables were loaded.
                let sql = format!("DELETE FROM main.{}", connect::quoted(&object.name));
                connection.execute_batch(&sql).map_err(|error| self.subject.fault("Loading", error))?;
            }
            loader.load(&table, parts.get(&table::folder(&object.name)).map_or(&[], Vec::as_slice))?;
        }
        Ok(())
    }

    /// The tables to load, SQLite's own last.
    fn wanted(&self) -> Result<Vec<&Object>> {
        let mut stored: Vec<&Object> = self.objects.iter().filter(|object| object.is_stored_table()).collect();
        stored.sort_by_key(|object| object.is_internal());
        let Some(only) = &self.only_table else { return Ok(stored) };
        stored.retain(|object| object.name == *only);
        if stored.is_empty() {
            let sentence = format!("The backup holds no table {only:?}.");
            return Err(Error::new(
                Code::NotFound,
                sentence,
                "Give the name as the backup's list of tables has it; a virtual table's rows lie in the tables behind it.",
            ));
        }
        Ok(stored)
    }

    fn check_integrity(&self) -> Result<()> {
        let fault = |error| self.subject.fault("Checking the new database", error);
        let first: String = self.connection()?.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0)).map_err(fault)?;
        if first == "ok" {
            return Ok(());
        }
        Err(Error::new(
            Code::Different,
            format!("The new database {:?} failed its integrity check: {first}.", self.subject.0),
            "Restore again; if it fails the same way, report this with the log of the run.",
        ))
    }

    /// Writes what comes last, and closes the file.
    fn complete(&mut self) -> Result<()> {
        let fault = |error| self.subject.fault("Finishing the new database", error);
        let connection = self.connection()?;
        connection.execute_batch("BEGIN").map_err(fault)?;
        Definer::new(connection, &self.objects, &self.subject).finish()?;
        let Properties { user_version, application_id, .. } = self.properties;
        let sql = format!("PRAGMA user_version={user_version}; PRAGMA application_id={application_id}; COMMIT");
        connection.execute_batch(&sql).map_err(fault)?;
        if self.properties.journal_mode == "wal" {
            connection.query_row("PRAGMA journal_mode=WAL", [], |_| Ok(())).map_err(fault)?;
        }
        let closed = self.connection.take().map_or(Ok(()), |connection| connection.close().map_err(|(_, error)| error));
        closed.map_err(|error| self.subject.fault("Closing the new database", error))?;
        let permissions = Permissions::from_mode(header::restored_mode(self.properties.mode));
        let given = self.lease.file().set_permissions(permissions);
        given.map_err(|error| self.subject.io_fault("Finishing the new database", &self.target, error))
    }

    /// Checks and completes the database, unless that is done.
    fn close(&mut self, context: &Context) -> Result<()> {
        if self.connection.is_none() {
            return Ok(());
        }
        self.check_integrity()?;
        context.check()?;
        self.complete()
    }
}

/// A file with a hidden name, and the lease that keeps a sweep from removing it.
fn new_file(folder: &Path) -> io::Result<(PathBuf, Lease)> {
    loop {
        let (file, path) =
            tempfile::Builder::new().prefix(STAGING_PREFIX).rand_bytes(16).tempfile_in(folder)?.keep().map_err(|error| error.error)?;
        // A sweep that came between making the file and taking the lease has removed it: make another.
        if let Some(lease) = Lease::take(file)? {
            return Ok((path, lease));
        }
    }
}

fn create(path: &Path, properties: &Properties, context: &Context) -> rusqlite::Result<Connection> {
    let connection = connect::read_write(path, context)?;
    define::prepare(&connection, context)?;
    let Properties { page_size, encoding, auto_vacuum, .. } = properties;
    // These three can be chosen only before the first page is written.
    connection.execute_batch(&format!(
        "PRAGMA page_size={page_size}; PRAGMA encoding='{}'; PRAGMA auto_vacuum={auto_vacuum};
         PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA cache_size={CACHE_KIB}",
        encoding.as_pragma()
    ))?;
    Ok(connection)
}

/// Refuses any other moment than that of a backup.
fn own_moment(until: Option<Timestamp>) -> Result<()> {
    let sentence = "A backup of a SQLite database can restore its own moment, and none before it.";
    until.map_or(Ok(()), |_| Err(Error::new(Code::Unsupported, sentence, "Choose a restore point.")))
}

impl Staging for Stage {
    fn load(&mut self, chain: &[&dyn Members], until: Option<Timestamp>, context: &Context) -> Result<Vec<Ahead>> {
        own_moment(until)?;
        let archive = *chain.first().ok_or_else(|| Error::internal("A restore was given no archive."))?;
        self.objects = schema::read(archive)?;
        let fault = |error| self.subject.fault("Loading", error);
        let connection = self.connection()?;
        let definer = Definer::new(connection, &self.objects, &self.subject);
        // Until it is published the file is nobody's, so there is no journal and no waiting for the disk.
        connection.execute_batch("BEGIN").map_err(fault)?;
        if self.only_table.is_some() {
            definer.empty_virtual_tables()?;
        }
        definer.tables()?;
        self.load_rows(archive, context)?;
        connection.execute_batch("COMMIT").map_err(fault)?;
        Ok(vec![])
    }

    fn apply(&mut self, archive: &dyn Members, until: Option<Timestamp>, context: &Context) -> Result<Applied> {
        own_moment(until)?;
        let fault = |error| self.subject.fault("Applying changes", error);
        let connection = self.connection()?;
        connection.execute_batch("BEGIN").map_err(fault)?;
        let loader = Loader { connection, archive, workers: self.workers, subject: &self.subject, context };
        let applier = Applier { loader: &loader, objects: &self.wanted()?, only_some: self.only_table.is_some() };
        let changes = applier.apply()?;
        connection.execute_batch("COMMIT").map_err(fault)?;
        Ok(Applied { changes, ..Applied::default() })
    }

    fn finish(&mut self, _: &dyn Members, context: &Context) -> Result<()> {
        let fault = |error| self.subject.fault("Loading", error);
        context.meter.enter(Phase::Indexing, 0);
        let connection = self.connection()?;
        connection.execute_batch("BEGIN").map_err(fault)?;
        Definer::new(connection, &self.objects, &self.subject).indexes()?;
        connection.execute_batch("COMMIT").map_err(fault)
    }

    fn tables(&mut self, only: Option<&BTreeSet<String>>, context: &Context) -> Result<Vec<TableSummary>> {
        let fault = |error| self.subject.fault("Reading the new database", error);
        let size_bytes = self.lease.file().metadata().map_or(0, |data| data.len());
        let count = if size_bytes < SHARED_FROM_BYTES { 1 } else { self.workers };
        let open = |_| connect::read_only(&self.file.0, context);
        let mut readers = (0..count).map(open).collect::<rusqlite::Result<Vec<_>>>().map_err(fault)?;
        let objects: Vec<Object> =
            self.objects.iter().filter(|object| only.is_none_or(|only| only.contains(&object.name))).cloned().collect();
        let reader = Reader { subject: &self.subject, encoding: self.properties.encoding, objects: &objects, keys: None };
        reader.read(&mut readers, &Wide::new(&Nowhere), context)
    }

    fn compare(&mut self, _: &dyn Members, context: &Context) -> Result<Vec<Comparison>> {
        self.close(context)?;
        let read = header::read(self.lease.file());
        let made = read.map_err(|error| self.subject.io_fault("Reading the new database", &self.target, error))?;
        let (count, different) = header::differences(&self.properties, &made);
        // That every definition is as it was is what completing it has shown.
        Ok(vec![
            Comparison::new("definitions", self.objects.len(), vec![]),
            Comparison::new("properties of the database", count, different),
        ])
    }

    fn publish(mut self: Box<Self>, context: &Context) -> Result<()> {
        self.close(context)?;
        context.check()?;
        let failed = |error| self.subject.io_fault("Making the new database visible", &self.target, error);
        let made = make_folders(&self.root, &self.target).map_err(failed)?;
        let result = self.rename().map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => folder::name_taken(&self.subject.0),
            _ => failed(error),
        });
        if result.is_err() {
            // Only what is still empty can be removed.
            made.iter().rev().for_each(|folder| drop(std::fs::remove_dir(folder)));
        }
        result
    }
}

impl Stage {
    fn rename(&self) -> io::Result<()> {
        self.lease.file().sync_all()?;
        // A journal of an earlier database of that name would be rolled back into the new one.
        if COMPANIONS.iter().any(|suffix| companion(&self.target, suffix).symlink_metadata().is_ok()) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        rename_new(&self.file.0, &self.target)?;
        sync_folder(self.target.parent())
    }
}

/// Renames without replacing; file systems without `RENAME_NOREPLACE` get a second link instead.
fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    use rustix::{fs, io::Errno};
    match fs::renameat_with(fs::CWD, from, fs::CWD, to, fs::RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
            std::fs::hard_link(from, to)?;
            std::fs::remove_file(from)
        }
        result => Ok(result?),
    }
}

/// Makes the folders above `target` that are missing, each one durable, and returns them.
fn make_folders(root: &Path, target: &Path) -> io::Result<Vec<PathBuf>> {
    let mut missing: Vec<&Path> = target.ancestors().skip(1).take_while(|folder| *folder != root && !folder.exists()).collect();
    missing.reverse();
    for folder in &missing {
        match DirBuilder::new().create(folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => sync_folder(folder.parent())?,
        }
    }
    Ok(missing.into_iter().map(Path::to_owned).collect())
}

fn sync_folder(folder: Option<&Path>) -> io::Result<()> {
    folder.map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

/// Removes unfinished databases below `root` whose makers do not live.
pub fn sweep(root: &Path, context: &Context) -> Result<()> {
    let mut found = vec![];
    folder::walk(root, context, &mut |entry| match entry {
        folder::Entry::File(path, _) if folder::is_staging(&path) => found.push(path),
        _ => {}
    })?;
    for path in found {
        let name = path.as_os_str().to_string_lossy().into_owned();
        let beside = COMPANIONS.iter().find_map(|suffix| name.strip_suffix(suffix));
        match beside {
            Some(database) if Path::new(database).exists() => {}
            Some(_) => drop(std::fs::remove_file(&path)),
            None => {
                if let Ok(Some(_lease)) = super::held::open_plain(&path).and_then(Lease::take) {
                    remove_with_companions(&path);
                }
            }
        }
    }
    Ok(())
}
