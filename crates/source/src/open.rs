//! Server → Source.

use crate::{Source, postgres::Postgres, sqlite::Sqlite};
use domain::{Connection, Result, Server};

/// Opens a server; each piece of work on it may use `workers` threads and connections.
pub fn open(server: &Server, workers: usize) -> Result<Box<dyn Source>> {
    match &server.connection {
        Connection::Sqlite { folder } => Ok(Box::new(Sqlite::new(folder, workers)?)),
        Connection::Postgresql { .. } => {
            Ok(Box::new(Postgres::new(&server.connection, workers)?.with_held_limit(server.held_limit_bytes())))
        }
    }
}
