//! A session: statements in, rows and COPY data out.

use super::{
    CopyIn, Row, Target,
    auth::{Greeting, Purpose, log_in, parameter, version_number},
    buffer::{Channel, Message},
    error::ServerError,
    socket::{Socket, Wait},
};
use crate::{Context, gently::Helper};
use domain::{Error, Result};
use std::{
    io::Write,
    time::{Duration, Instant},
};

/// How long a server may send nothing in the middle of a COPY. There is no reason for silence then but
/// skipping rows that nobody may see any more.
const COPY_SILENCE: Option<Duration> = Some(Duration::from_secs(600));

/// What servers' processes are called.
const PROGRAMS: [&str; 3] = ["postgres", "postmaster", "edb-postgres"];

/// How long a server has to stop what it was asked, once nobody wants the answer.
const STOP: Duration = Duration::from_secs(5);

/// Encodings of a database whose texts all have a place in Unicode and come back as the same bytes.
/// The others (EUC, MULE, and SQL_ASCII, which is no encoding at all) are read as they are.
const LOSSLESS: [&str; 5] = ["UTF8", "LATIN", "WIN", "KOI8", "ISO_8859_"];

/// One connection to one database.
///
/// After an error that leaves the protocol in the middle of something, every further call fails as a lost connection.
/// Dropping the session ends it in order.
pub struct Session {
    pub(super) channel: Channel,
    greeting: Greeting,
    /// Whether a statement runs whose answer nobody has taken to its end yet.
    is_asked: bool,
    /// How long that answer may be silent by now.
    silence: Option<Duration>,
    /// The server's process, if it is on this machine.
    helper: Option<Helper>,
}

impl Session {
    /// Connects and logs in. Sets nothing but `application_name` and `client_encoding`: UTF-8 where the database's
    /// encoding converts without loss, else the database's own.
    ///
    /// # Errors
    /// `unreachable`, `tls`, `auth-failed`, `database-gone`, `busy` (too many connections), `connection-lost`.
    pub fn connect(target: &Target, database: &str, context: &Context) -> Result<Self> {
        Self::connect_for(Purpose::Statements, target, database, context)
    }

    /// The same, in replication mode: commands such as `CREATE_REPLICATION_SLOT` are understood beside statements.
    ///
    /// # Errors
    /// Those of [`Self::connect`], and whatever a pooler in between answers that does not know the mode.
    pub fn connect_for_replication(target: &Target, database: &str, context: &Context) -> Result<Self> {
        Self::connect_for(Purpose::Replication, target, database, context)
    }

    fn connect_for(purpose: Purpose, target: &Target, database: &str, context: &Context) -> Result<Self> {
        if database.contains('\0') || target.user.contains('\0') {
            return Err(Error::new(
                domain::Code::NotFound,
                "No database or role of PostgreSQL has a zero byte in its name.",
                "Check the names.",
            ));
        }
        let (channel, greeting) = log_in(target, database, purpose, context)?;
        let is_here = channel.socket.is_of_this_machine();
        let helper = is_here.then(|| Helper::new(greeting.process_id, &PROGRAMS, context.gives_way)).flatten();
        let mut session = Self { channel, greeting, is_asked: false, silence: None, helper };
        let own = session.greeting.server_encoding.clone();
        let wanted = if LOSSLESS.iter().any(|known| own.starts_with(known)) { "UTF8" } else { own.as_str() };
        if session.greeting.client_encoding != wanted {
            session.execute(&format!("SET client_encoding = {}", super::quote_literal(wanted)))?;
        }
        Ok(session)
    }

    /// The server's version as a number, such as 150018 for 15.18; 0 if it does not tell one.
    #[must_use]
    pub fn server_version(&self) -> u32 {
        version_number(&self.greeting.server_version)
    }

    /// The server's version as it names itself, without what a distributor added.
    #[must_use]
    pub fn server_version_text(&self) -> &str {
        self.greeting.server_version.split_whitespace().next().unwrap_or_default()
    }

    /// The encoding of the texts that this session gives and takes.
    #[must_use]
    pub fn client_encoding(&self) -> &str {
        &self.greeting.client_encoding
    }

    /// The encoding of the database.
    #[must_use]
    pub fn server_encoding(&self) -> &str {
        &self.greeting.server_encoding
    }

    /// Where the session is connected to.
    #[must_use]
    pub fn target(&self) -> &Target {
        &self.channel.target
    }

    /// Looks at the wish to stop of this work from now on.
    pub fn obey(&mut self, context: &Context) {
        self.channel.cancel = context.cancel.clone();
    }

    /// Runs one or more statements (simple query protocol) and drops their results.
    pub fn execute(&mut self, sql: &str) -> Result<()> {
        self.execute_bytes(sql.as_bytes())
    }

    /// Runs recorded statements, which are bytes: in a database without an encoding names need not be UTF-8.
    pub fn execute_bytes(&mut self, sql: &[u8]) -> Result<()> {
        self.begin(sql)?;
        self.finish(None, drop)
    }

