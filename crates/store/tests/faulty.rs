//! A fault is put into exactly the call that was asked for, before or after it took effect.

use domain::{Code, Result};
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};
use store::{Fault, Faulty, Memory, ObjectName, Store, put, read_small};

/// create, write, commit, size, read, list, remove, sweep
const CALLS: u64 = 8;

async fn work(store: &dyn Store) -> Result<()> {
    let name = ObjectName::new("folder/object")?;
    put(store, &name, "bytes".into()).await?;
    assert_eq!(read_small(store, &name, 5).await?, "bytes");
    assert_eq!(store.list(name.folder().as_ref()).await?.len(), 1);
    store.remove(&name).await?;
    store.sweep().await
}

async fn run_with(nth: u64, fault: Fault) -> (Memory, Option<Code>, u64) {
    let memory = Memory::new();
    let faulty = Faulty::new(memory.clone(), nth, fault);
    let outcome = work(&faulty).await;
    (memory, outcome.err().map(|error| error.code()), faulty.calls())
}

#[tokio::test]
async fn the_object_is_there_if_the_fault_came_after_its_commit_and_before_its_removal() -> Result<()> {
    for nth in 1..=CALLS {
        for (fault, expected, there) in
            [(Fault::Before, Code::StoreFailed, (4..=7).contains(&nth)), (Fault::After, Code::AnswerLost, (3..=6).contains(&nth))]
        {
            let (memory, code, calls) = run_with(nth, fault).await;
            assert_eq!((code, calls), (Some(expected), nth));
            assert_eq!(!memory.list(None).await?.is_empty(), there, "call {nth}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn without_a_fault_every_call_is_counted() {
    for nth in [0, CALLS + 1] {
        let (_, code, calls) = run_with(nth, Fault::Before).await;
        assert_eq!((code, calls), (None, CALLS));
    }
}

#[tokio::test]
async fn a_hook_runs_once_and_the_call_goes_on() {
    for nth in 1..=CALLS {
        let hits = Arc::new(AtomicU64::new(0));
        let counted = hits.clone();
        let hook = move || _ = counted.fetch_add(1, Ordering::SeqCst);
        let (_, code, _) = run_with(nth, Fault::Hook(Box::new(hook))).await;
        assert_eq!((code, hits.load(Ordering::SeqCst)), (None, 1));
    }
}
