//! Moments.

use super::viewer_offset;
use jiff::{Timestamp, tz::Offset};
use leptos::prelude::*;

/// How a moment is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Manner {
    /// `Sun 22 Nov, 02:00`, with the year where it is another one than now.
    #[default]
    Moment,
    /// How long ago it is or how far ahead: `3 h 41 min ago`, `in 12 min`.
    Relative,
    /// The time of day with its seconds, for logs.
    Clock,
    /// The day alone.
    Day,
}

/// A moment: first in UTC, as the server wrote it, then by the viewer's clocks. UTC is on hover.
#[component]
pub fn When(
    /// The moment.
    #[prop(into)]
    at: Option<Timestamp>,
    /// When the data that the page shows was read.
    now: Timestamp,
    /// How it is written.
    #[prop(optional)]
    manner: Manner,
    /// What is said where there is no moment.
    #[prop(default = "never")]
    none: &'static str,
) -> impl IntoView {
    let Some(at) = at else {
        return view! { <span class="dim">{none}</span> }.into_any();
    };
    let exact = format!("{} UTC", at.strftime("%a %-d %b %Y, %H:%M:%S"));
    if manner == Manner::Relative {
        return view! { <time datetime=at.to_string() title=exact>{relative(at, now)}</time> }.into_any();
    }
    let offset = viewer_offset(at);
    view! { <time datetime=at.to_string() title=exact>{move || written(at, now, manner, offset.get())}</time> }.into_any()
}

fn written(at: Timestamp, now: Timestamp, manner: Manner, offset: Option<Offset>) -> String {
    let clocks = offset.unwrap_or(Offset::UTC);
    let (moment, today) = (clocks.to_datetime(at), clocks.to_datetime(now));
    let format = match manner {
        Manner::Clock => return moment.strftime("%H:%M:%S").to_string(),
        Manner::Day if moment.year() == today.year() => return moment.strftime("%a %-d %b").to_string(),
        Manner::Day => return moment.strftime("%-d %b %Y").to_string(),
        _ if moment.year() == today.year() => "%a %-d %b, %H:%M",
        _ => "%-d %b %Y, %H:%M",
    };
    let zone = if offset.is_none() { " UTC" } else { "" };
    format!("{}{zone}", moment.strftime(format))
}

/// How far a moment is from another, in the units that people would use.
pub(super) fn relative(at: Timestamp, now: Timestamp) -> String {
    let seconds = now.as_second() - at.as_second();
    let far = match seconds.unsigned_abs() {
        0..5 => return "just now".into(),
        far @ 5..60 => format!("{far} s"),
        far @ 60..3_600 => format!("{} min", far / 60),
        far @ 3_600..86_400 => match far % 3_600 / 60 {
            0 => format!("{} h", far / 3_600),
            minutes => format!("{} h {minutes} min", far / 3_600),
        },
        far => super::counted(far / 86_400, "day", "days"),
    };
    if seconds > 0 { format!("{far} ago") } else { format!("in {far}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_moment_is_in_utc_until_the_viewers_clocks_are_known() {
        let (moment, now) = (at("2026-11-22T02:00:00Z"), at("2026-11-24T12:00:00Z"));
        assert_eq!(written(moment, now, Manner::Moment, None), "Sun 22 Nov, 02:00 UTC");
        assert_eq!(written(moment, now, Manner::Moment, Some(jiff::tz::offset(-5))), "Sat 21 Nov, 21:00");
        assert_eq!(written(at("2025-01-02T03:04:05Z"), now, Manner::Moment, None), "2 Jan 2025, 03:04 UTC");
        assert_eq!(written(moment, now, Manner::Clock, Some(jiff::tz::offset(1))), "03:00:00");
        assert_eq!(written(moment, now, Manner::Day, None), "Sun 22 Nov");
    }

    #[test]
    fn distances_are_told_as_people_do() {
        let now = at("2026-11-24T12:00:00Z");
        for (moment, text) in [
            ("2026-11-24T11:59:58Z", "just now"),
            ("2026-11-24T11:59:18Z", "42 s ago"),
            ("2026-11-24T12:12:00Z", "in 12 min"),
            ("2026-11-24T08:19:00Z", "3 h 41 min ago"),
            ("2026-11-23T11:00:00Z", "1 day ago"),
            ("2026-12-04T12:00:00Z", "in 10 days"),
        ] {
            assert_eq!(relative(at(moment), now), text);
        }
    }
}
