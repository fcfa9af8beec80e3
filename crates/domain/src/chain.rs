//! How long a chain may grow before the next backup is a full one.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// The longest that a chain may grow. What is `None` sets no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ChainLimit {
    /// Incrementals after the full one.
    pub incrementals: Option<u32>,
    /// Days since the full one began.
    pub days: Option<u32>,
}

impl ChainLimit {
    /// Why a chain that began at `began_at` and has so many incrementals takes no more of them; `None` if it does.
    #[must_use]
    pub fn reached(&self, began_at: Timestamp, incrementals: usize, now: Timestamp) -> Option<String> {
        if let Some(most) = self.incrementals.filter(|most| incrementals >= *most as usize) {
            return Some(format!("Its chain has as many incrementals as it may have ({most})."));
        }
        let age = |days: u32| SignedDuration::from_hours(24 * i64::from(days));
        let days = self.days.filter(|days| now.duration_since(began_at) >= age(*days))?;
        Some(format!("Its chain is as old as it may get (days: {days})."))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_ends_at_its_limit_and_not_before() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let began_at = at("2026-11-01T00:00:00Z");
        let limit = ChainLimit { incrementals: Some(3), days: Some(7) };
        assert_eq!(limit.reached(began_at, 2, at("2026-11-07T23:59:59Z")), None);
        assert_eq!(limit.reached(began_at, 3, began_at).unwrap(), "Its chain has as many incrementals as it may have (3).");
        assert_eq!(limit.reached(began_at, 0, at("2026-11-08T00:00:00Z")).unwrap(), "Its chain is as old as it may get (days: 7).");
        assert_eq!(ChainLimit::default().reached(began_at, 10_000, at("2036-11-08T00:00:00Z")), None);
        // A clock that was set back makes no chain old.
        assert_eq!(limit.reached(began_at, 0, at("2026-10-01T00:00:00Z")), None);
    }
}
