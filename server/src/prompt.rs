//! Asks for a passphrase: on a terminal, which does not show what is typed meanwhile; else standard input answers unasked.

use domain::{Code, Error, Result};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use std::{
    io::{self, BufRead, IsTerminal, Write},
    sync::{Mutex, MutexGuard, PoisonError},
};
use zeroize::Zeroizing;

/// The question that waits for an answer. Whoever ends the process in the meantime has to know what the terminal was like before.
static OPEN: Mutex<Option<Question>> = Mutex::new(None);

struct Question {
    /// The terminal as it was, if there is one.
    before: Option<Termios>,
}

/// Forgets the question that waits for an answer and gives the terminal back; whether there was one.
pub fn abandon() -> bool {
    let Some(question) = open().take() else { return false };
    if let Some(before) = question.before {
        // A terminal that is gone needs no echo.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &before);
        say("\n");
    }
    true
}

/// A passphrase: the next line of standard input. `question` is put to whoever sits at the terminal, if there is one.
pub fn passphrase(question: &str) -> Result<Zeroizing<String>> {
    let asked = Asked::begin(question);
    // Long enough that it never grows: that would leave copies behind that nobody wipes.
    let mut line = Zeroizing::new(String::with_capacity(4096));
    let read = io::stdin().lock().read_line(&mut line);
    drop(asked);
    let cannot = |error: io::Error| Error::new(Code::Usage, "No passphrase could be read.", "Give it on standard input.").because(error);
    read.map_err(cannot)?;
    let end = line.trim_end_matches(['\n', '\r']).len();
    line.truncate(end);
    if line.is_empty() {
        return Err(Error::new(Code::Usage, "No passphrase was given.", "Give it on standard input."));
    }
    Ok(line)
}

/// Whether whoever answers may mistype what nobody sees.
pub fn is_typed() -> bool {
    io::stdin().is_terminal()
}

/// A question is open until this is dropped.
struct Asked;

impl Asked {
    fn begin(question: &str) -> Self {
        // Held until the terminal is as it is remembered to be.
        let mut open = open();
        let before = is_typed().then(quieten).flatten();
        if before.is_some() {
            say(question);
        }
        *open = Some(Question { before });
        Self
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        abandon();
    }
}

/// Makes the terminal show nothing of what is typed, and returns what it was like.
fn quieten() -> Option<Termios> {
    let before = tcgetattr(io::stdin()).ok()?;
    let mut quiet = before.clone();
    quiet.local_modes.remove(LocalModes::ECHO);
    tcsetattr(io::stdin(), OptionalActions::Now, &quiet).ok()?;
    Some(before)
}

fn say(text: &str) {
    // Who cannot be asked can still answer.
    let _ = io::stderr().write_all(text.as_bytes());
}

/// A poisoned lock only means that a question was cut off.
fn open() -> MutexGuard<'static, Option<Question>> {
    OPEN.lock().unwrap_or_else(PoisonError::into_inner)
}
