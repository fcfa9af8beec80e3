//! The first page: is everything backed up?

mod attention;
mod first;
mod group;
mod servers;
mod space;
mod words;

use crate::{
    api::{
        overview::{AddSample, overview},
        task::BackUpNow,
    },
    components::{
        ButtonKind, Card, Faults, FormProblem, Glyph, LinkButton, Manner, May, PageHead, Strip, TallyBar, When, ZoneName, keep_fresh,
    },
    loaded::loaded_page,
};
use domain::{Role, view::overview as shown};
use leptos::prelude::*;

/// Is everything backed up?
#[component]
pub fn Overview() -> impl IntoView {
    let all = Resource::new_blocking(|| (), |()| overview());
    keep_fresh(all, |view| view.servers.iter().filter_map(|server| server.last_round.as_ref()).any(|round| !round.state.has_ended()));
    let (back_up, sample) = (ServerAction::<BackUpNow>::new(), ServerAction::<AddSample>::new());
    let faults = Faults::of(back_up.value()).or(Faults::of(sample.value()));
    view! {
        <FormProblem faults/>
        {loaded_page(all, move |view| {
            if view.servers.is_empty() {
                return view! { <first::FirstStart sample=view.sample add=sample/> }.into_any();
            }
            let (head, whole, timeline) = (head(&view), whole(&view), timeline(&view));
            let shown::Overview { attention, attention_more: more, troubles, servers, space, now, .. } = view;
            let entries = group::group(attention, &servers);
            view! {
                {head}
                {whole}
                <attention::AttentionCard troubles entries more now back_up/>
                {timeline}
                <servers::ServerCards servers now/>
                <space::SpaceCard space/>
            }
                .into_any()
        })}
    }
}

fn head(view: &shown::Overview) -> impl IntoView + use<> {
    let (tally, restorable) = (view.tally, view.newest_good.is_some());
    let actions = move || {
        view! {
            {restorable.then(|| view! { <LinkButton href="/restore" icon=Glyph::Restore>"Restore a database"</LinkButton> })}
            <May role=Role::Administrator>
                <LinkButton href="/servers/new" icon=Glyph::Plus kind=ButtonKind::Primary>"Add server"</LinkButton>
            </May>
        }
    };
    view! { <PageHead title=words::answer(tally) window="Overview" actions>{words::rest(tally)}</PageHead> }
}

fn whole(view: &shown::Overview) -> impl IntoView + use<> {
    let (tally, oldest, newest, now) = (view.tally, view.oldest_good, view.newest_good, view.now);
    view! {
        <Card>
            <TallyBar tally/>
            <div class="row apart">
                <words::TallyWords tally/>
                {newest
                    .map(|newest| {
                        view! {
                            <p class="small dim">
                                "Newest good backup " <When at=newest now manner=Manner::Relative/>
                                {oldest.map(|oldest| view! { " · oldest " <When at=oldest now manner=Manner::Relative/> })}
                            </p>
                        }
                    })}
            </div>
        </Card>
    }
}

fn timeline(view: &shown::Overview) -> Option<impl IntoView + use<>> {
    let (rounds, due, now) = (view.rounds.clone(), view.due.clone(), view.now);
    (!rounds.is_empty() || !due.is_empty()).then(|| {
        view! {
            <Card title="Rounds: the last 24 hours and the next 12" actions=|| view! { <span class="small dim"><ZoneName/></span> }>
                <Strip rounds due now/>
            </Card>
        }
    })
}
