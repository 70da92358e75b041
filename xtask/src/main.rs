//! `cargo xtask`: what a contributor and CI do with this tree.
//!
//! Only std is used, because this is compiled before anything else. Read on in [`mod@test`], which
//! runs the table of [`steps`]; [`tools`] fetches what a step needs, [`shell`] runs commands.

mod autobahn;
mod bench;
mod cluster;
mod lossy;
mod matrix;
mod nightly;
mod options;
mod shell;
mod soak;
mod steps;
mod test;
mod tools;

use std::env;
use std::process::ExitCode;

/// One thing that `cargo xtask` does.
struct Task {
    name: &'static str,
    /// How it is called, and what that does, a line each.
    usage: &'static [(&'static str, &'static str)],
    /// Takes the words after the name. An error is a sentence for who has typed them.
    run: fn(&mut dyn Iterator<Item = String>) -> Result<ExitCode, String>,
}

const TASKS: &[Task] = &[
    Task {
        name: "test",
        usage: &[
            ("test", "all that CI asks of a change"),
            ("test --only fmt,clippy", "these steps alone"),
            ("test --without browser", "all steps but these"),
        ],
        run: test::run,
    },
    Task {
        name: "autobahn",
        usage: &[
            ("autobahn", "the whole WebSocket suite, 30 min"),
            ("autobahn --role client", "or server, comfortable"),
            ("autobahn --wss", "over TLS alone"),
            ("autobahn --cases 6.*,7.1.1", "or core, quick"),
        ],
        run: autobahn::run,
    },
    Task {
        name: "matrix",
        usage: &[("matrix", "bad networks, into docs/; 6 min")],
        run: matrix::run,
    },
    Task {
        name: "bench",
        usage: &[
            ("bench", "messaging against peers, 25 min"),
            ("bench --quick", "in 4; see bench/README.md"),
            ("bench websocket", "echo against peers, 25 min"),
            ("bench websocket --quick", "in 3"),
            ("bench micro", "masking, UTF-8, receiving"),
        ],
        run: bench::run,
    },
    Task {
        name: "lossy",
        usage: &[
            ("lossy", "latency where packets get lost, 5 min"),
            ("lossy --seconds 10", "or shorter"),
        ],
        run: lossy::run,
    },
    Task {
        name: "cluster",
        usage: &[("cluster", "what a cluster costs, 8 min")],
        run: cluster::run,
    },
    Task {
        name: "soak",
        usage: &[
            ("soak", "2,000 clients in bad weather, 15 min"),
            ("soak --minutes 60 --seed 7", "or longer, and another"),
            ("soak --clients 200 --rate 10", "or fewer, and less to do"),
            ("soak --engine nats", "a cluster in which everything fails"),
        ],
        run: soak::run,
    },
    Task {
        name: "nats",
        usage: &[("nats", "install the server that tests need")],
        run: tools::nats,
    },
    Task {
        name: "fuzz",
        usage: &[
            ("fuzz", "look for bad inputs, 1 min a target"),
            ("fuzz --minutes 30", "or longer"),
            ("fuzz --target receive", "one target alone"),
            ("fuzz --keep", "and add to the corpus"),
        ],
        run: nightly::fuzz,
    },
    Task {
        name: "miri",
        usage: &[("miri", "the WebSocket core, interpreted")],
        run: nightly::miri,
    },
];

fn main() -> ExitCode {
    let mut words = env::args().skip(1).peekable();
    let asks_help = |word: &String| matches!(word.as_str(), "help" | "--help" | "-h");
    if words.peek().is_none_or(asks_help) {
        print!("{}", help());
        return ExitCode::SUCCESS;
    }
    let name = words.next().unwrap_or_default();
    let Some(task) = TASKS.iter().find(|task| task.name == name) else {
        return misused(&format!("there is no task '{name}'"));
    };
    if words.peek().is_some_and(asks_help) {
        print!("{}", help());
        return ExitCode::SUCCESS;
    }
    (task.run)(&mut words).unwrap_or_else(|problem| misused(&problem))
}

fn misused(problem: &str) -> ExitCode {
    eprintln!("xtask: {problem}\n\n{}", help());
    ExitCode::from(2)
}

fn help() -> String {
    let mut text = String::from("Tidings' tasks:\n");
    for task in TASKS {
        text.push('\n');
        for (words, about) in task.usage {
            text += &format!("  cargo xtask {words:<28}{about}\n");
        }
    }
    text += "\nSteps of `test`, in their order:\n\n";
    for step in steps::STEPS {
        text += &format!("  {:<10}{}\n", step.name, step.about);
    }
    text += "
Every step runs, even after one has failed; the table at the end names what failed.
Exit code: 0 all good, 1 something failed, 2 the command line was not understood.
As root on Debian, missing tools are installed; elsewhere they are named.
";
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_help_names_every_task_and_step() {
        let help = help();
        for task in TASKS {
            assert!(help.contains(&format!("cargo xtask {}", task.name)));
        }
        for step in steps::STEPS {
            assert!(help.contains(step.about));
        }
    }
}
