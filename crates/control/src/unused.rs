//! Whether a server or a destination can be removed: nothing of it may be under way. That runs wait or work is seen by the
//! catalog itself; a round that still prepares has none yet.

use crate::Control;
use catalog::RoundRecord;
use domain::{Code, DestinationId, Error, Result, ServerId};

impl Control {
    /// An error while a round of the server is under way.
    pub(crate) async fn ensure_unused_server(&self, id: ServerId) -> Result<()> {
        self.ensure_no_round("server", |round| round.server == id).await
    }

    /// An error while a round that writes to the destination is under way.
    pub(crate) async fn ensure_unused_destination(&self, id: DestinationId) -> Result<()> {
        self.ensure_no_round("destination", |round| round.destination == id).await
    }

    async fn ensure_no_round(&self, what: &str, uses: impl Fn(&RoundRecord) -> bool) -> Result<()> {
        match self.catalog.open_rounds().await?.iter().find(|round| uses(round)) {
            None => Ok(()),
            Some(round) => Err(Error::new(
                Code::Busy,
                format!("A round of {:?} that uses this {what} is still under way.", round.task_name),
                "Wait until it has ended, or abort it.",
            )),
        }
    }
}
