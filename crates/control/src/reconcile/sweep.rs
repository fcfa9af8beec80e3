//! Clears what is old: sessions that are over, logs that nobody reads any more.

use crate::{
    Control,
    people::{IDLE, LONGEST},
};
use domain::Result;
use jiff::{SignedDuration, Timestamp};

/// How long the logs of runs are kept. What became of a run is kept for good.
const LOGS: SignedDuration = SignedDuration::from_hours(24 * 90);

/// How long it is kept what retention deleted. The audit log tells of it for good.
const EXPIRED: SignedDuration = SignedDuration::from_hours(24 * 400);

impl Control {
    pub(crate) async fn sweep_old(&self, now: Timestamp) -> Result<String> {
        let before = |age: SignedDuration| now.checked_sub(age).unwrap_or(Timestamp::MIN);
        let sessions = self.catalog.delete_idle_sessions(before(IDLE), before(LONGEST)).await?;
        let lines = self.catalog.delete_logs_before(before(LOGS)).await?;
        let expired = self.catalog.delete_expired_before(before(EXPIRED)).await?;
        Ok(format!("{sessions} sessions and {} lines of logs were cleared.", lines + expired))
    }
}
