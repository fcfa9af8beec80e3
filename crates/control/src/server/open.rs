//! Server → Source, and what a look at it finds.

use super::SEALED_AS;
use crate::Control;
use catalog::ServerRecord;
use domain::{Code, Connection, Error, Result, Server, view::server::Sighting};
use jiff::Timestamp;
use source::{Database, Identity, Source};
use std::sync::Arc;

/// Threads and connections for one piece of work on a server.
pub(super) fn workers() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from).clamp(2, 4)
}

/// An error of a server, for somebody who sits before the console: the environment that the command line would take a
/// password from is of no use there.
pub(crate) fn for_console(error: Error) -> Error {
    if error.code() == Code::AuthFailed && error.next_step().contains("PGPASS") {
        return Error::new(Code::AuthFailed, error.to_string(), "Check the user and the password in the server's settings.").because(error);
    }
    error
}

impl Control {
    /// Opens a server. Nothing is asked of it yet.
    pub(crate) async fn open_source(&self, record: &ServerRecord) -> Result<Arc<dyn Source>> {
        let server = self.unsealed(record)?;
        crate::blocking(move |_| source::open(&server, workers()).map(Arc::from)).await
    }

    /// Looks at a server: removes what killed processes left there, finds out who it is and which databases it has, and
    /// writes that down, or why it could not be found out.
    pub(crate) async fn discover(&self, record: &ServerRecord) -> Result<(Identity, Vec<Database>)> {
        let found = self.look_at(record).await.map_err(for_console);
        let at = Timestamp::now();
        match &found {
            Ok((identity, databases)) => {
                let databases: Vec<_> = databases.iter().map(|database| (database.name.clone(), database.size_bytes)).collect();
                self.catalog.replace_databases(record.id, &databases, at).await?;
                let seen = Sighting { at, version: Some(identity.version.clone()), error: None };
                self.catalog.set_seen(record.id, &seen, Some((&identity.instance, identity.encrypted_at_rest.as_deref()))).await?;
            }
            Err(error) => {
                tracing::info!(server = record.server.name, ?error, "A server could not be looked at.");
                let seen = Sighting { at, version: None, error: Some(error.told().clone()) };
                self.catalog.set_seen(record.id, &seen, None).await?;
            }
        }
        found
    }

    async fn look_at(&self, record: &ServerRecord) -> Result<(Identity, Vec<Database>)> {
        let (source, name) = (self.open_source(record).await?, record.server.name.clone());
        crate::blocking(move |context| {
            let identity = source.identify(context)?;
            // What was left behind takes room, and is no reason to know nothing of the databases.
            if let Err(error) = source.sweep(context) {
                tracing::warn!(server = name, ?error, "What killed processes left on a server could not be removed.");
            }
            Ok((identity, source.databases(context)?))
        })
        .await
    }

    /// The server with its password.
    pub(super) fn unsealed(&self, record: &ServerRecord) -> Result<Server> {
        let mut server = record.server.clone();
        if let (Connection::Postgresql { password, .. }, Some(sealed)) = (&mut server.connection, &record.sealed_password) {
            *password = Some(self.safe.unseal(SEALED_AS, record.id, sealed)?);
        }
        Ok(server)
    }
}
