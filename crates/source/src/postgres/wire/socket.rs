//! A socket to the server, encrypted if so agreed, and the patience to wait on it.

use super::{
    Target,
    endpoint::Endpoint,
    error::{lost, protocol},
    tls,
};
use domain::{Code, Error, Result, TlsMode};
use rustls::{ClientConnection, StreamOwned};
use std::{
    io::{self, Read, Write},
    time::{Duration, Instant},
};
use tokio_util::sync::CancellationToken;

/// How long agreeing on TLS and logging in may take together.
const LOGIN_TIMEOUT: Duration = Duration::from_secs(60);

/// The code of an SSLRequest message.
const SSL_REQUEST: u32 = 80_877_103;

/// The bytes between us and the server.
pub(super) enum Socket {
    Plain(Endpoint),
    Tls(Box<StreamOwned<ClientConnection, Endpoint>>),
}

impl Socket {
    /// Connects; with `tls` also agrees on encryption. Where the server does not offer it, the connection goes on without if the
    /// target only prefers it; else there is none, which is `Ok(None)`.
    pub fn open(target: &Target, tls: bool, cancel: &CancellationToken) -> Result<Option<Self>> {
        let mut endpoint = Endpoint::open(target)?;
        if !tls {
            return Ok(Some(Self::Plain(endpoint)));
        }
        let mut request = 8_u32.to_be_bytes().to_vec();
        request.extend_from_slice(&SSL_REQUEST.to_be_bytes());
        let wait = Wait::login(cancel);
        let io = |error| lost(target, "", error);
        wait.retry(|| endpoint.write(&request)).map_err(Stop::or(target, io))?;
        // One byte and no more: whatever a server (or somebody in between) sends early must not slip past TLS.
        let mut answer = [0];
        let size = wait.retry(|| endpoint.read(&mut answer)).map_err(Stop::or(target, io))?;
        match (size, answer[0]) {
            (1, b'S') => {}
            (1, b'N') => return Ok((target.tls == TlsMode::Prefer).then_some(Self::Plain(endpoint))),
            (0, _) => return Err(lost(target, "", io::Error::from(io::ErrorKind::UnexpectedEof))),
            _ => return Err(protocol(target, "the answer to the request for TLS is not one of the two known")),
        }
        let mut connection = tls::connection(target)?;
        let failed = |error| tls::failed(target, error);
        while connection.is_handshaking() {
            wait.retry(|| connection.complete_io(&mut endpoint)).map_err(Stop::or(target, failed))?;
        }
        Ok(Some(Self::Tls(Box::new(StreamOwned::new(connection, endpoint)))))
    }

    /// Whether a password in clear text would stay between us and the server.
    pub fn is_private(&self) -> bool {
        match self {
            Self::Plain(endpoint) => endpoint.is_unix(),
            Self::Tls(_) => true,
        }
    }

    /// Whether the server runs on this machine, or somebody here leads to it.
    pub fn is_of_this_machine(&self) -> bool {
        match self {
            Self::Plain(endpoint) => endpoint.is_of_this_machine(),
            Self::Tls(stream) => stream.sock.is_of_this_machine(),
        }
    }

    /// The server's certificate (DER), if TLS is used.
    pub fn certificate(&self) -> Option<&[u8]> {
        match self {
            Self::Plain(_) => None,
            Self::Tls(stream) => stream.conn.peer_certificates()?.first().map(|certificate| certificate.as_ref()),
        }
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(endpoint) => endpoint.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Socket {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(endpoint) => endpoint.write(buffer),
            Self::Tls(stream) => stream.write(buffer),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(endpoint) => endpoint.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}

/// How long to wait for a socket, looking at the wish to stop at every tick.
pub(super) struct Wait<'a> {
    cancel: &'a CancellationToken,
    until: Option<Instant>,
}

/// Why a wait ended without a result.
pub(super) enum Stop {
    Cancelled,
    Silent,
    Io(io::Error),
}

impl<'a> Wait<'a> {
    /// For as long as `limit`, or without an end.
    pub fn new(cancel: &'a CancellationToken, limit: Option<Duration>) -> Self {
        Self { cancel, until: limit.map(|limit| Instant::now() + limit) }
    }

    /// As long as a login may take.
    pub fn login(cancel: &'a CancellationToken) -> Self {
        Self::new(cancel, Some(LOGIN_TIMEOUT))
    }

    /// Calls `attempt` again after every tick without a result.
    pub fn retry<T>(&self, mut attempt: impl FnMut() -> io::Result<T>) -> Result<T, Stop> {
        loop {
            if self.cancel.is_cancelled() {
                return Err(Stop::Cancelled);
            }
            match attempt() {
                Ok(value) => return Ok(value),
                Err(error) => match error.kind() {
                    io::ErrorKind::Interrupted => {}
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut if self.until.is_some_and(|until| Instant::now() >= until) => {
                        return Err(Stop::Silent);
                    }
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {}
                    _ => return Err(Stop::Io(error)),
                },
            }
        }
    }
}

impl Stop {
    /// Turns a stop into an error; `io` says what a failed socket means here.
    pub fn or(target: &Target, io: impl FnOnce(io::Error) -> Error) -> impl FnOnce(Self) -> Error {
        move |stop| match stop {
            Self::Cancelled => Error::cancelled(),
            Self::Silent => silent(target),
            Self::Io(error) => io(error),
        }
    }
}

/// The error for a server that does not answer any more.
pub(super) fn silent(target: &Target) -> Error {
    Error::new(
        Code::Silent,
        format!("PostgreSQL at {target} stayed silent for too long."),
        "Look at the server's load and at its log (a stopped process, a hanging disk, a dead network), then start again.",
    )
}
