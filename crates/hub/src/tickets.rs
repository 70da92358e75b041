//! Tickets: each stands for an identity once, for a short time.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tidings_wire::Code;

use crate::{Identity, Limits, Refusal};

/// The tickets that wait to be redeemed.
#[derive(Default)]
pub(crate) struct Tickets(Mutex<HashMap<String, (Identity, u64)>>);

impl Tickets {
    /// Keeps `identity` under `text` from the time `now` on, in milliseconds.
    pub(crate) fn keep(
        &self,
        text: String,
        identity: Identity,
        now: u64,
        limits: &Limits,
    ) -> Result<(), Refusal> {
        let mut tickets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if tickets.len() >= limits.tickets {
            tickets.retain(|_, (_, until)| *until > now);
        }
        if tickets.len() >= limits.tickets {
            let detail = "too many tickets wait to be used; try again in a moment";
            return Err(Refusal::new(Code::Busy, detail));
        }
        let until = now + limits.ticket_age.as_millis() as u64;
        tickets.insert(text, (identity, until));
        Ok(())
    }

    /// Whom `text` stands for at the time `now`; it stands for nobody after that.
    pub(crate) fn take(&self, text: &str, now: u64) -> Result<Identity, Refusal> {
        let mut tickets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match tickets.remove(text) {
            Some((identity, until)) if now < until => Ok(identity),
            _ => {
                let detail = "the ticket is unknown, used or too old; get a new one";
                Err(Refusal::new(Code::Unauthenticated, detail))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::Auth;

    fn limits() -> Limits {
        Limits {
            tickets: 2,
            ticket_age: Duration::from_millis(10),
            ..Limits::default()
        }
    }

    fn alice() -> Identity {
        let token = Some("guest:alice");
        Auth::Guests
            .verify(token, SystemTime::UNIX_EPOCH, 0)
            .unwrap()
    }

    #[test]
    fn a_ticket_is_good_once_and_not_for_long() {
        let tickets = Tickets::default();
        for text in ["a", "b"] {
            tickets.keep(text.into(), alice(), 0, &limits()).unwrap();
        }
        assert_eq!(tickets.take("a", 9).unwrap().user.as_str(), "alice");
        assert_eq!(
            tickets.take("a", 9).unwrap_err().code,
            Code::Unauthenticated
        );
        assert_eq!(
            tickets.take("b", 10).unwrap_err().code,
            Code::Unauthenticated
        );
    }

    #[test]
    fn tickets_are_bounded_and_old_ones_make_room() {
        let tickets = Tickets::default();
        for text in ["a", "b"] {
            tickets.keep(text.into(), alice(), 0, &limits()).unwrap();
        }
        let refusal = tickets.keep("c".into(), alice(), 9, &limits());
        assert_eq!(refusal.unwrap_err().code, Code::Busy);
        assert!(tickets.keep("c".into(), alice(), 10, &limits()).is_ok());
    }
}
