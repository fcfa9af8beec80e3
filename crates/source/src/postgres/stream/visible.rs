//! Which transactions a snapshot sees: the rule of PostgreSQL, on the text of `txid_current_snapshot()`.

use domain::{Error, Result};
use std::{fmt, str::FromStr};

/// A snapshot: `xmin:xmax:xip`, the transactions in `xip` being under way
/// (<https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-PG-SNAPSHOT>). Numbers have 64 bits: they do not wrap around.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::postgres) struct Visible {
    /// All before it have ended.
    pub xmin: u64,
    /// It and all after it have not begun.
    pub xmax: u64,
    under_way: Vec<u64>,
}

impl Visible {
    /// Whether a transaction that was committed at some time is seen.
    pub fn sees(&self, xid: u64) -> bool {
        xid < self.xmin || (xid < self.xmax && self.under_way.binary_search(&xid).is_err())
    }

    /// Whether nobody was writing. The list alone does not tell: a standby leaves it empty whoever is.
    pub fn is_at_rest(&self) -> bool {
        self.xmin == self.xmax
    }

    /// Transactions that this snapshot shows as under way, although `earlier` saw that they were committed.
    pub fn has_lost(&self, earlier: &Self) -> bool {
        self.under_way.iter().any(|xid| earlier.sees(*xid))
    }

    /// A number of 32 bits, as the log has it, at full width: the one that is nearest to this snapshot. No two that a log
    /// still holds are further apart.
    pub fn widen(&self, xid: u32) -> u64 {
        let near = self.xmax;
        let distance = xid.wrapping_sub((near & 0xffff_ffff) as u32).cast_signed();
        near.saturating_add_signed(i64::from(distance))
    }
}

impl FromStr for Visible {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let broken = || Error::internal(format!("A snapshot of the server, {text:?}, has an unknown form."));
        let mut parts = text.split(':');
        let mut number = || parts.next().and_then(|part| part.parse().ok());
        let (xmin, xmax) = (number().ok_or_else(broken)?, number().ok_or_else(broken)?);
        let list = parts.next().ok_or_else(broken)?;
        let under_way = list.split(',').filter(|xid| !xid.is_empty()).map(|xid| xid.parse().map_err(|_| broken()));
        let mut under_way = under_way.collect::<Result<Vec<u64>>>()?;
        under_way.sort_unstable();
        Ok(Self { xmin, xmax, under_way })
    }
}

impl fmt::Display for Visible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let under_way: Vec<_> = self.under_way.iter().map(u64::to_string).collect();
        write!(f, "{}:{}:{}", self.xmin, self.xmax, under_way.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ended_before_is_seen_and_nothing_else() {
        let snapshot: Visible = "10:15:10,13".parse().unwrap();
        let seen: Vec<_> = (8..18).filter(|xid| snapshot.sees(*xid)).collect();
        assert_eq!(seen, [8, 9, 11, 12, 14]);
        assert_eq!(snapshot.to_string(), "10:15:10,13");
        assert_eq!("7:7:".parse::<Visible>().unwrap().to_string(), "7:7:");
        for text in ["", "1", "1:2", "1:2:x", "a:2:", "1:2:3,,x"] {
            assert!(text.parse::<Visible>().is_err(), "{text}");
        }
    }

    #[test]
    fn rest_is_told_without_the_list() {
        let at_rest: Vec<_> = ["7:7:", "100:105:", "100:105:100"].map(|text| text.parse::<Visible>().unwrap().is_at_rest()).into();
        assert_eq!(at_rest, [true, false, false]);
    }

    #[test]
    fn what_was_seen_before_is_missed() {
        let [earlier, later, stuck]: [Visible; 3] = ["10:15:10,13", "13:17:13,16", "13:17:13,14"].map(|text| text.parse().unwrap());
        assert!(!later.has_lost(&earlier) && stuck.has_lost(&earlier));
    }

    #[test]
    fn numbers_are_widened_on_both_sides_of_a_wraparound() {
        let wide = |xmax: u64| format!("{xmax}:{xmax}:").parse::<Visible>().unwrap();
        assert_eq!(wide(750).widen(740), 740);
        assert_eq!(wide(750).widen(760), 760);
        let just_after = (5 << 32) + 10;
        assert_eq!(wide(just_after).widen(8), (5 << 32) + 8);
        assert_eq!(wide(just_after).widen(u32::MAX), (5 << 32) - 1);
        assert_eq!(wide((5 << 32) - 3).widen(2), (5 << 32) + 2);
    }
}
