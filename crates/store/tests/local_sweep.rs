//! What uploads leave behind is removed if, and only if, its process is dead.

use domain::Result;
use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead, BufReader, Read},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};
use store::{Local, ObjectName, Store, put};

const ROOT: &str = "ROOKERY_TEST_ROOT";
const READY: &str = "the upload is under way";

fn partials(folder: &Path) -> BTreeSet<String> {
    let Ok(entries) = fs::read_dir(folder) else { return BTreeSet::new() };
    entries
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .filter(|name| name.starts_with(".partial-"))
        .collect()
}

/// Not a test of its own: begins an upload in the root that its parent names, and waits to be killed.
#[tokio::test]
async fn uploads_until_killed() -> Result<()> {
    let Some(root) = std::env::var_os(ROOT) else { return Ok(()) };
    let store = Local::create(Path::new(&root))?;
    let mut upload = store.create(&ObjectName::new("dead/chain/object")?).await?;
    upload.write(vec![0; 2 << 20].into()).await?;
    println!("{READY}");
    std::io::stdin().read_to_end(&mut Vec::new()).expect("input ends");
    Ok(())
}

/// A child that is killed when it is dropped.
struct Writer(Child);

impl Drop for Writer {
    fn drop(&mut self) {
        self.0.kill().and_then(|()| self.0.wait()).expect("killed");
    }
}

#[tokio::test]
async fn a_partial_goes_with_its_process_and_no_sooner() -> Result<()> {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Local::create(folder.path())?;
    put(&store, &ObjectName::new("kept/object")?, "bytes".into()).await?;
    let mut own = store.create(&ObjectName::new("own/object")?).await?;
    own.write(vec![0; 2 << 20].into()).await?;
    let mut child = Command::new(std::env::current_exe().expect("this binary"))
        .args(["--exact", "uploads_until_killed", "--nocapture"])
        .env(ROOT, folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map(Writer)
        .expect("a child");
    let output = BufReader::new(child.0.stdout.take().expect("a pipe"));
    assert!(output.lines().any(|line| line.expect("text").contains(READY)), "the child ended early");

    let theirs = folder.path().join("dead/chain");
    store.sweep().await?;
    assert_eq!(partials(&theirs).len(), 1, "a partial of a living process was removed");
    drop(child);
    assert_eq!(partials(&theirs).len(), 1, "the kernel does not clean up for us");
    store.sweep().await?;
    assert!(!folder.path().join("dead").exists(), "a partial of a dead process, or its folder, stayed");
    assert_eq!(partials(&folder.path().join("own")).len(), 1);
    assert_eq!(store.size(&ObjectName::new("kept/object")?).await?, 5);
    Ok(())
}

/// Sweeps, and removals that prune folders, run all the time while uploads begin and end in the same folders: each
/// of them must go through, also where a sweep meets a partial between its creation and its lock.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn uploads_begin_safely_under_constant_sweeps() -> Result<()> {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Arc::new(Local::create(folder.path())?);
    let stop = Arc::new(AtomicBool::new(false));
    let sweeper = tokio::spawn({
        let (store, stop) = (store.clone(), stop.clone());
        async move {
            while !stop.load(Ordering::Relaxed) {
                store.sweep().await?;
            }
            Ok::<_, domain::Error>(())
        }
    });
    let work = |writer: u32| {
        let store = store.clone();
        async move {
            for round in 0..100 {
                let name = ObjectName::new(format!("folder/chain/{writer}-{round}"))?;
                drop(store.create(&name).await?);
                put(&store, &name, "bytes".into()).await?;
                store.remove(&name).await?;
            }
            Ok::<_, domain::Error>(())
        }
    };
    let outcomes = tokio::join!(work(1), work(2));
    stop.store(true, Ordering::Relaxed);
    outcomes.0.and(outcomes.1)?;
    sweeper.await.expect("the sweeper ends")?;
    assert_eq!(fs::read_dir(folder.path()).expect("the root").count(), 0);
    Ok(())
}
