//! The viewer's time zone, which the server does not know.

use jiff::{Timestamp, tz::Offset};
use leptos::prelude::*;

/// Offset from UTC of the viewer's clocks at a moment. None while the page is as the server wrote it: show UTC then.
#[must_use]
pub fn viewer_offset(at: Timestamp) -> ReadSignal<Option<Offset>> {
    let (offset, set_offset) = signal(None);
    // Effects run in the browser alone, and after the page was taken over as it is.
    Effect::new(move |_| set_offset.set(browser::offset(at)));
    offset
}

/// Name of the viewer's time zone, such as `Europe/Berlin`. None while the page is as the server wrote it.
#[must_use]
pub fn viewer_zone() -> ReadSignal<Option<String>> {
    let (zone, set_zone) = signal(None);
    Effect::new(move |_| set_zone.set(browser::zone()));
    zone
}

/// Name of the zone in which times are shown: `UTC`, then the viewer's.
#[component]
pub fn ZoneName() -> impl IntoView {
    let zone = viewer_zone();
    view! { <span class="zone">{move || zone.get().unwrap_or_else(|| "UTC".into())}</span> }
}

#[cfg(feature = "hydrate")]
mod browser {
    use jiff::{Timestamp, tz::Offset};
    use js_sys::{Array, Date, Intl::DateTimeFormat, Object, Reflect};
    use wasm_bindgen::JsValue;

    pub fn offset(at: Timestamp) -> Option<Offset> {
        let date = Date::new(&JsValue::from_f64(at.as_millisecond() as f64));
        // JavaScript counts minutes from the viewer's clocks to UTC.
        Offset::from_seconds(-(date.get_timezone_offset() * 60.0) as i32).ok()
    }

    pub fn zone() -> Option<String> {
        let options = DateTimeFormat::new(&Array::new(), &Object::new()).resolved_options();
        Reflect::get(&options, &JsValue::from_str("timeZone")).ok()?.as_string()
    }
}

#[cfg(not(feature = "hydrate"))]
mod browser {
    use jiff::{Timestamp, tz::Offset};

    /// The server has no viewer.
    pub fn offset(_at: Timestamp) -> Option<Offset> {
        None
    }

    /// The server has no viewer.
    pub fn zone() -> Option<String> {
        None
    }
}
