//! Rows of a query's result, as text.

use domain::{Error, Result};
use std::{str::FromStr, string::FromUtf8Error};

/// One row of a result; every column in its text form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row(Vec<Option<String>>);

impl Row {
    /// Takes a DataRow message apart; `None` if it contradicts itself, an error inside if it is not UTF-8.
    pub(super) fn decode(body: &[u8]) -> Option<Result<Self, FromUtf8Error>> {
        let (count, mut rest) = body.split_first_chunk::<2>()?;
        let mut values = Vec::new();
        for _ in 0..u16::from_be_bytes(*count) {
            let (length, tail) = rest.split_first_chunk::<4>()?;
            let length = i32::from_be_bytes(*length);
            if length == -1 {
                values.push(None);
                rest = tail;
            } else {
                let (value, tail) = tail.split_at_checked(usize::try_from(length).ok()?)?;
                match String::from_utf8(value.to_vec()) {
                    Ok(text) => values.push(Some(text)),
                    Err(error) => return Some(Err(error)),
                }
                rest = tail;
            }
        }
        rest.is_empty().then_some(Ok(Self(values)))
    }

    /// The text of a column; `None` if it is NULL or there is no such column.
    #[must_use]
    pub fn get(&self, column: usize) -> Option<&str> {
        self.0.get(column)?.as_deref()
    }

    /// The text of a column that is never NULL.
    pub fn text(&self, column: usize) -> Result<&str> {
        self.get(column).ok_or_else(|| Error::internal(format!("Column {column} of a server's answer is missing.")))
    }

    /// A column that is never NULL, parsed.
    pub fn parse<T: FromStr>(&self, column: usize) -> Result<T> {
        let text = self.text(column)?;
        text.parse().map_err(|_| Error::internal(format!("Column {column} of a server's answer, {text:?}, is not what was asked for.")))
    }

    /// A boolean column; NULL is false.
    #[must_use]
    pub fn is_true(&self, column: usize) -> bool {
        self.get(column) == Some("t")
    }
}
