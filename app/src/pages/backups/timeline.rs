//! Where moments lie on a line of time: pure, so that the server draws it and the browser draws the same.

use jiff::{SignedDuration, Timestamp, civil::DateTime, tz::Offset};

/// How much of time is shown, up to now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// From the first backup on.
    All,
    /// Thirty days.
    Month,
    /// Seven days.
    Week,
    /// A day.
    Day,
}

impl Span {
    /// All, the longest first.
    pub const ALL: [Self; 4] = [Self::All, Self::Month, Self::Week, Self::Day];

    /// Its word in the URL.
    pub fn word(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Month => "month",
            Self::Week => "week",
            Self::Day => "day",
        }
    }

    /// Its name.
    pub fn title(self) -> &'static str {
        match self {
            Self::All => "Everything",
            Self::Month => "30 days",
            Self::Week => "7 days",
            Self::Day => "24 hours",
        }
    }

    /// The span of a word; everything, if it is none.
    pub fn of_word(word: &str) -> Self {
        Self::ALL.into_iter().find(|span| span.word() == word).unwrap_or(Self::All)
    }

    /// Where it begins; nowhere for all of time.
    pub fn begins(self, now: Timestamp) -> Option<Timestamp> {
        let hours = match self {
            Self::All => return None,
            Self::Month => 30 * 24,
            Self::Week => 7 * 24,
            Self::Day => 24,
        };
        Some(now.saturating_sub(SignedDuration::from_hours(hours)).unwrap_or(now))
    }

    /// The spans that show something else than everything does: those that are shorter than the age of the oldest backup.
    pub fn useful(oldest: Option<Timestamp>, now: Timestamp) -> Vec<Self> {
        let Some(oldest) = oldest else { return vec![] };
        let shorter = Self::ALL.into_iter().filter(|span| span.begins(now).is_none_or(|begin| oldest < begin));
        let useful: Vec<_> = shorter.collect();
        if useful.len() > 1 { useful } else { vec![] }
    }
}

/// The part of time that a line shows.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    from: Timestamp,
    to: Timestamp,
}

/// Share of the line's width that is left free at each end, in percent.
const MARGIN: f64 = 4.0;

/// Most marks of time below a line.
const MOST_TICKS: usize = 7;

impl Window {
    /// The window of a span, or from the oldest moment to now. It is never shorter than an hour.
    pub fn new(span: Span, oldest: Option<Timestamp>, now: Timestamp) -> Self {
        let from = span.begins(now).or(oldest).unwrap_or(now);
        let latest = now.saturating_sub(SignedDuration::from_hours(1)).unwrap_or(now);
        Self { from: from.min(latest), to: now }
    }

    /// Whether a moment lies in it.
    pub fn shows(&self, moment: Timestamp) -> bool {
        self.from <= moment && moment <= self.to
    }

    /// How far to the right a moment lies, in percent of the width.
    pub fn percent(&self, moment: Timestamp) -> f64 {
        let share = (moment - self.from).total(jiff::Unit::Second).unwrap_or(0.0) / self.seconds();
        MARGIN + share.clamp(0.0, 1.0) * (100.0 - 2.0 * MARGIN)
    }

    /// Round moments to write below the line, with what to write, as clocks at this offset from UTC show them.
    pub fn ticks(&self, offset: Offset) -> Vec<(f64, String)> {
        let (from, to) = (offset.to_datetime(self.from), offset.to_datetime(self.to));
        let ticks =
            |step: Step| std::iter::successors(step.at_or_after(from), move |last| step.after(*last)).take_while(move |tick| *tick <= to);
        let step = Step::ALL.into_iter().find(|step| ticks(*step).take(MOST_TICKS + 1).count() <= MOST_TICKS);
        let step = step.unwrap_or(Step::Months(12 * 10));
        ticks(step).filter_map(|tick| Some((self.percent(offset.to_timestamp(tick).ok()?), step.write(tick)))).collect()
    }

    fn seconds(&self) -> f64 {
        (self.to - self.from).total(jiff::Unit::Second).unwrap_or(1.0).max(1.0)
    }
}

/// A round amount of time.
#[derive(Clone, Copy)]
enum Step {
    Minutes(i64),
    Days(i64),
    Months(i16),
}

impl Step {
    const ALL: [Self; 14] = [
        Self::Minutes(10),
        Self::Minutes(30),
        Self::Minutes(60),
        Self::Minutes(120),
        Self::Minutes(240),
        Self::Minutes(360),
        Self::Minutes(720),
        Self::Days(1),
        Self::Days(2),
        Self::Days(7),
        Self::Days(14),
        Self::Months(1),
        Self::Months(3),
        Self::Months(12),
    ];

