//! How often a password may be tried.
//!
//! Failures are counted for the network address and for the name, so that neither one guesser nor many of them get far.
//! An attempt counts from its beginning: a hundred guesses at the same moment are still a hundred.

use domain::{Code, Error, Result, display};
use jiff::{SignedDuration, Timestamp};
use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    time::Duration,
};

/// Failures that cost no waiting.
const FREE: u32 = 5;
const FIRST_DELAY_SECONDS: i64 = 15;
const LONGEST_DELAY: SignedDuration = SignedDuration::from_mins(15);
/// Failures are forgotten when there has been none for so long.
const MEMORY: SignedDuration = SignedDuration::from_hours(1);
/// A guesser with many addresses shall not fill our memory.
const MOST_KEYS: usize = 10_000;

/// For what failures are counted.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Key {
    /// A network address; of IPv6 the network that a household gets.
    Address(String),
    /// The name of a user, whether there is one or not.
    Name(String),
}

impl Key {
    pub fn address(address: &str) -> Self {
        Self::Address(match address.parse::<IpAddr>().map(|address| address.to_canonical()) {
            Ok(IpAddr::V6(address)) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).to_string(),
            Ok(IpAddr::V4(address)) => address.to_string(),
            Err(_) => address.chars().take(100).collect(),
        })
    }

    pub fn name(name: &str) -> Self {
        Self::Name(name.chars().take(domain::form::MAX_NAME).collect())
    }

    /// The address, if it is one.
    pub fn as_address(&self) -> Option<&str> {
        match self {
            Self::Address(address) => Some(address),
            Self::Name(_) => None,
        }
    }
}

/// Never shows a name: people type passwords into that field.
impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_address().unwrap_or("(a name)"))
    }
}

#[derive(Clone, Copy)]
struct Failures {
    count: u32,
    last: Timestamp,
}

impl Failures {
    /// When the next attempt may begin, if there were so many that it has to wait.
    fn allowed_at(self) -> Option<Timestamp> {
        let doublings = self.count.checked_sub(FREE)?;
        let delay = SignedDuration::from_secs(FIRST_DELAY_SECONDS << doublings.min(8)).min(LONGEST_DELAY);
        Some(self.last.saturating_add(delay).unwrap_or(Timestamp::MAX))
    }
}

/// The failures that are remembered.
#[derive(Default)]
pub struct Attempts(HashMap<Key, Failures>);

impl Attempts {
    /// Begins an attempt, and counts it as a failure until it turns out to be none.
    ///
    /// # Errors
    /// [`Code::TooMany`] with how long to wait; such an attempt does not count.
    pub fn begin(&mut self, keys: &[Key], now: Timestamp) -> Result<()> {
        self.make_room(now);
        let allowed_at = keys.iter().filter_map(|key| self.0.get(key)?.allowed_at()).max();
        if let Some(allowed_at) = allowed_at.filter(|at| *at > now) {
            return Err(too_many(allowed_at.duration_since(now)));
        }
        for key in keys {
            let failures = self.0.entry(key.clone()).or_insert(Failures { count: 0, last: now });
            *failures = Failures { count: failures.count.saturating_add(1), last: now };
        }
        Ok(())
    }

    /// An attempt was none: it succeeded, or could not be judged.
    pub fn take_back(&mut self, keys: &[Key]) {
        for key in keys {
            if let Some(failures) = self.0.get_mut(key) {
                failures.count = failures.count.saturating_sub(1);
            }
        }
    }

    /// Whoever knows the password is rid of all failures under the name. Those of the address stay: it may be shared with
    /// somebody who guesses at other names, and has a password of his own.
    pub fn succeeded(&mut self, keys: &[Key]) {
        self.take_back(keys);
        for key in keys.iter().filter(|key| matches!(key, Key::Name(_))) {
            self.0.remove(key);
        }
    }

    fn make_room(&mut self, now: Timestamp) {
        if self.0.len() < MOST_KEYS {
            // The map stays small, so that forgetting costs less than remembering when to forget.
            self.0.retain(|_, failures| now.duration_since(failures.last) < MEMORY);
            return;
        }
        let mut lasts: Vec<_> = self.0.values().map(|failures| failures.last).collect();
        let (_, median, _) = lasts.select_nth_unstable(MOST_KEYS / 2);
        let median = *median;
        self.0.retain(|_, failures| failures.last > median);
    }
}

