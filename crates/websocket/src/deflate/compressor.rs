//! Compressing: a payload in, the bytes of a message or of a fragment out (RFC 7692, 7.2.1).
//!
//! Each ends with a flush, an empty stored block whose last four bytes are always `00 00 ff ff`.
//! A message leaves those out, a fragment that others follow does not.

use zlib_rs::{Deflate, DeflateConfig, DeflateFlush};

use super::{ContextTakeover, Direction, Policy, WINDOW_BITS_MIN, pool};
use crate::event::Fragment;

/// What makes one compressor different from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Settings {
    pub(super) level: u8,
    /// 9 to 15.
    pub(super) window_bits: u8,
}

impl Settings {
    pub(super) fn new(policy: &Policy, window_bits: u8) -> Self {
        Self {
            level: policy.level.clamp(1, 9),
            // zlib has no window of 8 bits. With 9 it looks back at most 512 bytes less 262 that
            // it keeps ahead, which is 250: within the 256 that 8 bits allow.
            window_bits: window_bits.max(WINDOW_BITS_MIN + 1),
        }
    }
}

/// A compressor and its window.
pub(super) struct Compressor {
    deflate: Deflate,
    settings: Settings,
}

impl Compressor {
    pub(super) fn new(settings: Settings) -> Self {
        let config = DeflateConfig {
            level: settings.level.into(),
            // Negative: without zlib's header.
            window_bits: -i32::from(settings.window_bits),
            mem_level: MEM_LEVEL,
            ..DeflateConfig::default()
        };
        Self {
            deflate: Deflate::new_with_config(config),
            settings,
        }
    }

    pub(super) fn settings(&self) -> Settings {
        self.settings
    }

    /// Forgets what was compressed before.
    pub(super) fn reset(&mut self) {
        self.deflate.reset();
    }

    /// Compresses `payload` and flushes; gives how many of the first bytes of `buffer`, which
    /// grows as needed, are the result.
    fn compress(&mut self, mut payload: &[u8], buffer: &mut Vec<u8>, fragment: Fragment) -> usize {
        let mut filled = 0;
        loop {
            if filled == buffer.len() {
                buffer.resize((2 * buffer.len()).max(BUFFER_BYTES_MIN), 0);
            }
            let (taken, given) = (self.deflate.total_in(), self.deflate.total_out());
            self.deflate
                .compress(payload, &mut buffer[filled..], DeflateFlush::SyncFlush)
                .expect("a compressor between two calls takes any bytes");
            payload = &payload[(self.deflate.total_in() - taken) as usize..];
            filled += (self.deflate.total_out() - given) as usize;
            // What is left of the buffer says that nothing is left in the compressor; it takes at most
            // 4 GiB at a time.
            if filled < buffer.len() && payload.is_empty() {
                break;
            }
        }
        match (fragment, buffer[..filled].ends_with(&FLUSHED)) {
            (Fragment::Last, true) => filled - FLUSHED.len(),
            (Fragment::More, true) => filled,
            // A second flush in a row gives nothing: the header of the empty block, of which
            // the rest goes without saying, ends the message.
            (Fragment::Last, false) => {
                buffer[0] = 0;
                1
            }
            (Fragment::More, false) => 0,
        }
    }
}

/// The end of every flush.
const FLUSHED: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

/// How much zlib gathers before it ends a block: 1,024 symbols.
///
/// Measured with chat messages of 125 B to 16 KiB: 4 compresses as well as the usual 8, resets
/// faster and saves 107 KB of 380.
const MEM_LEVEL: i32 = 4;

/// Where a buffer's growth begins. Most messages are smaller.
const BUFFER_BYTES_MIN: usize = 1024;

/// How one end sends, over the whole connection.
pub(super) struct Outgoing {
    direction: Direction,
    /// With context takeover from the first compressed message on; without, while a message in
    /// fragments is unfinished.
    compressor: Option<Box<Compressor>>,
    /// When the peer's window holds what the compressor has not seen, or lacks what it has.
    stale: bool,
}

impl Outgoing {
    pub(super) fn new(direction: Direction) -> Self {
        Self {
            direction,
            compressor: None,
            stale: false,
        }
    }

    /// Says that the peer was sent a compressed message that another compressor made.
    pub(super) fn make_stale(&mut self) {
        self.stale = true;
    }

    pub(super) fn window_bits(&self) -> u8 {
        self.direction.window_bits
    }

    /// Compresses a whole message to the first bytes of `buffer` and gives how many they are;
    /// `None` where it is better sent as it is.
    pub(super) fn message(
        &mut self,
        payload: &[u8],
        policy: &Policy,
        buffer: &mut Vec<u8>,
    ) -> Option<usize> {
        match self.direction.takeover {
            ContextTakeover::Allow => {
                let compressor = self.ready_compressor(policy);
                let bytes = compressor.compress(payload, buffer, Fragment::Last);
                // The peer that does not get this does not have it in its window.
                self.stale = bytes > payload.len() + CONTEXT_WORTH_BYTES;
                (!self.stale).then_some(bytes)
            }
            ContextTakeover::Refuse => alone(payload, policy, self.direction.window_bits, buffer),
        }
    }

    /// Compresses a part of a message to the first bytes of `buffer`; gives how many they are.
    pub(super) fn fragment(
        &mut self,
        payload: &[u8],
        fragment: Fragment,
        policy: &Policy,
        buffer: &mut Vec<u8>,
    ) -> usize {
        let bytes = self
            .ready_compressor(policy)
            .compress(payload, buffer, fragment);
        if (self.direction.takeover, fragment) == (ContextTakeover::Refuse, Fragment::Last)
            && let Some(compressor) = self.compressor.take()
        {
            pool::put_compressor(*compressor);
        }
        bytes
    }

    fn ready_compressor(&mut self, policy: &Policy) -> &mut Compressor {
        let settings = Settings::new(policy, self.direction.window_bits);
        let compressor = self
            .compressor
            .get_or_insert_with(|| Box::new(pool::take_compressor(settings)));
        if std::mem::take(&mut self.stale) {
            compressor.reset();
        }
        compressor
    }
}

/// [`Outgoing::message`] that refers to itself alone.
pub(super) fn alone(
    payload: &[u8],
    policy: &Policy,
    window_bits: u8,
    buffer: &mut Vec<u8>,
) -> Option<usize> {
    let mut compressor = pool::take_compressor(Settings::new(policy, window_bits));
    let bytes = compressor.compress(payload, buffer, Fragment::Last);
    pool::put_compressor(compressor);
    (bytes < payload.len()).then_some(bytes)
}

/// With context takeover a message that did not shrink is sent compressed all the same if it
/// grew by no more than this: sending it plain would cost the messages after it their context,
/// which is worth about so much to the next one alone.
const CONTEXT_WORTH_BYTES: usize = 64;
