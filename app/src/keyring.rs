//! What the browser does with keys. The private half of a key is made here, used here and saved from here; nothing of it is
//! ever sent. On the server these functions are there for the pages' sake alone, and refuse.

use crate::api::Failure;
use domain::{Secret, view::key::KnownKey};
use leptos::prelude::*;

/// A key that was just made, or taken from elsewhere, and not saved yet.
#[derive(Clone)]
pub struct Made {
    /// The text of its file; nothing where only the public half was given.
    pub file: Option<Secret<String>>,
    /// The one line of the file that counts.
    pub line: Option<Secret<String>>,
    /// The public half.
    pub public_key: String,
    /// Its fingerprint.
    pub fingerprint: String,
    /// How a passphrase becomes the private half, as JSON; empty for any other key.
    pub derivation: String,
}

/// What somebody gave to open something.
#[derive(Clone, Copy)]
pub struct Given {
    /// The text of a key file, or a key.
    pub text: RwSignal<Secret<String>>,
    /// A passphrase.
    pub passphrase: RwSignal<Secret<String>>,
}

impl Given {
    /// Nothing yet.
    pub fn nothing() -> Self {
        let empty = || RwSignal::new(Secret::new(String::new()));
        Self { text: empty(), passphrase: empty() }
    }

    /// Forgets it.
    pub fn clear(self) {
        self.text.set(Secret::new(String::new()));
        self.passphrase.set(Secret::new(String::new()));
    }

    /// Whether the text says that a passphrase belongs to it.
    pub fn wants_passphrase(self) -> bool {
        work::is_passphrase_file(self.text.read().expose())
    }
}

/// The archive that was opened last, by its address, with its data key. It goes with the page.
#[derive(Clone, Copy)]
pub struct Opened(RwSignal<Option<(String, Secret<String>)>>);

/// Makes room for what is opened, as long as nobody leaves or loads the console anew.
pub(crate) fn provide() {
    provide_context(Opened(RwSignal::new(None)));
}

/// What is open.
pub fn opened() -> Opened {
    use_context::<Opened>().unwrap_or_else(|| Opened(RwSignal::new(None)))
}

impl Opened {
    /// The data key of this archive, if it was opened.
    pub fn key_of(self, archive: &str) -> Option<String> {
        self.0.with(|opened| opened.as_ref().filter(|(name, _)| name == archive).map(|(_, key)| key.expose().clone()))
    }

    /// Keeps the data key of an archive, in place of any other.
    pub fn keep(self, archive: String, key: Secret<String>) {
        self.0.set(Some((archive, key)));
    }

    /// Forgets what was opened.
    pub fn forget(self) {
        self.0.set(None);
    }
}

/// A new random key.
///
/// # Errors
/// When the browser gives no random numbers.
pub fn make() -> Result<Made, Failure> {
    work::make()
}

/// The key that a passphrase gives, with a salt of its own. Takes some seconds.
///
/// # Errors
/// With the reason, if it is soon guessed.
pub fn make_from_passphrase(passphrase: &str) -> Result<Made, Failure> {
    work::make_from_passphrase(passphrase)
}

/// A key from elsewhere: its public half, or a private one of which only the public half is kept here.
///
/// # Errors
/// For what is no key; it is not repeated.
pub fn take(text: &str) -> Result<Made, Failure> {
    work::take(text)
}

/// Takes the data keys out of the envelopes of archives, which the same keys open; all of it travels in base64, with blanks between
/// the data keys.
///
/// # Errors
/// In one sentence, if what was given does not open them.
pub fn unseal(envelopes: &[String], known: &[KnownKey], given: Given) -> Result<Secret<String>, Failure> {
    work::unseal(envelopes, known, given)
}

/// Answers a drill.
///
/// # Errors
/// In one sentence, if what was given is not the key that was asked for.
pub fn answer(question: &str, known: &[KnownKey], given: Given) -> Result<String, Failure> {
    work::answer(question, known, given)
}

/// Lets the browser draw what was said before, then does work that takes all of its attention for a while.
pub fn soon(work: impl FnOnce() + 'static) {
    set_timeout(work, std::time::Duration::from_millis(50));
}

#[cfg(not(feature = "hydrate"))]
mod work {
    use super::{Failure, Given, KnownKey, Made, Secret};
    use domain::{Code, Error};

    fn refused<T>() -> Result<T, Failure> {
        Err(Error::new(Code::Usage, "Keys are handled in the browser alone.", "Switch scripts on, or use the command line.").into())
    }

    pub(super) fn make() -> Result<Made, Failure> {
        refused()
    }

    pub(super) fn make_from_passphrase(_: &str) -> Result<Made, Failure> {
        refused()
    }

    pub(super) fn take(_: &str) -> Result<Made, Failure> {
        refused()
    }

