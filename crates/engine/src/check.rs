//! Reads an archive back: every member decompressed, every row counted and hashed, compared with its summary.

use crate::archive::FromArchive;
use domain::{ChangeSummary, Code, Error, Result, RowDigest, Summary, TableSummary};
use repository::{
    ArchiveReader,
    archive::{DESCRIPTION, SUMMARY},
};
use source::{
    Context, Description, Members,
    changes::{self, ChangeReader},
    encode, gently,
    members::{from_io, read_all},
    table::RowReader,
    value::{self, Value},
};
use std::{
    collections::BTreeMap,
    io::Read,
    sync::{
        LazyLock, Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};
use xxhash_rust::xxh3::Xxh3Default;

/// What `archive.json` says.
pub fn description(archive: &ArchiveReader) -> Result<Description> {
    let description: Description = json(archive, DESCRIPTION)?;
    if description.format != Description::FORMAT {
        return Err(Error::new(
            Code::Unsupported,
            format!("The archive has format {}, and this version of Rookery reads format {}.", description.format, Description::FORMAT),
            "Use a newer version of Rookery.",
        ));
    }
    Ok(description)
}

/// What `summary.json` says.
pub fn summary(archive: &ArchiveReader) -> Result<Summary> {
    json(archive, SUMMARY)
}

fn json<T: serde::de::DeserializeOwned>(archive: &ArchiveReader, name: &str) -> Result<T> {
    let bytes = read_all(&FromArchive(archive), name)?;
    serde_json::from_slice(&bytes)
        .map_err(|error| value::damaged(format!("The member {name} of the archive cannot be read.")).because(error))
}

/// Reads every member with `workers` threads. An `Ok` means that the content is what was counted when it was written.
pub fn content(archive: &ArchiveReader, workers: usize, context: &Context) -> Result<()> {
    // A restore begins with it.
    description(archive)?;
    let names: Vec<&str> = archive.names().collect();
    let next = AtomicUsize::new(0);
    let counted = Mutex::new(Counted::default());
    let work = || -> Result<()> {
        while let Some(name) = names.get(next.fetch_add(1, Relaxed)) {
            let checked = member(archive, name, context).inspect_err(|_| next.store(names.len(), Relaxed))?;
            if let Ok(mut counted) = counted.lock() {
                counted.add(checked);
            }
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..workers.max(1)).map(|_| gently::spawn(scope, context, work)).collect();
        threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| Error::internal("A thread that checked the archive ended."))?)
    })?;
    let counted = counted.into_inner().map_err(|_| Error::internal("A thread that checked the archive ended."))?;
    let expected = summary(archive)?;
    compare(&expected.tables, &counted.tables.into_values().collect::<Vec<_>>())?;
    if expected.changes.unwrap_or_default() == counted.changes {
        return Ok(());
    }
    Err(value::damaged("The changes in the archive are not the changes that were read from the database."))
}

fn compare(expected: &[TableSummary], counted: &[TableSummary]) -> Result<()> {
    let mut expected: Vec<_> = expected.iter().collect();
    expected.sort_by(|a, b| a.table.cmp(&b.table));
    if expected.iter().copied().eq(counted) {
        return Ok(());
    }
    let differs =
        expected.iter().find(|table| !counted.contains(table)).map_or("a table that was not counted", |table| table.table.as_str());
    Err(value::damaged(format!("The rows of {differs} in the archive are not the rows that were read from the database.")))
}

/// What the members hold.
enum Content {
    Rows(TableSummary),
    Changes(ChangeSummary),
    Other,
}

#[derive(Default)]
struct Counted {
    tables: BTreeMap<String, TableSummary>,
    changes: ChangeSummary,
}

impl Counted {
    fn add(&mut self, content: Content) {
        match content {
            Content::Rows(part) => merge(&mut self.tables, part),
            Content::Changes(part) => self.changes.merge(part),
            Content::Other => {}
        }
    }
}

