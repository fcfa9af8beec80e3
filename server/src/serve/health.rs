//! For those who watch over the console: is it there, does it work, how is it.

use super::{Serving, requests};
use app::api::Visit;
use axum::{
    Extension,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use control::View;
use domain::{Code, Error, Result};
use std::net::IpAddr;

/// The process answers.
pub async fn alive() -> &'static str {
    "alive\n"
}

/// The process can do its work.
pub async fn ready(State(serving): State<Serving>) -> Response {
    match serving.control.ready().await {
        Ok(()) => "ready\n".into_response(),
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, requests::failed(&error)).into_response(),
    }
}

/// Figures for Prometheus, for this machine and for those who are signed in: they name servers.
pub async fn metrics(State(serving): State<Serving>, Extension(visit): Extension<Visit>) -> Response {
    match may_see_metrics(&visit) {
        Ok(()) => ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], serving.control.metrics().await).into_response(),
        Err(error) => requests::failed(&error),
    }
}

fn may_see_metrics(visit: &Visit) -> Result<()> {
    if visit.caller.address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback()) {
        return Ok(());
    }
    let refused = || Error::new(Code::SignedOut, "The figures are for this machine alone.", "Ask from the console's machine, or sign in.");
    visit.actor.as_ref().ok_or_else(refused)?.permit::<View>().map(|_| ())
}
