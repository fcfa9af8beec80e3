//! One request, as the server's layers made it ready: who asks, and of whom.

use super::Failure;
use crate::address;
use axum::http::{HeaderValue, StatusCode, header, request::Parts};
use control::{Actor, Caller, Control, Level, Permit, SignedIn};
use domain::{Code, Error, view::Viewer};
use leptos::prelude::use_context;
use leptos_axum::ResponseOptions;

pub use super::client::UNATTENDED;

/// What is known of a request before a page or a server function begins.
#[derive(Clone)]
pub struct Visit {
    /// The console.
    pub control: Control,
    /// Whoever is signed in.
    pub actor: Option<Actor>,
    /// The same for the frame around a page.
    pub viewer: Option<Viewer>,
    /// Where the request comes from.
    pub caller: Caller,
    /// The session's cookie.
    pub cookie: Cookie,
    /// `light` or `dark`, if one was chosen.
    pub theme: Option<&'static str>,
}

/// How the session's cookie is kept.
#[derive(Clone, Copy, Debug)]
pub struct Cookie {
    /// Whether browsers reach the console over TLS.
    pub secure: bool,
}

impl Cookie {
    /// Its name; the prefix makes browsers refuse one that was set by a neighbour or over plain HTTP.
    #[must_use]
    pub fn name(self) -> &'static str {
        if self.secure { "__Host-rookery" } else { "rookery" }
    }

    fn line(self, value: &str, more: &str) -> String {
        let secure = if self.secure { "; Secure" } else { "" };
        format!("{}={value}; Path=/; HttpOnly; SameSite=Strict{secure}{more}", self.name())
    }
}

impl Visit {
    /// Gives the browser the token of a new session.
    pub fn signed_in(&self, session: &SignedIn) {
        set_cookie(&self.cookie.line(session.token.expose(), ""));
    }

    /// Takes the token back.
    pub fn signed_out(&self) {
        set_cookie(&self.cookie.line("", "; Max-Age=0"));
    }
}

/// The request that is being answered.
///
/// # Errors
/// Outside of a request.
pub fn visit() -> Result<Visit, Failure> {
    use_context().ok_or_else(|| Error::internal("A page was asked for outside of a request.").into())
}

/// The console, and the permit of whoever asks.
///
/// # Errors
/// [`Code::SignedOut`] if nobody is signed in, and [`Code::Forbidden`] if the role does not suffice.
pub async fn asked<L: Level>() -> Result<(Control, Permit<L>), Failure> {
    let visit = visit()?;
    let Some(actor) = &visit.actor else {
        leptos_axum::redirect(&sign_in_path());
        return Err(Error::new(Code::SignedOut, "You are signed out.", "Sign in again; you come back to this page.").into());
    };
    let permit = actor.permit::<L>()?;
    Ok((visit.control, permit))
}

/// Sets a cookie in the answer.
pub fn set_cookie(line: &str) {
    if let (Some(options), Ok(value)) = (use_context::<ResponseOptions>(), HeaderValue::from_str(line)) {
        options.append_header(header::SET_COOKIE, value);
    }
}

/// The way to sign in and back to where one was: the page itself, or the one that a form was sent from.
fn sign_in_path() -> String {
    let parts = use_context::<Parts>();
    let of_page = |parts: &Parts| parts.uri.path_and_query().map(|path| path.as_str().to_owned());
    let of_form = |parts: &Parts| {
        let referer = parts.headers.get(header::REFERER)?.to_str().ok()?;
        let url = url::Url::parse(referer).ok()?;
        Some(url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path())))
    };
    let here = parts.as_ref().and_then(|parts| if parts.uri.path().starts_with("/api/") { of_form(parts) } else { of_page(parts) });
    address::with_pairs("/sign-in", [("next", here.unwrap_or_default())])
}

/// Logs an error on its way to a page, and gives the answer the status that fits.
pub(super) fn report(error: &Error) {
    let status = status(error.code());
    if status.is_server_error() {
        tracing::error!(code = %error.code(), ?error, "a request failed");
    } else {
        tracing::debug!(code = %error.code(), ?error, "a request was refused");
    }
    let Some(options) = use_context::<ResponseOptions>() else { return };
    // A form that was sent without scripts is answered by a redirection, whose status must stay.
    if !use_context::<Parts>().is_some_and(|parts| is_plain_form(&parts)) {
        options.set_status(status);
    }
}

/// Ends a form that was sent without scripts and was accepted: its page is shown without what was typed. With scripts, the
/// page is there already.
pub fn settle(path: &str) {
    if use_context::<Parts>().is_some_and(|parts| is_plain_form(&parts)) {
        leptos_axum::redirect(path);
    }
}

fn is_plain_form(parts: &Parts) -> bool {
    let accepts_html =
        parts.headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).is_some_and(|accept| accept.contains("text/html"));
    accepts_html && parts.uri.path().starts_with("/api/")
}

/// What HTTP calls an error.
#[must_use]
pub fn status(code: Code) -> StatusCode {
    match code {
        Code::SignedOut => StatusCode::UNAUTHORIZED,
        Code::Forbidden => StatusCode::FORBIDDEN,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::TooMany => StatusCode::TOO_MANY_REQUESTS,
        Code::Busy | Code::Conflict | Code::NameTaken => StatusCode::CONFLICT,
        Code::Internal | Code::Catalog | Code::DataDir => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::UNPROCESSABLE_ENTITY,
    }
}
