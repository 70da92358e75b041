//! Whoever comes without TLS is led to where there is TLS, and nothing else.

use std::convert::Infallible;
use std::io;
use std::time::Duration;

use http::header::{CONNECTION, HOST, HeaderValue, LOCATION, UPGRADE};
use http::uri::Authority;
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::SockRef;
use tidings_wire::Code;
use tokio::net::{TcpListener, TcpStream};

use crate::few;
use crate::http::body::Whole;
use crate::http::problem;

/// How long a request may take to come, and its answer to be taken: it is one small round.
const ANSWERED_WITHIN: Duration = Duration::from_secs(10);

/// What is read of a request, in bytes: what hyper needs at least, and enough for any path that is followed.
const REQUEST_BYTES_MAX: usize = 8 << 10;

/// Where TLS is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// On the very port that was asked, by whatever name and number the client knows it.
    SamePort,
    /// On this one.
    Port(u16),
}

/// Leads whoever comes to `listener` to TLS on `port`, for as long as the runtime lives.
pub(crate) async fn serve(listener: TcpListener, port: u16) {
    let carry = |stream| answer(stream, Target::Port(port));
    few::accept(listener, CONNECTIONS_MAX, "a connection without TLS", carry).await;
}

/// Connections at a time to a port that only redirects; each lives for one request.
const CONNECTIONS_MAX: usize = 256;

/// Answers one request, and ends the connection.
///
/// # Errors
///
/// The client has gone, or took too long.
pub(crate) async fn answer(stream: TcpStream, target: Target) -> io::Result<()> {
    let _ = SockRef::from(&stream).set_tcp_user_timeout(Some(ANSWERED_WITHIN));
    let service = service_fn(async |request: Request<hyper::body::Incoming>| {
        Ok::<_, Infallible>(respond(&request, target))
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(ANSWERED_WITHIN)
        .max_buf_size(REQUEST_BYTES_MAX)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service)
        .await
        .map_err(io::Error::other)
}

fn respond<B>(request: &Request<B>, target: Target) -> Response<Whole> {
    let place = place(request.uri(), request.headers(), target);
    let is_followed = matches!(*request.method(), Method::GET | Method::HEAD)
        && !request.headers().contains_key(UPGRADE);
    let mut response = match place {
        Some(place) if is_followed => redirect(place),
        // What was sent here has gone over the network readable already, a token or a message among it:
        // led on, nobody would notice.
        _ => problem::answer(&problem::refusal(
            Code::BadRequest,
            "this server is reached by TLS only: use https:// and wss://",
        )),
    };
    let close = HeaderValue::from_static("close");
    response.headers_mut().insert(CONNECTION, close);
    response
}

fn redirect(place: HeaderValue) -> Response<Whole> {
    let mut response = Response::new(Whole::default());
    // RFC 9110, section 15.4.9: for good, and with the same method.
    *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
    response.headers_mut().insert(LOCATION, place);
    response
}

/// The same under `https:`; `None` if the request does not say which host it means.
fn place(asked: &Uri, headers: &HeaderMap, target: Target) -> Option<HeaderValue> {
    let host = headers.get(HOST)?.to_str().ok()?;
    let host: Authority = host.parse().ok()?;
    let port = match target {
        Target::SamePort => host.port_u16().unwrap_or(HTTP),
        Target::Port(port) => port,
    };
    let port = match port {
        HTTPS => String::new(),
        port => format!(":{port}"),
    };
    let path = asked.path_and_query().map_or("/", |path| path.as_str());
    HeaderValue::try_from(format!("https://{}{port}{path}", host.host())).ok()
}

/// The ports that need not be named.
const HTTP: u16 = 80;
const HTTPS: u16 = 443;

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(method: &str, path: &str, headers: &[(&str, &str)], target: Target) -> Response<Whole> {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        respond(&request.body(()).unwrap(), target)
    }

    #[test]
    fn the_way_leads_to_the_same_path_by_tls() {
        let to = |host: &str, target| {
            let response = ask("GET", "/a%20b?c=1&d", &[("host", host)], target);
            assert_eq!(response.status(), 308);
            assert_eq!(response.headers()["connection"], "close");
            response.headers()["location"].to_str().unwrap().to_owned()
        };
        let rest = "/a%20b?c=1&d";
        for (host, target, place) in [
            ("a.example:7007", Target::SamePort, "https://a.example:7007"),
            ("a.example", Target::SamePort, "https://a.example:80"),
            ("a.example", Target::Port(443), "https://a.example"),
            ("a.example:80", Target::Port(7007), "https://a.example:7007"),
            ("[::1]:80", Target::Port(7007), "https://[::1]:7007"),
        ] {
            assert_eq!(to(host, target), format!("{place}{rest}"), "{host}");
        }
        let response = ask("HEAD", "/", &[("host", "a")], Target::Port(443));
        assert_eq!(response.headers()["location"], "https://a/");
    }

    #[test]
    fn what_carries_something_or_becomes_something_else_is_not_led_on() {
        let host = ("host", "a.example");
        for response in [
            ask("POST", "/", &[host], Target::SamePort),
            ask("OPTIONS", "/", &[host], Target::SamePort),
            ask(
                "GET",
                "/",
                &[host, ("upgrade", "websocket")],
                Target::SamePort,
            ),
            ask("GET", "/", &[], Target::SamePort),
            ask("GET", "/", &[("host", "a b")], Target::SamePort),
        ] {
            assert_eq!(response.status(), 400);
            assert!(!response.headers().contains_key("location"));
        }
    }
}
