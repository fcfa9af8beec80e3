//! How the vocabulary's values lie in columns, in one table for reading and writing.

use domain::{
    BackupKind, Connection, Dbms, Destination, DestinationId, KeyId, Label, Once, Origin, Role, RoundId, RoundState, RunId, RunKind,
    RunState, Selection, ServerId, TaskId, Told, UserId, retention::Rule, view::run::ComparedTable,
};
use jiff::Timestamp;
use sqlx::{Decode, Encode, Sqlite, Type};

/// Why a value cannot be stored or read.
pub(crate) type Unfit = Box<dyn std::error::Error + Send + Sync>;

/// A value that has a form in a column.
pub(crate) trait Stored {
    /// The form.
    type Raw: for<'q> Encode<'q, Sqlite> + for<'r> Decode<'r, Sqlite> + Type<Sqlite> + Send + 'static;

    fn to_raw(&self) -> Result<Self::Raw, Unfit>;

    fn from_raw(raw: Self::Raw) -> Result<Self, Unfit>
    where
        Self: Sized;
}

impl Stored for str {
    type Raw = String;

    fn to_raw(&self) -> Result<String, Unfit> {
        Ok(self.into())
    }
}

impl<T: Stored> Stored for Option<T> {
    type Raw = Option<T::Raw>;

    fn to_raw(&self) -> Result<Self::Raw, Unfit> {
        self.as_ref().map(T::to_raw).transpose()
    }

    fn from_raw(raw: Self::Raw) -> Result<Self, Unfit> {
        raw.map(T::from_raw).transpose()
    }
}

/// A moment is microseconds since 1970, which both kinds of database order alike.
impl Stored for Timestamp {
    type Raw = i64;

    fn to_raw(&self) -> Result<i64, Unfit> {
        Ok(self.as_microsecond())
    }

    fn from_raw(raw: i64) -> Result<Self, Unfit> {
        Ok(Self::from_microsecond(raw)?)
    }
}

macro_rules! as_it_is {
    ($($type:ty,)*) => {$(
        impl Stored for $type {
            type Raw = $type;

            fn to_raw(&self) -> Result<$type, Unfit> {
                Ok(self.clone())
            }

            fn from_raw(raw: $type) -> Result<Self, Unfit> {
                Ok(raw)
            }
        }
    )*};
}
as_it_is! { String, bool, i64, }

/// Counts are signed in every database; one beyond the limit is stored as the limit.
macro_rules! as_number {
    ($($type:ty,)*) => {$(
        impl Stored for $type {
            type Raw = i64;

            fn to_raw(&self) -> Result<i64, Unfit> {
                Ok(i64::try_from(*self).unwrap_or(i64::MAX))
            }

            fn from_raw(raw: i64) -> Result<Self, Unfit> {
                Ok(<$type>::try_from(raw)?)
            }
        }
    )*};
}
as_number! { u16, u32, u64, }

macro_rules! as_text {
    ($($type:ty,)*) => {$(
        impl Stored for $type {
            type Raw = String;

            fn to_raw(&self) -> Result<String, Unfit> {
                Ok(self.to_string())
            }

            fn from_raw(raw: String) -> Result<Self, Unfit> {
                Ok(raw.parse()?)
            }
        }
    )*};
}
as_text! { ServerId, DestinationId, TaskId, RoundId, RunId, UserId, KeyId, Label, Role, Rule, }

macro_rules! as_word {
    ($($type:ty,)*) => {$(
        impl Stored for $type {
            type Raw = String;

            fn to_raw(&self) -> Result<String, Unfit> {
                Ok(self.as_str().into())
            }

            fn from_raw(raw: String) -> Result<Self, Unfit> {
                Self::from_word(&raw).ok_or_else(|| format!("{raw:?} is not a word of {}", stringify!($type)).into())
            }
        }
    )*};
}
as_word! { RunKind, RunState, RoundState, Origin, BackupKind, }

/// What only Rust looks into is JSON. A path that is not Unicode has no form in it.
macro_rules! as_json {
    ($($type:ty,)*) => {$(
        impl Stored for $type {
            type Raw = String;

            fn to_raw(&self) -> Result<String, Unfit> {
                Ok(serde_json::to_string(self)?)
            }

            fn from_raw(raw: String) -> Result<Self, Unfit> {
                Ok(serde_json::from_str(&raw)?)
            }
        }
    )*};
}
as_json! { Once, Told, Connection, Dbms, Destination, Selection, serde_json::Value, Vec<ComparedTable>, Vec<String>, }
