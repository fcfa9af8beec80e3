//! The guided restore. The whole form lives in the address, and each step is a page of its own: reloading, going back and
//! signing in again lose nothing. Only the last step changes anything.

mod aside;
mod choose;
mod key;
mod moment;
mod point;
mod review;
mod step;
mod target;

use crate::{
    address,
    api::restore::preview_restore,
    components::{Notice, PageHead, StepLine, StepState, Steps, Tone, viewer_offset},
    keyring,
    loaded::loaded_page,
};
use domain::{
    FieldError, RestoreForm,
    view::{
        backup::{FolderQuery, PointLine},
        restore::RestorePreview,
    },
};
use jiff::{Timestamp, tz::Offset};
use leptos::prelude::*;
use step::Step;

/// What a step sees.
#[derive(Clone)]
struct Draft {
    /// The step that the address asks for.
    asked: Step,
    /// The step that is shown.
    step: Step,
    /// What was chosen so far.
    form: RestoreForm,
    /// What there is to choose from, and what would happen.
    preview: RestorePreview,
    /// The data key of the chosen restore point, once it was opened here.
    data_key: Option<String>,
}

impl Draft {
    /// Address of a step with this form.
    fn to(step: Step, form: &RestoreForm) -> String {
        address::with_query(&format!("/restore?step={}", step.word()), form)
    }

    /// What is wrong with a field. Nobody is blamed for what was not asked yet.
    fn error(&self, field: &str) -> Option<String> {
        let is_due = self.step < self.asked || self.step == Step::Review;
        self.preview.errors.iter().find(|error| is_due && error.field == field).map(|error| error.sentence.clone())
    }

    /// What is wrong with the step that is shown, beside its own fields.
    fn errors(&self, fields: &[&str]) -> Vec<FieldError> {
        let of_step =
            self.preview.errors.iter().filter(|error| Step::of_field(&error.field) == self.step && self.error(&error.field).is_some());
        of_step.filter(|error| !fields.contains(&error.field.as_str())).cloned().collect()
    }

    /// Name of the chosen destination.
    fn destination(&self) -> Option<&str> {
        self.preview.destinations.iter().find(|(id, ..)| id.to_string() == self.form.destination).map(|(_, name, _)| name.as_str())
    }

    /// Name of the chosen server.
    fn server(&self) -> Option<&str> {
        self.preview.targets.iter().find(|(id, ..)| id.to_string() == self.form.server).map(|(_, name, _)| name.as_str())
    }

    /// The new database's name and its server, once both can be.
    fn target(&self) -> Option<(&str, &str)> {
        let is_wrong = self.preview.errors.iter().any(|error| Step::of_field(&error.field) == Step::Target);
        self.server().filter(|_| !is_wrong).map(|server| (self.form.name.as_str(), server))
    }

    /// The chosen restore point.
    fn point(&self) -> Option<&PointLine> {
        self.preview.points.iter().find(|point| point.label.to_string() == self.form.point && self.is_from_origin(point))
    }

    /// The moment that was chosen of those that the restore point covers.
    fn moment(&self) -> Option<Timestamp> {
        self.form.at.trim().parse().ok()
    }

    /// Whether the chosen restore point is sealed.
    fn is_sealed(&self) -> bool {
        self.point().is_some_and(|point| point.sealed)
    }

    /// Whether it is, and was not opened here.
    fn is_locked(&self) -> bool {
        self.is_sealed() && self.data_key.is_none()
    }

    /// What tells the chosen archive from all others, for what is open.
    fn archive(form: &RestoreForm) -> String {
        [&form.destination, &form.database, &form.origin, &form.point].map(String::as_str).join("\n")
    }

    /// Whether a point comes from the server that was chosen, if one was.
    fn is_from_origin(&self, point: &PointLine) -> bool {
        self.form.origin.is_empty() || point.origin.as_deref() == Some(self.form.origin.as_str())
    }

    /// Whether the points to choose from come from several servers, which have a database of the same name each.
    fn has_several_origins(&self) -> bool {
        let mut origins = self.preview.points.iter().filter_map(|point| point.origin.as_deref());
        origins.next().is_some_and(|first| origins.any(|other| other != first))
    }

    /// Where no moment was chosen yet, the newest one is the proposal; but whose database it shall be is for people to say.
    fn propose_point(&mut self) {
        if self.has_several_origins() {
            return;
        }
        let newest = self.preview.points.iter().find(|point| point.fault.is_none());
        if let Some(point) = newest.filter(|_| self.step == Step::Point && self.form.point.is_empty()) {
            self.form.point = point.label.to_string();
            self.form.origin = point.origin.clone().unwrap_or_default();
        }
    }

