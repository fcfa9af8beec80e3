//! Every address with the page that answers it.

use crate::{keyring, pages, shell};
use leptos::prelude::*;
use leptos_meta::{Title, provide_meta_context};
use leptos_router::{
    SsrMode,
    any_nested_route::{AnyNestedRoute, IntoAnyNestedRoute},
    components::{Outlet, ParentRoute, Route, Router, Routes},
    path,
};

/// Paths that answer whoever is not signed in; all others lead to `/sign-in` first.
pub const OPEN: [&str; 2] = ["/sign-in", "/setup"];

/// The paths of all pages, for the server's router.
#[cfg(feature = "ssr")]
#[must_use]
pub fn paths() -> Vec<leptos_axum::AxumRouteListing> {
    leptos_axum::generate_route_list(|| App().into_any())
}

/// The whole of the browser's part. Every page is rendered at once when all that it shows is there, so that it can be read
/// without scripts.
#[component]
pub fn App() -> impl IntoView {
    provide_meta_context();
    shell::provide_visit();
    shell::provide_redirects();
    keyring::provide();
    view! {
        <Title formatter=|title: String| if title.is_empty() { "Rookery".into() } else { format!("{title} – Rookery") }/>
        <Router>
            <Routes fallback=pages::missing::Missing>
                <Route path=path!("/sign-in") view=pages::sign_in::SignIn ssr=SsrMode::Async/>
                <Route path=path!("/setup") view=pages::setup::Setup ssr=SsrMode::Async/>
                <ParentRoute path=path!("") view=Framed ssr=SsrMode::Async>
                    <Route path=path!("") view=pages::overview::Overview ssr=SsrMode::Async/>
                    <Servers/>
                    <Work/>
                    <Places/>
                    <Console/>
                </ParentRoute>
            </Routes>
        </Router>
    }
}

#[component]
fn Framed() -> impl IntoView {
    view! {
        <shell::Page>
            <Outlet/>
        </shell::Page>
    }
}

#[component(transparent)]
fn Servers() -> AnyNestedRoute {
    view! {
        <Route path=path!("/servers") view=pages::servers::Servers ssr=SsrMode::Async/>
        <Route path=path!("/servers/new") view=pages::servers::ServerNew ssr=SsrMode::Async/>
        <Route path=path!("/servers/:id") view=pages::servers::ServerPage ssr=SsrMode::Async/>
        <Route path=path!("/servers/:id/databases") view=pages::servers::ServerDatabases ssr=SsrMode::Async/>
        <Route path=path!("/servers/:id/rounds") view=pages::servers::ServerRounds ssr=SsrMode::Async/>
        <Route path=path!("/servers/:id/slots") view=pages::servers::ServerSlots ssr=SsrMode::Async/>
        <Route path=path!("/servers/:id/slots/:slot") view=pages::servers::SlotPage ssr=SsrMode::Async/>
        <Route path=path!("/servers/:id/settings") view=pages::servers::ServerSettings ssr=SsrMode::Async/>
    }
    .into_inner()
    .into_any_nested_route()
}

#[component(transparent)]
fn Work() -> AnyNestedRoute {
    view! {
        <Route path=path!("/servers/:id/tasks/new") view=pages::task::TaskNew ssr=SsrMode::Async/>
        <Route path=path!("/servers/:id/backup") view=pages::task::TaskOnce ssr=SsrMode::Async/>
        <Route path=path!("/tasks/:id/duplicate") view=pages::task::TaskCopy ssr=SsrMode::Async/>
        <Route path=path!("/tasks/:id") view=pages::task::TaskPage ssr=SsrMode::Async/>
        <Route path=path!("/tasks/:id/edit") view=pages::task::TaskEdit ssr=SsrMode::Async/>
        <Route path=path!("/tasks/:id/retention") view=pages::task::TaskRetention ssr=SsrMode::Async/>
        <Route path=path!("/rounds/:id") view=pages::round::RoundPage ssr=SsrMode::Async/>
        <Route path=path!("/runs") view=pages::run::Runs ssr=SsrMode::Async/>
        <Route path=path!("/runs/:id") view=pages::run::RunPage ssr=SsrMode::Async/>
    }
    .into_inner()
    .into_any_nested_route()
}

#[component(transparent)]
fn Places() -> AnyNestedRoute {
    view! {
        <Route path=path!("/backups") view=pages::backups::Backups ssr=SsrMode::Async/>
        <Route path=path!("/backups/:destination") view=pages::backups::RootPage ssr=SsrMode::Async/>
        <Route path=path!("/backups/:destination/:database") view=pages::backups::FolderPage ssr=SsrMode::Async/>
        <Route path=path!("/backups/:destination/:database/verify") view=pages::backups::VerifyPage ssr=SsrMode::Async/>
        <Route path=path!("/backups/:destination/:database/download") view=pages::backups::DownloadPage ssr=SsrMode::Async/>
        <Route path=path!("/backups/:destination/:database/hold") view=pages::backups::HoldPage ssr=SsrMode::Async/>
        <Route path=path!("/restore") view=pages::restore::Restore ssr=SsrMode::Async/>
        <Route path=path!("/destinations") view=pages::destinations::Destinations ssr=SsrMode::Async/>
        <Route path=path!("/destinations/new") view=pages::destinations::DestinationNew ssr=SsrMode::Async/>
        <Route path=path!("/destinations/:id") view=pages::destinations::DestinationPage ssr=SsrMode::Async/>
        <Route path=path!("/keys") view=pages::keys::Keys ssr=SsrMode::Async/>
        <Route path=path!("/keys/new") view=pages::keys::KeyNew ssr=SsrMode::Async/>
        <Route path=path!("/keys/:id") view=pages::keys::KeyPage ssr=SsrMode::Async/>
    }
    .into_inner()
    .into_any_nested_route()
}

#[component(transparent)]
fn Console() -> AnyNestedRoute {
    view! {
        <Route path=path!("/users") view=pages::users::Users ssr=SsrMode::Async/>
        <Route path=path!("/account") view=pages::account::Account ssr=SsrMode::Async/>
        <Route path=path!("/audit") view=pages::audit::Audit ssr=SsrMode::Async/>
        <Route path=path!("/settings") view=pages::settings::Settings ssr=SsrMode::Async/>
    }
    .into_inner()
    .into_any_nested_route()
}
