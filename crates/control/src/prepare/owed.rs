//! Which databases an incremental round backs up in full, because the full backup before it failed for good.

use crate::Control;
use catalog::RoundRecord;
use domain::{BackupKind, Origin, Result, RunState, ServerId};

/// Databases of a server that are owed a full backup.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Owed {
    All,
    Of(Vec<String>),
}

impl Owed {
    pub fn has(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Of(names) => names.iter().any(|owed| owed == name),
        }
    }
}

impl Control {
    /// What is owed to a server at a round: once, at the next time, so that a full backup that fails again and again does not keep
    /// the incrementals from being made that still can be.
    pub(super) async fn owed(&self, round: &RoundRecord, server: ServerId) -> Result<Owed> {
        let nothing = Owed::Of(vec![]);
        let Some(task) = round.task.filter(|_| round.wanted == BackupKind::Incremental && is_of_schedule(round)) else {
            return Ok(nothing);
        };
        let before = self.catalog.last_round_beside(task, round.id).await?;
        let Some(full) = before.filter(|before| before.wanted == BackupKind::Full && is_of_schedule(before)) else {
            return Ok(nothing);
        };
        // One that could not be looked at is owed all of them.
        if full.server(server).is_some_and(|one| one.state == RunState::Failed) {
            return Ok(Owed::All);
        }
        let mut failed = self.catalog.runs_of_round(full.id).await?;
        failed.retain(|run| run.server == Some(server) && run.state == RunState::Failed);
        Ok(Owed::Of(failed.into_iter().map(|run| run.database).collect()))
    }
}

/// Whether a round is one of all databases that the schedule began.
fn is_of_schedule(round: &RoundRecord) -> bool {
    round.only_database.is_none() && round.origin != Origin::User
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cause::Cause,
        fixture::{self, at},
    };
    use catalog::{RoundServerRecord, RunRecord};
    use domain::RoundState;

    #[tokio::test]
    async fn a_full_backup_that_failed_is_owed_once_by_those_databases_alone() {
        let (control, _folder) = fixture::console().await;
        let task = fixture::task();
        fixture::add_task(&control, &task).await;
        let round =
            |hour: &str, wanted, state| RoundRecord { wanted, began_at: at(hour), due_at: at(hour), ..fixture::round(&task, state) };
        let run = |round: &RoundRecord, name: &str, state| RunRecord { round: Some(round.id), state, ..fixture::run(name) };
        let server = task.task.servers[0];
        let owed = async |round: &RoundRecord| control.owed(round, server).await.unwrap();
        let add = async |round: &RoundRecord, runs: Vec<RunRecord>| {
            control.begin_round(round.clone(), &Cause::console("")).await.unwrap();
            let runs = runs.into_iter().map(|run| RunRecord { server: Some(server), ..run }).collect();
            control.queue_runs(runs, "backups queued", String::new(), String::new(), &Cause::console("")).await.unwrap();
        };
        let full = round("02:00:00", BackupKind::Full, RoundState::Partly);
        let next = round("03:00:00", BackupKind::Incremental, RoundState::Partly);
        assert_eq!(owed(&next).await, Owed::Of(vec![]));
        let states = [("blog", RunState::Succeeded), ("shop", RunState::Failed), ("till", RunState::Aborted)];
        add(&full, states.map(|(name, state)| run(&full, name, state)).into()).await;
        // However many times were skipped since.
        for minute in 10..50 {
            add(&round(&format!("02:{minute}:00"), BackupKind::Incremental, RoundState::Skipped), vec![]).await;
        }
        assert_eq!(owed(&next).await, Owed::Of(vec!["shop".into()]));
        // A database of the same name on another server is not meant.
        assert_eq!(control.owed(&next, fixture::server()).await.unwrap(), Owed::Of(vec![]));
        // Whoever asks for an incremental gets one.
        assert_eq!(owed(&RoundRecord { origin: Origin::User, ..next.clone() }).await, Owed::Of(vec![]));

        // It fails once more: the one after it is an incremental again.
        add(&next, vec![run(&next, "blog", RunState::Succeeded), run(&next, "shop", RunState::Failed)]).await;
        assert_eq!(owed(&round("04:00:00", BackupKind::Incremental, RoundState::Preparing)).await, Owed::Of(vec![]));
        // One that never got as far as its databases is owed by all of them.
        let mut failed = round("05:00:00", BackupKind::Full, RoundState::Failed);
        failed.servers = vec![RoundServerRecord { state: RunState::Failed, ..RoundServerRecord::new(server) }];
        add(&failed, vec![]).await;
        assert_eq!(owed(&round("06:00:00", BackupKind::Incremental, RoundState::Preparing)).await, Owed::All);
    }
}
