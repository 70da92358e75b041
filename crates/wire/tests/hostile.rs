//! Frames that mean harm: deep, lying about their length, or saying what one format cannot.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::prelude::*;
use tidings_wire::{Command, Data, Format, Request};

/// A publish in CBOR, up to its data.
const PUBLISH: &[u8] = b"\xa3\x64type\x67publish\x67channel\x61a\x64data";

fn publish(data: impl IntoIterator<Item = u8>) -> Vec<u8> {
    PUBLISH.iter().copied().chain(data).collect()
}

#[test]
fn the_depth_of_what_is_ignored_costs_no_stack() {
    let depth = 200_000;
    let json = format!(
        r#"{{"later":{}{},"type":"ping"}}"#,
        "[".repeat(depth),
        "]".repeat(depth)
    );
    let _ = Request::decode(json.as_bytes(), Format::Json);
    // Arrays of one, arrays without an end, tags.
    for head in [0x81, 0x9f, 0xc1] {
        let deep = || std::iter::repeat_n(head, depth);
        let mut frame = b"\xa2\x65later".to_vec();
        frame.extend(deep());
        frame.extend(b"\x00\x64type\x64ping");
        let _ = Request::decode(&frame, Format::Cbor);
        assert!(Request::decode(&publish(deep()), Format::Cbor).is_err());
    }
}

#[test]
fn a_length_that_lies_allocates_nothing() {
    for head in [0x5b, 0x7b, 0x9b, 0xbb] {
        let lie = || std::iter::once(head).chain([0xff; 8]);
        assert!(Request::decode(&publish(lie()), Format::Cbor).is_err());
        let frame: Vec<u8> = lie().collect();
        assert!(Request::decode(&frame, Format::Cbor).is_err());
    }
}

proptest! {
    /// What begins as data does gets further than noise.
    #[test]
    fn whatever_cbor_is_taken_can_be_told(data in prop::collection::vec(any::<u8>(), 0..40)) {
        let taken = Request::decode(&publish(data), Format::Cbor);
        if let Ok(Request { command: Command::Publish { data, .. }, .. }) = taken {
            let json = Format::Json.encode(&data);
            if let Data::Json(text) = &data {
                prop_assert_eq!(text.as_bytes(), &json);
                prop_assert_eq!(&Data::from_json(text).unwrap(), &data);
            }
            Format::Cbor.encode(&data);
        }
    }
}
