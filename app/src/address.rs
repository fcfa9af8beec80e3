//! Addresses: what a page reads from its own, and how it writes those of others.

use crate::api::Failure;
use domain::Error;
use leptos::prelude::*;
use leptos_router::hooks::{use_location, use_params_map};
use serde::{Serialize, de::DeserializeOwned};
use std::{collections::BTreeMap, fmt::Write, str::FromStr};
use url::form_urlencoded;

/// What the query of the page's address says, such as a `RunQuery` or the fields of a form; what it does not say has its
/// default. Fields are read from the text of the query itself, because the router's map decodes them twice.
pub fn query<T: DeserializeOwned + Default + PartialEq + Send + Sync + 'static>() -> Memo<T> {
    let search = use_location().search;
    Memo::new(move |_| search.with(|search| parse(search)))
}

/// One value of the query; empty if it is not there.
pub fn query_value(name: &'static str) -> Memo<String> {
    let search = use_location().search;
    Memo::new(move |_| {
        search.with(|search| read(search)).into_iter().find(|(key, _)| key == name).map(|(_, value)| value).unwrap_or_default()
    })
}

/// A form as it is stored, with what the query of the page's address says laid over it: what was typed comes back that way
/// when a form was refused that had been sent without scripts.
pub fn typed<T: Serialize + DeserializeOwned + Clone>(stored: &T) -> T {
    use_location().search.with_untracked(|search| lay_over(stored, search))
}

fn lay_over<T: Serialize + DeserializeOwned + Clone>(stored: &T, search: &str) -> T {
    let mut fields = pairs(stored);
    let typed = read(search);
    for (name, value) in &mut fields {
        if let Some((_, typed)) = typed.iter().find(|(key, _)| key == name) {
            value.clone_from(typed);
        }
    }
    serde_qs::to_string(&fields.into_iter().collect::<BTreeMap<_, _>>())
        .ok()
        .and_then(|text| serde_qs::from_str(&text).ok())
        .unwrap_or_else(|| stored.clone())
}

fn read(search: &str) -> Vec<(String, String)> {
    form_urlencoded::parse(search.trim_start_matches('?').as_bytes()).into_owned().collect()
}

fn parse<T: DeserializeOwned + Default>(search: &str) -> T {
    serde_qs::from_str(search).unwrap_or_default()
}

/// An identifier in the page's path, such as `id` in `/servers/:id`.
pub fn param<T: FromStr<Err = Error> + Clone + PartialEq + Send + Sync + 'static>(name: &'static str) -> Memo<Result<T, Failure>> {
    let params = use_params_map();
    Memo::new(move |_| params.with(|params| params.get_str(name).unwrap_or_default().parse().map_err(Failure::from)))
}

/// A name in the page's path that [`segment`] wrote.
pub fn name_param(name: &'static str) -> Memo<String> {
    let params = use_params_map();
    Memo::new(move |_| params.with(|params| unmark(params.get_str(name).unwrap_or_default())))
}

/// Stands before the two hexadecimal digits of a character that would not survive in a path, and for the empty name.
const MARK: char = '~';

/// Any name as one segment of a path. The router decodes a path once or several times, browsers take `.` and `..` as steps
/// even when they are encoded, and an empty segment vanishes: what all that would change is written without `%`.
pub fn segment(name: &str) -> String {
    if name.is_empty() {
        return MARK.into();
    }
    let is_step = matches!(name, "." | "..");
    let mut out = String::with_capacity(name.len() + 1);
    for c in name.chars() {
        if "%/\\?#~".contains(c) || c.is_ascii_control() || is_step {
            let _ = write!(out, "{MARK}{:02X}", u32::from(c));
        } else {
            encode(c.encode_utf8(&mut [0; 4]), &mut out);
        }
    }
    out
}

