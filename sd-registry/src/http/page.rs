//! The page for people: files that come with the program, and what a browser may do with them.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::response::{IntoResponse, Response};
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, REFERRER_POLICY, X_FRAME_OPTIONS,
};
use http::{HeaderMap, HeaderName, StatusCode};
use sha2::{Digest as _, Sha256};

use crate::http::problem::Problem;

/// Nothing from elsewhere, nothing inline, and no way to make markup out of text: what registrants say of themselves is
/// shown by this page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
                      require-trusted-types-for 'script'; trusted-types 'none'";

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const IMAGE: &str = "image/svg+xml";

struct File {
    name: &'static str,
    kind: &'static str,
    text: &'static str,
}

/// A file of the folder `src/page`.
macro_rules! file {
    ($name:literal, $kind:expr) => {
        File { name: $name, kind: $kind, text: include_str!(concat!("../page/", $name)) }
    };
}

static INDEX: File = file!("index.html", HTML);

static FILES: [File; 27] = [
    file!("activity.js", SCRIPT),
    file!("acts.js", SCRIPT),
    file!("api.js", SCRIPT),
    file!("app.js", SCRIPT),
    file!("clock.js", SCRIPT),
    file!("details.js", SCRIPT),
    file!("dialogs.css", STYLE),
    file!("dialogs.js", SCRIPT),
    file!("dom.js", SCRIPT),
    file!("empty.js", SCRIPT),
    file!("heading.js", SCRIPT),
    file!("icon.svg", IMAGE),
    file!("keys.js", SCRIPT),
    file!("list.js", SCRIPT),
    file!("model.js", SCRIPT),
    file!("narrow.css", STYLE),
    file!("paced.js", SCRIPT),
    file!("place.js", SCRIPT),
    file!("services.js", SCRIPT),
    file!("side.css", STYLE),
    file!("status.js", SCRIPT),
    file!("stream.js", SCRIPT),
    file!("style.css", STYLE),
    file!("table.css", STYLE),
    file!("table.js", SCRIPT),
    file!("views.js", SCRIPT),
    file!("words.js", SCRIPT),
];

/// They are those of one build, so one tag serves all: a page and its scripts always fit each other.
static TAG: LazyLock<String> = LazyLock::new(|| {
    let mut hash = Sha256::new();
    for file in FILES.iter().chain([&INDEX]) {
        hash.update(file.text.as_bytes());
    }
    let hex: String = hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("\"{hex}\"")
});

pub(crate) async fn index(headers: HeaderMap) -> Response {
    answer(&INDEX, &headers)
}

pub(crate) async fn file(path: Result<Path<String>, PathRejection>, headers: HeaderMap) -> Result<Response, Problem> {
    let name = path.map(|Path(name)| name).unwrap_or_default();
    let found = FILES.iter().find(|file| file.name == name);
    let file = found.ok_or_else(|| Problem::not_found(format!("the page has no file {name:?}")))?;
    Ok(answer(file, &headers))
}

fn answer(file: &File, headers: &HeaderMap) -> Response {
    let told = [
        (CACHE_CONTROL, "no-cache"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (REFERRER_POLICY, "no-referrer"),
        (X_FRAME_OPTIONS, "DENY"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (ETAG, TAG.as_str()),
    ];
    if has_it_already(headers) {
        return (StatusCode::NOT_MODIFIED, told).into_response();
    }
    (told, [(CONTENT_TYPE, file.kind)], file.text).into_response()
}

fn has_it_already(headers: &HeaderMap) -> bool {
    let tags = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let mut tags = tags.flat_map(|value| value.split(',')).map(|tag| tag.trim().trim_start_matches("W/"));
    tags.any(|tag| tag == TAG.as_str() || tag == "*")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_brings_along_every_file_of_its_folder_and_asks_for_no_other() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/page");
        let mut there: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name != INDEX.name)
            .collect();
        let mut known: Vec<_> = FILES.iter().map(|file| file.name.to_owned()).collect();
        there.sort();
        known.sort();
        assert_eq!(known, there);
        for file in FILES.iter().chain([&INDEX]) {
            for foreign in ["http://", "https://", "innerHTML", "insertAdjacentHTML", "document.write", "eval("] {
                // The icon's namespace is a name, and nothing is fetched from there; examples name this centre.
                let found = file.text.replace("http://www.w3.org/2000/svg", "");
                assert!(!found.contains(foreign), "{}: {foreign}", file.name);
            }
        }
        for inline in [" style=", " onclick=", "<style", "javascript:"] {
            assert!(!INDEX.text.contains(inline), "{inline}: the policy forbids it");
        }
    }
}
