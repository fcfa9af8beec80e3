//! Where the changes of rows come from: the change stream, or a comparison with the rows of the prior.

use super::{
    Chain,
    compare::Comparing,
    known::{self, Known},
    position::{Place, await_disk, end_of_log},
    prior::{self, Prior},
};
use crate::{
    Context, gently,
    postgres::{
        snapshot::pinned,
        stream::{
            lsn::Lsn,
            slot::{self, Shown, Slot},
            translate::{Progress, Sieve, Translator},
            visible::Visible,
            window::{self, Stretch, is_too_much},
        },
        wire::{Session, quote_ident, sqlstate},
    },
};
use domain::{ChangeSummary, Code, Error, Result};
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

/// What is known of changes before they are read.
pub(super) enum News {
    Stream(Box<Streaming>),
    Rows(Comparing),
}

impl News {
    /// Whether there are changes of rows.
    pub fn has_changes(&self) -> bool {
        match self {
            Self::Stream(stream) => stream.changes == Some(true),
            Self::Rows(rows) => rows.has_changes,
        }
    }

    /// Whether anything has to be known of tables.
    pub fn needs_tables(&self) -> bool {
        match self {
            Self::Stream(stream) => stream.may_have_changes(),
            Self::Rows(_) => true,
        }
    }

    /// Whether a table may have to be read whole although nothing happened to its definition.
    pub fn may_need(&self, known: &Known) -> bool {
        match self {
            Self::Stream(stream) => stream.may_have_changes() && known.is_keyless(),
            Self::Rows(_) => true,
        }
    }
}

/// The stream of a slot, from where it stands up to the snapshot.
pub(super) struct Streaming {
    chain: Chain,
    pub place: Place,
    pub from: Lsn,
    upto: Lsn,
    /// Whether there are changes; `None` as long as only the lines can tell that the server is at (see [`Streaming::confirm`]).
    changes: Option<bool>,
    /// How far the stream may be forgotten if there are none.
    pub advance: Lsn,
    /// The prior's state.
    state: PathBuf,
    /// What the chain goes on with, if all that it does not tell comes with this backup.
    next: Option<Slot>,
    /// The session that reads from the slot, once it was looked at.
    session: Option<Session>,
    /// Whether the server has begun with the lines of the stream.
    is_asked: bool,
    /// The first change, where that was taken out of them already.
    first: Option<First>,
}

/// The first change of a stream.
struct First {
    /// How far the stream was looked at when it came.
    progress: Progress,
    lsn: Lsn,
    line: Vec<u8>,
}

/// Rows that were written in the session's database since its statistics began. Where it is another number than before, something was most
/// likely written; where it is the same, that may not be counted yet.
pub(super) fn written(session: &mut Session) -> Result<Option<u64>> {
    let rows = session.query("SELECT tup_inserted + tup_updated + tup_deleted FROM pg_stat_database WHERE datname = current_database()")?;
    Ok(rows.first().and_then(|row| row.parse(0).ok()))
}

impl Streaming {
    /// Checks the slot, before the snapshot is taken. One that cannot be gone on from is dropped, and the reason told.
    pub fn check(chain: &Chain, place: &Place, state: &Path, session: &mut Session) -> Result<std::result::Result<Self, String>> {
        let checked = Self::find(chain, place, state, session)?;
        if checked.is_err() && shown(place, session)?.is_some_and(|slot| !slot.is_active) {
            slot::drop_slot(session, &place.slot)?;
        }
        Ok(checked)
    }

    /// Looks for the slot; says why it cannot be gone on from, if it cannot.
    pub fn find(chain: &Chain, place: &Place, state: &Path, session: &mut Session) -> Result<std::result::Result<Self, String>> {
        let found = shown(place, session)?;
        if let Some(why) = prior::refused(place, found.as_ref(), state) {
            return Ok(Err(why));
        }
        let from = found.and_then(|slot| slot.confirmed).unwrap_or(place.advance);
        let (chain, place, state) = (chain.clone(), place.clone(), state.to_owned());
        Ok(Ok(Self {
            chain,
            place,
            from,
            upto: from,
            changes: Some(false),
            advance: from,
            state,
            next: None,
            session: None,
            is_asked: false,
            first: None,
        }))
    }

