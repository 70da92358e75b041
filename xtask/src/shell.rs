//! Runs commands from the root of the workspace: shown before they run, and never for ever.
//!
//! Output goes straight to the terminal, so that the tools' colours and progress stay as they are.

use std::env;
use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitCode, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Why a step did not pass; the text goes into the summary.
#[derive(Debug, PartialEq)]
pub(crate) enum Stop {
    /// Something is wrong, and the run fails.
    Failed(String),
    /// It cannot be done on this machine, and the step says why that is no fault of the tree.
    Skipped(String),
}

/// `Ok` is a pass.
pub(crate) type Verdict = Result<(), Stop>;

/// What a task that is one step ends with; the reason is told.
pub(crate) fn exit_code(verdict: Verdict) -> ExitCode {
    match verdict {
        Ok(()) => ExitCode::SUCCESS,
        Err(Stop::Failed(reason) | Stop::Skipped(reason)) => {
            eprintln!("xtask: {reason}");
            ExitCode::FAILURE
        }
    }
}

/// The workspace, and until when the step at work may take.
pub(crate) struct Shell {
    root: PathBuf,
    deadline: Instant,
}

impl Shell {
    /// A shell whose commands are ended after `limit`, counted from now.
    pub(crate) fn with_limit(limit: Duration) -> Self {
        let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = xtask.parent().expect("xtask is a folder of the workspace");
        Self {
            root: root.to_owned(),
            deadline: Instant::now() + limit,
        }
    }

    /// A path below the root of the workspace.
    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    /// A program that this workspace's debug build puts beside xtask itself, wherever
    /// `CARGO_TARGET_DIR` points to.
    pub(crate) fn built(&self, program: &str) -> PathBuf {
        let xtask = env::current_exe().expect("a running program has a path");
        xtask.with_file_name(program)
    }

    /// The folder that cargo builds into.
    pub(crate) fn target(&self) -> PathBuf {
        let xtask = env::current_exe().expect("a running program has a path");
        let target = xtask.ancestors().nth(2);
        target
            .expect("cargo builds into TARGET/PROFILE/PROGRAM")
            .to_owned()
    }

    /// A command, to be finished with [`Call::run`].
    pub(crate) fn call(&self, program: impl AsRef<OsStr>) -> Call<'_> {
        let mut command = Command::new(program);
        command.current_dir(&self.root).stdin(Stdio::null());
        Call {
            shell: self,
            command,
            skip: None,
        }
    }

    /// cargo, as the one that started us.
    pub(crate) fn cargo(&self, words: &str) -> Call<'_> {
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        self.call(cargo).words(words)
    }
}

/// One command being put together.
pub(crate) struct Call<'shell> {
    shell: &'shell Shell,
    command: Command,
    skip: Option<i32>,
}

impl Call<'_> {
    /// Adds arguments that hold no spaces themselves.
    pub(crate) fn words(mut self, words: &str) -> Self {
        self.command.args(words.split_whitespace());
        self
    }

    pub(crate) fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.command.args(args);
        self
    }

    /// Adds an option and its value.
    pub(crate) fn option(self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.args([OsStr::new(name), value.as_ref()])
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Runs in a folder below the root.
    pub(crate) fn within(mut self, folder: &str) -> Self {
        self.command.current_dir(self.shell.path(folder));
        self
    }

    /// Takes this exit code to mean "cannot be done on this machine", for the reason that the
    /// command's last line gives.
    pub(crate) fn skipped_on(mut self, code: i32) -> Self {
        self.skip = Some(code);
        self
    }

    /// Whether the command works at all; shows nothing.
    pub(crate) fn works(mut self) -> bool {
        let quiet = self.command.stdout(Stdio::null()).stderr(Stdio::null());
        quiet.status().is_ok_and(|status| status.success())
    }

    /// What the command prints, or `None` where it fails; shows nothing.
    pub(crate) fn output(mut self) -> Option<String> {
        let output = self.command.stderr(Stdio::null()).output().ok()?;
        output
            .status
            .success()
            .then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// Shows the command and runs it to its end, or to the step's deadline.
    pub(crate) fn run(mut self) -> Verdict {
        let line = self.line();
        println!("$ {line}");
        if self.skip.is_some() {
            self.command.stdout(Stdio::piped());
        }
        let mut child = self
            .command
            .spawn()
            .map_err(|error| Stop::Failed(format!("cannot run `{line}`: {error}")))?;
        let reason = child
            .stdout
            .take()
            .map(|output| thread::spawn(|| pass_on(output)));
        let Some(status) = wait(&mut child, self.shell.deadline) else {
            return Err(Stop::Failed(format!(
                "took too long and was ended: `{line}`"
            )));
        };
        let reason = reason
            .and_then(|reader| reader.join().ok())
            .unwrap_or_default();
        match status.code() {
            Some(0) => Ok(()),
            code if code.is_some() && code == self.skip => Err(Stop::Skipped(reason)),
            _ => Err(Stop::Failed(format!("`{line}` ended with {status}"))),
        }
    }

    /// The command as one would type it, shortened where it lists many files.
    fn line(&self) -> String {
        const ARGUMENTS_SHOWN_MAX: usize = 8;
        let program = Path::new(self.command.get_program());
        let mut line = program
            .file_name()
            .unwrap_or(program.as_os_str())
            .to_string_lossy()
            .into_owned();
        let arguments: Vec<&OsStr> = self.command.get_args().collect();
        for argument in arguments.iter().take(ARGUMENTS_SHOWN_MAX) {
            line.push(' ');
            line += &argument.to_string_lossy();
        }
        if arguments.len() > ARGUMENTS_SHOWN_MAX {
            line += " …";
        }
        match self
            .command
            .get_current_dir()
            .and_then(|dir| dir.strip_prefix(&self.shell.root).ok())
        {
            Some(folder) if folder != Path::new("") => {
                format!("(cd {} && {line})", folder.display())
            }
            _ => line,
        }
    }
}

/// Shows what a child prints, as it comes; gives its last line.
fn pass_on(output: ChildStdout) -> String {
    let mut last = String::new();
    for line in BufReader::new(output).lines().map_while(Result::ok) {
        println!("{line}");
        last = line;
    }
    last
}

/// The child's end, or `None` after its family was killed at the deadline.
fn wait(child: &mut Child, deadline: Instant) -> Option<ExitStatus> {
    // Often enough not to add to a step's time, seldom enough to cost nothing.
    const GLANCE: Duration = Duration::from_millis(20);
    while Instant::now() < deadline {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status),
            Ok(None) => thread::sleep(GLANCE),
            Err(_) => break,
        }
    }
    kill_family(child);
    None
}

