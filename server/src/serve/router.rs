//! Which part answers what, and what lies around all of them.

use super::{Serving, Site, download, forms, headers, health, live, requests, visit};
use app::{
    api::Visit,
    routes,
    shell::{self, Assets},
};
use axum::{
    Router,
    http::{HeaderValue, header, request::Parts},
    middleware::{from_fn, from_fn_with_state},
    routing::get,
};
use leptos::{
    config::LeptosOptions,
    nonce::use_nonce,
    prelude::{provide_context, use_context},
};
use leptos_axum::{LeptosRoutes, ResponseOptions, render_app_async_with_context};
use tower_http::{catch_panic::CatchPanicLayer, compression::CompressionLayer, csrf::CsrfLayer, limit::RequestBodyLimitLayer};

/// Everything that the console answers.
pub fn router(serving: Serving, site: Site) -> Router {
    let meet = from_fn_with_state(serving.clone(), visit::meet);
    let pages = pages(site.assets());
    let live = Router::new().route("/live/rounds/{id}", get(live::round)).route("/live/runs/{id}", get(live::run));
    let figures = Router::new().route("/metrics", get(health::metrics));
    let known = live.merge(figures).with_state(serving.clone()).merge(pages).layer(meet.clone());
    // Archives are compressed already, and how long they are is told first.
    let files = Router::new().route("/download/{destination}", get(download::file)).with_state(serving.clone()).layer(meet);
    let health = Router::new().route("/healthz", get(health::alive)).route("/readyz", get(health::ready)).with_state(serving.clone());
    // Compressed files are sent as they were built.
    known
        .layer(CompressionLayer::new())
        .merge(files)
        .merge(site.router())
        .merge(health)
        .layer(from_fn(forms::keep_typed))
        .layer(CsrfLayer::new().with_rejection_response(|_| requests::cross_site()))
        .layer(RequestBodyLimitLayer::new(forms::MAX_BYTES))
        .layer(CatchPanicLayer::custom(requests::panicked))
        .layer(from_fn_with_state(serving, headers::add))
        .layer(from_fn(requests::log))
}

/// The pages, and the server functions behind them.
fn pages(assets: Assets) -> Router {
    let options = LeptosOptions::builder().output_name("rookery").build();
    let document = move || shell::document(&assets);
    Router::new()
        .leptos_routes_with_context(&options, routes::paths(), provide, document.clone())
        .route_layer(from_fn(visit::gate))
        .fallback(render_app_async_with_context(provide, document))
        .with_state(options)
}

/// Hands the request's [`Visit`] to pages and server functions, and gives a page the policy that fits its nonce.
fn provide() {
    if let Some(visit) = use_context::<Parts>().and_then(|parts| parts.extensions.get::<Visit>().cloned()) {
        provide_context(visit);
    }
    if let (Some(nonce), Some(options)) = (use_nonce(), use_context::<ResponseOptions>())
        && let Ok(policy) = HeaderValue::from_str(&headers::policy(&nonce))
    {
        options.insert_header(header::CONTENT_SECURITY_POLICY, policy);
    }
}