fn merge(counted: &mut BTreeMap<String, TableSummary>, part: TableSummary) {
    let table = counted.entry(part.table.clone()).or_insert_with(|| TableSummary {
        rows: 0,
        bytes: 0,
        digest: RowDigest::default(),
        ..part.clone()
    });
    table.rows += part.rows;
    table.bytes += part.bytes;
    table.digest.merge(part.digest);
}

/// Reads one member to its end, which checks its size and checksum; counts it if it holds rows or changes.
fn member(archive: &ArchiveReader, name: &str, context: &Context) -> Result<Content> {
    context.check()?;
    if changes::is_part(name) {
        return changed(archive, name, context).map(Content::Changes);
    }
    if name.ends_with(".ndjson.zst") {
        return rows(archive, name, context).map(Content::Rows);
    }
    let mut input = archive.open_member(name)?;
    let mut hash = Xxh3Default::new();
    let mut buffer = vec![0; 256 << 10];
    loop {
        let count = input.read(&mut buffer).map_err(from_io)?;
        if count == 0 {
            break;
        }
        hash.update(&buffer[..count]);
        context.meter.add(0, count as u64);
        gently::go_on(context)?;
    }
    if name.starts_with("wide/") && name != encode::wide_member(hash.digest128()) {
        return Err(value::damaged(format!("The content of member {name} is not what its name says.")));
    }
    Ok(Content::Other)
}

fn changed(archive: &ArchiveReader, name: &str, context: &Context) -> Result<ChangeSummary> {
    let mut reader = ChangeReader::new(archive.open_member(name)?);
    let (mut counted, mut reported) = (ChangeSummary::default(), 0);
    while let Some(line) = reader.next_line()? {
        for array in changes::count(line, &mut counted)? {
            wide_values(archive, array)?;
        }
        reported += line.len() as u64;
        if reported >= 256 << 10 {
            context.meter.add(0, std::mem::take(&mut reported));
            gently::go_on(context)?;
        }
    }
    context.meter.add(0, reported);
    Ok(counted)
}

fn rows(archive: &ArchiveReader, name: &str, context: &Context) -> Result<TableSummary> {
    let mut reader = RowReader::new(archive.open_member(name)?)?;
    let mut part = TableSummary { table: reader.header().table.clone(), rows: 0, bytes: 0, digest: RowDigest::default() };
    let mut reported = 0;
    while let Some(row) = reader.next_row()? {
        part.rows += 1;
        part.bytes += row.len() as u64;
        part.digest.add(encode::row_hash(row));
        wide_values(archive, row)?;
        if part.bytes - reported >= 256 << 10 {
            context.meter.add(0, part.bytes - reported);
            reported = part.bytes;
            gently::go_on(context)?;
        }
    }
    context.meter.add(part.rows, part.bytes - reported);
    Ok(part)
}

/// Every value that lies out of line must be there, whole.
fn wide_values(archive: &ArchiveReader, row: &[u8]) -> Result<()> {
    // Built once: most rows have none.
    static WIDE: LazyLock<memchr::memmem::Finder<'static>> = LazyLock::new(|| memchr::memmem::Finder::new(b"{\"wide\":\""));
    if WIDE.find(row).is_none() {
        return Ok(());
    }
    value::split(row, |value| {
        let Value::Wide { hash, size_bytes, .. } = value else { return Ok(()) };
        let name = encode::wide_member(hash);
        if archive.plain_bytes(&name) == Some(size_bytes) {
            Ok(())
        } else {
            Err(value::damaged(format!("The archive lacks the value {name} that a row refers to.")))
        }
    })
}

/// Names of the members that hold rows of a table, for what looks at an archive without a source.
pub fn parts(archive: &ArchiveReader, table: &str) -> Vec<String> {
    source::table::parts(&FromArchive(archive) as &dyn Members, table)
}
