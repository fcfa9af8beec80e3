//! The files that browsers load: in the binary of a release build, in a folder otherwise.

use app::shell::Assets;
use axum::{
    Router,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use domain::{Code, Error, Result};
use serde::Deserialize;
use std::{borrow::Cow, collections::BTreeMap, env, fs, path::Path, sync::Arc};

/// Path from the site's root on, and content. Empty in a debug build.
const EMBEDDED: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/site.rs"));

/// Names the files whose names hold a hash of what they hold.
const INDEX: &str = "site.json";

/// All files, in memory: there are few.
pub struct Site {
    files: BTreeMap<String, Cow<'static, [u8]>>,
    assets: Assets,
}

#[derive(Deserialize)]
struct Index {
    script: Arc<str>,
    module: Arc<str>,
    style: Arc<str>,
}

/// A file with its compressed forms.
#[derive(Clone)]
struct File {
    plain: Cow<'static, [u8]>,
    brotli: Option<Cow<'static, [u8]>>,
    gzip: Option<Cow<'static, [u8]>>,
    kind: &'static str,
    /// Its name changes with its content, so it can be kept for ever.
    immutable: bool,
}

impl Site {
    /// What the environment names, else what was built in, else what a developer built beside it.
    pub fn open() -> Result<Self> {
        let files = match env::var_os("ROOKERY_SITE") {
            Some(folder) => in_folder(Path::new(&folder)),
            None if EMBEDDED.is_empty() => beside(),
            None => EMBEDDED.iter().map(|(name, bytes)| ((*name).to_owned(), Cow::Borrowed(*bytes))).collect(),
        };
        let index = files.get(INDEX).and_then(|index| serde_json::from_slice::<Index>(index).ok());
        let Some(Index { script, module, style }) = index else {
            return Err(Error::new(
                Code::Internal,
                "This build of Rookery has no pages in it.",
                "Build it with `cargo xtask build`, or try it with `cargo xtask run`.",
            ));
        };
        Ok(Self { files, assets: Assets { script, module, style } })
    }

    /// What the document names.
    pub fn assets(&self) -> Assets {
        self.assets.clone()
    }

    /// A route for each file.
    pub fn router(self) -> Router {
        let names: Vec<_> = self.files.keys().filter(|name| *name != INDEX && kind(name).is_some()).cloned().collect();
        names.into_iter().fold(Router::new(), |router, name| match self.file(&name) {
            Some(file) => router.route(&format!("/{name}"), get(async move |headers: HeaderMap| file.answer(&headers))),
            None => router,
        })
    }

    fn file(&self, name: &str) -> Option<File> {
        Some(File {
            plain: self.files.get(name)?.clone(),
            brotli: self.files.get(&format!("{name}.br")).cloned(),
            gzip: self.files.get(&format!("{name}.gz")).cloned(),
            kind: kind(name)?,
            immutable: name.starts_with("pkg/"),
        })
    }
}

impl File {
    fn answer(self, headers: &HeaderMap) -> Response {
        let accepted = headers.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let accepts =
            |coding: &str| accepted.split(',').any(|one| one.trim() == coding || one.trim().starts_with(&format!("{coding};q=1")));
        let (body, coding) = match (self.brotli, self.gzip) {
            (Some(brotli), _) if accepts("br") => (brotli, Some("br")),
            (_, Some(gzip)) if accepts("gzip") => (gzip, Some("gzip")),
            _ => (self.plain, None),
        };
        let body = match body {
            Cow::Borrowed(bytes) => axum::body::Bytes::from_static(bytes),
            Cow::Owned(bytes) => bytes.into(),
        };
        let keep = if self.immutable { "public, max-age=31536000, immutable" } else { "public, max-age=3600" };
        let mut response = (StatusCode::OK, [(header::CONTENT_TYPE, self.kind), (header::CACHE_CONTROL, keep)], body).into_response();
        if let Some(coding) = coding {
            response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding));
        }
        response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        response
    }
}

/// What a file is, by the end of its name; none for what browsers have no use for.
fn kind(name: &str) -> Option<&'static str> {
    Some(match name.rsplit('.').next()? {
        "js" => "text/javascript; charset=utf-8",
        "wasm" => "application/wasm",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "txt" => "text/plain; charset=utf-8",
        "webmanifest" => "application/manifest+json",
        _ => return None,
    })
}

#[cfg(debug_assertions)]
fn beside() -> BTreeMap<String, Cow<'static, [u8]>> {
    in_folder(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/site/dev"))
}

/// A release build that was made without its pages finds none on any machine.
#[cfg(not(debug_assertions))]
fn beside() -> BTreeMap<String, Cow<'static, [u8]>> {
    BTreeMap::new()
}

fn in_folder(root: &Path) -> BTreeMap<String, Cow<'static, [u8]>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()) {
            if path.is_dir() {
                folders.push(path);
            } else if let (Ok(name), Ok(bytes)) = (path.strip_prefix(root), fs::read(&path)) {
                files.insert(name.to_string_lossy().into_owned(), bytes.into());
            }
        }
    }
    files
}
