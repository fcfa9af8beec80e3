//! What a client tool's messages mean.

use super::find;
use domain::{Code, Error};

/// Longest part of a message that a sentence repeats, in characters.
const SENTENCE_CHARS: usize = 300;
/// Longest part of all messages that is kept for the log, in characters.
const LOG_CHARS: usize = 4000;

/// Who failed at what.
pub(super) struct Told<'a> {
    /// The tool's name.
    pub tool: &'a str,
    /// Its version.
    pub version: &'a str,
    /// The role it connected as.
    pub user: &'a str,
    /// What could not be done, the beginning of a sentence.
    pub doing: &'a str,
}

/// Texts of the tools and the server, and what they mean. The first that occurs wins; a server that speaks
/// another language than English is told by [`Code::ToolFailed`] in its own words.
const MEANINGS: [(&str, Code, &str); 28] = [
    ("server version mismatch", Code::ToolTooOld, ""),
    (
        "permission denied",
        Code::Privilege,
        "Grant the user what is named (or pg_read_all_data on PostgreSQL 14 and newer), then run again.",
    ),
    ("must be superuser", Code::Privilege, "Use a role that may read this, or leave it out."),
    ("must be owner", Code::Privilege, "Use a role that may read this, or leave it out."),
    ("due to lock timeout", Code::Busy, AWAIT_LOCK),
    // pg_dump's limit for its locks is one for the statement that takes them.
    ("due to statement timeout", Code::Busy, AWAIT_LOCK),
    // What is dropped while it is looked at.
    ("ERROR:  relation \"", Code::Busy, LET_CHANGE),
    ("could not open relation with OID", Code::Busy, LET_CHANGE),
    ("cache lookup failed", Code::Busy, LET_CHANGE),
    ("appears to be empty (length zero)", Code::Busy, LET_CHANGE),
    ("password authentication failed", Code::AuthFailed, CHECK_PASSWORD),
    ("no password supplied", Code::AuthFailed, CHECK_PASSWORD),
    ("no pg_hba.conf entry", Code::AuthFailed, "Allow the user and this machine in the server's pg_hba.conf."),
    ("authentication failed", Code::AuthFailed, CHECK_PASSWORD),
    ("certificate", Code::Tls, "Check the server's certificate and the authorities that are trusted."),
    ("SSL", Code::Tls, "Check the server's certificate and the authorities that are trusted."),
    ("invalid snapshot identifier", Code::ConnectionLost, RUN_AGAIN),
    ("could not import the requested snapshot", Code::ConnectionLost, RUN_AGAIN),
    ("does not exist", Code::DatabaseGone, "Look whether the database was dropped or renamed meanwhile, then run again."),
    ("terminating connection", Code::ConnectionLost, RUN_AGAIN),
    ("closed the connection unexpectedly", Code::ConnectionLost, RUN_AGAIN),
    ("shutting down", Code::ConnectionLost, RUN_AGAIN),
    ("starting up", Code::Unreachable, RUN_AGAIN),
    ("connection to server", Code::Unreachable, RUN_AGAIN),
    ("canceling statement", Code::ConnectionLost, RUN_AGAIN),
    ("too many clients", Code::Busy, "Allow more connections on the server or run fewer backups at once."),
    ("remaining connection slots", Code::Busy, "Allow more connections on the server or run fewer backups at once."),
    ("out of memory", Code::ToolFailed, "Give the machine more memory, then run again."),
];

const AWAIT_LOCK: &str = "Let the transaction that holds or awaits a lock on the table end, then run again.";
const LET_CHANGE: &str = "Run again when whatever changes the definitions has ended.";
const CHECK_PASSWORD: &str = "Check the user and its password.";
const RUN_AGAIN: &str = "See that the server is up and reachable, then run again.";

impl Told<'_> {
    /// The error that `messages` tell, without `secret`.
    pub fn error(&self, messages: &[u8], secret: Option<&str>) -> Error {
        let messages = clean(messages, secret);
        let meaning = MEANINGS.iter().find(|(text, ..)| messages.contains(text));
        let (code, next_step) =
            meaning.map_or((Code::ToolFailed, "See the log of this run for all that the tool said."), |found| (found.1, found.2));
        if code == Code::ToolTooOld {
            return find::too_old(self.version, server_major(&messages)).because(shortened(&messages, LOG_CHARS));
        }
        let told = shortened(&essence(&messages), SENTENCE_CHARS);
        let Self { tool, user, doing, .. } = self;
        let sentence = match code {
            Code::Privilege | Code::AuthFailed => format!("{doing} as {user:?}: {told}"),
            _ if told.is_empty() => format!("{doing}: {tool} failed without a word."),
            _ => format!("{doing}: {told}"),
        };
        Error::new(code, sentence, next_step).because(shortened(&messages, LOG_CHARS))
    }
}

