//! What screens show. The console makes these; the browser receives them as JSON. None holds a secret.

pub mod backup;
pub mod destination;
pub mod download;
pub mod key;
pub mod overview;
pub mod people;
pub mod restore;
pub mod retention;
pub mod run;
pub mod server;
pub mod slot;
pub mod task;

use crate::{Role, UserId};
use serde::{Deserialize, Serialize};

/// Who looks at the screen, and what the frame around every page needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Viewer {
    /// The user.
    pub id: UserId,
    /// The user's name.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// Version of the console.
    pub version: String,
    /// Runs that failed and have not been looked at since, over all servers: failed ones whose database has had no good run after.
    pub failing: u64,
}

/// One page of a long list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Page<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// How many there are on all pages.
    pub total: u64,
    /// Its number, from 1.
    pub number: u64,
    /// Most items on a page.
    pub size: u64,
}

/// A list that is not there yet.
impl<T> Default for Page<T> {
    fn default() -> Self {
        Self { items: vec![], total: 0, number: 0, size: 0 }
    }
}

impl<T> Page<T> {
    /// One page of a list that is all there; number 0 counts as 1.
    #[must_use]
    pub fn of(list: Vec<T>, number: u64, size: u64) -> Self {
        let (total, number) = (list.len() as u64, number.max(1));
        let before = usize::try_from((number - 1).saturating_mul(size)).unwrap_or(usize::MAX);
        let items = list.into_iter().skip(before).take(usize::try_from(size).unwrap_or(usize::MAX)).collect();
        Self { items, total, number, size }
    }

    /// How many pages there are, at least one.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.total.div_ceil(self.size.max(1)).max(1)
    }
}