    /// Finds out, once `leader` has taken its snapshot, whether there is a change at all; or says why the stream gives none. Where a change
    /// `is_expected`, that is left to [`Self::confirm`], for the server would have to decode all up to the first one twice.
    pub fn look(
        mut self,
        is_expected: bool,
        sees: &Visible,
        saw: &Visible,
        leader: &mut Session,
        context: &Context,
    ) -> Result<std::result::Result<Self, String>> {
        self.upto = end_of_log(leader)?;
        if self.upto < self.place.advance {
            return Ok(Err("The server's log ends before the place of the last backup: it was set back.".into()));
        }
        if is_expected && self.stretch().is_one_window() {
            self.changes = None;
            return Ok(Ok(self));
        }
        let looked = self.find_change(sees, saw, wanted(leader, None), context);
        Ok(self.told(looked, context)?.map(|()| self))
    }

    /// Finds out by the lines that the server has begun with whether there is a change, if that is not known yet; or says why the stream
    /// gives none.
    pub fn confirm(
        &mut self,
        sees: &Visible,
        saw: &Visible,
        leader: &mut Session,
        context: &Context,
    ) -> Result<std::result::Result<(), String>> {
        if self.changes.is_some() {
            return Ok(Ok(()));
        }
        let looked = match self.take_first(sees, saw, leader, context) {
            Ok(true) => Ok(()),
            Ok(false) => self.find_change(sees, saw, wanted(leader, None), context),
            Err(error) => Err(error),
        };
        self.told(looked, context)
    }

    /// What came of a look. Where another one would not fare better, the slot goes, and the reason is told.
    fn told(&self, looked: Result<()>, context: &Context) -> Result<std::result::Result<(), String>> {
        let Some(why) = looked.as_ref().err().and_then(|error| self.refusal(error)) else { return looked.map(Ok) };
        // The next chain makes a slot of its own, and there may be no room for two.
        let session = pinned(&self.chain.target, &self.chain.database, context);
        if let Err(error) = session.and_then(|mut session| slot::drop_slot(&mut session, &self.place.slot)) {
            tracing::warn!(slot = self.place.slot, %error, "a replication slot could not be dropped; the full backup tries again");
        }
        Ok(Err(why))
    }

    /// Whether it is not known that there are none.
    pub fn may_have_changes(&self) -> bool {
        self.changes != Some(false)
    }

    /// Takes lines up to the first change. `false` if the server does not give them at once.
    fn take_first(&mut self, sees: &Visible, saw: &Visible, leader: &mut Session, context: &Context) -> Result<bool> {
        if !std::mem::take(&mut self.is_asked) {
            return Ok(false);
        }
        let mut session = self.open(context)?;
        let (mut sieve, mut is_wanted, mut first) = (Sieve::new(sees, saw, Progress::none(self.from)), wanted(leader, None), None);
        let found = window::lines_until(&mut session, |lsn, line| {
            let is_change = sieve.is_change(lsn, line, &mut is_wanted)?;
            first = is_change.then(|| (lsn, line.to_vec()));
            Ok(is_change)
        });
        match found {
            Ok(has_changes) => (self.changes, self.is_asked) = (Some(has_changes), has_changes),
            Err(error) if is_too_much(&error) => {}
            Err(error) => return Err(error),
        }
        self.session = Some(session);
        self.advance = sieve.advance(self.upto);
        let progress = sieve.progress();
        self.first = first.map(|(lsn, line)| First { progress, lsn, line });
        Ok(self.changes.is_some())
    }

