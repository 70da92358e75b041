//! HTTPS to a certificate authority: a connection for each of the dozen requests that an order takes.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::HOST;
use http::uri::Authority as HostAndPort;
use http::{HeaderValue, Request, Response, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

/// How long an answer may take, connection included. Authorities look things up while one waits.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// The largest answer that is taken: a chain of certificates has some kilobytes.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// See the module.
pub(super) struct Authority {
    trust: Arc<ClientConfig>,
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

impl Authority {
    /// One that is trusted by that.
    pub(super) fn new(trust: Arc<ClientConfig>) -> Self {
        Self { trust }
    }
}

impl HttpClient for Authority {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let asking = ask(request, Arc::clone(&self.trust));
        Box::pin(async move {
            let answer = timeout(ANSWER_WITHIN, asking).await;
            let answer = answer.unwrap_or_else(|_| Err("it did not answer in time".into()));
            answer.map(BytesResponse::from).map_err(Error::Other)
        })
    }
}

async fn ask(
    mut request: Request<BodyWrapper<Bytes>>,
    trust: Arc<ClientConfig>,
) -> Result<Response<Full<Bytes>>, BoxError> {
    let uri = std::mem::take(request.uri_mut());
    let place = match (uri.scheme_str(), uri.authority()) {
        (Some("https"), Some(place)) => place.clone(),
        _ => return Err(format!("{uri} is no https:// URL").into()),
    };
    *request.uri_mut() = Uri::from(uri.path_and_query().cloned().ok_or("the URL has no path")?);
    let host = HeaderValue::try_from(place.as_str())?;
    request.headers_mut().insert(HOST, host);

    let stream = connect(&place, trust).await?;
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await?;
    // It ends with the sender, and what goes wrong is told to whoever waits for the answer.
    tokio::spawn(connection);
    let (parts, body) = sender.send_request(request).await?.into_parts();
    let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await?;
    Ok(Response::from_parts(parts, Full::new(body.to_bytes())))
}

async fn connect(
    place: &HostAndPort,
    trust: Arc<ClientConfig>,
) -> Result<tokio_rustls::client::TlsStream<TcpStream>, BoxError> {
    let host = place.host().trim_matches(['[', ']']);
    let name = ServerName::try_from(host.to_owned())?;
    let unreached = |error| format!("{place} cannot be reached: {error}");
    let stream = TcpStream::connect((host, place.port_u16().unwrap_or(443)));
    let stream = stream.await.map_err(unreached)?;
    let connecting = TlsConnector::from(trust).connect(name, stream);
    Ok(connecting.await.map_err(unreached)?)
}
