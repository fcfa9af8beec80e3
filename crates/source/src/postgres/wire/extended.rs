//! One statement with parameters (extended query protocol), for values that are too large for a statement's text.

use super::Session;
use domain::{Code, Error, Result};
use std::io::Read;

/// Bytes read from a parameter at a time.
const PIECE_BYTES: usize = 64 << 10;

/// The value of a parameter. Its type is what the statement infers.
pub enum Parameter<'a> {
    /// SQL NULL.
    Null,
    /// The type's text form.
    Text(&'a [u8]),
    /// The type's binary form (of `text` and `bytea`: their bytes), read while it is sent.
    Binary {
        /// Number of bytes that `reader` gives.
        size_bytes: u64,
        /// Where the bytes come from.
        reader: &'a mut dyn Read,
    },
}

impl Parameter<'_> {
    fn size_bytes(&self) -> u64 {
        match self {
            Self::Null => 0,
            Self::Text(text) => text.len() as u64,
            Self::Binary { size_bytes, .. } => *size_bytes,
        }
    }
}

impl Session {
    /// Runs one statement with the values of `$1`, `$2` … and drops its result. Values are streamed: one of 600 MB
    /// needs no memory here.
    ///
    /// # Errors
    /// `too-large` if the values together pass 2 GiB. An error of a reader leaves the session unusable.
    pub fn execute_with(&mut self, sql: &str, parameters: &mut [Parameter<'_>]) -> Result<()> {
        self.usable()?;
        let too_large =
            || Error::new(Code::TooLarge, "A row is larger than one message to PostgreSQL can be.", "Choose another restore point.");
        let count = u16::try_from(parameters.len()).map_err(|_| too_large())?;
        let values: u64 = parameters.iter().map(|parameter| 4 + parameter.size_bytes()).sum();
        let size = 4 + 2 + 2 + 2 * u64::from(count) + 2 + values + 2;
        let size = i32::try_from(size).map_err(|_| too_large())?;
        self.channel.put(b'P', |out| {
            out.push(0);
            out.extend_from_slice(sql.as_bytes());
            out.extend_from_slice(&[0, 0, 0]);
        });
        let sent = self.bind(size, count, parameters);
        if sent.is_err() {
            // A message whose length is promised cannot be taken back.
            self.channel.broken = true;
        }
        self.cancelled_or(sent)?;
        self.channel.put(b'E', |out| out.extend_from_slice(&[0; 5]));
        self.channel.put(b'S', |_| {});
        self.send()?;
        self.finish(None, drop)
    }

    /// Sends a Bind message of `size` bytes: unnamed portal, unnamed statement, formats, values, text results.
    fn bind(&mut self, size: i32, count: u16, parameters: &mut [Parameter<'_>]) -> Result<()> {
        let mut head = vec![b'B'];
        head.extend_from_slice(&size.to_be_bytes());
        head.extend_from_slice(&[0, 0]);
        head.extend_from_slice(&count.to_be_bytes());
        for parameter in &*parameters {
            head.extend_from_slice(&u16::from(matches!(parameter, Parameter::Binary { .. })).to_be_bytes());
        }
        head.extend_from_slice(&count.to_be_bytes());
        self.channel.put_raw(&head)?;
        for parameter in parameters {
            match parameter {
                Parameter::Null => self.channel.put_raw(&(-1_i32).to_be_bytes())?,
                Parameter::Text(text) => {
                    self.channel.put_raw(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes())?;
                    self.channel.put_raw(text)?;
                }
                Parameter::Binary { size_bytes, reader } => {
                    self.channel.put_raw(&u32::try_from(*size_bytes).unwrap_or(u32::MAX).to_be_bytes())?;
                    self.stream(*size_bytes, *reader)?;
                }
            }
        }
        self.channel.put_raw(&[0, 0])
    }

    fn stream(&mut self, size_bytes: u64, reader: &mut dyn Read) -> Result<()> {
        let (mut piece, mut left) = (vec![0; PIECE_BYTES], size_bytes);
        while left > 0 {
            let wanted = usize::try_from(left).unwrap_or(PIECE_BYTES).min(PIECE_BYTES);
            let read = reader.read(&mut piece[..wanted]).map_err(crate::members::from_io)?;
            if read == 0 {
                return Err(crate::value::damaged("A large value in the archive is shorter than its row says."));
            }
            self.channel.put_raw(&piece[..read])?;
            left -= read as u64;
        }
        Ok(())
    }
}
