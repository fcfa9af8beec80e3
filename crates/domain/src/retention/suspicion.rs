//! Backups that hold so much less than those before them that something may be missing.

use crate::display;
use serde::{Deserialize, Serialize};

/// How much a full backup holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measure {
    /// Bytes of its rows and definitions, before they were sealed.
    pub size_bytes: u64,
    /// Rows of all tables.
    pub rows: u64,
}

/// Backups before one that it is compared with.
const COMPARED: usize = 7;

/// Why a backup may lack something, a sentence: its size or its rows are below half of the median of those before it, newest first.
/// One that comes often enough is usual after a while, and no longer suspicious.
pub fn suspicion(one: Measure, before: impl IntoIterator<Item = Measure>) -> Option<String> {
    let before: Vec<Measure> = before.into_iter().take(COMPARED).collect();
    let median = |of: fn(&Measure) -> u64| {
        let mut values: Vec<u64> = before.iter().map(of).collect();
        values.sort_unstable();
        values.get(values.len() / 2).copied().unwrap_or(0)
    };
    let is_below_half = |value: u64, usual: u64| value.saturating_mul(2) < usual;
    let (size, rows) = (median(|measure| measure.size_bytes), median(|measure| measure.rows));
    if is_below_half(one.rows, rows) {
        let (has, usual) = (display::count(one.rows), display::count(rows));
        return Some(format!("It has far fewer rows than those before it: {has} where {usual} are usual."));
    }
    let (has, usual) = (display::size(one.size_bytes), display::size(size));
    is_below_half(one.size_bytes, size).then(|| format!("It is far smaller than those before it: {has} where {usual} are usual."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measure(size_bytes: u64, rows: u64) -> Measure {
        Measure { size_bytes, rows }
    }

    #[test]
    fn less_than_half_of_what_is_usual_is_suspicious_until_it_is_usual() {
        let before = [measure(1000, 100); 9];
        assert_eq!(suspicion(measure(500, 50), before), None);
        assert_eq!(suspicion(measure(1000, 49), before).unwrap(), "It has far fewer rows than those before it: 49 where 100 are usual.");
        assert_eq!(suspicion(measure(499, 100), before).unwrap(), "It is far smaller than those before it: 499 B where 1.0 kB are usual.");
        assert_eq!(suspicion(measure(0, 0), []), None, "the first one has nothing to be compared with");
        let mut shrunk = vec![measure(10, 1); 4];
        shrunk.extend(before);
        assert_eq!(suspicion(measure(10, 1), shrunk.clone()), None, "four of seven are as small");
        assert!(suspicion(measure(10, 1), shrunk.into_iter().skip(1)).is_some());
    }
}
