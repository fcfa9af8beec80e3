//! What is said about requests: in the log, and to whoever asked for what cannot be had.

use app::api::visit::status;
use axum::{
    Json,
    body::Body,
    extract::Request,
    http::{Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use domain::{Code, Error, Told};
use std::{any::Any, time::Instant};

/// Writes a line for each request. The query stays out of it: it can hold what somebody typed.
pub async fn log(request: Request, next: Next) -> Response {
    let began = Instant::now();
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let response = next.run(request).await;
    let status = response.status().as_u16();
    let ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    if response.status().is_server_error() {
        tracing::warn!(%method, path, status, ms, "request");
    } else if matches!(method, Method::GET | Method::HEAD) {
        tracing::debug!(%method, path, status, ms, "request");
    } else {
        tracing::info!(%method, path, status, ms, "request");
    }
    response
}

/// The answer to a request for data that fails.
pub fn failed(error: &Error) -> Response {
    let status = status(error.code());
    if status.is_server_error() {
        tracing::error!(code = %error.code(), ?error, "a request failed");
    }
    (status, Json(error.told())).into_response()
}

/// The answer to a form that another site sent.
pub fn cross_site() -> Response<Body> {
    told(
        StatusCode::FORBIDDEN,
        Told {
            code: Code::Forbidden,
            sentence: "This was sent by a page of another site, and was not done.".into(),
            next_step: "Open the console itself and do it there.".into(),
            fields: vec![],
        },
    )
}

/// The answer to a request that made us panic. The process goes on; the panic is in the log.
pub fn panicked(cause: Box<dyn Any + Send + 'static>) -> Response<Body> {
    let cause = cause.downcast_ref::<String>().map(String::as_str).or(cause.downcast_ref::<&str>().copied()).unwrap_or("unknown");
    tracing::error!(cause, "a request panicked");
    told(StatusCode::INTERNAL_SERVER_ERROR, Error::internal("The console could not answer this.").told().clone())
}

/// The same words for people and for scripts: no page of ours is needed to show them.
fn told(status: StatusCode, told: Told) -> Response<Body> {
    let text = format!("{}\n\n{}\n", told.sentence, told.next_step);
    let body = serde_json::to_string(&told).unwrap_or(text);
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}
