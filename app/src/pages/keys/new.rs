//! Adding a key: made, saved, proven to be saved, and only then given to the console, which gets the public half alone.

use super::sheet::{Sheet, Sheeted};
use crate::{
    address::{self, with_pairs},
    api::keys::{AddKey, instance_fingerprint},
    components::{
        Button, ButtonKind, Card, Check, Faults, Field, FormProblem, Glyph, Hidden, Icon, LinkButton, Notice, OwnPassword, PageHead,
        SecretField, Segment, Segments, TextArea, Tone, may,
    },
    files,
    keyring::{self, Made, soon},
    loaded::loaded_page,
};
use domain::{KeyForm, Role, Secret, form::is_on};
use leptos::prelude::*;

/// How a key comes to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Here,
    Passphrase,
    Elsewhere,
}

impl Way {
    const ALL: [Self; 3] = [Self::Here, Self::Passphrase, Self::Elsewhere];

    fn word(self) -> &'static str {
        match self {
            Self::Here => "here",
            Self::Passphrase => "passphrase",
            Self::Elsewhere => "elsewhere",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Here => "Made here",
            Self::Passphrase => "Passphrase",
            Self::Elsewhere => "From elsewhere",
        }
    }

    fn of_word(word: &str) -> Self {
        Self::ALL.into_iter().find(|way| way.word() == word).unwrap_or(Self::Here)
    }
}

/// The page of a new key.
#[component]
pub fn KeyNew() -> impl IntoView {
    let (way, back) = (address::query_value("way"), address::query_value("back"));
    if !may(Role::Administrator) {
        return view! {
            <PageHead title="Only administrators add keys">
                <p>"Ask an administrator for the key that you need, or for the role."</p>
            </PageHead>
        }
        .into_any();
    }
    let instance = Resource::new_blocking(|| (), |()| instance_fingerprint());
    let segments = move || {
        let (here, back) = (Way::of_word(&way.read()), back.get());
        let segment = |one: Way| Segment {
            word: one.title().into(),
            href: with_pairs("/keys/new", [("way", one.word().to_owned()), ("back", back.clone())]),
            here: one == here,
        };
        view! { <Segments label="How it comes to be" segments=Way::ALL.map(segment).to_vec()/> }
    };
    view! {
        <PageHead title="Add a key" crumbs=vec![("Keys".into(), "/keys".into())]>
            <p>"Backups are sealed for its public half, which is all that the console gets. The private half opens them, and only you have it."</p>
        </PageHead>
        {segments}
        {loaded_page(instance, move |instance| view! {
            <For each=move || [Way::of_word(&way.read())] key=|way| way.word() children=move |way| {
                view! { <Making way back=back.get_untracked() instance=instance.clone()/> }
            }/>
        })}
    }
    .into_any()
}

/// From nothing to a key that is saved.
#[component]
fn Making(way: Way, back: String, instance: String) -> impl IntoView {
    let made = RwSignal::new(None::<Made>);
    let saved = RwSignal::new(false);
    let name = RwSignal::new(address::query_value("name").get_untracked());
    // Without scripts nothing is made here, but a public half from elsewhere can be given by hand.
    let alive = RwSignal::new(false);
    let came_back = !address::query_value("public_key").get_untracked().is_empty();
    Effect::new(move |_| alive.set(true));
    let kept_instance = instance.clone();
    let needs_saving = move || made.with(|made| made.as_ref().is_some_and(|made| made.file.is_some()));
    let is_ready = move || made.with(Option::is_some) && (saved.get() || !needs_saving());
    let sheet = move || made.get().filter(|made| made.file.is_some()).map(|made| Sheeted::new(name.into(), &made, instance.clone()));
    view! {
        <div class="split key-new">
            <div class="stack">
                <Show when=move || made.with(Option::is_none)><Make way made/></Show>
                <Show when=needs_saving><Keep way made saved instance=kept_instance.clone()/></Show>
                <Show when=move || is_ready() || (way == Way::Elsewhere && (came_back || !alive.get()))>
                    <Add made name back=back.clone()/>
                </Show>
            </div>
            <Card title="How it goes">
                <ol class="course">
                    <li>"The key is made in this browser. The console never sees its private half."</li>
                    <li>"You save it, in a file or on paper, where you find it in years and nobody else does."</li>
                    <li>"You prove that, by typing its fingerprint from what you saved."</li>
                    <li>"Only then can tasks seal for it. Every 90 days you are asked to prove that it is still at hand."</li>
                </ol>
                <p class="dim">
                    "Make two keys, one for daily use and one for a safe elsewhere: each opens the backups, and if one is lost the other is there."
                </p>
            </Card>
        </div>
        {move || sheet().map(|sheeted| view! { <Sheet sheeted/> })}
    }
}

