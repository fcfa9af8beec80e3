//! Rounds.

use super::Failure;
use domain::{
    RoundId,
    view::{
        Page,
        run::{RoundLine, RoundView, RunQuery},
    },
};
use jiff::Timestamp;
use leptos::prelude::*;

#[cfg(feature = "ssr")]
use {
    super::asked,
    control::{Operate, View},
};

/// A round with its runs and the end of its log.
#[server(endpoint = "round")]
pub async fn round(round: RoundId) -> Result<RoundView, Failure> {
    let (control, permit) = asked::<View>().await?;
    Ok(control.round(&permit, round).await?)
}

/// Rounds, newest first, and when they were read.
#[server(endpoint = "rounds")]
pub async fn rounds(query: RunQuery) -> Result<(Page<RoundLine>, Timestamp), Failure> {
    let (control, permit) = asked::<View>().await?;
    Ok((control.rounds(&permit, &query).await?, Timestamp::now()))
}

/// Stops a round.
#[server(endpoint = "abort_round")]
pub async fn abort_round(round: RoundId) -> Result<(), Failure> {
    let (control, permit) = asked::<Operate>().await?;
    Ok(control.abort_round(&permit, round).await?)
}

/// Does what went wrong in a round again.
#[server(endpoint = "retry_failed")]
pub async fn retry_failed(round: RoundId) -> Result<(), Failure> {
    let (control, permit) = asked::<Operate>().await?;
    Ok(control.retry_failed(&permit, round).await?)
}

/// Puts a round off by so many minutes.
#[server(endpoint = "delay_round")]
pub async fn delay_round(round: RoundId, minutes: u32) -> Result<(), Failure> {
    let (control, permit) = asked::<Operate>().await?;
    Ok(control.delay_round(&permit, round, minutes).await?)
}
