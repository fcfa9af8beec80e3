//! Chains that nobody follows any more: what servers keep for them is removed there, before it fills a disk.
//!
//! A chain is followed as long as a task covers its database at its root. One whose task was deleted, or leaves the database out
//! now, is forgotten: its backups stay, and what the server kept for the next one goes. So does what keeps back too much log,
//! because its task is disabled or fails: then the next backup is a full one. Chains of the command line are its own.

use crate::Control;
use catalog::{ServerRecord, TaskRecord};
use domain::{Code, DestinationId, Result, RunKind, display};
use engine::{Follow, KeptChain, kept_chains};
use source::HELD_LIMIT_BYTES;
use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

/// What is known of those who follow chains.
struct Followers {
    servers: Vec<ServerRecord>,
    tasks: Vec<TaskRecord>,
    roots: BTreeMap<DestinationId, Follow>,
}

impl Followers {
    fn server(&self, chain: &KeptChain) -> Option<&ServerRecord> {
        self.servers.iter().find(|server| server.instance.as_deref() == Some(chain.server_instance.as_str()))
    }

    fn follow(&self, chain: &KeptChain) -> bool {
        let Some(server) = self.server(chain) else { return false };
        self.tasks.iter().any(|task| {
            let is_there = self.roots.get(&task.task.destination).is_some_and(|root| root.covers(chain));
            is_there && task.task.server == server.id && server.server.name == chain.server && task.task.selection.includes(&chain.database)
        })
    }
}

impl Control {
    /// Where the state of chains is kept.
    pub(crate) fn chains(&self) -> PathBuf {
        self.data_dir.join("chains")
    }

    pub(crate) async fn reconcile_chains(&self) -> Result<String> {
        let (destinations, folder) = (self.catalog.destinations().await?, self.chains());
        let followers = Followers {
            servers: self.catalog.servers().await?,
            tasks: self.catalog.tasks().await?,
            roots: destinations.iter().map(|destination| (destination.id, Follow::new(&destination.destination, folder.clone()))).collect(),
        };
        let kept = crate::blocking(move |_| Ok(kept_chains(&folder))).await?;
        let (mut forgotten, mut held, mut said) = (0, 0, vec![]);
        let working = self.catalog.running_runs().await?;
        // What a backup at work builds on is not taken away under its hands.
        let is_at_work = |chain: &KeptChain| working.iter().any(|run| run.kind == RunKind::Backup && run.database == chain.database);
        for chain in kept.into_iter().filter(|chain| chain.task.is_some() && !is_at_work(chain)) {
            let is_followed = followers.follow(&chain);
            match self.look_at_chain(&chain, followers.server(&chain), is_followed).await {
                Ok(None) => forgotten += 1,
                Ok(Some(bytes)) => held += bytes,
                // Another time, or never again if the server is gone for good.
                Err(error) => said.push(format!("{}: {error}", chain.database)),
            }
        }
        said.insert(0, format!("Servers keep {} of log for chains.", display::size(held)));
        if forgotten > 0 {
            said.insert(1, format!("Chains that nobody follows any more, or that kept back too much, were forgotten ({forgotten})."));
        }
        Ok(said.join(" "))
    }

    /// The bytes that a server keeps for a chain; `None` if it was forgotten.
    async fn look_at_chain(&self, chain: &KeptChain, server: Option<&ServerRecord>, is_followed: bool) -> Result<Option<u64>> {
        let folder = self.chains();
        let Some(server) = server else {
            // Nobody can reach it to remove anything there.
            return if is_followed { Ok(Some(0)) } else { chain.forget(&folder).map(|()| None) };
        };
        let (source, instance, chain) = (self.open_source(server).await?, Arc::clone(&self.instance), chain.clone());
        crate::blocking(move |context| {
            let following = chain.following(source.as_ref(), &instance);
            let held = match following.held_bytes(context) {
                Err(error) if !is_followed && error.code() == Code::DatabaseGone => None,
                held => held?,
            };
            if is_followed && held.unwrap_or(0) <= HELD_LIMIT_BYTES {
                return Ok(Some(held.unwrap_or(0)));
            }
            tracing::info!(database = chain.database, held, is_followed, "a chain is forgotten");
            following.release(context)?;
            // With its state it would look as if it could go on.
            chain.forget(&folder)?;
            Ok(None)
        })
        .await
    }
}
