//! Backups on their way to a browser. What a person asked for and cannot have leads back to the page that says why.

use super::{Serving, requests};
use app::{
    address::{segment, with_pairs},
    api::Visit,
};
use axum::{
    Extension,
    body::Body,
    extract::{Path, Query, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header, response::Builder},
    response::{IntoResponse, Redirect, Response},
};
use control::{Download, Wanted};
use domain::{Code, Error, Result, view::download::DownloadQuery};
use std::fmt::Write;

/// Everything, an archive, or a manifest of the backup that the query names.
pub async fn file(
    State(serving): State<Serving>,
    Extension(visit): Extension<Visit>,
    Path(id): Path<String>,
    Query(asked): Query<DownloadQuery>,
    method: Method,
    headers: HeaderMap,
) -> Response {
    // It would be written down as a download, and be none.
    if method != Method::GET {
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    }
    match begin(&serving, &visit, &id, &asked, &wanted(&headers)).await {
        Ok(download) => answer(download),
        Err(error) if is_person(&headers) && !matches!(error.code(), Code::Internal | Code::Catalog | Code::DataDir) => {
            tracing::debug!(code = %error.code(), ?error, "a download was refused");
            Redirect::to(&page(&visit, &id, &asked)).into_response()
        }
        Err(error) => requests::failed(&error),
    }
}

async fn begin(serving: &Serving, visit: &Visit, id: &str, asked: &DownloadQuery, wanted: &Wanted) -> Result<Download> {
    let signed_out = || Error::new(Code::SignedOut, "You are signed out.", "Sign in again.");
    let permit = visit.actor.as_ref().ok_or_else(signed_out)?.permit()?;
    serving.control.download(&permit, id.parse()?, asked, wanted).await
}

fn answer(download: Download) -> Response {
    let Download { file_name, size_bytes, range, tag, body } = download;
    let (status, sent) = match &range {
        Some(range) => (StatusCode::PARTIAL_CONTENT, range.end - range.start),
        None => (StatusCode::OK, size_bytes),
    };
    let mut response: Builder = Response::builder()
        .status(status)
        .header(header::CONTENT_TYPE, "application/octet-stream")
        .header(header::CONTENT_LENGTH, sent)
        .header(header::CONTENT_DISPOSITION, disposition(&file_name))
        .header(header::ACCEPT_RANGES, if tag.is_some() { "bytes" } else { "none" });
    if let Some(tag) = tag {
        response = response.header(header::ETAG, format!("\"{tag}\""));
    }
    if let Some(range) = range {
        response = response.header(header::CONTENT_RANGE, format!("bytes {}-{}/{size_bytes}", range.start, range.end - 1));
    }
    response
        .body(Body::from_stream(body))
        .unwrap_or_else(|error| requests::failed(&Error::internal("A file has no answer.").because(error)))
}

/// The file's name for those who know all letters, and for those who do not.
fn disposition(name: &str) -> String {
    let plain: String = name.chars().map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' }).collect();
    let mut encoded = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"._-".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{encoded}")
}

/// The one part that is asked for. Several at once, and parts that are counted from the end, are answered with the whole.
fn wanted(headers: &HeaderMap) -> Wanted {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok()).map(str::trim);
    let range = text(header::RANGE).and_then(|range| {
        let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
        let last = if last.is_empty() { None } else { Some(last.parse().ok()?) };
        Some((first.parse().ok()?, last))
    });
    // A tag that tells no certain content, or a date, is that of no content of ours.
    let only_of = text(header::IF_RANGE).map(|tag| tag.trim_matches('"').to_owned());
    Wanted { range, only_of }
}

fn is_person(headers: &HeaderMap) -> bool {
    headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).is_some_and(|accept| accept.contains("text/html"))
}

/// Where the download is offered, or what stands in its way is told.
fn page(visit: &Visit, id: &str, asked: &DownloadQuery) -> String {
    let page = format!("/backups/{}/{}/download", segment(id), segment(&asked.database));
    let page = with_pairs(&page, [("folder", &asked.folder), ("point", &asked.point)]);
    if visit.actor.is_some() { page } else { with_pairs("/sign-in", [("next", page)]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_is_told_twice() {
        assert_eq!(disposition("größe-1.zip"), "attachment; filename=\"gr__e-1.zip\"; filename*=UTF-8''gr%C3%B6%C3%9Fe-1.zip");
        assert_eq!(disposition("a\"\r\nb"), "attachment; filename=\"a___b\"; filename*=UTF-8''a%22%0D%0Ab");
    }

    #[test]
    fn one_part_is_understood() {
        let asked = |range: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::RANGE, HeaderValue::from_static(range));
            wanted(&headers).range
        };
        assert_eq!((asked("bytes=5-"), asked("bytes=5-9")), (Some((5, None)), Some((5, Some(9)))));
        for range in ["bytes=-5", "bytes=1-2,4-5", "lines=1-", "bytes=x-", "bytes=1-x", "bytes=99999999999999999999-"] {
            assert_eq!(asked(range), None, "{range}");
        }
    }
}
