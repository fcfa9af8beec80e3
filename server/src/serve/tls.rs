//! The certificate, read again when it changes.

use axum_server::tls_rustls::RustlsConfig;
use domain::{Code, Error, Result};
use rustls::{ServerConfig, crypto::aws_lc_rs};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};
use tokio_util::task::AbortOnDropHandle;

/// How often the files are looked at. Certificates are renewed days before they end.
const LOOK: Duration = Duration::from_secs(5);

/// A certificate chain and its key.
pub struct Files {
    cert: PathBuf,
    key: PathBuf,
    config: RustlsConfig,
    seen: Seen,
}

type Seen = [Option<(SystemTime, u64)>; 2];

impl Files {
    /// Reads both.
    pub fn open(cert: &Path, key: &Path) -> Result<Self> {
        let seen = seen(cert, key);
        let config = RustlsConfig::from_config(Arc::new(read(cert, key)?));
        Ok(Self { cert: cert.into(), key: key.into(), config, seen })
    }

    /// What the listener uses; it always has the newest.
    pub fn config(&self) -> RustlsConfig {
        self.config.clone()
    }

    /// Reads them again when they change. What cannot be used, such as half of a pair while both are being replaced, is told
    /// and left alone: the old certificate stays.
    pub fn renew(mut self) -> AbortOnDropHandle<()> {
        AbortOnDropHandle::new(tokio::spawn(async move {
            loop {
                tokio::time::sleep(LOOK).await;
                let now = seen(&self.cert, &self.key);
                if now == self.seen {
                    continue;
                }
                self.seen = now;
                match read(&self.cert, &self.key) {
                    Ok(config) => {
                        self.config.reload_from_config(Arc::new(config));
                        tracing::info!("the certificate was read again");
                    }
                    Err(error) => tracing::warn!(?error, "the new certificate cannot be used; the old one stays"),
                }
            }
        }))
    }
}

fn seen(cert: &Path, key: &Path) -> Seen {
    [cert, key].map(|path| {
        let metadata = fs::metadata(path).ok()?;
        Some((metadata.modified().ok()?, metadata.len()))
    })
}

fn read(cert: &Path, key: &Path) -> Result<ServerConfig> {
    let unusable = |path: &Path, why: String| {
        let sentence = format!("{} cannot be used for TLS: {why}.", path.display());
        Error::new(Code::Tls, sentence, "Give a certificate chain and its private key, both as PEM, readable for the console.")
    };
    let chain: Vec<_> =
        CertificateDer::pem_file_iter(cert).and_then(Iterator::collect).map_err(|error| unusable(cert, error.to_string()))?;
    if chain.is_empty() {
        return Err(unusable(cert, "it holds no certificate".into()));
    }
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| unusable(key, error.to_string()))?;
    let builder = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider())).with_safe_default_protocol_versions();
    let mut config = builder
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, private))
        .map_err(|error| unusable(cert, error.to_string()))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}
