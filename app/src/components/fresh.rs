//! What is shown stays true while somebody looks.

use crate::api::Failure;
use leptos::{ev, prelude::*};
use serde::{Serialize, de::DeserializeOwned};
use std::time::Duration;

/// How long after an answer that shows work under way the next one is asked for.
const SOON: Duration = Duration::from_secs(4);

/// Loads a resource again when its window is looked at again, and soon while something in it is under way. What it loads comes
/// by [`Browser`](crate::api::client::Browser), so that a page which nobody touches keeps no session alive.
pub fn keep_fresh<T>(resource: Resource<Result<T, Failure>>, is_busy: fn(&T) -> bool)
where
    T: Serialize + DeserializeOwned + Send + Sync + 'static,
{
    // Effects run in the browser alone.
    Effect::new(move |_| {
        let focused = window_event_listener(ev::focus, move |_| resource.refetch());
        on_cleanup(move || focused.remove());
    });
    Effect::new(move |_| {
        let busy = resource.with(|loaded| matches!(loaded, Some(Ok(value)) if is_busy(value)));
        let again = busy.then(|| set_timeout_with_handle(move || resource.refetch(), SOON)).and_then(Result::ok);
        on_cleanup(move || {
            if let Some(again) = again {
                again.clear();
            }
        });
    });
}
