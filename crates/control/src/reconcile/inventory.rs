//! Reads every repository into the catalog: that is how backups of the command line are seen, and how it is noticed that
//! some vanished.

use super::Piece;
use crate::{Control, backup::adopt_faults, run::carried_through, shelf, underway::Nudge};
use catalog::DestinationRecord;
use domain::{Code, DestinationId, Result};
use jiff::Timestamp;
use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

/// How often every manifest is read again that is known to be good.
const WHOLE: Duration = Duration::from_secs(24 * 3600);

/// Reading may take this part of the time at most, however often rounds end.
pub(super) const SHARE: u32 = 10;

impl Control {
    pub(super) fn spawn_inventory(&self) {
        let control = self.clone();
        tokio::spawn(async move {
            let mut whole: HashMap<DestinationId, Instant> = HashMap::new();
            while !control.underway.stopping.is_cancelled() {
                let began = Instant::now();
                let (work, mut read) = (control.clone(), whole.clone());
                let outcome = carried_through(async move { Ok((work.take_inventories(&mut read).await?, read)) }).await;
                let outcome = outcome.map(|(said, read)| {
                    whole = read;
                    said
                });
                control.underway.background.note(Piece::Inventory, began, outcome);
                control.underway.changed();
                control.pause(began.elapsed() * SHARE).await;
                control.wait(Some(Nudge::Inventory), Piece::Inventory.pause()).await;
            }
        });
    }

    async fn take_inventories(&self, whole: &mut HashMap<DestinationId, Instant>) -> Result<String> {
        let destinations = self.catalog.destinations().await?;
        let mut failed = 0;
        for destination in &destinations {
            let is_whole = whole.get(&destination.id).is_none_or(|at| at.elapsed() > WHOLE);
            match self.take_inventory(destination, is_whole).await {
                Ok(()) if is_whole => drop(whole.insert(destination.id, Instant::now())),
                Ok(()) => {}
                Err(error) => {
                    tracing::warn!(destination = destination.name, ?error, "a destination could not be read");
                    failed += 1;
                }
            }
        }
        Ok(match (destinations.len(), failed) {
            (0, _) => "There is no destination yet.".into(),
            (1, 0) => "The destination was read.".into(),
            (1, _) => "The destination could not be read; it says why.".into(),
            (all, 0) => format!("All {all} destinations were read."),
            (all, failed) => format!("{failed} of {all} destinations could not be read; the destinations say why."),
        })
    }

    /// Reads one destination's repository, `whole` or only what is not known yet, and writes down how that went.
    pub(crate) async fn take_inventory(&self, destination: &DestinationRecord, whole: bool) -> Result<()> {
        let began = Timestamp::now();
        let read = self.read_shelf(destination, whole, began).await;
        let told = read.as_ref().err().map(crate::execute::told);
        match self.catalog.set_read(destination, Timestamp::now(), told.as_ref()).await {
            // It was removed meanwhile, or is at another place.
            Err(error) if error.code() == Code::NotFound => return Ok(()),
            written => written?,
        }
        read
    }

    async fn read_shelf(&self, destination: &DestinationRecord, whole: bool, began: Timestamp) -> Result<()> {
        let known = self.catalog.backups_of(destination.id, None).await?;
        let mut found = match self.open_known(destination).await? {
            Some(repository) => shelf::read(&repository, destination.id, &self.trust(), if whole { &[] } else { &known }).await?,
            None => vec![],
        };
        adopt_faults(&mut found, &known);
        shelf::suspect(&mut found);
        self.catalog.replace_backups(destination, &found, began).await
    }
}
