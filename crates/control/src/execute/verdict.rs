//! What becomes of a run that has come to an end.

use super::Done;
use crate::underway::Ending;
use domain::{Code, Error, RunKind, RunState, Told, run::RETRY_AFTER_MINUTES};
use jiff::{SignedDuration, Timestamp};

/// The next state of a run, and what is told of it.
#[derive(Debug, PartialEq)]
pub(crate) struct Verdict {
    pub state: RunState,
    /// When it is tried again, if it is.
    pub retry_at: Option<Timestamp>,
    pub error: Option<Told>,
    /// What happened, a sentence.
    pub said: String,
    pub bad: bool,
}

/// When the attempt after this one is made, if there is to be one: not after the last, and not when the next round is due
/// before it.
pub(crate) fn retry_at(attempt: u32, now: Timestamp, next_due: Option<Timestamp>) -> Option<Timestamp> {
    let minutes = RETRY_AFTER_MINUTES.get(usize::try_from(attempt.saturating_sub(1)).ok()?)?;
    let at = now.checked_add(SignedDuration::from_mins(*minutes)).ok()?;
    next_due.is_none_or(|due| at < due).then_some(at)
}

/// Whether a run that was cut off by the end of the console is tried again: it may have been the reason of that end.
pub(crate) fn may_resume(attempt: u32) -> bool {
    usize::try_from(attempt).is_ok_and(|attempt| attempt <= RETRY_AFTER_MINUTES.len())
}

/// Judges a run: what came out of it, whether it was asked to end, and when its task is due next.
pub(crate) fn verdict(
    kind: RunKind,
    attempt: u32,
    outcome: &Result<Done, Error>,
    ending: Option<&Ending>,
    next_due: Option<Timestamp>,
    now: Timestamp,
) -> Verdict {
    let ended = |state, error, said: String, bad| Verdict { state, retry_at: None, error, said, bad };
    let error = match (outcome, ending) {
        // Done is done, even if somebody wanted to stop it just before.
        (Ok(done), _) => match &done.error {
            None => return ended(RunState::Succeeded, None, done.said.clone(), false),
            Some(error) => error,
        },
        (Err(_), Some(Ending::Abort(cause))) => return ended(RunState::Aborted, None, cause.said.clone(), false),
        (Err(_), Some(Ending::Delay(cause, until))) => {
            return Verdict { retry_at: Some(*until), ..ended(RunState::Queued, None, cause.said.clone(), false) };
        }
        (Err(_), Some(Ending::Stop)) => return ended(RunState::Interrupted, Some(interrupted(kind)), INTERRUPTED.into(), true),
        (Err(error), None) => error,
    };
    let told = told(error);
    let said = format!("{} {}", told.sentence, told.next_step);
    let again = retry_at(attempt, now, next_due).filter(|_| kind == RunKind::Backup && error.code().is_transient());
    match again {
        Some(at) => {
            let wait = at.duration_since(now).as_secs() / 60;
            let minutes = if wait == 1 { "one minute".into() } else { format!("{wait} minutes") };
            let said = format!("Attempt {attempt}: {} It will be tried again in {minutes}.", told.sentence);
            Verdict { state: RunState::Queued, retry_at: again, error: Some(told), said, bad: true }
        }
        None => ended(RunState::Failed, Some(told), said, true),
    }
}

/// What is said of a run that was cut off.
pub(crate) const INTERRUPTED: &str = "The console was stopped in the middle of it.";

/// Why a run was cut off, and what to do.
pub(crate) fn interrupted(kind: RunKind) -> Told {
    let next_step = match kind {
        RunKind::Backup => "It is tried again by itself; if it is not, choose to try the failed ones again.",
        RunKind::Restore => "Nothing half-made was kept. Start the restore again.",
        RunKind::Verify => "Start the verification again.",
    };
    Error::new(Code::Interrupted, INTERRUPTED, next_step).told().clone()
}

