//! The one error type: a code, a sentence and a next step.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// `Result` with Rookery's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// What went wrong, told so that a person can act on it.
///
/// `Display` is the sentence alone. The cause chain is for the log, where the error is handled once.
pub struct Error(Box<Parts>);

struct Parts {
    told: Told,
    cause: Option<Cause>,
}

/// The part of an [`Error`] that a person is told. It may leave the process: it holds no cause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// The machine-readable class.
    pub code: Code,
    /// What happened.
    pub sentence: String,
    /// What to do now.
    pub next_step: String,
    /// What is wrong with single fields of a form, where one was checked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldError>,
}

/// What is wrong with one field of a form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldError {
    /// The field's name in the form.
    pub field: String,
    /// What is wrong and what would be right, a sentence.
    pub sentence: String,
}

impl Told {
    /// What is wrong with a field, if anything is.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|error| error.field == name).map(|error| error.sentence.as_str())
    }
}

impl From<Told> for Error {
    fn from(told: Told) -> Self {
        Self(Box::new(Parts { told, cause: None }))
    }
}

impl Error {
    /// An error with its sentence (what happened) and its next step (what to do now).
    pub fn new(code: Code, sentence: impl Into<String>, next_step: impl Into<String>) -> Self {
        Told { code, sentence: sentence.into(), next_step: next_step.into(), fields: vec![] }.into()
    }

    /// A form whose fields cannot be accepted as they are.
    #[must_use]
    pub fn invalid(fields: Vec<FieldError>) -> Self {
        let sentence = match fields.as_slice() {
            [one] => one.sentence.clone(),
            several => format!("{} fields need another value.", several.len()),
        };
        Told { code: Code::Invalid, sentence, next_step: "Correct what is marked, and send the form again.".into(), fields }.into()
    }

    /// A form of which one field cannot be accepted.
    #[must_use]
    pub fn invalid_field(field: &str, sentence: impl Into<String>) -> Self {
        Self::invalid(vec![FieldError { field: field.into(), sentence: sentence.into() }])
    }

    /// What a person is told.
    #[must_use]
    pub fn told(&self) -> &Told {
        &self.0.told
    }

    /// The same error with what caused it.
    #[must_use]
    pub fn because(mut self, cause: impl Into<Cause>) -> Self {
        self.0.cause = Some(cause.into());
        self
    }

    /// A run that was asked to stop.
    #[must_use]
    pub fn cancelled() -> Self {
        Self::new(Code::Cancelled, "The run was cancelled.", "Start it again when you are ready; nothing half-made was kept.")
    }

    /// The same error, told at a field of a form too.
    #[must_use]
    pub fn at_field(mut self, field: &str) -> Self {
        let sentence = format!("{} {}", self.0.told.sentence, self.0.told.next_step);
        self.0.told.fields.push(FieldError { field: field.into(), sentence });
        self
    }

    /// A rule of ours that did not hold: a defect in Rookery, not in the user's set-up.
    pub fn internal(sentence: impl Into<String>) -> Self {
        Self::new(Code::Internal, sentence, "This is a defect in Rookery: please report it with the log of this run.")
    }

    /// The machine-readable class.
    #[must_use]
    pub fn code(&self) -> Code {
        self.0.told.code
    }

    /// What to do now, a sentence.
    #[must_use]
    pub fn next_step(&self) -> &str {
        &self.0.told.next_step
    }

    /// The same error with another sentence in front, for naming what was being done.
    #[must_use]
    pub fn during(mut self, doing: impl fmt::Display) -> Self {
        self.0.told.sentence = format!("{doing}: {}", self.0.told.sentence);
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.told.sentence)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{}]", self.0.told.sentence, self.0.told.code)?;
        match &self.0.cause {
            Some(cause) => write!(f, " because {cause}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.cause.as_ref().map(|cause| cause.as_ref() as _)
    }
}

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $text:literal,)*) => {
        /// The class of an [`Error`]; its text form is stable and appears in JSON.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Code { $($(#[$doc])* $variant,)* }

        impl Code {
            /// The stable text, such as `name-taken`.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }

        impl FromStr for Code {
            type Err = Error;

            /// Reads the stable text. A code of a newer version reads as [`Code::Internal`].
            fn from_str(text: &str) -> Result<Self> {
                Ok(match text { $($text => Self::$variant,)* _ => Self::Internal })
            }
        }
    };
}

