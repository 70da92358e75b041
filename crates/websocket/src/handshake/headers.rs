//! The header fields of the handshake: lists of tokens, and extensions.
//!
//! A list may be spread over several fields of one name and hold empty elements
//! (RFC 9110, 5.6.1); what an element may be is stricter.

use http::{HeaderMap, HeaderName};

/// The elements of all fields called `name`. `None` if one is not a token.
pub(super) fn tokens<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<Vec<&'h str>> {
    let mut tokens = Vec::new();
    for field in headers.get_all(name) {
        for element in field.to_str().ok()?.split(',').map(trim) {
            match element {
                "" => {}
                token if is_token(token) => tokens.push(token),
                _ => return None,
            }
        }
    }
    Some(tokens)
}

/// Whether `token` is among the elements of the fields called `name`, in any case of letters.
///
/// An element that is no token (`HTTP/2.0` in an `Upgrade`) is somebody else's business.
pub(super) fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
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

/// Whether every field called `name` is a list of extensions (RFC 6455, 9.1).
pub(super) fn extensions_are_well_formed(headers: &HeaderMap, name: &HeaderName) -> bool {
    headers
        .get_all(name)
        .iter()
        .all(|field| field.to_str().is_ok_and(is_extension_list))
}

/// RFC 9110, 5.6.2.
pub(super) fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

fn is_extension_list(field: &str) -> bool {
    // No quotation mark may hide a separator: a quoted value must be a token as well.
    field
        .split(',')
        .map(trim)
        .filter(|element| !element.is_empty())
        .all(is_extension)
}

/// `token *( ";" token [ "=" ( token | quoted token ) ] )`.
fn is_extension(element: &str) -> bool {
    let mut parts = element.split(';').map(trim);
    parts.next().is_some_and(is_token)
        && parts.all(|parameter| match parameter.split_once('=') {
            None => is_token(parameter),
            Some((name, value)) => is_token(trim(name)) && is_token(unquote(trim(value))),
        })
}

fn unquote(value: &str) -> &str {
    value
        .strip_prefix('"')
        .and_then(|value| value.strip_suffix('"'))
        .unwrap_or(value)
}

fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use http::header::UPGRADE;

    fn fields(name: HeaderName, values: &[&'static str]) -> HeaderMap {
        values
            .iter()
            .map(|value| (name.clone(), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn a_list_may_be_spread_over_fields_and_have_holes() {
        let headers = fields(UPGRADE, &["a, b", ",,c\t ,"]);
        assert_eq!(tokens(&headers, &UPGRADE), Some(vec!["a", "b", "c"]));
        assert_eq!(tokens(&fields(UPGRADE, &["a b"]), &UPGRADE), None);
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
    fn extensions_are_told_from_what_only_looks_like_them() {
        let good = [
            "permessage-deflate; client_max_window_bits=15, x",
            "a;b=\"c\" ; d",
            "a ; b = c",
            "",
        ];
        let bad = [
            "a;",
            "a; b=",
            "a; b=\"c d\"",
            "a b",
            "=a",
            "a; b=\"c",
            "a; b=\"c;d\"",
        ];
        for field in good {
            assert!(is_extension_list(field), "{field}");
        }
        for field in bad {
            assert!(!is_extension_list(field), "{field}");
        }
    }
}
