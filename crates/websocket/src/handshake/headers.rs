//! The header fields of the handshake: lists of tokens, and extensions.
//!
//! A list may be spread over several fields of one name and hold empty elements
//! (RFC 9110, 5.6.1); what an element may be is stricter.

use std::borrow::Cow;

use http::header::SEC_WEBSOCKET_PROTOCOL;
use http::{HeaderMap, HeaderName};

/// One element of `Sec-WebSocket-Extensions`: an offer, or its answer (RFC 6455, 9.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Extension<'h> {
    pub(crate) name: &'h str,
    /// As they came: what may be there twice, or at all, is the extension's to say.
    pub(crate) parameters: Vec<Parameter<'h>>,
}

/// A parameter of an [`Extension`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Parameter<'h> {
    pub(crate) name: &'h str,
    /// A token, without the quotation marks it may have had.
    pub(crate) value: Option<Cow<'h, str>>,
}

/// The most extensions of a handshake. Browsers offer one, clients with fallbacks two or three;
/// whatever holds the head may hold far more than [`head`](super::head)'s limit.
pub(super) const EXTENSIONS_MAX: usize = 16;

/// The most subprotocols of a handshake. Clients offer one or two; whatever holds the head may hold
/// ten thousand, and each is compared with the others before anybody knows who asks.
pub(super) const SUBPROTOCOLS_MAX: usize = 64;

/// The most parameters of an extension: four times those of permessage-deflate.
pub(super) const PARAMETERS_MAX: usize = 16;

/// The extensions in all fields called `name`, in their order. `None` if one is malformed, or if
/// there are more than anybody means.
pub(super) fn extensions<'h>(
    headers: &'h HeaderMap,
    name: &HeaderName,
) -> Option<Vec<Extension<'h>>> {
    let mut extensions = Vec::new();
    for field in headers.get_all(name) {
        // A value is a token even between quotation marks, so these never hide a separator.
        for element in field.to_str().ok()?.split(',').map(trim) {
            if element.is_empty() {
                continue;
            }
            if extensions.len() == EXTENSIONS_MAX {
                return None;
            }
            extensions.push(extension(element)?);
        }
    }
    Some(extensions)
}

/// `token *( ";" token [ "=" ( token | quoted token ) ] )`.
fn extension(element: &str) -> Option<Extension<'_>> {
    let mut parts = element.split(';').map(trim);
    let name = parts.next().filter(|name| is_token(name))?;
    let mut parameters = Vec::new();
    for part in parts {
        if parameters.len() == PARAMETERS_MAX {
            return None;
        }
        parameters.push(parameter(part)?);
    }
    Some(Extension { name, parameters })
}

fn parameter(part: &str) -> Option<Parameter<'_>> {
    let (name, value) = match part.split_once('=') {
        None => (part, None),
        Some((name, value)) => (trim(name), Some(unquote(trim(value))?)),
    };
    let valid = is_token(name) && value.as_deref().is_none_or(is_token);
    valid.then_some(Parameter { name, value })
}

/// "When using the quoted-string syntax variant, the value after quoted-string unescaping MUST
/// conform to the 'token' ABNF." `None` for a backslash before nothing.
fn unquote(value: &str) -> Option<Cow<'_, str>> {
    let quoted = value
        .strip_prefix('"')
        .and_then(|value| value.strip_suffix('"'));
    match quoted {
        Some(quoted) if quoted.contains('\\') => {
            let mut plain = String::with_capacity(quoted.len());
            let mut characters = quoted.chars();
            while let Some(character) = characters.next() {
                plain.push(match character {
                    '\\' => characters.next()?,
                    other => other,
                });
            }
            Some(plain.into())
        }
        Some(quoted) => Some(quoted.into()),
        None => Some(value.into()),
    }
}

/// The subprotocols in all fields of a handshake, in their order. `None` if one is not a token, or if
/// there are more than anybody means.
pub(crate) fn subprotocols(headers: &HeaderMap) -> Option<Vec<&str>> {
    tokens(headers, &SEC_WEBSOCKET_PROTOCOL, SUBPROTOCOLS_MAX)
}

/// The elements of all fields called `name`. `None` if one is not a token, or if there are more than
/// `max`.
fn tokens<'h>(headers: &'h HeaderMap, name: &HeaderName, max: usize) -> Option<Vec<&'h str>> {
    let mut tokens = Vec::new();
    for field in headers.get_all(name) {
        for element in field.to_str().ok()?.split(',').map(trim) {
            match element {
                "" => {}
                token if tokens.len() < max && is_token(token) => tokens.push(token),
                _ => return None,
            }
        }
    }
    Some(tokens)
}

/// Whether `token` is among the elements of the fields called `name`, in any case of letters.
///
/// An element that is no token (`HTTP/2.0` in an `Upgrade`) is somebody else's business.
pub(crate) fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .filter_map(|field| field.to_str().ok())
        .any(|field| {
            field
                .split(',')
                .any(|element| trim(element).eq_ignore_ascii_case(token))
        })
}

