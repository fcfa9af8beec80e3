//! TLS with the meanings of libpq's `sslmode`.

use super::Target;
use domain::{Code, Error, Result, TlsMode};
use rustls::{
    CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_name,
    },
    crypto::CryptoProvider,
    server::ParsedCertificate,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject};
use std::{io, sync::Arc};

/// A connection that has not shaken hands yet.
pub(super) fn connection(target: &Target) -> Result<ClientConnection> {
    // Given explicitly: what another part of the process installed as its default must not matter here.
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let name = ServerName::try_from(target.host.clone())
        .map_err(|error| tls(target, format!("{:?} is not a name that a certificate can carry", target.host)).because(error))?;
    let verifier = verifier(target, &provider)?;
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::internal("TLS cannot be set up.").because(error))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    ClientConnection::new(Arc::new(config), name).map_err(|error| tls(target, "TLS cannot begin".into()).because(error))
}

/// The error for a handshake that failed.
pub(super) fn failed(target: &Target, error: io::Error) -> Error {
    let reason = error.get_ref().map_or_else(|| error.to_string(), ToString::to_string);
    tls(target, reason).because(error)
}

/// The error for a server that refuses TLS.
pub(super) fn refused(target: &Target) -> Error {
    Error::new(
        Code::Tls,
        format!("The PostgreSQL server at {target} does not offer TLS."),
        "Set ssl = on at the server, or connect with sslmode=prefer or disable if the network in between is trusted.",
    )
}

fn tls(target: &Target, reason: String) -> Error {
    Error::new(
        Code::Tls,
        format!("TLS with the PostgreSQL server at {target} failed: {reason}."),
        "Check that the certificate names this host and that its authority is in sslrootcert or trusted by this machine.",
    )
}

/// What is asked of the server's certificate.
#[derive(Debug)]
struct Verifier {
    provider: Arc<CryptoProvider>,
    /// `None`: any certificate.
    chain: Option<Arc<WebPkiServerVerifier>>,
    /// Certificates that are trusted as they are: servers often use a self-signed one, which is then its own root.
    pinned: Vec<CertificateDer<'static>>,
    names_host: bool,
}

fn verifier(target: &Target, provider: &Arc<CryptoProvider>) -> Result<Verifier> {
    let checked = match target.tls {
        TlsMode::VerifyCa | TlsMode::VerifyFull => true,
        TlsMode::Require => target.root_certificate.is_some(),
        TlsMode::Prefer | TlsMode::Disable => false,
    };
    let names_host = target.tls == TlsMode::VerifyFull;
    if !checked {
        return Ok(Verifier { provider: provider.clone(), chain: None, pinned: vec![], names_host });
    }
    let certificates = roots(target)?;
    let mut store = RootCertStore::empty();
    let (usable, _) = store.add_parsable_certificates(certificates.iter().cloned());
    if usable == 0 {
        return Err(tls(target, "there is no certificate authority to trust".into()));
    }
    let chain = WebPkiServerVerifier::builder_with_provider(Arc::new(store), provider.clone()).build();
    let chain = chain.map_err(|error| tls(target, "the certificate authorities cannot be used".into()).because(error))?;
    let pinned = if target.root_certificate.is_some() { certificates } else { vec![] };
    Ok(Verifier { provider: provider.clone(), chain: Some(chain), pinned, names_host })
}

fn roots(target: &Target) -> Result<Vec<CertificateDer<'static>>> {
    let Some(path) = &target.root_certificate else {
        return Ok(rustls_native_certs::load_native_certs().certs);
    };
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    read.map_err(|error| {
        let sentence = format!("The file of certificate authorities {} cannot be read.", path.display());
        Error::new(Code::Tls, sentence, "Give a PEM file as sslrootcert.").because(error)
    })
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Some(chain) = &self.chain else { return Ok(ServerCertVerified::assertion()) };
        if self.pinned.iter().any(|pinned| pinned == end_entity) {
            if self.names_host {
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, name)?;
            }
            return Ok(ServerCertVerified::assertion());
        }
        // The chain is checked before the name: an error about the name means that the chain holds.
        match chain.verify_server_cert(end_entity, intermediates, name, ocsp, now) {
            Err(rustls::Error::InvalidCertificate(CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }))
                if !self.names_host =>
            {
                Ok(ServerCertVerified::assertion())
            }
            result => result,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
