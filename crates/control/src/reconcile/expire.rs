//! Lets chains go that no rule keeps: of a database after each of its backups, and of everything once a day.

use crate::{
    Control,
    cause::Cause,
    retention::{Asked, Errand, Scope},
};
use domain::{Code, DestinationId, Result, ServerId, display, view::retention::Freed};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeSet;

/// How often everything is looked at.
const WHOLE: SignedDuration = SignedDuration::from_hours(24);

impl Control {
    pub(crate) async fn expire_due(&self, now: Timestamp) -> Result<String> {
        let asked = self.underway.retention.take();
        let looks = self.catalog.expiries().await?;
        let (mut freed, mut failed) = (Freed::default(), None);
        let places = self.places_with_a_rule().await?;
        for &(server, destination) in &places {
            let last =
                looks.iter().find(|look| look.server == server && look.destination == destination).filter(|look| look.error.is_none());
            let is_due = last.and_then(|look| look.done_at).is_none_or(|last| now.duration_since(last) >= WHOLE);
            let of_place: Vec<_> = asked.iter().filter(|asked| (asked.server, asked.destination) == (server, destination)).collect();
            match self.expire_place(server, destination, is_due, &of_place).await {
                Ok(more) => freed += more,
                // The server or the destination was removed meanwhile.
                Err(error) if error.code() == Code::NotFound => {}
                Err(error) => {
                    of_place.into_iter().for_each(|asked| self.underway.retention.ask(asked.clone()));
                    failed = Some(error);
                }
            }
        }
        match failed {
            Some(error) => Err(error),
            None if places.is_empty() => Ok("No task has a rule.".into()),
            None => Ok(freed.in_words()),
        }
    }

    /// Where tasks that are not paused have a rule.
    async fn places_with_a_rule(&self) -> Result<BTreeSet<(ServerId, DestinationId)>> {
        let tasks = self.catalog.tasks().await?;
        let with_rule = tasks.iter().filter(|record| record.enabled && record.task.retention.is_some());
        Ok(with_rule.flat_map(|record| record.task.servers.iter().map(|server| (*server, record.task.destination))).collect())
    }

    async fn expire_place(&self, server: ServerId, destination: DestinationId, is_due: bool, asked: &[&Asked]) -> Result<Freed> {
        if !is_due && asked.is_empty() {
            return Ok(Freed::default());
        }
        let scope = Scope::of(self, server, destination).await?;
        let mut freed = Freed::default();
        for asked in asked {
            let (cause, mut of_one) = (Cause::console("After a new backup."), Freed::default());
            let done = self.expire(&Errand { scope: &scope, cause: &cause, only: None }, &asked.database, &mut of_one).await;
            if of_one.chains > 0 {
                let said = format!("Retention: {}", display::lower(&of_one.in_words()));
                self.log(asked.round, None, &asked.database, &cause.saying(said, false)).await;
            }
            freed += of_one;
            if let Err(error) = done {
                self.write_look(&scope, freed, Some(&error)).await?;
                return Err(error);
            }
        }
        if is_due {
            freed += self.expire_all(&scope, &Cause::console("By the rules of its tasks.")).await?;
        }
        Ok(freed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{self, at};
    use catalog::ExpiryRecord;

    #[tokio::test]
    async fn everything_is_looked_at_again_after_a_day_and_not_before() {
        let (control, _folder) = fixture::console().await;
        let mut task = fixture::task();
        task.task.retention = Some("days=30".parse().unwrap());
        fixture::add_task(&control, &task).await;
        let (server, destination, done_at) = (task.task.servers[0], task.task.destination, Some(at("02:00:00")));
        let last = ExpiryRecord { server, destination, tried_at: at("02:00:00"), done_at, chains: 0, size_bytes: 0, error: None };
        control.catalog.set_expiry(&last).await.unwrap();
        let look_at = async |now: Timestamp| {
            control.expire_due(now).await.unwrap();
            control.catalog.expiries().await.unwrap().remove(0)
        };
        let a_day_later = at("02:00:00") + SignedDuration::from_hours(24);
        assert_eq!(look_at(a_day_later - SignedDuration::from_secs(1)).await, last);
        let again = look_at(a_day_later).await;
        assert!(again.tried_at > last.tried_at && again.done_at > last.done_at && again.error.is_none(), "{again:?}");
        // One that failed is tried again at the next look.
        let failed = ExpiryRecord { error: Some(domain::Error::cancelled().told().clone()), ..last };
        control.catalog.set_expiry(&failed).await.unwrap();
        assert!(look_at(at("02:00:01")).await.error.is_none());
    }
}