codes! {
    /// The command or a value in it cannot be understood.
    Usage = "usage",
    /// Asked to stop.
    Cancelled = "cancelled",
    /// A defect of ours.
    Internal = "internal",
    /// What was named does not exist.
    NotFound = "not-found",
    /// The name that something new should get is in use.
    NameTaken = "name-taken",
    /// A host cannot be reached, or nothing listens there.
    Unreachable = "unreachable",
    /// The server refused the user or the password.
    AuthFailed = "auth-failed",
    /// TLS could not be agreed on, or the certificate is not trusted.
    Tls = "tls",
    /// The user may not read or write something.
    Privilege = "privilege",
    /// A connection broke in the middle.
    ConnectionLost = "connection-lost",
    /// The other side stayed silent for too long.
    Silent = "silent",
    /// The database vanished.
    DatabaseGone = "database-gone",
    /// Something is held by somebody else.
    Busy = "busy",
    /// A server answered a statement with an error of its own.
    ServerError = "server-error",
    /// The server's version or a feature of it is not supported.
    Unsupported = "unsupported",
    /// There is no database to back up.
    NoDatabases = "no-databases",
    /// A file is not a database.
    NotADatabase = "not-a-database",
    /// A database contradicts itself.
    CorruptDatabase = "corrupt-database",
    /// A client tool is not installed.
    ToolMissing = "tool-missing",
    /// A client tool is older than the server.
    ToolTooOld = "tool-too-old",
    /// A client tool failed.
    ToolFailed = "tool-failed",
    /// Something that a restore needs is missing on the server.
    RestoreNeeds = "restore-needs",
    /// The root is not a folder that can be used.
    RootUnusable = "root-unusable",
    /// The root holds files that are not Rookery's.
    RootForeign = "root-foreign",
    /// What the console keeps of a backup, for the next one to build on, is not there or not whole.
    StateLost = "state-lost",
    /// No room left at the destination.
    NoSpace = "no-space",
    /// A write to or a read from a destination failed.
    StoreFailed = "store-failed",
    /// A write was sent and its answer was lost: it may have happened.
    AnswerLost = "answer-lost",
    /// The repository was signed by an instance that has not been accepted.
    UnknownInstance = "unknown-instance",
    /// A signature does not hold.
    BadSignature = "bad-signature",
    /// The backup is sealed, and no key was given.
    KeyNeeded = "key-needed",
    /// The key that was given opens other backups.
    WrongKey = "wrong-key",
    /// Bytes differ from what was signed, or cannot be decoded.
    Damaged = "damaged",
    /// The archive asks for more than its manifest allows.
    TooLarge = "too-large",
    /// A restored database differs from its backup.
    Different = "different",
    /// The data directory cannot be used.
    DataDir = "data-dir",
    /// Fields of a form cannot be accepted.
    Invalid = "invalid",
    /// Somebody else changed it meanwhile.
    Conflict = "conflict",
    /// Nobody is signed in, or no longer.
    SignedOut = "signed-out",
    /// Whoever is signed in may not do this.
    Forbidden = "forbidden",
    /// Too many attempts.
    TooMany = "too-many",
    /// The console was stopped in the middle.
    Interrupted = "interrupted",
    /// The console's own database cannot be used.
    Catalog = "catalog",
}

impl Code {
    /// Whether the same work may succeed later without anybody doing anything.
    #[must_use]
    pub fn is_transient(self) -> bool {
        matches!(
            self,
            Self::Unreachable
                | Self::ConnectionLost
                | Self::Silent
                | Self::Busy
                | Self::ServerError
                | Self::StoreFailed
                | Self::AnswerLost
                | Self::NoSpace
                | Self::Interrupted
        )
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Code {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Code {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(|error: Error| serde::de::Error::custom(error.to_string()))
    }
}

/// The form in which an error leaves the process: never a debug print.
impl Serialize for Error {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.told.serialize(serializer)
    }
}
