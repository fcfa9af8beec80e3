//! Files that hold a key: what `rookery key generate` writes, and what `--key` reads.
//!
//! Lines that begin with `#` explain. The one other line is the private key, 32 bytes in base64, or how a passphrase becomes it;
//! then the passphrase is read from standard input, and the file itself is no secret.

use domain::{Code, Error, Result};
use repository::Key;
use seal::{PrivateKey, PublicKey, key::Derivation};
use std::{
    fs::{self, OpenOptions},
    io::{self, BufRead, IsTerminal, Write},
    os::unix::fs::OpenOptionsExt,
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
    Passphrase(Derivation),
}

/// The key in a file, with the passphrase asked for if it is made from one.
pub fn open(path: &Path) -> Result<Key> {
    read(path)?.private().map(Key::Private)
}

/// What a file holds.
pub fn read(path: &Path) -> Result<Kept> {
    let cannot = |error: io::Error| {
        Error::new(Code::Usage, format!("The key file {} cannot be read: {error}.", path.display()), "Check its name and who may read it.")
            .because(error)
    };
    if fs::metadata(path).map_err(cannot)?.len() > MAX_BYTES {
        return Err(Error::new(
            Code::Usage,
            format!("{} is too long for a key file.", path.display()),
            "Name the file with the private key.",
        ));
    }
    parse(&Zeroizing::new(fs::read_to_string(path).map_err(cannot)?))
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
        Some(derivation) => serde_json::from_str(derivation).map(Kept::Passphrase).map_err(|error| {
            Error::new(Code::Usage, "The key file does not tell how its passphrase becomes a key.", "Use the file as it was written.")
                .because(error)
        }),
    }
}

impl Kept {
    /// The private key.
    pub fn private(self) -> Result<PrivateKey> {
        match self {
            Self::Private(key) => Ok(key),
            Self::Passphrase(derivation) => PrivateKey::from_passphrase(&passphrase()?, &derivation),
        }
    }

    /// The file's text.
    pub fn text(&self, public: &PublicKey) -> Result<Zeroizing<String>> {
        let (what, line) = match self {
            Self::Private(key) => (
                "# A private key of Rookery. Whoever has it can read the backups that were sealed for it, and without it nobody can.",
                key.expose(),
            ),
            Self::Passphrase(derivation) => {
                let json =
                    serde_json::to_string(derivation).map_err(|error| Error::internal("A key could not be written.").because(error))?;
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
    let written = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    written.map_err(|error| {
        let next_step = if error.kind() == io::ErrorKind::AlreadyExists { "Choose another name." } else { "Choose another folder." };
        Error::new(Code::Usage, format!("The key file {} cannot be written: {error}.", path.display()), next_step).because(error)
    })
}

/// A passphrase from standard input: its first line.
pub fn passphrase() -> Result<Zeroizing<String>> {
    let input = io::stdin();
    let quiet = input.is_terminal().then(Quiet::begin).flatten();
    ask(quiet.as_ref(), "Passphrase: ");
    let mut line = Zeroizing::new(String::new());
    let read = input.lock().read_line(&mut line);
    ask(quiet.as_ref(), "\n");
    let cannot = |error: io::Error| Error::new(Code::Usage, "No passphrase could be read.", "Give it on standard input.").because(error);
    read.map_err(cannot)?;
    let end = line.trim_end_matches(['\n', '\r']).len();
    line.truncate(end);
    if line.is_empty() {
        return Err(Error::new(Code::Usage, "No passphrase was given.", "Give it on standard input."));
    }
    Ok(line)
}

/// Says something to whoever sits at the terminal, if there is one.
fn ask(quiet: Option<&Quiet>, text: &str) {
    if quiet.is_some() {
        // Who cannot be asked can still answer.
        let _ = io::stderr().write_all(text.as_bytes());
    }
}

/// A terminal that does not show what is typed, until it is dropped.
struct Quiet(rustix::termios::Termios);

impl Quiet {
    fn begin() -> Option<Self> {
        let before = rustix::termios::tcgetattr(io::stdin()).ok()?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(rustix::termios::LocalModes::ECHO);
        rustix::termios::tcsetattr(io::stdin(), rustix::termios::OptionalActions::Now, &quiet).ok()?;
        Some(Self(before))
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        // A terminal that is gone needs no echo.
        let _ = rustix::termios::tcsetattr(io::stdin(), rustix::termios::OptionalActions::Now, &self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let key = PrivateKey::generate().unwrap();
        let public = key.public().unwrap();
        let text = Kept::Private(key).text(&public).unwrap();
        assert!(text.contains(&public.fingerprint().to_string()));
        assert_eq!(parse(&text).unwrap().private().unwrap().public().unwrap(), public);
        let derivation = Derivation::generate().unwrap();
        let text = Kept::Passphrase(derivation.clone()).text(&public).unwrap();
        assert!(matches!(parse(&text).unwrap(), Kept::Passphrase(read) if read == derivation));
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