    /// The question of the step that is shown.
    fn question(&self) -> String {
        let database = &self.form.database;
        match self.step {
            Step::Where => "Where is the backup?".into(),
            Step::Folder => "Which database do you want back?".into(),
            Step::Point => format!("Restore {database} to which moment?"),
            Step::Key => format!("Who opens the backup of {database}?"),
            Step::Target => format!("Where to, and under what name, shall {database} come back?"),
            Step::Review => format!("Restore {database} as {}?", self.form.name),
        }
    }

    /// The list of steps, with the moment as clocks at this offset from UTC show it.
    fn lines(&self, offset: Option<Offset>) -> Vec<StepLine> {
        let moment = |at: Timestamp| {
            let zone = if offset.is_none() { " UTC" } else { "" };
            format!("{}{zone}", offset.unwrap_or(Offset::UTC).to_datetime(at).strftime("%-d %b %Y, %H:%M"))
        };
        let answer = |step: Step| match step {
            Step::Where => self.destination().unwrap_or_default().into(),
            Step::Folder => self.form.database.clone(),
            Step::Point => self.moment().or_else(|| self.point().map(|point| point.at)).map(moment).unwrap_or_default(),
            Step::Key => {
                if self.data_key.is_some() {
                    "Open".into()
                } else {
                    String::new()
                }
            }
            Step::Target => self.target().map(|(name, server)| format!("{name} on {server}")).unwrap_or_default(),
            Step::Review => String::new(),
        };
        let reach = step::shown(Step::Review, &self.form, &self.preview.errors, self.is_locked());
        let state = |step: Step| match step {
            step if step == self.step => StepState::Here,
            step if step < reach => StepState::Done,
            step if step == reach && self.asked > step => StepState::Wrong,
            _ => StepState::Open,
        };
        let line = |step: Step| StepLine {
            title: step.title().into(),
            answer: answer(step),
            state: state(step),
            href: (step <= reach).then(|| Self::to(step, &self.form)),
        };
        Step::ALL.into_iter().filter(|step| *step != Step::Key || self.is_sealed()).map(line).collect()
    }
}

/// What is wrong with a step, beside what is told at its fields.
#[component]
fn Wrong(errors: Vec<FieldError>) -> impl IntoView {
    errors.into_iter().map(|error| view! { <Notice tone=Tone::Bad title=error.sentence/> }).collect_view()
}

/// The wizard.
#[component]
pub fn Restore() -> impl IntoView {
    let (word, form, folders) = (address::query_value("step"), address::query::<RestoreForm>(), address::query::<FolderQuery>());
    let opened = keyring::opened();
    let draft = Resource::new_blocking(
        move || {
            let form = form.get();
            let data_key = opened.key_of(&Draft::archive(&form));
            (word.get(), form, folders.get(), data_key)
        },
        |(word, form, folders, data_key)| async move {
            let end = step::asked(&word, &form) == Step::Review;
            let preview = preview_restore(form.clone(), folders, end, data_key.clone().filter(|_| end)).await?;
            Ok((word, form, preview, data_key))
        },
    );
    loaded_page(draft, |(word, form, preview, data_key)| {
        let asked = step::asked(&word, &form);
        let mut draft = Draft { asked, step: asked, form, preview, data_key };
        draft.step = step::shown(asked, &draft.form, &draft.preview.errors, draft.is_locked());
        draft.propose_point();
        let word = draft.step.word();
        let (steps, offset) = (draft.clone(), viewer_offset(draft.point().map_or(draft.preview.now, |point| point.at)));
        let page = match draft.step {
            Step::Where => view! { <choose::Where draft=draft.clone()/> }.into_any(),
            Step::Folder => view! { <choose::Folder draft=draft.clone()/> }.into_any(),
            Step::Point => view! { <point::Point draft=draft.clone()/> }.into_any(),
            Step::Key => view! { <key::Key draft=draft.clone()/> }.into_any(),
            Step::Target => view! { <target::Target draft=draft.clone()/> }.into_any(),
            Step::Review => view! { <review::Review draft=draft.clone()/> }.into_any(),
        };
        view! {
            <PageHead title=draft.question() window="Restore">
                <p>"A restore makes a new database. It replaces nothing, and gets its name only when every table has been read back and compared."</p>
            </PageHead>
            <div class=format!("wizard restore {word}")>
                {move || view! { <Steps steps=steps.lines(offset.get())/> }}
                <div class="stack">{page}</div>
                <aside::Aside draft/>
            </div>
        }
    })
}
