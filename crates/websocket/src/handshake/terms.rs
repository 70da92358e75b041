//! What the two ends agree on beside speaking WebSocket: a subprotocol and extensions.
//!
//! Over HTTP/1.1 and over HTTP/2 it is said in the same two header fields (RFC 8441, section 5),
//! and by the same rules.

use http::header::{SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_PROTOCOL};
use http::{HeaderMap, HeaderValue};

use super::client::{self, Agreed, InvalidRequest, Rejection};
use super::{headers, server};
#[cfg(feature = "deflate")]
use crate::deflate::{Agreement, negotiation};

/// What a server chose of what the client offers.
#[derive(Debug)]
pub(crate) struct Terms<'o> {
    pub(crate) subprotocol: Option<&'o str>,
    #[cfg(feature = "deflate")]
    pub(crate) deflate: Option<Agreement>,
    /// What the answer says of extensions.
    pub(crate) extensions: Option<HeaderValue>,
}

/// What a client's offers can be that a server refuses for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Malformed {
    Subprotocols,
    Extensions,
}

impl<'o> Terms<'o> {
    /// The server's choice among the offers in a request's `fields`.
    pub(crate) fn choose(
        fields: &HeaderMap,
        options: &server::Options<'o>,
    ) -> Result<Self, Malformed> {
        let extensions =
            headers::extensions(fields, &SEC_WEBSOCKET_EXTENSIONS).ok_or(Malformed::Extensions)?;
        let subprotocol = choose_subprotocol(fields, options)?;
        #[cfg(feature = "deflate")]
        let (deflate, extensions) = options
            .deflate
            .and_then(|policy| policy.accept(&extensions))
            .unzip();
        // What is well formed and not in the answer is not accepted (RFC 6455, 9.1).
        #[cfg(not(feature = "deflate"))]
        let extensions = {
            drop(extensions);
            None
        };
        Ok(Self {
            subprotocol,
            #[cfg(feature = "deflate")]
            deflate,
            extensions,
        })
    }
}

/// Says in the server's answer what was chosen.
pub(crate) fn answer(
    fields: &mut HeaderMap,
    subprotocol: Option<&str>,
    extensions: Option<&HeaderValue>,
) {
    // The client offered it as a token, so it is a header's value.
    if let Some(Ok(subprotocol)) = subprotocol.map(HeaderValue::from_str) {
        fields.insert(SEC_WEBSOCKET_PROTOCOL, subprotocol);
    }
    if let Some(extensions) = extensions {
        fields.insert(SEC_WEBSOCKET_EXTENSIONS, extensions.clone());
    }
}

fn choose_subprotocol<'o>(
    fields: &HeaderMap,
    options: &server::Options<'o>,
) -> Result<Option<&'o str>, Malformed> {
    let offered = headers::subprotocols(fields).ok_or(Malformed::Subprotocols)?;
    // 4.1: "The elements that comprise this value [...] MUST all be unique strings."
    if !are_different(&offered) {
        return Err(Malformed::Subprotocols);
    }
    Ok(options
        .subprotocols
        .iter()
        .copied()
        .find(|subprotocol| offered.contains(subprotocol)))
}

/// Says in the client's request what it offers.
pub(super) fn offer(
    fields: &mut HeaderMap,
    options: &client::Options<'_>,
) -> Result<(), InvalidRequest> {
    fields.remove(SEC_WEBSOCKET_EXTENSIONS);
    #[cfg(feature = "deflate")]
    if let Some(policy) = &options.deflate {
        fields.insert(SEC_WEBSOCKET_EXTENSIONS, policy.offer());
    }
    fields.remove(SEC_WEBSOCKET_PROTOCOL);
    let offered = options.subprotocols;
    if offered.is_empty() {
        return Ok(());
    }
    if offered.len() > headers::SUBPROTOCOLS_MAX {
        return Err(InvalidRequest::Subprotocols);
    }
    let are_tokens = offered.iter().all(|token| headers::is_token(token));
    if !are_tokens || !are_different(offered) {
        return Err(InvalidRequest::Subprotocols);
    }
    let list =
        HeaderValue::try_from(offered.join(", ")).map_err(|_| InvalidRequest::Subprotocols)?;
    fields.insert(SEC_WEBSOCKET_PROTOCOL, list);
    Ok(())
}

/// What the client makes of the `answered` fields after it sent the `offered` ones.
pub(super) fn check(offered: &HeaderMap, answered: &HeaderMap) -> Result<Agreed, Rejection> {
    let answers = headers::extensions(answered, &SEC_WEBSOCKET_EXTENSIONS)
        .ok_or(Rejection::MalformedExtensions)?;
    #[cfg(feature = "deflate")]
    let deflate = check_deflate(offered, &answers)?;
    #[cfg(not(feature = "deflate"))]
    if !answers.is_empty() {
        return Err(Rejection::Extension);
    }
    Ok(Agreed {
        subprotocol: check_subprotocol(offered, answered)?,
        #[cfg(feature = "deflate")]
        deflate,
    })
}

/// 4.1, 5: "the use of an extension that was not present in the client's handshake". There is one
/// that can be.
#[cfg(feature = "deflate")]
fn check_deflate(
    offered: &HeaderMap,
    answers: &[headers::Extension<'_>],
) -> Result<Option<Agreement>, Rejection> {
    if answers.is_empty() {
        return Ok(None);
    }
    let offers = headers::extensions(offered, &SEC_WEBSOCKET_EXTENSIONS).unwrap_or_default();
    let offer = offers.iter().find(|offer| offer.name == negotiation::NAME);
    match (offer, answers) {
        (Some(offer), [answer]) if answer.name == negotiation::NAME => {
            let agreement = negotiation::check(offer, answer);
            Ok(Some(agreement.ok_or(Rejection::Deflate)?))
        }
        // Twice: no message can be compressed twice with the one bit that says so.
        (Some(_), answers)
            if answers
                .iter()
                .all(|answer| answer.name == negotiation::NAME) =>
        {
            Err(Rejection::Deflate)
        }
        _ => Err(Rejection::Extension),
    }
}

/// 4.1, 6: "the use of a subprotocol that was not present in the client's handshake".
fn check_subprotocol(
    offered: &HeaderMap,
    answered: &HeaderMap,
) -> Result<Option<String>, Rejection> {
    let offered = headers::subprotocols(offered).unwrap_or_default();
    let mut chosen = answered.get_all(SEC_WEBSOCKET_PROTOCOL).iter();
    match (chosen.next().map(HeaderValue::to_str), chosen.next()) {
        (None, _) => Ok(None),
        (Some(Ok(chosen)), None) if offered.contains(&chosen) => Ok(Some(chosen.to_owned())),
        _ => Err(Rejection::Subprotocol),
    }
}

/// Each is compared with all before it: there are at most [`headers::SUBPROTOCOLS_MAX`].
fn are_different(subprotocols: &[&str]) -> bool {
    subprotocols
        .iter()
        .enumerate()
        .all(|(at, subprotocol)| !subprotocols[..at].contains(subprotocol))
}
