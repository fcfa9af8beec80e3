//! TLS that the console speaks itself.

#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]

mod support;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, crypto::aws_lc_rs, pki_types::ServerName};
use std::{fs, net::TcpStream, path::Path, sync::Arc};
use support::{World, console::Console, http::exchange};
use testkit::eventually;

/// Writes a new pair, and returns whom a client has to trust for it.
fn pair(folder: &Path) -> RootCertStore {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    fs::write(folder.join("key.pem"), signing_key.serialize_pem()).unwrap();
    fs::write(folder.join("cert.pem"), cert.pem()).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(cert.der().clone()).unwrap();
    roots
}

fn connect(host: &str, roots: RootCertStore) -> std::io::Result<StreamOwned<ClientConnection, TcpStream>> {
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut tls = ClientConnection::new(Arc::new(config), ServerName::try_from("localhost").unwrap()).unwrap();
    let mut tcp = TcpStream::connect(host)?;
    tls.complete_io(&mut tcp)?;
    Ok(StreamOwned::new(tls, tcp))
}

#[test]
fn a_certificate_is_used_and_read_again_when_it_changes() {
    let folder = tempfile::tempdir().unwrap();
    let old = pair(folder.path());
    let files = ["cert.pem", "key.pem"].map(|name| folder.path().join(name).display().to_string());
    let console = Console::start(&["--tls-cert", &files[0], "--tls-key", &files[1]]);
    assert_eq!(console.scheme, "https");
    let answer = exchange(connect(&console.host, old.clone()).unwrap(), &console.client().request("GET", "/healthz", ""));
    assert_eq!(answer.status, 200);
    assert!(answer.header("strict-transport-security").is_some());
    let token = console.token.clone().unwrap();
    let fields = format!("token={token}&name=ada&password=correct+horse&again=correct+horse");
    let request = console.client().with("Content-Type", "application/x-www-form-urlencoded").request("POST", "/api/set_up", &fields);
    let cookie = exchange(connect(&console.host, old.clone()).unwrap(), &request).header("set-cookie").unwrap().to_owned();
    assert!(cookie.starts_with("__Host-rookery=") && cookie.contains("; Secure"), "{cookie}");

    // Half of a pair is left alone; the whole is taken without a restart.
    fs::write(&files[0], "no certificate").unwrap();
    let new = pair(folder.path());
    eventually("the new certificate is used", || connect(&console.host, new.clone()).is_ok()).unwrap();
    assert!(connect(&console.host, old).is_err(), "the old certificate is still used");
}

#[test]
fn files_that_cannot_be_used_are_told_before_it_starts() {
    let console = Console::start(&[]);
    let world = World::new();
    fs::write(world.path("empty.pem"), "").unwrap();
    let file = world.path("empty.pem").display().to_string();
    let mut command = world.command(["serve", "--listen", "127.0.0.1:0", "--tls-cert", &file, "--tls-key", &file]);
    command.env("ROOKERY_SITE", console.path("site"));
    support::ran(command).fails(1, &["empty.pem", "certificate"]);
}
