//! What a restore has to say beside its success.

use std::sync::{Mutex, PoisonError};

/// Sentences that several threads add; each is kept once.
#[derive(Debug, Default)]
pub(super) struct Notes(Mutex<Vec<String>>);

impl Notes {
    /// Adds a sentence.
    pub fn add(&self, sentence: String) {
        let mut notes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !notes.contains(&sentence) {
            notes.push(sentence);
        }
    }

    /// All sentences so far.
    pub fn all(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
