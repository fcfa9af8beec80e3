//! Databases in a list.

use super::promise::{Promise, protection};
use catalog::{BackupFacts, DatabaseRecord, NewestRun};
use domain::{
    Protection, RunState,
    view::server::{DatabaseLine, LastRun},
};
use jiff::Timestamp;
use std::cmp::Ordering;

pub(super) fn line(
    database: &DatabaseRecord,
    facts: Option<&BackupFacts>,
    run: Option<&NewestRun>,
    promises: &[Promise<'_>],
    now: Timestamp,
) -> DatabaseLine {
    let gone = database.gone_at.is_some();
    // No task can back up what is not there any more.
    let covering: Vec<_> = promises.iter().filter(|promise| !gone && promise.covers(&database.name)).collect();
    let last_good = facts.map(|facts| facts.last_good);
    DatabaseLine {
        name: database.name.clone(),
        size_bytes: database.size_bytes,
        protection: protection(&covering, last_good, now),
        gone,
        excluded: false,
        last_good,
        restore_points: facts.map_or(0, |facts| facts.points),
        last_proven: facts.and_then(|facts| facts.last_proven),
        next: covering.iter().filter_map(|promise| promise.task.next_at).min(),
        last_run: run.map(|run| LastRun { id: run.id, round: run.round, state: run.state, error: run.error.clone() }),
        destination: facts.map(|facts| facts.destination),
        first_seen: database.first_seen_at,
    }
}

/// Whether somebody should look at it: it is there and not protected, without anybody having left it out; or its newest run
/// went wrong.
pub(crate) fn needs_attention(line: &DatabaseLine) -> bool {
    let unsafe_now = match line.protection {
        Protection::Protected => false,
        Protection::Uncovered => !line.excluded,
        Protection::Overdue { .. } | Protection::Never => true,
    };
    !line.gone && (unsafe_now || failed(line))
}

fn failed(line: &DatabaseLine) -> bool {
    let state = line.last_run.as_ref().map(|run| run.state);
    matches!(state, Some(RunState::Failed | RunState::Aborted | RunState::Interrupted))
}

/// The worst first: overdue ones by how long, then those without a backup, those that nobody covers, those whose newest run
/// failed, and the rest.
pub(crate) fn rank(line: &DatabaseLine) -> (u8, Option<Timestamp>) {
    match line.protection {
        _ if line.gone => (5, None),
        Protection::Overdue { since } => (0, Some(since)),
        Protection::Never => (1, None),
        Protection::Uncovered if !line.excluded => (2, None),
        _ if failed(line) => (3, None),
        _ => (4, None),
    }
}

/// Sorts lines, which are in the order of their names, as a query says: by `name`, `size`, `last` or `state`, with `-` in
/// front for the other way round.
pub(crate) fn sort(lines: &mut [DatabaseLine], by: &str) {
    let (by, backwards) = by.strip_prefix('-').map_or((by, false), |by| (by, true));
    let order: fn(&DatabaseLine, &DatabaseLine) -> Ordering = match by {
        "size" => |a, b| a.size_bytes.cmp(&b.size_bytes),
        // What was never backed up comes before what was long ago.
        "last" => |a, b| a.last_good.cmp(&b.last_good),
        "state" => |a, b| rank(a).cmp(&rank(b)),
        _ => |a, b| a.name.cmp(&b.name),
    };
    lines.sort_by(|a, b| if backwards { order(b, a) } else { order(a, b) });
}
