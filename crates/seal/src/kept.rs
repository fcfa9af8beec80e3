//! A key as it is kept: the text of the file that people save, and of the sheet that they print.
//!
//! Lines that begin with `#` explain. The one other line is the private key, and then the file is its owner's alone; or how a
//! passphrase becomes it, and then the file is no secret.

use crate::{PrivateKey, PublicKey, key::Derivation};
use domain::{Code, Error, Result};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// What stands before the parameters of a passphrase.
const PASSPHRASE: &str = "passphrase ";

/// A key as it is kept.
pub enum Kept {
    /// The private key itself.
    Private(PrivateKey),
    /// How a passphrase becomes it.
    Passphrase(Passphrase),
}

/// How a passphrase becomes a key, and which: every passphrase becomes one, but not the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Passphrase {
    /// How.
    #[serde(flatten)]
    pub derivation: Derivation,
    /// Which.
    pub public_key: PublicKey,
}

impl Passphrase {
    /// How a new key is made from a passphrase, and the key.
    ///
    /// # Errors
    /// When there are no random numbers, or not enough memory.
    pub fn new(passphrase: &str) -> Result<Self> {
        let derivation = Derivation::generate()?;
        let public_key = PrivateKey::from_passphrase(passphrase, &derivation)?.public()?;
        Ok(Self { derivation, public_key })
    }

    /// The private key, for who knows the passphrase.
    ///
    /// # Errors
    /// [`Code::WrongKey`] if it is another passphrase.
    pub fn private(&self, passphrase: &str) -> Result<PrivateKey> {
        let key = PrivateKey::from_passphrase(passphrase, &self.derivation)?;
        if key.public()? != self.public_key {
            let sentence = "The passphrase is not the one that this key was made from.";
            return Err(Error::new(Code::WrongKey, sentence, "Give it as it was then: case and spaces count."));
        }
        Ok(key)
    }
}

impl Kept {
    /// Reads the text of a file, or of a key from elsewhere.
    ///
    /// # Errors
    /// [`Code::Usage`] for anything else; what is refused is not repeated.
    pub fn parse(text: &str) -> Result<Self> {
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let (Some(line), None) = (lines.next(), lines.next()) else {
            return Err(Error::new(
                Code::Usage,
                "A key file has one line beside those that begin with #.",
                "Use the file as it was written, or the key alone.",
            ));
        };
        match line.strip_prefix(PASSPHRASE) {
            None => line.parse().map(Self::Private),
            Some(made) => serde_json::from_str(made).map(Self::Passphrase).map_err(|error| {
                Error::new(Code::Usage, "The key file does not tell how its passphrase becomes a key.", "Use the file as it was written.")
                    .because(error)
            }),
        }
    }

    /// The public half, for which nobody has to be asked.
    ///
    /// # Errors
    /// Not for any key that exists.
    pub fn public(&self) -> Result<PublicKey> {
        match self {
            Self::Private(key) => key.public(),
            Self::Passphrase(made) => Ok(made.public_key),
        }
    }

    /// The one line that is not a comment.
    ///
    /// # Errors
    /// Not for any key that exists.
    pub fn line(&self) -> Result<Zeroizing<String>> {
        match self {
            Self::Private(key) => Ok(key.expose()),
            Self::Passphrase(made) => {
                let json = serde_json::to_string(made).map_err(|error| Error::internal("A key could not be written.").because(error))?;
                Ok(Zeroizing::new(format!("{PASSPHRASE}{json}")))
            }
        }
    }

    /// The file's text.
    ///
    /// # Errors
    /// Not for any key that exists.
    pub fn text(&self) -> Result<Zeroizing<String>> {
        let public = self.public()?;
        let what = match self {
            Self::Private(_) => {
                "# A private key of Rookery. Whoever has it can read the backups that were sealed for it, and without it nobody can."
            }
            Self::Passphrase(_) => {
                "# A key of Rookery, made from a passphrase. It takes the passphrase and this file to read what was sealed for it."
            }
        };
        let text = format!("{what}\n# public key:  {public}\n# fingerprint: {}\n{}\n", public.fingerprint(), &*self.line()?);
        Ok(Zeroizing::new(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let key = PrivateKey::generate().unwrap();
        let public = key.public().unwrap();
        let text = Kept::Private(key).text().unwrap();
        assert!(text.contains(&public.fingerprint().to_string()));
        assert_eq!(Kept::parse(&text).unwrap().public().unwrap(), public);
        let made = Passphrase { derivation: Derivation::generate().unwrap(), public_key: public };
        let text = Kept::Passphrase(made.clone()).text().unwrap();
        assert!(matches!(Kept::parse(&text).unwrap(), Kept::Passphrase(read) if read == made));
        let more = text.replace("{\"", "{\"more\":1,\"");
        assert!(Kept::parse(&more).is_err(), "a field that is not known was passed over");
    }

    #[test]
    fn another_passphrase_is_refused() {
        let derivation = Derivation { memory_kib: 64, passes: 1, ..Derivation::generate().unwrap() };
        let public_key = PrivateKey::from_passphrase("rook raven tree", &derivation).unwrap().public().unwrap();
        let made = Passphrase { derivation, public_key };
        assert_eq!(made.private("rook raven tree").unwrap().public().unwrap(), public_key);
        assert_eq!(made.private("rook raven treE").unwrap_err().code(), Code::WrongKey);
    }

    #[test]
    fn a_key_from_elsewhere_needs_no_comments_and_other_files_are_refused() {
        let key = PrivateKey::generate().unwrap();
        assert!(Kept::parse(&key.expose()).is_ok());
        for text in ["", "# only a comment", "one\ntwo", "no key", "passphrase {}"] {
            assert_eq!(Kept::parse(text).err().unwrap().code(), Code::Usage, "{text:?}");
        }
    }
}
