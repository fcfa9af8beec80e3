//! The store in memory keeps the contract of `Store`, alone and behind a wrapper.

mod conformance;

use domain::Result;
use store::{Fault, Faulty, Memory};

#[tokio::test]
async fn keeps_the_contract() -> Result<()> {
    conformance::run(&Memory::new()).await
}

#[tokio::test]
async fn keeps_the_contract_behind_a_wrapper() -> Result<()> {
    conformance::run(&Faulty::new(Memory::new(), 0, Fault::Before)).await
}
