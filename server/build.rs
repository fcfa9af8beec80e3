//! Puts the browser's part into a release build, so that the product is one file.
//!
//! `cargo xtask build` leaves that part in `target/site/release`. A debug build reads it from its folder instead.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let release = env::var("PROFILE")? == "release";
    // OUT_DIR is target/PROFILE/build/NAME/out, wherever the target folder is.
    let site = out.ancestors().nth(4).map(|target| target.join("site/release")).filter(|_| release);
    let mut files = Vec::new();
    if let Some(site) = site {
        println!("cargo::rerun-if-changed={}", site.display());
        gather(&site, &site, &mut files);
    }
    println!("cargo::rerun-if-changed=build.rs");
    files.sort();
    let entries: String = files.iter().map(|(name, path)| format!("({name:?}, include_bytes!({path:?}) as &[u8]),\n")).collect();
    fs::write(out.join("site.rs"), format!("&[\n{entries}]"))?;
    Ok(())
}

/// Every file below a folder: its path from the root on, and where it lies. A folder that is not there has none.
fn gather(root: &Path, folder: &Path, files: &mut Vec<(String, PathBuf)>) {
    for path in fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            gather(root, &path, files);
        } else if let Ok(name) = path.strip_prefix(root) {
            files.push((name.to_string_lossy().into_owned(), path));
        }
    }
}
