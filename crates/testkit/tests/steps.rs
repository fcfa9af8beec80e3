//! Killing at the n-th step: every step of every thread is met, in order, and none is carried out.

use std::{fs, path::Path, process::Command};

use testkit::run_to_step;

/// Set in the program that is killed: this test binary once more.
const VICTIM: &str = "STEPS_VICTIM";

/// What the program does; the last two steps are another thread's.
fn act() {
    fs::create_dir("first").expect("a folder");
    fs::write("file", "content").expect("a file");
    let later = std::thread::spawn(|| {
        fs::create_dir("second").expect("a folder");
        fs::remove_dir("first").expect("an empty folder");
    });
    later.join().expect("the thread");
}

fn state(folder: &Path) -> Vec<String> {
    let size = |data: fs::Metadata| if data.is_file() { data.len() } else { 0 };
    let entries = folder.read_dir().expect("a folder").flatten();
    let mut names: Vec<_> = entries.map(|entry| format!("{} {}", entry.file_name().display(), entry.metadata().map_or(0, size))).collect();
    names.sort();
    names
}

#[test]
fn every_state_on_the_way_is_seen() {
    if std::env::var_os(VICTIM).is_some() {
        act();
        std::process::exit(7);
    }
    let mut states = vec![];
    for step in 1.. {
        let folder = tempfile::tempdir().expect("a folder");
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command.args(["--exact", "every_state_on_the_way_is_seen", "--nocapture"]).env(VICTIM, "1").current_dir(&folder);
        let ran = run_to_step(&command, step).expect("a traced program");
        states.push(state(folder.path()));
        assert_eq!(ran.code, ran.killed_at.is_none().then_some(7), "{ran:?}");
        if ran.killed_at.is_none() {
            break;
        }
    }
    // The harness of the tests prints before.
    states.dedup();
    let expected: [&[&str]; 6] =
        [&[], &["first 0"], &["file 0", "first 0"], &["file 7", "first 0"], &["file 7", "first 0", "second 0"], &["file 7", "second 0"]];
    assert_eq!(states, expected);
}
