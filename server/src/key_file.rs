//! Files that hold a key: what `rookery key generate` writes, and what `--key` reads.
//!
//! Lines that begin with `#` explain. The one other line is the private key, and then the file is its owner's alone; or how a
//! passphrase becomes it, and then the passphrase is read from standard input, and the file itself is no secret.

use crate::{output::harmless, prompt, whole_file};
use domain::{Code, Error, Result};
use seal::{PrivateKey, PublicKey, key, key::Derivation};
use serde::{Deserialize, Serialize};
use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};
use zeroize::Zeroizing;

/// Longest file that is read.
const MAX_BYTES: u64 = 64 << 10;

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
    #[serde(flatten)]
    derivation: Derivation,
    public_key: PublicKey,
}

/// The private key in a file, with the passphrase asked for if it is made from one.
pub fn open(path: &Path) -> Result<PrivateKey> {
    match read(path)? {
        Kept::Private(key) => Ok(key),
        Kept::Passphrase(made) => made.private(&prompt::passphrase(&format!("Passphrase of {}: ", harmless(&path.to_string_lossy())))?),
    }
}

/// What a file holds.
pub fn read(path: &Path) -> Result<Kept> {
    let unusable = |why: String, next_step: &str| {
        Error::new(Code::Usage, format!("The key file {} {why}.", harmless(&path.to_string_lossy())), next_step)
    };
    let cannot = |error: io::Error| unusable(format!("cannot be read: {error}"), "Check its name and who may read it.").because(error);
    let file = File::open(path).map_err(cannot)?;
    let metadata = file.metadata().map_err(cannot)?;
    // Of its whole size from the beginning: growing would leave copies behind that nobody wipes.
    let mut text = Zeroizing::new(String::with_capacity(2 * MAX_BYTES as usize));
    let read = file.take(MAX_BYTES + 1).read_to_string(&mut text).map_err(cannot)?;
    if read as u64 > MAX_BYTES {
        return Err(unusable("is too long".into(), "Name the file with the private key."));
    }
    let kept = parse(&text)?;
    if matches!(kept, Kept::Private(_)) && !whole_file::is_private(&metadata) {
        return Err(unusable("can be read by others".into(), "Make it readable for its owner alone (chmod 600)."));
    }
    Ok(kept)
}

fn parse(text: &str) -> Result<Kept> {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let (Some(line), None) = (lines.next(), lines.next()) else {
        return Err(Error::new(
            Code::Usage,
            "A key file has one line beside those that begin with #.",
            "Name the file with the private key.",
        ));
    };
    match line.strip_prefix(PASSPHRASE) {
        None => line.parse().map(Kept::Private),
        Some(made) => serde_json::from_str(made).map(Kept::Passphrase).map_err(|error| {
            Error::new(Code::Usage, "The key file does not tell how its passphrase becomes a key.", "Use the file as it was written.")
                .because(error)
        }),
    }
}

/// A passphrase for a new key. Where nobody sees what is typed, it is typed twice.
pub fn new_passphrase() -> Result<Zeroizing<String>> {
    let passphrase = prompt::passphrase("Passphrase: ")?;
    key::check_passphrase(&passphrase)?;
    if prompt::is_typed() && prompt::passphrase("The same again: ")? != passphrase {
        return Err(Error::new(Code::Usage, "The two passphrases differ.", "Start again, and type the same one twice."));
    }
    Ok(passphrase)
}

impl Passphrase {
    /// How a new key is made from a passphrase.
    pub fn new(passphrase: &str) -> Result<Self> {
        let derivation = Derivation::generate()?;
        let public_key = PrivateKey::from_passphrase(passphrase, &derivation)?.public()?;
        Ok(Self { derivation, public_key })
    }

    fn private(&self, passphrase: &str) -> Result<PrivateKey> {
        let key = PrivateKey::from_passphrase(passphrase, &self.derivation)?;
        if key.public()? != self.public_key {
            let sentence = "The passphrase is not the one that this key was made from.";
            return Err(Error::new(Code::WrongKey, sentence, "Give it as it was then: case and spaces count."));
        }
        Ok(key)
    }
}

impl Kept {
    /// The public half, for which nobody has to be asked.
    pub fn public(&self) -> Result<PublicKey> {
        match self {
            Self::Private(key) => key.public(),
            Self::Passphrase(made) => Ok(made.public_key),
        }
    }

    /// The file's text.
    pub fn text(&self) -> Result<Zeroizing<String>> {
        let public = self.public()?;
        let (what, line) = match self {
            Self::Private(key) => (
                "# A private key of Rookery. Whoever has it can read the backups that were sealed for it, and without it nobody can.",
                key.expose(),
            ),
            Self::Passphrase(made) => {
                let json = serde_json::to_string(made).map_err(|error| Error::internal("A key could not be written.").because(error))?;
                (
                    "# A key of Rookery, made from a passphrase. It takes the passphrase and this file to read what was sealed for it.",
                    Zeroizing::new(format!("{PASSPHRASE}{json}")),
                )
            }
        };
        let text = format!("{what}\n# public key:  {public}\n# fingerprint: {}\n{}\n", public.fingerprint(), &*line);
        Ok(Zeroizing::new(text))
    }
}

/// Writes a new file that only its owner may read. One that is there already is left as it is.
pub fn write(path: &Path, text: &str) -> Result<()> {
    whole_file::write_new(path, text.as_bytes()).map_err(|error| {
        let next_step = if error.kind() == io::ErrorKind::AlreadyExists { "Choose another name." } else { "Choose another folder." };
        Error::new(Code::Usage, format!("The key file {} cannot be written: {error}.", path.display()), next_step).because(error)
    })
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
        assert_eq!(parse(&text).unwrap().public().unwrap(), public);
        let made = Passphrase { derivation: Derivation::generate().unwrap(), public_key: public };
        let text = Kept::Passphrase(made.clone()).text().unwrap();
        assert!(matches!(parse(&text).unwrap(), Kept::Passphrase(read) if read == made));
        let more = text.replace("{\"", "{\"more\":1,\"");
        assert!(parse(&more).is_err(), "a field that is not known was passed over");
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
        assert!(parse(&key.expose()).is_ok());
        for text in ["", "# only a comment", "one\ntwo", "no key", "passphrase {}"] {
            assert_eq!(parse(text).err().unwrap().code(), Code::Usage, "{text:?}");
        }
    }
}
