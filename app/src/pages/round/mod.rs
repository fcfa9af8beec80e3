//! A round: how it stands, live while it runs, and its report after.

mod actions;
mod board;
mod follow;
mod log;
mod report;
mod row;
mod runs;
mod table;
pub mod words;

pub use follow::Following;
pub use log::Log;
pub use report::Reason;
pub use runs::renew;
pub use table::RoundTable;

use crate::{
    address::param,
    api::round::{AbortRound, DelayRound, RetryFailed, round},
    loaded::loaded_page,
};
use board::Board;
use domain::RoundId;
use leptos::prelude::*;

/// A round.
#[component]
pub fn RoundPage() -> impl IntoView {
    let id = param::<RoundId>("id");
    let abort = ServerAction::<AbortRound>::new();
    let retry = ServerAction::<RetryFailed>::new();
    let delay = ServerAction::<DelayRound>::new();
    let view = Resource::new_blocking(
        move || (id.get(), abort.version().get(), retry.version().get(), delay.version().get()),
        |(id, ..)| async move { round(id?).await },
    );
    loaded_page(view, move |view| view! { <Board view abort retry delay/> }.into_any())
}
