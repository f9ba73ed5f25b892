//! A child process with a log.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use parking_lot::{Mutex, MutexGuard};
use rustix::process::{Pid, Signal, kill_process};

use crate::{Deadline, ServerError, spawner};

/// How long a process that is dropped may take to end by itself.
const DROP_GRACE: Duration = Duration::from_secs(2);

/// How long the kernel may take to stop, continue or end a process.
const KERNEL_LIMIT: Duration = Duration::from_secs(10);

/// How much of a log an error carries.
const LOG_TAIL_BYTES_MAX: usize = 4096;

/// A running program, its output in a log file.
///
/// It is stopped when it is dropped, and killed by the kernel when this process is killed.
#[derive(Debug)]
pub struct Process {
    name: String,
    pid: u32,
    log_path: PathBuf,
    log_start: u64,
    /// Signals are sent under this lock: while it is held nobody can reap the child, so its id
    /// cannot have gone to another process.
    child: Mutex<Child>,
}

impl Process {
    /// Starts a program; stdout and stderr are appended to the log file, stdin is empty.
    ///
    /// It gets a process group of its own, so that a Ctrl-C in the terminal reaches only the one
    /// who started it.
    ///
    /// # Errors
    /// When the log file cannot be opened or the program cannot be started.
    pub fn spawn(
        name: impl Into<String>,
        mut command: Command,
        log_path: impl Into<PathBuf>,
    ) -> Result<Self, ServerError> {
        let log_path = log_path.into();
        let folder_error = |source| ServerError::Folder {
            path: log_path.clone(),
            source,
        };
        let log = OpenOptions::new().create(true).append(true).open(&log_path);
        let log = log.map_err(folder_error)?;
        let log_start = log.metadata().map_err(folder_error)?.len();
        let program = PathBuf::from(command.get_program());
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone().map_err(folder_error)?)
            .stderr(log)
            .process_group(0);
        let child =
            spawner::spawn(command).map_err(|source| ServerError::Spawn { program, source })?;
        Ok(Self {
            name: name.into(),
            pid: child.id(),
            log_path,
            log_start,
            child: Mutex::new(child),
        })
    }

    /// The name that it was started under.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// The file that holds its output.
    pub fn log_path(&self) -> &Path {
        &self.log_path
    }

    /// What it has written so far, without what an earlier process wrote to the same file.
    ///
    /// # Errors
    /// When the log file cannot be read.
    pub fn log(&self) -> Result<String, ServerError> {
        let read = || -> io::Result<Vec<u8>> {
            let mut file = File::open(&self.log_path)?;
            file.seek(SeekFrom::Start(self.log_start))?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        let bytes = read().map_err(|source| ServerError::Folder {
            path: self.log_path.clone(),
            source,
        })?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Waits until the log contains a text, and returns the first line with it.
    ///
    /// # Errors
    /// When the process ends without it, or the time is over.
    pub fn wait_for_log(&self, text: &str, limit: Duration) -> Result<String, ServerError> {
        let find = |log: String| {
            log.lines()
                .find(|line| line.contains(text))
                .map(str::to_owned)
        };
        self.wait_until(&format!("write {text:?}"), limit, || self.log().map(find))
    }

    /// Waits until a condition holds.
    ///
    /// # Errors
    /// When the condition fails, the process ends before it holds, or the time is over.
    pub fn wait_until<T>(
        &self,
        expected: &str,
        limit: Duration,
        mut condition: impl FnMut() -> Result<Option<T>, ServerError>,
    ) -> Result<T, ServerError> {
        let deadline = Deadline::after(limit);
        let found = deadline.poll(|| {
            // The order matters: what the process did just before it ended still counts.
            let ended = self.try_wait();
            match (condition(), ended) {
                (Ok(None), Ok(None)) => None,
                (Ok(None), Ok(Some(status))) => Some(Err(self.exited(status))),
                (Ok(None), Err(error)) | (Err(error), _) => Some(Err(error)),
                (Ok(Some(found)), _) => Some(Ok(found)),
            }
        });
        found.unwrap_or_else(|| {
            Err(ServerError::TooSlow {
                process: self.name.clone(),
                pid: self.pid,
                expected: expected.to_owned(),
                waited: limit,
                log: self.log_tail(),
            })
        })
    }

    /// Whether it has not ended; a paused process counts as running.
    ///
    /// # Errors
    /// When the operating system does not say.
    pub fn is_running(&self) -> Result<bool, ServerError> {
        Ok(self.try_wait()?.is_none())
    }

    /// Waits for its end; `None` when it still runs after the limit.
    ///
    /// # Errors
    /// When the operating system does not say.
    pub fn wait(&self, limit: Duration) -> Result<Option<ExitStatus>, ServerError> {
        Deadline::after(limit)
            .poll(|| self.try_wait().transpose())
            .transpose()
    }

    /// Asks it to end (SIGTERM) and does not wait.
    ///
    /// # Errors
    /// [`ServerError::Exited`] when it has ended already.
    pub fn terminate(&self) -> Result<(), ServerError> {
        self.signal("terminate", Signal::TERM)
    }

    /// Ends it at once (SIGKILL), paused or not, and waits until it is gone.
    ///
    /// # Errors
    /// [`ServerError::Exited`] when it has ended already.
    pub fn kill(&self) -> Result<(), ServerError> {
        self.signal("kill", Signal::KILL)?;
        let gone = self.wait(KERNEL_LIMIT)?;
        gone.map(drop).ok_or_else(|| ServerError::TooSlow {
            process: self.name.clone(),
            pid: self.pid,
            expected: "end after SIGKILL".to_owned(),
            waited: KERNEL_LIMIT,
            log: self.log_tail(),
        })
    }

    /// Asks it to end, and kills it when it has not after the grace. One that has ended already is
    /// no error.
    ///
    /// # Errors
    /// When the operating system refuses.
    pub fn stop(&self, grace: Duration) -> Result<ExitStatus, ServerError> {
        if let Some(status) = self.try_wait()? {
            return Ok(status);
        }
        let asked = self
            .terminate()
            .and_then(|()| self.signal("continue", Signal::CONT));
        if let Err(ServerError::Exited { status, .. }) = asked {
            return Ok(status);
        }
        if let Some(status) = self.wait(grace)? {
            return Ok(status);
        }
        match self.kill() {
            Ok(()) | Err(ServerError::Exited { .. }) => {}
            Err(error) => return Err(error),
        }
        let status = self.try_wait()?;
        Ok(status.expect("kill returns when the process is gone"))
    }

    /// Stops it in its tracks (SIGSTOP); its connections stay open. Returns when it stands.
    ///
    /// # Errors
    /// [`ServerError::Exited`] when it has ended.
    pub fn pause(&self) -> Result<(), ServerError> {
        self.signal("pause", Signal::STOP)?;
        self.wait_for_state("stop after SIGSTOP", |state| state == 'T')
    }

    /// Lets it go on after a pause (SIGCONT).
    ///
    /// # Errors
    /// [`ServerError::Exited`] when it has ended.
    pub fn resume(&self) -> Result<(), ServerError> {
        self.signal("resume", Signal::CONT)?;
        self.wait_for_state("go on after SIGCONT", |state| state != 'T')
    }

    /// The memory that it occupies.
    ///
    /// # Errors
    /// When it has ended.
    pub fn rss_bytes(&self) -> Result<u64, ServerError> {
        let status = self.proc_file("status")?;
        let kib = status.lines().find_map(|line| {
            line.strip_prefix("VmRSS:")?
                .trim()
                .strip_suffix(" kB")?
                .trim()
                .parse::<u64>()
                .ok()
        });
        // A process that has ended but is not reaped yet has a status without this line.
        kib.map(|kib| kib * 1024)
            .ok_or_else(|| self.control("measure", io::ErrorKind::NotFound.into()))
    }

    /// An error that says how it ended, with the end of its log.
    fn exited(&self, status: ExitStatus) -> ServerError {
        let log = self.log_tail();
        ServerError::Exited {
            process: self.name.clone(),
            pid: self.pid,
            status,
            log,
        }
    }

    fn control(&self, action: &'static str, source: io::Error) -> ServerError {
        ServerError::Control {
            action,
            process: self.name.clone(),
            pid: self.pid,
            source,
        }
    }

    fn try_wait(&self) -> Result<Option<ExitStatus>, ServerError> {
        self.lock()
            .try_wait()
            .map_err(|source| self.control("wait for", source))
    }

    fn signal(&self, action: &'static str, signal: Signal) -> Result<(), ServerError> {
        let mut child = self.lock();
        let ended = child
            .try_wait()
            .map_err(|source| self.control("wait for", source))?;
        match ended {
            Some(status) => Err(self.exited(status)),
            None => kill_process(Pid::from_child(&child), signal)
                .map_err(|source| self.control(action, source.into())),
        }
    }

    fn wait_for_state(
        &self,
        expected: &str,
        wanted: impl Fn(char) -> bool,
    ) -> Result<(), ServerError> {
        self.wait_until(expected, KERNEL_LIMIT, || {
            let stat = self.proc_file("stat")?;
            // The state follows the program's name, which stands in parentheses and may itself
            // hold some.
            let state = stat
                .rsplit_once(") ")
                .and_then(|(_, rest)| rest.chars().next());
            Ok(state.filter(|state| wanted(*state)).map(drop))
        })
    }

    fn proc_file(&self, file: &str) -> Result<String, ServerError> {
        fs::read_to_string(format!("/proc/{}/{file}", self.pid))
            .map_err(|source| self.control("look at", source))
    }

    fn log_tail(&self) -> String {
        let log = self
            .log()
            .unwrap_or_else(|error| format!("(no log: {error})"));
        let mut start = log.len().saturating_sub(LOG_TAIL_BYTES_MAX);
        while !log.is_char_boundary(start) {
            start += 1;
        }
        log[start..].to_owned()
    }

    /// A panic elsewhere unlocks it: none can leave a `Child` half changed.
    fn lock(&self) -> MutexGuard<'_, Child> {
        self.child.lock()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Nothing is left to do about a failure: the kernel kills the process with this one.
        let _ = self.stop(DROP_GRACE);
    }
}
