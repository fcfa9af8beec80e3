//! Tokens of PostgreSQL's SQL (<https://www.postgresql.org/docs/current/sql-syntax-lexical.html>), as far as
//! finding the end of a statement needs them.
//!
//! Works on bytes: every encoding that a server can have keeps ASCII apart.

use crate::value::damaged;
use domain::{Error, Result};

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A keyword, an identifier without quotes, or a number.
    Word,
    /// An identifier in double quotes.
    Quoted,
    /// A string, in quotes or dollar quotes.
    Text,
    /// Any other single byte.
    Symbol,
}

/// A token and where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub kind: Kind,
    pub start: usize,
    pub end: usize,
}

/// Gives the tokens of a text; spaces and comments are passed over.
pub(super) struct Lexer<'a> {
    sql: &'a [u8],
    at: usize,
    /// Whether a backslash in a string without `E` means itself.
    pub standard_strings: bool,
}

impl<'a> Lexer<'a> {
    pub fn new(sql: &'a [u8]) -> Self {
        Self { sql, at: 0, standard_strings: true }
    }

    /// The next token, `None` at the end.
    pub fn next_token(&mut self) -> Result<Option<Token>> {
        self.skip_blank()?;
        let start = self.at;
        let Some(&byte) = self.sql.get(start) else { return Ok(None) };
        let kind = match byte {
            b'\'' => self.string(!self.standard_strings)?,
            b'e' | b'E' if self.sql.get(start + 1) == Some(&b'\'') => {
                self.at += 1;
                self.string(true)?
            }
            b'"' => {
                self.at = self.closing(start + 1, b'"', false)?;
                Kind::Quoted
            }
            b'$' if self.dollar_quoted()? => Kind::Text,
            b'\\' => return Err(damaged("The definitions in the archive hold a backslash command, which is not SQL.")),
            _ if is_word(byte) => {
                let rest = &self.sql[start..];
                self.at += rest.iter().position(|&byte| !is_word(byte) && byte != b'$').unwrap_or(rest.len());
                Kind::Word
            }
            _ => {
                self.at += 1;
                Kind::Symbol
            }
        };
        Ok(Some(Token { kind, start, end: self.at }))
    }

    /// Passes over a string that begins here, with the parts that continue it on further lines: they are read
    /// by the rule of the first. Between them stand blanks with a line end, and comments of the kind `--` alone.
    fn string(&mut self, escapes: bool) -> Result<Kind> {
        loop {
            self.at = self.closing(self.at + 1, b'\'', escapes)?;
            let gap = self.gap();
            let continued = self.sql.get(gap) == Some(&b'\'') && self.sql[self.at..gap].iter().any(|byte| matches!(byte, b'\n' | b'\r'));
            if !continued {
                return Ok(Kind::Text);
            }
            self.at = gap;
        }
    }

    /// Index after the blanks and `--` comments that stand here.
    fn gap(&self) -> usize {
        let mut at = self.at;
        loop {
            let rest = &self.sql[at..];
            match rest {
                [b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c, ..] => at += 1,
                [b'-', b'-', ..] => at += memchr::memchr2(b'\n', b'\r', rest).unwrap_or(rest.len()),
                _ => return at,
            }
        }
    }

    /// Index after the `quote` that closes what began before `at`; a doubled one stands for itself.
    fn closing(&self, mut at: usize, quote: u8, escapes: bool) -> Result<usize> {
        while let Some(&byte) = self.sql.get(at) {
            match byte {
                b'\\' if escapes => at += 2,
                _ if byte != quote => at += 1,
                _ if self.sql.get(at + 1) == Some(&quote) => at += 2,
                _ => return Ok(at + 1),
            }
        }
        Err(unfinished())
    }

    /// Passes over `$tag$ … $tag$` if it begins here; a dollar may also quote nothing, as in `$1`.
    fn dollar_quoted(&mut self) -> Result<bool> {
        let rest = &self.sql[self.at..];
        let Some(length) = memchr::memchr(b'$', &rest[1..]) else { return Ok(false) };
        let tag = &rest[..length + 2];
        let name = &tag[1..=length];
        if name.first().is_some_and(u8::is_ascii_digit) || !name.iter().copied().all(is_word) {
            return Ok(false);
        }
        let body = &rest[tag.len()..];
        let end = memchr::memmem::find(body, tag).ok_or_else(unfinished)?;
        self.at += tag.len() + end + tag.len();
        Ok(true)
    }

    fn skip_blank(&mut self) -> Result<()> {
        loop {
            self.at = self.gap();
            if !self.sql[self.at..].starts_with(b"/*") {
                return Ok(());
            }
            self.skip_comment()?;
        }
    }

    fn skip_comment(&mut self) -> Result<()> {
        let mut depth = 0_u32;
        loop {
            match &self.sql[self.at..] {
                [b'/', b'*', ..] => (depth, self.at) = (depth + 1, self.at + 2),
                [b'*', b'/', ..] => (depth, self.at) = (depth - 1, self.at + 2),
                [_, ..] => self.at += 1,
                [] => return Err(unfinished()),
            }
            if depth == 0 {
                return Ok(());
            }
        }
    }
}

/// Whether a byte belongs to an identifier or number; bytes from 0x80 on are letters to PostgreSQL.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

fn unfinished() -> Error {
    damaged("The definitions in the archive end inside a quote or a comment.")
}
