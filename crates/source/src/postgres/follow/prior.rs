//! What the backup before left to go on from, and whether that can be gone on from.

use super::{
    position::{History, Place, Position},
    state::{self, State},
};
use crate::{
    Since,
    postgres::{
        stream::{
            lsn::Lsn,
            slot::{self, Shown},
            visible::Visible,
        },
        wire::Session,
    },
};
use domain::{Error, Result};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The file in the prior's state that tells how far the slot was moved when nothing had changed.
const PASSED: &str = "passed.json";

/// What the prior left.
pub(super) struct Prior {
    pub position: Position,
    pub visible: Visible,
    pub state: State,
}

#[derive(Serialize, Deserialize)]
struct Passed {
    slot: String,
    advance: Lsn,
}

impl Prior {
    /// What can be gone on from, or why nothing can.
    pub fn of(since: &Since<'_>) -> std::result::Result<Self, String> {
        let position = Position::deserialize(since.position);
        let Ok(position) = position else { return Err("The backup before says nothing of where the server's log stood.".into()) };
        let Ok(visible) = position.snapshot.parse() else { return Err("The backup before tells its snapshot in an unknown form.".into()) };
        let Some(state) = State::read(since.state, &position.state) else {
            return Err("What the console keeps between two backups was lost.".into());
        };
        Ok(Self { position, visible, state })
    }

    /// Why this server cannot be gone on from, if it cannot.
    pub fn refuses(&self, history: &History) -> Option<String> {
        (*history != self.position.server).then(|| "The server is another one than before, or was restored or promoted since.".into())
    }
}

/// Why a slot cannot be gone on from, if it cannot.
pub(super) fn refused(place: &Place, slot: Option<&Shown>, state: &Path, held_limit: u64) -> Option<String> {
    let Some(slot) = slot else { return Some(format!("The replication slot {} is gone.", place.slot)) };
    let Some(confirmed) = slot.confirmed.filter(|_| !slot.is_lost) else {
        return Some(format!("The server has removed log that the replication slot {} needs (max_slot_wal_keep_size).", slot.name));
    };
    if confirmed > passed(place, state) {
        return Some(format!("The replication slot {} was moved by somebody else.", slot.name));
    }
    (slot.held_bytes > held_limit).then(|| {
        format!(
            "The replication slot {} held back {} of log on the server, more than the limit of {}: it was dropped.",
            slot.name,
            domain::display::size(slot.held_bytes),
            domain::size::exact(held_limit)
        )
    })
}

/// The slot stands here or before.
fn passed(place: &Place, state: &Path) -> Lsn {
    let passed = std::fs::read(state.join(PASSED)).ok().and_then(|bytes| serde_json::from_slice::<Passed>(&bytes).ok());
    passed.filter(|passed| passed.slot == place.slot).map_or(place.advance, |passed| passed.advance.max(place.advance))
}

/// Lets the server forget log in which nothing of this database changed. What is written down first allows the place that the
/// slot has afterwards.
pub(super) fn pass(session: &mut Session, place: &Place, advance: Lsn, state: &Path) -> Result<()> {
    if advance > passed(place, state) {
        let passed = Passed { slot: place.slot.clone(), advance };
        let bytes =
            serde_json::to_vec(&passed).map_err(|error| Error::internal("A place in the log could not be written.").because(error))?;
        state::write_file(state, PASSED, &bytes)?;
    }
    slot::advance(session, &place.slot, advance)
}
