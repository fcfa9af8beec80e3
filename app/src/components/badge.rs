//! States: always a sign, a word and a colour together.

use super::{Glyph, Icon};
use domain::{
    Protection, RoundState, RunState,
    view::{backup::Verified, server::Tally},
};
use leptos::prelude::*;

/// What a state means, and so its colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    /// As it should be.
    Good,
    /// Somebody should look.
    Warn,
    /// Something is wrong.
    Bad,
    /// Under way.
    Busy,
    /// Neither.
    #[default]
    Calm,
}

impl Tone {
    /// Its class in the style.
    #[must_use]
    pub fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Warn => "warn",
            Self::Bad => "bad",
            Self::Busy => "busy",
            Self::Calm => "calm",
        }
    }

    /// Its sign.
    #[must_use]
    pub fn glyph(self) -> Glyph {
        match self {
            Self::Good => Glyph::Check,
            Self::Warn => Glyph::Alert,
            Self::Bad => Glyph::Cross,
            Self::Busy => Glyph::Busy,
            Self::Calm => Glyph::Dash,
        }
    }
}

/// A state in a word or two.
#[component]
pub fn Badge(
    /// What it means.
    tone: Tone,
    /// The word.
    #[prop(into)]
    text: String,
    /// Another sign than that of the tone.
    #[prop(optional, into)]
    icon: Option<Glyph>,
) -> impl IntoView {
    view! {
        <span class=format!("badge {}", tone.class())>
            <Icon name=icon.unwrap_or(tone.glyph())/>
            {text}
        </span>
    }
}

/// A plain property, such as `logical`.
#[component]
pub fn Tag(
    /// The word.
    #[prop(into)]
    text: String,
    /// A sign before it.
    #[prop(optional, into)]
    icon: Option<Glyph>,
) -> impl IntoView {
    view! { <span class="tag">{icon.map(|name| view! { <Icon name/> })}{text}</span> }
}

/// How safe a database is.
#[component]
pub fn ProtectionBadge(
    /// How safe.
    protection: Protection,
) -> impl IntoView {
    let (tone, text) = match protection {
        Protection::Protected => (Tone::Good, "Protected"),
        Protection::Overdue { .. } => (Tone::Warn, "Overdue"),
        Protection::Never => (Tone::Bad, "Never backed up"),
        Protection::Uncovered => (Tone::Calm, "No task"),
    };
    view! { <Badge tone text/> }
}

/// How safe the databases of a server are: the worst that is true, with its count.
#[component]
pub fn TallyBadge(
    /// How many are how safe.
    tally: Tally,
    /// Whether there is little room.
    #[prop(optional)]
    short: bool,
) -> impl IntoView {
    let total = tally.total();
    let (tone, text) = match tally {
        _ if total == 0 => (Tone::Calm, "No databases".into()),
        Tally { never: 1.., .. } => (Tone::Bad, format!("{} never{}", tally.never, if short { "" } else { " backed up" })),
        Tally { overdue: 1.., .. } => (Tone::Warn, format!("{} overdue", tally.overdue)),
        Tally { uncovered: 1.., .. } if tally.uncovered == total => (Tone::Calm, "No task yet".into()),
        Tally { uncovered: 1.., .. } => (Tone::Calm, format!("{} of {total}", tally.protected)),
        _ => (Tone::Good, format!("{total} of {total}")),
    };
    view! { <Badge tone text/> }
}

/// Where a run is in its life.
#[component]
pub fn RunBadge(
    /// Where.
    state: RunState,
) -> impl IntoView {
    let (tone, icon, text) = match state {
        RunState::Queued => (Tone::Calm, Glyph::Clock, "Waiting"),
        RunState::Running => (Tone::Busy, Glyph::Busy, "Running"),
        RunState::Succeeded => (Tone::Good, Glyph::Check, "Succeeded"),
        RunState::Failed => (Tone::Bad, Glyph::Cross, "Failed"),
        RunState::Aborted => (Tone::Warn, Glyph::Stop, "Aborted"),
        RunState::Interrupted => (Tone::Warn, Glyph::Alert, "Interrupted"),
    };
    view! { <Badge tone text icon/> }
}

/// What a round's state means.
pub(super) fn round_tone(state: RoundState) -> (Tone, Glyph, &'static str) {
    match state {
        RoundState::Preparing => (Tone::Busy, Glyph::Busy, "Preparing"),
        RoundState::Running => (Tone::Busy, Glyph::Busy, "Running"),
        RoundState::Succeeded => (Tone::Good, Glyph::Check, "Succeeded"),
        RoundState::Partly => (Tone::Warn, Glyph::Alert, "Partly"),
        RoundState::Failed => (Tone::Bad, Glyph::Cross, "Failed"),
        RoundState::Aborted => (Tone::Warn, Glyph::Stop, "Aborted"),
        RoundState::Skipped => (Tone::Calm, Glyph::Dash, "Skipped"),
    }
}

/// Where a round is in its life.
#[component]
pub fn RoundBadge(
    /// Where.
    state: RoundState,
) -> impl IntoView {
    let (tone, icon, text) = round_tone(state);
    view! { <Badge tone text icon/> }
}

/// How far a backup is proven.
#[component]
pub fn VerifiedBadge(
    /// How far.
    verified: Verified,
) -> impl IntoView {
    let (tone, icon, text) = match verified {
        Verified::Checked { .. } => (Tone::Good, Glyph::Check, "Checked"),
        Verified::Proven { .. } => (Tone::Good, Glyph::Shield, "Proven"),
        Verified::Untrusted => (Tone::Warn, Glyph::Alert, "Unknown signer"),
        Verified::Damaged => (Tone::Bad, Glyph::Cross, "Damaged"),
    };
    view! { <Badge tone text icon/> }
}