/// The first step: the key.
#[component]
fn Make(way: Way, made: RwSignal<Option<Made>>) -> impl IntoView {
    let (text, again) = (RwSignal::new(Secret::new(String::new())), RwSignal::new(Secret::new(String::new())));
    let (error, busy) = (RwSignal::new(None::<String>), RwSignal::new(false));
    let make = move |_| {
        if busy.get_untracked() {
            return;
        }
        error.set(None);
        if way == Way::Passphrase && text.read_untracked().expose() != again.read_untracked().expose() {
            return error.set(Some("The two passphrases differ. Type the same one twice.".into()));
        }
        busy.set(true);
        soon(move || {
            let result = match way {
                Way::Here => keyring::make(),
                Way::Passphrase => keyring::make_from_passphrase(text.read_untracked().expose()),
                Way::Elsewhere => keyring::take(text.read_untracked().expose()),
            };
            busy.set(false);
            match result {
                Ok(one) => {
                    text.set(Secret::new(String::new()));
                    again.set(Secret::new(String::new()));
                    made.set(Some(one));
                }
                Err(failure) => error.set(Some(format!("{} {}", failure.0.sentence, failure.0.next_step))),
            }
        });
    };
    let fields = match way {
        Way::Here => view! { <p>"A random key, made with this browser's own randomness."</p> }.into_any(),
        Way::Passphrase => view! {
            <p>"Whoever knows the passphrase and has the file that comes with it can open the backups. It has to be hard to guess: five or more words that have nothing to do with each other."</p>
            <SecretField id="passphrase" label="Passphrase" into=text/>
            <SecretField id="passphrase-again" label="The same again" into=again/>
        }
        .into_any(),
        Way::Elsewhere => view! {
            <p>
                "The public half, as " <code>"rookery key show"</code> " prints it, is all that is needed. A private key (32 bytes in base64, or a line that begins with rookery-key1-) is "
                "taken too: its public half is worked out here, and the private one is not sent."
            </p>
            <SecretField id="key-elsewhere" label="Key" into=text code=true/>
        }
        .into_any(),
    };
    let word = match way {
        Way::Here => "Make the key",
        Way::Passphrase => "Make the key from it",
        Way::Elsewhere => "Take this key",
    };
    view! {
        <Card title="The key" icon=Glyph::Key>
            <div class="form">
                {fields}
                {move || error.get().map(|error| view! { <p class="wrong" role="alert"><Icon name=Glyph::Alert/>{error}</p> })}
                <div class="actions">
                    <button class="button primary" type="button" on:click=make aria-busy=move || busy.get().then_some("true")>{word}</button>
                </div>
                <p class="hint">
                    "This needs scripts. Without them, make a key on your own machine with " <code>"rookery key generate"</code>
                    ", and give its public half under " <i>"From elsewhere"</i> "."
                </p>
            </div>
        </Card>
    }
}

/// The second step: it is saved.
#[component]
fn Keep(way: Way, made: RwSignal<Option<Made>>, saved: RwSignal<bool>, instance: String) -> impl IntoView {
    let save = move |_| {
        made.with_untracked(|made| {
            if let Some((made, file)) = made.as_ref().and_then(|made| Some((made, made.file.as_ref()?))) {
                let short: String = made.fingerprint.chars().take(9).collect();
                let text = Secret::new(format!("{}# fingerprint of the console that signs the backups: {instance}\n", file.expose()));
                files::save(&format!("rookery-key-{short}.txt"), text.expose());
            }
        });
        saved.set(true);
    };
    let print = move |_| {
        files::print();
        saved.set(true);
    };
    let alone = match way {
        Way::Here => "The private half exists in this window alone; when the window is closed, it is gone. ",
        Way::Passphrase => "It takes the passphrase and this file to open a backup: neither is enough alone. ",
        Way::Elsewhere => "You have the private half already; this is one more copy, with what belongs to it. ",
    };
    view! {
        <Card title=move || if saved.get() { "Saved" } else { "Save it now" } icon=Glyph::Lock>
            <div class="form">
                <p>{alone} <b>"If the key is lost, everything that was sealed for it is lost."</b></p>
                <div class="actions">
                    <button class="button primary" type="button" on:click=save><Icon name=Glyph::Save/>"Save the key file"</button>
                    <button class="button" type="button" on:click=print><Icon name=Glyph::Print/>"Print the recovery sheet"</button>
                </div>
                <p class="hint">
                    "Both hold the key, its fingerprint and the console's, and the sheet says how to restore without this console. Keep one where fire \
                     and thieves do not find the other."
                </p>
            </div>
        </Card>
    }
}

