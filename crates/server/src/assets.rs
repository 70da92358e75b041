//! The web chat, the lab and the browser client, which live in the binary.
//!
//! `/` is the chat's page, `/chat/…` its files, `/lab` and `/lab/…` the lab's, `/client/…` the client's modules. A file is asked for
//! again with its `ETag` every time: an upgrade shows at once, and an unchanged file costs a 304.

use std::borrow::Cow;

use axum::Router;
use axum::extract::Path;
use axum::routing::get;
use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HOST,
    IF_NONE_MATCH,
};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use rust_embed::{EmbeddedFile, RustEmbed};
use tidings_wire::Code;

use crate::http::body::Whole;
use crate::http::problem;
use crate::lab::CLOSED;
use crate::lab::door::without_port;

#[derive(RustEmbed)]
#[folder = "../../chat"]
#[exclude = "test/*"]
#[exclude = "node_modules/*"]
#[exclude = "*.json"]
#[exclude = "*.md"]
#[exclude = ".*"]
struct Chat;

#[derive(RustEmbed)]
#[folder = "../../lab"]
#[exclude = "test/*"]
#[exclude = "node_modules/*"]
#[exclude = "*.json"]
#[exclude = "*.md"]
#[exclude = ".*"]
struct Lab;

#[derive(RustEmbed)]
#[folder = "../../client/src"]
struct Client;

/// The outer bound of what the chat's page may do; the page itself is stricter still.
const POLICY: &str = "default-src 'self'; img-src 'self' data:; object-src 'none'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The same for the lab's, which goes to its lanes: other ports of the host by which it was asked for.
fn lab_policy(asked: &HeaderMap) -> String {
    let host = asked.get(HOST).and_then(|host| host.to_str().ok());
    let host = without_port(host.unwrap_or_default());
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte);
    // What is no host goes nowhere.
    let lanes = match !host.is_empty() && host.bytes().all(is_name) {
        true => format!(" http://{host}:* ws://{host}:* https://{host}:*"),
        false => String::new(),
    };
    format!("{POLICY}; connect-src 'self'{lanes}")
}

/// The paths of the files; those of the lab where there is one.
pub(crate) fn router<S: Clone + Send + Sync + 'static>(has_lab: bool) -> Router<S> {
    let chat = |headers: HeaderMap, path: &str| page(&headers, path, Chat::get(path), POLICY);
    let lab = move |headers: HeaderMap, path: &str| match has_lab {
        true => page(&headers, path, Lab::get(path), &lab_policy(&headers)),
        false => problem::answer(&problem::refusal(Code::NotFound, CLOSED)),
    };
    let client = |Path(path): Path<String>, headers: HeaderMap| async move {
        let mut response = serve(&headers, &path, Client::get(&path));
        // Any page may import the client; what it may then do here is another matter.
        response
            .headers_mut()
            .insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        response
    };
    Router::new()
        .route(
            "/",
            get(move |headers: HeaderMap| async move { chat(headers, "index.html") }),
        )
        .route(
            "/chat/{*path}",
            get(move |Path(path): Path<String>, headers: HeaderMap| async move {
                chat(headers, &path)
            }),
        )
        .route(
            "/lab",
            get(move |headers: HeaderMap| async move { lab(headers, "index.html") }),
        )
        .route(
            "/lab/",
            get(move |headers: HeaderMap| async move { lab(headers, "index.html") }),
        )
        .route(
            "/lab/{*path}",
            get(move |Path(path): Path<String>, headers: HeaderMap| async move {
                lab(headers, &path)
            }),
        )
        .route("/client/{*path}", get(client))
}

/// A file of a page, and what the page may do.
fn page(
    asked: &HeaderMap,
    path: &str,
    file: Option<EmbeddedFile>,
    policy: &str,
) -> Response<Whole> {
    let mut response = serve(asked, path, file);
    // Ours is text, and so is a host that was looked at.
    if let Ok(policy) = HeaderValue::from_str(policy) {
        response
            .headers_mut()
            .insert(CONTENT_SECURITY_POLICY, policy);
    }
    response
}

fn serve(asked: &HeaderMap, path: &str, file: Option<EmbeddedFile>) -> Response<Whole> {
    let Some(file) = file else {
        return problem::answer(&problem::refusal(
            Code::NotFound,
            format!("there is no file {path:?} here"),
        ));
    };
    let tag = etag(&file);
    let media_type = media_type(&file);
    let unchanged = asked
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        // RFC 9110, section 13.1.2: compared weakly, so a proxy's `W/` does not matter.
        .any(|known| matches!(known.trim(), "*") || known.trim().trim_start_matches("W/") == tag);
    let mut response = Response::new(Whole::default());
    match unchanged {
        true => *response.status_mut() = StatusCode::NOT_MODIFIED,
        false => {
            *response.body_mut() = Whole::from(match file.data {
                Cow::Borrowed(bytes) => Bytes::from_static(bytes),
                Cow::Owned(bytes) => Bytes::from(bytes),
            });
        }
    }
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, media_type);
    headers.insert(
        ETAG,
        HeaderValue::from_str(&tag).expect("hexadecimal digits in quotes"),
    );
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(
        HeaderName::from_static("referrer-policy"),
        HeaderValue::from_static("no-referrer"),
    );
    response
}

/// Texts are UTF-8, and say so.
fn media_type(file: &EmbeddedFile) -> HeaderValue {
    let guess = file.metadata.mimetype();
    let media_type = match guess.starts_with("text/") {
        true => format!("{guess}; charset=utf-8"),
        false => guess.to_owned(),
    };
    HeaderValue::try_from(media_type).expect("media types are visible ASCII")
}

fn etag(file: &EmbeddedFile) -> String {
    let hash = &file.metadata.sha256_hash()[..8];
    let digits: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("\"{digits}\"")
}
