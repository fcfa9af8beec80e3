//! The console's pages: rendered on the server, then hydrated in the browser.
//!
//! * [`routes`]: every address with the page that answers it
//! * [`shell`]: the document, and the frame around every page
//! * [`api`]: server functions: who asks, one call on `Control`, return
//! * [`pages`]: one module for each area; [`components`]: what pages are made of
//! * [`address`], [`loaded`], [`live`]: reading an address, showing what was loaded, and what changes by itself
//! * [`keyring`], [`files`]: what the browser does with keys, and the server never sees

#![recursion_limit = "512"]
// Components take their properties by value, and their names are those of the elements that they stand for.
#![allow(clippy::needless_pass_by_value)]

pub mod address;
pub mod api;
pub mod components;
pub mod done;
pub mod files;
pub mod keyring;
pub mod live;
pub mod loaded;
pub mod pages;
pub mod routes;
pub mod shell;

/// Takes over the page that the server rendered.
#[cfg(feature = "hydrate")]
#[wasm_bindgen::prelude::wasm_bindgen]
pub fn hydrate() {
    console_error_panic_hook::set_once();
    api::client::watch_presence();
    leptos::mount::hydrate_body(routes::App);
    // Stories wait for this before they press anything.
    if let Some(body) = leptos::prelude::document().body() {
        let _ = body.set_attribute("data-hydrated", "");
    }
}
