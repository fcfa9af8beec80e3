//! How far a run is.

use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};

/// What a run is doing, in the order in which it happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum Phase {
    /// Waiting for a place among the runs of its server.
    Waiting,
    /// Connecting, checking, taking locks.
    Preparing,
    /// Reading the database into an archive.
    Reading,
    /// Reading the archive back and decoding it.
    Verifying,
    /// Loading rows into a new database.
    Loading,
    /// Building indexes, keys and constraints.
    Indexing,
    /// Reading the new database and comparing it with the archive.
    Comparing,
    /// Making the result visible.
    Finishing,
}

impl Phase {
    const ALL: [Self; 8] =
        [Self::Waiting, Self::Preparing, Self::Reading, Self::Verifying, Self::Loading, Self::Indexing, Self::Comparing, Self::Finishing];

    /// The word shown to people.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Preparing => "preparing",
            Self::Reading => "reading",
            Self::Verifying => "verifying",
            Self::Loading => "loading",
            Self::Indexing => "indexing",
            Self::Comparing => "comparing",
            Self::Finishing => "finishing",
        }
    }
}

/// Counters that the threads of one run share and that a screen reads at any time.
#[derive(Debug, Default)]
pub struct Meter {
    phase: AtomicU8,
    rows: AtomicU64,
    bytes: AtomicU64,
    expected_bytes: AtomicU64,
}

/// What a [`Meter`] showed at one moment. Rows and bytes count from the start of the phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// What the run is doing.
    pub phase: Phase,
    /// Rows done in this phase.
    pub rows: u64,
    /// Plain bytes done in this phase.
    pub bytes: u64,
    /// Bytes that the phase is expected to take, if anything is known: an estimate.
    pub expected_bytes: Option<u64>,
}

impl Meter {
    /// Begins a phase; `expected_bytes` is 0 where nothing is known.
    pub fn enter(&self, phase: Phase, expected_bytes: u64) {
        self.rows.store(0, Relaxed);
        self.bytes.store(0, Relaxed);
        self.expected_bytes.store(expected_bytes, Relaxed);
        self.phase.store(phase as u8, Relaxed);
    }

    /// Counts work done.
    pub fn add(&self, rows: u64, bytes: u64) {
        self.rows.fetch_add(rows, Relaxed);
        self.bytes.fetch_add(bytes, Relaxed);
    }

    /// The counters now.
    #[must_use]
    pub fn read(&self) -> Reading {
        let expected = self.expected_bytes.load(Relaxed);
        Reading {
            phase: Phase::ALL.get(usize::from(self.phase.load(Relaxed))).copied().unwrap_or(Phase::Waiting),
            rows: self.rows.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
            expected_bytes: (expected > 0).then_some(expected),
        }
    }
}
