//! The step that asks when.

use super::{
    draft::Draft,
    fields::fault,
    when::{Every, NAMES, Names, UNCLEAR, WEEKDAYS, When},
};
use crate::components::{Button, Choice, Choices, Field, Select, viewer_zone};
use domain::{BackupKind, form::is_on, view::task::TaskPreview};
use leptos::prelude::*;

/// Expressions that are proposed to whoever writes one.
const PROPOSED: [(&str, &str); 5] = [
    ("0 * * * *", "every hour"),
    ("*/15 * * * *", "every 15 minutes"),
    ("0 */6 * * *", "every 6 hours"),
    ("0 22 * * 1-5", "on workdays at 22:00"),
    ("0 2 1,15 * *", "twice a month"),
];

/// How often for each kind, at what time, in which zone, and how long chains may grow.
#[component]
pub(super) fn Times(draft: Memo<Draft>, preview: RwSignal<TaskPreview>) -> impl IntoView {
    let form = draft.read_untracked().form();
    let zones = preview.read_untracked().time_zones.clone();
    let catch_up = is_on(&form.catch_up);
    let proposed = PROPOSED.into_iter().map(|(cron, words)| view! { <option value=cron>{words}</option> });
    view! {
        {NAMES.iter().map(|names| view! { <Often names draft preview/> }).collect_view()}
        <datalist id="crons">{proposed.collect_view()}</datalist>
        <div class="zone-field">
            <Field label="Time zone" name="time_zone" value=form.time_zone error=fault("time_zone", draft, preview) list="zones"/>
            <datalist id="zones">{zones.into_iter().map(|zone| view! { <option value=zone></option> }).collect_view()}</datalist>
            <Here draft preview/>
        </div>
        <Chains incrementals=form.chain_incrementals days=form.chain_days draft preview/>
        <Choices legend="When the console did not run at that time" id="catch-up">
            <Choice name="catch_up" value="on" checked=catch_up title="Make up for it" text="One run, as soon as the console is back; a full one, if a full one was missed."/>
            <Choice name="catch_up" value="off" checked=!catch_up title="Leave it out" text="Wait for the next time."/>
        </Choices>
    }
}

/// The choice that most people make, or an expression. Which fields are seen follows the choice by style alone, so that it
/// works without scripts; the address gets the expression that they mean.
#[component]
fn Often(names: &'static Names, draft: Memo<Draft>, preview: RwSignal<TaskPreview>) -> impl IntoView {
    let kind = names.kind;
    let When { every, at, weekday, day } = draft.read_untracked().when(kind);
    let cron = draft.read_untracked().cron(kind);
    let cron = if cron == UNCLEAR { String::new() } else { cron };
    let fault = fault(names.cron, draft, preview);
    // Each mistake is told where it is mended: at the expression, at the time, or at the choice.
    let chosen = Memo::new(move |_| draft.read().when(kind).every);
    let error = move |of: fn(Every) -> bool| Signal::derive(move || fault.get().filter(|_| of(chosen.get())));
    let choices =
        Every::ALL.into_iter().map(move |one| view! { <Choice name=names.every value=one.word() checked=one == every title=one.title()/> });
    let days = WEEKDAYS.into_iter().map(|(number, name)| (number.to_owned(), name.to_owned())).collect::<Vec<_>>();
    let legend = if kind == BackupKind::Full { "Full backups" } else { "Incremental backups" };
    let words = move || {
        let preview = preview.read();
        let words = if kind == BackupKind::Full { &preview.full } else { &preview.incremental };
        words.clone().map(|words| view! { {words} " · " <code>{draft.read().cron(kind)}</code> })
    };
    view! {
        <div class="when stack" role="group" aria-label=format!("When {} are made", legend.to_lowercase())>
            <Choices legend row=true id=names.every error=error(|every| matches!(every, Every::Never | Every::Hour))>
                {choices.collect_view()}
            </Choices>
            <div class="row when-fields">
                <div class="weekly"><Select label="Weekday" name=names.weekday value=weekday options=days/></div>
                <div class="monthly"><Field label="Day of the month" name=names.day value=day kind="number"/></div>
                <div class="clock">
                    <Field
                        label="Time"
                        name=names.at
                        value=at
                        kind="time"
                        error=error(|every| matches!(every, Every::Day | Every::Week | Every::Month))
                    />
                </div>
                <div class="by-hand">
                    <Field
                        label="Cron expression"
                        name=names.cron
                        value=cron
                        code=true
                        list="crons"
                        error=error(|every| every == Every::Cron)
                        hint="Minute, hour, day of the month, month, weekday: five fields"
                    />
                </div>
            </div>
            <p class="hint" aria-live="polite">{words}</p>
        </div>
    }
}

/// How long a chain may grow before the next backup is a full one, whatever is scheduled.
#[component]
fn Chains(incrementals: String, days: String, draft: Memo<Draft>, preview: RwSignal<TaskPreview>) -> impl IntoView {
    view! {
        <fieldset class="field">
            <legend>"A new full backup at the latest"</legend>
            <div class="row when-fields chain-fields">
                <Field
                    label="After incrementals"
                    name="chain_incrementals"
                    value=incrementals
                    kind="number"
                    placeholder="no limit"
                    error=fault("chain_incrementals", draft, preview)
                />
                <Field
                    label="After days"
                    name="chain_days"
                    value=days
                    kind="number"
                    placeholder="no limit"
                    error=fault("chain_days", draft, preview)
                />
            </div>
            <p class="hint">"A restore reads the full backup and every incremental after it, so that a chain that never ends takes ever longer. Empty sets no limit."</p>
        </fieldset>
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
