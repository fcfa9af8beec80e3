//! How a passphrase becomes a key, and which passphrases may.

use crate::random;
use base64::{Engine, engine::general_purpose::STANDARD};
use domain::{Code, Error, Result};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// Fewest characters of a passphrase that a key is made from.
pub const MIN_PASSPHRASE: usize = 12;

/// How a passphrase becomes a key: argon2id (RFC 9106) with a salt of its own. It is no secret, and kept beside the public key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Derivation {
    /// 16 random bytes in base64.
    pub salt: String,
    /// Memory, in KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
}

/// Most memory that a derivation may ask for: whoever could change it shall not exhaust the machine.
const MAX_MEMORY_KIB: u32 = 2 << 20;

/// Most passes, for the same reason.
const MAX_PASSES: u32 = 16;

impl Derivation {
    /// With a new salt: 256 MiB, three passes, one lane.
    ///
    /// # Errors
    /// When there are no random numbers.
    pub fn generate() -> Result<Self> {
        let mut salt = [0; 16];
        random(&mut salt)?;
        Ok(Self { salt: STANDARD.encode(salt), memory_kib: 256 << 10, passes: 3, lanes: 1 })
    }

    pub(super) fn run(&self, passphrase: &[u8], out: &mut [u8]) -> Result<()> {
        let refused =
            || Error::new(Code::Usage, "A key cannot be made with these parameters.", "Use those that were kept beside the public key.");
        if self.memory_kib > MAX_MEMORY_KIB || self.passes > MAX_PASSES {
            return Err(refused());
        }
        let salt = STANDARD.decode(&self.salt).map_err(|error| refused().because(error))?;
        let params =
            argon2::Params::new(self.memory_kib, self.passes, self.lanes, Some(out.len())).map_err(|error| refused().because(error))?;
        // Whoever finds this memory can go on from there without the passphrase, so it is wiped.
        let (mut memory, blocks) = (Zeroizing::new(vec![]), params.block_count());
        memory.try_reserve_exact(blocks).map_err(|error| refused().because(error))?;
        memory.resize(blocks, argon2::Block::new());
        let argon2 = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params);
        argon2.hash_password_into_with_memory(passphrase, &salt, out, memory.as_mut_slice()).map_err(|error| refused().because(error))
    }
}

/// What passwords are made of: words that lists of stolen ones begin with, and runs of the keyboard.
const COMMON: [&str; 40] = [
    "password",
    "passwort",
    "passphrase",
    "passw0rd",
    "letmein",
    "welcome",
    "iloveyou",
    "sunshine",
    "princess",
    "football",
    "baseball",
    "superman",
    "batman",
    "dragon",
    "monkey",
    "master",
    "shadow",
    "secret",
    "admin",
    "root",
    "login",
    "user",
    "test",
    "hello",
    "freedom",
    "whatever",
    "trustno1",
    "starwars",
    "michael",
    "jordan",
    "backup",
    "rookery",
    "database",
    "postgres",
    "qwertyuiop",
    "qwertzuiop",
    "asdfghjkl",
    "yxcvbnm",
    "zxcvbnm",
    "qwerty",
];

/// Fewest characters that are left once what everybody takes first is taken out.
const MIN_OWN: usize = 8;

/// How many characters of a passphrase are neither blanks, nor parts of numbers, nor of what everybody takes first.
fn own_characters(passphrase: &str) -> usize {
    let mut rest = passphrase.to_lowercase();
    for common in COMMON {
        rest = rest.replace(common, "");
    }
    // Parts of four keys and more along a row of the keyboard.
    for row in ["qwertyuiop", "qwertzuiop", "asdfghjkl", "zxcvbnm", "yxcvbnm"] {
        for length in (4..row.len()).rev() {
            for start in 0..=row.len() - length {
                rest = rest.replace(&row[start..start + length], "");
            }
        }
    }
    let rest: Vec<char> = rest.chars().collect();
    let is_digit = |at: Option<usize>| at.and_then(|at| rest.get(at)).is_some_and(char::is_ascii_digit);
    let in_number = |at: usize| is_digit(Some(at)) && (is_digit(at.checked_sub(1)) || is_digit(Some(at + 1)));
    (0..rest.len()).filter(|at| !rest[*at].is_whitespace() && !in_number(*at)).count()
}

