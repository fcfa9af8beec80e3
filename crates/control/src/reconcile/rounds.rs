//! Rounds that are open: servers that wait for a look are looked at, those whose runs have all ended end.

use crate::Control;
use domain::{Result, RoundState};
use jiff::Timestamp;

impl Control {
    pub(crate) async fn reconcile_rounds(&self) -> Result<String> {
        let (now, rounds) = (Timestamp::now(), self.catalog.open_rounds().await?);
        for round in &rounds {
            if round.waiting().next().is_some() && round.retry_at.is_none_or(|at| at <= now) {
                self.begin_preparing(round.id);
            }
            if round.state == RoundState::Running {
                self.settle(round.id).await?;
            }
        }
        Ok(match rounds.len() {
            0 => "No round is under way.".into(),
            1 => "One round is under way.".into(),
            several => format!("{several} rounds are under way."),
        })
    }
}