/// Kills the child and all that it started. A process group would do it in one call, but then
/// Ctrl-C in the terminal would no longer reach the children.
fn kill_family(child: &mut Child) {
    let mut family = vec![child.id().to_string()];
    let table = Command::new("ps").args(["-A", "-o", "pid=,ppid="]).output();
    let table = table
        .map(|ps| String::from_utf8_lossy(&ps.stdout).into_owned())
        .unwrap_or_default();
    let pairs: Vec<(&str, &str)> = table
        .lines()
        .filter_map(|line| line.trim().split_once(char::is_whitespace))
        .collect();
    let mut next = 0;
    while next < family.len() {
        let parent = family[next].clone();
        family.extend(
            pairs
                .iter()
                .filter(|(_, ppid)| ppid.trim() == parent)
                .map(|(pid, _)| (*pid).to_owned()),
        );
        next += 1;
    }
    // What is already gone is no failure, so the answer of `kill` says nothing.
    let _ = Command::new("kill")
        .arg("-KILL")
        .args(&family)
        .stderr(Stdio::null())
        .status();
    let _ = child.wait();
}

/// The first of `names` that `PATH` leads to.
pub(crate) fn find_program(names: &[&str]) -> Option<PathBuf> {
    let path: OsString = env::var_os("PATH")?;
    names.iter().find_map(|name| {
        env::split_paths(&path)
            .map(|folder| folder.join(name))
            .find(|program| program.is_file())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLENTY: Duration = Duration::from_secs(60);

    #[test]
    fn a_command_that_fails_is_named_with_its_folder() {
        let shell = Shell::with_limit(PLENTY);
        let stop = shell
            .call("sh")
            .args(["-c", "exit 7"])
            .within("xtask")
            .run()
            .unwrap_err();
        let Stop::Failed(reason) = stop else {
            panic!("{stop:?}")
        };
        assert!(reason.contains("(cd xtask && sh -c exit 7)"), "{reason}");
        assert!(reason.contains('7'), "{reason}");
    }

    #[test]
    fn a_command_that_does_not_exist_is_a_failure() {
        let stop = Shell::with_limit(PLENTY).call("no-such-program").run();
        assert!(matches!(stop, Err(Stop::Failed(_))), "{stop:?}");
    }

    #[test]
    fn only_the_named_exit_code_skips_and_the_last_line_is_the_reason() {
        let shell = Shell::with_limit(PLENTY);
        let exit = |script: &str| shell.call("sh").args(["-c", script]).skipped_on(3).run();
        assert_eq!(exit("exit 0"), Ok(()));
        let skipped = exit("echo looking; echo there is no python; exit 3");
        assert_eq!(skipped, Err(Stop::Skipped("there is no python".to_owned())));
        assert!(matches!(exit("exit 4"), Err(Stop::Failed(_))));
    }

    #[test]
    fn at_the_deadline_a_command_and_its_children_are_ended() {
        // The grandchild holds the write end of a pipe: the pipe's end is the proof that it is gone.
        let (mut reader, writer) = std::io::pipe().unwrap();
        let shell = Shell::with_limit(Duration::from_millis(300));
        let mut call = shell.call("sh").args(["-c", "sleep 600 & wait"]);
        call.command.stdout(writer);
        let stop = call.run();
        assert!(
            matches!(&stop, Err(Stop::Failed(reason)) if reason.contains("too long")),
            "{stop:?}"
        );
        std::io::Read::read_to_string(&mut reader, &mut String::new()).unwrap();
    }
}
