//! The hub on a pipe: what `interop/model` plays the browser client's session against.
//!
//! No sockets and no clock: one line of JSON on stdin is an array of [`Op`]s, which are done in their order;
//! when everything that they have set off has come to rest, one line on stdout tells the answers to
//! them, and what the log has committed. `begin` starts a world from nothing, in milliseconds, so that
//! one process plays thousands.

mod desk;
mod door;
mod log;
mod world;

use std::error::Error;
use std::io::{BufRead, Write, stdin, stdout};

use serde::Deserialize;
use serde_json::json;
use tokio::runtime::{Builder, Runtime};

use crate::world::{Op, World};

/// A world, and the runtime whose paused time is its own.
struct Stage {
    world: World,
    runtime: Runtime,
}

/// Something to do, or a new world.
#[derive(Deserialize)]
#[serde(untagged)]
enum Line {
    Begin { begin: world::Settings },
    Ops(Vec<Op>),
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut stage = None;
    let mut out = stdout().lock();
    for line in stdin().lock().lines() {
        let told = match serde_json::from_str(&line?)? {
            Line::Begin { begin } => {
                let runtime = Builder::new_current_thread()
                    .enable_time()
                    .start_paused(true)
                    .build()?;
                let world = {
                    let _inside = runtime.enter();
                    World::new(begin)?
                };
                stage = Some(Stage { world, runtime });
                json!({ "answers": [], "committed": [] })
            }
            Line::Ops(ops) => {
                let Stage { world, runtime } = stage.as_mut().ok_or("begin first")?;
                let answers = runtime.block_on(world.play(ops))?;
                json!({ "answers": answers, "committed": world.committed() })
            }
        };
        writeln!(out, "{told}")?;
        out.flush()?;
    }
    Ok(())
}
