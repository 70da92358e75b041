//! What a publisher says about the message before its own.
//!
//! Pure. A reader must be able to tell whether anything between two messages of a channel was deleted, so each message
//! says which one was before it. The stream is told too, and refuses if that is not so; then it is said anew. Where
//! many nodes publish into one channel at a time that may go wrong again and again: after a few times nothing is said.

/// How often the message before is named anew. Three nodes that publish into one channel seldom need two.
const CLAIMS_MAX: u32 = 4;

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    prev: Option<u64>,
    left: u32,
}

impl Claim {
    /// The first one, by what is known here of the channel's newest message.
    pub(crate) fn new(known: Option<u64>) -> Self {
        Self {
            prev: Some(known.unwrap_or(0)),
            left: CLAIMS_MAX,
        }
    }

    /// `seq` of the message before, for the stream to check; 0: there is none. `None`: nothing is said.
    pub(crate) fn prev(self) -> Option<u64> {
        self.prev
    }

    /// It was wrong; the stream may have said which message it is (`wrong last sequence: 5`). Where it has not, another
    /// publish was under way, and it may be right when that has ended.
    pub(crate) fn refused(self, description: &str) -> Self {
        let told = description
            .rsplit(' ')
            .next()
            .and_then(|it| it.parse().ok());
        let left = self.left.saturating_sub(1);
        Self {
            prev: told.or(self.prev).filter(|_| left > 0),
            left,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_stream_says_is_said_next() {
        let claim = Claim::new(None);
        assert_eq!(claim.prev(), Some(0));
        assert_eq!(claim.refused("wrong last sequence: 5").prev(), Some(5));
        assert_eq!(
            Claim::new(Some(7)).refused("wrong last sequence: 0").prev(),
            Some(0)
        );
    }

    #[test]
    fn nothing_is_said_where_nothing_is_certain() {
        let waits = Claim::new(Some(1)).refused("wrong last sequence");
        assert_eq!(waits.prev(), Some(1));
        let mut claim = Claim::new(Some(1));
        for _ in 0..CLAIMS_MAX {
            claim = claim.refused("wrong last sequence: 9");
        }
        assert_eq!(claim.prev(), None);
    }
}
