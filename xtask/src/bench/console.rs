//! What the console's pages and live streams take when there is much to tell, measured in a browser by `end2end/measure`.

use std::fmt::Write;
use std::fs;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::e2e;
use crate::run::{release_binary, run, target};

/// Its name on the command line, beside those of the scenarios.
pub const NAME: &str = "console";

/// Milliseconds within which the server is to have answered with a page.
const FIRST_BYTE_MS: f64 = 150.0;

/// Milliseconds within which viewers are to see what happens.
const DELAY_MS: f64 = 1000.0;

/// What browsers load at most, in KiB as brotli sends it.
const MODULE_KIB: f64 = 400.0;

/// Why it may be more.
const MODULE_WHY: &str =
    " Every page is in the one module, and each kind of value that a page loads brings a copy of the code that loads it.";

/// Measures the release build, and returns the report's part about it.
///
/// # Errors
/// When a page does not answer, or what was measured cannot be read.
pub fn section() -> Result<String> {
    let out = target().join("console-measured.json");
    let (mut playwright, server) = e2e::playwright(&release_binary(), None)?;
    playwright.args(["--config", "measure/playwright.config.ts"]).env("ROOKERY_MEASURED", &out);
    run(playwright)?;
    drop(server);
    let measured = serde_json::from_str(&fs::read_to_string(&out)?).context("what the browser measured is not JSON")?;
    Ok(report(&measured, module_kib()?))
}

/// Size of the module that browsers load.
fn module_kib() -> Result<f64> {
    for entry in fs::read_dir(target().join("site/release/pkg"))? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().ends_with(".wasm.br") {
            return Ok(entry.metadata()?.len() as f64 / 1024.0);
        }
    }
    anyhow::bail!("the site has no module in brotli")
}

fn report(measured: &Value, module_kib: f64) -> String {
    let number = |value: &Value, field: &str| value[field].as_f64().unwrap_or(f64::NAN);
    let list = |field: &str| measured[field].as_array().cloned().unwrap_or_default();
    let mut text = format!(
        "\n## The console\n\nThe release build, with {} databases and {} runs in its catalog (SQLite). *First byte* is when the answer to a request \
         over the loopback interface begins, which is when the page is rendered: pages are sent whole. Its median and its slowest are of 15 \
         requests, aim ≤ {FIRST_BYTE_MS} ms. *Largest paint* is the median of 3 visits by a Chromium with an empty cache on the same two cores.\n\n\
         | page | first byte, ms | slowest, ms | largest paint, ms | HTML, KiB |\n|---|---:|---:|---:|---:|\n",
        measured["databases"], measured["runs"]
    );
    for page in list("pages") {
        text += &format!(
            "| {} | {:.0} | {:.0} | {:.0} | {:.0} |\n",
            page["name"].as_str().unwrap_or_default(),
            number(&page, "first_byte_ms"),
            number(&page, "slowest_ms"),
            number(&page, "paint_ms"),
            number(&page, "bytes") / 1024.0
        );
    }
    let _ = write!(
        text,
        "\nThe module that browsers load once: {module_kib:.0} KiB in brotli (aim ≤ {MODULE_KIB}).{}\n\n{} viewers at once. *Age* is how old a \
         screen is when it arrives, from the moment that the server read it (aim ≤ {DELAY_MS} ms); a screen is read anew every half second, and \
         every two and a half for a round of 2,000. *Memory* is the most that the console held, without viewers and with them.\n\n\
         | what they watch | screens | age, ms | oldest, ms | memory without | memory with |\n|---|---:|---:|---:|---:|---:|\n",
        if module_kib > MODULE_KIB { MODULE_WHY } else { "" },
        measured["viewers"]
    );
    for watched in list("watched") {
        text += &format!(
            "| {} | {} | {:.0} | {:.0} | {:.0} MiB | {:.0} MiB |\n",
            watched["what"].as_str().unwrap_or_default(),
            watched["events"],
            number(&watched, "median_ms"),
            number(&watched, "latest_ms"),
            number(&watched, "alone_bytes") / f64::from(1 << 20),
            number(&watched, "watched_bytes") / f64::from(1 << 20)
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::report;

    #[test]
    fn every_page_and_every_stream_has_a_line() {
        let measured = serde_json::json!({
            "databases": 2001, "runs": 50_003, "viewers": 50,
            "pages": [{ "name": "Overview", "first_byte_ms": 12.4, "slowest_ms": 30.0, "paint_ms": 101.6, "bytes": 20480 }],
            "watched": [{ "what": "one run", "events": 500, "median_ms": 3.0, "latest_ms": 40.0, "alone_bytes": 52_428_800, "watched_bytes": 54_525_952 }],
        });
        let text = report(&measured, 380.4);
        assert!(text.contains("2001 databases and 50003 runs"), "{text}");
        assert!(text.contains("| Overview | 12 | 30 | 102 | 20 |"), "{text}");
        assert!(text.contains("| one run | 500 | 3 | 40 | 50 MiB | 52 MiB |"), "{text}");
        assert!(text.contains("380 KiB in brotli (aim ≤ 400)"), "{text}");
    }
}
