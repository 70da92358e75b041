//! Text is UTF-8, and what is not fails as soon as it can be known.

use tidings_websocket::frame::Opcode;
use tidings_websocket::{Event, Fault};

use crate::support::*;

#[test]
fn text_must_be_utf8_and_binary_need_not() {
    for bytes in [
        &b"\xff"[..],
        b"\xc0\xaf",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"cut \xe2\x82",
    ] {
        assert_eq!(
            fault(&mut server(), &from_client(true, Opcode::Text, bytes)),
            Fault::InvalidUtf8
        );
        assert_eq!(
            receive_one(&mut server(), &from_client(true, Opcode::Binary, bytes)),
            Event::from(bytes)
        );
    }
}

#[test]
fn a_character_may_be_cut_between_fragments() {
    let text = "κόσμε 🌍";
    for cut in 0..=text.len() {
        let (begin, end) = text.as_bytes().split_at(cut);
        let bytes = [
            from_client(false, Opcode::Text, begin),
            from_client(true, Opcode::Continuation, end),
        ]
        .concat();
        assert_eq!(
            receive_one(&mut server(), &bytes),
            Event::from(text),
            "cut at {cut}"
        );
    }
}

#[test]
fn a_broken_text_fails_in_the_middle_of_its_message() {
    let first = from_client(false, Opcode::Text, b"\xf4\x90");
    assert_eq!(fault(&mut server(), &first), Fault::InvalidUtf8);
}

#[test]
fn a_broken_text_fails_in_the_middle_of_its_frame() {
    let frame = from_client(true, Opcode::Text, b"broken \xff and the rest never comes");
    let header = 6;
    let mut server = server();
    assert_eq!(receive(&mut server, &frame[..header + 7]).fault, None);
    assert_eq!(
        receive(&mut server, &frame[header + 7..header + 8]).fault,
        Some(Fault::InvalidUtf8)
    );
}

#[test]
fn a_text_that_ends_within_a_character_fails_at_its_end() {
    let mut server = server();
    assert_eq!(
        receive(&mut server, &from_client(false, Opcode::Text, b"\xe2\x82")).fault,
        None
    );
    assert_eq!(
        fault(&mut server, &from_client(true, Opcode::Continuation, b"")),
        Fault::InvalidUtf8
    );
}

/// A text of some `bytes` in all lengths of characters, in runs as people write them.
fn text(random: &mut fastrand::Rng, bytes: usize) -> String {
    let alphabets = [
        "plain ASCII. ",
        "Größe, élève, ñ",
        "世界您好再見",
        "🌍🌎🦀",
        "κόσμε",
    ];
    let mut text = String::new();
    while text.len() < bytes {
        let alphabet = alphabets[random.usize(..alphabets.len())];
        text.extend(alphabet.chars().cycle().take(random.usize(..200)));
    }
    text
}

/// One text in fragments of random sizes up to `most`.
fn in_fragments(random: &mut fastrand::Rng, mut text: &[u8], most: usize) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    while !text.is_empty() || frames.is_empty() {
        let opcode = match frames.is_empty() {
            true => Opcode::Text,
            false => Opcode::Continuation,
        };
        let (fragment, rest) = text.split_at(random.usize(..=most.min(text.len())));
        frames.push(from_client(rest.is_empty(), opcode, fragment));
        text = rest;
    }
    frames
}

#[test]
#[cfg_attr(miri, ignore = "would take it hours")]
fn a_long_text_is_the_same_however_it_is_cut() {
    for seed in 0..30 {
        let random = &mut fastrand::Rng::with_seed(seed);
        let text = text(random, 100_000);
        let stream = in_fragments(random, text.as_bytes(), 30_000).concat();
        for step in [
            random.usize(1..200),
            random.usize(4000..20_000),
            stream.len(),
        ] {
            let received = receive_pieces(&mut server(), stream.chunks(step));
            assert!(
                received.events == [Event::from(text.as_str())],
                "seed {seed}, reads of {step}: {:?}",
                received.fault
            );
        }
    }
}

#[test]
fn one_wrong_byte_in_a_long_text_fails_with_the_fragment_that_holds_it() {
    let (seeds, bytes) = if cfg!(miri) { (2, 100) } else { (300, 5_000) };
    for seed in 0..seeds {
        let random = &mut fastrand::Rng::with_seed(seed);
        let mut text = text(random, bytes).into_bytes();
        let at = random.usize(..text.len());
        text[at] = random.u8(..);
        let error = std::str::from_utf8(&text).err();
        let fragments = in_fragments(random, &text, 2_000);
        let mut server = server();
        let mut sent = 0;
        for fragment in &fragments {
            let header = if fragment.len() < 6 + 126 { 6 } else { 8 };
            sent += fragment.len() - header;
            let fault = receive(&mut server, fragment).fault;
            // What the standard library says of as much as has come.
            let hopeless =
                std::str::from_utf8(&text[..sent]).is_err_and(|error| error.error_len().is_some());
            let unfinished = sent == text.len() && error.is_some();
            let expected = (hopeless || unfinished).then_some(Fault::InvalidUtf8);
            assert_eq!(
                fault, expected,
                "seed {seed}, {sent} bytes sent, {at} changed"
            );
            if fault.is_some() {
                break;
            }
        }
    }
}
