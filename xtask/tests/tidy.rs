//! What no file of the repository may hold, and what every crate must say.

use std::path::{Path, PathBuf};
use std::process::Command;

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the repository")
}

/// Tracked files, and new ones that are not ignored.
fn files() -> Vec<PathBuf> {
    let list =
        Command::new("git").args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]).current_dir(repository()).output();
    let list = String::from_utf8(list.expect("git lists the files").stdout).expect("our file names are UTF-8");
    list.split('\0').map(|name| repository().join(name)).filter(|path| path.is_file()).collect()
}

/// In two halves, so that this file does not find itself.
fn forbidden() -> [String; 7] {
    [("/wo", "rk/"), ("/ro", "ot/"), ("/ho", "me/"), ("TO", "DO"), ("FIX", "ME"), ("todo", "!("), ("#[ig", "nore")]
        .map(|(a, b)| [a, b].concat())
}

/// A match in the middle of a longer path or word is none.
fn holds(line: &str, pattern: &str) -> bool {
    let inside = |c: char| c.is_alphanumeric() || "_.-}~".contains(c);
    line.match_indices(pattern).any(|(at, _)| !line[..at].ends_with(inside))
}

#[test]
fn no_file_holds_machine_paths_or_unfinished_work() {
    let files = files();
    assert!(files.iter().any(|file| file.ends_with("Cargo.lock")), "the repository was not read");
    let mut found = Vec::new();
    for file in files {
        let text = String::from_utf8_lossy(&std::fs::read(&file).unwrap_or_default()).into_owned();
        for (number, line) in text.lines().enumerate() {
            found.extend(
                forbidden().iter().filter(|pattern| holds(line, pattern)).map(|_| format!("{}:{}: {line}", file.display(), number + 1)),
            );
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn matches_are_whole_words_and_absolute_paths() {
    let [work, .., todo, _, _, ignore] = forbidden();
    assert!(
        holds(&format!("see {work}x"), &work) && holds(&work, &work) && holds(&format!("// {todo}: x"), &todo) && holds(&ignore, &ignore)
    );
    assert!(!holds(&format!("src{work}x"), &work) && !holds(&format!("NO_{todo}"), &todo));
}

#[test]
fn every_crate_is_a_member_and_takes_the_lints_of_the_workspace() {
    let manifests: Vec<_> =
        files().into_iter().filter(|file| file.ends_with("Cargo.toml") && *file != repository().join("Cargo.toml")).collect();
    assert!(manifests.len() >= 8, "the manifests were not read");
    let workspace = std::fs::read_to_string(repository().join("Cargo.toml")).expect("the workspace manifest");
    for manifest in manifests {
        let text = std::fs::read_to_string(&manifest).expect("a readable manifest");
        assert!(text.contains("\n[lints]\nworkspace = true\n"), "{} does not take the workspace's lints", manifest.display());
        let folder = manifest.parent().and_then(|folder| folder.strip_prefix(repository()).ok()).expect("a folder of the repository");
        assert!(workspace.contains(&format!("\"{}\"", folder.display())), "{} is no member of the workspace", manifest.display());
    }
}
