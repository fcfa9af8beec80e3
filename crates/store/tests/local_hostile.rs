//! What lies below a local root but is not Rookery's: links, pipes, changed bytes.

use domain::{Code, Result};
use rustix::fs::{CWD, FileType, Mode, RenameFlags, mknodat, renameat_with};
use sha2::{Digest, Sha256};
use std::{
    fs,
    os::unix::fs::{FileExt, symlink},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};
use store::{Local, ObjectName, Store, put, read_small};

/// A root, and beside it a folder with an object that nobody may reach through the root.
struct Ground {
    _folder: tempfile::TempDir,
    root: PathBuf,
    outside: PathBuf,
}

impl Ground {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (root, outside) = (folder.path().join("root"), folder.path().join("outside"));
        fs::create_dir(&root).and_then(|()| fs::create_dir(&outside)).expect("folders");
        fs::write(outside.join("object"), "secret").expect("a file");
        Self { _folder: folder, root, outside }
    }

    fn assert_outside_untouched(&self) {
        let names: Vec<_> = fs::read_dir(&self.outside).expect("outside").map(|entry| entry.expect("an entry").file_name()).collect();
        assert_eq!(names, ["object"]);
        assert_eq!(fs::read(self.outside.join("object")).expect("the object"), b"secret");
    }
}

fn name(text: &str) -> ObjectName {
    ObjectName::new(text).expect("a name")
}

fn code<T>(outcome: Result<T>) -> Option<Code> {
    outcome.err().map(|error| error.code())
}

#[tokio::test]
async fn a_link_is_never_followed() -> Result<()> {
    let ground = Ground::new();
    symlink(&ground.outside, ground.root.join("folder")).expect("a link");
    symlink(ground.outside.join("object"), ground.root.join("file")).expect("a link");
    let store = Local::create(&ground.root)?;

    assert_eq!(store.list(None).await?, []);
    for object in [name("file"), name("folder/object"), name("folder/sub/object")] {
        assert_eq!(code(store.read(&object, 0..1).await), Some(Code::RootForeign), "{object}");
        assert_eq!(code(store.size(&object).await), Some(Code::RootForeign), "{object}");
        assert_eq!(code(store.remove(&object).await), Some(Code::RootForeign), "{object}");
    }
    assert_eq!(code(store.list(Some(&name("folder"))).await), Some(Code::RootForeign));
    assert_eq!(code(put(&store, &name("folder/new"), "x".into()).await), Some(Code::RootForeign));
    assert_eq!(code(put(&store, &name("file"), "x".into()).await), Some(Code::NameTaken));
    store.sweep().await?;
    ground.assert_outside_untouched();
    Ok(())
}

#[tokio::test]
async fn a_folder_that_becomes_a_link_during_an_upload_leads_nowhere() -> Result<()> {
    let ground = Ground::new();
    let store = Local::create(&ground.root)?;
    let mut upload = store.create(&name("folder/new")).await?;
    fs::rename(ground.root.join("folder"), ground.root.join("moved")).expect("moved");
    symlink(&ground.outside, ground.root.join("folder")).expect("a link");
    upload.write("bytes".into()).await?;
    upload.commit(Sha256::digest("bytes").into()).await?;
    ground.assert_outside_untouched();
    assert_eq!(read_small(&store, &name("moved/new"), 9).await?, "bytes");
    Ok(())
}

/// Somebody swaps a folder and a link to the outside all the time, while an upload and a reader work in it.
#[tokio::test]
async fn a_folder_that_flickers_between_folder_and_link_leads_nowhere() -> Result<()> {
    let ground = Ground::new();
    let store = Local::create(&ground.root)?;
    let (folder, link, stop) = (ground.root.join("folder"), ground.root.join("link"), Arc::new(AtomicBool::new(false)));
    symlink(&ground.outside, &link).expect("a link");
    put(&store, &name("folder/object"), "inside".into()).await?;
    let swapping = tokio::task::spawn_blocking({
        let stop = stop.clone();
        move || {
            while !stop.load(Ordering::Relaxed) {
                renameat_with(CWD, &folder, CWD, &link, RenameFlags::EXCHANGE).expect("swapped");
            }
        }
    });
    let (mut refused, mut round) = (0, 0);
    // On until the swaps have met the work at least once.
    while round < 300 || refused == 0 {
        match read_small(&store, &name("folder/object"), 9).await {
            Ok(bytes) => assert_eq!(bytes, "inside"),
            Err(_) => refused += 1,
        }
        let new = name(&format!("folder/{round}"));
        refused += u32::from(put(&store, &new, "x".into()).await.is_err());
        refused += u32::from(store.remove(&new).await.is_err());
        round += 1;
    }
    stop.store(true, Ordering::Relaxed);
    swapping.await.expect("swapping ends");
    ground.assert_outside_untouched();
    Ok(())
}

