//! Rounds and runs in sentences.

use crate::components::lasted;
use domain::{
    BackupKind, Origin, Phase, RoundState, RunKind, RunState, display,
    progress::Reading,
    run::RETRY_AFTER_MINUTES,
    view::run::{Progress, RoundLine, RunLine},
};
use std::time::Duration;

/// The run for roles and tablespaces, which is not a database.
const GLOBALS: &str = "_globals";

/// What people call a database; what belongs to a whole server is no database.
pub fn title_of(database: &str) -> String {
    if database == GLOBALS { "Roles and tablespaces".into() } else { database.into() }
}

/// How many databases of a round are where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// All of them.
    pub all: usize,
    /// Backed up.
    pub good: usize,
    /// Ended, and not backed up.
    pub bad: usize,
    /// Being worked on.
    pub working: usize,
    /// Waiting for a place or for another attempt.
    pub waiting: usize,
}

impl Count {
    /// Counts runs.
    pub fn of<'a>(runs: impl IntoIterator<Item = &'a RunLine>) -> Self {
        let mut count = Self::default();
        for run in runs {
            count.all += 1;
            match run.state {
                RunState::Succeeded => count.good += 1,
                RunState::Running => count.working += 1,
                RunState::Queued => count.waiting += 1,
                RunState::Failed | RunState::Aborted | RunState::Interrupted => count.bad += 1,
            }
        }
        count
    }
}

/// `1 database`, `7 databases`.
pub fn databases(number: usize) -> String {
    let count = display::count(number as u64);
    if number == 1 { format!("{count} database") } else { format!("{count} databases") }
}

/// How a round stands, in one sentence without its full stop.
pub fn answer(line: &RoundLine, runs: &[RunLine]) -> String {
    let all = Count::of(runs);
    let databases_alone = || runs.iter().filter(|run| run.database != GLOBALS);
    let (real, only) = (Count::of(databases_alone()), databases_alone().map(|run| &run.database).next());
    match line.state {
        RoundState::Preparing if line.retry_at.is_some() && line.error.is_none() => "Put off".into(),
        RoundState::Preparing => "Finding out which databases there are".into(),
        RoundState::Running => match only.filter(|_| all.all == 1) {
            Some(name) if all.working == 1 => format!("Backing up {name}"),
            Some(name) => format!("Waiting to back up {name}"),
            None => progress(real),
        },
        RoundState::Skipped => match &line.error {
            Some(told) => format!("Skipped: {}", in_midst(&told.sentence)),
            None => "Skipped".into(),
        },
        _ if runs.is_empty() && why(line).is_some() => "Nothing was backed up".into(),
        _ if runs.is_empty() => "There was nothing to back up".into(),
        RoundState::Succeeded if real.all == 0 => "Roles and tablespaces are backed up".into(),
        RoundState::Succeeded if real.all == 1 => format!("{} is backed up", only.map_or("The database", String::as_str)),
        RoundState::Succeeded => format!("All {} are backed up", databases(real.all)),
        // Every database that was found is there; the others are on servers that were not looked at.
        RoundState::Partly if all.bad == 0 => match line.servers.iter().filter(|server| server.state != RunState::Succeeded).count() {
            1 => format!("{} backed up, but one server was not looked at", all_of(real.good)),
            several => format!("{} backed up, but {several} servers were not looked at", all_of(real.good)),
        },
        // Every database is there, so what is missing belongs to the server.
        _ if real.bad == 0 => format!("{} backed up, but roles and tablespaces are not", all_of(real.good)),
        RoundState::Aborted => format!("Stopped: {} of {} backed up", real.good, databases(real.all)),
        _ if real.good == 0 => "No database was backed up".into(),
        _ if all.bad == 1 => format!("{} of {} are backed up, 1 is not", real.good, databases(real.all)),
        _ => format!("{} of {} are backed up, {} are not", real.good, databases(real.all), real.bad),
    }
}

