//! Users: who may sign in, and what they may do.

mod forms;

use crate::{
    address,
    api::people::{AddUser, ChangeRole, RemoveUser, ResetPassword, users},
    components::{Card, Cell, Glyph, LinkButton, Manner, PageHead, Table, Tag, When, counted},
    done::{anew, successes},
    loaded::loaded_page,
};
use domain::view::people::UserLine;
use forms::{Add, Change};
use jiff::Timestamp;
use leptos::prelude::*;

/// What can be done with users.
#[derive(Clone, Copy)]
struct Actions {
    add: ServerAction<AddUser>,
    role: ServerAction<ChangeRole>,
    password: ServerAction<ResetPassword>,
    remove: ServerAction<RemoveUser>,
}

/// Every user, and beside them the form for one more or for the one that the address names.
#[component]
pub fn Users() -> impl IntoView {
    let actions =
        Actions { add: ServerAction::new(), role: ServerAction::new(), password: ServerAction::new(), remove: ServerAction::new() };
    let Actions { add, role, password, remove } = actions;
    // Lists and forms are made anew after a success alone.
    let done = [successes(add.value()), successes(role.value()), successes(password.value()), successes(remove.value())];
    let chosen = address::query_value("user");
    // What went wrong or well with one user is not said of the next one.
    Effect::watch(
        move || chosen.get(),
        move |_, _, _| {
            role.clear();
            password.clear();
            remove.clear();
        },
        false,
    );
    let all = Resource::new_blocking(
        move || (chosen.get(), done.map(|done| done.get())),
        |(chosen, done)| async move {
            let users = users().await?;
            let found = users.iter().find(|user| user.id.to_string() == chosen).cloned();
            Ok((users, found, (chosen, done)))
        },
    );
    loaded_page(all, move |(users, found, form)| {
        let title = format!("{} may use this console", counted(users.len() as u64, "person", "people"));
        let user = found.clone();
        let beside = move || match user.clone() {
            Some(user) => view! { <Change user actions/> }.into_any(),
            None => view! { <Add action=add/> }.into_any(),
        };
        view! {
            <PageHead title window="Users">
                <p>"Each has a role. Changing users asks for your own password again."</p>
            </PageHead>
            <div class="split forms">
                <List users chosen=found/>
                {anew(move || form.clone(), beside)}
            </div>
        }
    })
}

#[component]
fn List(users: Vec<UserLine>, chosen: Option<UserLine>) -> impl IntoView {
    // Nobody was seen later than whoever looks now.
    let now = users.iter().filter_map(|user| user.signed_in_at).max().unwrap_or_default();
    let is_chosen = |user: &UserLine| chosen.as_ref().is_some_and(|chosen| chosen.id == user.id);
    let lines = users.into_iter().map(|user| view! { <Line here=is_chosen(&user) user now/> }).collect_view();
    let add = chosen.is_some().then(|| view! { <LinkButton href="/users" icon=Glyph::Plus>"Add user"</LinkButton> });
    view! {
        <Card title="Users" flush=true actions=move || add>
            <Table label="Users">
                <thead>
                    <tr>
                        <th scope="col">"Name"</th>
                        <th scope="col">"Role"</th>
                        <th scope="col">"Last signed in"</th>
                        <th scope="col" class="minor">"Added"</th>
                        <th scope="col"><span class="unseen">"Actions"</span></th>
                    </tr>
                </thead>
                <tbody>{lines}</tbody>
            </Table>
        </Card>
    }
}

#[component]
fn Line(user: UserLine, here: bool, now: Timestamp) -> impl IntoView {
    let href = address::with_pairs("/users", [("user", user.id.to_string())]);
    let label = format!("Change {}", user.name);
    let name = view! { <a class="name" href=href.clone()>{user.name}</a> };
    view! {
        <tr aria-current=here.then_some("true")>
            <Cell>
                {name}
                {user.is_you.then(|| view! { " " <Tag text="you"/> })}
            </Cell>
            <Cell label="Role"><Tag text=user.role.as_str() icon=Glyph::User/></Cell>
            <Cell label="Last signed in"><When at=user.signed_in_at now/></Cell>
            <Cell label="Added" minor=true><When at=user.created_at now manner=Manner::Day/></Cell>
            <Cell><a class="link" href=href aria-label=label>"Change"</a></Cell>
        </tr>
    }
}
