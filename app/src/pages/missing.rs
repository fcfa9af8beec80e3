//! What answers an address that nothing is at.

use leptos::prelude::*;
use leptos_meta::Title;

/// There is no such page.
#[component]
pub fn Missing() -> impl IntoView {
    #[cfg(feature = "ssr")]
    if let Some(options) = use_context::<leptos_axum::ResponseOptions>() {
        options.set_status(axum::http::StatusCode::NOT_FOUND);
    }
    view! {
        <Title text="Nothing here"/>
        <main id="main" class="lone">
            <h1>"There is nothing at this address"</h1>
            <p>"It may have been deleted, or the address was cut. " <a class="link" href="/">"Go to the overview"</a></p>
        </main>
    }
}
