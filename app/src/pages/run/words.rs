//! A run in sentences.

use crate::pages::round::words::title_of;
use domain::{
    RunKind, RunState, display,
    view::run::{ComparedTable, RunLine, RunView},
};

/// How a run stands, in one sentence without its full stop.
pub fn answer(view: &RunView) -> String {
    let RunLine { kind, state, proven, database, .. } = &view.line;
    let name = title_of(database);
    match (kind, state) {
        (RunKind::Backup, RunState::Succeeded) if name != *database => format!("{name} are backed up"),
        (RunKind::Backup, RunState::Succeeded) => format!("{name} is backed up"),
        (RunKind::Backup, RunState::Running) => format!("Backing up {name}"),
        (RunKind::Backup, RunState::Queued) => format!("Waiting to back up {name}"),
        (RunKind::Backup, _) if name != *database => format!("{name} were not backed up"),
        (RunKind::Backup, _) => format!("{name} was not backed up"),
        (RunKind::Restore, RunState::Succeeded) => match proven {
            Some(true) => format!("{name} is restored and proven"),
            Some(false) => format!("{name} {}", differs(&view.tables)),
            None => format!("{name} is restored"),
        },
        (RunKind::Restore, RunState::Running) => format!("Restoring {name}"),
        (RunKind::Restore, RunState::Queued) => format!("Waiting to restore {name}"),
        (RunKind::Restore, _) => match proven {
            Some(false) => format!("{name} was not kept, because it {}", differs(&view.tables)),
            _ => format!("{name} was not restored"),
        },
        (RunKind::Verify, RunState::Succeeded) => format!("The backup of {name} is good"),
        (RunKind::Verify, RunState::Running) => format!("Verifying the backup of {name}"),
        (RunKind::Verify, RunState::Queued) => format!("Waiting to verify the backup of {name}"),
        (RunKind::Verify, _) => format!("The backup of {name} is not proven"),
    }
}

fn differs(tables: &[ComparedTable]) -> String {
    let mut wrong = tables.iter().filter(|table| !table.equal);
    match (wrong.next(), wrong.count()) {
        (Some(one), 0) => format!("differs from its backup in the table {}", one.table),
        (Some(_), more) => format!("differs from its backup in {} tables", display::count(more as u64 + 1)),
        (None, _) => "differs from its backup, though not in its rows".into(),
    }
}

/// What a run does, as a word.
pub fn kind(kind: RunKind) -> &'static str {
    match kind {
        RunKind::Backup => "Backup",
        RunKind::Restore => "Restore",
        RunKind::Verify => "Verification",
    }
}
