//! Passwords, hashed.

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHasher, PasswordVerifier},
};
use domain::{Code, Error, Result};
use std::{sync::Arc, time::Duration};
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

/// Memory, passes and lanes: what OWASP's password storage cheat sheet recommends for Argon2id.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// How long somebody waits behind others whose passwords are being looked at.
const PATIENCE: Duration = Duration::from_secs(10);

/// Hashes and compares passwords, a few at a time: each takes a processor and 19 MiB, and anybody can ask for it.
pub struct Passwords {
    places: Arc<Semaphore>,
    /// A hash of nothing that anybody knows, to compare with where there is no user.
    decoy: String,
}

impl Passwords {
    /// # Errors
    /// If the operating system gives no random numbers.
    pub fn new() -> Result<Self> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let mut unknown = Zeroizing::new([0; 32]);
        crate::safe::random(unknown.as_mut())?;
        Ok(Self { places: Arc::new(Semaphore::new((cores / 2).clamp(1, 4))), decoy: hash(unknown.as_slice())? })
    }

    /// The form in which a password is stored.
    ///
    /// # Errors
    /// [`Code::TooMany`] if too many others wait.
    pub async fn hash(&self, password: &str) -> Result<String> {
        let password = Zeroizing::new(password.to_owned());
        self.in_turn(move || hash(password.as_bytes())).await
    }

    /// Whether the password is the one of the hash. Without a hash it is not, and finding that out takes as long.
    ///
    /// # Errors
    /// [`Code::TooMany`] if too many others wait.
    pub async fn matches(&self, password: &str, hash: Option<&str>) -> Result<bool> {
        let (password, is_somebodys) = (Zeroizing::new(password.to_owned()), hash.is_some());
        let hash = hash.unwrap_or(&self.decoy).to_owned();
        let equal = self.in_turn(move || Ok(hasher()?.verify_password(password.as_bytes(), hash.as_str()).is_ok())).await?;
        Ok(equal && is_somebodys)
    }

    async fn in_turn<T: Send + 'static>(&self, work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
        let turn = tokio::time::timeout(PATIENCE, Arc::clone(&self.places).acquire_owned()).await;
        let Ok(Ok(place)) = turn else {
            return Err(Error::new(Code::TooMany, "Too many people sign in at this moment.", "Try again in a minute."));
        };
        crate::blocking(move |_| {
            // Held by the thread and not by whoever waits for it, who may be gone before it is done.
            let _place = place;
            work()
        })
        .await
    }
}

fn hasher() -> Result<Argon2<'static>> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(impossible)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

fn hash(password: &[u8]) -> Result<String> {
    let mut salt = [0; 16];
    crate::safe::random(&mut salt)?;
    Ok(hasher()?.hash_password_with_salt(password, &salt).map_err(impossible)?.to_string())
}

fn impossible(cause: impl std::fmt::Display) -> Error {
    Error::internal("A password could not be hashed.").because(cause.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_matches_its_own_hash_alone() {
        let passwords = Passwords::new().unwrap();
        let hash = passwords.hash("correct horse").await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(passwords.matches("correct horse", Some(&hash)).await.unwrap());
        assert!(!passwords.matches("wrong horse", Some(&hash)).await.unwrap());
        assert!(!passwords.matches("correct horse", None).await.unwrap());
        assert!(!passwords.matches("correct horse", Some("not a hash")).await.unwrap());
        assert_ne!(hash, passwords.hash("correct horse").await.unwrap(), "the same salt twice");
    }
}
