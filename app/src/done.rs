//! What an action has done.

use crate::api::Failure;
use leptos::prelude::*;

/// How often an action has succeeded on this page. What depends on it is made anew after a success and left alone after a
/// failure, so that nothing typed is lost.
pub fn successes<T: Send + Sync + 'static>(answer: impl Into<Signal<Option<Result<T, Failure>>>>) -> Memo<u64> {
    let answer = answer.into();
    Memo::new(move |before: Option<&u64>| before.copied().unwrap_or(0) + u64::from(answer.with(|answer| matches!(answer, Some(Ok(_))))))
}

/// Shows something, and makes it anew when the key changes: a view that is only shown again keeps what was typed into it.
pub fn anew<K, V>(key: impl Fn() -> K + Send + Sync + 'static, show: impl Fn() -> V + Clone + Send + 'static) -> impl IntoView
where
    K: Clone + Eq + std::hash::Hash + Send + Sync + 'static,
    V: IntoView + 'static,
{
    view! { <For each=move || [key()] key=K::clone children=move |_| show()/> }
}
