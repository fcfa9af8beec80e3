//! The wizard's page: the steps, the one that is filled in, and what the task will do.

use super::{
    FORM, Opened, Sending,
    alive::{follow, typing},
    aside::Aside,
    draft::Draft,
    fields::Fields,
    retention::follow_plan,
    review::Submit,
    step::Step,
};
use crate::{
    api::task::{preview_retention, preview_task},
    components::{Button, ButtonKind, Conflict, Glyph, Hidden, PageHead, StepLine, StepState, Steps},
};
use domain::view::task::TaskPreview;
use leptos::{html, prelude::*};
use leptos_router::{components::Form, hooks::use_location};

/// The wizard, opened.
#[component]
pub(super) fn Sheet(opened: Opened, send: Sending) -> impl IntoView {
    let Opened { server, path, once, task, base, version, preview, plan } = opened;
    let search = use_location().search;
    let draft = Memo::new({
        let base = base.clone();
        move |_| Draft::read(base.clone(), version, &search.read()).for_once(once)
    });
    let preview = follow(draft, preview, move |form| preview_task(task, form, once));
    let plan = follow_plan(draft, plan, move |form| preview_retention(task, form));
    let typed = StoredValue::new(None::<Draft>);
    let type_on = typing(path.clone(), move |search| {
        typed.set_value(Some(Draft::read(base.clone(), version, search).for_once(once)));
    });
    // Fields are drawn anew for another step, or when the address says something that was not typed into them.
    let drawn = Memo::new(move |before: Option<&(Step, u32)>| {
        let draft = draft.read();
        match before {
            Some(before) if before.0 == draft.step && typed.with_value(|typed| typed.as_ref() == Some(&*draft)) => *before,
            Some((_, times)) => (draft.step, times + 1),
            None => (draft.step, 0),
        }
    });
    let step = Memo::new(move |_| draft.read().step);
    let fields = move |(step, _)| view! { <Fields step draft preview plan/> };
    // The keyboard, and those who listen, go on with the question of the new step.
    let heading = NodeRef::<html::H2>::new();
    Effect::new(move |before: Option<Step>| {
        let (step, heading) = (step.get(), heading.get());
        // So they do when it turns out that somebody else changed the task meanwhile, which is said there.
        let conflict = before.is_none() && draft.read_untracked().version != version;
        if let Some(heading) = heading.filter(|_| conflict || before.is_some_and(|before| before != step)) {
            let _ = heading.focus();
        }
        step
    });
    let name = preview.with_untracked(|preview| name_of(&server.to_string(), preview));
    let (title, crumbs) = head(&name, server, task, &draft.read_untracked());
    let again = path.clone();
    let conflict = move || {
        let draft = draft.read();
        let newest = version.filter(|newest| draft.version != Some(*newest))?;
        let again = again.clone();
        Some(view! { <Conflict version=newest differences=differences(&draft, &preview.read()) again/> })
    };
    view! {
        <PageHead title crumbs/>
        <div class="wizard">
            // The key Enter presses the first button of a form: it goes on, and not back to the first step.
            <button
                class="unseen"
                type="submit"
                form=FORM
                name="step"
                value=move || step.get().next(once).unwrap_or(Step::Review).word()
                tabindex="-1"
                aria-hidden="true"
            ></button>
            {move || view! { <Steps steps=steps(&draft.read(), &preview.read()) form=FORM/> }}
            <div class="stack">
                <div on:input=type_on>
                    <Form method="GET" action=path attr:id=FORM attr:class="card">
                        {move || {
                            let step = step.get();
                            let carried = draft.read().carried(step);
                            view! { <Hidden values=[vec![("here", step.word().to_owned())], carried].concat()/> }
                        }}
                        {conflict}
                        <div class="body stack">
                            <div>
                                <h2 tabindex="-1" node_ref=heading>{move || step.get().question(once)}</h2>
                                <p class="dim">{move || step.get().explains(once)}</p>
                            </div>
                            <For each=move || [drawn.get()] key=|(step, times)| format!("{} {times}", step.word()) children=fields/>
                            <Ways step once/>
                        </div>
                    </Form>
                </div>
                {move || (step.get() == Step::Review).then(|| view! { <Submit task draft newest=version preview send/> })}
            </div>
            <aside>{move || view! { <Aside draft=draft.get() preview=preview.get()/> }}</aside>
        </div>
    }
}

