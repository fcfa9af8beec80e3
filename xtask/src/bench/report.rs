//! docs/BENCHMARKS.md: where, how, and what came out.

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use testkit::postgres_binaries;

use super::Figures;
use super::scenario::{Apart, Scenario};
use crate::run::release_binary;

/// The whole report.
///
/// # Errors
/// When a version cannot be asked for, or our JSON lacks a promised field.
pub fn report(measured: &[(&Scenario, Vec<Figures>)], scale: f64, rounds: u32) -> Result<String> {
    let mut text = head(scale, rounds)?;
    for (scenario, figures) in measured {
        write!(text, "\n## {}\n\n{}\n\n", scenario.title, scenario.note)?;
        text.push_str(&table(scenario, figures));
        text.push_str(&missed(scenario, figures));
        text.push_str(&bytes(scenario, figures));
        if let Some(apart) = &scenario.apart {
            text.push_str(&without(apart, scenario, figures)?);
        }
        text.push_str("\n```bash\n");
        for way in scenario.ways {
            writeln!(text, "{}", way.script)?;
        }
        text.push_str("```\n");
    }
    Ok(text)
}

fn head(scale: f64, rounds: u32) -> Result<String> {
    let binaries = postgres_binaries()?;
    let versions = [
        first_line(&release_binary(), "--version")?,
        first_line(&binaries.join("postgres"), "--version")?,
        format!("sqlite3 {}", first_line(Path::new("sqlite3"), "--version")?.split(' ').next().unwrap_or_default()),
        first_line(Path::new("zstd"), "--version")?.trim_matches(['*', ' ']).to_owned(),
    ];
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let field = |file: &str, name: &str| {
        let text = fs::read_to_string(file).unwrap_or_default();
        text.lines()
            .find(|line| line.starts_with(name))
            .and_then(|line| Some(line.split_once(':')?.1.trim().to_owned()))
            .unwrap_or_default()
    };
    let memory = field("/proc/meminfo", "MemTotal").trim_end_matches(" kB").parse::<f64>().unwrap_or(0.0) / 1024.0 / 1024.0;
    Ok(format!(
        "# Benchmarks\n\n\
         Written by `cargo xtask bench` on {}, at {scale} of the full amounts of data. Each figure is the median of {rounds} rounds, in which \
         the ways took turns on the same idle machine and the same durable server; all of them come over the loopback interface.\n\n\
         - Machine: {cores} cores ({}), {memory:.0} GiB of memory, Linux {}\n- Versions: {}\n\
         - *Ratio* is Rookery's time divided by that way's: below 1, Rookery is faster. *Peak memory* is that of the largest process.\n\
         - The commands are shown below each table; their data and words are in `xtask/src/bench/`.\n",
        first_line(Path::new("date"), "--utc --iso-8601")?,
        field("/proc/cpuinfo", "model name"),
        first_line(Path::new("uname"), "-r")?,
        versions.join(", ")
    ))
}

fn first_line(program: &Path, arguments: &str) -> Result<String> {
    let out = Command::new(program).args(arguments.split(' ')).output().with_context(|| format!("cannot run {}", program.display()))?;
    Ok(String::from_utf8_lossy(&out.stdout).lines().next().unwrap_or_default().to_owned())
}

/// Without an aim there is nothing to compare with, and the two columns about it are left out.
fn table(scenario: &Scenario, figures: &[Figures]) -> String {
    let compared = scenario.ways.iter().any(|way| way.aim.is_some());
    let (heads, lines) = match compared {
        true => ("| ratio | aim ", "|---:|---:"),
        false if scenario.ways.iter().any(|way| way.limit.is_some()) => ("| aim ", "|---:"),
        false => ("", ""),
    };
    let ours = figures.first().map_or(0.0, Figures::seconds);
    let mut text = format!("| way | seconds | all rounds {heads}| written | peak memory |\n|---|---:|---:{lines}|---:|---:|\n");
    for (number, (way, figures)) in scenario.ways.iter().zip(figures).enumerate() {
        let all: Vec<_> = figures.runs.iter().map(|(measured, _)| digits(measured.seconds, 1)).collect();
        let mut row = vec![format!("`{}`", way.name), digits(figures.seconds(), 2), all.join(" ")];
        if compared {
            row.push(if number > 0 { digits(ours / figures.seconds(), 2) } else { "–".into() });
            row.push(way.aim.map_or("–".into(), |aim| format!("≤ {aim}")));
        }
        if let Some(limit) = way.limit {
            row.push(format!("≤ {limit} s"));
        }
        row.extend([mebibytes(figures.written_bytes()), mebibytes(figures.peak_bytes())]);
        text.push_str(&format!("| {} |\n", row.join(" | ")));
    }
    text
}

/// A number with so many digits behind the point, and one more where it is below 1: what is small is told apart as well.
fn digits(number: f64, count: usize) -> String {
    format!("{number:.*}", count + usize::from(number < 1.0))
}

/// A sentence for each aim that is not reached.
fn missed(scenario: &Scenario, figures: &[Figures]) -> String {
    let ours = figures.first().map_or(0.0, Figures::seconds);
    let ways = scenario.ways.iter().zip(figures);
    let missed = ways.filter_map(|(way, figures)| {
        let slower = way.aim.is_some_and(|aim| ours / figures.seconds() > aim);
        let late = way.limit.is_some_and(|limit| figures.seconds() > limit);
        let word = if slower { "Missed against" } else { "Missed by" };
        (slower || late).then(|| format!("\n{word} `{}`: {}\n", way.name, way.why))
    });
    missed.collect()
}

