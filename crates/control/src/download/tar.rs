//! The tar format, as far as we write it: ustar headers, and before those that ustar has no room for an extended one (POSIX
//! 1003.1-2001, pax). What is written is known before it is, so that its size can be told first.

use bytes::Bytes;

/// What a tar file is counted in.
const BLOCK: u64 = 512;

/// Longest name that a plain header takes.
const MAX_NAME: usize = 100;

/// Largest size that a plain header takes: eleven octal digits.
const MAX_SIZE: u64 = (1 << 33) - 1;

/// The end: two blocks of zeros.
pub fn end() -> Bytes {
    zeros(2 * BLOCK)
}

/// What follows the bytes of a file of this size.
pub fn padding(size_bytes: u64) -> Bytes {
    zeros(size_bytes.next_multiple_of(BLOCK) - size_bytes)
}

/// What stands before the bytes of a file: of this size, last written so many seconds after 1970.
pub fn header(path: &str, size_bytes: u64, written_at: u64) -> Bytes {
    let mut records = String::new();
    if path.len() > MAX_NAME {
        records += &record("path", path);
    }
    if size_bytes > MAX_SIZE {
        records += &record("size", &size_bytes.to_string());
    }
    if records.is_empty() {
        return block(path, size_bytes, written_at, b'0').into();
    }
    let length = records.len() as u64;
    let mut out = block("pax", length, written_at, b'x');
    out.extend_from_slice(records.as_bytes());
    out.extend_from_slice(&padding(length));
    // Whoever does not know the header before this one still finds the end of the name.
    let cut = path.char_indices().map(|(at, _)| at).find(|at| path.len() - at <= MAX_NAME).unwrap_or(0);
    out.extend(block(&path[cut..], size_bytes, written_at, b'0'));
    out.into()
}

/// A line of an extended header, which begins with its own length.
fn record(key: &str, value: &str) -> String {
    let rest = format!(" {key}={value}\n");
    let mut length = rest.len();
    while length != rest.len() + length.to_string().len() {
        length = rest.len() + length.to_string().len();
    }
    format!("{length}{rest}")
}

fn block(name: &str, size_bytes: u64, written_at: u64, kind: u8) -> Vec<u8> {
    let mut block = vec![0; BLOCK as usize];
    let mut put = |at: usize, text: &[u8]| block[at..at + text.len()].copy_from_slice(text);
    put(0, name.as_bytes());
    put(100, b"0000600\0");
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    // Where it does not fit, the header before this one tells it.
    put(124, format!("{:011o}", size_bytes.min(MAX_SIZE)).as_bytes());
    put(136, format!("{:011o}", written_at.min(MAX_SIZE)).as_bytes());
    put(148, b"        ");
    put(156, &[kind]);
    put(257, b"ustar\x0000");
    let sum: u64 = block.iter().map(|byte| u64::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}

fn zeros(count: u64) -> Bytes {
    static ZEROS: [u8; 2 * BLOCK as usize] = [0; 2 * BLOCK as usize];
    Bytes::from_static(&ZEROS[..count as usize])
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        io::Write,
        process::{Command, Stdio},
    };

    /// What the system's own tar reads in it.
    fn tar(option: &str, bytes: &[u8]) -> String {
        let command = Command::new("tar").args([option, "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = command.unwrap();
        let mut input = child.stdin.take().unwrap();
        // Whoever lists only headers may stop before the end.
        let _ = input.write_all(bytes);
        drop(input);
        let output = child.wait_with_output().unwrap();
        assert!(output.stderr.is_empty(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    #[test]
    fn the_systems_tar_reads_short_and_long_names() {
        let long = format!("folder/{}/ä {}.zip", "é".repeat(120), "x".repeat(90));
        let mut bytes = vec![];
        for (path, content) in [("short", &b"one"[..]), (&long, &[7; 512]), ("empty", b"")] {
            bytes.extend_from_slice(&header(path, content.len() as u64, 1_700_000_000));
            bytes.extend_from_slice(content);
            bytes.extend_from_slice(&padding(content.len() as u64));
        }
        bytes.extend_from_slice(&end());
        assert_eq!(bytes.len() % 512, 0);
        let listed = tar("-tvf", &bytes);
        let lines: Vec<_> = listed.lines().collect();
        assert_eq!(lines.len(), 3, "{listed}");
        assert!(lines[0].starts_with("-rw------- ") && lines[0].ends_with(" short"), "{listed}");
        assert!(lines[1].contains(" 512 ") && lines[1].ends_with(".zip"), "{listed}");
    }

    #[test]
    fn a_record_tells_its_own_length() {
        for length in [1, 80, 95, 96, 97, 985, 986, 987] {
            let record = record("path", &"x".repeat(length));
            assert!(record.starts_with(&format!("{} path=", record.len())), "{record}");
        }
    }

    #[test]
    fn a_size_beyond_eleven_digits_is_told_before() {
        let bytes = header("big", 20 << 30, 0);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        assert!(bytes.len() == 3 * 512 && text.contains("size=21474836480\n"), "{text}");
        assert_eq!(header("fits", MAX_SIZE, 0).len(), 512);
    }
}
