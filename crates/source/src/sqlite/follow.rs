//! The chain of one database: its rows are compared with those of the last backup.

use super::{
    Sqlite,
    cell::Wide,
    full::{Followed, Full},
    incremental::Incremental,
    read::{Reader, keys_file},
    rebuild,
    schema::{self, Layout, Table},
    stamp::Stamp,
    state::{Position, State},
};
use crate::{Begun, Context, Following, Members, Nowhere, Reading, Since, keys::differences};
use domain::{Code, Phase, Result, TableSummary};
use jiff::Timestamp;
use serde_json::Value;
use std::path::Path;

/// See [`Following`].
pub struct Chain {
    source: Sqlite,
    database: String,
}

impl Chain {
    /// The chain of `database`.
    pub fn new(source: &Sqlite, database: &str) -> Self {
        Self { source: source.clone(), database: database.into() }
    }

    /// Opens the database, with the stamp of its files if nobody wrote to them meanwhile.
    fn open(&self, next: &Path, context: &Context) -> Result<Full> {
        let path = self.source.locate(&self.database)?;
        let before = Stamp::of(&path).ok().filter(Stamp::is_settled);
        let mut full = self.source.open(&self.database, context)?;
        let stamp = before.filter(|before| Stamp::of(&path).is_ok_and(|after| after == *before));
        full.follow(Followed { state: next.to_owned(), position: Position { stamp } });
        Ok(full)
    }

    /// Reads all rows and finds out which tables differ.
    fn compare(&self, mut full: Full, since: &Since<'_>, before: &State, context: &Context) -> Result<Begun> {
        let begun_at = Timestamp::now();
        context.meter.enter(Phase::Reading, full.expected_bytes());
        let nowhere = Wide::new(&Nowhere);
        let reader = Reader { subject: &full.subject, encoding: full.properties.encoding, objects: &full.objects, keys: Some(since.next) };
        let tables = reader.read(&mut full.moment.readers, &nowhere, context)?;
        let now = State::of(&full.objects, &full.properties, &tables);
        now.save(since.next)?;
        let changed = self.changed(&full, before, &tables, since)?;
        if changed.is_empty() && before.properties == now.properties {
            if let Some(stamp) = full.stamp() {
                stamp.keep(since.state);
            }
            return Ok(Begun::Unchanged);
        }
        let from = since.state.to_owned();
        Ok(Begun::Changes(Box::new(Incremental { full, from, tables, changed, begun_at })))
    }

    /// The tables that differ. What was kept of the last backup has proven to be whole where it says how.
    fn changed(&self, full: &Full, before: &State, tables: &[TableSummary], since: &Since<'_>) -> Result<Vec<Table>> {
        let layout = Layout::new(full.connection()?, &full.subject)?;
        let mut changed = vec![];
        for table in tables.iter().filter(|table| !before.tables.contains(table)) {
            let table = layout.table(&table.table)?;
            if !table.key_at.is_empty() {
                differences(&keys_file(since.state, &table.name), &keys_file(since.next, &table.name), |_, _| Ok(()))?;
            }
            changed.push(table);
        }
        Ok(changed)
    }
}

impl Following for Chain {
    fn begin_full(&self, next: &Path, context: &Context) -> Result<Box<dyn Reading>> {
        Ok(Box::new(self.open(next, context)?))
    }

    fn begin_incremental(&self, since: &Since<'_>, context: &Context) -> Result<Begun> {
        let position = Position::of(since.position);
        let path = self.source.locate(&self.database)?;
        let now = Stamp::of(&path).ok();
        if now.is_some() && [position.stamp, Stamp::kept(since.state)].contains(&now) {
            return Ok(Begun::Unchanged);
        }
        let Ok(before) = State::load(since.state) else { return Ok(Begun::StateLost) };
        let full = self.open(since.next, context)?;
        if before.definitions != schema::fingerprint(&full.objects) {
            return Ok(Begun::MustBeFull("The definitions of its tables have changed since the last backup.".into()));
        }
        match self.compare(full, since, &before, context) {
            Err(error) if error.code() == Code::StateLost => Ok(Begun::StateLost),
            begun => begun,
        }
    }

    fn rebuild(&self, chain: &[&dyn Members], state: &Path, context: &Context) -> Result<()> {
        rebuild::rebuild(&self.database, chain, state, context)
    }

    fn settle(&self, _: &Value, _: &Context) -> Result<()> {
        // Nothing is kept at the server.
        Ok(())
    }

    fn held_bytes(&self, _: &Context) -> Result<Option<u64>> {
        Ok(None)
    }

    fn release(&self, _: &Context) -> Result<()> {
        Ok(())
    }
}
