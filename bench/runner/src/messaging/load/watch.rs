//! Who used how much of the processors while something was measured.

use std::time::Instant;

use crate::process::{Cpu, machine_busy, own_seconds};

/// What was used until now.
pub(super) struct Watch {
    process: u32,
    since: Instant,
    server: Cpu,
    generator: f64,
    machine: f64,
}

/// What was used in between, in seconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Used {
    pub(crate) seconds: f64,
    /// CPU time of the server, all threads.
    pub(crate) server: Cpu,
    /// CPU time of this thread.
    pub(crate) generator: f64,
    /// CPU time of everybody else on the machine.
    pub(crate) others: f64,
}

impl Watch {
    pub(super) fn begin(process: u32) -> Self {
        Self {
            process,
            since: Instant::now(),
            server: Cpu::of(process),
            generator: own_seconds(),
            machine: machine_busy(),
        }
    }

    pub(super) fn end(&self) -> Used {
        let seconds = self.since.elapsed().as_secs_f64();
        let server = Cpu::of(self.process).since(self.server);
        let generator = own_seconds() - self.generator;
        let busy = machine_busy() - self.machine;
        Used {
            seconds,
            server,
            generator,
            others: (busy - server.total - generator).max(0.0),
        }
    }
}
