//! The life of runs and rounds.

use serde::{Deserialize, Serialize};

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$variant_doc])* $variant,)* }

        impl $name {
            /// Every value.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The word that is stored and shown.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// The value of a stored word.
            #[must_use]
            pub fn from_word(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| value.as_str() == word)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

words! {
    /// What a run does.
    RunKind {
        /// Makes a backup.
        Backup = "backup",
        /// Makes a new database from a backup.
        Restore = "restore",
        /// Reads a backup back and proves it.
        Verify = "verify",
    }
}

words! {
    /// Where a run is in its life.
    RunState {
        /// Waits for a place, or for the time of its next attempt.
        Queued = "queued",
        /// Works.
        Running = "running",
        /// Did what it was for.
        Succeeded = "succeeded",
        /// Did not, and will not be tried again by itself.
        Failed = "failed",
        /// Stopped by somebody.
        Aborted = "aborted",
        /// Cut off by the end of the console's process.
        Interrupted = "interrupted",
    }
}

words! {
    /// Where a round is in its life.
    RoundState {
        /// Finds out which databases there are.
        Preparing = "preparing",
        /// Has runs that have not ended.
        Running = "running",
        /// Every run of every server succeeded.
        Succeeded = "succeeded",
        /// Some runs succeeded; others did not, or some server could not be looked at.
        Partly = "partly",
        /// No run succeeded.
        Failed = "failed",
        /// Stopped by somebody.
        Aborted = "aborted",
        /// Did not take place: the one before it was still under way, or its time was missed and is not made up for.
        Skipped = "skipped",
    }
}

words! {
    /// Who or what started a round or a run.
    Origin {
        /// The task's schedule.
        Schedule = "schedule",
        /// The task's schedule, at a time when the console did not run.
        CatchUp = "catch-up",
        /// A user.
        User = "user",
    }
}

/// What can be asked of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunAction {
    /// Stop it.
    Abort,
    /// Do the same again.
    Retry,
    /// Let it wait until later.
    Delay,
}

impl RunKind {
    /// Whether the action is possible with a run of this kind at all, or in words why not.
    ///
    /// # Errors
    /// The reason, a sentence.
    pub fn allows(self, action: RunAction) -> Result<(), &'static str> {
        match (action, self) {
            (RunAction::Delay, Self::Restore | Self::Verify) => Err("Only backups can be put off."),
            (RunAction::Abort | RunAction::Retry | RunAction::Delay, _) => Ok(()),
        }
    }
}

impl RunState {
    /// Whether nothing will happen to the run any more.
    #[must_use]
    pub fn has_ended(self) -> bool {
        !matches!(self, Self::Queued | Self::Running)
    }

    /// Whether the action is possible, or in words why not. The screen shows the reason; the console enforces the same.
    ///
    /// # Errors
    /// The reason, a sentence.
    pub fn allows(self, action: RunAction) -> Result<(), &'static str> {
        match (action, self) {
            (RunAction::Abort | RunAction::Delay, Self::Queued | Self::Running) => Ok(()),
            (RunAction::Abort | RunAction::Delay, _) => Err("It has ended already."),
            (RunAction::Retry, Self::Failed | Self::Aborted | Self::Interrupted) => Ok(()),
            (RunAction::Retry, Self::Succeeded) => Err("It succeeded."),
            (RunAction::Retry, _) => Err("It has not ended yet."),
        }
    }

    /// Whether one state may follow another.
    #[must_use]
    pub fn may_become(self, next: Self) -> bool {
        use RunState::{Aborted, Failed, Interrupted, Queued, Running, Succeeded};
        matches!(
            (self, next),
            (Queued, Queued | Running | Aborted | Failed)
                | (Running, Queued | Succeeded | Failed | Aborted | Interrupted)
                | (Failed | Aborted | Interrupted, Queued)
        )
    }
}

impl RoundState {
    /// What a round is when its runs are in these states, and its servers that were not looked at for their databases.
    #[must_use]
    pub fn of(runs: &[RunState]) -> Self {
        let count = |state: RunState| runs.iter().filter(|run| **run == state).count();
        let good = count(RunState::Succeeded);
        if runs.iter().any(|run| !run.has_ended()) {
            Self::Running
        } else if good == runs.len() {
            Self::Succeeded
        } else if good > 0 {
            Self::Partly
        } else if count(RunState::Aborted) == runs.len() {
            Self::Aborted
        } else {
            Self::Failed
        }
    }

    /// Whether nothing will happen to the round any more by itself.
    #[must_use]
    pub fn has_ended(self) -> bool {
        !matches!(self, Self::Preparing | Self::Running)
    }
}

/// Minutes between one attempt of a run and the next; after the last one it has failed.
pub const RETRY_AFTER_MINUTES: [i64; 3] = [1, 5, 15];

/// Longest time that something can be put off for at once, in minutes: a week.
pub const LONGEST_DELAY_MINUTES: u32 = 7 * 24 * 60;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_is_what_its_runs_are() {
        use RunState::{Aborted, Failed, Queued, Succeeded};
        for (runs, state) in [
            (&[] as &[RunState], RoundState::Succeeded),
            (&[Succeeded, Succeeded], RoundState::Succeeded),
            (&[Succeeded, Failed], RoundState::Partly),
            (&[Succeeded, Aborted], RoundState::Partly),
            (&[Failed, Aborted], RoundState::Failed),
            (&[Aborted, Aborted], RoundState::Aborted),
            (&[Succeeded, Failed, Queued], RoundState::Running),
        ] {
            assert_eq!(RoundState::of(runs), state, "{runs:?}");
        }
    }

    #[test]
    fn what_is_allowed_is_what_can_follow() {
        for &state in RunState::ALL {
            assert_eq!(state.allows(RunAction::Abort).is_ok(), !state.has_ended());
            assert_eq!(state.allows(RunAction::Retry).is_ok(), state.has_ended() && state.may_become(RunState::Queued));
            assert_eq!(RunState::from_word(state.as_str()), Some(state));
        }
        let later: Vec<_> = RunKind::ALL.iter().filter(|kind| kind.allows(RunAction::Delay).is_ok()).collect();
        assert_eq!(later, [&RunKind::Backup]);
    }
}
