//! Gives free places to the runs that wait.

use super::Piece;
use crate::{
    Control,
    queue::{Limits, cores},
    run::carried_through,
    underway::Nudge,
};
use domain::Result;
use jiff::Timestamp;
use std::time::{Duration, Instant};

impl Control {
    pub(super) fn spawn_queue(&self) {
        let control = self.clone();
        tokio::spawn(async move {
            while !control.underway.stopping.is_cancelled() {
                let began = Instant::now();
                let work = control.clone();
                let outcome = carried_through(async move { work.dispatch(Timestamp::now()).await }).await;
                control.underway.background.note(Piece::Queue, began, outcome);
                let until = control.underway.next_attempt(Timestamp::now()).map(|at| until(at, Timestamp::now()));
                let pause = Piece::Queue.pause();
                control.wait(Some(Nudge::Queue), until.unwrap_or(pause).min(pause)).await;
            }
        });
    }

    async fn dispatch(&self, now: Timestamp) -> Result<String> {
        let limits = self.limits().await;
        if let Ok(limits) = &limits {
            self.underway.limit(limits.clone());
        }
        self.take_places(now).into_iter().for_each(|place| self.begin(place));
        limits?;
        let (wait, work) = self.underway.counts();
        Ok(match (work, wait) {
            (0, 0) => "Nothing waits and nothing works.".into(),
            (1, wait) => format!("One run works, {wait} wait."),
            (work, wait) => format!("{work} runs work, {wait} wait."),
        })
    }

    async fn limits(&self) -> Result<Limits> {
        let total = self.catalog.setting("jobs").await?.and_then(|text| text.trim().parse().ok());
        let servers = self.catalog.servers().await?;
        let servers = servers.iter().filter_map(|server| Some((server.id, usize::from(server.jobs?)))).collect();
        Ok(Limits::new(cores(), total, servers))
    }
}

/// How long it is until then, a little rounded up so that it has come for sure.
pub(super) fn until(at: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(at.duration_since(now)).unwrap_or_default() + Duration::from_millis(1)
}
