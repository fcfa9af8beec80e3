//! Seals the small secrets that the catalog keeps, with a key that lies outside it.

use aes_gcm::{
    Aes256Gcm, KeyInit, Nonce,
    aead::{Aead, Payload},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use domain::{Code, Error, Result, Secret};
use std::{
    fmt::Display,
    fs::{self, File, OpenOptions},
    io::{ErrorKind, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};
use zeroize::Zeroizing;

const FILE: &str = "catalog-key";
const NONCE_BYTES: usize = 12;

/// AES-256-GCM with a key of this installation. Whoever has only the catalog can open nothing.
#[derive(Clone)]
pub struct Safe(Aes256Gcm);

impl Safe {
    /// A safe with this key.
    #[must_use]
    pub fn new(key: &[u8; 32]) -> Self {
        Self(Aes256Gcm::new(key.into()))
    }

    /// The safe whose key lies in this file, kept elsewhere than what it seals.
    ///
    /// # Errors
    /// [`Code::DataDir`] if the key cannot be read, or is damaged.
    pub fn with_key_in(path: &Path) -> Result<Self> {
        let unusable = |why: String| {
            let sentence = format!("The key of the safe in {} cannot be used: {why}.", path.display());
            Error::new(Code::DataDir, sentence, "Name the file that holds it, 32 bytes in base64, and let only the console's user read it.")
        };
        let key = read(path).map_err(|error| unusable("it cannot be read, or does not hold 32 bytes in base64".into()).because(error))?;
        let key = key.ok_or_else(|| unusable("there is no such file".into()))?;
        Ok(Self::new(&key))
    }

    /// The safe whose key lies in the data directory; made at the first call, for its owner alone to read.
    ///
    /// # Errors
    /// [`Code::DataDir`] if the key cannot be read or written, or is damaged.
    pub fn open(data_dir: &Path) -> Result<Self> {
        let path = data_dir.join(FILE);
        if let Some(key) = read(&path)? {
            return Ok(Self::new(&key));
        }
        let mut key = Zeroizing::new([0; 32]);
        random(key.as_mut())?;
        write_new(data_dir, &path, &key).map_err(|error| failed(&path, "cannot be written", error))?;
        // Another process may have been first; then its key counts.
        read(&path)?.map(|key| Self::new(&key)).ok_or_else(|| Error::internal("The key of the catalog vanished."))
    }

    /// Seals a secret for one place: the kind of a record and its identifier. It can be unsealed for that place alone.
    ///
    /// # Errors
    /// [`Code::DataDir`] if the operating system gives no random numbers.
    pub fn seal(&self, kind: &str, id: impl Display, secret: &Secret<String>) -> Result<String> {
        let mut nonce = [0; NONCE_BYTES];
        random(&mut nonce)?;
        let place = place(kind, id);
        let payload = Payload { msg: secret.expose().as_bytes(), aad: place.as_bytes() };
        let sealed = self.0.encrypt(&Nonce::from(nonce), payload).map_err(|_| Error::internal("A secret is too long to be sealed."))?;
        Ok(STANDARD.encode([nonce.as_slice(), sealed.as_slice()].concat()))
    }

    /// Opens what [`Safe::seal`] made for the same place.
    ///
    /// # Errors
    /// [`Code::DataDir`] if it was sealed with another key or for another place, or is damaged.
    pub fn unseal(&self, kind: &str, id: impl Display, sealed: &str) -> Result<Secret<String>> {
        let place = place(kind, id);
        let opened = STANDARD.decode(sealed).ok().and_then(|bytes| {
            let (nonce, sealed) = bytes.split_first_chunk::<NONCE_BYTES>()?;
            self.0.decrypt(&Nonce::from(*nonce), Payload { msg: sealed, aad: place.as_bytes() }).ok()
        });
        opened.and_then(|bytes| String::from_utf8(bytes).ok()).map(Secret::new).ok_or_else(|| {
            Error::new(
                Code::DataDir,
                format!("The stored secret of this {kind} cannot be opened with the key in the data directory."),
                "Type it again in the settings, or bring back the file catalog-key that belongs to this catalog.",
            )
        })
    }
}

fn place(kind: &str, id: impl Display) -> String {
    format!("rookery/v1/{kind}/{id}")
}

/// Fills bytes from the operating system's random numbers.
pub(crate) fn random(bytes: &mut [u8]) -> Result<()> {
    getrandom::fill(bytes).map_err(|error| {
        Error::new(Code::DataDir, "The operating system gave no random numbers.", "Try again.").because(std::io::Error::from(error))
    })
}

fn read(path: &Path) -> Result<Option<Zeroizing<[u8; 32]>>> {
    let mut text = Zeroizing::new(String::new());
    match File::open(path).and_then(|mut file| file.read_to_string(&mut text)) {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(path, "cannot be read", error)),
    }
    let bytes = STANDARD.decode(text.trim()).map(Zeroizing::new).ok();
    let key = bytes.and_then(|bytes| <[u8; 32]>::try_from(bytes.as_slice()).ok());
    key.map(|key| Some(Zeroizing::new(key))).ok_or_else(|| failed(path, "is damaged", "it does not hold 32 bytes in base64"))
}

/// Written under a temporary name and then named, so that the key is there whole or not at all. A crash in between leaves
/// a temporary file, which the data directory removes when it is opened.
fn write_new(data_dir: &Path, path: &Path, key: &[u8; 32]) -> std::io::Result<()> {
    let text = Zeroizing::new(format!("{}\n", Zeroizing::new(STANDARD.encode(key)).as_str()));
    let mut number = [0; 8];
    getrandom::fill(&mut number)?;
    let temporary = data_dir.join(format!(".{}-{}", std::process::id(), u64::from_ne_bytes(number)));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    let named = fs::hard_link(&temporary, path);
    fs::remove_file(&temporary)?;
    match named {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => File::open(data_dir)?.sync_all(),
    }
}

fn failed(path: &Path, what: &str, why: impl Display) -> Error {
    Error::new(
        Code::DataDir,
        format!("{} in the data directory {what}: {why}.", path.display()),
        "Mend the permissions of the data directory, or restore it from its own backup.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_secret_opens_at_its_own_place_with_its_own_key_alone() {
        let safe = Safe::new(&[7; 32]);
        let secret = Secret::new("hunter2 🐦".to_owned());
        let sealed = safe.seal("server", "one", &secret).unwrap();
        assert!(!sealed.contains("hunter2"));
        assert_ne!(sealed, safe.seal("server", "one", &secret).unwrap(), "the same secret twice looks the same");
        assert_eq!(safe.unseal("server", "one", &sealed).unwrap().expose(), "hunter2 🐦");
        for (safe, kind, id) in [(&safe, "server", "two"), (&safe, "user", "one"), (&Safe::new(&[8; 32]), "server", "one")] {
            assert_eq!(safe.unseal(kind, id, &sealed).unwrap_err().code(), Code::DataDir);
        }
        for damaged in ["", "AAAA", "not base64", &sealed[4..]] {
            assert_eq!(safe.unseal("server", "one", damaged).unwrap_err().code(), Code::DataDir, "{damaged}");
        }
    }

    #[test]
    fn the_key_is_made_once_and_only_its_owner_can_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let sealed = Safe::open(folder.path()).unwrap().seal("server", 1, &Secret::new("x".to_owned())).unwrap();
        assert_eq!(Safe::open(folder.path()).unwrap().unseal("server", 1, &sealed).unwrap().expose(), "x");
        assert_eq!(fs::metadata(folder.path().join(FILE)).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "a temporary file stayed behind");
        fs::write(folder.path().join(FILE), "short").unwrap();
        assert_eq!(Safe::open(folder.path()).err().unwrap().code(), Code::DataDir);
    }

    #[test]
    fn processes_that_are_first_at_once_agree_on_one_key() {
        let folder = tempfile::tempdir().unwrap();
        let safes: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| Safe::open(folder.path()).unwrap())).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let sealed = safes[0].seal("server", 1, &Secret::new("x".to_owned())).unwrap();
        assert!(safes.iter().all(|safe| safe.unseal("server", 1, &sealed).is_ok()));
    }
}
