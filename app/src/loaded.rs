//! What a page shows of something that had to be loaded.

use crate::{api::Failure, components::Problem};
use leptos::prelude::*;

/// Shows what a resource loaded, or why it could not be. While it is loaded again, what was there stays.
pub fn loaded<T, V>(resource: Resource<Result<T, Failure>>, show: impl Fn(T) -> V + Clone + Send + Sync + 'static) -> impl IntoView
where
    T: Clone + Send + Sync + 'static,
    V: IntoView + Send + 'static,
{
    view! {
        <Transition>
            {move || {
                let show = show.clone();
                Suspend::new(async move {
                    match resource.await {
                        Ok(value) => show(value).into_any(),
                        Err(Failure(told)) => view! { <Problem told/> }.into_any(),
                    }
                })
            }}
        </Transition>
    }
}
