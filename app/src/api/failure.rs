//! How an error of the console reaches a page.

use domain::{Code, Error, Told};
use leptos::{
    prelude::{FromServerFnError, ServerFnErrorErr},
    server_fn::{Bytes, codec::JsonEncoding},
};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a person is told when a server function fails. Crosses as JSON, also in the `__err` of an address after a form was
/// sent without scripts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Failure(pub Told);

impl Failure {
    /// What is wrong with a field of the form that was sent, if anything is.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<String> {
        self.0.field(name).map(String::from)
    }
}

/// The end of an error's way: on the server it is logged here, once, and decides the answer's status.
impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        #[cfg(feature = "ssr")]
        super::visit::report(&error);
        Self(error.told().clone())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.sentence)
    }
}

impl std::error::Error for Failure {}

impl FromServerFnError for Failure {
    type Encoder = JsonEncoding;

    /// What went wrong between the page and the console, not in it. Details would help nobody who reads them.
    fn from_server_fn_error(error: ServerFnErrorErr) -> Self {
        use ServerFnErrorErr as On;
        let (code, sentence, next_step) = match error {
            On::Request(_) => {
                (Code::Unreachable, "The console does not answer.", "Check that it runs and that your network reaches it, then try again.")
            }
            On::Args(_) | On::MissingArg(_) => {
                (Code::Usage, "The form could not be read.", "Load the page again and fill the form in once more.")
            }
            On::Deserialization(_) | On::Serialization(_) => (
                Code::Internal,
                "This page and the console do not understand each other.",
                "Load the page again: the console may be newer than it.",
            ),
            _ => (Code::Internal, "The console could not finish this.", "Try again; if it stays, the console's log tells why."),
        };
        Self(Told { code, sentence: sentence.into(), next_step: next_step.into(), fields: vec![] })
    }

    /// Every failure that reaches the browser is read here, so this is where a session that has ended is noticed.
    fn de(data: Bytes) -> Self {
        let failure: Self = serde_json::from_slice(&data)
            .unwrap_or_else(|error| Self::from_server_fn_error(ServerFnErrorErr::Deserialization(error.to_string())));
        #[cfg(feature = "hydrate")]
        if failure.0.code == Code::SignedOut {
            crate::shell::sign_in_again();
        }
        failure
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_crosses_with_its_fields() {
        let failure = Failure(Error::invalid_field("name", "Give it a name.").told().clone());
        assert_eq!(Failure::de(failure.ser()), failure);
        assert_eq!(failure.field("name").as_deref(), Some("Give it a name."));
        assert_eq!(Failure::de(Bytes::from_static(b"<html>")).0.code, Code::Internal);
    }
}
