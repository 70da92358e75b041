//! Only so many connections at once; the others wait, and the first to come is the first to go on.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Gate {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    max: Option<usize>,
    inside: usize,
    waiting: VecDeque<oneshot::Sender<Place>>,
}

/// A place inside, until it is dropped.
#[derive(Debug)]
pub(super) struct Place(Arc<Gate>);

impl Gate {
    /// From now on so many may be inside; `None`: all. Nobody is thrown out.
    pub(super) fn set_max(self: &Arc<Self>, max: Option<usize>) {
        self.lock().max = max;
        self.admit();
    }

    /// Waits for a place. Who stops waiting holds up nobody.
    pub(super) async fn enter(self: &Arc<Self>) -> Place {
        let (sender, place) = oneshot::channel();
        self.lock().waiting.push_back(sender);
        self.admit();
        place.await.expect("whoever waits is let in at some time")
    }

    fn admit(self: &Arc<Self>) {
        loop {
            let mut state = self.lock();
            if state.max.is_some_and(|max| state.inside >= max) {
                return;
            }
            let Some(next) = state.waiting.pop_front() else {
                return;
            };
            state.inside += 1;
            drop(state);
            // If nobody waits there any more, the place comes back here by being dropped.
            let _ = next.send(Place(Arc::clone(self)));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.lock().inside -= 1;
        self.0.admit();
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn poll<T>(future: std::pin::Pin<&mut impl Future<Output = T>>) -> Option<T> {
        match future.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(value) => Some(value),
            Poll::Pending => None,
        }
    }

    #[test]
    fn who_waits_is_let_in_in_order_and_who_gave_up_is_left_out() {
        let gate = Arc::new(Gate::default());
        gate.set_max(Some(1));
        let first = poll(pin!(gate.enter())).unwrap();
        let (mut third, mut fourth) = (pin!(gate.enter()), pin!(gate.enter()));
        {
            let second = pin!(gate.enter());
            assert!(poll(second).is_none());
        }
        assert!(poll(third.as_mut()).is_none() && poll(fourth.as_mut()).is_none());
        drop(first);
        assert!(poll(fourth.as_mut()).is_none());
        let third = poll(third.as_mut()).unwrap();
        drop(third);
        assert!(poll(fourth.as_mut()).is_some());
    }

    #[test]
    fn without_a_bound_all_are_let_in() {
        let gate = Arc::new(Gate::default());
        gate.set_max(Some(1));
        let _first = poll(pin!(gate.enter())).unwrap();
        let mut second = pin!(gate.enter());
        assert!(poll(second.as_mut()).is_none());
        gate.set_max(None);
        assert!(poll(second.as_mut()).is_some());
    }
}