/// What a person is told of an error, with next steps that can be taken in the console.
pub(crate) fn told(error: &Error) -> Told {
    let told = crate::server::for_console(error.told().clone().into()).told().clone();
    if told.code != Code::UnknownInstance {
        return told;
    }
    let next_step = "If you know that it is yours, compare the fingerprint with that on its recovery sheet or settings page, and accept it in the settings.";
    Told { next_step: next_step.into(), ..told }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{cause::Cause, fixture::at};

    fn judged(kind: RunKind, attempt: u32, error: Code, ending: Option<&Ending>, next_due: Option<Timestamp>) -> Verdict {
        verdict(kind, attempt, &Err(Error::new(error, "It broke.", "Mend it.")), ending, next_due, at("02:00:00"))
    }

    #[test]
    fn what_may_pass_is_tried_again_after_1_5_and_15_minutes() {
        let after = |attempt| judged(RunKind::Backup, attempt, Code::Unreachable, None, None);
        let times: Vec<_> = (1..=4).map(|attempt| after(attempt).retry_at).collect();
        assert_eq!(times, [Some(at("02:01:00")), Some(at("02:05:00")), Some(at("02:15:00")), None]);
        assert_eq!((after(1).state, after(4).state), (RunState::Queued, RunState::Failed));
        assert_eq!(after(1).said, "Attempt 1: It broke. It will be tried again in one minute.");
        assert_eq!(after(1).error.map(|told| told.code), Some(Code::Unreachable));
    }

    #[test]
    fn nothing_is_tried_again_that_the_next_round_would_overtake_or_that_cannot_pass() {
        let soon = judged(RunKind::Backup, 2, Code::Unreachable, None, Some(at("02:05:00")));
        assert_eq!((soon.state, soon.retry_at), (RunState::Failed, None));
        assert_eq!(judged(RunKind::Backup, 1, Code::Privilege, None, None).state, RunState::Failed);
        assert_eq!(judged(RunKind::Restore, 1, Code::Unreachable, None, None).state, RunState::Failed);
        assert_eq!(judged(RunKind::Backup, 1, Code::Privilege, None, None).said, "It broke. Mend it.");
    }

    #[test]
    fn who_asked_a_run_to_end_decides_what_it_is() {
        let abort = Ending::Abort(Cause::console("Stopped by ana."));
        let aborted = judged(RunKind::Backup, 1, Code::ConnectionLost, Some(&abort), None);
        assert_eq!((aborted.state, aborted.said.as_str(), aborted.error), (RunState::Aborted, "Stopped by ana.", None));
        let stopped = judged(RunKind::Restore, 1, Code::Cancelled, Some(&Ending::Stop), None);
        assert_eq!((stopped.state, stopped.error.map(|told| told.code)), (RunState::Interrupted, Some(Code::Interrupted)));
        let delay = Ending::Delay(Cause::console("Put off by ana."), at("09:00:00"));
        let delayed = judged(RunKind::Backup, 4, Code::Cancelled, Some(&delay), None);
        assert_eq!((delayed.state, delayed.retry_at, delayed.error), (RunState::Queued, Some(at("09:00:00")), None));
        // Cancelled by nobody: a defect, and no reason to try for ever.
        assert_eq!(judged(RunKind::Backup, 1, Code::Cancelled, None, None).state, RunState::Failed);
    }

    #[test]
    fn done_is_done_and_a_difference_is_a_failure() {
        let abort = Ending::Abort(Cause::console("Stopped."));
        let of = |done| verdict(RunKind::Restore, 1, &Ok(done), Some(&abort), None, at("02:00:00")).state;
        assert_eq!(of(Done::default()), RunState::Succeeded);
        let error = Some(Error::new(Code::Different, "It differs.", "Look."));
        assert_eq!(of(Done { error, ..Done::default() }), RunState::Failed);
    }

    #[test]
    fn a_run_that_may_end_the_console_again_and_again_is_given_up() {
        assert!(may_resume(1) && may_resume(3) && !may_resume(4));
    }
}
