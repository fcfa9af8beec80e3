//! Runs and rounds as they go: server-sent events.

use super::{Serving, requests};
use app::api::Visit;
use axum::{
    Extension,
    extract::{Path, State},
    http::{HeaderName, HeaderValue},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use control::{Actor, Permit, View};
use domain::{Code, Error, Result};
use futures::{FutureExt, Stream, StreamExt, future::ready, stream};
use std::{convert::Infallible, sync::Arc, time::Duration};

/// Proxies take silence for death.
const BEAT: Duration = Duration::from_secs(15);

/// After this the browser asks again: no line is held for ever by one that is gone.
const MAX_AGE: Duration = Duration::from_secs(10 * 60);

/// A round with its runs.
pub async fn round(State(serving): State<Serving>, Extension(visit): Extension<Visit>, Path(id): Path<String>) -> Response {
    let watched = async {
        let (actor, permit) = asked(&visit)?;
        Ok(events(serving.control.watch_round(&permit, id.parse()?).await?, &serving, actor))
    };
    watched.await.unwrap_or_else(|error: Error| requests::failed(&error))
}

/// A restore or a verification, or one run of a round.
pub async fn run(State(serving): State<Serving>, Extension(visit): Extension<Visit>, Path(id): Path<String>) -> Response {
    let watched = async {
        let (actor, permit) = asked(&visit)?;
        Ok(events(serving.control.watch_run(&permit, id.parse()?).await?, &serving, actor))
    };
    watched.await.unwrap_or_else(|error: Error| requests::failed(&error))
}

fn asked(visit: &Visit) -> Result<(Actor, Permit<View>)> {
    let signed_out = || Error::new(Code::SignedOut, "You are signed out.", "Sign in again.");
    let actor = visit.actor.clone().ok_or_else(signed_out)?;
    let permit = actor.permit()?;
    Ok((actor, permit))
}

/// Each value as one event. `end` says that no more will come; a stream that ends without it is asked for again. It ends with
/// the session that asked for it, whoever ends that.
fn events(values: impl Stream<Item = Arc<str>> + Send + 'static, serving: &Serving, actor: Actor) -> Response {
    let values = values.map(|json| Event::default().data(&*json));
    let end = stream::once(ready(Event::default().event("end").data("ended")));
    let (stop, control) = (serving.stop.clone(), serving.control.clone());
    let enough = async move {
        tokio::select! {
            () = stop.cancelled() => {}
            () = control.session_ended(&actor) => {}
            () = tokio::time::sleep(MAX_AGE) => {}
        }
    };
    let events = values.chain(end).map(Ok::<_, Infallible>).take_until(enough.boxed());
    let mut response = Sse::new(events).keep_alive(KeepAlive::new().interval(BEAT)).into_response();
    response.headers_mut().insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    response
}
