//! Server → Source.

use crate::{Source, sqlite::Sqlite};
use domain::{Code, Connection, Error, Result, Server};

/// Opens a server; each piece of work on it may use `workers` threads and connections.
pub fn open(server: &Server, workers: usize) -> Result<Box<dyn Source>> {
    match &server.connection {
        Connection::Sqlite { folder } => Ok(Box::new(Sqlite::new(folder, workers)?)),
        Connection::Postgresql { .. } => Err(Error::new(
            Code::Unsupported,
            "PostgreSQL servers cannot be backed up by this version of Rookery.",
            "Use a newer version of Rookery.",
        )),
    }
}
