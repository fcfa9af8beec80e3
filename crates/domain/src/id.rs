//! Identifiers of the console's records.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use uuid::Uuid;

use crate::{Code, Error, Result};

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident,)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// The identifier with this value; the console makes them as version 7, so that they order by their time.
            #[must_use]
            pub fn new(id: Uuid) -> Self {
                Self(id)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self> {
                text.parse().map(Self).map_err(|_| {
                    Error::new(Code::NotFound, "There is nothing at this address.", "Go back to the overview and choose from there.")
                })
            }
        }
    )*};
}

ids! {
    /// A server.
    ServerId,
    /// A destination.
    DestinationId,
    /// A task.
    TaskId,
    /// A round.
    RoundId,
    /// A run.
    RunId,
    /// A user of the console.
    UserId,
    /// A key that archives are sealed for.
    KeyId,
}
