//! Progress on standard error: bars on a terminal, a line per event elsewhere.

use crate::output::harmless;
use domain::{Meter, Phase, display};
use engine::{Observer, Outcome, Run};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use source::Scope;
use std::{
    collections::HashMap,
    io::{IsTerminal, Write},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// Shows how far runs are, until it is dropped.
pub struct Progress {
    shown: Arc<Mutex<Shown>>,
    ticker: tokio::task::JoinHandle<()>,
}

struct Shown {
    bars: MultiProgress,
    terminal: bool,
    /// Nothing is printed while a JSON document is wanted and nobody looks.
    running: HashMap<String, Watched>,
    total: usize,
    ended: usize,
}

struct Watched {
    meter: Arc<Meter>,
    bar: ProgressBar,
    phase: Phase,
    since: Instant,
}

impl Progress {
    /// Progress of `total` runs.
    pub fn new(total: usize) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let bars = MultiProgress::with_draw_target(if terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() });
        let shown = Arc::new(Mutex::new(Shown { bars, terminal, running: HashMap::new(), total, ended: 0 }));
        let ticking = Arc::clone(&shown);
        let ticker = tokio::spawn(async move {
            let mut interval = tokio::time::interval(Duration::from_millis(200));
            loop {
                interval.tick().await;
                lock(&ticking).tick();
            }
        });
        Self { shown, ticker }
    }

    /// Shows one run by name.
    pub fn watch(&self, name: &str, meter: &Arc<Meter>) {
        lock(&self.shown).watch(name, meter);
    }

    /// A run has ended, with what there is to say of it.
    pub fn done(&self, name: &str, sentence: &str) {
        lock(&self.shown).done(name, sentence);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.ticker.abort();
        // The terminal is what it was before, whatever clearing it says.
        let _ = lock(&self.shown).bars.clear();
    }
}

/// A poisoned lock only means that a drawing was cut off.
fn lock(shown: &Mutex<Shown>) -> MutexGuard<'_, Shown> {
    shown.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shown {
    fn watch(&mut self, name: &str, meter: &Arc<Meter>) {
        let bar = self.bars.add(ProgressBar::no_length());
        // The template is a constant of ours; a mistake in it shows in every run.
        if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix:24!}  {msg}") {
            bar.set_style(style);
        }
        bar.set_prefix(harmless(name));
        self.running.insert(name.into(), Watched { meter: Arc::clone(meter), bar, phase: Phase::Waiting, since: Instant::now() });
    }

    fn tick(&mut self) {
        for watched in self.running.values_mut() {
            let message = watched.message();
            watched.bar.set_message(message);
            watched.bar.tick();
        }
    }

    fn done(&mut self, name: &str, sentence: &str) {
        self.ended += 1;
        if let Some(watched) = self.running.remove(name) {
            watched.bar.finish_and_clear();
        }
        let line = format!("[{}/{}] {}: {}", self.ended, self.total, harmless(name), harmless(sentence));
        if self.terminal {
            // What cannot be drawn is not worth failing a backup for.
            let _ = self.bars.println(line);
        } else {
            let _ = writeln!(std::io::stderr().lock(), "{line}");
        }
    }
}

impl Watched {
    /// Phase, amount, rate, and what remains where a size is known.
    fn message(&mut self) -> String {
        let now = self.meter.read();
        if now.phase != self.phase {
            (self.phase, self.since) = (now.phase, Instant::now());
        }
        let mut parts = vec![now.phase.as_str().to_owned()];
        if now.rows > 0 {
            parts.push(format!("{} rows", display::count(now.rows)));
        }
        let seconds = self.since.elapsed().as_secs_f64();
        if now.bytes > 0 && seconds > 0.5 {
            let rate = now.bytes as f64 / seconds;
            parts.push(match now.expected_bytes {
                Some(expected) => format!("{} of about {}", display::size(now.bytes), display::size(expected.max(now.bytes))),
                None => display::size(now.bytes),
            });
            parts.push(format!("{}/s", display::size(rate as u64)));
            if let Some(left) = now.expected_bytes.and_then(|expected| expected.checked_sub(now.bytes)) {
                parts.push(format!("about {} left", display::duration(Duration::from_secs_f64(left as f64 / rate))));
            }
        }
        parts.join(" · ")
    }
}

impl Observer for Progress {
    fn began(&self, scope: &Scope, meter: &Arc<Meter>) {
        self.watch(name(scope), meter);
    }

    fn ended(&self, run: &Run) {
        let sentence = match &run.result {
            Ok(Outcome::Unchanged(_)) => "no changes".into(),
            Ok(Outcome::BackedUp(backup)) => format!(
                "{} rows, {} stored, {}",
                display::count(backup.manifest.archive.rows),
                display::size(backup.manifest.archive.size_bytes),
                display::duration(Duration::from_secs_f64(run.seconds))
            ),
            Err(error) => format!("failed: {error} → {}", error.next_step()),
        };
        self.done(name(&run.scope), &sentence);
    }
}

/// What a scope is called on the screen.
pub fn name(scope: &Scope) -> &str {
    match scope {
        Scope::Database(name) => name,
        Scope::Globals => "roles and tablespaces",
    }
}
