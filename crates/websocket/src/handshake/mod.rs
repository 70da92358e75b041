//! The opening handshake (RFC 6455 section 4), as functions on the `http` crate's types.
//!
//! [`server::accept`] judges a request, [`client::request`] makes one and [`client::check`] judges
//! its answer; any HTTP implementation can stand around them. [`http2`] does the same where there
//! are many streams to a connection (RFC 8441). For a bare socket, [`head`] reads and writes the
//! HTTP/1.1 heads.
//!
//! What a handshake agrees on goes to the connection after it: [`Connection::with_deflate`] takes
//! the compression. `Origin`, paths and credentials are the application's to judge; the request
//! has them.
//!
//! [`Connection::with_deflate`]: crate::Connection::with_deflate

pub mod client;
pub mod head;
pub(crate) mod headers;
pub mod http2;
pub mod server;
pub(crate) mod terms;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::HeaderValue;
use sha1::{Digest, Sha1};

/// The version that RFC 6455 describes, the only one in use.
const VERSION: &str = "13";

/// RFC 6455, 4.2.2: what a server proves with that it understood the key.
fn accept_value(key: &HeaderValue) -> HeaderValue {
    let mut hash = Sha1::new();
    hash.update(key.as_bytes());
    hash.update("258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    HeaderValue::try_from(BASE64.encode(hash.finalize())).expect("base64 is visible ASCII")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rfc_example_key_gives_the_rfc_example_answer() {
        let key = HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ==");
        assert_eq!(accept_value(&key), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }
}