/// The last step: it is proven to be saved, and its public half goes to the console.
#[component]
fn Add(made: RwSignal<Option<Made>>, name: RwSignal<String>, back: String) -> impl IntoView {
    let add = ServerAction::<AddKey>::new();
    let faults = Faults::of(add.value());
    let typed = address::query::<KeyForm>().get_untracked();
    let typed_public = typed.public_key.clone();
    let public = move || made.with(|made| made.as_ref().map(|made| made.public_key.clone()));
    let hidden =
        move || made.get().map(|made| view! { <Hidden values=vec![("public_key", made.public_key), ("derivation", made.derivation)]/> });
    // Seen without scripts alone.
    let by_hand = move || {
        public().is_none().then(|| {
            view! {
                <Field
                    label="Public half"
                    name="public_key"
                    value=typed_public.clone()
                    code=true
                    placeholder="rookery-pub1-…"
                    error=faults.field("public_key")
                    hint="As rookery key show prints it. Never the private half: what is typed here is sent."
                />
                <Hidden values=vec![("derivation", String::new())]/>
            }
        })
    };
    let told = move || {
        let error = [faults.field("public_key").get(), faults.field("derivation").get()].into_iter().flatten().next();
        error.filter(|_| public().is_some()).map(|error| view! { <Notice tone=Tone::Bad title=error/> })
    };
    let cancel = if back.is_empty() { "/keys".to_owned() } else { address::local(&back).to_owned() };
    view! {
        <Card title="Prove that it is saved" icon=Glyph::Shield>
            <ActionForm action=add attr:class="form">
                <FormProblem faults marked=true/>
                {told}
                {hidden}
                <Hidden values=vec![("back", back)]/>
                {by_hand}
                <div class="field">
                    <label for="name">"Name"</label>
                    <input
                        type="text"
                        id="name"
                        name="name"
                        autocomplete="off"
                        placeholder="Operator"
                        value=name.get_untracked()
                        on:input:target=move |event| name.set(event.target().value())
                        aria-invalid=move || faults.field("name").read().is_some().then_some("true")
                        aria-describedby="name-error"
                    />
                    {move || faults.field("name").get().map(|error| view! { <p class="wrong" id="name-error"><Icon name=Glyph::Alert/>{error}</p> })}
                </div>
                <Field
                    label="Fingerprint"
                    name="typed_fingerprint"
                    value=typed.typed_fingerprint
                    code=true
                    error=faults.field("typed_fingerprint")
                    hint="Open what you saved, and type the 32 digits from there. They are not shown here, so that nobody forgets to save."
                />
                <Check
                    label="I know that a lost key cannot be brought back, by nobody."
                    name="understood"
                    checked=is_on(&typed.understood)
                    hint="Backups that were sealed for it alone could not be read ever again."
                />
                {move || faults.field("understood").get().map(|error| view! { <p class="wrong"><Icon name=Glyph::Alert/>{error}</p> })}
                <TextArea label="Where it is kept" name="note" value=typed.note optional=true rows=2 hint="For those who have to find it one day. Not the key itself."/>
                <OwnPassword id="own-key" faults/>
                <div class="actions">
                    <LinkButton href=cancel>"Cancel"</LinkButton>
                    <Button kind=ButtonKind::Primary icon=Glyph::Plus busy=add.pending()>"Add the key"</Button>
                </div>
            </ActionForm>
        </Card>
    }
}
