//! What the backup before left to go on from, and whether that can be gone on from.

use super::{
    position::{History, Place, Position},
    state::{self, State},
};
use crate::postgres::{
    properties,
    snapshot::{self, Taken},
    stream::{
        lsn::Lsn,
        slot::{self, Shown},
        visible::Visible,
    },
    wire::Session,
};
use domain::{Code, Error, Result};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use std::path::Path;

/// The file in the prior's state that tells how far the slot was moved when nothing had changed.
const PASSED: &str = "passed.json";

/// The file in the prior's state that tells that the stream could not be read to its end, and why.
const UNREADABLE: &str = "unreadable.json";

/// The file in the prior's state with the mark of the catalogs (see [`State::catalogs`]) as it was when nothing had changed, for
/// catalogs change where no definition does.
const CATALOGS: &str = "catalogs";

/// The file in the prior's state with the number of rows (see [`written`](super::news::written)) at which nothing had changed lately.
const WRITTEN: &str = "written";

/// The file in the prior's state with the snapshot in which nothing had changed lately.
const SEEN: &str = "seen";

/// What the prior left.
pub(super) struct Prior {
    pub position: Position,
    pub visible: Visible,
    /// A later snapshot that shows the same.
    seen: Option<Visible>,
    /// Rows that had been written when that was so.
    pub written: Option<u64>,
    pub state: State,
}

#[derive(Serialize, Deserialize)]
struct Passed {
    slot: String,
    advance: Lsn,
}

#[derive(Serialize, Deserialize)]
struct Unreadable {
    slot: String,
    why: String,
}

impl Prior {
    /// What can be gone on from, or why nothing can.
    pub fn of(position: &Value, state: &Path) -> std::result::Result<Self, String> {
        let (folder, position) = (state, Position::deserialize(position));
        let Ok(position) = position else { return Err("The backup before says nothing of where the server's log stood.".into()) };
        let Ok(visible) = position.snapshot.parse() else { return Err("The backup before tells its snapshot in an unknown form.".into()) };
        let Some(mut state) = State::read(folder, &position.state) else {
            return Err("What the console keeps between two backups was lost.".into());
        };
        if let Ok(catalogs) = std::fs::read_to_string(folder.join(CATALOGS)) {
            state.catalogs = catalogs;
        }
        let seen = std::fs::read_to_string(folder.join(SEEN)).ok().and_then(|text| text.parse().ok());
        let written = std::fs::read_to_string(folder.join(WRITTEN)).ok().and_then(|text| text.parse().ok()).or(state.written);
        Ok(Self { position, visible, seen, written, state })
    }

    /// Why this server cannot be gone on from, if it cannot.
    pub fn refuses(&self, history: &History) -> Option<String> {
        history.departs_from(&self.position.server)
    }

    /// Whether all is as it was without a look at anything: nobody on the whole server has begun to write since. Whatever is
    /// written has a transaction with a number, but for two things: sequences, and unlogged tables that a crash has emptied.
    pub fn still_stands(&self, now: &Visible, session: &mut Session, database: &str) -> Result<bool> {
        let is_still = [Some(&self.visible), self.seen.as_ref()].contains(&Some(now)) && now.is_at_rest() && self.state.compared.is_empty();
        Ok(is_still && properties::extra(session, database)? == self.state.extra)
    }

    /// Takes a moment, in a transaction of the session's; or says why it cannot be gone on to.
    pub fn moment(&self, leader: &mut Session) -> Result<std::result::Result<Taken, String>> {
        snapshot::begin(leader)?;
        let taken = Taken::now(leader)?;
        Ok(self.misses(&taken.visible, leader)?.map_or(Ok(taken), Err))
    }

