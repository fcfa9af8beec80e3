//! What the console keeps of a backup for the next one: too much, and too much of the database, for its manifest.

use super::known::{self, Known};
use crate::{
    postgres::{
        archive::{Extra, LargeObject},
        tools::Schema,
        wire::Session,
    },
    value::damaged,
};
use domain::{Code, Error, Result, TableSummary};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Write,
    path::Path,
};

/// The file in the folder of a backup's state.
const FILE: &str = "state.json";

/// What types tell of: 1, domains and the rows of tables too.
pub(in crate::postgres) const MARKS: u32 = 1;

/// The definitions of a database at one moment, by their marks, and what no stream tells of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::postgres) struct State {
    /// See [`known::catalogs`].
    pub catalogs: String,
    /// SHA-256 of the definitions as SQL.
    pub definitions: String,
    /// The tool that read them, and its version.
    pub tool: String,
    /// SHA-256 of the properties of the database itself.
    pub properties: String,
    /// The mark of each table, by its number.
    pub tables: BTreeMap<u32, String>,
    /// Their names.
    pub labels: BTreeSet<String>,
    /// See [`known::types`].
    pub types: BTreeMap<String, String>,
    /// What [`State::types`] tell of: [`MARKS`], or less where an older version wrote them.
    #[serde(default)]
    pub marks: u32,
    /// Sequences and materialized views.
    pub extra: Extra,
    /// Stands for all large objects.
    pub objects: String,
    /// Number of rows of each table without a key, where rows are compared.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub counts: BTreeMap<u32, u64>,
    /// See [`written`](super::news::written).
    #[serde(default)]
    pub written: Option<u64>,
    /// Tables that no stream shows as a backup has them.
    pub compared: Vec<TableSummary>,
}

impl State {
    /// Writes it, so that it lasts, and returns its SHA-256.
    pub fn write(&self, folder: &Path) -> Result<String> {
        let bytes =
            serde_json::to_vec(self).map_err(|error| Error::internal("The state of a backup could not be written.").because(error))?;
        write_file(folder, FILE, &bytes)?;
        Ok(hex::encode(Sha256::digest(&bytes)))
    }

    /// Reads it; `None` if it is not there, or is that of another backup.
    pub fn read(folder: &Path, sha256: &str) -> Option<Self> {
        let bytes = fs::read(folder.join(FILE)).ok()?;
        (hex::encode(Sha256::digest(&bytes)) == sha256).then(|| serde_json::from_slice(&bytes).ok()).flatten()
    }

    /// What decides about the text of values: of each table its mark, and types.
    pub fn take_marks(&mut self, session: &mut Session, tables: &[Known]) -> Result<()> {
        self.tables = tables.iter().map(|known| (known.oid, known.mark.clone())).collect();
        self.labels = tables.iter().map(|known| known.label.clone()).collect();
        self.types = known::types(session)?;
        self.marks = MARKS;
        Ok(())
    }
}

/// Writes a file whole or not at all, onto the disk.
pub(in crate::postgres) fn write_file(folder: &Path, name: &str, bytes: &[u8]) -> Result<()> {
    let write = || -> std::io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(folder.join(name))?;
        fs::File::open(folder)?.sync_all()
    };
    write().map_err(|error| {
        Error::new(
            Code::DataDir,
            "What the next incremental backup goes on from could not be written.",
            "Look at the console's data directory: its room and its permissions.",
        )
        .because(error)
    })
}

/// Stands for definitions.
pub(in crate::postgres) fn definitions(schema: &Schema) -> String {
    let mut hash = Sha256::new();
    for part in [&schema.pre_data, &schema.post_data] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hex::encode(hash.finalize())
}

/// Stands for any value that has a JSON form.
pub(in crate::postgres) fn fingerprint<T: Serialize + ?Sized>(value: &T) -> Result<String> {
    let bytes = serde_json::to_vec(value).map_err(|error| damaged("A fingerprint could not be made.").because(error))?;
    Ok(hex::encode(Sha256::digest(&bytes)))
}

/// Stands for all large objects. Who may read their catalog knows by its rows whether one was written (see
/// [`known::catalogs`]); everybody else by `digest`, which reads them.
pub(in crate::postgres) fn objects(
    session: &mut Session,
    objects: &[LargeObject],
    digest: impl FnOnce() -> Result<String>,
) -> Result<String> {
    if objects.is_empty() {
        return Ok(String::new());
    }
    let pages = if may_read_pages(session)? {
        let rows = session.query("SELECT concat_ws(' ', count(*), sum(xmin::text::bigint)) FROM pg_largeobject")?;
        rows.first().map_or(Ok(String::new()), |row| row.text(0).map(str::to_owned))?
    } else {
        digest()?
    };
    Ok(format!("{} {pages}", fingerprint(objects)?))
}

/// Whether the role may read the catalog of large objects.
pub(in crate::postgres) fn may_read_pages(session: &mut Session) -> Result<bool> {
    Ok(session.query("SELECT has_table_privilege('pg_largeobject', 'SELECT')")?.first().is_some_and(|row| row.is_true(0)))
}