    /// Runs a statement that changes rows, and says how many.
    pub fn affect(&mut self, sql: &str) -> Result<u64> {
        let mut tag = String::new();
        self.begin(sql.as_bytes())?;
        self.finish(Some(&mut tag), drop)?;
        let rows = tag.rsplit(' ').next().and_then(|rows| rows.parse().ok());
        rows.ok_or_else(|| self.channel.protocol("a change of rows ended without their number"))
    }

    /// Runs a statement and returns its rows, as text.
    pub fn query(&mut self, sql: &str) -> Result<Vec<Row>> {
        let mut rows = Vec::new();
        self.begin(sql.as_bytes())?;
        self.finish(None, |row| rows.push(row))?;
        Ok(rows)
    }

    /// Runs `COPY … TO STDOUT` and hands on every CopyData payload as it lies in the read buffer: in the text format
    /// that is one row with its line end.
    ///
    /// An error of `each` ends the COPY at the server too and leaves the session unusable.
    pub fn copy_out(&mut self, sql: &str, each: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        self.ask(sql)?;
        self.copied(each)
    }

    /// Lets the server begin a `COPY … TO STDOUT`, whose answer [`Self::copied`] or [`Self::next_copied`] takes. Nothing else can be
    /// asked before its end.
    pub fn ask(&mut self, sql: &str) -> Result<()> {
        self.begin(sql.as_bytes())?;
        (self.is_asked, self.silence) = (true, None);
        Ok(())
    }

    /// Takes the answer to what was asked, or the rest of it, as [`Self::copy_out`] does.
    pub fn copied(&mut self, mut each: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        while let Some(payload) = self.next_copied()? {
            if let Err(error) = each(payload) {
                self.is_asked = false;
                self.abandon();
                return Err(error);
            }
        }
        Ok(())
    }

    /// The next CopyData payload of the answer to what was asked, or `None` at its end.
    pub fn next_copied(&mut self) -> Result<Option<&[u8]>> {
        if !self.is_asked {
            return Err(Error::internal("An answer of PostgreSQL was to be read to which there was no question."));
        }
        loop {
            let tag = self.next_tag(self.silence)?;
            if tag == b'd' {
                return Ok(Some(self.channel.next(self.silence)?.body));
            }
            let body = self.channel.next(self.silence)?.body;
            match tag {
                b'H' => self.silence = COPY_SILENCE,
                b'c' => {
                    self.is_asked = false;
                    return self.finish(None, drop).map(|()| None);
                }
                b'E' => {
                    let error = ServerError::decode(body);
                    self.is_asked = false;
                    return Err(self.failed(error));
                }
                // The statement was no COPY: its end is the end.
                b'Z' => {
                    self.is_asked = false;
                    return Err(self.channel.protocol("a COPY gave no data"));
                }
                _ => {}
            }
        }
    }

