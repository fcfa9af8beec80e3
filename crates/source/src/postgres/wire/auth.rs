//! From an open socket to a session that is ready for statements.

use super::{
    Target,
    buffer::Channel,
    error::{ServerError, protocol},
    socket::Socket,
    tls,
};
use crate::Context;
use domain::{Code, Error, Result, Secret, TlsMode};
use postgres_protocol::authentication::{
    md5_hash,
    sasl::{ChannelBinding, SCRAM_SHA_256, SCRAM_SHA_256_PLUS, ScramSha256},
};
use std::time::Duration;

/// How long a server may stay silent while we log in.
const LOGIN_SILENCE: Option<Duration> = Some(Duration::from_secs(60));

/// Protocol 3.0.
const PROTOCOL: u32 = 3 << 16;

/// What the server told when the session began.
#[derive(Default)]
pub(super) struct Greeting {
    pub process_id: u32,
    pub secret_key: u32,
    pub server_version: String,
    pub server_encoding: String,
    pub client_encoding: String,
}

/// What a session is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Statements.
    Statements,
    /// Statements and replication commands, of one database
    /// (<https://www.postgresql.org/docs/current/protocol-replication.html>).
    Replication,
}

/// Connects and logs in, with TLS as the target asks for it.
pub(super) fn log_in(target: &Target, database: &str, purpose: Purpose, context: &Context) -> Result<(Channel, Greeting)> {
    let attempt = |with_tls: bool| -> Result<Option<(Channel, Greeting)>> {
        let Some(socket) = Socket::open(target, with_tls, &context.cancel)? else { return Ok(None) };
        let mut channel = Channel::new(socket, target, database, &context.cancel);
        let greeting = start_up(&mut channel, purpose)?;
        Ok(Some((channel, greeting)))
    };
    let session = |found: Option<_>| found.ok_or_else(|| Error::internal("A connection that needs no TLS gave no session."));
    let plain = || attempt(false).and_then(session);
    match target.tls {
        _ if target.is_local_socket() => plain(),
        TlsMode::Disable => plain(),
        TlsMode::Prefer => match attempt(true).and_then(session) {
            // Like libpq: a failed handshake, or a server that lets us in only without TLS.
            Err(error) if error.code() == Code::Tls || super::sqlstate(&error) == Some("28000") => plain().map_err(|_| error),
            other => other,
        },
        _ => attempt(true)?.ok_or_else(|| tls::refused(target)),
    }
}

fn start_up(channel: &mut Channel, purpose: Purpose) -> Result<Greeting> {
    let mut parameters =
        vec![("user", channel.target.user.clone()), ("database", channel.database.clone()), ("application_name", "rookery".into())];
    if purpose == Purpose::Replication {
        parameters.push(("replication", "database".into()));
    }
    channel.put_untagged(|out| {
        out.extend_from_slice(&PROTOCOL.to_be_bytes());
        for (key, value) in &parameters {
            for text in [*key, value.as_str()] {
                out.extend_from_slice(text.as_bytes());
                out.push(0);
            }
        }
        out.push(0);
    });
    channel.send()?;
    authenticate(channel)?;
    let mut greeting = Greeting::default();
    loop {
        let message = channel.next(LOGIN_SILENCE)?;
        match message.tag {
            b'K' => {
                let (key, secret) = message.body.split_at_checked(4).unwrap_or_default();
                greeting.process_id = number(key);
                greeting.secret_key = number(secret);
            }
            b'S' => {
                let (key, value) = parameter(message.body);
                match key.as_str() {
                    "server_version" => greeting.server_version = value,
                    "server_encoding" => greeting.server_encoding = value,
                    "client_encoding" => greeting.client_encoding = value,
                    _ => {}
                }
            }
            b'Z' => {
                channel.trust();
                return Ok(greeting);
            }
            b'N' | b'v' => {}
            b'E' => {
                let error = ServerError::decode(message.body);
                return Err(refused(channel, error));
            }
            _ => return Err(channel.protocol("a message during the login is of no known kind")),
        }
    }
}

/// Answers what the server asks for until it is content.
fn authenticate(channel: &mut Channel) -> Result<()> {
    let mut exchange: Option<ScramSha256> = None;
    // A server that asked for more than our word has to prove that it knows the password before it is believed.
    let mut proven = true;
    loop {
        let question = question(channel)?;
        let (kind, data) = question.split_at_checked(4).unwrap_or_default();
        match (number(kind), &mut exchange) {
            (0, _) if proven => return Ok(()),
            (3, _) if !channel.socket.is_private() => return Err(clear_text(&channel.target)),
            (3, _) => {
                let password = password(&channel.target)?;
                answer(channel, &[password.expose().as_bytes(), b"\0"].concat())?;
            }
            (5, _) => {
                let salt = data.try_into().map_err(|_| protocol(&channel.target, "the salt of a password is cut off"))?;
                let password = password(&channel.target)?;
                let hash = md5_hash(channel.target.user.as_bytes(), password.expose().as_bytes(), salt);
                answer(channel, &[hash.as_bytes(), b"\0"].concat())?;
            }
            (10, none @ None) => {
                *none = Some(begin_scram(channel, data)?);
                proven = false;
            }
            (11, Some(scram)) => {
                scram.update(data).map_err(|error| bad_proof(&channel.target, error))?;
                answer(channel, scram.message())?;
            }
            (12, Some(scram)) => {
                scram.finish(data).map_err(|error| bad_proof(&channel.target, error))?;
                proven = true;
            }
            _ => return Err(unsupported(&channel.target)),
        }
    }
}