    /// What takes the lines apart that [`Self::write`] reads.
    pub fn sieve<'v>(&self, sees: &'v Visible, saw: &'v Visible) -> Sieve<'v> {
        let progress = self.first.as_ref().map(|first| first.progress.clone());
        Sieve::new(sees, saw, progress.unwrap_or(Progress::none(self.from)))
    }

    /// Makes the slot that the chain goes on with, if one can be had. The moment has to be taken after that.
    pub fn renew(&mut self, context: &Context) -> Result<()> {
        let mut session = self.open(context)?;
        self.next = Slot::renew(&mut session, &self.chain.database, &self.chain.names, self.chain.renewal_ms, context)?;
        self.session = Some(session);
        Ok(())
    }

    /// Goes on to a later moment, which `leader` has taken. The server begins to decode, for there is more to be found out meanwhile.
    pub fn reach(&mut self, leader: &mut Session, context: &Context) -> Result<()> {
        self.upto = end_of_log(leader)?;
        let mut session = self.ready(context)?;
        self.is_asked = self.stretch().ask(&mut session)?;
        self.session = Some(session);
        Ok(())
    }

    /// Lets the server forget its log up to now, or a good part of it, if there is no change in it that `sees` sees and the prior did not;
    /// returns whether that is so. A change counts, too, of a table that the prior holds and no backup would now: nothing is noted here by
    /// which the next one could tell that the table was away meanwhile.
    pub fn pass(mut self, sees: &Visible, prior: &Prior, session: &mut Session, context: &Context) -> Result<bool> {
        // One window at once, which the server reads three times for it: a backup has to wait meanwhile.
        let part = Lsn(self.from.0.saturating_add(self.chain.window_bytes));
        self.upto = end_of_log(session)?.min(part);
        // The snapshot is not needed any more, and would keep the server from clearing old rows.
        session.execute("COMMIT")?;
        if self.upto < self.place.advance {
            return Ok(false);
        }
        self.find_change(sees, &prior.visible, wanted(session, Some(&prior.state.labels)), context)?;
        if !self.may_have_changes() {
            prior::pass(session, &self.place, self.advance, &self.state)?;
            slot::catch_up(session, &self.place.slot)?;
        }
        Ok(!self.may_have_changes())
    }

    /// Why the stream cannot be read, where another attempt would not fare better.
    fn refusal(&self, error: &Error) -> Option<String> {
        Some(match sqlstate(error)? {
            // Slots are bounded, too, and the server says so with the same code.
            "53400" if error.to_string().contains("temp_file_limit") => format!(
                "The change stream needs more temporary files than temp_file_limit on the server allows, for it gives each transaction as a \
                 whole: to follow large ones, raise it for the role that Rookery connects as (ALTER ROLE {} SET temp_file_limit = …) or for the server.",
                quote_ident(&self.chain.target.user)
            ),
            "54000" => "A row that was changed is too large for the server's change stream.".into(),
            "55000" | "58P01" => "The server does not give its changes any more.".into(),
            _ => return None,
        })
    }

    /// Most often the first transaction tells.
    fn find_change(
        &mut self,
        sees: &Visible,
        saw: &Visible,
        mut is_wanted: impl FnMut(&str) -> Result<bool>,
        context: &Context,
    ) -> Result<()> {
        let mut session = self.ready(context)?;
        for count in [Some(1), Some(10_000), None] {
            let mut sieve = Sieve::new(sees, saw, Progress::none(self.from));
            let (mut lines, mut has_changes) = (0, false);
            let looked = self.stretch().look(&mut session, count, |lsn, line| {
                lines += 1;
                has_changes |= !has_changes && sieve.is_change(lsn, line, &mut is_wanted)?;
                Ok(())
            });
            match looked {
                // That many lines are not nothing. But a single transaction is not cut by anything.
                Err(error) if is_too_much(&error) && lines == 0 && count != Some(1) => has_changes = true,
                other => other?,
            }
            (self.changes, self.advance) = (Some(has_changes), sieve.advance(self.upto));
            if has_changes || count.is_none_or(|count| lines < count) {
                break;
            }
        }
        self.session = Some(session);
        Ok(())
    }

