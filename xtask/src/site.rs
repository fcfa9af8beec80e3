//! The browser's part: wasm with its script, style, and public files, each under a name that holds a hash of what it holds.

use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash, Hasher};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use wasm_bindgen_cli_support::Bindgen;

use crate::run::{cargo, repository, run, target};

/// Name of the files; the server knows them by `site.json` alone.
const NAME: &str = "rookery";

/// Builds the site and returns its folder.
///
/// # Errors
/// When a part does not build.
pub fn build(release: bool) -> Result<PathBuf> {
    let profile = if release { "wasm-release" } else { "dev" };
    // The library becomes a module for browsers only here, so that the server's build does not link one, too.
    run(cargo(&format!(
        "rustc --package app --lib --crate-type cdylib --features hydrate --target wasm32-unknown-unknown --profile {profile}"
    )))?;
    let built = if release { "wasm-release" } else { "debug" };
    let (script, module) = bind(&target().join(format!("wasm32-unknown-unknown/{built}/app.wasm")), release)?;
    let style = bundle(&repository().join("style/main.css"))?;

    let site = target().join(if release { "site/release" } else { "site/dev" });
    // Beside the old one, which a running server may still read.
    let fresh = site.with_extension("new");
    let _ = fs::remove_dir_all(&fresh);
    fs::create_dir_all(fresh.join("pkg"))?;
    copy_folder(&repository().join("public"), &fresh)?;
    let module = write(&fresh, "wasm", &module)?;
    let script = script.replace(&format!("{NAME}_bg.wasm"), module.rsplit('/').next().unwrap_or_default());
    let script = write(&fresh, "js", script.as_bytes())?;
    let style = write(&fresh, "css", style.as_bytes())?;
    let index = serde_json::json!({ "script": script, "module": module, "style": style });
    fs::write(fresh.join("site.json"), index.to_string())?;
    if release {
        for path in [&module, &script, &style] {
            compress(&fresh.join(path.trim_start_matches('/')))?;
        }
    }
    let _ = fs::remove_dir_all(&site);
    fs::rename(&fresh, &site)?;
    Ok(site)
}

/// The script and the module that wasm-bindgen makes of what cargo built.
fn bind(wasm: &Path, release: bool) -> Result<(String, Vec<u8>)> {
    let folder = target().join("site/bindgen");
    let _ = fs::remove_dir_all(&folder);
    Bindgen::new()
        .input_path(wasm)
        .web(true)?
        .typescript(false)
        .remove_name_section(release)
        .remove_producers_section(true)
        .out_name(NAME)
        .generate(&folder)
        .context("wasm-bindgen failed")?;
    Ok((fs::read_to_string(folder.join(format!("{NAME}.js")))?, fs::read(folder.join(format!("{NAME}_bg.wasm")))?))
}

/// Writes a file under the hash of its content, and returns its path in the site.
fn write(site: &Path, extension: &str, content: &[u8]) -> Result<String> {
    let mut hasher = DefaultHasher::new();
    content.hash(&mut hasher);
    let path = format!("/pkg/{NAME}.{:016x}.{extension}", hasher.finish());
    fs::write(site.join(path.trim_start_matches('/')), content)?;
    Ok(path)
}

/// A style sheet with those that it imports put in their place, without comments and indentation.
fn bundle(sheet: &Path) -> Result<String> {
    let text = fs::read_to_string(sheet).with_context(|| format!("cannot read {}", sheet.display()))?;
    let mut out = String::new();
    for line in without_comments(&text).lines().map(str::trim).filter(|line| !line.is_empty()) {
        match line.strip_prefix("@import \"").and_then(|rest| rest.strip_suffix("\";")) {
            Some(name) => out += &bundle(&sheet.with_file_name(name))?,
            None => out.extend([line, "\n"]),
        }
    }
    Ok(out)
}

fn without_comments(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("/*") {
        out += before;
        rest = after.split_once("*/").map_or("", |(_, after)| after);
    }
    out + rest
}

fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    for entry in fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))? {
        let (source, target) = (entry.as_ref().map(fs::DirEntry::path), entry.as_ref().map(|entry| to.join(entry.file_name())));
        let (Ok(source), Ok(target)) = (source, target) else { continue };
        if source.is_dir() {
            fs::create_dir_all(&target)?;
            copy_folder(&source, &target)?;
        } else {
            fs::copy(&source, &target)?;
        }
    }
    Ok(())
}

/// As small as it gets, once, so that nobody waits for it later.
fn compress(file: &Path) -> Result<()> {
    let plain = fs::read(file)?;
    let named = |ending: &str| PathBuf::from(format!("{}.{ending}", file.display()));
    let mut gzip = flate2::write::GzEncoder::new(fs::File::create(named("gz"))?, flate2::Compression::best());
    gzip.write_all(&plain)?;
    gzip.finish()?;
    let mut brotli = Vec::new();
    let params = brotli::enc::BrotliEncoderParams { quality: 11, lgwin: 22, size_hint: plain.len(), ..Default::default() };
    brotli::BrotliCompress(&mut plain.as_slice(), &mut brotli, &params)?;
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    println!("{name}: {} bytes, {} in brotli", plain.len(), brotli.len());
    fs::write(named("br"), brotli)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::without_comments;

    #[test]
    fn comments_of_a_style_sheet_go() {
        assert_eq!(without_comments("a { b: c } /* d */ e /* f\n */g"), "a { b: c }  e g");
        assert_eq!(without_comments("a /* open"), "a ");
    }
}
