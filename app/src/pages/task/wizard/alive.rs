//! What scripts add to the wizard: it answers while one types.

use super::draft::Draft;
use crate::api::Failure;
use domain::{TaskForm, view::task::TaskPreview};
use leptos::{prelude::*, task::spawn_local, wasm_bindgen::JsCast, web_sys};
use leptos_router::{NavigateOptions, hooks::use_navigate};
use std::time::Duration;

/// How long typing may rest before what it means is asked for.
const REST: Duration = Duration::from_millis(300);

/// Keeps the preview true to what the address says: the first one came with the page, each newer one is asked for.
pub(super) fn follow<F>(
    draft: Memo<Draft>,
    first: TaskPreview,
    ask: impl Fn(TaskForm) -> F + Clone + Send + Sync + 'static,
) -> RwSignal<TaskPreview>
where
    F: Future<Output = Result<TaskPreview, Failure>> + 'static,
{
    let preview = RwSignal::new(first);
    let asked = StoredValue::new(0_u32);
    let form = Memo::new(move |_| draft.read().form());
    Effect::watch(
        move || form.get(),
        move |form, _, _| {
            let (question, answer) = (asked.get_value() + 1, ask(form.clone()));
            asked.set_value(question);
            spawn_local(async move {
                // An answer that comes after a newer question is not looked at; nor is a failure, because the last step asks
                // again, and whoever was signed out is on the way to sign in.
                if let Ok(newest) = answer.await
                    && asked.try_get_value() == Some(question)
                {
                    preview.set(newest);
                }
            });
        },
        false,
    );
    preview
}

/// Puts what is typed into the address, so that it is there after a reload and the preview follows it.
pub(super) fn typing(path: String, note: impl Fn(&str) + Send + Sync + 'static) -> impl FnMut(web_sys::Event) + 'static {
    let navigate = use_navigate();
    let mut rest = debounce(REST, move |form: web_sys::HtmlFormElement| {
        // Whoever has left the page meanwhile is not brought back.
        if !form.is_connected() {
            return;
        }
        let Ok(fields) = web_sys::FormData::new_with_form(&form) else { return };
        let Ok(query) = web_sys::UrlSearchParams::new_with_str_sequence_sequence(&fields) else { return };
        let search = String::from(query.to_string());
        note(&search);
        navigate(&format!("{path}?{search}"), NavigateOptions { replace: true, scroll: false, ..NavigateOptions::default() });
    });
    move |event| {
        let element = event.target().and_then(|target| target.dyn_into::<web_sys::Element>().ok());
        let form = element.and_then(|element| element.closest("form").ok().flatten()).and_then(|form| form.dyn_into().ok());
        if let Some(form) = form {
            rest(form);
        }
    }
}
