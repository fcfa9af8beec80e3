//! Runs.

use super::Failure;
use domain::{
    RunId,
    view::{
        Page,
        run::{RunLine, RunQuery, RunView},
    },
};
use jiff::Timestamp;
use leptos::prelude::*;

#[cfg(feature = "ssr")]
use {
    super::asked,
    control::{Operate, View},
};

/// A run with its log.
#[server(endpoint = "run")]
pub async fn run(run: RunId) -> Result<RunView, Failure> {
    let (control, permit) = asked::<View>().await?;
    Ok(control.run(&permit, run).await?)
}

/// Restores and verifications, newest first, and when they were read.
#[server(endpoint = "runs")]
pub async fn runs(query: RunQuery) -> Result<(Page<RunLine>, Timestamp), Failure> {
    let (control, permit) = asked::<View>().await?;
    Ok((control.runs(&permit, &query).await?, Timestamp::now()))
}

/// Stops a run.
#[server(endpoint = "abort_run")]
pub async fn abort_run(run: RunId) -> Result<(), Failure> {
    let (control, permit) = asked::<Operate>().await?;
    Ok(control.abort_run(&permit, run).await?)
}

/// Puts a backup off by so many minutes.
#[server(endpoint = "delay_run")]
pub async fn delay_run(run: RunId, minutes: u32) -> Result<(), Failure> {
    let (control, permit) = asked::<Operate>().await?;
    Ok(control.delay_run(&permit, run, minutes).await?)
}