/// A sentence about the bytes, where there is an aim for them.
fn bytes(scenario: &Scenario, figures: &[Figures]) -> String {
    let theirs = scenario.ways.iter().zip(figures).rfind(|(_, figures)| figures.written_bytes() > 0.0);
    let (Some(aim), Some(ours), Some((way, theirs))) = (scenario.bytes, figures.first(), theirs) else { return String::new() };
    format!("\nBytes written: {:.3} of those of `{}` (aim ≤ {aim}).\n", ours.written_bytes() / theirs.written_bytes(), way.name)
}

fn without(apart: &Apart, scenario: &Scenario, figures: &[Figures]) -> Result<String> {
    let (Some(ours), Some(theirs), Some(way)) = (figures.first(), figures.last(), scenario.ways.last()) else { return Ok(String::new()) };
    let mut rest = Vec::new();
    for (measured, _) in &ours.runs {
        let document: serde_json::Value = serde_json::from_str(&measured.output).context("Rookery printed no JSON document")?;
        let part = document.get(apart.field).and_then(serde_json::Value::as_f64);
        rest.push(measured.seconds - part.with_context(|| format!("Rookery's JSON has no {}", apart.field))?);
    }
    let (rest, ratio) = (median(rest.clone()), median(rest) / theirs.seconds());
    let why = if ratio > apart.aim { format!(" {}", apart.why) } else { String::new() };
    Ok(format!("\nWithout {}: {rest:.2} s, {ratio:.2} of `{}` (aim ≤ {}).{why}\n", apart.name, way.name, apart.aim))
}

impl Figures {
    fn seconds(&self) -> f64 {
        median(self.runs.iter().map(|(measured, _)| measured.seconds).collect())
    }

    fn written_bytes(&self) -> f64 {
        median(self.runs.iter().map(|(_, written)| *written as f64).collect())
    }

    /// The largest of all rounds: a limit that is kept only sometimes is none.
    fn peak_bytes(&self) -> f64 {
        self.runs.iter().map(|(measured, _)| measured.peak_bytes as f64).fold(0.0, f64::max)
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() % 2 {
        _ if values.is_empty() => 0.0,
        0 => f64::midpoint(values[middle - 1], values[middle]),
        _ => values[middle],
    }
}

fn mebibytes(bytes: f64) -> String {
    if bytes == 0.0 { "–".into() } else { format!("{:.1} MiB", bytes / 1024.0 / 1024.0) }
}

#[cfg(test)]
mod tests {
    use super::super::measure::Measured;
    use super::super::scenarios::SCENARIOS;
    use super::*;

    fn figures(seconds: &[f64], output: &str) -> Figures {
        let run = |seconds: &f64| (Measured { seconds: *seconds, peak_bytes: 32 << 20, output: output.into() }, 3 << 20);
        Figures { runs: seconds.iter().map(run).collect() }
    }

    #[test]
    fn the_table_gives_medians_and_our_time_divided_by_theirs() {
        let restore = SCENARIOS.iter().find(|it| it.name == "restore").expect("the scenario");
        let measured = [figures(&[4.0, 3.0, 9.0], r#"{"compare_seconds": 1.0}"#), figures(&[8.0, 7.0, 9.0], "")];
        let text = table(restore, &measured);
        assert!(text.contains("| `rookery restore` | 4.00 | 4.0 3.0 9.0 | – | – | 3.0 MiB | 32.0 MiB |"), "{text}");
        assert!(text.contains("| `pg_restore -j2` | 8.00 | 8.0 7.0 9.0 | 0.500 | ≤ 1.1 |"), "{text}");
        assert_eq!(missed(restore, &measured), "");
        assert!(missed(restore, &[figures(&[9.0], ""), figures(&[8.0], "")]).starts_with("\nMissed against `pg_restore -j2`: The server"));
        let apart = restore.apart.as_ref().expect("the comparison");
        let sentence = without(apart, restore, &measured).expect("a number in the JSON");
        assert!(sentence.contains("Without the comparison: 3.00 s, 0.38 of `pg_restore -j2` (aim ≤ 0.8)"), "{sentence}");
        assert!(without(apart, restore, &[figures(&[1.0], "{}"), figures(&[1.0], "")]).is_err());
    }

    #[test]
    fn a_limit_and_the_bytes_have_their_say() {
        let named = |name| SCENARIOS.iter().find(|it| it.name == name).expect("the scenario");
        let unchanged = [figures(&[0.05], ""), figures(&[0.2], ""), figures(&[0.1], "")];
        let text = table(named("unchanged"), &unchanged);
        assert!(text.contains("| `comparing rows` | 0.200 | 0.20 | ≤ 0.1 s | 3.0 MiB |"), "{text}");
        assert!(missed(named("unchanged"), &unchanged).starts_with("\nMissed by `comparing rows`: "), "{text}");
        assert!(bytes(named("unchanged"), &unchanged).is_empty());
        let mut limit = figures(&[0.5], "");
        limit.runs[0].1 = 0;
        let churned = [figures(&[1.0], ""), figures(&[9.0], ""), limit];
        assert_eq!(bytes(named("incremental"), &churned), "\nBytes written: 1.000 of those of `--kind full` (aim ≤ 0.02).\n");
    }

    #[test]
    fn a_median_of_an_even_number_lies_between() {
        assert_eq!((median(vec![4.0, 1.0, 2.0, 3.0]), median(vec![])), (2.5, 0.0));
    }
}
