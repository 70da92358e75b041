//! A client's frames (RFC 6455, section 5.2), made before the clock runs.

/// Appends a whole masked frame that begins with `first`: its flags and its opcode.
pub(crate) fn push(wire: &mut Vec<u8>, first: u8, payload: &[u8], key: [u8; 4]) {
    wire.push(first);
    match payload.len() {
        length @ 0..=125 => wire.push(0x80 | length as u8),
        length @ 126..=0xffff => {
            wire.push(0x80 | 126);
            wire.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            wire.push(0x80 | 127);
            wire.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    wire.extend_from_slice(&key);
    let masked = payload.iter().zip(key.iter().cycle());
    wire.extend(masked.map(|(byte, key)| byte ^ key));
}
