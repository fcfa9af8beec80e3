//! The step that asks when.

use super::{
    draft::Draft,
    fields::fault,
    when::{Every, WEEKDAYS, When},
};
use crate::components::{Button, Choice, Choices, Field, Select, viewer_zone};
use domain::{form::is_on, view::task::TaskPreview};
use leptos::prelude::*;

/// Expressions that are proposed to whoever writes one.
const PROPOSED: [(&str, &str); 5] = [
    ("0 * * * *", "every hour"),
    ("*/15 * * * *", "every 15 minutes"),
    ("0 */6 * * *", "every 6 hours"),
    ("0 22 * * 1-5", "on workdays at 22:00"),
    ("0 2 1,15 * *", "twice a month"),
];

/// How often, at what time, in which zone.
#[component]
pub(super) fn Times(draft: Memo<Draft>, preview: RwSignal<TaskPreview>) -> impl IntoView {
    let (form, when) = (draft.read_untracked().form(), draft.read_untracked().when());
    let zones = preview.read_untracked().time_zones.clone();
    let catch_up = is_on(&form.catch_up);
    view! {
        <Often when cron=form.cron draft preview/>
        <div class="zone-field">
            <Field label="Time zone" name="time_zone" value=form.time_zone error=fault("time_zone", draft, preview) list="zones"/>
            <datalist id="zones">{zones.into_iter().map(|zone| view! { <option value=zone></option> }).collect_view()}</datalist>
            <Here draft preview/>
        </div>
        <Choices legend="When the console did not run at that time" id="catch-up">
            <Choice name="catch_up" value="on" checked=catch_up title="Make up for it" text="One run, as soon as the console is back."/>
            <Choice name="catch_up" value="off" checked=!catch_up title="Leave it out" text="Wait for the next time."/>
        </Choices>
    }
}

/// The choice that most people make, or an expression. Which fields are seen follows the choice by style alone, so that it
/// works without scripts; the address gets the expression that they mean.
#[component]
fn Often(when: When, cron: String, draft: Memo<Draft>, preview: RwSignal<TaskPreview>) -> impl IntoView {
    let When { every, at, weekday, day } = when;
    let fault = fault("cron", draft, preview);
    let by_hand = Memo::new(move |_| draft.read().when().every == Every::Cron);
    let error = move |of_cron: bool| Signal::derive(move || fault.get().filter(|_| by_hand.get() == of_cron));
    let choices =
        Every::ALL.into_iter().map(move |one| view! { <Choice name="every" value=one.word() checked=one == every title=one.title()/> });
    let days = WEEKDAYS.into_iter().map(|(number, name)| (number.to_owned(), name.to_owned())).collect::<Vec<_>>();
    let proposed = PROPOSED.into_iter().map(|(cron, words)| view! { <option value=cron>{words}</option> });
    let words = move || preview.read().schedule.clone().map(|words| view! { {words} " · " <code>{draft.read().form().cron}</code> });
    view! {
        <div class="when stack">
            <Choices legend="How often" row=true id="often">{choices.collect_view()}</Choices>
            <div class="row when-fields">
                <div class="weekly"><Select label="Weekday" name="weekday" value=weekday options=days/></div>
                <div class="monthly"><Field label="Day of the month" name="day" value=day kind="number"/></div>
                <div class="clock"><Field label="Time" name="at" value=at kind="time" error=error(false)/></div>
                <div class="by-hand">
                    <Field
                        label="Cron expression"
                        name="cron"
                        value=cron
                        code=true
                        list="crons"
                        error=error(true)
                        hint="Minute, hour, day of the month, month, weekday: five fields"
                    />
                    <datalist id="crons">{proposed.collect_view()}</datalist>
                </div>
            </div>
            <p class="hint" aria-live="polite">{words}</p>
        </div>
    }
}

/// Proposes the zone of whoever looks, where it is another one.
#[component]
fn Here(draft: Memo<Draft>, preview: RwSignal<TaskPreview>) -> impl IntoView {
    let zone = viewer_zone();
    let other = move || zone.get().filter(|zone| draft.read().form().time_zone != *zone && preview.read().time_zones.contains(zone));
    move || {
        other().map(|zone| {
            view! { <Button name="time_zone" value=zone.clone()>{format!("Use {zone}, where you are")}</Button> }
        })
    }
}
