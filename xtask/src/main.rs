//! `cargo xtask`: what a contributor and CI do with this tree.
//!
//! Only std is used, because this is compiled before anything else. Read on in [`mod@test`], which
//! runs the table of [`steps`]; [`tools`] fetches what a step needs, [`shell`] runs commands.

mod options;
mod shell;
mod steps;
mod test;
mod tools;

use std::env;
use std::process::ExitCode;

use options::Options;

fn main() -> ExitCode {
    let mut arguments = env::args().skip(1);
    match arguments.next().as_deref() {
        None | Some("help" | "--help" | "-h") => {
            print!("{}", help());
            ExitCode::SUCCESS
        }
        Some("test") => match Options::parse(arguments) {
            Ok(options) if options.help => {
                print!("{}", help());
                ExitCode::SUCCESS
            }
            Ok(options) => test::run(&options),
            Err(problem) => misused(&problem),
        },
        Some(other) => misused(&format!("there is no task '{other}'")),
    }
}

fn misused(problem: &str) -> ExitCode {
    eprintln!("xtask: {problem}\n\n{}", help());
    ExitCode::from(2)
}

fn help() -> String {
    let mut text = String::from(
        "\
Tidings' tasks:

  cargo xtask test                        all that CI asks of a change
  cargo xtask test --only fmt,clippy      these steps alone
  cargo xtask test --without browser      all steps but these

Steps of `test`, in their order:

",
    );
    for step in steps::STEPS {
        text += &format!("  {:<10}{}\n", step.name, step.about);
    }
    text += "
Every step runs, even after one has failed; the table at the end names what failed.
Exit code: 0 all good, 1 a step failed, 2 the command line was not understood.
As root on Debian, missing tools are installed; elsewhere they are named.
";
    text
}
