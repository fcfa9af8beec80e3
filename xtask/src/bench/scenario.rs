//! What a scenario is.

/// Ways to do the same work, measured side by side.
pub struct Scenario {
    /// Short name for the command line.
    pub name: &'static str,
    /// Heading in the report.
    pub title: &'static str,
    /// What one should know to read the figures.
    pub note: &'static str,
    /// Runs once before the first round, untimed.
    pub once: &'static str,
    /// Runs once after the last round, untimed.
    pub after: &'static str,
    /// The ways to do it, ours first.
    pub ways: &'static [Way],
    /// A part of our time that the others do not have.
    pub apart: Option<Apart>,
    /// What the bytes that we write divided by those of the last way that writes any are to be at most.
    pub bytes: Option<f64>,
}

/// One way to do the work.
pub struct Way {
    /// Name in the report.
    pub name: &'static str,
    /// Runs before each timed run, untimed.
    pub before: &'static str,
    /// The timed script.
    pub script: &'static str,
    /// What our time divided by this one's is to be at most.
    pub aim: Option<f64>,
    /// What this one is to take at most, in seconds.
    pub limit: Option<f64>,
    /// Why one of these is not reached, one sentence: printed only where it is not.
    pub why: &'static str,
}

/// A part of our time that is also shown taken out.
pub struct Apart {
    /// Field of the JSON on our standard output that holds its seconds.
    pub field: &'static str,
    /// Its name in the report.
    pub name: &'static str,
    /// What the rest divided by the last way's time is to be at most.
    pub aim: f64,
    /// Why that is not reached, as in [`Way::why`].
    pub why: &'static str,
}

/// One without an aim.
pub const fn way(name: &'static str, script: &'static str) -> Way {
    Way { name, before: "", script, aim: None, limit: None, why: "" }
}

/// One that ours is compared with.
pub const fn peer(name: &'static str, aim: f64, script: &'static str, why: &'static str) -> Way {
    Way { aim: Some(aim), why, ..way(name, script) }
}

impl Way {
    /// After so much that is not timed.
    pub const fn after(self, before: &'static str) -> Self {
        Self { before, ..self }
    }

    /// With an aim of its own.
    pub const fn within(self, seconds: f64, why: &'static str) -> Self {
        Self { limit: Some(seconds), why, ..self }
    }
}
