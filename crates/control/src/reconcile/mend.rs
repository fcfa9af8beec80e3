//! Mends what was cut off: by a crash of the process, seen at its next start, or by the death of a single task of ours.
//!
//! The catalog may say that a run works, and nothing of it does: it was interrupted. Backups and verifications are queued
//! again, a restore is for a person to decide. The line in memory gets what only the catalog has, and rounds follow.

use crate::{
    Control,
    cause::Cause,
    execute::{INTERRUPTED, interrupted, may_resume},
};
use catalog::RunRecord;
use domain::{Code, Result, RunKind, RunState};
use jiff::Timestamp;

impl Control {
    pub(crate) async fn mend(&self) -> Result<String> {
        let mut mended = 0;
        for run in self.catalog.running_runs().await?.iter().filter(|run| !self.underway.works(run.id)) {
            mended += u64::from(self.interrupt(run).await?);
        }
        for round in self.catalog.open_rounds().await? {
            let runs = self.catalog.runs_of_round(round.id).await?;
            for run in runs.iter().filter(|run| run.state == RunState::Interrupted && may_resume(run.attempt)) {
                self.resume(run).await?;
            }
        }
        let queued = self.catalog.queued_runs().await?;
        self.underway.add_missing(&queued);
        // A round that has ended goes on if one of its runs waits again.
        let mut rounds: Vec<_> = queued.iter().filter_map(|run| run.round).collect();
        rounds.sort();
        rounds.dedup();
        for round in rounds {
            self.settle(round).await?;
        }
        Ok(match mended {
            0 => "Nothing was cut off.".into(),
            1 => "One run that was cut off was mended.".into(),
            several => format!("{several} runs that were cut off were mended."),
        })
    }

    /// Marks a run that does not work any more. It may have ended while we looked; then it is let be.
    async fn interrupt(&self, run: &RunRecord) -> Result<bool> {
        let cause = Cause::console(String::new()).saying(INTERRUPTED, true);
        let cut_off = |run: &mut RunRecord| {
            (run.ended_at, run.error) = (Some(Timestamp::now()), Some(interrupted(run.kind)));
        };
        let changed = match self.change_alone(run, RunState::Interrupted, &cause, cut_off).await {
            Err(error) if matches!(error.code(), Code::Conflict | Code::NotFound) => return Ok(false),
            changed => changed?,
        };
        if changed.kind == RunKind::Verify && may_resume(changed.attempt) {
            self.resume(&changed).await?;
        }
        Ok(true)
    }

    async fn resume(&self, run: &RunRecord) -> Result<()> {
        let again = |run: &mut RunRecord| {
            (run.attempt, run.ended_at, run.retry_at) = (run.attempt + 1, None, None);
        };
        match self.change_alone(run, RunState::Queued, &Cause::console("Queued again after it was cut off."), again).await {
            Err(error) if matches!(error.code(), Code::Conflict | Code::NotFound) => Ok(()),
            changed => changed.map(drop),
        }
    }
}