/// RFC 9110, 5.6.2.
pub(super) fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use http::header::{SEC_WEBSOCKET_EXTENSIONS, UPGRADE};

    fn fields(name: HeaderName, values: &[&str]) -> HeaderMap {
        values
            .iter()
            .map(|value| (name.clone(), HeaderValue::from_str(value).expect("valid")))
            .collect()
    }

    /// Each extension as `name(parameter, parameter=value)`.
    fn read(values: &[&str]) -> Option<Vec<String>> {
        let headers = fields(SEC_WEBSOCKET_EXTENSIONS, values);
        let extensions = extensions(&headers, &SEC_WEBSOCKET_EXTENSIONS)?;
        Some(extensions.iter().map(show).collect())
    }

    fn show(extension: &Extension<'_>) -> String {
        let show = |parameter: &Parameter<'_>| match &parameter.value {
            None => parameter.name.to_owned(),
            Some(value) => format!("{}={value}", parameter.name),
        };
        let parameters: Vec<_> = extension.parameters.iter().map(show).collect();
        format!("{}({})", extension.name, parameters.join(", "))
    }

    #[test]
    fn a_list_may_be_spread_over_fields_and_have_holes() {
        let headers = fields(UPGRADE, &["a, b", ",,c\t ,"]);
        assert_eq!(tokens(&headers, &UPGRADE, 3), Some(vec!["a", "b", "c"]));
        assert_eq!(tokens(&fields(UPGRADE, &["a b"]), &UPGRADE, 3), None);
    }

    #[test]
    fn a_token_is_found_in_any_case_and_only_whole() {
        let headers = fields(UPGRADE, &["HTTP/2.0, WebSocket"]);
        assert!(has_token(&headers, &UPGRADE, "websocket"));
        assert!(!has_token(
            &fields(UPGRADE, &["websockets"]),
            &UPGRADE,
            "websocket"
        ));
    }

    #[test]
    fn extensions_are_read_in_their_order() {
        for (fields, expected) in [
            // RFC 6455, 9.1: "the first line is equivalent to the other two".
            (&["foo", "bar; baz=2"][..], &["foo()", "bar(baz=2)"][..]),
            (&["foo, bar; baz=2"], &["foo()", "bar(baz=2)"]),
            (
                &["deflate-stream", "mux; max-channels=4; flow-control"],
                &["deflate-stream()", "mux(max-channels=4, flow-control)"],
            ),
            (&["a;b=\"c\" ; d"], &["a(b=c, d)"]),
            (&["a ; b = c,,\t, a;b;b"], &["a(b=c)", "a(b, b)"]),
            (&["a; b=\"\\1\\0\""], &["a(b=10)"]),
            (&["", " "], &[]),
            (&[], &[]),
        ] {
            let expected: Vec<_> = expected.iter().map(|&text| text.to_owned()).collect();
            assert_eq!(read(fields), Some(expected), "{fields:?}");
        }
    }

    #[test]
    fn what_only_looks_like_extensions_is_malformed() {
        for field in [
            "a;",
            ";a",
            "a; b=",
            "a; b=\"\"",
            "a; b=\"c d\"",
            "a b",
            "=a",
            "a; =b",
            "a; b=c=d",
            "a; b=\"c",
            "a; b=c\"",
            "a; b=\"",
            "a; b=\"c;d\"",
            "a; b=\"c,d\"",
            "a; b=\"c\\\"",
            "a; b=\"c\\;d\"",
            "a; b=\\c",
            "a, b c",
        ] {
            assert_eq!(read(&[field]), None, "{field}");
        }
        assert_eq!(read(&["a", "b;"]), None);
    }

    #[test]
    fn there_may_be_so_many_subprotocols_and_no_more() {
        for (number, is_read) in [
            (SUBPROTOCOLS_MAX - 1, true),
            (SUBPROTOCOLS_MAX, true),
            (SUBPROTOCOLS_MAX + 1, false),
        ] {
            let names: Vec<_> = (0..number).map(|name| name.to_string()).collect();
            let one_field = fields(SEC_WEBSOCKET_PROTOCOL, &[&names.join(",")]);
            assert_eq!(subprotocols(&one_field).is_some(), is_read, "{number}");
            let names: Vec<_> = names.iter().map(String::as_str).collect();
            let a_field_each = fields(SEC_WEBSOCKET_PROTOCOL, &names);
            assert_eq!(subprotocols(&a_field_each).is_some(), is_read, "{number}");
        }
    }

    #[test]
    fn there_may_be_so_many_extensions_and_parameters_and_no_more() {
        let offers = vec!["a"; EXTENSIONS_MAX];
        assert_eq!(read(&offers).map(|read| read.len()), Some(EXTENSIONS_MAX));
        assert_eq!(read(&[offers.join(",").as_str(), "a"]), None);
        let full = format!("a{}", "; b=1".repeat(PARAMETERS_MAX));
        assert!(read(&[full.as_str()]).is_some());
        assert_eq!(read(&[format!("{full}; b").as_str()]), None);
    }
}
