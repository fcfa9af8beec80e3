//! How the two halves of a key are written.
//!
//! Any 32 bytes are a key, so that a half mistaken for the other, or a character mistyped, would seal for nobody. The texts of
//! the two halves therefore begin with what they are, and end in a checksum.

use super::KEY_BYTES;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

const CHECK_BYTES: usize = 4;

/// How one half of a key is written: a prefix, then in base64url without padding the key and the first bytes of
/// SHA-256(label || key).
pub(super) struct Text {
    pub(super) prefix: &'static str,
    label: &'static [u8],
}

pub(super) const PUBLIC: Text = Text { prefix: "rookery-pub1-", label: b"rookery/v1/public" };
pub(super) const PRIVATE: Text = Text { prefix: "rookery-key1-", label: b"rookery/v1/private" };

impl Text {
    pub(super) fn write(&self, key: &[u8; KEY_BYTES]) -> Zeroizing<String> {
        let mut bytes = Zeroizing::new([0; KEY_BYTES + CHECK_BYTES]);
        bytes[..KEY_BYTES].copy_from_slice(key);
        bytes[KEY_BYTES..].copy_from_slice(&self.check(key));
        // Of its whole size from the beginning: growing would leave copies behind that nobody wipes.
        let mut text = Zeroizing::new(String::with_capacity(self.prefix.len() + 48));
        text.push_str(self.prefix);
        URL_SAFE_NO_PAD.encode_string(bytes.as_ref(), &mut text);
        text
    }

    /// The key, if the text has the prefix and the checksum fits.
    pub(super) fn read(&self, text: &str) -> Option<Zeroizing<[u8; KEY_BYTES]>> {
        let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(text.strip_prefix(self.prefix)?).ok()?);
        let (key, check) = bytes.split_first_chunk::<KEY_BYTES>()?;
        (check == self.check(key)).then(|| Zeroizing::new(*key))
    }

    fn check(&self, key: &[u8; KEY_BYTES]) -> [u8; CHECK_BYTES] {
        let hash = Sha256::new().chain_update(self.label).chain_update(key).finalize();
        let mut check = [0; CHECK_BYTES];
        check.copy_from_slice(&hash[..CHECK_BYTES]);
        check
    }
}
