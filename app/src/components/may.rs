//! What is shown to those alone who may use it.

use domain::{Role, view::Viewer};
use leptos::prelude::*;

/// Whether whoever looks may do what needs this role. The console checks the same when it is asked.
#[must_use]
pub fn may(role: Role) -> bool {
    use_context::<Viewer>().is_some_and(|viewer| viewer.role >= role)
}

/// Shown to those alone who have this role or a greater one.
#[component]
pub fn May(
    /// The role.
    role: Role,
    /// What is shown.
    children: Children,
) -> impl IntoView {
    may(role).then(children)
}
