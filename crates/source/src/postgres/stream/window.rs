//! Lines of a slot's stream, read in windows of the log.
//!
//! The server's functions give all lines of a window only when the last is decoded, and keep them in a temporary file until
//! then. They are several times faster than the streaming protocol nevertheless, so that the log is cut into windows.
//! A look does not move the slot, and would begin at its start each time: where there is more than one window, they are taken
//! out of a temporary copy of the slot, which goes with its session.

use super::{lsn::Lsn, slot::drop_slot};
use crate::{
    Context,
    postgres::wire::{Session, quote_literal, sqlstate},
};
use domain::{Error, Result};

/// Size of the windows. Each is decoded from where the slot began to remember transactions, which may be long before it: many
/// small ones read the same log again and again. The temporary file is about as large as the window at worst.
const WINDOW_BYTES: u64 = 1 << 30;

/// A window is not cut smaller than this.
const LEAST_BYTES: u64 = 16 << 10;

/// What the plugin is asked for.
const OPTIONS: &str = "'include-timestamp', 'on', 'skip-empty-xacts', 'on'";

/// The start of binary COPY (<https://www.postgresql.org/docs/current/sql-copy.html#id-1.9.3.55.9.4>).
const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";
const HEADER_BYTES: usize = SIGNATURE.len() + 8;

/// A stretch of a slot's stream: up to a place that a snapshot was taken before.
pub(in crate::postgres) struct Stretch<'a> {
    pub slot: &'a str,
    /// Where the slot stands.
    pub from: Lsn,
    /// The log has to be on the server's disk up to there: only that is decoded.
    pub upto: Lsn,
    /// Size of the first window; for tests too.
    pub window_bytes: u64,
}