fn too_many(wait: SignedDuration) -> Error {
    // Rounded up: whoever waits as long as is said shall not be refused again.
    let wait = Duration::from_secs(wait.as_millis().max(0).unsigned_abs().div_ceil(1000).try_into().unwrap_or(u64::MAX));
    Error::new(
        Code::TooMany,
        "There were too many attempts with a wrong name or password.",
        format!("Wait {}, then try again.", display::duration(wait)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    #[test]
    fn five_failures_are_free_and_then_the_wait_grows_to_a_quarter_of_an_hour() {
        let (mut attempts, keys) = (Attempts::default(), [Key::address("192.0.2.1"), Key::name("ada")]);
        for second in 0..5 {
            attempts.begin(&keys, at(second)).unwrap();
        }
        let mut now = 4;
        for wait in [15, 30, 60, 120, 240, 480, 900, 900, 900] {
            let error = attempts.begin(&keys, at(now + wait - 1)).unwrap_err();
            assert_eq!((error.code(), error.next_step()), (Code::TooMany, "Wait 1.0 s, then try again."));
            now += wait;
            attempts.begin(&keys, at(now)).unwrap();
        }
        attempts.begin(&keys, at(now + 3600)).unwrap();
        attempts.begin(&keys, at(now + 3600)).unwrap();
    }

    #[test]
    fn one_address_is_stopped_over_many_names_and_one_name_over_many_addresses() {
        let mut attempts = Attempts::default();
        for i in 0..5 {
            attempts.begin(&[Key::address("192.0.2.1"), Key::name(&format!("user{i}"))], at(0)).unwrap();
            attempts.begin(&[Key::address(&format!("198.51.100.{i}")), Key::name("ada")], at(0)).unwrap();
        }
        assert!(attempts.begin(&[Key::address("192.0.2.1"), Key::name("bob")], at(1)).is_err());
        assert!(attempts.begin(&[Key::address("203.0.113.9"), Key::name("ada")], at(1)).is_err());
        attempts.begin(&[Key::address("203.0.113.9"), Key::name("bob")], at(1)).unwrap();
    }

    #[test]
    fn success_clears_the_name_and_does_not_clear_the_address() {
        let mut attempts = Attempts::default();
        let keys = |name: &str| [Key::address("192.0.2.1"), Key::name(name)];
        for round in 0..4 {
            attempts.begin(&keys("victim"), at(round)).unwrap();
            attempts.begin(&keys("mallory"), at(round)).unwrap();
            attempts.succeeded(&keys("mallory"));
        }
        attempts.begin(&keys("victim"), at(5)).unwrap();
        assert!(attempts.begin(&keys("mallory"), at(5)).is_err(), "own successes bought more guesses");
    }

    #[test]
    fn neighbours_in_an_ipv6_network_are_one_address_and_ports_of_writing_do_not_matter() {
        assert_eq!(Key::address("2001:db8:0:1::1"), Key::address("2001:db8:0:1:ffff::2"));
        assert_ne!(Key::address("2001:db8:0:1::1"), Key::address("2001:db8:0:2::1"));
        assert_eq!(Key::address("::ffff:192.0.2.1"), Key::address("192.0.2.1"));
    }

    #[test]
    fn what_was_typed_as_a_name_is_never_shown() {
        let keys = [Key::address("192.0.2.1"), Key::name("hunter2")];
        assert_eq!(format!("{keys:?}"), "[192.0.2.1, (a name)]");
        assert_eq!(keys.iter().find_map(Key::as_address), Some("192.0.2.1"));
    }

    #[test]
    fn memory_is_bounded_and_the_newest_failures_stay() {
        let mut attempts = Attempts::default();
        for i in 0..25_000 {
            attempts.begin(&[Key::name(&format!("user{i}"))], at(i / 100)).unwrap();
        }
        assert!(attempts.0.len() <= MOST_KEYS && attempts.0.contains_key(&Key::name("user24999")));
    }
}
