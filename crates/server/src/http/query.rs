//! The query of a URL: `name=value` pairs, percent-decoded, names may repeat.

use std::str::FromStr;

use http::Uri;
use percent_encoding::percent_decode_str;
use tidings_hub::Refusal;
use tidings_wire::Code;

use super::problem::refusal;

/// All pairs, in their order.
pub(crate) fn pairs(uri: &Uri) -> impl Iterator<Item = Result<(String, String), Refusal>> {
    let query = uri.query().unwrap_or_default();
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((decode(name)?, decode(value)?))
        })
}

/// The first value called `name`.
pub(crate) fn first(uri: &Uri, name: &str) -> Result<Option<String>, Refusal> {
    for pair in pairs(uri) {
        let (key, value) = pair?;
        if key == name {
            return Ok(Some(value));
        }
    }
    Ok(None)
}

/// Reads `value`, which the query calls `name`.
pub(crate) fn parse<T: FromStr>(name: &str, value: &str, expected: &str) -> Result<T, Refusal> {
    value.parse().map_err(|_| {
        refusal(
            Code::BadRequest,
            format!("{name}={value} in the query is not {expected}"),
        )
    })
}

fn decode(text: &str) -> Result<String, Refusal> {
    // Forms write a space as `+`; a plus is `%2B` (WHATWG URL, 5.1).
    let text = text.replace('+', " ");
    percent_decode_str(&text)
        .decode_utf8()
        .map(|text| text.into_owned())
        .map_err(|_| refusal(Code::BadRequest, "the query is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_may_repeat_and_everything_is_decoded() {
        let uri = "/v1/events?channel=chat%3Alobby&channel=%E5%A4%A7+%2B&&wait"
            .parse()
            .unwrap();
        let pairs: Vec<_> = pairs(&uri).map(Result::unwrap).collect();
        let expected = [("channel", "chat:lobby"), ("channel", "大 +"), ("wait", "")];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(pairs, expected);
    }

    #[test]
    fn bytes_that_are_no_text_are_refused() {
        let uri = "/?channel=%ff".parse().unwrap();
        assert!(first(&uri, "channel").is_err());
    }
}
