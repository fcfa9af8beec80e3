//! Numbers as people write them; the same on the command line and in the browser.

use std::time::Duration;

/// A size in decimal units: `999 B`, `1.5 kB`, `12 MB`, `1.8 GB`.
#[must_use]
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64;
    let mut unit = "";
    for next in UNITS {
        value /= 1000.0;
        unit = next;
        // 999.95 would be shown as 1000.
        if value < 999.5 {
            break;
        }
    }
    if value < 9.95 { format!("{value:.1} {unit}") } else { format!("{value:.0} {unit}") }
}

/// A count with thin groups of three: `6 000 000`.
#[must_use]
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() * 2);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push('\u{202f}');
        }
        out.push(digit);
    }
    out
}

/// A duration in its two largest units: `0.3 s`, `12 s`, `3 min 5 s`, `2 h 10 min`, `3 d 4 h`.
#[must_use]
pub fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    if seconds < 9.95 {
        return format!("{seconds:.1} s");
    }
    let whole = seconds.round() as u64;
    let (small, large) = match whole {
        0..60 => return format!("{whole} s"),
        60..3_600 => ((whole % 60, "s"), (whole / 60, "min")),
        3_600..86_400 => ((whole % 3_600 / 60, "min"), (whole / 3_600, "h")),
        _ => ((whole % 86_400 / 3_600, "h"), (whole / 86_400, "d")),
    };
    if small.0 == 0 { format!("{} {}", large.0, large.1) } else { format!("{} {} {} {}", large.0, large.1, small.0, small.1) }
}

/// A sentence's beginning in the middle of another one.
#[must_use]
pub fn lower(sentence: &str) -> String {
    let mut letters = sentence.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

/// A word of a command line, as a shell reads it.
#[must_use]
pub fn shell_word(word: &str) -> String {
    let is_plain = !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || "-_./:@%+,=".contains(c));
    if is_plain { word.into() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_people_do() {
        for (bytes, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (1_550, "1.6 kB"),
            (9_960, "10 kB"),
            (999_499, "999 kB"),
            (999_600, "1.0 MB"),
            (1_764_000_000, "1.8 GB"),
            (u64::MAX, "18 EB"),
        ] {
            assert_eq!(size(bytes), text, "{bytes}");
        }
        assert_eq!(count(6_000_000), "6\u{202f}000\u{202f}000");
        assert_eq!(count(42), "42");
        for (ms, text) in [
            (300, "0.3 s"),
            (9_960, "10 s"),
            (12_000, "12 s"),
            (185_000, "3 min 5 s"),
            (7_800_000, "2 h 10 min"),
            (3_600_000, "1 h"),
            (273_600_000, "3 d 4 h"),
        ] {
            assert_eq!(duration(Duration::from_millis(ms)), text);
        }
    }

    #[test]
    fn a_command_can_be_pasted_whatever_the_name() {
        assert_eq!(shell_word("/srv/backups"), "/srv/backups");
        assert_eq!(shell_word("it's; rm -rf $HOME"), r"'it'\''s; rm -rf $HOME'");
        assert_eq!(shell_word(""), "''");
    }
}
