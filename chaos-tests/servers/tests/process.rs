//! Processes: what a test harness must be able to rely on.

#![cfg(test)]

use std::{fs, path::Path, process::Command, thread, time::Duration};

use wrt_test_servers::{Deadline, Process, ServerError};

const LIMIT: Duration = Duration::from_secs(10);

fn shell(script: &str, folder: &Path) -> Process {
    let mut command = Command::new("sh");
    command.arg("-c").arg(script);
    Process::spawn("sh", command, folder.join("log")).unwrap()
}

fn is_gone(pid: u32) -> bool {
    !Path::new(&format!("/proc/{pid}")).exists()
}

#[test]
fn stdout_and_stderr_go_to_the_log_of_this_process_only() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("log"), "earlier\n").unwrap();
    let process = shell("echo out; echo err >&2; exec sleep 60", folder.path());
    assert_eq!(process.wait_for_log("er", LIMIT).unwrap(), "err");
    assert_eq!(process.log().unwrap(), "out\nerr\n");
}

#[test]
fn a_process_that_ends_ends_the_wait_with_its_status_and_log() {
    let folder = tempfile::tempdir().unwrap();
    let process = shell("echo broken; exit 3", folder.path());
    let error = process.wait_for_log("ready", LIMIT).unwrap_err();
    let ServerError::Exited { status, log, .. } = error else {
        panic!("{error}")
    };
    assert_eq!((status.code(), log.as_str()), (Some(3), "broken\n"));
}

#[test]
fn a_wait_for_the_log_has_a_limit() {
    let folder = tempfile::tempdir().unwrap();
    let process = shell("exec sleep 60", folder.path());
    let error = process
        .wait_for_log("ready", Duration::from_millis(20))
        .unwrap_err();
    assert!(matches!(error, ServerError::TooSlow { .. }), "{error}");
    assert!(process.is_running().unwrap());
}

#[test]
fn a_paused_process_does_nothing_until_it_is_resumed() {
    let folder = tempfile::tempdir().unwrap();
    let process = shell("while :; do echo tick; sleep 0.01; done", folder.path());
    process.wait_for_log("tick", LIMIT).unwrap();
    process.pause().unwrap();
    let before = process.log().unwrap().len();
    assert_eq!(process.wait(Duration::from_millis(100)).unwrap(), None);
    assert_eq!(process.log().unwrap().len(), before);
    process.resume().unwrap();
    let went_on = || (process.log().unwrap().len() > before).then_some(());
    assert!(Deadline::after(LIMIT).poll(went_on).is_some());
}

#[test]
fn stop_reaches_a_paused_process_and_kills_a_stubborn_one() {
    let folder = tempfile::tempdir().unwrap();
    let paused = shell(
        "trap 'exit 7' TERM; echo up; while :; do sleep 0.01; done",
        folder.path(),
    );
    paused.wait_for_log("up", LIMIT).unwrap();
    paused.pause().unwrap();
    assert_eq!(paused.stop(LIMIT).unwrap().code(), Some(7));
    assert_eq!(
        paused.stop(LIMIT).unwrap().code(),
        Some(7),
        "a second stop is no error"
    );

    let stubborn = shell(
        "trap '' TERM; echo up; while :; do sleep 0.01; done",
        folder.path(),
    );
    stubborn.wait_for_log("up", LIMIT).unwrap();
    assert_eq!(
        stubborn.stop(Duration::from_millis(50)).unwrap().code(),
        None
    );
    assert!(is_gone(stubborn.pid()));
    assert!(matches!(stubborn.kill(), Err(ServerError::Exited { .. })));
}

#[test]
fn memory_is_measured_while_the_process_runs() {
    let folder = tempfile::tempdir().unwrap();
    let process = shell("exec sleep 60", folder.path());
    // It grows while the program is loaded.
    let grown = || (process.rss_bytes().unwrap() > 100 * 1024).then_some(());
    assert!(Deadline::after(LIMIT).poll(grown).is_some());
    process.kill().unwrap();
    assert!(process.rss_bytes().is_err());
}

#[test]
fn a_program_that_does_not_exist_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let error = Process::spawn("ghost", Command::new("/no/such/program"), log).unwrap_err();
    assert_eq!(error.to_string(), "cannot start /no/such/program");
}

/// The kernel ties a child to the thread that starts it, and a shared server outlives the test
/// that started it.
#[test]
fn a_process_outlives_the_thread_that_started_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_owned();
    let process = thread::spawn(move || shell("exec sleep 60", &path))
        .join()
        .unwrap();
    assert_eq!(process.wait(Duration::from_millis(200)).unwrap(), None);
}

#[test]
fn a_killed_test_leaves_no_server() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_hold-a-server"));
    // The folder of the killed server goes with the folder of this test.
    command.env("TMPDIR", folder.path());
    let victim = Process::spawn("hold-a-server", command, folder.path().join("log")).unwrap();
    let line = victim.wait_for_log("server=", LIMIT).unwrap();
    let pid: u32 = line
        .split_once("server=")
        .unwrap()
        .1
        .trim()
        .parse()
        .unwrap();
    assert!(!is_gone(pid));
    victim.kill().unwrap();
    assert!(
        Deadline::after(LIMIT)
            .poll(|| is_gone(pid).then_some(()))
            .is_some()
    );
}
