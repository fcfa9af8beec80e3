//! Signing in.

use crate::{
    address,
    api::people,
    components::{Button, ButtonKind, Faults, Field, FormProblem, Glyph, Hidden, Icon},
};
use leptos::prelude::*;
use leptos_meta::Title;

/// What stands around the pages that come before signing in.
#[component]
pub(super) fn Door(
    /// What it is about.
    title: &'static str,
    /// A sentence below.
    text: &'static str,
    /// The form.
    children: Children,
) -> impl IntoView {
    view! {
        <Title text=title/>
        <main id="main" class="door">
            <p class="brand"><Icon name=Glyph::Rookery/>"Rookery"</p>
            <section class="card">
                <div class="body stack">
                    <header>
                        <h1>{title}</h1>
                        <p class="dim">{text}</p>
                    </header>
                    {children()}
                </div>
            </section>
        </main>
    }
}

/// Asks for name and password, and leads back to where one was on the way to.
#[component]
pub fn SignIn() -> impl IntoView {
    let faults = Faults::of(ServerAction::<people::SignIn>::new().value());
    let [name, next] = ["name", "next"].map(|field| address::query_value(field).get_untracked());
    let text = if next.is_empty() { "Every database in its own nest, all in one tree." } else { "You come back to where you were." };
    view! {
        <Door title="Sign in" text>
            // The whole document is loaded anew, because the frame around it is another one then.
            <form method="post" action="/api/sign_in" class="form">
                <FormProblem faults/>
                <Hidden values=vec![("next", next)]/>
                <Field label="Name" name="name" value=name autocomplete="username"/>
                <Field label="Password" name="password" kind="password" autocomplete="current-password"/>
                <div class="actions">
                    <Button kind=ButtonKind::Primary>"Sign in"</Button>
                </div>
            </form>
        </Door>
    }
}
