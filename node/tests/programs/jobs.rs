//! Components that run to their end, by themselves.

use std::{
    io::Write as _,
    process::{Output, Stdio},
};

use tempfile::TempDir;

use super::running::{Running, guest, output, repository, wrt_node};

/// `wrt-node run` of a guest with these arguments, `input` on its standard input.
fn run(guest_name: &str, arguments: &[&str], input: &str) -> Output {
    let folder = TempDir::new().unwrap();
    let mut command = wrt_node(folder.path());
    command.arg("run").arg(guest(guest_name)).args(arguments);
    command.stdin(Stdio::piped());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).unwrap();
    drop(stdin);
    child.wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_program_has_the_streams_the_arguments_and_the_code_of_its_command() {
    for (arguments, input, code, stdout, stderr) in [
        (&["--", "count"][..], "one\ntwo\nthree\n", 0, "3\n", ""),
        (
            &["--", "add", "of this process", "5"],
            "",
            0,
            "of this process 5\n",
            "",
        ),
        (
            &["--env", "A=first", "--", "env", "A"],
            "",
            0,
            "first\n",
            "",
        ),
        // Of this process it has no variable.
        (&["--", "env", "PATH"], "", 0, "\n", ""),
        (&["--", "exit", "7"], "", 7, "", ""),
        (&["--", "exit", "0"], "", 0, "", ""),
        (&[], "", 1, "", "what a job can do"),
        (&["--", "--strange"], "", 1, "", "what a job can do"),
        (&["--", "trap"], "", 134, "", "asked to trap"),
    ] {
        let ended = run("job", arguments, input);
        let told = (ended.status.code(), text(&ended.stdout));
        assert_eq!(
            told,
            (Some(code), stdout.to_owned()),
            "{arguments:?}: {ended:?}"
        );
        let heard = text(&ended.stderr);
        assert!(heard.contains(stderr), "{arguments:?}: {heard}");
    }
}

#[test]
fn a_program_of_0_3() {
    let ended = run("job_p3", &["--", "one", "two words"], "");
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    assert_eq!(text(&ended.stdout), "one\ntwo words\n");
    let failed = run("job_p3", &[], "");
    assert_eq!(
        (failed.status.code(), text(&failed.stdout)),
        (Some(1), String::new())
    );
}

#[test]
fn arguments_go_with_a_program_alone() {
    for (source, part) in [
        (guest("hello_http"), "runs to its end"),
        (repository("examples/job/app.toml"), "go with a component"),
    ] {
        let folder = TempDir::new().unwrap();
        let mut command = wrt_node(folder.path());
        command.arg("run").arg(&source).args(["--", "one"]);
        let refused = output(&mut command);
        let told = text(&refused.stderr);
        assert_eq!(refused.status.code(), Some(2), "{told}");
        assert!(told.contains(part), "{told}");
    }
}

#[test]
fn a_program_that_is_interrupted_is_stopped() {
    let source = guest("job").display().to_string();
    let running = Running::launch(&["run", &source, "--", "wait", "60000"]);
    running.wait_for("waits");
    assert_eq!(running.stopped_with(), Some(130));
}

/// What it prints is in the log, and `run` goes on until it is stopped.
#[test]
fn job() {
    let manifest = repository("examples/job/app.toml").display().to_string();
    guest("job");
    let running = Running::start(&[&manifest]);
    running.wait_for("deploys 1");
    running.wait_for("ticks 1");
    running.wait_for("ticks 2");
    assert!(!running.log().contains("deploys 2"), "it was deployed once");
    running.stop();
}

#[test]
fn job_p3() {
    let manifest = repository("examples/job-p3/app.toml").display().to_string();
    guest("job_p3");
    let running = Running::start(&[&manifest]);
    running.wait_for("from 0.3");
    running.stop();
}

/// A run that takes longer than its component may is over by then, and told.
#[test]
fn a_program_has_no_more_time_than_its_component() {
    let folder = TempDir::new().unwrap();
    let source = guest("job");
    let manifest = format!(
        r#"
[app]
name = "slow"

[component.job]
source = {source:?}
links = {{ "wasi:keyvalue" = "store" }}
limits = {{ wall_time_ms_max = 300 }}

[provider.store]
backend = "memory"

[provider.jobs]
backend = "schedule"
calls = [{{ component = "job", run = "deploy", arguments = ["wait", "60000"] }}]
"#
    );
    let manifest = super::running::write_manifest(folder.path(), &manifest);
    let running = Running::start(&[manifest.to_str().unwrap()]);
    running.wait_for("a run has not come to its end");
    assert!(!running.log().contains("has waited"));
    running.stop();
}
