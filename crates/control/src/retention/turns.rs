//! Who deletes chains at the moment, and of which databases some may go.

use domain::{DestinationId, RoundId, ServerId};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::OwnedMutexGuard;

/// What those who delete and those who need chains wait for each other with. Nothing of it outlives the process: what was asked for
/// and forgotten is found at the next look at everything.
#[derive(Default)]
pub(crate) struct Turns {
    /// Held from the reading of a database's chains until the last of them that goes is gone.
    pub expiring: tokio::sync::Mutex<()>,
    /// See [`Turns::chains_at`].
    chains: Mutex<HashMap<DestinationId, Arc<tokio::sync::Mutex<()>>>>,
    asked: Mutex<Vec<Asked>>,
    /// Chains of which something is sent to a browser; one as often as it is.
    sending: Mutex<Vec<(DestinationId, String)>>,
}

/// A database that has a new backup, so that older ones may go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub server: ServerId,
    pub destination: DestinationId,
    pub database: String,
    /// The round that made the backup; its log tells what went.
    pub round: Option<RoundId>,
}

impl Turns {
    /// The turn of a destination: held while one chain goes there, and while somebody makes sure that one stays. A store that hangs keeps
    /// nobody waiting who does not need it.
    pub async fn chains_at(&self, destination: DestinationId) -> OwnedMutexGuard<()> {
        let turn = Arc::clone(self.chains.lock().unwrap_or_else(PoisonError::into_inner).entry(destination).or_default());
        turn.lock_owned().await
    }

    /// Notes a database to look at.
    pub fn ask(&self, asked: Asked) {
        let mut all = self.asked();
        if !all.contains(&asked) {
            all.push(asked);
        }
    }

    /// All that were noted; they are not any more.
    pub fn take(&self) -> Vec<Asked> {
        std::mem::take(&mut *self.asked())
    }

    /// Notes that something of a chain is being sent. Whoever calls it has the turn of the destination.
    pub fn send(&self, destination: DestinationId, folder: &str) {
        self.sending().push((destination, folder.into()));
    }

    /// Notes that it is not any more.
    pub fn sent(&self, destination: DestinationId, folder: &str) {
        let mut all = self.sending();
        if let Some(at) = all.iter().position(|(at, name)| *at == destination && name == folder) {
            all.swap_remove(at);
        }
    }

    /// Folders of the chains at a destination of which something is being sent.
    pub fn sending_at(&self, destination: DestinationId) -> Vec<String> {
        self.sending().iter().filter(|(at, _)| *at == destination).map(|(_, folder)| folder.clone()).collect()
    }

    fn sending(&self) -> MutexGuard<'_, Vec<(DestinationId, String)>> {
        self.sending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn asked(&self) -> MutexGuard<'_, Vec<Asked>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
