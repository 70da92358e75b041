//! The headers that a browser adds to what its page asks for: most of the "hundreds of bytes" of a poll.

use http::{HeaderMap, HeaderValue};

/// As Chromium on Linux sends them for a page of the same origin that calls `fetch` with `cache: 'no-store'`; without
/// cookies, which are the application's, and without `Connection: keep-alive`, which hyper leaves out.
const HEADERS: [(&str, &str); 11] = [
    ("pragma", "no-cache"),
    ("cache-control", "no-cache"),
    ("sec-ch-ua-platform", "\"Linux\""),
    (
        "user-agent",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36",
    ),
    (
        "sec-ch-ua",
        "\"Chromium\";v=\"156\", \"Not/A)Brand\";v=\"24\"",
    ),
    ("sec-ch-ua-mobile", "?0"),
    ("sec-fetch-site", "same-origin"),
    ("sec-fetch-mode", "cors"),
    ("sec-fetch-dest", "empty"),
    ("accept-encoding", "gzip, deflate, br, zstd"),
    ("accept-language", "en-US,en;q=0.9"),
];

/// Those of a page that the server at `url` has served.
pub(super) fn headers(url: &str) -> HeaderMap {
    let mut headers: HeaderMap = HEADERS
        .into_iter()
        .map(|(name, value)| {
            let value = HeaderValue::from_static(value);
            (http::HeaderName::from_static(name), value)
        })
        .collect();
    // A URL that a client could be made of is text that a header can carry.
    if let Ok(referer) = HeaderValue::from_str(&format!("{}/", url.trim_end_matches('/'))) {
        headers.insert(http::header::REFERER, referer);
    }
    headers
}
