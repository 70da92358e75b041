//! Which sessions a poll may find something for, and who of them is to be woken. Pure.
//!
//! Dense, and apart from the sessions: the fan-out writes here for each follower of a message, and nowhere in
//! a session.

/// See the module. Sessions are known by their places.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    /// By session: whether a poll may find something.
    marked: Vec<bool>,
    /// Those that were marked since the shell last asked.
    woken: Vec<u32>,
}

impl Marks {
    /// A poll may find something, and the session is to be woken, unless it was marked already.
    #[inline] // once for each follower of a message
    pub(crate) fn set(&mut self, session: usize) {
        if self.marked.len() <= session {
            self.marked.resize(session + 1, false);
        }
        if !self.marked[session] {
            self.marked[session] = true;
            self.woken.push(session as u32);
        }
    }

    /// It was polled, and there is `more` or not. Nobody is woken for it.
    #[inline] // once for each follower of a batch
    pub(crate) fn handle_polled(&mut self, session: usize, more: bool) {
        self.marked[session] = more;
    }

    /// Whether a poll may find something; of a session that was marked once.
    pub(crate) fn is_set(&self, session: usize) -> bool {
        self.marked[session]
    }

    /// Who is to be woken, each once; into `woken`.
    pub(crate) fn take_woken(&mut self, woken: &mut Vec<u32>) {
        std::mem::swap(&mut self.woken, woken);
        self.woken.clear();
    }
}
