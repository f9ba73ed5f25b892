//! What can go wrong with a server.

use std::{io, path::PathBuf, process::ExitStatus, time::Duration};

/// Why a server or a process did not do what was asked of it.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The program is not on this machine.
    #[error("{server} is missing: run `{fix}`")]
    Missing {
        /// The program and its version.
        server: String,
        /// The command that installs it.
        fix: &'static str,
    },
    /// A variable names a program that is not there.
    #[error("{variable} names {path}, which is not a file")]
    BadOverride {
        /// The environment variable.
        variable: &'static str,
        /// What it holds.
        path: PathBuf,
    },
    /// The program could not be started.
    #[error("cannot start {program}")]
    Spawn {
        /// The path of the program.
        program: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// The process ended while something was expected of it.
    #[error("{process} (pid {pid}) ended with {status}; its log:\n{log}")]
    Exited {
        /// The name that it was started under.
        process: String,
        /// Its former process id.
        pid: u32,
        /// How it ended.
        status: ExitStatus,
        /// The end of its log.
        log: String,
    },
    /// The process runs but did not get to the expected state in time.
    #[error("{process} (pid {pid}) did not {expected} within {waited:?}; its log:\n{log}")]
    TooSlow {
        /// The name that it was started under.
        process: String,
        /// Its process id.
        pid: u32,
        /// What was waited for.
        expected: String,
        /// How long.
        waited: Duration,
        /// The end of its log.
        log: String,
    },
    /// The process cannot be signalled, waited for or measured.
    #[error("cannot {action} {process} (pid {pid})")]
    Control {
        /// What was tried.
        action: &'static str,
        /// The name that it was started under.
        process: String,
        /// Its process id.
        pid: u32,
        /// The operating system's reason.
        source: io::Error,
    },
    /// A server that was stopped or killed was asked for something that only a live one can do.
    #[error("{server} is not running: restart it first")]
    NotRunning {
        /// The name of the server.
        server: &'static str,
    },
    /// A folder or a log file cannot be used.
    #[error("cannot use {path}")]
    Folder {
        /// The folder or file.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// No loopback port is free.
    #[error("no free port on the loopback interface")]
    NoFreePort,
}