/// A sentence behind a colon: without its full stop, and small where it began with a little word.
fn in_midst(sentence: &str) -> String {
    let sentence = sentence.strip_suffix('.').unwrap_or(sentence);
    sentence.strip_prefix("The ").map_or_else(|| sentence.into(), |rest| format!("the {rest}"))
}

fn all_of(number: usize) -> String {
    if number == 1 { "The database is".into() } else { format!("All {} are", databases(number)) }
}

fn progress(count: Count) -> String {
    let mut parts = vec![format!("{} of {} done", display::count(count.good as u64), databases(count.all))];
    for (number, word) in [(count.bad, "went wrong"), (count.working, "running"), (count.waiting, "waiting")] {
        if number > 0 {
            parts.push(format!("{} {word}", display::count(number as u64)));
        }
    }
    parts.join(", ")
}

/// Why a round did not go well as a whole, or on some of its servers.
pub fn why(line: &RoundLine) -> Option<String> {
    if let Some(told) = &line.error {
        return Some(told.sentence.clone());
    }
    let unread: Vec<_> = line.unread().map(|(server, told)| format!("{}: {}", server.name, told.sentence)).collect();
    (!unread.is_empty()).then(|| unread.join(" "))
}

/// Who or what started it, behind the word started.
pub fn started(origin: Origin, by: Option<&str>) -> String {
    match (origin, by) {
        (Origin::User, Some(name)) => format!("by {name}"),
        (Origin::User, None) => "by hand".into(),
        (Origin::Schedule, _) => "by its schedule".into(),
        (Origin::CatchUp, _) => "late, for a time that was missed".into(),
    }
}

/// A kind of backup, as a button or a cell says it.
pub fn kind_in_words(kind: BackupKind) -> &'static str {
    match kind {
        BackupKind::Full => "Full",
        BackupKind::Incremental => "Incremental",
    }
}

/// What a run is doing or waits for, or how it ended.
pub fn phase(run: &RunLine) -> String {
    match (run.state, &run.progress) {
        (RunState::Running, Some(progress)) => doing(run.kind, progress.reading.phase).into(),
        (RunState::Running, None) => "Starting".into(),
        (RunState::Queued, _) if run.retry_at.is_some() && run.error.is_none() => "Put off".into(),
        (RunState::Queued, _) if run.retry_at.is_some() => "Waiting to be tried again".into(),
        (RunState::Queued, _) => "Waiting".into(),
        (RunState::Succeeded, _) => match (run.kind, run.proven) {
            (RunKind::Backup, _) if run.label.is_none() => "No changes".into(),
            (RunKind::Backup, _) => "Backed up".into(),
            (RunKind::Restore, Some(true)) => "Restored and proven".into(),
            (RunKind::Restore, _) => "Restored".into(),
            (RunKind::Verify, _) => "Verified".into(),
        },
        (RunState::Failed, _) => "Failed".into(),
        (RunState::Aborted, _) => "Aborted".into(),
        (RunState::Interrupted, _) => "Interrupted".into(),
    }
}

/// A phase, as people say it.
fn doing(kind: RunKind, phase: Phase) -> &'static str {
    match (phase, kind) {
        (Phase::Waiting | Phase::Preparing, _) => "Preparing",
        (Phase::Reading, RunKind::Backup) => "Reading rows",
        (Phase::Reading, _) => "Reading the archive",
        (Phase::Verifying, RunKind::Backup) => "Reading the archive back",
        (Phase::Verifying, _) => "Checking the archive",
        (Phase::Loading, _) => "Loading rows",
        (Phase::Indexing, _) => "Building indexes",
        (Phase::Comparing, _) => "Comparing with the archive",
        (Phase::Finishing, _) => "Finishing",
    }
}