impl Stretch<'_> {
    /// The size that windows begin with.
    pub const WINDOW_BYTES: u64 = WINDOW_BYTES;

    /// Gives the first lines, whole transactions, until there are at least `count` (`None`: all).
    pub fn look(&self, session: &mut Session, count: Option<u32>, mut each: impl FnMut(Lsn, &[u8]) -> Result<()>) -> Result<()> {
        session.ask(&self.peek(count))?;
        lines(session, &mut each)
    }

    /// Whether all lines come at once.
    pub fn is_one_window(&self) -> bool {
        self.bytes() <= self.window_bytes
    }

    /// Lets the server begin with all lines, if they are to come at once; [`lines_until`] and [`Self::read`] then take them.
    pub fn ask(&self, session: &mut Session) -> Result<bool> {
        let at_once = self.is_one_window();
        if at_once {
            session.ask(&self.peek(None))?;
        }
        Ok(at_once)
    }

    fn peek(&self, count: Option<u32>) -> String {
        let count = count.map_or("NULL".into(), |count| count.to_string());
        copy(&format!("pg_logical_slot_peek_changes({}, '{}', {count}, {OPTIONS})", quote_literal(self.slot), self.upto))
    }

    fn bytes(&self) -> u64 {
        self.upto.0.saturating_sub(self.from.0)
    }

    /// Gives every line, or those that [`lines_until`] has left; `is_asked` says whether the server has begun with them.
    pub fn read(
        &self,
        session: &mut Session,
        is_asked: bool,
        context: &Context,
        mut each: impl FnMut(Lsn, &[u8]) -> Result<()>,
    ) -> Result<()> {
        if is_asked || self.ask(session)? {
            let mut count = 0_u64;
            let looked = lines(session, &mut |lsn, line| {
                count += 1;
                each(lsn, line)
            });
            match looked {
                Err(error) if is_too_much(&error) && count == 0 => {}
                other => return other,
            }
        }
        let name = format!("rookery_reading_{}", self.slot.rsplit('_').next().unwrap_or_default());
        match self.copy_slot(session, &name) {
            Ok(()) => {}
            // No slot to spare: all at once, then.
            Err(error) if sqlstate(&error) == Some("53400") => return self.look(session, None, each),
            Err(error) => return Err(error),
        }
        self.windows(session, &name, context, &mut each)?;
        drop_slot(session, &name)
    }

    fn copy_slot(&self, session: &mut Session, name: &str) -> Result<()> {
        let (slot, name) = (quote_literal(self.slot), quote_literal(name));
        session.query(&format!("SELECT pg_copy_logical_replication_slot({slot}, {name}, true)")).map(drop)
    }

    /// Takes every line out of a slot that is ours alone.
    fn windows(&self, session: &mut Session, slot: &str, context: &Context, each: &mut dyn FnMut(Lsn, &[u8]) -> Result<()>) -> Result<()> {
        let (mut at, mut most) = (self.from, WINDOW_BYTES);
        let mut size = self.window_bytes.min(self.bytes() / 2).max(1);
        while at < self.upto {
            context.check()?;
            let end = Lsn(at.0.saturating_add(size).min(self.upto.0));
            let function = format!("pg_logical_slot_get_changes({}, '{end}', NULL, {OPTIONS})", quote_literal(slot));
            let mut count = 0_u64;
            session.ask(&copy(&function))?;
            let taken = lines(session, &mut |lsn, line| {
                count += 1;
                each(lsn, line)
            });
            match taken {
                Ok(()) => (at, size) = (end, (size * 2).min(most)),
                // It fails before it gives a line. A temporary slot goes with any error: another one is moved to where it was.
                Err(error) if is_too_much(&error) && count == 0 && size > LEAST_BYTES => {
                    self.copy_slot(session, slot)?;
                    if at > self.from {
                        session.query(&format!("SELECT pg_replication_slot_advance({}, '{at}')", quote_literal(slot)))?;
                    }
                    most = size / 2;
                    size = most;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Whether the server refused because its temporary files are bounded (`temp_file_limit`).
pub(in crate::postgres) fn is_too_much(error: &Error) -> bool {
    sqlstate(error) == Some("53400")
}

/// The COPY of what a function of the server gives: lines of a stream.
fn copy(function: &str) -> String {
    format!("COPY (SELECT lsn, data FROM {function}) TO STDOUT (FORMAT binary)")
}

/// Takes the lines that were asked for.
fn lines(session: &mut Session, each: &mut dyn FnMut(Lsn, &[u8]) -> Result<()>) -> Result<()> {
    session.copied(|message| line(message)?.map_or(Ok(()), |(lsn, line)| each(lsn, line)))
}

/// Takes the lines that were asked for up to the first of which `is_last` says so; whether there was one. The others stay to be taken.
pub(in crate::postgres) fn lines_until(session: &mut Session, mut is_last: impl FnMut(Lsn, &[u8]) -> Result<bool>) -> Result<bool> {
    while let Some(message) = session.next_copied()? {
        if let Some((lsn, line)) = line(message)?
            && is_last(lsn, line)?
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The line in one message of the COPY, if there is one.
fn line(message: &[u8]) -> Result<Option<(Lsn, &[u8])>> {
    let row = if message.starts_with(SIGNATURE) { message.get(HEADER_BYTES..).unwrap_or_default() } else { message };
    // Number of fields, and for each its length and bytes; a place in the log has eight. The trailer has -1 fields.
    match row.split_first_chunk::<18>() {
        Some(([0, 2, 0, 0, 0, 8, rest @ ..], line)) => {
            let (lsn, length) = rest.split_first_chunk::<8>().ok_or_else(broken)?;
            let length: [u8; 4] = length.try_into().map_err(|_| broken())?;
            if u32::from_be_bytes(length) as usize != line.len() {
                return Err(broken());
            }
            Ok(Some((Lsn(u64::from_be_bytes(*lsn)), line)))
        }
        None if matches!(row, [] | [0xff, 0xff]) => Ok(None),
        _ => Err(broken()),
    }
}

fn broken() -> Error {
    Error::internal("A line of the stream came out of a binary COPY in a form that PostgreSQL does not document.")
}
