//! Where the changes of rows come from: the change stream, or a comparison with the rows of the prior.

use super::{
    Chain,
    compare::Comparing,
    known::Known,
    position::{Place, end_of_log},
    prior::{self, Prior},
};
use crate::{
    Context, Sink,
    changes::ChangeWriter,
    postgres::{
        snapshot::Taken,
        stream::{
            lsn::Lsn,
            slot,
            translate::{Sieve, Translator},
            visible::Visible,
            window::{Stretch, is_too_much},
        },
        wire::{Session, sqlstate},
    },
};
use domain::{ChangeSummary, Result};
use std::{collections::BTreeSet, path::Path};

/// What is known of changes before they are read.
pub(super) enum News {
    Stream(Streaming),
    Rows(Comparing),
}

impl News {
    /// Whether there are changes of rows.
    pub fn has_changes(&self) -> bool {
        match self {
            Self::Stream(stream) => stream.has_changes,
            Self::Rows(rows) => rows.has_changes,
        }
    }

    /// Whether a table may have to be read whole although nothing happened to its definition.
    pub fn may_need(&self, known: &Known) -> bool {
        match self {
            Self::Stream(stream) => stream.has_changes && known.is_keyless(),
            Self::Rows(_) => true,
        }
    }
}

/// The stream of a slot, from where it stands up to the snapshot.
pub(super) struct Streaming {
    pub place: Place,
    from: Lsn,
    upto: Lsn,
    has_changes: bool,
    /// How far the stream may be forgotten if there are none.
    pub advance: Lsn,
    window_bytes: u64,
}

impl Streaming {
    /// Checks the slot, before the snapshot is taken: where it stands, or why it cannot be gone on from. Then it is dropped.
    pub fn check(chain: &Chain, place: &Place, state: &Path, session: &mut Session) -> Result<std::result::Result<Lsn, String>> {
        let found = slot::shown(session, &place.slot)?.into_iter().find(|slot| slot.name == place.slot);
        match prior::refused(place, found.as_ref(), state, chain.held_limit) {
            None => Ok(Ok(found.and_then(|slot| slot.confirmed).unwrap_or(place.advance))),
            Some(why) => {
                if found.is_some_and(|slot| !slot.is_active) {
                    slot::drop_slot(session, &place.slot)?;
                }
                Ok(Err(why))
            }
        }
    }

    /// Finds out whether there is a change at all: most often the first transaction tells. Or says why the stream gives none.
    pub fn look(
        chain: &Chain,
        prior: &Prior,
        (place, from): (&Place, Lsn),
        (leader, taken): (&mut Session, &Taken),
        context: &Context,
    ) -> Result<std::result::Result<Self, String>> {
        let upto = end_of_log(leader)?;
        if upto < place.advance {
            return Ok(Err("The server's log ends before the place of the last backup: it was set back.".into()));
        }
        let mut stream = Self { place: place.clone(), from, upto, has_changes: false, advance: from, window_bytes: chain.window_bytes };
        match stream.find_change(chain, &prior.visible, taken, context) {
            Ok(()) => Ok(Ok(stream)),
            Err(error) => match sqlstate(&error) {
                Some("54000") => Ok(Err("A row that was changed is too large for the server's change stream.".into())),
                Some("55000" | "58P01") => Ok(Err(format!("The server does not give its changes any more: {error}"))),
                _ => Err(error),
            },
        }
    }

    fn find_change(&mut self, chain: &Chain, saw: &Visible, taken: &Taken, context: &Context) -> Result<()> {
        let mut session = self.stretch(chain).open(context)?;
        for count in [Some(1), Some(10_000), None] {
            let mut sieve = Sieve::new(&taken.visible, saw, self.from);
            let (mut lines, mut has_changes) = (0, false);
            let looked = self.stretch(chain).look(&mut session, count, |lsn, line| {
                lines += 1;
                has_changes |= sieve.is_change(lsn, line)?;
                Ok(())
            });
            match looked {
                // That many lines are not nothing.
                Err(error) if is_too_much(&error) && lines == 0 => has_changes = true,
                other => other?,
            }
            (self.has_changes, self.advance) = (has_changes, sieve.advance(self.upto));
            if has_changes || count.is_none_or(|count| lines < count) {
                break;
            }
        }
        Ok(())
    }

    fn stretch<'a>(&'a self, chain: &'a Chain) -> Stretch<'a> {
        let (target, database, slot) = (&chain.target, chain.database.as_str(), self.place.slot.as_str());
        Stretch { target, database, slot, from: self.from, upto: self.upto, window_bytes: self.window_bytes }
    }

    /// Bytes of log to be read.
    pub fn bytes(&self) -> u64 {
        if self.has_changes { self.upto.0.saturating_sub(self.from.0) } else { 0 }
    }

    /// Reads the stream: what was written of it, where it goes on, and the tables that it leaves unclear.
    pub fn write(
        &self,
        chain: &Chain,
        (sees, saw): (&Visible, &Visible),
        (tables, whole): (&[Known], &BTreeSet<u32>),
        sink: &dyn Sink,
        context: &Context,
    ) -> Result<(ChangeSummary, Place, BTreeSet<u32>)> {
        let mut translator = Translator::new(Sieve::new(sees, saw, self.from), tables, whole, ChangeWriter::new(sink));
        let place = |advance| Place { slot: self.place.slot.clone(), advance };
        if !self.has_changes {
            let (nothing, _, unclear) = translator.finish(self.upto)?;
            return Ok((nothing, place(self.advance), unclear));
        }
        let (stretch, mut unreported) = (self.stretch(chain), (0, 0));
        stretch.read(&mut stretch.open(context)?, context, |lsn, line| {
            unreported = (unreported.0 + 1, unreported.1 + line.len() as u64);
            if unreported.1 > 256 << 10 {
                let (lines, bytes) = std::mem::take(&mut unreported);
                context.meter.add(lines, bytes);
                context.check()?;
            }
            translator.line(lsn, line)
        })?;
        let (changes, advance, unclear) = translator.finish(self.upto)?;
        Ok((changes, place(advance), unclear))
    }
}