/// As text, without control characters (a terminal would obey them) and without the secret.
fn clean(messages: &[u8], secret: Option<&str>) -> String {
    let text = String::from_utf8_lossy(messages);
    let text = secret.map_or_else(|| text.to_string(), |secret| text.replace(secret, "(secret)"));
    text.chars().map(|c| if c.is_control() && c != '\n' { ' ' } else { c }).collect()
}

/// The first message without the words before the server's or the tool's own.
fn essence(messages: &str) -> String {
    let line = messages.lines().find(|line| line.contains("ERROR:") || line.contains("FATAL:"));
    let line = line.or_else(|| messages.lines().find(|line| line.contains("error:"))).or_else(|| messages.lines().next());
    let line = line.unwrap_or_default();
    let after = |mark: &str| line.find(mark).map(|at| &line[at + mark.len()..]);
    let rest = after("ERROR:").or_else(|| after("FATAL:")).or_else(|| after("error:")).unwrap_or(line);
    let mut text = rest.trim().to_owned();
    if !text.is_empty() && !text.ends_with('.') {
        text.push('.');
    }
    text
}

/// The major version in `server version: 18.1 (…); pg_dump version: 15.18`.
fn server_major(messages: &str) -> u32 {
    let digits = |rest: &str| rest.chars().take_while(char::is_ascii_digit).collect::<String>().parse().ok();
    messages.split_once("server version: ").and_then(|(_, rest)| digits(rest)).unwrap_or(0)
}

fn shortened(text: &str, max_chars: usize) -> String {
    match text.char_indices().nth(max_chars) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(messages: &str) -> Error {
        Told { tool: "pg_dump", version: "15.18", user: "backup", doing: "Reading failed" }.error(messages.as_bytes(), Some("hunter2"))
    }

    #[test]
    fn messages_have_their_meaning() {
        let denied = "pg_dump: error: query failed: ERROR:  permission denied for table pay\npg_dump: detail: Query was: LOCK TABLE …";
        for (messages, code, sentence) in [
            (denied, Code::Privilege, "Reading failed as \"backup\": permission denied for table pay."),
            (
                "pg_dump: error: connection to server at \"db\" (::1), port 5432 failed: FATAL:  password authentication failed for user \"x\"",
                Code::AuthFailed,
                "Reading failed as \"backup\": password authentication failed for user \"x\".",
            ),
            (
                "pg_dump: error: connection to server at \"db\", port 1 failed: Connection refused\n\tIs the server running?",
                Code::Unreachable,
                "Reading failed: connection to server at \"db\", port 1 failed: Connection refused.",
            ),
            (
                "pg_dump: error: query failed: ERROR:  canceling statement due to lock timeout",
                Code::Busy,
                "Reading failed: canceling statement due to lock timeout.",
            ),
            (
                "pg_dump: error: query failed: ERROR:  canceling statement due to statement timeout",
                Code::Busy,
                "Reading failed: canceling statement due to statement timeout.",
            ),
            (
                "pg_dump: error: query failed: ERROR:  relation \"public.p\" does not exist",
                Code::Busy,
                "Reading failed: relation \"public.p\" does not exist.",
            ),
            (
                "pg_dump: error: connection failed: FATAL:  database \"gone\" does not exist",
                Code::DatabaseGone,
                "Reading failed: database \"gone\" does not exist.",
            ),
            ("\x1b[31mhunter2", Code::ToolFailed, "Reading failed: [31m(secret)."),
            ("", Code::ToolFailed, "Reading failed: pg_dump failed without a word."),
        ] {
            let error = error(messages);
            assert_eq!((error.code(), error.to_string().as_str()), (code, sentence));
        }
    }

    #[test]
    fn a_server_that_is_too_new_is_named_with_the_package() {
        let messages =
            "pg_dump: error: aborting because of server version mismatch\npg_dump: detail: server version: 18.1; pg_dump version: 15.18";
        let error = error(messages);
        assert_eq!(error.code(), Code::ToolTooOld);
        assert!(error.to_string().contains("PostgreSQL 18") && error.next_step().contains("postgresql-client-18"));
    }

    #[test]
    fn long_messages_are_cut_between_characters() {
        let error = error(&"é".repeat(9000));
        assert!(error.to_string().chars().count() < 400 && format!("{error:?}").chars().count() < 5000);
    }
}
