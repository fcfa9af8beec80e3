//! A socket to the server, plain: TCP with every address of its name tried, or a Unix socket.

use super::Target;
use domain::{Code, Error, Result};
use socket2::{SockRef, TcpKeepalive};
use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream, ToSocketAddrs},
    os::unix::net::UnixStream,
    time::Duration,
};

/// How long one address may take to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a read or write may block before the wish to stop is looked at.
pub(super) const TICK: Duration = Duration::from_millis(500);

/// An open socket. Reads and writes give up after [`TICK`] with `WouldBlock` or `TimedOut`.
#[derive(Debug)]
pub(super) enum Endpoint {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Endpoint {
    /// Connects to the first address that answers.
    pub fn open(target: &Target) -> Result<Self> {
        if target.is_local_socket() {
            let path = format!("{}/.s.PGSQL.{}", target.host, target.port);
            let stream = UnixStream::connect(&path).map_err(|error| unreachable(target, format!("{path} cannot be opened"), error))?;
            return timeouts(Self::Unix(stream)).map_err(|error| unreachable(target, path, error));
        }
        let resolved = (target.host.as_str(), target.port).to_socket_addrs();
        let addresses = resolved.map_err(|error| unreachable(target, "its name is not known".into(), error))?;
        let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for address in addresses {
            match tcp(&address) {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error,
            }
        }
        let reason = match last.kind() {
            io::ErrorKind::ConnectionRefused => "nothing listens there".into(),
            io::ErrorKind::TimedOut => format!("no answer within {} seconds", CONNECT_TIMEOUT.as_secs()),
            _ => last.to_string(),
        };
        Err(unreachable(target, reason, last))
    }

    /// Whether the server runs on this machine, or somebody here leads to it.
    pub fn is_of_this_machine(&self) -> bool {
        match self {
            Self::Tcp(stream) => matches!((stream.local_addr(), stream.peer_addr()), (Ok(here), Ok(there)) if here.ip() == there.ip()),
            Self::Unix(_) => true,
        }
    }

    /// Whether nobody can listen in, because both ends are on this machine.
    pub fn is_unix(&self) -> bool {
        matches!(self, Self::Unix(_))
    }
}

fn tcp(address: &SocketAddr) -> io::Result<Endpoint> {
    let stream = TcpStream::connect_timeout(address, CONNECT_TIMEOUT)?;
    stream.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new().with_time(Duration::from_secs(60)).with_interval(Duration::from_secs(15));
    SockRef::from(&stream).set_tcp_keepalive(&keepalive)?;
    timeouts(Endpoint::Tcp(stream))
}

fn timeouts(endpoint: Endpoint) -> io::Result<Endpoint> {
    let socket = match &endpoint {
        Endpoint::Tcp(stream) => SockRef::from(stream),
        Endpoint::Unix(stream) => SockRef::from(stream),
    };
    socket.set_read_timeout(Some(TICK))?;
    socket.set_write_timeout(Some(TICK))?;
    Ok(endpoint)
}

fn unreachable(target: &Target, reason: String, cause: io::Error) -> Error {
    Error::new(
        Code::Unreachable,
        format!("The PostgreSQL server at {target} cannot be reached: {reason}."),
        "Check host and port, that the server runs, and that it listens there (listen_addresses) with no firewall in between.",
    )
    .because(cause)
}

impl Read for Endpoint {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(buffer),
            Self::Unix(stream) => stream.read(buffer),
        }
    }
}

impl Write for Endpoint {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(buffer),
            Self::Unix(stream) => stream.write(buffer),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.flush(),
            Self::Unix(stream) => stream.flush(),
        }
    }
}
