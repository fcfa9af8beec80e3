//! Runs: the list of all, and one of them.

mod compared;
mod facts;
mod list;
mod one;
mod words;

pub use list::Runs;

use crate::{
    address::param,
    api::run::{AbortRun, DelayRun, run},
    loaded::loaded_page,
};
use domain::RunId;
use leptos::prelude::*;
use one::One;

/// A run: a backup of one database, a restore or a verification.
#[component]
pub fn RunPage() -> impl IntoView {
    let id = param::<RunId>("id");
    let abort = ServerAction::<AbortRun>::new();
    let delay = ServerAction::<DelayRun>::new();
    let view =
        Resource::new_blocking(move || (id.get(), abort.version().get(), delay.version().get()), |(id, ..)| async move { run(id?).await });
    loaded_page(view, move |view| view! { <One view abort delay/> }.into_any())
}
