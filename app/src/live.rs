//! What changes by itself: server-sent events.

use crate::api::Failure;
use jiff::{SignedDuration, Timestamp};
use leptos::prelude::*;
use serde::de::DeserializeOwned;

/// What is heard at an address of the console.
#[derive(Clone, Copy)]
pub struct Live<T: Send + Sync + 'static> {
    /// The newest value; none before the first.
    pub newest: ReadSignal<Option<T>>,
    /// Whether more is heard.
    pub line: ReadSignal<Line>,
}

/// The connection that news come over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Line {
    /// There is none: before the page is alive, without scripts, and when nothing more will come.
    #[default]
    Silent,
    /// It stands.
    Open,
    /// It broke, and the browser tries again by itself.
    Broken,
    /// The console refused it, and the browser gave up.
    Refused,
}

/// Listens to `path` (such as `/live/rounds/…`) while it gives one, until the page goes or the console says that nothing
/// more will come. Each value is a whole one, so a lost one is made up for by the next.
///
/// Where the browser gave up, the console is asked with `ask`, every few seconds until it answers: whoever was signed out
/// meanwhile is led to sign in again, as by every other question, and everybody else hears more.
pub fn live<T, F>(path: impl Fn() -> Option<String> + Send + Sync + 'static, ask: impl Fn() -> F + Clone + Send + Sync + 'static) -> Live<T>
where
    T: DeserializeOwned + Send + Sync + 'static,
    F: Future<Output = Result<T, Failure>> + 'static,
{
    let (newest, set_newest) = signal(None);
    let (line, set_line) = signal(Line::Silent);
    let again = Trigger::new();
    // Effects run in the browser alone.
    Effect::new(move |_| {
        again.track();
        match path() {
            Some(path) => browser::listen(&path, set_newest, set_line),
            None => set_line.set(Line::Silent),
        }
    });
    Effect::new(move |_| {
        if line.get() == Line::Refused {
            browser::ask_later(ask.clone(), set_newest, set_line, again);
        }
    });
    Live { newest, line }
}

/// What the console makes for all who look is made anew at least as often, if anything changes.
const TICK: SignedDuration = SignedDuration::from_secs(10);

/// Whether what is heard was read before the page was loaded, as the first of it may be: it would take back what somebody has just done.
/// A console whose clock was set back is believed.
pub fn is_outdated(loaded: Timestamp, heard: Timestamp) -> bool {
    (SignedDuration::from_nanos(1)..TICK).contains(&loaded.duration_since(heard))
}

#[cfg(feature = "hydrate")]
mod browser {
    use super::{DeserializeOwned, Failure, Line};
    use domain::Code;
    use leptos::{logging::warn, prelude::*, task::spawn_local};
    use send_wrapper::SendWrapper;
    use std::time::Duration;
    use wasm_bindgen::{JsCast, closure::Closure};
    use web_sys::{Event, EventSource, MessageEvent};

    /// Between two questions to a console that does not answer.
    const PAUSE: Duration = Duration::from_secs(3);

    /// Until the effect that calls this runs again or its page goes.
    pub fn listen<T: DeserializeOwned + Send + Sync + 'static>(path: &str, newest: WriteSignal<Option<T>>, line: WriteSignal<Line>) {
        let Ok(source) = EventSource::new(path) else {
            warn!("the browser cannot listen to {path}");
            return;
        };
        let on_open = Closure::<dyn Fn()>::new(move || line.set(Line::Open));
        source.set_onopen(Some(on_open.as_ref().unchecked_ref()));
        let on_error = Closure::<dyn Fn()>::new({
            let source = source.clone();
            move || line.set(if source.ready_state() == EventSource::CLOSED { Line::Refused } else { Line::Broken })
        });
        source.set_onerror(Some(on_error.as_ref().unchecked_ref()));
        let on_message = Closure::<dyn Fn(MessageEvent)>::new(move |event: MessageEvent| {
            let Some(text) = event.data().as_string() else { return };
            match serde_json::from_str(&text) {
                Ok(value) => newest.set(Some(value)),
                // The console was upgraded under the page: the page as loaded stays right, and a reload makes it live again.
                Err(error) => warn!("a live value cannot be read: {error}"),
            }
        });
        source.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        let on_end = Closure::<dyn Fn(Event)>::new({
            let source = source.clone();
            move |_| {
                source.close();
                line.set(Line::Silent);
            }
        });
        // Without this, the browser would take the end for a broken connection and ask again.
        let listening = source.add_event_listener_with_callback("end", on_end.as_ref().unchecked_ref());
        let parts = SendWrapper::new((source, on_open, on_error, on_message, on_end, listening));
        on_cleanup(move || parts.0.close());
    }

    pub fn ask_later<T, F>(ask: impl Fn() -> F + 'static, newest: WriteSignal<Option<T>>, line: WriteSignal<Line>, again: Trigger)
    where
        T: Send + Sync + 'static,
        F: Future<Output = Result<T, Failure>> + 'static,
    {
        let question = move || {
            spawn_local(async move {
                // The page may have gone meanwhile, and its signals with it.
                match ask().await {
                    Ok(value) => {
                        newest.try_set(Some(value));
                        again.notify();
                    }
                    Err(failure) if matches!(failure.0.code, Code::SignedOut | Code::Forbidden | Code::NotFound) => {
                        line.try_set(Line::Silent);
                    }
                    Err(_) => {
                        line.try_set(Line::Refused);
                    }
                }
            });
        };
        if let Ok(timer) = set_timeout_with_handle(question, PAUSE) {
            on_cleanup(move || timer.clear());
        }
    }
}

#[cfg(not(feature = "hydrate"))]
mod browser {
    use super::Line;
    use leptos::prelude::*;

    /// The server listens to nothing.
    pub fn listen<T>(_path: &str, _newest: WriteSignal<Option<T>>, _line: WriteSignal<Line>) {}

    /// The server asks nobody.
    pub fn ask_later<T, F>(_ask: impl Fn() -> F, _newest: WriteSignal<Option<T>>, _line: WriteSignal<Line>, _again: Trigger) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_before_the_page_is_not_believed() {
        let at = |seconds: i64| Timestamp::from_millisecond(1_700_000_000_000 + seconds * 1000).unwrap();
        assert!(is_outdated(at(10), at(9)));
        for heard in [10, 11, -3600] {
            assert!(!is_outdated(at(10), at(heard)), "{heard}");
        }
    }
}