fn unmark(segment: &str) -> String {
    let mut parts = segment.split(MARK);
    let mut out: String = parts.next().unwrap_or_default().into();
    for part in parts {
        let byte = part.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        if let Some(byte) = byte {
            out.push(char::from(byte));
            out.push_str(&part[2..]);
        }
    }
    out
}

/// A path of ours, or the overview: whoever made the address must not send people elsewhere. Browsers read a backslash as a
/// slash and leave tabs and line ends out.
pub fn local(next: &str) -> &str {
    let is_ours = next.starts_with('/') && !next.starts_with("//") && !next.contains(|c: char| c == '\\' || c.is_control());
    if is_ours { next } else { "/" }
}

/// A path with a query that holds the fields of `values`; those that are empty are left out.
pub fn with_query(path: &str, values: &impl Serialize) -> String {
    with_pairs(path, pairs(values))
}

/// A path with a query of these names and values; those that are empty are left out.
pub fn with_pairs<N: AsRef<str>, V: AsRef<str>>(path: &str, pairs: impl IntoIterator<Item = (N, V)>) -> String {
    let mut out = path.to_owned();
    let mut between = if path.contains('?') { '&' } else { '?' };
    for (name, value) in pairs.into_iter().filter(|(_, value)| !value.as_ref().is_empty()) {
        out.push(between);
        encode(name.as_ref(), &mut out);
        out.push('=');
        encode(value.as_ref(), &mut out);
        between = '&';
    }
    out
}

/// The fields of a form or a query with their values as text, in the order of their declaration.
pub fn pairs(values: &impl Serialize) -> Vec<(String, String)> {
    read(&serde_qs::to_string(values).unwrap_or_default())
}

/// The same on both sides, so that hydration finds the address that the server wrote.
fn encode(text: &str, out: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::{TaskForm, view::run::RunQuery};

    #[test]
    fn a_form_survives_its_way_through_an_address() {
        let form = TaskForm { name: "50 % & more = ü?".into(), excluded: "a b\r\n%41+c".into(), ..TaskForm::default() };
        let address = with_query("/servers/x/tasks/new?step=name", &form);
        let (_, search) = address.split_once('?').unwrap();
        assert_eq!(parse::<TaskForm>(search), form);
        assert_eq!(parse::<RunQuery>("page=3&only=failed&step=x"), RunQuery { page: 3, only: "failed".into(), ..RunQuery::default() });
        assert_eq!(parse::<RunQuery>("page=x"), RunQuery::default());
    }

    #[test]
    fn what_was_typed_covers_what_is_stored() {
        let stored = TaskForm { name: "nightly".into(), excluded: "a\nb".into(), ..TaskForm::default() };
        let shown = lay_over(&stored, "?name=n%C3%A4chtlich&full=&__err=x&step=name");
        assert_eq!(shown, TaskForm { name: "nächtlich".into(), full: String::new(), ..stored });
    }

    #[test]
    fn what_comes_next_is_a_page_of_ours_alone() {
        assert_eq!(local("/restore?step=point&name=a"), "/restore?step=point&name=a");
        for elsewhere in ["", "runs", "https://example.org/", "//example.org/", "/\\example.org", "/\t/example.org", "/\n"] {
            assert_eq!(local(elsewhere), "/", "{elsewhere:?}");
        }
    }

    #[test]
    fn every_name_is_one_segment() {
        for (name, written) in [
            ("..", "~2E~2E"),
            (".", "~2E"),
            ("", "~"),
            ("~a", "~7Ea"),
            ("a/b %41", "a~2Fb%20~2541"),
            ("shop.db", "shop.db"),
            ("é\n", "%C3%A9~0A"),
        ] {
            let segment = segment(name);
            assert_eq!(segment, written);
            // However often it is decoded on the way.
            let decoded = url::form_urlencoded::parse(format!("v={segment}").as_bytes()).next().unwrap().1.into_owned();
            assert_eq!(unmark(&decoded), name);
        }
    }
}
