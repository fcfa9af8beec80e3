//! The forms about users.

use super::Actions;
use crate::{
    address,
    api::{Failure, people::AddUser},
    components::{
        Button, ButtonKind, Card, Choice, Choices, Faults, Field, FormProblem, Glyph, Hidden, Icon, LinkButton, Notice, OwnPassword, Tone,
    },
};
use domain::{Role, UserForm, UserId, form::MIN_PASSWORD, view::people::UserLine};
use leptos::prelude::*;

/// Adds a user.
#[component]
pub(super) fn Add(action: ServerAction<AddUser>) -> impl IntoView {
    let faults = Faults::of(action.value());
    let form = address::query::<UserForm>().get_untracked();
    let role = form.role.parse().unwrap_or(Role::Viewer);
    let added = move || {
        let name = action.value().get()?.ok()?;
        Some(view! { <Notice tone=Tone::Good title=format!("{name} can sign in now.")/> })
    };
    view! {
        <Card title="Add a user">
            {added}
            <ActionForm action attr:class="form">
                <FormProblem faults marked=true/>
                <Field label="Name" name="name" value=form.name error=faults.field("name")/>
                <Roles role error=faults.field("role")/>
                <Field
                    label="First password"
                    name="password"
                    kind="password"
                    error=faults.field("password")
                    autocomplete="new-password"
                    hint=format!("At least {MIN_PASSWORD} characters. The user can change it after signing in.")
                />
                <OwnPassword id="own-add" faults/>
                <div class="actions">
                    <Button kind=ButtonKind::Primary icon=Glyph::Plus busy=action.pending()>"Add user"</Button>
                </div>
            </ActionForm>
        </Card>
    }
}

/// Changes the role of a user, gives the user another password, or removes the user.
#[component]
pub(super) fn Change(user: UserLine, actions: Actions) -> impl IntoView {
    let UserLine { id, name, role, is_you, .. } = user;
    let Actions { role: change, password: reset, remove, .. } = actions;
    let (role_faults, password_faults, remove_faults) = (Faults::of(change.value()), Faults::of(reset.value()), Faults::of(remove.value()));
    let role_done = move || is_done_for(id, change.value().get());
    let password_done = move || is_done_for(id, reset.value().get());
    let hidden = move || view! { <Hidden values=vec![("user", id.to_string())]/> };
    let word = if is_you { "Remove yourself".to_owned() } else { format!("Remove {name}") };
    view! {
        <Card title=name.clone() icon=Glyph::User actions=|| view! { <LinkButton href="/users" kind=ButtonKind::Ghost>"Close"</LinkButton> }>
            <div class="stack">
                <ActionForm action=change attr:class="form">
                    {move || role_done().then(|| view! { <Notice tone=Tone::Good title="The role is changed. The user has to sign in again."/> })}
                    <FormProblem faults=role_faults marked=true/>
                    {hidden()}
                    <Roles role error=role_faults.field("role")/>
                    <OwnPassword id="own-role" faults=role_faults/>
                    <div class="actions"><Button busy=change.pending()>"Change the role"</Button></div>
                </ActionForm>
                <hr/>
                <ActionForm action=reset attr:class="form">
                    {move || password_done().then(|| view! { <Notice tone=Tone::Good title="The new password counts from now on."/> })}
                    <FormProblem faults=password_faults marked=true/>
                    {hidden()}
                    <Field
                        label="New password"
                        name="password"
                        kind="password"
                        error=password_faults.field("password")
                        autocomplete="new-password"
                        hint=format!("At least {MIN_PASSWORD} characters. All sessions of the user end.")
                    />
                    <OwnPassword id="own-password" faults=password_faults/>
                    <div class="actions"><Button busy=reset.pending()>"Reset the password"</Button></div>
                </ActionForm>
                <hr/>
                <ActionForm action=remove attr:class="form">
                    {hidden()}
                    <details class="confirm" open=move || remove_faults.told().read().is_some()>
                        <summary><Icon name=Glyph::Trash/>{word.clone()}</summary>
                        <div class="stack">
                            <FormProblem faults=remove_faults marked=true/>
                            <p>"All sessions of the user end, and the name can be given to somebody else. What the user did stays in the audit log."</p>
                            <OwnPassword id="own-remove" faults=remove_faults/>
                            <div class="actions"><Button kind=ButtonKind::Danger busy=remove.pending()>{word.clone()}</Button></div>
                        </div>
                    </details>
                </ActionForm>
            </div>
        </Card>
    }
}

/// Whether the last answer was that it is done, and for this user.
fn is_done_for(user: UserId, answer: Option<Result<UserId, Failure>>) -> bool {
    answer.is_some_and(|answer| answer.is_ok_and(|done| done == user))
}

#[component]
fn Roles(role: Role, error: Signal<Option<String>>) -> impl IntoView {
    let choices = Role::ALL.map(|one| {
        let mut title = one.to_string();
        title[..1].make_ascii_uppercase();
        view! { <Choice name="role" value=one.as_str() checked=one == role title text=one.purpose()/> }
    });
    view! { <Choices legend="Role" error>{choices.collect_view()}</Choices> }
}
