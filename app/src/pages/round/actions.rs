//! What can be done with a round.

use crate::{
    api::round::{AbortRound, DelayRound, RetryFailed},
    components::{Button, ButtonKind, Glyph, Hidden, Icon},
    pages::task::HowLong,
};
use domain::RoundId;
use leptos::prelude::*;

/// Stops the round; asks once, because hours of work may be lost.
#[component]
pub fn StopRound(
    /// Which.
    id: RoundId,
    /// Stops it.
    abort: ServerAction<AbortRound>,
) -> impl IntoView {
    view! {
        <details class="ask">
            <summary class="button danger"><Icon name=Glyph::Stop/>"Abort round"</summary>
            <ActionForm action=abort attr:class="stack tight">
                <p>"What is running or waiting stops, and nothing half-made is kept. What is backed up already stays."</p>
                <Hidden values=vec![("round", id.to_string())]/>
                <div class="actions"><Button kind=ButtonKind::Danger busy=abort.pending()>"Abort it"</Button></div>
            </ActionForm>
        </details>
    }
}

/// Puts off what is not done yet.
#[component]
pub fn PutOffRound(
    /// Which.
    id: RoundId,
    /// Does it.
    delay: ServerAction<DelayRound>,
) -> impl IntoView {
    view! {
        <details class="ask">
            <summary class="button"><Icon name=Glyph::Clock/>"Put off"</summary>
            <ActionForm action=delay attr:class="stack tight">
                <HowLong
                    text="What is running stops, nothing half-made is kept, and it waits with the rest. What is backed up already stays."
                    values=vec![("round", id.to_string())]
                    busy=delay.pending()
                />
            </ActionForm>
        </details>
    }
}

/// Does what went wrong again.
#[component]
pub fn RetryRound(
    /// Which.
    id: RoundId,
    /// Does it.
    retry: ServerAction<RetryFailed>,
) -> impl IntoView {
    view! {
        <ActionForm action=retry>
            <Hidden values=vec![("round", id.to_string())]/>
            <Button kind=ButtonKind::Primary icon=Glyph::Refresh busy=retry.pending()>"Retry what went wrong"</Button>
        </ActionForm>
    }
}
