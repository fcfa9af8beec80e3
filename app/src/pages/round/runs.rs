//! The runs of a round as signals: what did not change is not drawn again.

use domain::{RunId, RunState, view::run::RunLine};
use leptos::prelude::*;
use std::{collections::HashMap, ops::Deref};

/// Lines of one kind that are shown among all, before the rest is a link.
const MOST: usize = 100;

/// Which runs are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Shown {
    /// All of them.
    #[default]
    All,
    /// Those that work.
    Working,
    /// Those that wait.
    Waiting,
    /// Those that did not end well.
    Wrong,
    /// Those that are done.
    Done,
}

impl Shown {
    /// All, in the order in which they are offered.
    pub const ALL: [Self; 5] = [Self::All, Self::Working, Self::Waiting, Self::Wrong, Self::Done];

    /// Its word in the address.
    pub fn word(self) -> &'static str {
        match self {
            Self::All => "",
            Self::Working => "running",
            Self::Waiting => "waiting",
            Self::Wrong => "failed",
            Self::Done => "done",
        }
    }

    /// Its name.
    pub fn title(self) -> &'static str {
        match self {
            Self::All => "All",
            Self::Working => "Running",
            Self::Waiting => "Waiting",
            Self::Wrong => "Went wrong",
            Self::Done => "Done",
        }
    }

    /// What a word of the address stands for.
    pub fn of_word(word: &str) -> Self {
        Self::ALL.into_iter().find(|shown| shown.word() == word).unwrap_or_default()
    }

    /// The kind of a state.
    fn of(state: RunState) -> Self {
        match state {
            RunState::Running => Self::Working,
            RunState::Queued => Self::Waiting,
            RunState::Succeeded => Self::Done,
            RunState::Failed | RunState::Aborted | RunState::Interrupted => Self::Wrong,
        }
    }
}

/// The runs, each with a signal of its own.
#[derive(Clone, Copy)]
pub struct Runs {
    order: RwSignal<Vec<(RunId, Shown)>>,
    lines: StoredValue<HashMap<RunId, ArcRwSignal<RunLine>>>,
}

impl Runs {
    /// Those that the page was loaded with.
    pub fn new(runs: Vec<RunLine>) -> Self {
        let order = RwSignal::new(order(&runs));
        let lines = runs.into_iter().map(|run| (run.id, ArcRwSignal::new(run))).collect();
        Self { order, lines: StoredValue::new(lines) }
    }

    /// Takes newer ones over.
    pub fn take(self, runs: Vec<RunLine>) {
        let order = order(&runs);
        self.lines.update_value(|lines| {
            for run in runs {
                match lines.get(&run.id) {
                    Some(line) => renew(line, run),
                    None => {
                        lines.insert(run.id, ArcRwSignal::new(run));
                    }
                }
            }
        });
        renew(&self.order, order);
    }

    /// One of them.
    pub fn line(self, id: RunId) -> Option<ArcRwSignal<RunLine>> {
        self.lines.with_value(|lines| lines.get(&id).cloned())
    }

    /// How many there are of a kind.
    pub fn count(self, shown: Shown) -> usize {
        self.order.with(|order| order.iter().filter(|(_, kind)| shown == Shown::All || *kind == shown).count())
    }

    /// Those to show, in order. Among all, a kind with very many is cut off.
    pub fn shown(self, shown: Shown) -> Vec<RunId> {
        let mut seen = HashMap::<Shown, usize>::new();
        let mut is_shown = |kind: Shown| {
            let count = seen.entry(kind).or_default();
            *count += 1;
            if shown == Shown::All { *count <= MOST } else { kind == shown }
        };
        self.order.with(|order| order.iter().filter(|(_, kind)| is_shown(*kind)).map(|(id, _)| *id).collect())
    }

    /// Kinds of which not all are shown among all, with how many are not.
    pub fn cut(self) -> Vec<(Shown, usize)> {
        let more = |shown: &Shown| self.count(*shown).checked_sub(MOST).filter(|more| *more > 0);
        Shown::ALL[1..].iter().filter_map(|shown| Some((*shown, more(shown)?))).collect()
    }
}

fn order(runs: &[RunLine]) -> Vec<(RunId, Shown)> {
    runs.iter().map(|run| (run.id, Shown::of(run.state))).collect()
}

/// Sets a signal where there is something new.
pub fn renew<S, T>(signal: &S, value: T)
where
    S: ReadUntracked + Set<Value = T>,
    <S as ReadUntracked>::Value: Deref<Target = T>,
    T: PartialEq,
{
    if *signal.read_untracked() != value {
        signal.set(value);
    }
}