    fn open(&mut self, context: &Context) -> Result<Session> {
        self.session.take().map_or_else(|| pinned(&self.chain.target, &self.chain.database, context), Ok)
    }

    /// A session to read with: all that was committed before the moment is in the log on the server's disk
    /// then, and only that is decoded.
    fn ready(&mut self, context: &Context) -> Result<Session> {
        let mut session = self.open(context)?;
        await_disk(&mut session, self.upto, context)?;
        Ok(session)
    }

    fn stretch(&self) -> Stretch<'_> {
        Stretch { slot: &self.place.slot, from: self.from, upto: self.upto, window_bytes: self.chain.window_bytes }
    }

    /// Bytes of log to be read.
    pub fn bytes(&self) -> u64 {
        if self.may_have_changes() { self.upto.0.saturating_sub(self.from.0) } else { 0 }
    }

    /// An error after which the next look gives the reason for a full backup.
    fn unreadable(&self, error: Error) -> Error {
        let Some(why) = self.refusal(&error) else { return error };
        match prior::give_up(&self.place, &why, &self.state) {
            Ok(()) => Error::new(Code::StateLost, why, "Start again: the next backup is a full one.").because(error),
            Err(second) => second.because(error),
        }
    }

    /// Reads the stream: what was written of it, and the tables that it leaves unclear.
    pub fn write(&mut self, mut translator: Translator<'_, '_>, context: &Context) -> Result<(ChangeSummary, BTreeSet<u32>)> {
        let has_changes = self.may_have_changes();
        if has_changes {
            let (mut session, mut unreported) = (self.open(context)?, (0, 0));
            if let Some(First { lsn, line, .. }) = self.first.take() {
                translator.line(lsn, &line)?;
            }
            let read = self.stretch().read(&mut session, self.is_asked, context, |lsn, line| {
                unreported = (unreported.0 + 1, unreported.1 + line.len() as u64);
                if unreported.1 > 256 << 10 {
                    let (lines, bytes) = std::mem::take(&mut unreported);
                    context.meter.add(lines, bytes);
                    gently::go_on(context)?;
                }
                translator.line(lsn, line)
            });
            read.map_err(|error| self.unreadable(error))?;
            self.chain.leave(session);
        }
        let (changes, advance, unclear) = translator.finish(self.upto)?;
        if has_changes {
            self.advance = advance;
        }
        Ok((changes, unclear))
    }

    /// Where the stream goes on once the backup exists. A new slot tells nothing that was committed before it begins, which must not
    /// be needed again; nothing is done to the old one, which the chain goes on with if there will be no such backup.
    pub fn goes_on(self) -> Place {
        match self.next {
            Some(mut next) if next.begins <= self.advance => {
                next.keep();
                Place { slot: next.name.clone(), advance: next.begins }
            }
            _ => Place { slot: self.place.slot, advance: self.advance },
        }
    }
}

/// Whether changes of a table matter: of those that `leader` knows to be followed, and of others. What happened by then to the rest, their
/// definitions tell.
fn wanted(leader: &mut Session, others: Option<&BTreeSet<String>>) -> impl FnMut(&str) -> Result<bool> {
    let mut streamed = None;
    move |table| {
        let streamed = match &mut streamed {
            Some(streamed) => streamed,
            none => none.insert(known::streamed(leader)?),
        };
        Ok(streamed.contains(table) || others.is_some_and(|others| others.contains(table)))
    }
}

/// The slot as the server shows it, if it is there.
fn shown(place: &Place, session: &mut Session) -> Result<Option<Shown>> {
    Ok(slot::shown(session, &place.slot)?.into_iter().find(|slot| slot.name == place.slot))
}
