//! What a connection accepts from its peer, and how it compresses.

#[cfg(feature = "deflate")]
use crate::deflate::Policy;

/// Limits on what the peer may send. Each is checked on the header, before the bytes are there.
///
/// A connection holds at most `message_bytes_max` of an unfinished message; it grows with
/// what has arrived, never with what a header promises.
///
/// ```
/// use tidings_websocket::Config;
///
/// let config = Config { message_bytes_max: 64 * 1024, ..Config::default() };
/// # assert_eq!(config.fragments_max, Config::default().fragments_max);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// The most payload of one data frame, in bytes.
    ///
    /// Default 1 MiB, as a message's: a sender may put a whole message in one frame. Where compression
    /// was agreed on a frame may be as much longer as DEFLATE makes what does not shrink, an eighth.
    pub frame_bytes_max: usize,
    /// The most payload of one message, all its fragments together, in bytes.
    ///
    /// Default 1 MiB: far more than a chat needs, little enough that a thousand peers which
    /// send the most they may do not fill a machine.
    pub message_bytes_max: usize,
    /// The most frames of one message.
    ///
    /// Default 131,072. Empty fragments cost no memory, so nothing else would end them; the
    /// Autobahn suite cuts 4 MiB into 65,536 and wants an answer.
    pub fragments_max: u32,
    /// Whether and how to compress messages (permessage-deflate).
    ///
    /// Default `None`: never negotiated. A connection that was given an agreement all the same
    /// compresses by the default policy.
    #[cfg(feature = "deflate")]
    pub deflate: Option<Policy>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            frame_bytes_max: 1 << 20,
            message_bytes_max: 1 << 20,
            fragments_max: 1 << 17,
            #[cfg(feature = "deflate")]
            deflate: None,
        }
    }
}
