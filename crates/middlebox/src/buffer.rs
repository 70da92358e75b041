//! A proxy's buffer towards the client: small pieces wait until they are worth sending. Pure.

use std::mem;
use std::time::{Duration, Instant};

use super::faults::Faults;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    bytes: Vec<u8>,
    /// Since when the first of them waits.
    since: Option<Instant>,
    /// So many of them need not wait: their response is complete.
    complete: usize,
}

impl Buffer {
    /// `complete`: so many of these bytes, and all before them, are responses up to their end.
    pub(super) fn handle(&mut self, now: Instant, bytes: Vec<u8>, complete: usize) {
        if complete > 0 {
            self.complete = self.bytes.len() + complete;
        }
        if !bytes.is_empty() {
            self.since.get_or_insert(now);
        }
        self.bytes.extend(bytes);
    }

    /// What goes on now; empty: nothing does.
    pub(super) fn poll(&mut self, now: Instant, faults: &Faults) -> Vec<u8> {
        let complete = mem::take(&mut self.complete);
        let enough = match (faults.buffer_bytes, faults.buffer_ms) {
            (None, None) => true,
            (bytes, _) => bytes.is_some_and(|bytes| self.bytes.len() >= bytes),
        };
        if enough || self.due(faults).is_some_and(|due| due <= now) {
            return self.take();
        }
        if complete == 0 {
            return Vec::new();
        }
        let rest = self.bytes.split_off(complete);
        self.since = Some(now).filter(|_| !rest.is_empty());
        mem::replace(&mut self.bytes, rest)
    }

    /// When what waits has waited long enough.
    pub(super) fn due(&self, faults: &Faults) -> Option<Instant> {
        Some(self.since? + Duration::from_millis(faults.buffer_ms?))
    }

    /// All of it.
    pub(super) fn take(&mut self) -> Vec<u8> {
        self.since = None;
        self.complete = 0;
        mem::take(&mut self.bytes)
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: &[u8] = b"";

    fn faults(bytes: Option<usize>, ms: Option<u64>) -> Faults {
        Faults {
            buffer_bytes: bytes,
            buffer_ms: ms,
            ..Faults::default()
        }
    }

    #[test]
    fn bytes_wait_for_enough_of_them() {
        let (mut buffer, now, faults) = (Buffer::default(), Instant::now(), faults(Some(4), None));
        buffer.handle(now, b"abc".into(), 0);
        assert_eq!(
            buffer.poll(now + Duration::from_secs(3600), &faults),
            NOTHING
        );
        assert_eq!(buffer.due(&faults), None);
        buffer.handle(now, b"d".into(), 0);
        assert_eq!(buffer.poll(now, &faults), b"abcd");
        assert_eq!(buffer.poll(now, &faults), NOTHING);
    }

    #[test]
    fn bytes_wait_for_a_while_after_the_first() {
        let (mut buffer, now, faults) = (Buffer::default(), Instant::now(), faults(None, Some(50)));
        let later = |ms| now + Duration::from_millis(ms);
        buffer.handle(now, b"a".into(), 0);
        buffer.handle(later(49), b"b".into(), 0);
        assert_eq!(buffer.poll(later(49), &faults), NOTHING);
        assert_eq!(buffer.due(&faults), Some(later(50)));
        assert_eq!(buffer.poll(later(50), &faults), b"ab");
        buffer.handle(later(60), b"c".into(), 0);
        assert_eq!(buffer.due(&faults), Some(later(110)));
    }

    #[test]
    fn with_both_rules_the_first_that_holds_is_enough() {
        let (mut buffer, now, faults) =
            (Buffer::default(), Instant::now(), faults(Some(2), Some(50)));
        buffer.handle(now, b"a".into(), 0);
        assert_eq!(buffer.poll(now, &faults), NOTHING);
        assert_eq!(buffer.poll(now + Duration::from_millis(50), &faults), b"a");
        buffer.handle(now, b"ab".into(), 0);
        assert_eq!(buffer.poll(now, &faults), b"ab");
    }

    #[test]
    fn a_response_that_is_complete_waits_for_nothing() {
        let (mut buffer, now, faults) =
            (Buffer::default(), Instant::now(), faults(Some(100), None));
        buffer.handle(now, b"ab".into(), 0);
        buffer.handle(now, b"cdef".into(), 2);
        assert_eq!(buffer.poll(now, &faults), b"abcd");
        assert_eq!(buffer.poll(now, &faults), NOTHING);
        assert_eq!(buffer.len(), 2);
    }

    #[test]
    fn without_the_fault_nothing_waits() {
        let (mut buffer, now) = (Buffer::default(), Instant::now());
        buffer.handle(now, b"ab".into(), 0);
        assert_eq!(buffer.poll(now, &faults(Some(100), None)), NOTHING);
        assert_eq!(buffer.poll(now, &Faults::default()), b"ab");
    }
}
