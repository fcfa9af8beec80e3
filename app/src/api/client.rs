//! How the browser asks, where a page asks again by itself: it says so when nobody is there.

use futures::{Sink, Stream};
use leptos::server_fn::{
    Bytes,
    client::{Client, browser::BrowserClient},
    error::FromServerFnError,
    request::browser::BrowserRequest,
    response::browser::BrowserResponse,
};

/// The header of a question that nobody who sits at the browser has asked: it is no use of the session.
pub const UNATTENDED: &str = "x-rookery-unattended";

/// The client of what [`keep_fresh`](crate::components::keep_fresh) asks for again and again.
pub struct Browser;

impl<E: FromServerFnError, I: FromServerFnError, O: FromServerFnError> Client<E, I, O> for Browser {
    type Request = BrowserRequest;
    type Response = BrowserResponse;

    fn send(request: Self::Request) -> impl Future<Output = Result<Self::Response, E>> + Send {
        if !presence::is_somebody_there() {
            request.headers().set(UNATTENDED, "1");
        }
        <BrowserClient as Client<E, I, O>>::send(request)
    }

    fn open_websocket(
        path: &str,
    ) -> impl Future<Output = Result<(impl Stream<Item = Result<Bytes, Bytes>> + Send + 'static, impl Sink<Bytes> + Send + 'static), E>> + Send
    {
        <BrowserClient as Client<E, I, O>>::open_websocket(path)
    }

    fn spawn(future: impl Future<Output = ()> + Send + 'static) {
        <BrowserClient as Client<E, I, O>>::spawn(future);
    }
}

#[cfg(feature = "hydrate")]
pub use presence::watch as watch_presence;

#[cfg(feature = "hydrate")]
mod presence {
    use leptos::prelude::window_event_listener_untyped;
    use std::cell::Cell;

    /// So long after somebody touched the page, what it asks is taken for theirs.
    const ATTENTION_MS: f64 = 60_000.0;

    thread_local! {
        /// When somebody touched the page last. That they opened it counts.
        static TOUCHED: Cell<f64> = Cell::new(js_sys::Date::now());
    }

    /// Notices whoever touches the page, from now on.
    pub fn watch() {
        TOUCHED.set(js_sys::Date::now());
        for event in ["focus", "pointerdown", "pointermove", "keydown", "wheel"] {
            // As long as the page is there.
            drop(window_event_listener_untyped(event, |_| TOUCHED.set(js_sys::Date::now())));
        }
    }

    pub fn is_somebody_there() -> bool {
        js_sys::Date::now() - TOUCHED.get() < ATTENTION_MS
    }
}

#[cfg(not(feature = "hydrate"))]
mod presence {
    /// The server asks nothing of itself.
    pub fn is_somebody_there() -> bool {
        true
    }
}
