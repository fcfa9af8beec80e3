//! The small disk, the watched program and SQLite's own dump.

use std::path::Path;
use std::process::Command;

use anyhow::Result;
use testkit::{Puppet, Tmpfs, sqlite_dump};

#[test]
fn a_small_disk_fills_up_and_goes_away() -> Result<()> {
    let disk = Tmpfs::mount(256 * 1024)?;
    let path = disk.path().to_owned();
    std::fs::write(path.join("fits"), vec![0; 64 * 1024])?;
    let error = std::fs::write(path.join("does not"), vec![0; 1024 * 1024]).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
    drop(disk);
    assert!(!path.exists());
    Ok(())
}

fn shell(script: &str, folder: &Path) -> Result<Puppet> {
    let mut command = Puppet::command("sh");
    command.args(["-c", script]).current_dir(folder);
    Puppet::start(command)
}

#[test]
fn a_program_is_killed_at_a_line_of_its_output() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut program = shell("echo one; echo two >&2; read -r x </dev/zero; touch too-late", folder.path())?;
    assert_eq!(program.wait_for_line("two")?, "two");
    program.kill()?;
    assert_eq!(program.wait()?.status.code(), None);
    assert!(!folder.path().join("too-late").exists());
    Ok(())
}

#[test]
fn a_program_is_frozen_and_thawed_at_a_file() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut program = shell("touch here; while ! test -e go; do sleep 0.01; done; echo went; exit 7", folder.path())?;
    program.wait_for_file(&folder.path().join("here"))?;
    program.freeze()?;
    std::fs::write(folder.path().join("go"), "")?;
    let state = |pid: u32| std::fs::read_to_string(format!("/proc/{pid}/stat")).map(|stat| stat.contains(") T "));
    let pid = program.pid();
    program.wait_until("it is stopped", || state(pid).unwrap_or(false))?;
    program.thaw()?;
    let ended = program.wait()?;
    assert_eq!((ended.status.code(), ended.lines), (Some(7), vec!["went".to_owned()]));
    Ok(())
}

#[test]
fn what_never_comes_is_an_error_that_shows_the_output() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut program = shell("echo only this", folder.path())?;
    let error = program.wait_for_line("something else").unwrap_err().to_string();
    assert!(error.contains("only this"), "{error}");
    assert!(program.wait_for_file(&folder.path().join("never")).is_err());
    Ok(())
}

#[test]
fn sqlite_dumps_a_database_and_reports_a_damaged_one() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("-init file:x.db");
    let sql =
        "create table t(a); with recursive n(i) as (select 1 union all select i + 1 from n where i < 9999) insert into t select i from n;";
    assert!(Command::new("sqlite3").arg(&file).arg(sql).status()?.success());
    assert!(sqlite_dump(&file)?.contains("INSERT INTO t VALUES(9999);"));
    let mut bytes = std::fs::read(&file)?;
    bytes[8192..16384].fill(0xff);
    std::fs::write(&file, bytes)?;
    assert!(sqlite_dump(&file).is_err());
    Ok(())
}
