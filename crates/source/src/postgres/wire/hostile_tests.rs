//! Servers that lie, and things that are no servers.

use super::{Session, Target, buffer::Channel, endpoint::Endpoint, socket::Socket};
use crate::Context;
use domain::{Code, Secret, TlsMode};
use std::{
    io::{Read, Write},
    net::TcpListener,
    os::unix::net::UnixStream,
    thread,
    time::Duration,
};

const READY: &[u8] = b"R\0\0\0\x08\0\0\0\0S\0\0\0\x19server_encoding\0UTF8\0S\0\0\0\x19client_encoding\0UTF8\0Z\0\0\0\x05I";

fn target(port: u16) -> Target {
    Target {
        host: "127.0.0.1".into(),
        port,
        user: "me".into(),
        password: Some(Secret::new("geheim".into())),
        maintenance_database: "postgres".into(),
        tls: TlsMode::Disable,
        root_certificate: None,
    }
}

/// A server that answers everything it is told with the next of `answers`, and then hangs up.
fn scripted(answers: &[&[u8]]) -> Target {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let answers: Vec<Vec<u8>> = answers.iter().map(|answer| answer.to_vec()).collect();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        for answer in answers {
            let mut told = [0; 4096];
            if stream.read(&mut told).unwrap_or(0) == 0 || stream.write_all(&answer).is_err() {
                return;
            }
        }
    });
    target(port)
}

fn connect(answers: &[&[u8]]) -> Code {
    Session::connect(&scripted(answers), "postgres", &Context::default()).map(drop).unwrap_err().code()
}

#[test]
fn what_does_not_speak_the_protocol_is_an_error() {
    assert_eq!(connect(&[]), Code::ConnectionLost);
    assert_eq!(connect(&[b"HTTP/1.1 400 Bad Request\r\n\r\n"]), Code::ServerError);
    for length in [[0, 0, 0, 0], [0, 0, 0, 3], [0xff; 4], [0x7f, 0xff, 0xff, 0xff], [0, 1, 0, 1]] {
        assert_eq!(connect(&[&[b"R", &length[..], b"\0\0\0\0"].concat()]), Code::ServerError, "{length:?}");
    }
    assert_eq!(connect(&[b"R\0\0\0\x08\0\0\0\x63"]), Code::AuthFailed, "an unknown kind of authentication");
    assert_eq!(connect(&[b"R\0\0\0\x06\0\0"]), Code::AuthFailed, "a question that is cut off");
    assert_eq!(connect(&[b"R\0\0\0\x09\0\0\0\x05\x01"]), Code::ServerError, "a salt that is cut off");
    assert_eq!(connect(&[b"E\0\0\0\x04"]), Code::ServerError);
    assert_eq!(connect(&[b"R\0\0\0\x08\0\0\0\0T\0\0\0\x04"]), Code::ServerError);
}

#[test]
fn a_server_cannot_have_the_password_or_skip_its_own_proof() {
    assert_eq!(connect(&[b"R\0\0\0\x08\0\0\0\x03"]), Code::AuthFailed, "clear text without TLS");
    let scram = b"R\0\0\0\x17\0\0\0\x0aSCRAM-SHA-256\0\0";
    assert_eq!(connect(&[scram, READY]), Code::AuthFailed, "content without having proven anything");
    assert_eq!(connect(&[scram, b"R\0\0\0\x1d\0\0\0\x0br=x,s=c2FsdA==,i=1000"]), Code::AuthFailed, "a nonce that is not ours");
    assert_eq!(connect(&[b"R\0\0\0\x0d\0\0\0\x0aPLAIN"]), Code::AuthFailed);
}

#[test]
fn rows_that_contradict_themselves_are_refused() {
    for row in [
        &b"D\0\0\0\x06\0\x01"[..],
        b"D\0\0\0\x0a\0\x01\0\0\0\x09",
        b"D\0\0\0\x0a\0\x01\xff\xff\xff\xfe",
        b"D\0\0\0\x08\0\0\0\0",
        b"D\0\0\0\x06\xff\xff",
    ] {
        let mut session = Session::connect(&scripted(&[READY, row]), "postgres", &Context::default()).unwrap();
        assert_eq!(session.query("select 1").unwrap_err().code(), Code::ServerError, "{row:?}");
        assert_eq!(session.query("select 1").unwrap_err().code(), Code::ConnectionLost, "the session is not used again");
    }
    let mut session = Session::connect(&scripted(&[READY, b"Z\0\0\0\x05I"]), "postgres", &Context::default()).unwrap();
    assert_eq!(session.copy_out("copy t to stdout", |_| Ok(())).unwrap_err().code(), Code::ServerError);
}

fn pair() -> (UnixStream, Channel) {
    let (theirs, ours) = UnixStream::pair().unwrap();
    ours.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
    let context = Context::default();
    let mut channel = Channel::new(Socket::Plain(Endpoint::Unix(ours)), &target(1), "postgres", &context.cancel);
    channel.trust();
    (theirs, channel)
}

#[test]
fn an_announced_length_allocates_nothing() {
    let (mut theirs, mut channel) = pair();
    theirs.write_all(b"d\x40\0\0\0").unwrap();
    theirs.write_all(&[b'x'; 1000]).unwrap();
    drop(theirs);
    assert_eq!(channel.next(None).map(drop).unwrap_err().code(), Code::ConnectionLost);
    assert!(channel.capacity() < 1 << 20, "{}", channel.capacity());
}

#[test]
fn messages_of_any_size_come_whole_and_the_room_for_large_ones_is_given_back() {
    let (mut theirs, mut channel) = pair();
    let sizes = [0, 1, 1000, 262_139, 262_140, 3, 40_000_000, 5, 700_000, 0];
    let writer = thread::spawn(move || {
        for (at, size) in sizes.into_iter().enumerate() {
            theirs.write_all(b"d").unwrap();
            theirs.write_all(&(size as u32 + 4).to_be_bytes()).unwrap();
            theirs.write_all(&vec![at as u8; size]).unwrap();
        }
    });
    for (at, size) in sizes.into_iter().enumerate() {
        let message = channel.next(None).unwrap();
        assert!(message.tag == b'd' && message.body.len() == size && message.body.iter().all(|&byte| byte == at as u8));
    }
    writer.join().unwrap();
    // Room is given back by the first wait with nothing left in the buffer.
    assert_eq!(channel.next(None).map(drop).unwrap_err().code(), Code::ConnectionLost);
    assert!(channel.capacity() < 4 << 20, "{}", channel.capacity());
}

#[test]
fn silence_ends_a_wait_that_has_an_end() {
    let (theirs, mut channel) = pair();
    assert_eq!(channel.next(Some(Duration::from_millis(5))).map(drop).unwrap_err().code(), Code::Silent);
    drop(theirs);
}
