//! Who asks: the credentials that a request carries, and the identity behind them.

use http::header::{AUTHORIZATION, COOKIE};
use http::request::Parts;
use http::{HeaderMap, Uri};
use tidings_hub::{Hub, Identity, Refusal};
use tidings_wire::Code;

use super::origin::{Carried, OriginPolicy};
use super::problem::refusal;
use super::query;

/// The cookie that carries a token.
pub(crate) const COOKIE_NAME: &str = "tidings_token";

/// What a request says about who sends it; the first one that is there.
#[derive(Debug, PartialEq, Eq)]
enum Credential {
    /// `Authorization: Bearer TOKEN`
    Bearer(String),
    /// `?ticket=`
    Ticket(String),
    /// The cookie [`COOKIE_NAME`].
    Cookie(String),
    /// Nothing.
    Nothing,
}

impl Credential {
    fn of(headers: &HeaderMap, uri: &Uri) -> Result<Self, Refusal> {
        if let Some(value) = headers.get(AUTHORIZATION) {
            // Not `to_str`, which knows ASCII alone: a guest's name is any text.
            let token = std::str::from_utf8(value.as_bytes())
                .ok()
                .and_then(|value| {
                    let (scheme, token) = value.split_once(' ')?;
                    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
                });
            return match token {
                Some(token) => Ok(Self::Bearer(token.to_owned())),
                None => Err(refusal(
                    Code::Unauthenticated,
                    "send Authorization: Bearer TOKEN",
                )),
            };
        }
        if let Some(ticket) = query::first(uri, "ticket")? {
            return Ok(Self::Ticket(ticket));
        }
        Ok(match cookie(headers) {
            Some(token) => Self::Cookie(token.to_owned()),
            None => Self::Nothing,
        })
    }

    fn carried(&self) -> Carried {
        match self {
            Self::Bearer(_) | Self::Ticket(_) => Carried::Request,
            Self::Cookie(_) => Carried::Cookie,
            Self::Nothing => Carried::Nothing,
        }
    }
}

/// Who asks over plain HTTP. Without a token that is a guest where guests are let in.
pub(crate) fn identify(
    hub: &Hub,
    origins: &OriginPolicy,
    parts: &Parts,
) -> Result<Identity, Refusal> {
    match identify_early(hub, origins, parts)? {
        Some(identity) => Ok(identity),
        None => match query::first(&parts.uri, "session")? {
            Some(session) => hub.authenticate_session(&session),
            None => hub.authenticate(None),
        },
    }
}

/// Who opens a framed transport; `None` if it does not say, for then its `hello` will.
pub(crate) fn identify_early(
    hub: &Hub,
    origins: &OriginPolicy,
    parts: &Parts,
) -> Result<Option<Identity>, Refusal> {
    let credential = Credential::of(&parts.headers, &parts.uri)?;
    origins.check_carried(&parts.method, &parts.headers, credential.carried())?;
    match credential {
        Credential::Bearer(token) | Credential::Cookie(token) => {
            hub.authenticate(Some(&token)).map(Some)
        }
        Credential::Ticket(ticket) => hub.redeem(&ticket).map(Some),
        Credential::Nothing => Ok(None),
    }
}

/// The token in the cookie [`COOKIE_NAME`] (RFC 6265, section 4.2).
fn cookie(headers: &HeaderMap) -> Option<&str> {
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, _)| *name == COOKIE_NAME)
        .map(|(_, token)| token.trim_matches('"'))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn credential(pairs: &[(http::HeaderName, &'static str)], uri: &str) -> Credential {
        let headers = pairs
            .iter()
            .map(|(name, value)| (name.clone(), HeaderValue::from_static(value)))
            .collect();
        Credential::of(&headers, &uri.parse().unwrap()).unwrap()
    }

    #[test]
    fn a_header_comes_before_a_ticket_before_a_cookie() {
        let bearer = (AUTHORIZATION, "bearer  T");
        let both = (COOKIE, "a=b; tidings_token=C; c=d");
        assert_eq!(
            credential(&[bearer, both.clone()], "/?ticket=K"),
            Credential::Bearer("T".into())
        );
        assert_eq!(
            credential(std::slice::from_ref(&both), "/?a=b&ticket=K%31"),
            Credential::Ticket("K1".into())
        );
        assert_eq!(credential(&[both], "/"), Credential::Cookie("C".into()));
        assert_eq!(
            credential(&[(COOKIE, "my_tidings_token=C")], "/"),
            Credential::Nothing
        );
    }

    #[test]
    fn a_guest_of_any_script_comes_in_by_the_header() {
        let mut headers = HeaderMap::new();
        let bearer = HeaderValue::from_bytes("Bearer guest:李雷".as_bytes()).unwrap();
        headers.insert(AUTHORIZATION, bearer);
        assert_eq!(
            Credential::of(&headers, &Uri::from_static("/")).unwrap(),
            Credential::Bearer("guest:李雷".into())
        );
    }

    #[test]
    fn another_scheme_than_bearer_is_refused_and_not_taken_for_nothing() {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_static("Basic YTpi"));
        let refusal = Credential::of(&headers, &Uri::from_static("/")).unwrap_err();
        assert_eq!(refusal.code, Code::Unauthenticated);
    }
}