/// Title and way of the page.
fn head(server_name: &str, server: domain::ServerId, task: Option<domain::TaskId>, draft: &Draft) -> (String, Vec<(String, String)>) {
    let mut crumbs = vec![("Servers".into(), "/servers".into()), (server_name.to_owned(), format!("/servers/{server}"))];
    let Some(task) = task else {
        return (if draft.once { "One-time backup" } else { "New server-wide backup task" }.into(), crumbs);
    };
    crumbs.push((draft.stored_name().to_owned(), format!("/tasks/{task}")));
    (format!("Edit {}", draft.stored_name()), crumbs)
}

/// The list of steps, each with its answer or its error.
fn steps(draft: &Draft, preview: &TaskPreview) -> Vec<StepLine> {
    let line = |step: Step| {
        let error = step.error(draft, preview);
        let state = match &error {
            _ if step == draft.step => StepState::Here,
            Some(_) => StepState::Wrong,
            None if step.is_answered(preview) => StepState::Done,
            None => StepState::Open,
        };
        let answer = error.unwrap_or_else(|| step.answer(draft, preview));
        StepLine { title: step.title_for(draft.once).into(), answer, state, href: Some(step.word().into()) }
    };
    Step::all(draft.once).iter().copied().map(line).collect()
}

/// What differs between what is stored now and what was typed, as people read it.
fn differences(draft: &Draft, preview: &TaskPreview) -> Vec<(String, String, String)> {
    let told = |field: &str, value: String| match field {
        "destination" => preview.destinations.iter().find(|(id, ..)| id.to_string() == value).map_or(value, |(_, name, _)| name.clone()),
        "catch_up" => {
            if domain::form::is_on(&value) {
                "made up for".into()
            } else {
                "left out".into()
            }
        }
        "encryption" => {
            if value == "sealed" {
                "sealed".into()
            } else {
                "none".into()
            }
        }
        "servers" => value.split_whitespace().map(|id| name_of(id, preview)).collect::<Vec<_>>().join(", "),
        "recipients" => {
            let name = |id: &str| {
                preview.keys.iter().find(|(key, ..)| key.to_string() == id).map_or_else(|| id.into(), |(_, name, _)| name.clone())
            };
            value.split_whitespace().map(name).collect::<Vec<String>>().join(", ")
        }
        "only" if value.is_empty() => "all".into(),
        "full" | "incremental" if value.is_empty() => "never".into(),
        "chain_incrementals" | "chain_days" if value.is_empty() => "no limit".into(),
        _ => value.lines().collect::<Vec<_>>().join(", "),
    };
    let line = |(field, mine, stored): (&'static str, String, String)| (label_of(field).into(), told(field, stored), told(field, mine));
    draft.differences().into_iter().map(line).collect()
}

/// The name of a server; one that is not there any more has none.
fn name_of(id: &str, preview: &TaskPreview) -> String {
    let named = preview.all_servers.iter().find(|(server, ..)| server.to_string() == id);
    named.map_or_else(|| id.into(), |(_, name, _)| name.clone())
}

fn label_of(field: &str) -> &'static str {
    match field {
        "name" => "Name",
        "servers" => "Servers",
        "only" => "Databases",
        "excluded" => "Left out",
        "backup_type" => "Type",
        "full" => "Full backups",
        "incremental" => "Incremental backups",
        "chain_incrementals" => "Most incrementals of a chain",
        "chain_days" => "Most days of a chain",
        "time_zone" => "Time zone",
        "catch_up" => "A missed time",
        "encryption" => "Encryption",
        "recipients" => "Keys",
        "keep_how" => "Kept",
        "keep_days" => "Days",
        "keep_count" => "Newest chains",
        "keep_daily" => "Daily",
        "keep_weekly" => "Weekly",
        "keep_monthly" => "Monthly",
        "keep_yearly" => "Yearly",
        _ => "Destination",
    }
}

/// Back and on. The last step has its own, because it goes on to something else.
#[component]
fn Ways(step: Memo<Step>, once: bool) -> impl IntoView {
    move || {
        let step = Some(step.get()).filter(|step| *step != Step::Review)?;
        let back = step.previous(once).map(|to| view! { <Button name="step" value=to.word() icon=Glyph::Left>"Back"</Button> });
        let on = step.next(once).map(|to| {
            let word = format!("Continue to {}", to.title_for(once).to_lowercase());
            view! { <Button kind=ButtonKind::Primary name="step" value=to.word()>{word}</Button> }
        });
        Some(view! { <div class="actions ways">{back} {on}</div> })
    }
}