/// Refuses a passphrase that is soon guessed.
///
/// # Errors
/// [`Code::Usage`] with the reason.
pub fn check_passphrase(passphrase: &str) -> Result<()> {
    let weak = |sentence: String| Error::new(Code::Usage, sentence, "Take five or more words that have nothing to do with each other.");
    let length = passphrase.chars().count();
    if length < MIN_PASSPHRASE {
        return Err(weak(format!("The passphrase has {length} characters; at least {MIN_PASSPHRASE} are needed.")));
    }
    let different: std::collections::BTreeSet<char> = passphrase.chars().flat_map(char::to_lowercase).collect();
    if different.len() < 6 {
        return Err(weak("The passphrase repeats the same few characters.".into()));
    }
    let letters: Vec<u32> = passphrase.chars().map(u32::from).collect();
    let in_a_row = letters.windows(2).filter(|pair| pair[1] == pair[0] + 1 || pair[0] == pair[1]).count();
    if in_a_row * 2 > letters.len() {
        return Err(weak("The passphrase counts up or repeats itself, as in 123456 or abcdef.".into()));
    }
    if own_characters(passphrase) < MIN_OWN {
        return Err(weak("The passphrase is made of what is guessed first: usual words, runs of the keyboard, numbers.".into()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PrivateKey;

    #[test]
    fn the_same_passphrase_and_salt_give_the_same_key() {
        let derivation = Derivation { memory_kib: 64, passes: 1, ..Derivation::generate().unwrap() };
        let key = |words: &str, derivation: &Derivation| PrivateKey::from_passphrase(words, derivation).unwrap().public().unwrap();
        assert_eq!(key("five words that are mine", &derivation), key("five words that are mine", &derivation));
        assert_ne!(key("five words that are mine", &derivation), key("five words that are yours", &derivation));
        let other = Derivation { salt: Derivation::generate().unwrap().salt, ..derivation.clone() };
        assert_ne!(key("five words that are mine", &derivation), key("five words that are mine", &other));
        let greedy = Derivation { memory_kib: u32::MAX, ..derivation };
        assert_eq!(PrivateKey::from_passphrase("x", &greedy).unwrap_err().code(), Code::Usage);
    }

    #[test]
    fn weak_passphrases_are_refused_with_a_reason() {
        for (words, reason) in
            [("short", "characters"), ("aaaaaaaaaaaaaaaa", "repeats"), ("abcdefghijklmnop", "counts up"), ("12345678901234", "counts up")]
        {
            let error = check_passphrase(words).unwrap_err();
            assert!(error.to_string().contains(reason), "{words}: {error}");
        }
        for words in
            ["password1234", "Password2026", "qwertyuiopas", "Letmein-2026!", "asdfghjkl1357", "iloveyou iloveyou", "admin admin 123"]
        {
            let error = check_passphrase(words).unwrap_err();
            assert!(error.to_string().contains("guessed first"), "{words}: {error}");
        }
        for words in ["rook raven tree night home", "4h7#k9!2q$8z@1vT", "correct horse battery staple", "größere Übermutprobe"] {
            check_passphrase(words).unwrap();
        }
    }

    /// RFC 9106, section 5.3. A passphrase goes without the secret and the associated data that this vector has, so the library is
    /// asked, and what we make of it by the next test.
    #[test]
    fn the_library_gives_what_the_rfc_says() {
        let mut params = argon2::ParamsBuilder::new();
        params.m_cost(32).t_cost(3).p_cost(4).output_len(32).data(argon2::AssociatedData::new(&[4; 12]).unwrap());
        let (algorithm, version) = (argon2::Algorithm::Argon2id, argon2::Version::V0x13);
        let argon2 = argon2::Argon2::new_with_secret(&[3; 8], algorithm, version, params.build().unwrap()).unwrap();
        let mut tag = [0; 32];
        argon2.hash_password_into(&[1; 32], &[2; 16], &mut tag).unwrap();
        assert_eq!(hex::encode(tag), "0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659");
    }

    /// From the tests of the reference implementation (P-H-C/phc-winner-argon2, test.c).
    #[test]
    fn a_derivation_gives_what_the_reference_implementation_does() {
        for (lanes, wanted) in [
            (1, "9dfeb910e80bad0311fee20f9c0e2b12c17987b4cac90c2ef54d5b3021c68bfe"),
            (2, "6d093c501fd5999645e0ea3bf620d7b8be7fd2db59c20d9fff9539da2bf57037"),
        ] {
            let derivation = Derivation { salt: STANDARD.encode("somesalt"), memory_kib: 256, passes: 2, lanes };
            let mut seed = [0; 32];
            derivation.run(b"password", &mut seed).unwrap();
            assert_eq!(hex::encode(seed), wanted, "{lanes} lanes");
        }
    }
}
