//! Putting the next time of a task off, and back.

use crate::{
    api::task::DelayTask,
    components::{Button, ButtonKind, Glyph, Hidden, Icon, Select},
};
use domain::{TaskId, view::task::TaskLine};
use jiff::Timestamp;
use leptos::prelude::*;

/// How long something can be put off for: minutes, and how people say it.
const DELAYS: [(&str, &str); 6] = [
    ("15", "15 minutes"),
    ("60", "1 hour"),
    ("180", "3 hours"),
    ("720", "12 hours"),
    ("1440", "until tomorrow, 1 day"),
    ("2880", "2 days"),
];

/// Asks for how long, in a field named `minutes`. Stands inside of the form that puts something off.
#[component]
pub fn HowLong(
    /// What it means, a sentence or two.
    text: &'static str,
    /// What the form carries along.
    values: Vec<(&'static str, String)>,
    /// Whether it is being put off at the moment.
    #[prop(into)]
    busy: Signal<bool>,
) -> impl IntoView {
    let options = DELAYS.map(|(minutes, words)| (minutes.to_owned(), words.to_owned())).to_vec();
    view! {
        <p>{text}</p>
        <Hidden values/>
        <Select label="For how long" name="minutes" value="60" options/>
        <div class="actions"><Button busy>"Put it off"</Button></div>
    }
}

/// Puts the next time off; if that was done already, also back.
#[component]
pub fn PutOff(
    /// The task.
    line: TaskLine,
    /// Does it.
    delay: ServerAction<DelayTask>,
) -> impl IntoView {
    let (id, is_put_off) = (line.id, line.put_off_from.is_some());
    line.next.map(|next| {
        let carried = move || carried(id, next.at);
        view! {
            {is_put_off
                .then(|| {
                    let values = [carried(), vec![("minutes", "0".to_owned())]].concat();
                    view! {
                        <ActionForm action=delay>
                            <Hidden values/>
                            <Button kind=ButtonKind::Ghost icon=Glyph::Clock busy=delay.pending()>"Put back"</Button>
                        </ActionForm>
                    }
                })}
            <details class="ask">
                <summary class="button ghost"><Icon name=Glyph::Clock/>"Put off"</summary>
                <ActionForm action=delay attr:class="stack tight">
                    <HowLong
                        text="The next round begins later, and is full if a full one is due until then."
                        values=carried()
                        busy=delay.pending()
                    />
                </ActionForm>
            </details>
        }
    })
}

/// Which task, and the time that whoever asks looks at.
fn carried(id: TaskId, due: Timestamp) -> Vec<(&'static str, String)> {
    vec![("task", id.to_string()), ("due", due.to_string())]
}
