//! The password of whoever sits there, once more.

use super::{Faults, Field};
use leptos::prelude::*;

/// Asks for it, before what must not be done by somebody who found a browser open.
#[component]
pub fn OwnPassword(
    /// Its identifier: a page may have several.
    id: &'static str,
    /// What went wrong with its form.
    faults: Faults,
) -> impl IntoView {
    view! {
        <Field
            label="Your own password"
            name="current_password"
            id
            kind="password"
            error=faults.field("current_password")
            autocomplete="current-password"
            hint="May stay empty for five minutes after you gave it or signed in."
        />
    }
}
