//! Which roots are taken and which are refused, and what a destination without room or rights says.

mod confined;

use confined::{tool, with_private_mounts, without_capabilities};
use domain::{Code, Destination, Error, Result};
use sha2::{Digest, Sha256};
use std::{fs, os::unix::fs::PermissionsExt, path::Path};
use store::{Local, Mode, ObjectName, Store, put};

fn refused(outcome: Result<Local>) -> (Code, String) {
    let error = outcome.err().expect("an error");
    assert!(!error.next_step().is_empty());
    (error.code(), error.to_string())
}

fn object() -> ObjectName {
    ObjectName::new("database/chain/object").expect("a name")
}

#[test]
fn a_root_is_a_folder_and_only_its_last_segment_is_made() {
    let folder = tempfile::tempdir().expect("a folder");
    let (missing, deep, file) = (folder.path().join("missing"), folder.path().join("missing/deep"), folder.path().join("file"));
    fs::write(&file, "").expect("a file");

    assert_eq!(refused(Local::open(&missing)).0, Code::NotFound);
    let (code, sentence) = refused(Local::create(&deep));
    assert_eq!(code, Code::RootUnusable);
    assert!(sentence.contains(missing.to_str().expect("UTF-8")), "{sentence}");
    for root in [file.as_path(), &file.join("below")] {
        assert_eq!(refused(Local::open(root)).0, Code::RootUnusable);
        assert_eq!(refused(Local::create(root)).0, Code::RootUnusable);
    }
    assert!(Local::create(&missing).is_ok() && Local::create(&missing).is_ok() && Local::open(&missing).is_ok());
    assert!(Local::create(&deep).is_ok());
}

#[tokio::test]
async fn a_root_may_be_named_by_a_link() -> Result<()> {
    let folder = tempfile::tempdir().expect("a folder");
    let (real, link) = (folder.path().join("real"), folder.path().join("link"));
    fs::create_dir(&real).and_then(|()| std::os::unix::fs::symlink(&real, &link)).expect("a link");
    let store = store::open(&Destination::Local { root: link }, Mode::Write).await?;
    put(&store, &object(), "bytes".into()).await?;
    assert_eq!(fs::read(real.join(object().as_str())).expect("the object"), b"bytes");
    Ok(())
}

#[tokio::test]
async fn a_root_that_vanishes_is_an_error_and_not_an_empty_list() -> Result<()> {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Local::create(&folder.path().join("root"))?;
    fs::remove_dir(folder.path().join("root")).expect("removed");
    assert_eq!(store.list(None).await.err().map(|error| error.code()), Some(Code::NotFound));
    assert_eq!(put(&store, &object(), "".into()).await.err().map(|error| error.code()), Some(Code::NotFound));
    Ok(())
}

#[tokio::test]
async fn files_and_folders_are_for_their_owner_alone() -> Result<()> {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Local::create(&folder.path().join("root"))?;
    put(&store, &object(), "bytes".into()).await?;
    for (path, mode) in [("root", 0o700), ("root/database", 0o700), ("root/database/chain", 0o700), ("root/database/chain/object", 0o600)] {
        let found = fs::metadata(folder.path().join(path)).expect("made").permissions().mode() & 0o777;
        assert_eq!(found, mode, "{path}");
    }
    Ok(())
}

#[tokio::test]
async fn a_root_mounted_read_only_can_be_read_only() -> Result<()> {
    if !with_private_mounts("a_root_mounted_read_only_can_be_read_only") {
        return Ok(());
    }
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().to_str().expect("UTF-8");
    tool("mount", &["-t", "tmpfs", "none", path]);
    put(&Local::create(folder.path())?, &object(), "bytes".into()).await?;
    tool("mount", &["-o", "remount,ro", path]);

    let (code, sentence) = refused(Local::create(folder.path()));
    assert_eq!(code, Code::RootUnusable);
    assert!(sentence.contains("read-only"), "{sentence}");
    assert_eq!(refused(Local::create(&folder.path().join("new"))).0, Code::RootUnusable);
    let store = Local::open(folder.path())?;
    assert_eq!(store.read(&object(), 0..5).await?, "bytes");
    for error in [put(&store, &ObjectName::new("other")?, "".into()).await.err(), store.remove(&object()).await.err()] {
        assert_eq!(error.map(|error| error.code()), Some(Code::RootUnusable));
    }
    Ok(())
}

#[tokio::test]
async fn without_the_right_to_write_it_is_said_which_user_needs_it() -> Result<()> {
    if !without_capabilities("without_the_right_to_write_it_is_said_which_user_needs_it") {
        return Ok(());
    }
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().join("root");
    put(&Local::create(&root)?, &ObjectName::new("database/one")?, "bytes".into()).await?;
    let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("a new mode");

    mode(&root, 0o555);
    let (code, sentence) = refused(Local::create(&root));
    assert_eq!(code, Code::RootUnusable);
    assert!(sentence.contains("user id 0"), "{sentence}");
    assert_eq!(refused(Local::create(&root.join("new"))).0, Code::RootUnusable);
    let store = Local::open(&root)?;
    assert_eq!(put(&store, &object().join("x")?, "".into()).await.err().map(|error| error.code()), None, "{root:?}/database is writable");
    mode(&root.join("database"), 0o555);
    let two = ObjectName::new("database/two")?;
    assert_eq!(put(&store, &two, "".into()).await.err().map(|error| error.code()), Some(Code::Privilege));
    mode(&root.join("database"), 0);
    store.sweep().await?;
    assert_eq!(store.size(&ObjectName::new("database/one")?).await.err().map(|error| error.code()), Some(Code::Privilege));
    mode(&root.join("database"), 0o700);
    mode(&root, 0o700);
    Ok(())
}

#[tokio::test]
async fn without_room_at_any_step_nothing_half_made_stays() -> Result<()> {
    if !with_private_mounts("without_room_at_any_step_nothing_half_made_stays") {
        return Ok(());
    }
    let folder = tempfile::tempdir().expect("a folder");
    // The root, two folders and the file need four entries and 3 MiB; each limit stops another step.
    let rooms = [(1, 9000), (2, 9000), (3, 9000), (9, 4), (9, 512), (9, 1500), (9, 2500), (9, 3068)];
    for (entries, kibibytes) in rooms {
        let error = fill(folder.path(), entries, kibibytes).await?.expect("no room");
        assert_eq!(error.code(), Code::NoSpace, "{error}");
        assert!(error.to_string().contains(&format!("of {entries} file entries are free")), "{error}");
    }
    assert!(fill(folder.path(), 9, 9000).await?.is_none());
    Ok(())
}

/// Writes an object in three pieces into a new file system of this size; nothing may be left if that fails.
async fn fill(path: &Path, entries: u32, kibibytes: u32) -> Result<Option<Error>> {
    let (bytes, mounted) = (vec![7; 1 << 20], path.to_str().expect("UTF-8"));
    tool("mount", &["-t", "tmpfs", "-o", &format!("size={kibibytes}k,nr_inodes={entries}"), "none", mounted]);
    let outcome = {
        let store = Local::create(path)?;
        let work = async {
            let mut upload = store.create(&object()).await?;
            let mut hash = Sha256::new();
            for _ in 0..3 {
                hash.update(&bytes);
                upload.write(bytes.clone().into()).await?;
            }
            upload.commit(hash.finalize().into()).await
        };
        let outcome = work.await;
        assert_eq!(fs::read_dir(path).expect("the root").count(), usize::from(outcome.is_ok()), "{outcome:?} left something");
        outcome
    };
    tool("umount", &[mounted]);
    Ok(outcome.err())
}