    /// Why a moment cannot be gone on to that does not see all that the prior saw.
    ///
    /// The snapshot of a new slot is made from the log. It sees a commit that is in there and still waits for a standby (or for
    /// the disk), while every other snapshot shows its transaction as under way. The slot's stream never tells of it, so a table
    /// that was read whole now would lack it for ever.
    ///
    /// # Errors
    /// `busy`, while there is such a commit.
    fn misses(&self, now: &Visible, session: &mut Session) -> Result<Option<String>> {
        let stands_before = now.xmax < self.visible.xmax;
        if !stands_before && !now.has_lost(&self.visible) {
            return Ok(None);
        }
        if stands_before && !has_begun(session, self.visible.xmax - 1)? {
            return Ok(Some("The server stands where it stood before the last backup: it was set back.".into()));
        }
        Err(Error::new(
            Code::Busy,
            "A transaction that the backup before holds is not visible on the server yet: its commit waits for a synchronous standby or for the disk.",
            "See to the standbys that synchronous_standby_names on the server names, or take them out of it, then start again.",
        ))
    }
}

/// Whether the server has given a transaction this number.
fn has_begun(session: &mut Session, xid: u64) -> Result<bool> {
    // Against the next number that will be given, in a circle of 4 billion.
    let age = session.query(&format!("SELECT age('{}'::xid)", xid & 0xffff_ffff))?;
    Ok(age.first().ok_or_else(|| Error::internal("The server told no age."))?.parse::<i64>(0)? > 0)
}

/// Keeps the mark of catalogs that tell of no change, so that definitions are not read again for them.
pub(super) fn keep_catalogs(catalogs: &str, state: &Path) -> Result<()> {
    state::write_file(state, CATALOGS, catalogs.as_bytes())
}

/// Keeps a snapshot that shows what the prior's did.
pub(super) fn keep_seen(visible: &Visible, state: &Path) -> Result<()> {
    state::write_file(state, SEEN, visible.to_string().as_bytes())
}

/// Keeps the number of rows at which nothing had changed.
pub(super) fn keep_written(written: Option<u64>, state: &Path) -> Result<()> {
    written.map_or(Ok(()), |written| state::write_file(state, WRITTEN, written.to_string().as_bytes()))
}

/// Why a slot cannot be gone on from, if it cannot. How much log it holds back is no reason: to read it is what frees it.
pub(super) fn refused(place: &Place, slot: Option<&Shown>, state: &Path) -> Option<String> {
    let Some(slot) = slot else { return Some(format!("The replication slot {} is gone.", place.slot)) };
    let Some(confirmed) = slot.confirmed.filter(|_| !slot.is_lost) else {
        return Some(format!("The server has removed log that the replication slot {} needs (max_slot_wal_keep_size).", slot.name));
    };
    if confirmed > passed(place, state) {
        return Some(format!("The replication slot {} was moved by somebody else.", slot.name));
    }
    read::<Unreadable>(state, UNREADABLE).filter(|unreadable| unreadable.slot == slot.name).map(|unreadable| unreadable.why)
}

/// The slot stands here or before.
fn passed(place: &Place, state: &Path) -> Lsn {
    let passed = read::<Passed>(state, PASSED).filter(|passed| passed.slot == place.slot);
    passed.map_or(place.advance, |passed| passed.advance.max(place.advance))
}

fn read<T: DeserializeOwned>(state: &Path, name: &str) -> Option<T> {
    std::fs::read(state.join(name)).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok())
}

fn write(state: &Path, name: &str, value: &impl Serialize) -> Result<()> {
    let bytes = serde_json::to_vec(value).map_err(|error| Error::internal("A place in the log could not be written.").because(error))?;
    state::write_file(state, name, &bytes)
}

/// Writes down that the stream cannot be read to its end: no later attempt would fare better.
pub(super) fn give_up(place: &Place, why: &str, state: &Path) -> Result<()> {
    write(state, UNREADABLE, &Unreadable { slot: place.slot.clone(), why: why.into() })
}

/// Lets the server forget log in which nothing of this database changed. What is written down first allows the place that the
/// slot has afterwards.
pub(super) fn pass(session: &mut Session, place: &Place, advance: Lsn, state: &Path) -> Result<()> {
    if advance > passed(place, state) {
        let passed = Passed { slot: place.slot.clone(), advance };
        write(state, PASSED, &passed)?;
    }
    slot::advance(session, &place.slot, advance)
}
