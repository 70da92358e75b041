//! Masking and UTF-8, against their definitions: on any bytes, at any offset, in any pieces.

use tidings_websocket::frame::{Header, Opcode};
use tidings_websocket::mask::{self, MaskKey};
use tidings_websocket::{Config, Connection, Event, Fault};

/// Four bytes of key, one for the size of pieces and one for the offset, then the payload.
pub fn run(data: &[u8]) {
    let Some((&[key @ .., piece_bytes, offset], payload)) = data.split_first_chunk::<6>() else {
        return;
    };
    let piece_bytes = usize::from(piece_bytes).max(1);
    masking_is_its_definition(payload, key, piece_bytes, usize::from(offset % 64));
    text_is_what_std_says(payload, piece_bytes);
}

fn masking_is_its_definition(payload: &[u8], key: MaskKey, piece_bytes: usize, offset: usize) {
    let expected: Vec<u8> = payload
        .iter()
        .enumerate()
        .map(|(at, byte)| byte ^ key[at % 4])
        .collect();
    // Unaligned, and with neighbours that must stay as they are.
    let mut buffer = vec![0xa5; offset];
    buffer.extend_from_slice(payload);
    buffer.extend_from_slice(&[0x5a; 3]);
    mask::apply(&mut buffer[offset..offset + payload.len()], key);
    assert_eq!(&buffer[offset..offset + payload.len()], expected);
    assert!(buffer[..offset].iter().all(|byte| *byte == 0xa5));
    assert_eq!(&buffer[offset + payload.len()..], [0x5a; 3]);

    let mut appended = vec![0xa5; offset];
    mask::append(&mut appended, payload, key);
    assert!(appended[..offset].iter().all(|byte| *byte == 0xa5));
    assert_eq!(&appended[offset..], expected);

    let mut pieces = payload.to_vec();
    for (index, piece) in pieces.chunks_mut(piece_bytes).enumerate() {
        mask::apply(piece, mask::continued(key, index * piece_bytes));
    }
    assert_eq!(pieces, expected);
}

/// A text that arrives in one frame, in pieces of `piece_bytes`: it is text if std says so, and it
/// fails with the piece that holds the first byte which no continuation can mend.
fn text_is_what_std_says(payload: &[u8], piece_bytes: usize) {
    let mut client = Connection::client(Config::default(), || [0; 4]);
    let mut header = Vec::new();
    Header::whole(Opcode::Text, payload.len()).write(&mut header);
    let mut event = receive(&mut client, &mut header);
    let mut given = 0;
    for piece in payload.chunks(piece_bytes) {
        assert_eq!(event, Ok(None), "the text ended early");
        given += piece.len();
        event = receive(&mut client, &mut piece.to_vec());
        let hopeless =
            std::str::from_utf8(&payload[..given]).is_err_and(|error| error.error_len().is_some());
        if hopeless {
            assert_eq!(event, Err(Fault::InvalidUtf8), "{given} bytes were enough");
            return;
        }
    }
    let expected = std::str::from_utf8(payload)
        .map(|text| Some(Event::from(text.to_owned())))
        .map_err(|_| Fault::InvalidUtf8);
    assert_eq!(event, expected);
}

fn receive(connection: &mut Connection, bytes: &mut [u8]) -> Result<Option<Event<'static>>, Fault> {
    let mut input = bytes;
    let event = connection.receive(&mut input)?;
    Ok(event.map(Event::into_owned))
}
