//! Whether a server or a destination can be removed: nothing of it may be under way. That runs wait or work is seen by the
//! catalog itself; a round that still prepares has none yet.

use crate::Control;
use catalog::RoundRecord;
use domain::{Code, DestinationId, Error, Result, ServerId};

impl Control {
    /// An error while a task covers the server, or a round of it is under way.
    pub(crate) async fn ensure_unused_server(&self, id: ServerId) -> Result<()> {
        let tasks: Vec<_> = self.catalog.tasks_of(id).await?.into_iter().map(|task| format!("{:?}", task.task.name)).collect();
        match tasks.as_slice() {
            [] => self.ensure_no_round("server", |round| round.server(id).is_some()).await,
            tasks => Err(Error::new(
                Code::Busy,
                format!("Tasks still cover this server: {}.", tasks.join(", ")),
                "Take the server out of each, or delete the task first.",
            )),
        }
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
