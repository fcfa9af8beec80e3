//! The document, and what every page shares: who looks, and where to go when nobody does.

use crate::components::Frame;
use domain::view::Viewer;
use leptos::prelude::*;

/// The theme that is shown: `light`, `dark`, or nothing for the system's.
#[derive(Clone, Copy)]
struct Theme(RwSignal<String>);

/// Hands over to the browser what the server knows before any page begins: who looks, as context for whoever needs it, and
/// the theme. Known from the first moment on both sides, so that nothing has to wait for it.
pub(crate) fn provide_visit() {
    let known = SharedValue::new(|| {
        #[cfg(feature = "ssr")]
        return use_context::<crate::api::Visit>().map(|visit| (visit.viewer, visit.theme.unwrap_or_default().to_owned()));
        #[cfg(not(feature = "ssr"))]
        None::<(Option<Viewer>, String)>
    });
    let (viewer, theme) = known.into_inner().unwrap_or_default();
    if let Some(viewer) = viewer {
        provide_context::<Viewer>(viewer);
    }
    let theme = RwSignal::new(theme);
    Effect::new(move |_| show_theme(&theme.read()));
    provide_context(Theme(theme));
}

/// The theme that is shown, to be changed where one is chosen: `light`, `dark`, or nothing for the system's.
pub(crate) fn theme() -> RwSignal<String> {
    use_context::<Theme>().map_or_else(RwSignal::default, |Theme(theme)| theme)
}

/// What stands around every page of somebody who is signed in.
#[component]
pub(crate) fn Page(
    /// The page.
    children: Children,
) -> impl IntoView {
    match use_context::<Viewer>() {
        Some(viewer) => view! { <Frame viewer theme=theme()>{children()}</Frame> }.into_any(),
        // The server lets nobody come here without signing in; the browser may still be on its way there.
        None => view! { <main id="main">{children()}</main> }.into_any(),
    }
}

/// Shows a theme that was chosen, before any page is loaded anew.
fn show_theme(theme: &str) {
    #[cfg(feature = "hydrate")]
    if let Some(root) = document().document_element() {
        // Only a browser without attributes could refuse.
        let _ = if theme.is_empty() { root.remove_attribute("data-theme") } else { root.set_attribute("data-theme", theme) };
    }
    #[cfg(not(feature = "hydrate"))]
    let _ = theme;
}

/// Where the browser goes when a server function redirects: within the console without loading it anew, but to the page
/// for signing in by a fresh load, because what is on the screen is no longer anybody's.
pub(crate) fn provide_redirects() {
    #[cfg(feature = "hydrate")]
    browser::provide();
}

#[cfg(feature = "hydrate")]
pub(crate) use browser::sign_in_again;

#[cfg(feature = "hydrate")]
mod browser {
    use crate::address;
    use leptos::{prelude::*, server_fn::redirect::set_redirect_hook};
    use leptos_router::{
        hooks::use_location,
        location::{BrowserUrl, LocationProvider},
    };
    use std::cell::RefCell;

    thread_local! {
        /// Holds the router, once there is one.
        static ROOT: RefCell<Option<Owner>> = const { RefCell::new(None) };
    }

    /// Before the router sets its own hook; the first one stays.
    pub fn provide() {
        ROOT.set(Owner::current());
        let _ = set_redirect_hook(|to| {
            if to.starts_with("/sign-in") {
                sign_in_again();
            } else {
                in_router(|| BrowserUrl::redirect(to));
            }
        });
    }

    /// To the page for signing in, and afterwards back to the page that is open or on its way: the router knows that one
    /// before the browser's address does, and it carries all that a wizard holds.
    pub fn sign_in_again() {
        in_router(|| {
            let here = use_location();
            let next = match here.search.get_untracked() {
                search if search.is_empty() => here.pathname.get_untracked(),
                search => format!("{}?{search}", here.pathname.get_untracked()),
            };
            // Nothing is left to tell an error to; the page shows its own all the same.
            let _ = window().location().set_href(&address::with_pairs("/sign-in", [("next", next)]));
        });
    }

    fn in_router(act: impl FnOnce()) {
        let root = ROOT.with_borrow(Clone::clone);
        if let Some(root) = root {
            root.with(act);
        }
    }
}

#[cfg(feature = "ssr")]
pub use document::{Assets, document};

#[cfg(feature = "ssr")]
mod document {
    use crate::{api::Visit, routes::App};
    use leptos::{nonce::use_nonce, prelude::*};
    use leptos_meta::MetaTags;
    use std::sync::Arc;

    /// Paths of the files that make up the browser's part, with the hashes of their content in their names.
    #[derive(Clone, Debug, Default)]
    pub struct Assets {
        /// The script.
        pub script: Arc<str>,
        /// The module that it loads.
        pub module: Arc<str>,
        /// The style.
        pub style: Arc<str>,
    }

    /// The document around the pages. The theme is set before anything is painted, and the policy of the response allows no
    /// script but the one with its nonce and what that one loads. Its type ends here: those who serve it need not know it.
    pub fn document(assets: &Assets) -> AnyView {
        let theme = use_context::<Visit>().and_then(|visit| visit.theme);
        let nonce = use_nonce();
        let start = format!(
            "import start, {{ hydrate }} from {:?};\nawait start({{ module_or_path: {:?} }});\nhydrate();",
            &*assets.script, &*assets.module
        );
        view! {
            <!DOCTYPE html>
            <html lang="en" data-theme=theme>
                <head>
                    <meta charset="utf-8"/>
                    <meta name="viewport" content="width=device-width, initial-scale=1"/>
                    <meta name="color-scheme" content="light dark"/>
                    <link rel="icon" href="/favicon.svg" type="image/svg+xml"/>
                    <link rel="stylesheet" href=assets.style.to_string()/>
                    <link rel="modulepreload" href=assets.script.to_string() nonce=nonce.clone()/>
                    <link rel="preload" href=assets.module.to_string() r#as="fetch" r#type="application/wasm" crossorigin="anonymous"/>
                    <script type="module" nonce=nonce inner_html=start></script>
                    <MetaTags/>
                </head>
                <body>
                    <App/>
                </body>
            </html>
        }
        .into_any()
    }
}
