//! COPY into the server.

use super::Session;
use domain::Result;

/// Bytes in one CopyData message.
const MESSAGE_BYTES: usize = 64 << 10;

/// A `COPY … FROM STDIN` that has begun. Dropped without [`CopyIn::finish`], it is undone.
pub struct CopyIn<'a> {
    session: &'a mut Session,
    buffer: Vec<u8>,
    open: bool,
}

impl<'a> CopyIn<'a> {
    pub(super) fn new(session: &'a mut Session) -> Self {
        Self { session, buffer: Vec::with_capacity(MESSAGE_BYTES), open: true }
    }

    /// Appends data; where one message ends and the next begins means nothing to the server.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        if self.buffer.len() + bytes.len() > MESSAGE_BYTES {
            self.flush()?;
            for piece in bytes.chunks(MESSAGE_BYTES) {
                self.buffer.extend_from_slice(piece);
                if self.buffer.len() == MESSAGE_BYTES {
                    self.flush()?;
                }
            }
            return Ok(());
        }
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    /// Ends the data and returns the number of rows that the server took.
    pub fn finish(mut self) -> Result<u64> {
        self.flush()?;
        self.open = false;
        self.session.channel.put(b'c', |_| {});
        self.session.send()?;
        let mut tag = String::new();
        self.session.finish(Some(&mut tag), drop)?;
        let rows = tag.strip_prefix("COPY ").and_then(|rows| rows.parse().ok());
        rows.ok_or_else(|| self.session.channel.protocol("a COPY ended without the number of its rows"))
    }

    fn flush(&mut self) -> Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let buffer = std::mem::take(&mut self.buffer);
        self.session.usable()?;
        self.session.channel.put(b'd', |out| out.extend_from_slice(&buffer));
        let sent = self.session.send();
        self.buffer = buffer;
        self.buffer.clear();
        sent
    }
}

impl Drop for CopyIn<'_> {
    fn drop(&mut self) {
        if !self.open || self.session.channel.broken {
            return;
        }
        self.session.channel.put(b'f', |out| out.extend_from_slice(b"given up\0"));
        // The server answers with the error that we caused; after it the session is usable again.
        if self.session.channel.send().is_ok() {
            let _ = self.session.finish(None, drop);
        }
    }
}
