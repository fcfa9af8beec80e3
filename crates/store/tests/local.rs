//! The local folder keeps the contract of `Store`, alone and behind a wrapper.

mod conformance;

use domain::Result;
use store::{Fault, Faulty, Local};

#[tokio::test(flavor = "multi_thread")]
async fn keeps_the_contract() -> Result<()> {
    let folder = tempfile::tempdir().expect("a folder");
    conformance::run(&Local::create(&folder.path().join("root"))?).await?;
    Local::open(&folder.path().join("root")).map(drop)
}

#[tokio::test]
async fn keeps_the_contract_behind_a_wrapper() -> Result<()> {
    let folder = tempfile::tempdir().expect("a folder");
    conformance::run(&Faulty::new(Local::create(folder.path())?, 0, Fault::Before)).await
}
