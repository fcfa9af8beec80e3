//! Forms that are sent without scripts: what was typed comes back with the error, so that nobody types it twice.

use axum::{
    body::{Body, Bytes, to_bytes},
    extract::Request,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use url::{Url, form_urlencoded};

/// Largest form; also the limit for every other body.
pub const MAX_BYTES: usize = 256 * 1024;

/// Longest address that every browser and proxy takes.
const MAX_ADDRESS: usize = 7000;

/// What a refusal adds to the address of the page that its form was sent from: which function refused, and why.
const REFUSAL: [&str; 2] = ["__path", "__err"];

/// Lays the fields of a refused form into the query of the page that it came from, where the page takes them up again.
pub async fn keep_typed(request: Request, next: Next) -> Response {
    if !is_plain_form(&request) {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MAX_BYTES).await else { return StatusCode::PAYLOAD_TOO_LARGE.into_response() };
    let mut response = next.run(Request::from_parts(parts, Body::from(body.clone()))).await;
    if let Some(location) = location(response.headers()).and_then(|location| with_typed(&location, &body)) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

fn is_plain_form(request: &Request) -> bool {
    let says = |name, what: &str| {
        request.headers().get(name).and_then(|value: &HeaderValue| value.to_str().ok()).is_some_and(|value| value.contains(what))
    };
    *request.method() == Method::POST
        && says(header::ACCEPT, "text/html")
        && says(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
}

/// Where the answer leads, as seen from our own root: never to another host, whatever was sent as the form's page.
fn location(headers: &HeaderMap) -> Option<Url> {
    let base = Url::parse("http://console.invalid/").ok()?;
    base.join(headers.get(header::LOCATION)?.to_str().ok()?).ok()
}

fn with_typed(location: &Url, body: &Bytes) -> Option<HeaderValue> {
    let mut page = location.clone();
    let mut bare = from_root(location);
    if page.query_pairs().any(|(name, _)| name == "__err") {
        strip_refusals(&mut page, true);
        bare = from_root(&page);
        lay_in(&mut page, body);
    } else if page.path() == "/sign-in" {
        // Signed out meanwhile: the form waits behind the sign-in.
        let next = page.query_pairs().find(|(name, _)| name == "next").map(|(_, next)| next.into_owned());
        if let Some(mut behind) = next.and_then(|next| location.join(&next).ok()) {
            strip_refusals(&mut behind, false);
            lay_in(&mut behind, body);
            page.query_pairs_mut().clear().append_pair("next", &from_root(&behind));
        }
    }
    let whole = from_root(&page);
    // Too long an address would be refused altogether; then at least the error comes back.
    let whole = if whole.len() > MAX_ADDRESS { bare } else { whole };
    HeaderValue::from_str(&whole).ok()
}

fn from_root(url: &Url) -> String {
    url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()))
}

/// Takes refusals out of an address, all or all but the newest: the page that a form was sent from may bear the one of the
/// attempt before, and they would pile up.
fn strip_refusals(page: &mut Url, keep_newest: bool) {
    let pairs: Vec<(String, String)> = page.query_pairs().into_owned().collect();
    let newest = REFUSAL.map(|name| pairs.iter().rposition(|(key, _)| key == name).filter(|_| keep_newest));
    let kept = pairs.iter().enumerate().filter(|(at, (name, _))| !REFUSAL.contains(&name.as_str()) || newest.contains(&Some(*at)));
    page.query_pairs_mut().clear().extend_pairs(kept.map(|(_, pair)| pair));
}

/// Typed fields replace those of the same name.
fn lay_in(page: &mut Url, body: &Bytes) {
    let typed: Vec<_> = form_urlencoded::parse(body)
        .map(|(name, value)| (plain(&name).to_owned(), value.into_owned()))
        .filter(|(name, value)| !is_secret(name, value))
        .collect();
    let kept: Vec<_> = page.query_pairs().into_owned().filter(|(name, _)| !typed.iter().any(|(other, _)| other == name)).collect();
    page.query_pairs_mut().clear().extend_pairs(kept).extend_pairs(typed);
}

/// `name` of `form[name]`.
fn plain(name: &str) -> &str {
    name.split_once('[').and_then(|(_, inner)| inner.strip_suffix(']')).unwrap_or(name)
}

/// Addresses are logged and remembered: what is secret never gets into one.
fn is_secret(name: &str, value: &str) -> bool {
    // Whoever gave the private half of a key for the public one has it sent, but not written into logs as well.
    let is_mistaken = value.contains("rookery-key1-") || (name == "public_key" && !value.trim().starts_with("rookery-pub1-"));
    is_mistaken || name.contains("password") || matches!(name, "again" | "token" | "data_key")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn led(location: &str, body: &str) -> String {
        let url = Url::parse("http://console.invalid/").unwrap().join(location).unwrap();
        with_typed(&url, &Bytes::from(body.to_owned())).unwrap().to_str().unwrap().to_owned()
    }

    #[test]
    fn what_was_typed_comes_back_and_no_secret_does() {
        let back =
            led("http://127.0.0.1/servers/new?host=old&__path=x&__err=e", "host=db&form%5Bname%5D=a+b&password=hunter2&again=x&token=y");
        assert_eq!(back, "/servers/new?__path=x&__err=e&host=db&name=a+b");
    }

    #[test]
    fn a_second_refusal_takes_the_place_of_the_first() {
        let back = led("/servers/new?__path=a&__err=1&name=x&__path=b&__err=2", "name=y");
        assert_eq!(back, "/servers/new?__path=b&__err=2&name=y");
        let long = format!("name={}", "b".repeat(MAX_ADDRESS));
        assert_eq!(led("/x?__path=a&__err=1&__path=b&__err=2", &long), "/x?__path=b&__err=2");
        // Whoever was signed out is told that, and nothing older.
        assert_eq!(led("/sign-in?next=%2Fusers%3F__path%3Da%26__err%3D1", "name=b"), "/sign-in?next=%2Fusers%3Fname%3Db");
    }

    #[test]
    fn a_form_waits_behind_the_sign_in() {
        assert_eq!(led("/sign-in?next=%2Fusers%3Fa%3D1", "name=b&password=p"), "/sign-in?next=%2Fusers%3Fa%3D1%26name%3Db");
    }

    #[test]
    fn success_and_long_forms_lead_where_they_did_and_never_elsewhere() {
        assert_eq!(led("/tasks/1", "name=b"), "/tasks/1");
        assert_eq!(led("/x?__err=e", &format!("name={}", "b".repeat(MAX_ADDRESS))), "/x?__err=e");
        assert_eq!(led("https://evil.example/x?__err=e", "name=b"), "/x?__err=e&name=b");
    }
}
