//! The beginning of a chain: a full backup at a moment from which the change stream goes on.

use super::{
    Chain, compare,
    known::{self, Known},
    news,
    position::{History, Place, Position, await_seen},
    state::{self, State},
};
use crate::{
    Context,
    postgres::{
        archive::{DatabaseProperties, Extra, LARGE_OBJECTS, to_json},
        moment::Moment,
        stream::slot::{Slot, Wish},
        tools::Schema,
    },
};
use domain::{Result, TableSummary};
use jiff::Timestamp;
use std::path::{Path, PathBuf};

/// A chain that is about to begin.
pub(in crate::postgres) struct Start<'a> {
    chain: &'a Chain,
    context: &'a Context,
    slot: Option<Box<Slot>>,
    refused: Option<String>,
}

impl<'a> Start<'a> {
    /// Nothing is made yet.
    pub fn new(chain: &'a Chain, context: &'a Context) -> Self {
        Self { chain, context, slot: None, refused: None }
    }

    /// Makes a slot, in the place of one that was made before, and gives its snapshot; `None` where there can be no slot.
    pub fn snapshot(&mut self) -> Result<Option<String>> {
        self.slot = None;
        if self.refused.is_some() {
            return Ok(None);
        }
        match Slot::make(&self.chain.target, &self.chain.database, &self.chain.names, self.context)? {
            Wish::Granted(slot) => Ok(self.slot.insert(slot).snapshot().map(str::to_owned)),
            Wish::Refused(why) => {
                tracing::info!(database = self.chain.database, why, "there is no change stream");
                self.refused = Some(why);
                Ok(None)
            }
        }
    }

    /// Why there is no change stream, if there is none.
    pub fn refused(&self) -> Option<&str> {
        self.refused.as_deref()
    }

    /// What has to be known of the moment for the next backup.
    pub fn followed(
        mut self,
        moment: &mut Moment,
        schema: &Schema,
        extra: &Extra,
        properties: &DatabaseProperties,
        next: &Path,
    ) -> Result<Followed> {
        if let Some(slot) = &mut self.slot {
            slot.let_maker_go();
        }
        let leader = &mut moment.snapshot.leader;
        if self.slot.is_none() {
            // What a slot's snapshot sees was read out of the log on the disk.
            await_seen(leader, &self.chain.target, &self.chain.database, self.context)?;
        }
        let tables = known::tables(leader)?;
        let mut state = State {
            catalogs: known::catalogs(leader)?,
            definitions: state::definitions(schema),
            tool: schema.tool.clone(),
            properties: state::fingerprint(properties)?,
            extra: extra.clone(),
            written: news::written(leader)?,
            ..State::default()
        };
        state.take_marks(leader, &tables)?;
        if self.slot.is_none() {
            state.counts = compare::scan(leader, &tables, None, next, self.context)?.counts;
        }
        let mut reads_objects = false;
        state.objects = state::objects(leader, &moment.objects, || {
            reads_objects = true;
            Ok(String::new())
        })?;
        Ok(Followed {
            slot: self.slot,
            refused: self.refused,
            history: History::of(leader)?,
            at: moment.snapshot.at,
            visible: moment.snapshot.visible.to_string(),
            tables,
            state,
            reads_objects,
            next: next.to_owned(),
        })
    }
}

/// A full backup that others can follow.
pub(in crate::postgres) struct Followed {
    slot: Option<Box<Slot>>,
    refused: Option<String>,
    history: History,
    at: Timestamp,
    visible: String,
    tables: Vec<Known>,
    state: State,
    /// Whether only the bytes of large objects tell whether one changed.
    reads_objects: bool,
    next: PathBuf,
}

impl Followed {
    /// Writes down, once all is read, what the next backup goes on from.
    pub fn finish(mut self, read: &[TableSummary]) -> Result<serde_json::Value> {
        let is_compared = |table: &&TableSummary| self.tables.iter().any(|known| known.is_compared && known.label == table.table);
        self.state.compared = read.iter().filter(is_compared).cloned().collect();
        if self.reads_objects {
            let objects = read.iter().find(|table| table.table == LARGE_OBJECTS);
            self.state.objects.push_str(&objects.map(|objects| objects.digest.to_string()).unwrap_or_default());
        }
        let state = self.state.write(&self.next)?;
        let stream = self.slot.as_mut().map(|slot| {
            slot.keep();
            Place { slot: slot.name.clone(), advance: slot.begins }
        });
        to_json(&Position { server: self.history, at: self.at, snapshot: self.visible, state, stream, no_stream: self.refused })
    }
}
