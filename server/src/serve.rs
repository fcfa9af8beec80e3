//! `rookery serve`: the console.

mod download;
mod forms;
mod headers;
mod health;
mod listen;
mod live;
mod requests;
mod router;
mod site;
mod tls;
mod visit;

use crate::{
    Exit,
    arguments::{Home, Serve},
    data_dir::DataDir,
};
use catalog::Catalog;
use control::{Claim, Control, Options};
use domain::{Error, Result};
use site::Site;
use std::{io::Write, net::SocketAddr, path::Path, sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;

/// What all parts of the answering side share.
#[derive(Clone)]
struct Serving {
    control: Control,
    /// Whether TLS ends here.
    tls: bool,
    /// Whether a proxy in front tells who asks.
    behind_proxy: bool,
    /// Ends what would otherwise never end.
    stop: CancellationToken,
}

/// Answers until it is asked to stop.
pub async fn run(arguments: Serve, home: Home, stop: CancellationToken) -> Result<Exit> {
    listen::ensure_private(&arguments)?;
    let data_dir = DataDir::open(home)?;
    let claim = Claim::take(data_dir.path())?;
    let site = Site::open()?;
    let (listener, address) = listen::bind(arguments.listen)?;
    let tls = arguments.tls_cert.as_deref().zip(arguments.tls_key.as_deref()).map(|(cert, key)| tls::Files::open(cert, key)).transpose()?;
    let control = open(&arguments, &data_dir).await?;
    control.start_with(claim).await?;
    announce(&control, address, tls.is_some())?;
    let serving = Serving { control: control.clone(), tls: tls.is_some(), behind_proxy: arguments.behind_proxy, stop: stop.clone() };
    let answering = listen::answer(listener, tls, router::router(serving, site), stop.clone());
    let stopping = async {
        stop.cancelled().await;
        tracing::info!("stopping: what runs may finish");
        control.stop(Duration::from_secs(arguments.grace)).await;
    };
    let (answered, ()) = tokio::join!(
        async {
            let answered = answering.await;
            // An error of the listener ends the rest, too.
            stop.cancel();
            answered
        },
        stopping
    );
    answered?;
    tracing::info!("stopped");
    Ok(Exit::Done)
}

async fn open(arguments: &Serve, data_dir: &DataDir) -> Result<Control> {
    let catalog = match &arguments.catalog {
        Some(url) => url.clone(),
        None => format!("sqlite:{}", data_dir.path().join("catalog.sqlite").display()),
    };
    let instance = Arc::new(data_dir.instance()?);
    let trust = data_dir.trust(&instance, None)?;
    let (kept, signer) = (data_dir.clone(), Arc::clone(&instance));
    let whole = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let sample_root = arguments.sample_root.clone().unwrap_or_else(|| data_dir.path().join("backups"));
    Control::open(Options {
        catalog: Catalog::open(&catalog).await?,
        safe: data_dir.safe()?,
        instance,
        trust,
        accept: Box::new(move |fingerprint| kept.trust(&signer, Some(fingerprint))),
        data_dir: whole(data_dir.path()),
        version: env!("CARGO_PKG_VERSION"),
        sample: arguments.sample.as_deref().map(whole),
        sample_root: arguments.sample.is_some().then(|| whole(&sample_root)),
    })
    .await
}

/// Says where the console is, and how to begin while nobody can sign in. The token is on standard output alone: a log is
/// collected and kept.
fn announce(control: &Control, address: SocketAddr, tls: bool) -> Result<()> {
    let scheme = if tls { "https" } else { "http" };
    let mut lines = format!("Rookery {} is at {scheme}://{address}\n", env!("CARGO_PKG_VERSION"));
    if let Some(token) = control.setup_token() {
        lines += &format!(
            "Nobody can sign in yet. Make the first administrator at {scheme}://{address}/setup\nSet-up token: {}\n",
            token.expose()
        );
    }
    let mut out = std::io::stdout().lock();
    match out.write_all(lines.as_bytes()).and_then(|()| out.flush()) {
        // Whoever started us does not listen; the console is there all the same.
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Error::internal("The address could not be printed.").because(error))
        }
        _ => Ok(()),
    }
}
