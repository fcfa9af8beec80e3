//! What a command prints: one JSON document or readable text on standard output, errors on standard error.

use crate::Exit;
use domain::{Code, Error, Result};
use serde::Serialize;
use std::io::{self, Write};

/// Where a command's result goes.
pub struct Output {
    json: bool,
}

impl Output {
    /// Output as JSON or as text.
    pub fn new(json: bool) -> Self {
        Self { json }
    }

    /// Prints a result: as one JSON document, or as the lines of `text`.
    pub fn result(&self, document: &impl Serialize, text: impl FnOnce() -> String) -> Result<()> {
        let mut out = io::stdout().lock();
        let written = if self.json {
            serde_json::to_writer_pretty(&mut out, document).map_err(io::Error::from).and_then(|()| writeln!(out))
        } else {
            write!(out, "{}", text())
        };
        match written.and_then(|()| out.flush()) {
            // Whoever reads us has seen enough, as `head` has.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            other => other.map_err(|error| {
                Error::new(Code::StoreFailed, "The result could not be printed.", "Check where the output goes.").because(error)
            }),
        }
    }

    /// Tells an error in a sentence and a next step, and with which code the process ends.
    pub fn failed(&self, error: &Error) -> Exit {
        tracing::debug!(?error, "the command failed");
        // A standard error that is gone leaves nothing to tell it to.
        let _ = writeln!(io::stderr().lock(), "{}", sentence(error));
        if self.json {
            let _ = self.result(&serde_json::json!({"result": "failed", "error": error}), String::new);
        }
        if error.code() == Code::Usage { Exit::Usage } else { Exit::Failed }
    }
}

/// An error as a person reads it, on two lines.
pub fn sentence(error: &Error) -> String {
    format!("{error}\n  → {}", error.next_step())
}

/// Text that is not ours, harmless on a terminal: control characters are shown, not obeyed.
pub fn harmless(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        // Beside controls, the marks that turn the direction of writing can make a line lie.
        if c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

/// Rows of text in aligned columns; the columns in `right` are aligned to the right.
pub fn table(rows: &[Vec<String>], right: &[usize]) -> String {
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0);
    let mut out = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let pad = " ".repeat(width(column) - cell.chars().count());
            line.push_str(&if right.contains(&column) { format!("{pad}{cell}  ") } else { format!("{cell}{pad}  ") });
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}
