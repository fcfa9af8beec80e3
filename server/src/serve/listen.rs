//! Where the console listens, and how long it answers.

use super::tls;
use crate::arguments::Serve;
use axum::Router;
use axum_server::Handle;
use domain::{Code, Error, Result};
use hyper_util::rt::TokioTimer;
use std::{
    net::{SocketAddr, TcpListener},
    time::Duration,
};
use tokio_util::sync::CancellationToken;

/// How long answers that are under way may take after the console was asked to stop.
const LAST_ANSWERS: Duration = Duration::from_secs(5);

/// How long a client may take to send the head of a request.
const HEAD: Duration = Duration::from_secs(20);

/// Passwords and databases' names cross the network: beyond this machine only over TLS.
pub fn ensure_private(arguments: &Serve) -> Result<()> {
    if arguments.listen.ip().is_loopback() || arguments.tls_cert.is_some() || arguments.behind_proxy {
        return Ok(());
    }
    Err(Error::new(
        Code::Usage,
        format!("{} can be reached from other machines, and nothing would protect what crosses the network.", arguments.listen),
        "Give --tls-cert and --tls-key, or --behind-proxy if a proxy in front speaks TLS.",
    ))
}

/// Takes the address; with port 0, a free one.
pub fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(address).and_then(|listener| {
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    });
    listener.map_err(|error| {
        let sentence = format!("The console cannot listen on {address}: {error}.");
        Error::new(Code::Usage, sentence, "Choose another address with --listen, or stop what listens there.").because(error)
    })
}

/// Answers on the listener until it is asked to stop, and then finishes the answers under way.
pub async fn answer(listener: TcpListener, tls: Option<tls::Files>, router: Router, stop: CancellationToken) -> Result<()> {
    let handle = Handle::new();
    let ending = tokio::spawn({
        let handle = handle.clone();
        async move {
            stop.cancelled().await;
            handle.graceful_shutdown(Some(LAST_ANSWERS));
        }
    });
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    let answered = match tls {
        None => match axum_server::from_tcp(listener) {
            Ok(mut server) => {
                server.http_builder().http1().timer(TokioTimer::new()).header_read_timeout(HEAD);
                server.handle(handle).serve(service).await
            }
            Err(error) => Err(error),
        },
        Some(files) => match axum_server::tls_rustls::from_tcp_rustls(listener, files.config()) {
            Ok(mut server) => {
                let _renewing = files.renew();
                server.http_builder().http1().timer(TokioTimer::new()).header_read_timeout(HEAD);
                server.handle(handle).serve(service).await
            }
            Err(error) => Err(error),
        },
    };
    ending.abort();
    answered.map_err(|error| Error::new(Code::Internal, "The console can no longer listen.", "Start it again.").because(error))
}