    /// The first round moment that is not earlier.
    fn at_or_after(self, moment: DateTime) -> Option<DateTime> {
        let midnight = moment.date().to_datetime(jiff::civil::Time::midnight());
        let begin = match self {
            Self::Minutes(_) => midnight,
            // Days are counted from a fixed one, so that the same days are marked when the window moves on.
            Self::Days(days) => {
                let since = (moment.date() - jiff::civil::date(2024, 1, 1)).get_days();
                midnight.checked_sub(jiff::Span::new().days(i64::from(since).rem_euclid(days))).ok()?
            }
            Self::Months(months) => {
                let first = moment.date().first_of_month();
                let since =
                    if months < 12 { i64::from(first.month() - 1).rem_euclid(i64::from(months)) } else { i64::from(first.month() - 1) };
                first.to_datetime(jiff::civil::Time::midnight()).checked_sub(jiff::Span::new().months(since)).ok()?
            }
        };
        std::iter::successors(Some(begin), |last| self.after(*last)).find(|tick| *tick >= moment)
    }

    fn after(self, moment: DateTime) -> Option<DateTime> {
        let span = match self {
            Self::Minutes(minutes) => jiff::Span::new().minutes(minutes),
            Self::Days(days) => jiff::Span::new().days(days),
            Self::Months(months) => jiff::Span::new().months(months),
        };
        moment.checked_add(span).ok()
    }

    fn write(self, tick: DateTime) -> String {
        let format = match self {
            Self::Minutes(_) if tick.time() != jiff::civil::Time::midnight() => "%H:%M",
            Self::Minutes(_) | Self::Days(_) => "%-d %b",
            Self::Months(1..=11) => "%b %Y",
            Self::Months(_) => "%Y",
        };
        tick.strftime(format).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn texts(window: &Window, offset: Offset) -> Vec<String> {
        window.ticks(offset).into_iter().map(|(_, text)| text).collect()
    }

    #[test]
    fn moments_lie_between_the_margins() {
        let window = Window::new(Span::All, Some(at("2026-11-01T00:00:00Z")), at("2026-11-11T00:00:00Z"));
        assert_eq!(window.percent(at("2026-11-01T00:00:00Z")), 4.0);
        assert_eq!(window.percent(at("2026-11-06T00:00:00Z")), 50.0);
        assert_eq!(window.percent(at("2026-11-11T00:00:00Z")), 96.0);
        assert!(!window.shows(at("2026-10-31T23:59:59Z")));
    }

    #[test]
    fn ticks_are_round_and_few() {
        let day = Window::new(Span::Day, None, at("2026-11-22T12:19:00Z"));
        assert_eq!(texts(&day, Offset::UTC), ["16:00", "20:00", "22 Nov", "04:00", "08:00", "12:00"]);
        assert_eq!(texts(&day, jiff::tz::offset(1))[0], "16:00");
        let week = Window::new(Span::Week, None, at("2026-11-22T12:19:00Z"));
        assert_eq!(texts(&week, Offset::UTC), ["16 Nov", "17 Nov", "18 Nov", "19 Nov", "20 Nov", "21 Nov", "22 Nov"]);
        let year = Window::new(Span::All, Some(at("2025-11-30T00:00:00Z")), at("2026-11-22T12:19:00Z"));
        assert_eq!(texts(&year, Offset::UTC), ["Jan 2026", "Apr 2026", "Jul 2026", "Oct 2026"]);
        let decade = Window::new(Span::All, Some(at("2006-11-30T00:00:00Z")), at("2026-11-22T12:19:00Z"));
        assert!(texts(&decade, Offset::UTC).len() <= MOST_TICKS);
        let single = Window::new(Span::All, Some(at("2026-11-22T12:18:30Z")), at("2026-11-22T12:19:00Z"));
        assert_eq!(texts(&single, Offset::UTC), ["11:20", "11:30", "11:40", "11:50", "12:00", "12:10"]);
    }

    #[test]
    fn only_spans_that_show_less_than_everything_are_offered() {
        let now = at("2026-11-22T12:19:00Z");
        assert_eq!(Span::useful(None, now), []);
        assert_eq!(Span::useful(Some(at("2026-11-22T02:00:00Z")), now), []);
        assert_eq!(Span::useful(Some(at("2026-11-20T02:00:00Z")), now), [Span::All, Span::Day]);
        assert_eq!(Span::useful(Some(at("2025-11-20T02:00:00Z")), now), Span::ALL);
        assert_eq!(Span::of_word("week"), Span::Week);
        assert_eq!(Span::of_word("x"), Span::All);
    }
}