/// The body of the next message that asks for something: a kind and its data.
fn question(channel: &mut Channel) -> Result<Vec<u8>> {
    loop {
        let message = channel.next(LOGIN_SILENCE)?;
        match message.tag {
            b'R' => return Ok(message.body.to_vec()),
            b'N' | b'v' => {}
            b'E' => {
                let error = ServerError::decode(message.body);
                return Err(refused(channel, error));
            }
            _ => return Err(channel.protocol("the login was answered by something else than a question")),
        }
    }
}

fn begin_scram(channel: &mut Channel, mechanisms: &[u8]) -> Result<ScramSha256> {
    let offers = |name: &str| mechanisms.split(|&byte| byte == 0).any(|offered| offered == name.as_bytes());
    let binding = channel.socket.certificate().and_then(super::binding::end_point);
    let (mechanism, binding) = match binding {
        Some(hash) if offers(SCRAM_SHA_256_PLUS) => (SCRAM_SHA_256_PLUS, ChannelBinding::tls_server_end_point(hash)),
        // We could have, the server says it cannot: a man in the middle who hid the offer is found out.
        Some(_) if offers(SCRAM_SHA_256) => (SCRAM_SHA_256, ChannelBinding::unrequested()),
        _ if offers(SCRAM_SHA_256) => (SCRAM_SHA_256, ChannelBinding::unsupported()),
        _ => return Err(unsupported(&channel.target)),
    };
    let scram = ScramSha256::new(password(&channel.target)?.expose().as_bytes(), binding);
    let first = scram.message();
    let length = u32::try_from(first.len()).unwrap_or(u32::MAX).to_be_bytes();
    answer(channel, &[mechanism.as_bytes(), b"\0", &length, first].concat())?;
    Ok(scram)
}

fn answer(channel: &mut Channel, body: &[u8]) -> Result<()> {
    channel.put(b'p', |out| out.extend_from_slice(body));
    channel.send()
}

fn password(target: &Target) -> Result<Secret<String>> {
    target.password.clone().ok_or_else(|| {
        Error::new(
            Code::AuthFailed,
            format!("PostgreSQL at {target} asks for the password of {:?}, and none is given.", target.user),
            "Set it in PGPASSWORD or in a password file (PGPASSFILE).",
        )
    })
}

fn refused(channel: &mut Channel, error: ServerError) -> Error {
    channel.broken = true;
    error.into_error(&channel.target, &channel.database)
}

fn bad_proof(target: &Target, error: std::io::Error) -> Error {
    Error::new(
        Code::AuthFailed,
        format!("What answers at {target} could not prove that it knows the password of {:?}.", target.user),
        "Check host and port: another server may answer there.",
    )
    .because(error)
}

fn clear_text(target: &Target) -> Error {
    Error::new(
        Code::AuthFailed,
        format!("PostgreSQL at {target} asks for the password in clear text over a connection without TLS."),
        "Connect with sslmode=require, or set the server's pg_hba.conf to scram-sha-256.",
    )
}

fn unsupported(target: &Target) -> Error {
    Error::new(
        Code::AuthFailed,
        format!("PostgreSQL at {target} asks for a kind of authentication that Rookery does not know."),
        "Use scram-sha-256, md5, password over TLS, peer or trust for this role in the server's pg_hba.conf.",
    )
}

fn number(bytes: &[u8]) -> u32 {
    bytes.try_into().map(u32::from_be_bytes).unwrap_or(u32::MAX)
}

/// A ParameterStatus: two zero-terminated strings.
pub(super) fn parameter(body: &[u8]) -> (String, String) {
    let mut parts = body.split(|&byte| byte == 0).map(|part| String::from_utf8_lossy(part).into_owned());
    (parts.next().unwrap_or_default(), parts.next().unwrap_or_default())
}

/// `15.18 (Debian …)` → 150018, `9.6.24` → 90624, `18beta1` → 180000.
pub(super) fn version_number(text: &str) -> u32 {
    let numbers: String = text.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
    let mut parts = numbers.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    let mut next = || parts.next().unwrap_or(0).min(9999);
    let (major, minor, patch) = (next(), next(), next());
    if major >= 10 { major * 10_000 + minor } else { major * 10_000 + minor * 100 + patch }
}

#[cfg(test)]
mod tests {
    use super::version_number;

    #[test]
    fn versions_are_numbers() {
        assert_eq!(version_number("15.18 (Debian 15.18-0+deb12u1)"), 150_018);
        assert_eq!(version_number("9.6.24"), 90_624);
        assert_eq!(version_number("18beta1"), 180_000);
        assert_eq!(version_number("99999999999999"), 0);
    }
}
