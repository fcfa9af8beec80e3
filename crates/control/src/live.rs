//! Screens that follow a run or a round: one text for all who look, made anew only where something is different.

use crate::{
    Control, Permit, View,
    screen::{RoundFacts, RunFacts},
};
use domain::{
    Code, Error, Result, RoundId, RunId,
    view::run::{RoundView, RunView},
};
use futures::Stream;
use jiff::Timestamp;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::watch;
use tokio_stream::wrappers::WatchStream;

/// How often a screen is made anew.
const TICK: Duration = Duration::from_millis(500);

/// Each time a screen has this many runs more, its tick is one more: a round of thousands would keep its viewers' lines busy.
const RUNS_PER_TICK: usize = 500;

/// What is followed.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Subject {
    Round(RoundId),
    Run(RunId),
}

type Text = Arc<str>;

/// Who is followed at the moment, and by which channel.
#[derive(Default)]
pub(crate) struct Channels(Mutex<HashMap<Subject, Arc<watch::Sender<Text>>>>);

/// What the catalog has of a subject.
enum Facts {
    Round(Box<RoundFacts>),
    Run(Box<RunFacts>),
}

/// What is on the screen.
#[derive(PartialEq)]
enum Screen {
    Round(Box<RoundView>),
    Run(Box<RunView>),
}

impl Channels {
    fn lock(&self) -> MutexGuard<'_, HashMap<Subject, Arc<watch::Sender<Text>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many subjects are followed.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Removes a channel that nobody listens to; whoever comes later gets a new one.
    fn remove_if_unheard(&self, subject: Subject) -> bool {
        let mut channels = self.lock();
        let unheard = channels.get(&subject).is_none_or(|channel| channel.receiver_count() == 0);
        if unheard {
            channels.remove(&subject);
        }
        unheard
    }

    /// Removes a channel that has nothing more to say, unless a newer one took its place.
    fn remove(&self, subject: Subject, channel: &Arc<watch::Sender<Text>>) {
        let mut channels = self.lock();
        if channels.get(&subject).is_some_and(|there| Arc::ptr_eq(there, channel)) {
            channels.remove(&subject);
        }
    }
}

impl Control {
    /// Follows a round: its screen as JSON, at once and whenever it changes, until the round has ended or the console stops.
    ///
    /// # Errors
    /// [`Code::NotFound`].
    pub async fn watch_round(&self, _: &Permit<View>, id: RoundId) -> Result<impl Stream<Item = Arc<str>> + Send + use<>> {
        self.watch(Subject::Round(id)).await
    }

    /// Follows a run: its screen as JSON, at once and whenever it changes, until the run has ended or the console stops.
    ///
    /// # Errors
    /// [`Code::NotFound`].
    pub async fn watch_run(&self, _: &Permit<View>, id: RunId) -> Result<impl Stream<Item = Arc<str>> + Send + use<>> {
        self.watch(Subject::Run(id)).await
    }

    async fn watch(&self, subject: Subject) -> Result<WatchStream<Text>> {
        if let Some(channel) = self.underway.live.lock().get(&subject) {
            return Ok(WatchStream::new(channel.subscribe()));
        }
        let mut changes = self.underway.changes();
        changes.mark_unchanged();
        let facts = self.facts(subject).await?;
        let (screen, text) = self.draw(&facts)?;
        let (channel, receiver) = {
            let mut channels = self.underway.live.lock();
            // Another viewer may have been quicker.
            if let Some(channel) = channels.get(&subject) {
                return Ok(WatchStream::new(channel.subscribe()));
            }
            let (channel, receiver) = watch::channel(text);
            let channel = Arc::new(channel);
            if !facts.has_ended() {
                channels.insert(subject, Arc::clone(&channel));
            }
            (channel, receiver)
        };
        if !facts.has_ended() {
            tokio::spawn(self.clone().feed(subject, facts, screen, channel, changes));
        }
        Ok(WatchStream::new(receiver))
    }

    /// Keeps a screen up to date while somebody looks.
    async fn feed(
        self,
        subject: Subject,
        mut facts: Facts,
        mut shown: Screen,
        channel: Arc<watch::Sender<Text>>,
        mut changes: watch::Receiver<u64>,
    ) {
        loop {
            let ticks = u32::try_from(1 + facts.size() / RUNS_PER_TICK).unwrap_or(u32::MAX);
            let stops = tokio::select! {
                () = self.underway.stopping.cancelled() => true,
                () = tokio::time::sleep(TICK.saturating_mul(ticks)) => false,
            };
            if stops || self.underway.live.remove_if_unheard(subject) {
                break;
            }
            if changes.has_changed().unwrap_or(false) {
                changes.mark_unchanged();
                match self.facts(subject).await {
                    Ok(new) => facts = new,
                    Err(error) if error.code() == Code::NotFound => break,
                    // The next tick may find the catalog better.
                    Err(error) => {
                        tracing::debug!(?error, "a screen that is followed could not be read");
                        changes.mark_changed();
                    }
                }
            }
            let Ok((screen, text)) = self.draw(&facts) else { break };
            if !screen.is_same_but_for_the_time(&mut shown) {
                shown = screen;
                channel.send_replace(text);
            }
            if facts.has_ended() {
                break;
            }
        }
        self.underway.live.remove(subject, &channel);
    }

    async fn facts(&self, subject: Subject) -> Result<Facts> {
        Ok(match subject {
            Subject::Round(id) => Facts::Round(Box::new(self.round_facts(id).await?)),
            Subject::Run(id) => Facts::Run(Box::new(self.run_facts(id).await?)),
        })
    }

    fn draw(&self, facts: &Facts) -> Result<(Screen, Text)> {
        let now = Timestamp::now();
        let glance = self.underway.glance(now);
        let (screen, text) = match facts {
            Facts::Round(facts) => {
                let view = facts.show(&glance, now);
                let text = serde_json::to_string(&view);
                (Screen::Round(Box::new(view)), text)
            }
            Facts::Run(facts) => {
                let view = facts.show(&glance, now);
                let text = serde_json::to_string(&view);
                (Screen::Run(Box::new(view)), text)
            }
        };
        let text = text.map_err(|error| Error::internal("A screen could not be written.").because(error))?;
        Ok((screen, text.into()))
    }
}

impl Facts {
    fn has_ended(&self) -> bool {
        match self {
            Self::Round(facts) => facts.has_ended(),
            Self::Run(facts) => facts.has_ended(),
        }
    }

    fn size(&self) -> usize {
        match self {
            Self::Round(facts) => facts.size(),
            Self::Run(_) => 1,
        }
    }
}

impl Screen {
    /// Compares with what is shown. Time alone is no reason to send anything.
    fn is_same_but_for_the_time(&self, shown: &mut Self) -> bool {
        match (self, &mut *shown) {
            (Self::Round(new), Self::Round(old)) => old.now = new.now,
            (Self::Run(new), Self::Run(old)) => old.now = new.now,
            _ => {}
        }
        self == shown
    }
}
