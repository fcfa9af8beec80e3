//! The body of a sealed archive: C2SP chunked-encryption with AES-256-GCM and SHA-512, called Cobblestone-256
//! (<https://c2sp.org/chunked-encryption>).
//!
//! A head of 56 bytes, the salt and a commitment to the key, comes before chunks of 16 KiB. Each chunk is encrypted under its own
//! nonce, and the last one is always shorter than the others, so that an end that is missing is noticed.

use crate::{DataKey, damaged, random};
use aes_gcm::{Aes256Gcm, Nonce, aead::AeadInOut};
use domain::{Error, Result};
use hmac::{Hmac, KeyInit as _, Mac};
use sha2::Sha512;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Plain bytes of every chunk but the last, which has fewer.
pub const CHUNK_BYTES: usize = 16 << 10;

/// Bytes by which a chunk grows: the tag that authenticates it.
pub const TAG_BYTES: usize = 16;

/// Bytes of every sealed chunk but the last.
pub const SEALED_BYTES: usize = CHUNK_BYTES + TAG_BYTES;

const SALT_BYTES: usize = 24;
const NONCE_BYTES: usize = 12;
const COMMITMENT_BYTES: usize = 32;

/// Bytes before the first chunk.
pub const HEAD_BYTES: usize = SALT_BYTES + COMMITMENT_BYTES;

const LABEL: &[u8] = b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0";

/// What a data key, a salt and a context come to.
struct Schedule {
    cipher: Aes256Gcm,
    base_nonce: [u8; NONCE_BYTES],
    commitment: [u8; COMMITMENT_BYTES],
}

impl Schedule {
    fn new(key: &DataKey, salt: &[u8], context: &[u8]) -> Result<Self> {
        let mut derived = Zeroizing::new([0; 32 + NONCE_BYTES + COMMITMENT_BYTES]);
        expand(key.expose(), &[LABEL, salt, context], derived.as_mut())?;
        let (cipher_key, rest) = derived.split_at(32);
        let cipher =
            Aes256Gcm::new_from_slice(cipher_key).map_err(|error| Error::internal("A derived key has a wrong size.").because(error))?;
        let (mut base_nonce, mut commitment) = ([0; NONCE_BYTES], [0; COMMITMENT_BYTES]);
        base_nonce.copy_from_slice(&rest[..NONCE_BYTES]);
        commitment.copy_from_slice(&rest[NONCE_BYTES..]);
        Ok(Self { cipher, base_nonce, commitment })
    }

    /// The base nonce, with the number of the chunk in its last bytes by exclusive or.
    fn nonce(&self, chunk: u64) -> Nonce<aes_gcm::aead::consts::U12> {
        let mut nonce = self.base_nonce;
        for (byte, count) in nonce[NONCE_BYTES - 8..].iter_mut().zip(chunk.to_be_bytes()) {
            *byte ^= count;
        }
        nonce.into()
    }
}

/// HKDF-Expand with SHA-512 (RFC 5869, section 2.3). The `hkdf` crate refuses a key shorter than the hash.
fn expand(key: &[u8], info: &[&[u8]], out: &mut [u8]) -> Result<()> {
    let wrong = |error: hmac::digest::InvalidLength| Error::internal("A key cannot be expanded.").because(error);
    let mut before: Zeroizing<Vec<u8>> = Zeroizing::new(vec![]);
    for (number, block) in (1_u8..).zip(out.chunks_mut(64)) {
        let mut mac = Hmac::<Sha512>::new_from_slice(key).map_err(wrong)?;
        mac.update(&before);
        info.iter().for_each(|part| mac.update(part));
        mac.update(&[number]);
        before = Zeroizing::new(mac.finalize().into_bytes().to_vec());
        block.copy_from_slice(&before[..block.len()]);
    }
    Ok(())
}

/// Seals one stream of bytes, in memory for two chunks.
pub struct Sealer {
    schedule: Schedule,
    chunk: u64,
    /// Less than a chunk, except for a moment.
    rest: Vec<u8>,
}

impl Sealer {
    /// Begins under a data key that seals nothing else, and returns the head, which is stored before everything else. Whoever opens
    /// the body has to give the same `context`.
    ///
    /// # Errors
    /// When there are no random numbers.
    pub fn new(key: &DataKey, context: &[u8]) -> Result<(Self, [u8; HEAD_BYTES])> {
        let mut salt = [0; SALT_BYTES];
        random(&mut salt)?;
        Self::with_salt(key, context, salt)
    }