    /// Begins `COPY … FROM STDIN`.
    pub fn copy_in(&mut self, sql: &str) -> Result<CopyIn<'_>> {
        self.begin(sql.as_bytes())?;
        loop {
            let message = self.next(None)?;
            match message.tag {
                b'G' => return Ok(CopyIn::new(self)),
                b'E' => {
                    let error = ServerError::decode(message.body);
                    return Err(self.failed(error));
                }
                b'Z' => return Err(self.channel.protocol("a COPY asked for no data")),
                _ => {}
            }
        }
    }

    /// Sends a simple query.
    fn begin(&mut self, sql: &[u8]) -> Result<()> {
        if sql.contains(&0) {
            return Err(Error::internal("A statement for PostgreSQL holds a zero byte."));
        }
        self.usable()?;
        self.channel.put(b'Q', |out| {
            out.extend_from_slice(sql);
            out.push(0);
        });
        self.send()
    }

    /// Sends what was collected. A server that ended the session said why before it closed: that is the better error.
    pub(super) fn send(&mut self) -> Result<()> {
        let sent = self.channel.send();
        let Err(error) = self.cancelled_or(sent) else { return Ok(()) };
        if error.code() != domain::Code::ConnectionLost {
            return Err(error);
        }
        match self.channel.next(Some(Duration::ZERO)) {
            Ok(message) if message.tag == b'E' => {
                let error = ServerError::decode(message.body);
                Err(self.told(error))
            }
            _ => Err(error),
        }
    }

    /// Reads to the end of the statement; `tag` is given the tag of its last command, such as `COPY 5`.
    pub(super) fn finish(&mut self, tag: Option<&mut String>, mut each: impl FnMut(Row)) -> Result<()> {
        let (mut outcome, mut last, mut unreadable) = (Ok(()), String::new(), None);
        loop {
            let message = match self.next(None) {
                Ok(message) => message,
                // A session that is ended by the server is told why before it is closed.
                Err(lost) => return Err(outcome.err().map_or(lost, |error| self.told(error))),
            };
            match message.tag {
                b'D' => match Row::decode(message.body) {
                    Some(Ok(row)) => each(row),
                    Some(Err(error)) => unreadable = Some(error),
                    None => return Err(self.channel.protocol("a row of an answer contradicts itself")),
                },
                b'C' => last = parameter(message.body).0,
                b'E' => outcome = Err(ServerError::decode(message.body)),
                b'Z' => break,
                b'G' => self.refuse_copy()?,
                b'W' => return Err(self.channel.protocol("it began to stream where nothing asked for it")),
                _ => {}
            }
        }
        if let Some(tag) = tag {
            *tag = last;
        }
        match unreadable {
            Some(error) => Err(not_utf8(&self.channel.database).because(error)),
            None => outcome.map_err(|error| self.told(error)),
        }
    }

    /// A statement that wants data where nobody has any.
    fn refuse_copy(&mut self) -> Result<()> {
        self.channel.put(b'f', |out| out.extend_from_slice(b"no data here\0"));
        self.send()
    }

    /// The next message that is not a mere notice.
    pub(super) fn next(&mut self, silence: Option<Duration>) -> Result<Message<'_>> {
        self.next_tag(silence)?;
        self.channel.next(silence)
    }

    /// The tag of the next message, which is not a mere notice and still to be taken.
    fn next_tag(&mut self, silence: Option<Duration>) -> Result<u8> {
        loop {
            let peeked = self.channel.peek(silence);
            match self.cancelled_or(peeked)? {
                b'N' | b'A' => {
                    self.channel.next(silence)?;
                }
                b'S' => {
                    let (key, value) = parameter(self.channel.next(silence)?.body);
                    if key == "client_encoding" {
                        self.greeting.client_encoding = value;
                    }
                }
                tag => return Ok(tag),
            }
        }
    }

    /// An error of the statement: reads on to where the server is ready again.
    pub(super) fn failed(&mut self, error: ServerError) -> Error {
        // After a FATAL error the server closes instead of becoming ready; the first error says why.
        let _ = self.finish(None, drop);
        self.told(error)
    }

    /// What the server told, as an error; its answer to our own CancelRequest is a cancelled run.
    fn told(&self, error: ServerError) -> Error {
        if error.sqlstate == "57014" && self.channel.cancel.is_cancelled() {
            return Error::cancelled().because(error);
        }
        error.into_error(&self.channel.target, &self.channel.database)
    }

    pub(super) fn usable(&self) -> Result<()> {
        if self.channel.broken {
            return Err(super::error::lost(&self.channel.target, &self.channel.database, "the session had failed before"));
        }
        if self.is_asked {
            return Err(Error::internal("PostgreSQL was to be asked something before its last answer was read."));
        }
        Ok(())
    }

    /// Where a wait was given up because we should stop, the server is told to stop too.
    pub(super) fn cancelled_or<T>(&mut self, result: Result<T>) -> Result<T> {
        if result.as_ref().is_err_and(|error| matches!(error.code(), domain::Code::Cancelled | domain::Code::Silent)) {
            self.abandon();
        }
        result
    }

    /// Stops what runs at the server, by a CancelRequest on a connection of its own, and gives the session up.
    pub(super) fn abandon(&mut self) {
        self.channel.broken = true;
        // A token of its own: the wish to stop must not stop the request to stop. The server answers nothing.
        let token = tokio_util::sync::CancellationToken::new();
        let encrypted = matches!(self.channel.socket, Socket::Tls(_));
        if let Ok(Some(mut socket)) = Socket::open(&self.channel.target, encrypted, &token) {
            let words = [16, 80_877_102, self.greeting.process_id, self.greeting.secret_key];
            let request: Vec<u8> = words.into_iter().flat_map(u32::to_be_bytes).collect();
            let wait = Wait::new(&token, Some(Duration::from_secs(5)));
            let _ = wait.retry(|| socket.write_all(&request)).and_then(|()| wait.retry(|| socket.flush()));
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // While the process is still there.
        self.helper = None;
        if self.is_asked && !self.channel.broken {
            self.abandon();
            // Until it has stopped it holds what it works on.
            self.channel.cancel = tokio_util::sync::CancellationToken::new();
            let until = Instant::now() + STOP;
            let left = || until.checked_duration_since(Instant::now());
            while let Some(left) = left()
                && self.channel.next(Some(left)).is_ok_and(|message| message.tag != b'Z')
            {}
            return;
        }
        if !self.channel.broken {
            self.channel.put(b'X', |_| {});
            // The server notices a closed socket as well; this only spares its log a line.
            let _ = self.channel.send();
        }
    }
}

/// Databases without an encoding can hold names and comments of any bytes.
fn not_utf8(database: &str) -> Error {
    Error::new(
        domain::Code::Unsupported,
        format!("The catalog of the database {database:?} holds a name, setting or comment that is not UTF-8."),
        "Rename it, or change the comment, to UTF-8 (the rows themselves may hold any bytes).",
    )
}
