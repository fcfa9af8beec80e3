//! What only the holder of a key can read.
//!
//! An archive is sealed with a data key of its own ([`body`]), and the data key is sealed to the public half of each key that
//! shall open it ([`envelope`], [`key`]). Nothing here reads or writes anything, so that browsers run it, too. docs/FORMAT.md
//! says the same for a stranger who writes a reader.

pub mod body;
pub mod drill;
pub mod envelope;
mod fingerprint;
pub mod kept;
pub mod key;

pub use body::{Opener, Sealer};
pub use envelope::Envelope;
pub use fingerprint::Fingerprint;
pub use kept::Kept;
pub use key::{DataKey, PrivateKey, PublicKey};

use domain::{Code, Error, Result};

/// Fills `bytes` with the operating system's, or the browser's, random numbers.
fn random(bytes: &mut [u8]) -> Result<()> {
    getrandom::fill(bytes).map_err(|error| {
        Error::new(Code::DataDir, "The operating system gave no random numbers for a new key.", "Try again.").because(error)
    })
}

/// Bytes that travelled as base64.
///
/// # Errors
/// [`Code::Damaged`] for anything else.
pub fn base64_bytes(text: &str) -> Result<Vec<u8>> {
    use base64::{Engine, engine::general_purpose::STANDARD};
    STANDARD.decode(text).map_err(|error| damaged("The sealed archive's header did not arrive whole.").because(error))
}

/// Sealed bytes that are not what was sealed.
fn damaged(sentence: impl Into<String>) -> Error {
    Error::new(Code::Damaged, sentence, "Choose another restore point; `rookery verify` says which are whole.")
}
