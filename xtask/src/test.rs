//! `cargo xtask test`: every step in turn, then a table of how each ended.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use crate::options::Options;
use crate::shell::{Shell, Stop, Verdict};
use crate::steps::Step;
use crate::tools::Tools;

/// Runs the chosen steps to the end, whatever fails, so that one run shows all there is to mend.
pub(crate) fn run(words: &mut dyn Iterator<Item = String>) -> Result<ExitCode, String> {
    let options = Options::parse(words)?;
    let mut tools = Tools::default();
    let results: Vec<Finished> = options
        .steps()
        .map(|step| finish(step, &mut tools))
        .collect();

    heading("summary");
    for result in &results {
        println!("{}", result.line());
    }
    let count = |mark| {
        results
            .iter()
            .filter(|result| result.mark() == mark)
            .count()
    };
    let (passed, failed, skipped) = (count(PASSED), count(FAILED), count(SKIPPED));
    println!();
    for result in results.iter().filter(|result| result.mark() == FAILED) {
        println!("again: cargo xtask test --only {}", result.step.name);
    }
    println!("steps: {passed} passed, {failed} failed, {skipped} skipped");
    Ok(ExitCode::from(u8::from(failed > 0)))
}

fn finish(step: &'static Step, tools: &mut Tools) -> Finished {
    heading(&format!("{}: {}", step.name, step.about));
    let start = Instant::now();
    let shell = Shell::with_limit(step.limit);
    let verdict = tools
        .provide(step.needs, &shell)
        .and_then(|()| (step.run)(&shell));
    let result = Finished {
        step,
        verdict,
        took: start.elapsed(),
    };
    println!("{}", result.line());
    result
}

fn heading(title: &str) {
    println!(
        "\n━━ {title} {}",
        "━".repeat(86_usize.saturating_sub(title.chars().count()))
    );
}

struct Finished {
    step: &'static Step,
    verdict: Verdict,
    took: Duration,
}

const PASSED: &str = "passed";
const FAILED: &str = "FAILED";
const SKIPPED: &str = "skipped";

impl Finished {
    fn mark(&self) -> &'static str {
        match self.verdict {
            Ok(()) => PASSED,
            Err(Stop::Failed(_)) => FAILED,
            Err(Stop::Skipped(_)) => SKIPPED,
        }
    }

    fn line(&self) -> String {
        let reason = match &self.verdict {
            Ok(()) => "",
            Err(Stop::Failed(reason) | Stop::Skipped(reason)) => reason,
        };
        let seconds = self.took.as_secs_f64();
        let line = format!(
            "{:<8}{:<10}{seconds:>8.1} s  {reason}",
            self.mark(),
            self.step.name
        );
        line.trim_end().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::steps::STEPS;

    #[test]
    fn a_line_of_the_summary_says_how_a_step_ended_and_why() {
        let line = |verdict| {
            Finished {
                step: &STEPS[0],
                verdict,
                took: Duration::from_millis(61_240),
            }
            .line()
        };
        assert_eq!(line(Ok(())), "passed  fmt           61.2 s");
        let failed = line(Err(Stop::Failed(
            "`cargo fmt` ended with exit status: 1".to_owned(),
        )));
        assert_eq!(
            failed,
            "FAILED  fmt           61.2 s  `cargo fmt` ended with exit status: 1"
        );
    }
}