/// Amount, rate and remaining time of a run that works.
pub fn amounts(progress: &Progress) -> String {
    let Reading { rows, bytes, expected_bytes, .. } = progress.reading;
    let mut parts = vec![];
    match expected_bytes {
        Some(expected) if bytes > 0 => parts.push(format!("{} of about {}", display::size(bytes), display::size(expected.max(bytes)))),
        _ if bytes > 0 => parts.push(display::size(bytes)),
        _ => {}
    }
    if rows > 0 {
        parts.push(rows_of(rows));
    }
    if progress.bytes_per_second > 0 {
        parts.push(format!("{}/s", display::size(progress.bytes_per_second)));
    }
    if let Some(seconds) = progress.seconds_left.filter(|_| bytes > 0) {
        // Ten seconds are the finest that an estimate can be.
        parts.push(match seconds {
            0..10 => "a few seconds left".into(),
            seconds => format!("about {} left", display::duration(Duration::from_secs(seconds))),
        });
    }
    parts.join(" · ")
}

/// `1 row`, `12 000 rows`.
pub fn rows_of(rows: u64) -> String {
    if rows == 1 { "1 row".into() } else { format!("{} rows", display::count(rows)) }
}

/// What a run that has ended brought: bytes, rows and how long it took.
pub fn result(run: &RunLine) -> String {
    let mut parts = vec![];
    parts.extend(run.stored_bytes.map(|bytes| format!("{} stored", display::size(bytes))));
    parts.extend(run.rows.map(rows_of));
    parts.extend(run.began_at.zip(run.ended_at).map(|(began, ended)| lasted(began, ended)));
    parts.join(" · ")
}

