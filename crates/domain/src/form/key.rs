//! A key that archives are sealed for.

use super::{Check, is_on};
use crate::Result;
use serde::{Deserialize, Serialize};

/// The public half of a key, as the browser or a person gives it. The private half is nowhere in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct KeyForm {
    /// Its name.
    pub name: String,
    /// The public half, as `rookery key show` prints it.
    pub public_key: String,
    /// How a passphrase becomes the key, as JSON; empty for any other key.
    pub derivation: String,
    /// The fingerprint, read off what was saved and typed.
    pub typed_fingerprint: String,
    /// `on`: who says it knows that a lost key cannot be brought back.
    pub understood: String,
    /// Anything worth knowing, such as where it is kept.
    pub note: String,
}

impl KeyForm {
    /// Checks what needs nothing but the text; the name comes back trimmed.
    ///
    /// # Errors
    /// [`crate::Code::Invalid`] with every field that is wrong.
    pub fn check(&self) -> Result<String> {
        let mut check = Check::default();
        let name = check.name(&self.name);
        if self.public_key.trim().is_empty() {
            check.fault("public_key", "Make a key, or give the public half of one.");
        }
        if self.typed_fingerprint.trim().is_empty() {
            check.fault("typed_fingerprint", "Type the fingerprint from what you saved.");
        }
        if !is_on(&self.understood) {
            check.fault("understood", "Without the private half nobody can read the backups: say that you know.");
        }
        check.done(Some(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_wrong_field_is_named_at_once() {
        let error = KeyForm::default().check().unwrap_err();
        let fields: Vec<_> = error.told().fields.iter().map(|error| error.field.as_str()).collect();
        assert_eq!(fields, ["name", "public_key", "typed_fingerprint", "understood"]);
    }
}
