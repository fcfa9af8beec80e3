//! A port where nobody listens.

use std::net::Ipv4Addr;

use anyhow::{Context, Result};
use socket2::{Domain, Socket, Type};

/// A TCP port of 127.0.0.1 that refuses connections until this is dropped.
#[derive(Debug)]
pub struct ClosedPort {
    port: u16,
    _socket: Socket,
}

/// Takes a port that nobody listens on. A port that was let go of may be anybody's a moment later; this one stays taken.
///
/// # Errors
/// When no port is free.
pub fn closed_port() -> Result<ClosedPort> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind(&std::net::SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
    let port = socket.local_addr()?.as_socket().context("the socket has no port")?.port();
    Ok(ClosedPort { port, _socket: socket })
}

impl ClosedPort {
    /// Its number.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }
}

#[cfg(test)]
mod tests {
    use super::closed_port;
    use std::{
        io::ErrorKind,
        net::{TcpListener, TcpStream},
    };

    #[test]
    fn it_refuses_and_nobody_else_gets_it() -> anyhow::Result<()> {
        let closed = closed_port()?;
        let address = ("127.0.0.1", closed.port());
        assert_eq!(TcpStream::connect(address).map_err(|error| error.kind()).err(), Some(ErrorKind::ConnectionRefused));
        assert_eq!(TcpListener::bind(address).map_err(|error| error.kind()).err(), Some(ErrorKind::AddrInUse));
        Ok(())
    }
}
