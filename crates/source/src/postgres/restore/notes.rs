//! What a restore has to say beside its success.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicBool, Ordering::Relaxed},
};

/// Sentences that several threads add; each is kept once.
#[derive(Debug, Default)]
pub(super) struct Notes {
    sentences: Mutex<Vec<String>>,
    lacks_something: AtomicBool,
}

impl Notes {
    /// Adds a sentence.
    pub fn add(&self, sentence: String) {
        let mut notes = self.sentences.lock().unwrap_or_else(PoisonError::into_inner);
        if !notes.contains(&sentence) {
            notes.push(sentence);
        }
    }

    /// Adds a sentence about a definition that the new database has to do without.
    pub fn leave_out(&self, sentence: String) {
        self.lacks_something.store(true, Relaxed);
        self.add(sentence);
    }

    /// Whether a definition was left out.
    pub fn lacks_something(&self) -> bool {
        self.lacks_something.load(Relaxed)
    }

    /// All sentences so far.
    pub fn all(&self) -> Vec<String> {
        self.sentences.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
