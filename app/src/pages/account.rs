//! One's own account.

use crate::{
    api::people::{ChangePassword, RevokeSession, sessions},
    components::{
        Badge, Button, ButtonKind, Card, Cell, Faults, Field, FormProblem, Glyph, Manner, Notice, PageHead, Table, ThemeSwitch, Tone, When,
        counted,
    },
    done::{anew, successes},
    loaded::loaded,
    shell::theme,
};
use domain::{
    Role,
    form::MIN_PASSWORD,
    view::{Viewer, people::SessionLine},
};
use jiff::Timestamp;
use leptos::prelude::*;

/// Sessions and password of whoever looks.
#[component]
pub fn Account() -> impl IntoView {
    let (change, revoke) = (ServerAction::<ChangePassword>::new(), ServerAction::<RevokeSession>::new());
    let (changed, revoked) = (successes(change.value()), revoke.version());
    let all = Resource::new_blocking(move || (changed.get(), revoked.get()), |_| sessions());
    // There is none only where the page is about to be left for the one to sign in.
    let (who, role) = use_context::<Viewer>().map(|viewer| (viewer.name, viewer.role)).unwrap_or((String::new(), Role::Viewer));
    view! {
        <PageHead title=format!("You are {who}") window="Your account">
            <p>{format!("Your role is {role}. {}", role.purpose())}</p>
        </PageHead>
        <div class="split forms">
            {loaded(all, move |sessions| view! { <Sessions sessions revoke/> })}
            <div class="stack">
                <Password change changed/>
                <Card title="Colours">
                    <ThemeSwitch theme=theme()/>
                    <p class="dim small">"Kept in this browser alone."</p>
                </Card>
            </div>
        </div>
    }
}

#[component]
fn Sessions(sessions: Vec<SessionLine>, revoke: ServerAction<RevokeSession>) -> impl IntoView {
    let title = match sessions.len() as u64 {
        1 => "You are signed in here alone".into(),
        places => format!("You are signed in at {}", counted(places, "place", "places")),
    };
    // The session that looks has just been used.
    let now = sessions.iter().map(|session| session.seen_at).max().unwrap_or_default();
    let lines = sessions.into_iter().map(|session| view! { <Session session now revoke/> }).collect_view();
    view! {
        <Card title flush=true>
            <FormProblem faults=Faults::of(revoke.value())/>
            <Table label="Sessions">
                <thead>
                    <tr>
                        <th scope="col">"Browser"</th>
                        <th scope="col">"Address"</th>
                        <th scope="col">"Began"</th>
                        <th scope="col">"Last used"</th>
                        <th scope="col"><span class="unseen">"Actions"</span></th>
                    </tr>
                </thead>
                <tbody>{lines}</tbody>
            </Table>
        </Card>
    }
}

#[component]
fn Session(session: SessionLine, now: Timestamp, revoke: ServerAction<RevokeSession>) -> impl IntoView {
    let (agent, address) = (agent(&session.agent), session.address);
    let label = format!("End the session of {agent} at {address}");
    let end = if session.is_this {
        view! { <Badge tone=Tone::Good text="This one"/> }.into_any()
    } else {
        view! {
            <ActionForm action=revoke>
                <input type="hidden" name="handle" value=session.handle/>
                <Button icon=Glyph::Leave busy=revoke.pending() label>"End"</Button>
            </ActionForm>
        }
        .into_any()
    };
    view! {
        <tr>
            <Cell><span class="name" title=session.agent>{agent}</span></Cell>
            <Cell label="Address"><span class="number">{address}</span></Cell>
            <Cell label="Began"><When at=session.created_at now/></Cell>
            <Cell label="Last used"><When at=session.seen_at now manner=Manner::Relative/></Cell>
            <Cell>{end}</Cell>
        </tr>
    }
}

/// What a browser calls itself, in two words: its name and the system's. Both are guesses; the whole text is on hover.
fn agent(text: &str) -> String {
    let first = |words: &[(&str, &'static str)]| words.iter().find(|(sign, _)| text.contains(sign)).map(|(_, word)| *word);
    // Most browsers claim to be several others: the most particular sign comes first.
    let browsers = [
        ("Edg/", "Edge"),
        ("OPR/", "Opera"),
        ("Firefox/", "Firefox"),
        ("HeadlessChrome/", "Chrome without a window"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
        ("curl/", "curl"),
    ];
    let systems = [
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Windows", "Windows"),
        ("Mac OS X", "macOS"),
        ("CrOS", "ChromeOS"),
        ("Linux", "Linux"),
    ];
    match (first(&browsers), first(&systems)) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(word), None) | (None, Some(word)) => word.into(),
        (None, None) if text.is_empty() => "A program without a name".into(),
        (None, None) => text.chars().take(40).collect(),
    }
}

#[component]
fn Password(change: ServerAction<ChangePassword>, changed: Memo<u64>) -> impl IntoView {
    let faults = Faults::of(change.value());
    let fields = move || {
        view! {
            <Field
                label="Present password"
                name="current_password"
                kind="password"
                error=faults.field("current_password")
                autocomplete="current-password"
            />
            <Field
                label="New password"
                name="password"
                kind="password"
                error=faults.field("password")
                autocomplete="new-password"
                hint=format!("At least {MIN_PASSWORD} characters.")
            />
            <Field label="The new one again" name="again" kind="password" error=faults.field("again") autocomplete="new-password"/>
        }
    };
    view! {
        <Card title="Change your password">
            {move || (changed.get() > 0).then(|| view! {
                <Notice tone=Tone::Good title="Your password is changed. All your other sessions have ended."/>
            })}
            <ActionForm action=change attr:class="form">
                <FormProblem faults marked=true/>
                // No password stays on the screen after a success.
                {anew(move || changed.get(), fields)}
                <div class="actions">
                    <Button kind=ButtonKind::Primary busy=change.pending()>"Change it"</Button>
                </div>
            </ActionForm>
        </Card>
    }
}

#[cfg(test)]
mod tests {
    use super::agent;

    #[test]
    fn a_browser_is_named_in_two_words() {
        for (text, words) in [
            ("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36", "Chrome on Linux"),
            ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/18.0 Safari/605.1.15", "Safari on macOS"),
            ("Mozilla/5.0 (Windows NT 10.0; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox on Windows"),
            ("curl/8.5.0", "curl"),
            ("", "A program without a name"),
        ] {
            assert_eq!(agent(text), words);
        }
    }
}
