//! Function against function: `cargo xtask bench micro [FILTER]`.
//!
//! In memory alone, so that nothing of the kernel is in the figures. The peers' own functions
//! where they are public; what is not (tungstenite's and tokio-websockets' masking) is part of
//! `receive`.

mod header;
mod mask;
mod receive;
mod utf8;

/// Payload sizes, in bytes.
const SIZES: [usize; 5] = [16, 125, 1 << 10, 16 << 10, 1 << 20];

fn main() {
    divan::main();
}
