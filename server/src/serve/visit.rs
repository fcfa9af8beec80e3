//! Who asks: made ready before any page or server function begins, so that none of them waits for it.

use super::Serving;
use app::{
    address,
    api::{
        Visit,
        theme::THEMES,
        visit::{Cookie, UNATTENDED},
    },
    routes::OPEN,
};
use axum::{
    extract::{ConnectInfo, Request, State},
    http::{HeaderMap, Method, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Redirect, Response},
};
use control::{Caller, View};
use domain::{Result, view::Viewer};
use std::net::SocketAddr;

/// Longest name that a browser may give itself.
const MAX_AGENT: usize = 300;

/// Adds the [`Visit`] to a request.
pub async fn meet(State(serving): State<Serving>, ConnectInfo(peer): ConnectInfo<SocketAddr>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    match visit(&serving, peer, &parts).await {
        Ok(visit) => {
            parts.extensions.insert(visit);
            next.run(Request::from_parts(parts, body)).await
        }
        Err(error) => super::requests::failed(&error),
    }
}

async fn visit(serving: &Serving, peer: SocketAddr, request: &Parts) -> Result<Visit> {
    let headers = &request.headers;
    let caller = Caller { address: address_of(headers, peer, serving.behind_proxy), agent: agent(headers) };
    let cookie = Cookie { secure: is_secure(serving, headers) };
    let actor = match cookie_value(headers, cookie.name()) {
        Some(token) if is_unattended(request) => serving.control.actor_unattended(token).await?,
        Some(token) => serving.control.actor(token).await?,
        None => None,
    };
    let actor = actor.map(|actor| actor.asking_from(&caller.address));
    let viewer = match &actor {
        Some(actor) if is_page(&request.method, request.uri.path()) => Some(viewer(serving, actor).await?),
        _ => None,
    };
    let theme = cookie_value(headers, "theme").and_then(|chosen| THEMES.iter().map(|(value, _)| *value).find(|value| *value == chosen));
    Ok(Visit { control: serving.control.clone(), actor, viewer, caller, cookie, theme: theme.filter(|theme| !theme.is_empty()) })
}

async fn viewer(serving: &Serving, actor: &control::Actor) -> Result<Viewer> {
    serving.control.viewer(&actor.permit::<View>()?).await
}

/// Pages are for those who are signed in; who is not comes back after signing in. While there is nobody who could, the way
/// leads to the first start.
pub async fn gate(request: Request, next: Next) -> Response {
    let Some(visit) = request.extensions().get::<Visit>().filter(|_| is_page(request.method(), request.uri().path())) else {
        return next.run(request).await;
    };
    let path = request.uri().path();
    let way = match &visit.actor {
        _ if visit.control.needs_setup() => (path != "/setup").then(|| "/setup".into()),
        Some(_) => OPEN.contains(&path).then(|| "/".into()),
        None if path == "/sign-in" => None,
        None => {
            let here = request.uri().path_and_query().map_or("/", |here| here.as_str());
            Some(address::with_pairs("/sign-in", [("next", if here == "/" { "" } else { here })]))
        }
    };
    match way {
        Some(way) => Redirect::to(&way).into_response(),
        None => next.run(request).await,
    }
}

fn is_page(method: &Method, path: &str) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
        && !["/api/", "/live/", "/metrics", "/download/"].iter().any(|part| path.starts_with(part))
}

/// Whether a page, or a program that watches, asks by itself: a browser that is left alone shall not keep its session alive.
fn is_unattended(request: &Parts) -> bool {
    let path = request.uri.path();
    path.starts_with("/live/") || path == "/metrics" || request.headers.contains_key(UNATTENDED)
}

/// Whether the browser came over TLS.
pub fn is_secure(serving: &Serving, headers: &HeaderMap) -> bool {
    let forwarded = headers.get("x-forwarded-proto").is_some_and(|proto| proto.as_bytes().eq_ignore_ascii_case(b"https"));
    serving.tls || (serving.behind_proxy && forwarded)
}

/// The address that the nearest proxy saw: the last one, because whoever asks may have written others before it.
pub fn address_of(headers: &HeaderMap, peer: SocketAddr, behind_proxy: bool) -> String {
    let forwarded = headers.get_all("x-forwarded-for").iter().next_back().filter(|_| behind_proxy);
    let last = forwarded.and_then(|value| value.to_str().ok()).and_then(|value| value.rsplit(',').next()).map(str::trim);
    match last.and_then(|address| address.parse::<std::net::IpAddr>().ok()) {
        Some(address) => address.to_canonical().to_string(),
        None => peer.ip().to_canonical().to_string(),
    }
}

fn agent(headers: &HeaderMap) -> String {
    let agent = headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
    agent.chars().take(MAX_AGENT).collect()
}

fn cookie_value<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let pairs = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(';'));
    pairs.filter_map(|pair| pair.trim().split_once('=')).find(|(key, _)| *key == name).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (header::HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    #[test]
    fn only_a_proxy_that_was_announced_tells_the_address() {
        let peer = "192.0.2.1:5000".parse().unwrap();
        let forged = headers(&[("x-forwarded-for", "203.0.113.9, 198.51.100.7")]);
        assert_eq!(address_of(&forged, peer, false), "192.0.2.1");
        assert_eq!(address_of(&forged, peer, true), "198.51.100.7");
        assert_eq!(address_of(&headers(&[("x-forwarded-for", "nonsense")]), peer, true), "192.0.2.1");
        assert_eq!(address_of(&HeaderMap::new(), "[::ffff:192.0.2.1]:1".parse().unwrap(), true), "192.0.2.1");
    }

    #[test]
    fn what_a_page_asks_by_itself_is_no_use_of_its_session() {
        let asked = |path: &str, header: Option<&str>| {
            let request = axum::http::Request::get(path);
            let request = header.into_iter().fold(request, |request, name| request.header(name, "1"));
            is_unattended(&request.body(()).unwrap().into_parts().0)
        };
        assert!(asked("/live/runs/1", None) && asked("/api/overview", Some("X-Rookery-Unattended")));
        assert!(!asked("/api/overview", None) && !asked("/runs/live/", None));
    }

    #[test]
    fn a_cookie_is_found_among_others() {
        let headers = headers(&[("cookie", "theme=dark; rookery=abc;x")]);
        assert_eq!(cookie_value(&headers, "rookery"), Some("abc"));
        assert_eq!(cookie_value(&headers, "rook"), None);
    }
}
