//! Messages in and out over one socket.

use super::{
    Target,
    error::{lost, protocol},
    socket::{Socket, Stop, Wait},
};
use domain::{Error, Result};
use std::{
    io::{Read, Write},
    time::Duration,
};
use tokio_util::sync::CancellationToken;

/// Size of the read buffer between messages.
const BUFFER_BYTES: usize = 256 << 10;

/// A buffer that grew beyond this for one message is given back after it.
const KEPT_BYTES: usize = 32 << 20;

/// The longest message that is believed: servers bound a message to 1 GiB.
const MAX_MESSAGE_BYTES: usize = (1 << 30) + (64 << 20);

/// The same before the login, when anybody may be at the other end.
const MAX_STRANGER_BYTES: usize = 64 << 10;

/// Bytes that are collected before they are sent.
const SEND_BYTES: usize = 128 << 10;

/// One message of the server.
pub(super) struct Message<'a> {
    /// Its type.
    pub tag: u8,
    /// What follows the length.
    pub body: &'a [u8],
}

/// A socket with its buffers. After an error that leaves the protocol in the middle of something it stays broken.
pub(super) struct Channel {
    pub target: Target,
    pub database: String,
    pub cancel: CancellationToken,
    pub socket: Socket,
    pub broken: bool,
    max_message_bytes: usize,
    input: Vec<u8>,
    start: usize,
    end: usize,
    output: Vec<u8>,
}

impl Channel {
    pub fn new(socket: Socket, target: &Target, database: &str, cancel: &CancellationToken) -> Self {
        Self {
            target: target.clone(),
            database: database.into(),
            cancel: cancel.clone(),
            socket,
            broken: false,
            max_message_bytes: MAX_STRANGER_BYTES,
            input: vec![0; BUFFER_BYTES],
            start: 0,
            end: 0,
            output: Vec::new(),
        }
    }

    /// The login is done: messages may be large from now on.
    pub fn trust(&mut self) {
        self.max_message_bytes = MAX_MESSAGE_BYTES;
    }

    /// The next message. `silence` is how long the server may send nothing; `None` is without an end.
    pub fn next(&mut self, silence: Option<Duration>) -> Result<Message<'_>> {
        self.need(5, silence)?;
        let length: [u8; 4] = [1, 2, 3, 4].map(|at| self.input[self.start + at]);
        let length = u32::from_be_bytes(length) as usize;
        if !(4..=self.max_message_bytes).contains(&length) {
            return Err(self.protocol("a message has an impossible length"));
        }
        self.need(length + 1, silence)?;
        let message = self.start;
        self.start += length + 1;
        Ok(Message { tag: self.input[message], body: &self.input[message + 5..self.start] })
    }

    /// The type of the next message, which stays to be taken.
    pub fn peek(&mut self, silence: Option<Duration>) -> Result<u8> {
        self.need(1, silence)?;
        Ok(self.input[self.start])
    }

    /// Reads until `size` bytes are in the buffer. It grows with what arrives, not with what was announced.
    fn need(&mut self, size: usize, silence: Option<Duration>) -> Result<()> {
        while self.end - self.start < size {
            self.make_room(size);
            let wait = Wait::new(&self.cancel, silence);
            let (socket, free) = (&mut self.socket, &mut self.input[self.end..]);
            match wait.retry(|| socket.read(free)) {
                Ok(0) => return Err(self.lost(std::io::Error::from(std::io::ErrorKind::UnexpectedEof))),
                Ok(read) => self.end += read,
                Err(stop) => return Err(self.stopped(stop)),
            }
        }
        Ok(())
    }

    /// Bytes that the read buffer has room for.
    #[cfg(test)]
    pub fn capacity(&self) -> usize {
        self.input.capacity()
    }

    fn make_room(&mut self, size: usize) {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
            if self.input.len() > KEPT_BYTES && size <= BUFFER_BYTES {
                self.input = vec![0; BUFFER_BYTES];
            }
        }
        if self.end < self.input.len() && self.start + size <= self.input.len() {
            return;
        }
        self.input.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        if self.end == self.input.len() {
            self.input.resize(self.input.len() * 2, 0);
        }
    }

    /// Collects one message to send; `fill` appends its body.
    pub fn put(&mut self, tag: u8, fill: impl FnOnce(&mut Vec<u8>)) {
        self.output.push(tag);
        self.put_untagged(fill);
    }

    /// Collects one message without a type byte: only the first of a connection is such.
    pub fn put_untagged(&mut self, fill: impl FnOnce(&mut Vec<u8>)) {
        let start = self.output.len();
        self.output.extend_from_slice(&[0; 4]);
        fill(&mut self.output);
        // Bodies of this kind are names, statements and answers of ours: far below 4 GiB.
        let length = u32::try_from(self.output.len() - start).unwrap_or(u32::MAX);
        self.output[start..start + 4].copy_from_slice(&length.to_be_bytes());
    }

    /// Collects raw bytes of a message whose header was given before, sending when enough is there.
    pub fn put_raw(&mut self, bytes: &[u8]) -> Result<()> {
        if self.output.len() + bytes.len() < SEND_BYTES {
            self.output.extend_from_slice(bytes);
            return Ok(());
        }
        self.send()?;
        self.write(bytes)
    }

    /// Sends what was collected.
    pub fn send(&mut self) -> Result<()> {
        let mut output = std::mem::take(&mut self.output);
        self.write(&output)?;
        output.clear();
        self.output = output;
        let (wait, socket) = (Wait::new(&self.cancel, None), &mut self.socket);
        wait.retry(|| socket.flush()).map_err(|stop| self.stopped(stop))
    }

    fn write(&mut self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            let (wait, socket) = (Wait::new(&self.cancel, None), &mut self.socket);
            match wait.retry(|| socket.write(bytes)) {
                Ok(0) => return Err(self.lost(std::io::Error::from(std::io::ErrorKind::WriteZero))),
                Ok(written) => bytes = &bytes[written..],
                Err(stop) => return Err(self.stopped(stop)),
            }
        }
        Ok(())
    }

    /// The server broke the protocol.
    pub fn protocol(&mut self, what: &str) -> Error {
        self.broken = true;
        protocol(&self.target, what)
    }

    fn lost(&mut self, error: std::io::Error) -> Error {
        self.broken = true;
        lost(&self.target, &self.database, error)
    }

    fn stopped(&mut self, stop: Stop) -> Error {
        self.broken = true;
        Stop::or(&self.target, |error| lost(&self.target, &self.database, error))(stop)
    }
}
