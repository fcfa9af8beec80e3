//! Files that come from and go to whoever sits at the browser, and no further.

use domain::Secret;
use leptos::{
    prelude::*,
    wasm_bindgen::{JsCast, JsValue, closure::Closure},
    web_sys::{Blob, BlobPropertyBag, Event, FileReader, HtmlAnchorElement, HtmlInputElement, Url, js_sys::Array},
};
use std::time::Duration;

/// Largest file that is read: key files are far smaller.
const MAX_BYTES: f64 = 65_536.0;

/// Gives the text of the file that was just chosen; nothing for one that is too large or cannot be read.
pub fn read(event: &Event, then: impl FnOnce(Option<Secret<String>>) + 'static) {
    let input = event.target().and_then(|target| target.dyn_into::<HtmlInputElement>().ok());
    let Some(file) = input.and_then(|input| input.files()).and_then(|files| files.get(0)) else { return };
    let Ok(reader) = FileReader::new() else { return then(None) };
    if file.size() > MAX_BYTES || reader.read_as_text(&file).is_err() {
        return then(None);
    }
    let ended = reader.clone();
    let heard = Closure::once_into_js(move || then(ended.result().ok().and_then(|text| text.as_string()).map(Secret::new)));
    reader.set_onloadend(Some(heard.unchecked_ref()));
}

/// Offers a text as a file to save.
pub fn save(name: &str, text: &str) {
    let kind = BlobPropertyBag::new();
    kind.set_type("text/plain");
    let parts = Array::of1(&JsValue::from_str(text));
    let Ok(blob) = Blob::new_with_str_sequence_and_options(&parts, &kind) else { return };
    let Ok(address) = Url::create_object_url_with_blob(&blob) else { return };
    if let Ok(link) = document().create_element("a").and_then(|link| link.dyn_into::<HtmlAnchorElement>().map_err(Into::into)) {
        link.set_href(&address);
        link.set_download(name);
        link.click();
    }
    // The text is in memory as long as the address is, and some browsers begin to save only after a while.
    set_timeout(move || drop(Url::revoke_object_url(&address)), Duration::from_secs(10));
}

/// Opens the browser's dialog for printing.
pub fn print() {
    let _ = window().print();
}
