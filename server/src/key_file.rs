//! Files that hold a key ([`seal::kept`]): what `rookery key generate` writes, and what `--key` reads. A passphrase is read from
//! standard input.

use crate::{output::harmless, prompt, whole_file};
use domain::{Code, Error, Result};
use seal::{Kept, PrivateKey, key};
use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};
use zeroize::Zeroizing;

/// Longest file that is read.
const MAX_BYTES: u64 = 64 << 10;

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
    let kept = Kept::parse(&text)?;
    if matches!(kept, Kept::Private(_)) && !whole_file::is_private(&metadata) {
        return Err(unusable("can be read by others".into(), "Make it readable for its owner alone (chmod 600)."));
    }
    Ok(kept)
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

/// Writes a new file that only its owner may read. One that is there already is left as it is.
pub fn write(path: &Path, text: &str) -> Result<()> {
    whole_file::write_new(path, text.as_bytes()).map_err(|error| {
        let next_step = if error.kind() == io::ErrorKind::AlreadyExists { "Choose another name." } else { "Choose another folder." };
        Error::new(Code::Usage, format!("The key file {} cannot be written: {error}.", path.display()), next_step).because(error)
    })
}
