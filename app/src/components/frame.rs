//! The frame around every page: where one can go, who is signed in, light or dark.

use super::{Glyph, Icon};
use crate::api::theme::{ChooseTheme, THEMES};
use domain::{Role, display, view::Viewer};
use leptos::{html, prelude::*};
use leptos_router::hooks::use_location;

/// Where one can go: the paths of an area (the first one is its page), its name and its sign.
struct Area {
    paths: &'static [&'static str],
    name: &'static str,
    icon: Glyph,
}

/// What is used every day.
const MAIN: [Area; 5] = [
    Area { paths: &["/"], name: "Overview", icon: Glyph::Home },
    Area { paths: &["/servers", "/tasks"], name: "Servers", icon: Glyph::Server },
    Area { paths: &["/backups"], name: "Backups", icon: Glyph::Backups },
    Area { paths: &["/restore"], name: "Restore", icon: Glyph::Restore },
    Area { paths: &["/runs", "/rounds"], name: "Runs", icon: Glyph::List },
];

const DESTINATIONS: Area = Area { paths: &["/destinations"], name: "Destinations", icon: Glyph::Destination };
const KEYS: Area = Area { paths: &["/keys"], name: "Keys", icon: Glyph::Key };
const ACCOUNT: Area = Area { paths: &["/account"], name: "Your account", icon: Glyph::User };

/// What is for administrators.
const ADMINISTRATION: [Area; 3] = [
    Area { paths: &["/users"], name: "Users", icon: Glyph::Users },
    Area { paths: &["/audit"], name: "Audit", icon: Glyph::Audit },
    Area { paths: &["/settings"], name: "Settings", icon: Glyph::Settings },
];

impl Area {
    /// Whether a path belongs to it.
    fn holds(&self, path: &str) -> bool {
        self.paths.iter().any(|own| path == *own || (*own != "/" && path.strip_prefix(own).is_some_and(|rest| rest.starts_with('/'))))
    }
}

/// The frame around a page.
#[component]
pub fn Frame(
    /// Who is signed in.
    viewer: Viewer,
    /// `light`, `dark`, or nothing for as the system has it.
    theme: RwSignal<String>,
    /// The page.
    children: Children,
) -> impl IntoView {
    let Viewer { name, role, version, failing, .. } = viewer;
    let menu = NodeRef::<html::Div>::new();
    let path = use_location().pathname;
    // On a phone the menu lies above the page: whoever has chosen from it wants to see the page.
    Effect::new(move |before: Option<()>| {
        path.track();
        if let (Some(()), Some(menu)) = (before, menu.get_untracked()) {
            // It refuses where it is not open, and then nothing has to be done.
            let _ = menu.hide_popover();
        }
    });
    let manage = [DESTINATIONS, KEYS].into_iter().chain(ADMINISTRATION.into_iter().filter(move |_| role >= Role::Administrator));
    view! {
        // The browser's own jump, because it takes the keyboard along.
        <a class="skip" href="#main" rel="external">"Skip to the contents"</a>
        <div class="frame">
            <header class="side">
                <a class="brand" href="/"><Icon name=Glyph::Rookery/>"Rookery"</a>
                <nav class="areas main" aria-label="Main">
                    {MAIN
                        .into_iter()
                        .map(|area| {
                            let failing = if area.paths[0] == "/runs" { failing } else { 0 };
                            view! { <AreaLink area failing/> }
                        })
                        .collect_view()}
                </nav>
                <button class="menu-button" type="button" popovertarget="menu" aria-label="Menu"><Icon name=Glyph::User/></button>
                <div class="menu" id="menu" popover="auto" node_ref=menu>
                    <nav class="areas" aria-label="Manage">
                        <p>"Manage"</p>
                        {manage.map(|area| view! { <AreaLink area/> }).collect_view()}
                    </nav>
                    <div class="whoami">
                        <ThemeSwitch theme/>
                        <a class="who" href=ACCOUNT.paths[0] aria-current=move || ACCOUNT.holds(&path.read()).then_some("page")>
                            <Icon name=Glyph::User/>
                            <span>{name}<small>{role.as_str()}</small></span>
                        </a>
                        // Not an action of the page's scripts: what they hold in memory has to go, too.
                        <form method="post" action="/api/sign_out">
                            <button class="button ghost" type="submit"><Icon name=Glyph::Leave/>"Sign out"</button>
                        </form>
                        <p class="version">"Rookery "{version}</p>
                    </div>
                </div>
            </header>
            <main id="main" tabindex="-1">{children()}</main>
        </div>
    }
}

#[component]
fn AreaLink(area: Area, #[prop(optional)] failing: u64) -> impl IntoView {
    let path = use_location().pathname;
    let count = (failing > 0).then(|| {
        view! { <span class="failing">{display::count(failing)}<span class="unseen">" failing"</span></span> }
    });
    view! {
        <a href=area.paths[0] aria-current=move || area.holds(&path.read()).then_some("page")>
            <Icon name=area.icon/>
            <span>{area.name}</span>
            {count}
        </a>
    }
}

/// Light, dark, or as the system has it: a form, so that it works without scripts.
#[component]
pub fn ThemeSwitch(
    /// The one that is chosen.
    theme: RwSignal<String>,
) -> impl IntoView {
    let action = ServerAction::<ChooseTheme>::new();
    Effect::new(move |_| {
        if let Some(chosen) = action.input().get() {
            theme.set(chosen.theme);
        }
    });
    let choices = THEMES.map(|(value, word)| {
        let icon = match value {
            "light" => Glyph::Sun,
            "dark" => Glyph::Moon,
            _ => Glyph::Screen,
        };
        let pressed = move || if theme.read().as_str() == value { "true" } else { "false" };
        view! {
            <button type="submit" name="theme" value=value aria-pressed=pressed title=word>
                <Icon name=icon/>
                <span class="unseen">{word}</span>
            </button>
        }
    });
    view! {
        <ActionForm action attr:class="theme">
            <fieldset>
                <legend class="unseen">"Colours"</legend>
                {choices.collect_view()}
            </fieldset>
        </ActionForm>
    }
}