    pub(super) fn unseal(_: &[String], _: &[KnownKey], _: Given) -> Result<Secret<String>, Failure> {
        refused()
    }

    pub(super) fn answer(_: &str, _: &[KnownKey], _: Given) -> Result<String, Failure> {
        refused()
    }

    pub(super) fn is_passphrase_file(_: &str) -> bool {
        false
    }
}

#[cfg(feature = "hydrate")]
mod work {
    use super::{Failure, Given, KnownKey, Made, Secret};
    use domain::{Code, Error, Result};
    use leptos::prelude::ReadUntracked;
    use seal::{
        Envelope, Kept, PrivateKey, PublicKey,
        drill::Question,
        kept::Passphrase,
        key::{Derivation, check_passphrase},
    };

    fn made(kept: &Kept) -> Result<Made> {
        let public = kept.public()?;
        let derivation = match kept {
            Kept::Private(_) => String::new(),
            Kept::Passphrase(made) => {
                serde_json::to_string(&made.derivation).map_err(|_| Error::internal("A key could not be written."))?
            }
        };
        Ok(Made {
            file: Some(Secret::new(kept.text()?.to_string())),
            line: Some(Secret::new(kept.line()?.to_string())),
            public_key: public.to_string(),
            fingerprint: public.fingerprint().to_string(),
            derivation,
        })
    }

    pub(super) fn make() -> std::result::Result<Made, Failure> {
        Ok(made(&Kept::Private(PrivateKey::generate()?))?)
    }

    pub(super) fn make_from_passphrase(passphrase: &str) -> std::result::Result<Made, Failure> {
        check_passphrase(passphrase)?;
        Ok(made(&Kept::Passphrase(Passphrase::new(passphrase)?))?)
    }

    pub(super) fn take(text: &str) -> std::result::Result<Made, Failure> {
        if let Ok(public) = text.parse::<PublicKey>() {
            let fingerprint = public.fingerprint().to_string();
            return Ok(Made { file: None, line: None, public_key: public.to_string(), fingerprint, derivation: String::new() });
        }
        Ok(made(&Kept::parse(text)?)?)
    }

    /// The private key that was given, for one of those that are known.
    fn private(known: &[KnownKey], given: Given) -> Result<PrivateKey> {
        let (text, passphrase) = (given.text.read_untracked(), given.passphrase.read_untracked());
        if !text.expose().trim().is_empty() {
            return match Kept::parse(text.expose())? {
                Kept::Private(key) => Ok(key),
                Kept::Passphrase(made) => made.private(passphrase.expose()),
            };
        }
        if passphrase.expose().is_empty() {
            return Err(Error::new(Code::KeyNeeded, "No key was given.", "Choose the key file, or paste the key."));
        }
        let mut wrong = None;
        for key in known {
            let (Some(derivation), Some(public)) = (&key.derivation, &key.public_key) else { continue };
            let derivation: Derivation =
                serde_json::from_str(derivation).map_err(|_| Error::internal("How the passphrase becomes the key cannot be read."))?;
            match (Passphrase { derivation, public_key: public.parse()? }).private(passphrase.expose()) {
                Ok(key) => return Ok(key),
                Err(error) => wrong = Some(error),
            }
        }
        let no_file = || Error::new(Code::KeyNeeded, "A passphrase needs the file that belongs to it.", "Choose the key file, too.");
        Err(wrong.unwrap_or_else(no_file))
    }

    pub(super) fn unseal(envelopes: &[String], known: &[KnownKey], given: Given) -> std::result::Result<Secret<String>, Failure> {
        let key = private(known, given)?;
        let open = |envelope: &String| -> Result<String> {
            let envelope = Envelope::parse(&seal::base64_bytes(envelope)?)?;
            let data_key = envelope.open(&key).map_err(|error| match error.code() {
                Code::WrongKey => {
                    let names: Vec<_> = known.iter().map(|key| key.name.clone().unwrap_or_else(|| key.fingerprint.clone())).collect();
                    let sentence = format!("This key does not open the backup: it was sealed for {}.", names.join(" and "));
                    Error::new(Code::WrongKey, sentence, "Give the key with one of the fingerprints above.")
                }
                _ => error,
            })?;
            Ok(data_key.to_base64().to_string())
        };
        let opened = envelopes.iter().map(open).collect::<Result<Vec<_>>>()?;
        Ok(Secret::new(opened.join(" ")))
    }

    pub(super) fn answer(question: &str, known: &[KnownKey], given: Given) -> std::result::Result<String, Failure> {
        let question: Question = serde_json::from_str(question).map_err(|_| Error::internal("The question cannot be read."))?;
        Ok(question.answer(&private(known, given)?)?)
    }

    pub(super) fn is_passphrase_file(text: &str) -> bool {
        matches!(Kept::parse(text), Ok(Kept::Passphrase(_)))
    }
}
