//! What a page shows of something that had to be loaded.

use crate::{
    api::Failure,
    components::{PageHead, Problem},
};
use domain::Told;
use leptos::prelude::*;

/// Shows what a resource loaded, or why it could not be. While it is loaded again, what was there stays.
pub fn loaded<T, V>(resource: Resource<Result<T, Failure>>, show: impl Fn(T) -> V + Clone + Send + Sync + 'static) -> impl IntoView
where
    T: Clone + Send + Sync + 'static,
    V: IntoView + Send + 'static,
{
    shown(resource, move |value| show(value).into_any(), |told| view! { <Problem told/> }.into_any())
}

/// The same for all of a page, its head included: why it could not be loaded is the page's answer then.
pub fn loaded_page<T, V>(resource: Resource<Result<T, Failure>>, show: impl Fn(T) -> V + Clone + Send + Sync + 'static) -> impl IntoView
where
    T: Clone + Send + Sync + 'static,
    V: IntoView + Send + 'static,
{
    shown(
        resource,
        move |value| show(value).into_any(),
        |told| view! { <PageHead title=told.sentence><p>{told.next_step}</p></PageHead> }.into_any(),
    )
}

fn shown<T: Clone + Send + Sync + 'static>(
    resource: Resource<Result<T, Failure>>,
    show: impl Fn(T) -> AnyView + Clone + Send + Sync + 'static,
    refuse: fn(Told) -> AnyView,
) -> impl IntoView {
    view! {
        <Transition>
            {move || {
                let show = show.clone();
                Suspend::new(async move {
                    match resource.await {
                        Ok(value) => show(value),
                        Err(Failure(told)) => refuse(told),
                    }
                })
            }}
        </Transition>
    }
}
