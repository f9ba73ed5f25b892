//! One step of a command: it says what it does, how long that usually takes and how long it took.

use std::{
    fmt::Write as _,
    io::{self, BufRead, BufReader, IsTerminal, Read, Write as _},
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::{
        Arc,
        mpsc::{RecvTimeoutError, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use indicatif::{ProgressBar, ProgressStyle};
use parking_lot::Mutex;

/// How often a quiet step shows that it lives: on a terminal, and in a log.
const SPINNER_INTERVAL: Duration = Duration::from_millis(120);
const LOG_INTERVAL: Duration = Duration::from_secs(20);

/// How many lines of a quiet step are shown when it fails.
const FAILURE_LINES_MAX: usize = 40;

/// One step.
///
/// The program that it starts stays in the process group of this one, so that a Ctrl-C reaches
/// both.
#[derive(Debug, Clone, Copy)]
pub struct Step {
    /// What it does, for people.
    pub title: &'static str,
    /// How long it takes on a machine with two cores.
    pub usually: &'static str,
}

impl Step {
    /// Runs a program whose output is worth reading.
    pub fn run(self, mut command: Command) -> anyhow::Result<()> {
        eprintln!("==> {} (usually {})", self.title, self.usually);
        let start = Instant::now();
        let status = command.stdin(Stdio::null()).status();
        let status = status.with_context(|| format!("cannot run `{}`", render(&command)))?;
        self.finish(&command, status, start)
    }

    /// Runs a program whose output matters only if it fails, and returns its stdout.
    pub fn run_quietly(self, mut command: Command) -> anyhow::Result<String> {
        eprintln!("==> {} (usually {})", self.title, self.usually);
        let start = Instant::now();
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let child = command.spawn();
        let child = child.with_context(|| format!("cannot run `{}`", render(&command)))?;
        let (status, stdout, stderr) = watch(child, self.title)?;
        if !status.success() {
            for line in last_lines(&format!("{stdout}{stderr}"), FAILURE_LINES_MAX) {
                eprintln!("    {line}");
            }
        }
        self.finish(&command, status, start)?;
        Ok(stdout)
    }

    /// Starts a program that runs beside the steps that follow. What it prints comes with its end.
    pub fn beside(self, mut command: Command) -> anyhow::Result<Beside> {
        eprintln!(
            "==> {} (usually {}, beside what follows)",
            self.title, self.usually
        );
        let start = Instant::now();
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let child = command.spawn();
        let child = child.with_context(|| format!("cannot run `{}`", render(&command)))?;
        let output = thread::spawn(|| child.wait_with_output());
        Ok(Beside {
            step: self,
            command,
            output,
            start,
        })
    }

    fn finish(self, command: &Command, status: ExitStatus, start: Instant) -> anyhow::Result<()> {
        let took = start.elapsed().as_secs_f64();
        if status.success() {
            eprintln!("    {}: ok in {took:.1} s", self.title);
            return Ok(());
        }
        bail!(
            "{} failed after {took:.1} s ({status}); to run it by hand:\n    {}",
            self.title,
            render(command)
        )
    }
}

/// A step under way.
#[must_use = "nobody hears how it ends"]
pub struct Beside {
    step: Step,
    command: Command,
    output: thread::JoinHandle<io::Result<Output>>,
    start: Instant,
}

impl Beside {
    /// Waits for its end, and shows what it has printed.
    pub fn finish(self) -> anyhow::Result<()> {
        eprintln!("==> {}: what came of it", self.step.title);
        let output = self.output.join().expect("waiting does not panic")?;
        io::stderr().write_all(&output.stderr)?;
        io::stdout().write_all(&output.stdout)?;
        self.step.finish(&self.command, output.status, self.start)
    }
}

/// Waits for a child and shows that it lives; returns its status, stdout and stderr.
fn watch(mut child: Child, title: &'static str) -> anyhow::Result<(ExitStatus, String, String)> {
    let (mut stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let errors = Arc::new(Mutex::new(String::new()));
    let readers = [
        thread::spawn(move || {
            let mut bytes = Vec::new();
            stdout
                .as_mut()
                .map_or(Ok(0), |stdout| stdout.read_to_end(&mut bytes))?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        }),
        thread::spawn({
            let errors = Arc::clone(&errors);
            move || {
                let Some(stderr) = stderr else {
                    return Ok(String::new());
                };
                for line in BufReader::new(stderr).split(b'\n') {
                    let mut errors = errors.lock();
                    errors.push_str(&String::from_utf8_lossy(&line?));
                    errors.push('\n');
                }
                Ok(String::new())
            }
        }),
    ];
    let last_line = || {
        let errors = errors.lock();
        errors
            .lines()
            .next_back()
            .unwrap_or(title)
            .trim()
            .to_owned()
    };

    let (ended, end) = sync_channel(1);
    // The receiver lives until the answer is there.
    thread::spawn(move || drop(ended.send(child.wait())));
    let start = Instant::now();
    let spinner = spinner();
    let interval = if spinner.is_some() {
        SPINNER_INTERVAL
    } else {
        LOG_INTERVAL
    };
    let status = loop {
        match (end.recv_timeout(interval), &spinner) {
            (Ok(status), _) => break status?,
            (Err(RecvTimeoutError::Timeout), Some(spinner)) => spinner.set_message(last_line()),
            (Err(RecvTimeoutError::Timeout), None) => {
                eprintln!("    {} s: {}", start.elapsed().as_secs(), last_line());
            }
            (Err(RecvTimeoutError::Disconnected), _) => bail!("nobody waits for the program"),
        }
    };
    if let Some(spinner) = spinner {
        spinner.finish_and_clear();
    }
    let [stdout, _] = readers.map(|reader| -> io::Result<String> {
        reader.join().expect("reading a pipe does not panic")
    });
    let errors = errors.lock().clone();
    Ok((status, stdout?, errors))
}

/// A spinner on a terminal; in a log, lines are better.
fn spinner() -> Option<ProgressBar> {
    if !io::stderr().is_terminal() {
        return None;
    }
    let style = ProgressStyle::with_template("    {spinner} {elapsed} {wide_msg}");
    let spinner = ProgressBar::new_spinner();
    spinner.set_style(style.expect("the template is valid"));
    spinner.enable_steady_tick(SPINNER_INTERVAL);
    Some(spinner)
}

fn last_lines(text: &str, count: usize) -> impl Iterator<Item = &str> {
    let lines: Vec<_> = text.lines().collect();
    let start = lines.len().saturating_sub(count);
    lines.into_iter().skip(start)
}

/// The command as a person would type it.
fn render(command: &Command) -> String {
    let mut line = String::new();
    if let Some(folder) = command.get_current_dir() {
        let _ = write!(line, "cd {} && ", quote(&folder.to_string_lossy()));
    }
    for (name, value) in command.get_envs() {
        // A variable without a value is one that is taken away: only cargo's own are.
        if let Some(value) = value {
            let _ = write!(
                line,
                "{}={} ",
                name.display(),
                quote(&value.to_string_lossy())
            );
        }
    }
    let program = command.get_program().to_string_lossy();
    line.push_str(&quote(if program.ends_with("/cargo") {
        "cargo"
    } else {
        &program
    }));
    for argument in command.get_args() {
        line.push(' ');
        line.push_str(&quote(&argument.to_string_lossy()));
    }
    line
}

fn quote(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: Step = Step {
        title: "a step",
        usually: "no time",
    };

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.arg("-c").arg(script);
        command
    }

    #[test]
    fn a_quiet_step_returns_stdout_only() {
        let stdout = STEP.run_quietly(shell("echo err >&2; echo out")).unwrap();
        assert_eq!(stdout, "out\n");
    }

    #[test]
    fn a_step_that_fails_says_how_to_run_it_by_hand() {
        let mut command = shell("exit 3");
        command.env("A", "b c").current_dir("/");
        let error = STEP.run(command).unwrap_err().to_string();
        assert!(error.ends_with("cd / && A='b c' sh -c 'exit 3'"), "{error}");
        assert!(error.contains("exit status: 3"), "{error}");
    }

    #[test]
    fn a_step_beside_others_ends_as_it_ends() {
        let well = STEP.beside(shell("echo out; echo err >&2")).unwrap();
        let badly = STEP.beside(shell("exit 3")).unwrap();
        well.finish().unwrap();
        let error = badly.finish().unwrap_err().to_string();
        assert!(error.contains("exit status: 3"), "{error}");
    }

    #[test]
    fn much_output_on_both_pipes_does_not_block() {
        let script = "i=0; while [ $i -lt 20000 ]; do echo xxxxxxxxxx; echo yyyyyyyyyy >&2; i=$((i+1)); done";
        assert_eq!(STEP.run_quietly(shell(script)).unwrap().len(), 20_000 * 11);
    }

    #[test]
    fn words_are_quoted_for_the_shell() {
        for (word, expected) in [
            ("plain-1.0", "plain-1.0"),
            ("", "''"),
            ("two words", "'two words'"),
            ("it's", r"'it'\''s'"),
        ] {
            assert_eq!(quote(word), expected);
        }
    }

    #[test]
    fn only_the_last_lines_are_shown() {
        assert_eq!(last_lines("a\nb\nc", 2).collect::<Vec<_>>(), ["b", "c"]);
        assert_eq!(last_lines("a", 2).collect::<Vec<_>>(), ["a"]);
    }
}
