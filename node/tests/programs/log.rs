//! What the programs write to standard error, and who waits for whom.

use std::path::Path;

use super::running::{Running, guest, output, request, wrt_node, wrt_node_by_shell};

/// A pipe holds 64 KiB, and each trap has a few lines in the log.
const TRAPS: usize = 200;

/// Standard error is a pipe that nobody reads, from the start to the end.
#[test]
fn a_log_that_nobody_reads_stops_neither_the_node_nor_its_end() {
    let probe = guest("probe");
    let probe = probe.to_str().expect("a path of text");
    let arguments = ["run", probe, "--address", "127.0.0.1:0"];
    // Opened for both ways, the pipe opens at once and has no end.
    let script = "mkfifo unread && exec \"$0\" \"$@\" 2<>unread";
    let running = Running::launch_by(|folder| wrt_node_by_shell(folder, script), &arguments);
    running.wait_for("is ready");
    let address = running.address("http-server");
    for trap in 0..TRAPS {
        let (status, _) = request(&address, "GET", "/trap", "");
        assert_eq!(status, 500, "trap {trap}");
    }
    assert_eq!(request(&address, "GET", "/hello", "").0, 200);
    running.stop();
}

/// The one who failed waited for the reader of a pipe that was full, for ever.
#[test]
fn a_failure_that_nobody_reads_ends_the_program() {
    let script = "mkfifo unread && exec 3<>unread
        dd if=/dev/zero of=unread oflag=nonblock bs=1k 2>dd
        exec \"$0\" \"$@\" 2>&3";
    for format in ["text", "json"] {
        let arguments = ["--output", format, "run", "missing.wasm"];
        let running = Running::launch_by(|folder| wrt_node_by_shell(folder, script), &arguments);
        assert_eq!(running.exit_code(), Some(1), "{format}");
    }
}

/// Without any setting.
#[test]
fn a_guests_panic_is_visible() {
    let probe = guest("probe");
    let probe = probe.to_str().expect("a path of text");
    let by_default = |folder: &Path| {
        let mut node = wrt_node(folder);
        node.env_remove("RUST_LOG");
        node
    };
    let running = Running::launch_by(by_default, &["run", probe, "--address", "127.0.0.1:0"]);
    running.wait_for("is ready");
    let (status, _) = request(&running.address("http-server"), "GET", "/trap", "");
    assert_eq!(status, 500);
    running.wait_for("asked to trap app=probe component=probe stream=\"stderr\"");
    running.stop();
}

/// The bug: `wrt ps | head -1` ended with a panic, and so did a node that was about to serve.
#[test]
fn nobody_has_to_read_the_results() {
    let folder = tempfile::tempdir().expect("a folder");
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let mut compile = wrt_node(folder.path());
    compile.arg("compile").arg(guest("hello_http"));
    compile.args(["--out", "hello.cwasm"]).stdout(writer);
    let ended = output(&mut compile);
    let told = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{told}");
    assert!(folder.path().join("hello.cwasm").is_file());
}

/// What is kept in memory is gone with the process, so whoever has set another service up must see it.
#[test]
fn without_a_manifest_it_is_told_who_serves_what() {
    let counter = guest("counter");
    let counter = counter.to_str().expect("a path of text");
    let with_redis = |folder: &Path| {
        let mut node = wrt_node(folder);
        node.env("REDIS_URL", "redis://127.0.0.1:1");
        node
    };
    let running = Running::launch_by(with_redis, &["run", counter, "--address", "127.0.0.1:0"]);
    running.wait_for("wasi:keyvalue is served by the backend memory");
    running.wait_for("is ready");
    running.stop();
}
