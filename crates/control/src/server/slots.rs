//! What a server keeps for chains: shown with whom it is kept for, and dropped by hand.

use super::{ensure_typed, for_console};
use crate::{
    Administer, Control, Permit, View,
    execute::told,
    reconcile::chains::{Followers, is_at_work},
};
use catalog::ServerRecord;
use domain::{
    Code, Error, Result, RunState, ServerId,
    view::slot::{SlotLine, SlotOwner, SlotState, SlotsView},
};
use engine::{A_LOOK, KeptChain};
use jiff::Timestamp;
use source::{Slot, Source};
use std::{sync::Arc, time::Duration};

/// A page does not wait longer for a server.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is needed to tell for whom a slot is kept.
struct Asked {
    source: Arc<dyn Source>,
    chains: Vec<KeptChain>,
    followers: Followers,
    instance: String,
}

impl Control {
    /// The replication slots of ours on a server, asked for now. That it cannot be asked is no error of this, it is in the answer.
    ///
    /// # Errors
    /// [`Code::NotFound`].
    pub async fn slots(&self, _: &Permit<View>, id: ServerId) -> Result<SlotsView> {
        let server = self.catalog.server(id).await?;
        let (slots, error) = match self.slot_lines(&server).await {
            Ok(slots) => (slots, None),
            Err(error) => (vec![], Some(told(&error))),
        };
        Ok(SlotsView { slots, error, limit_bytes: server.server.held_limit_bytes(), now: Timestamp::now() })
    }

    /// Drops a slot of this installation for good. The next backup of its chain is a full one, and says why.
    ///
    /// # Errors
    /// [`Code::NotFound`] if it is gone; [`Code::Invalid`] at the field `typed_name`; [`Code::Busy`] while a backup needs it;
    /// [`Code::Forbidden`] for one of another installation.
    pub async fn drop_slot(&self, permit: &Permit<Administer>, id: ServerId, name: &str, typed_name: &str) -> Result<()> {
        let server = self.catalog.server(id).await?;
        let asked = self.ask(&server).await?;
        let slot = asked.slots().await.map_err(for_console)?.into_iter().find(|slot| slot.name == name).ok_or_else(|| {
            Error::new(
                Code::NotFound,
                format!("There is no replication slot {name:?} any more."),
                "Load the page again to see what there is.",
            )
        })?;
        ensure_typed(typed_name, &slot.database)?;
        if !slot.is_of(&asked.instance) {
            let sentence = "The slot belongs to another installation of Rookery.";
            return Err(Error::new(Code::Forbidden, sentence, "Drop it there, or with pg_drop_replication_slot on the server."));
        }
        if slot.is_active || is_at_work(&self.catalog.running_runs().await?, Some(&server), &slot.database) {
            let sentence = format!("A backup of {:?} is under way.", slot.database);
            return Err(Error::new(Code::Busy, sentence, "Wait until it has ended, or abort it first."));
        }
        let said = format!("{name} on {}; it kept {}.", server.server.name, domain::display::size(slot.held_bytes));
        self.catalog.append_audit(&permit.audit("slot dropped", &slot.database, Some(page(id)), said)).await?;
        let why = format!("Its replication slot was dropped by {}.", permit.actor().name());
        let (folder, name) = (self.chains(), slot.name.clone());
        let instance = Arc::clone(&self.instance);
        crate::blocking(move |context| {
            let is_its = |chain: &&KeptChain| chain.following(asked.source.as_ref(), &instance).owns(&name);
            let hold = |chain: &KeptChain| chain.hold(&folder, A_LOOK, context);
            let held = asked.chains.iter().filter(is_its).map(hold).collect::<Result<Vec<_>>>()?;
            asked.source.drop_slot(&name, context)?;
            held.into_iter().try_for_each(|chain| chain.give_up(&why))
        })
        .await
        .map_err(for_console)
    }

    async fn ask(&self, server: &ServerRecord) -> Result<Asked> {
        Ok(Asked {
            source: self.open_source(server).await?,
            chains: self.kept_chains().await?,
            followers: Followers::of(self).await?,
            instance: self.instance.fingerprint().to_string(),
        })
    }

    async fn slot_lines(&self, server: &ServerRecord) -> Result<Vec<SlotLine>> {
        let asked = self.ask(server).await?;
        let mut lines = vec![];
        for slot in asked.slots().await? {
            let chain = asked.chains.iter().find(|chain| chain.following(asked.source.as_ref(), &self.instance).owns(&slot.name));
            let task = chain.and_then(|chain| asked.followers.task(chain));
            let owner = match (chain, task) {
                _ if !slot.is_of(&asked.instance) => SlotOwner::Other,
                (None, _) => SlotOwner::Unknown,
                (Some(_), Some(task)) => SlotOwner::Task { id: task.id, name: task.task.name.clone() },
                (Some(KeptChain { task: None, .. }), None) => SlotOwner::CommandLine,
                (Some(_), None) => SlotOwner::Nobody,
            };
            let last_read = match task {
                Some(task) => {
                    let newest = self.catalog.newest_backup_run_to(server.id, &slot.database, task.task.destination).await?;
                    newest.filter(|run| run.state == RunState::Succeeded).and_then(|run| run.ended_at)
                }
                None => None,
            };
            let state = state(&slot);
            lines.push(SlotLine { name: slot.name, database: slot.database, owner, held_bytes: slot.held_bytes, state, last_read });
        }
        lines.sort_by(|a, b| (&a.database, &a.name).cmp(&(&b.database, &b.name)));
        Ok(lines)
    }
}

impl Asked {
    async fn slots(&self) -> Result<Vec<Slot>> {
        let source = Arc::clone(&self.source);
        let asked = crate::blocking(move |context| source.slots(context));
        tokio::time::timeout(PATIENCE, asked).await.unwrap_or_else(|_| {
            Err(Error::new(Code::Silent, "The server does not answer in time.", "Try again, or look at the server's connection."))
        })
    }
}

fn state(slot: &Slot) -> SlotState {
    match slot {
        Slot { is_lost: true, .. } => SlotState::Lost,
        Slot { is_active: true, .. } => SlotState::Active,
        Slot { is_at_risk: true, .. } => SlotState::AtRisk,
        _ => SlotState::Reserved,
    }
}

fn page(id: ServerId) -> String {
    format!("/servers/{id}/slots")
}