/// Which attempt a run that waits for one comes to, of how many.
pub fn next_attempt(run: &RunLine) -> String {
    format!("attempt {} of {}", run.attempt, RETRY_AFTER_MINUTES.len() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::{RoundId, RunId, ServerId, view::run::RoundServer};
    use jiff::Timestamp;

    fn id<T: std::str::FromStr>() -> T {
        "01890a5d-ac96-774b-bcce-b302099a8057".parse().ok().unwrap()
    }

    fn run(database: &str, state: RunState) -> RunLine {
        RunLine {
            id: id::<RunId>(),
            kind: RunKind::Backup,
            wanted: Some(BackupKind::Full),
            round: None,
            server: None,
            server_name: "shop".into(),
            database: database.into(),
            state,
            attempt: 1,
            queued_at: Timestamp::UNIX_EPOCH,
            began_at: None,
            ended_at: None,
            retry_at: None,
            waits_for: None,
            progress: None,
            label: None,
            stored_bytes: None,
            rows: None,
            reason: None,
            proven: None,
            error: None,
        }
    }

    fn round(state: RoundState) -> RoundLine {
        RoundLine {
            id: id::<RoundId>(),
            task: None,
            task_name: "Nightly".into(),
            servers: vec![RoundServer { server: id::<ServerId>(), name: "shop".into(), state: RunState::Succeeded, error: None }],
            state,
            wanted: BackupKind::Full,
            origin: Origin::Schedule,
            started_by: None,
            due_at: Timestamp::UNIX_EPOCH,
            began_at: Timestamp::UNIX_EPOCH,
            ended_at: None,
            runs: 0,
            succeeded: 0,
            failed: 0,
            retry_at: None,
            stored_bytes: 0,
            error: None,
        }
    }

    #[test]
    fn a_round_answers_in_a_sentence() {
        use RunState::{Aborted, Failed, Queued, Running, Succeeded};
        for (state, runs, sentence) in [
            (
                RoundState::Running,
                &[("a", Succeeded), ("b", Failed), ("c", Running), ("d", Queued)] as &[_],
                "1 of 4 databases done, 1 went wrong, 1 running, 1 waiting",
            ),
            (RoundState::Succeeded, &[("a", Succeeded), (GLOBALS, Succeeded)], "a is backed up"),
            (RoundState::Succeeded, &[("a", Succeeded), ("b", Succeeded), (GLOBALS, Succeeded)], "All 2 databases are backed up"),
            (RoundState::Partly, &[("a", Succeeded), ("b", Failed)], "1 of 2 databases are backed up, 1 is not"),
            (
                RoundState::Partly,
                &[("a", Succeeded), ("b", Succeeded), (GLOBALS, Failed)],
                "All 2 databases are backed up, but roles and tablespaces are not",
            ),
            (RoundState::Failed, &[("a", Failed)], "No database was backed up"),
            (RoundState::Aborted, &[("a", Aborted)], "Stopped: 0 of 1 database backed up"),
            (RoundState::Succeeded, &[], "There was nothing to back up"),
        ] {
            let runs: Vec<_> = runs.iter().map(|(name, state)| run(name, *state)).collect();
            assert_eq!(answer(&round(state), &runs), sentence);
        }
    }

    #[test]
    fn a_round_that_was_skipped_says_why() {
        let skipped = |sentence: &str| {
            let error = domain::Error::new(domain::Code::Busy, sentence, "Choose other times.").told().clone();
            answer(&RoundLine { error: Some(error), ..round(RoundState::Skipped) }, &[])
        };
        assert_eq!(skipped("The round before it was still under way."), "Skipped: the round before it was still under way");
        assert_eq!(
            skipped("The console did not run at that time, and the task does not make up for missed times."),
            "Skipped: the console did not run at that time, and the task does not make up for missed times"
        );
        assert_eq!(answer(&round(RoundState::Skipped), &[]), "Skipped");
    }

    #[test]
    fn what_was_put_off_did_not_fail() {
        let at = Some(Timestamp::UNIX_EPOCH);
        assert_eq!(phase(&RunLine { retry_at: at, ..run("a", RunState::Queued) }), "Put off");
        let error = Some(domain::Error::new(domain::Code::Unreachable, "It broke.", "Mend it.").told().clone());
        assert_eq!(phase(&RunLine { retry_at: at, error, ..run("a", RunState::Queued) }), "Waiting to be tried again");
        assert_eq!(answer(&RoundLine { retry_at: at, ..round(RoundState::Preparing) }, &[]), "Put off");
    }

    #[test]
    fn a_round_says_which_servers_were_not_looked_at() {
        let told = domain::Error::new(domain::Code::Unreachable, "No answer.", "Mend it.").told().clone();
        let mut line = round(RoundState::Partly);
        let west = RoundServer { name: "west".into(), state: RunState::Failed, error: Some(told.clone()), ..line.servers[0].clone() };
        line.servers.push(west);
        let runs = [run("a", RunState::Succeeded), run("b", RunState::Succeeded)];
        assert_eq!(answer(&line, &runs), "All 2 databases are backed up, but one server was not looked at");
        assert_eq!(why(&line).as_deref(), Some("west: No answer."));
        // What is so of the round as a whole is said once.
        line.error = Some(told);
        assert_eq!((why(&line).as_deref(), line.unread().count()), (Some("No answer."), 0));
    }

    #[test]
    fn progress_says_what_is_known_and_no_more() {
        let reading = Reading { phase: Phase::Reading, rows: 12_000, bytes: 31_400_000, expected_bytes: Some(44_200_000) };
        let full = Progress { reading, bytes_per_second: 2_100_000, seconds_left: Some(64) };
        assert_eq!(amounts(&full), "31 MB of about 44 MB · 12\u{202f}000 rows · 2.1 MB/s · about 1 min 4 s left");
        let begun =
            Progress { reading: Reading { rows: 0, bytes: 0, expected_bytes: None, ..reading }, bytes_per_second: 0, seconds_left: None };
        assert_eq!(amounts(&begun), "");
        let mut working = run("a", RunState::Running);
        working.progress = Some(full);
        assert_eq!(phase(&working), "Reading rows");
    }
}
