//! The first start.

use super::sign_in::Door;
use crate::{
    address,
    api::people,
    components::{Button, ButtonKind, Faults, Field, FormProblem},
};
use domain::form::MIN_PASSWORD;
use leptos::prelude::*;

/// Makes the first administrator. Who may is who can read what the process printed.
#[component]
pub fn Setup() -> impl IntoView {
    let faults = Faults::of(ServerAction::<people::SetUp>::new().value());
    let name = address::query_value("name").get_untracked();
    view! {
        <Door title="Set up this console" text="There is no user yet. The first one is an administrator, and adds the others.">
            <form method="post" action="/api/set_up" class="form">
                <FormProblem faults marked=true/>
                <Field
                    label="Set-up token"
                    name="token"
                    error=faults.field("token")
                    code=true
                    hint="The console printed it when it started; it lies in the file setup-token of its data directory too. It works once."
                />
                <Field label="Your name" name="name" value=name error=faults.field("name") autocomplete="username"/>
                <Field
                    label="Password"
                    name="password"
                    kind="password"
                    error=faults.field("password")
                    autocomplete="new-password"
                    hint=format!("At least {MIN_PASSWORD} characters. A few words in a row are better than a riddle.")
                />
                <Field
                    label="The same password again"
                    name="again"
                    kind="password"
                    error=faults.field("again")
                    autocomplete="new-password"
                />
                <div class="actions">
                    <Button kind=ButtonKind::Primary>"Create the administrator"</Button>
                </div>
            </form>
        </Door>
    }
}