#[tokio::test]
async fn a_pipe_is_refused_at_once() -> Result<()> {
    let ground = Ground::new();
    let partial = format!(".partial-{}", uuid::Uuid::new_v4());
    for pipe in ["pipe", &partial] {
        mknodat(CWD, ground.root.join(pipe), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("a pipe");
    }
    let store = Local::create(&ground.root)?;
    assert_eq!(store.list(None).await?, []);
    assert_eq!(code(store.read(&name("pipe"), 0..1).await), Some(Code::RootForeign));
    assert_eq!(code(store.list(Some(&name("pipe"))).await), Some(Code::RootForeign));
    assert_eq!(code(store.remove(&name("pipe")).await), Some(Code::RootForeign));
    assert_eq!(code(put(&store, &name("pipe/below"), "x".into()).await), Some(Code::RootForeign));
    assert_eq!(code(put(&store, &name("pipe"), "x".into()).await), Some(Code::NameTaken));
    store.sweep().await?;
    assert!(ground.root.join(partial).symlink_metadata().is_ok());
    Ok(())
}

#[tokio::test]
async fn files_whose_names_no_object_can_have_are_let_be() -> Result<()> {
    use std::os::unix::ffi::OsStrExt;
    let ground = Ground::new();
    let strangers = [&b"\xff\xfe"[..], b"line\nbreak", b"back\\slash", b".partial-of-somebody-else"];
    let paths: Vec<_> = strangers.iter().map(|name| ground.root.join(std::ffi::OsStr::from_bytes(name))).collect();
    paths.iter().for_each(|path| fs::write(path, "").expect("a file"));
    let store = Local::create(&ground.root)?;
    assert_eq!(store.list(None).await?, []);
    store.sweep().await?;
    assert!(paths.iter().all(|path| path.exists()));
    Ok(())
}

fn only_file_in(folder: &Path) -> PathBuf {
    let mut files = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let file = files.next().expect("a file");
    assert_eq!(files.next(), None);
    file
}

#[tokio::test]
async fn bytes_that_change_before_the_commit_are_found_by_reading_back() -> Result<()> {
    for at in [0, 1 << 20, (3 << 20) - 1] {
        let ground = Ground::new();
        let store = Local::create(&ground.root)?;
        let bytes = vec![1; 3 << 20];
        let mut upload = store.create(&name("folder/object")).await?;
        upload.write(bytes.clone().into()).await?;
        let partial = fs::OpenOptions::new().write(true).open(only_file_in(&ground.root.join("folder"))).expect("the partial");
        partial.write_all_at(&[2], at).expect("a changed byte");
        assert_eq!(code(upload.commit(Sha256::digest(&bytes).into()).await), Some(Code::Damaged));
        assert_eq!(fs::read_dir(&ground.root).expect("the root").count(), 0);
    }
    Ok(())
}

#[tokio::test]
async fn a_file_that_was_cut_short_is_damaged() -> Result<()> {
    let ground = Ground::new();
    let store = Local::create(&ground.root)?;
    put(&store, &name("object"), "0123456789".into()).await?;
    fs::OpenOptions::new().write(true).open(ground.root.join("object")).and_then(|file| file.set_len(5)).expect("cut");
    assert_eq!(code(store.read(&name("object"), 0..10).await), Some(Code::Damaged));
    assert_eq!(store.read(&name("object"), 0..5).await?, "01234");
    Ok(())
}