    fn with_salt(key: &DataKey, context: &[u8], salt: [u8; SALT_BYTES]) -> Result<(Self, [u8; HEAD_BYTES])> {
        let schedule = Schedule::new(key, &salt, context)?;
        let mut head = [0; HEAD_BYTES];
        head[..SALT_BYTES].copy_from_slice(&salt);
        head[SALT_BYTES..].copy_from_slice(&schedule.commitment);
        Ok((Self { schedule, chunk: 0, rest: Vec::with_capacity(SEALED_BYTES) }, head))
    }

    /// Takes plain bytes, and appends to `out` the chunks that are full.
    ///
    /// # Errors
    /// Not for any bytes that exist.
    pub fn seal(&mut self, mut plain: &[u8], out: &mut Vec<u8>) -> Result<()> {
        out.reserve(plain.len() + (plain.len() / CHUNK_BYTES + 1) * TAG_BYTES);
        while self.rest.len() + plain.len() >= CHUNK_BYTES {
            let (now, later) = plain.split_at(CHUNK_BYTES - self.rest.len());
            self.rest.extend_from_slice(now);
            self.end_chunk(out)?;
            plain = later;
        }
        self.rest.extend_from_slice(plain);
        Ok(())
    }

    /// Appends the last chunk.
    ///
    /// # Errors
    /// Not for any bytes that exist.
    pub fn finish(mut self, out: &mut Vec<u8>) -> Result<()> {
        self.end_chunk(out)
    }

    fn end_chunk(&mut self, out: &mut Vec<u8>) -> Result<()> {
        let begin = out.len();
        out.extend_from_slice(&self.rest);
        self.rest.clear();
        let tag = self
            .schedule
            .cipher
            .encrypt_inout_detached(&self.schedule.nonce(self.chunk), b"", (&mut out[begin..]).into())
            .map_err(|_| Error::internal("A chunk could not be sealed."))?;
        out.extend_from_slice(&tag);
        self.chunk += 1;
        Ok(())
    }
}

/// Opens the chunks of one body, in any order.
pub struct Opener(Schedule);

impl Opener {
    /// Checks a head against the data key and the context that the body was sealed with.
    ///
    /// # Errors
    /// [`domain::Code::Damaged`] unless all three belong together.
    pub fn new(key: &DataKey, context: &[u8], head: &[u8]) -> Result<Self> {
        let (Some(salt), Some(commitment)) = (head.get(..SALT_BYTES), head.get(SALT_BYTES..HEAD_BYTES)) else {
            return Err(damaged("The sealed archive ends before its first chunk."));
        };
        let schedule = Schedule::new(key, salt, context)?;
        if !bool::from(schedule.commitment.ct_eq(commitment)) {
            return Err(damaged("The beginning of the sealed archive was changed, or belongs to another archive."));
        }
        Ok(Self(schedule))
    }

    /// Opens a chunk in its place: `sealed` loses its tag. Which one is the last follows from [`Shape`].
    ///
    /// # Errors
    /// [`domain::Code::Damaged`] for anything but what was sealed as this chunk; `sealed` is empty then.
    pub fn open(&self, chunk: u64, sealed: &mut Vec<u8>) -> Result<()> {
        let opened = sealed.len().checked_sub(TAG_BYTES).map(|end| sealed.split_off(end)).and_then(|tag| {
            let tag = <[u8; TAG_BYTES]>::try_from(tag).ok()?;
            let nonce = self.0.nonce(chunk);
            self.0.cipher.decrypt_inout_detached(&nonce, b"", sealed.as_mut_slice().into(), &tag.into()).ok()
        });
        if opened.is_none() {
            sealed.clear();
            return Err(damaged(format!("Chunk {chunk} of the sealed archive is not what was sealed.")));
        }
        Ok(())
    }
}

/// How many bytes a body has, sealed and plain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Number of the last chunk.
    pub last: u64,
    /// Sealed bytes of the last chunk.
    pub last_bytes: u64,
    /// Plain bytes of all chunks.
    pub plain_bytes: u64,
}

impl Shape {
    /// The shape of a body with so many sealed bytes after its head.
    ///
    /// # Errors
    /// [`domain::Code::Damaged`] for a number that no body has.
    pub fn of(sealed_bytes: u64) -> Result<Self> {
        let (last, last_bytes) = (sealed_bytes / SEALED_BYTES as u64, sealed_bytes % SEALED_BYTES as u64);
        if last_bytes < TAG_BYTES as u64 {
            return Err(damaged("The sealed archive was cut off."));
        }
        Ok(Self { last, last_bytes, plain_bytes: sealed_bytes - (last + 1) * TAG_BYTES as u64 })
    }
}

#[cfg(test)]
#[path = "body_tests.rs"]
mod tests;
