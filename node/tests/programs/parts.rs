//! A program of its own parts, `node/examples/parts.rs`: a component is served by what the block names for its
//! imports, set up by the environment.

use std::path::Path;

use tempfile::TempDir;
use wrt_test_servers::RedisServer;

use super::running::{Running, guest, output, program, request};

fn parts(folder: &Path) -> std::process::Command {
    let temporary = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let target = temporary.parent().expect("it lies in the target folder");
    program(target.join("debug/examples/parts"), folder)
}

#[test]
fn what_a_block_names_is_what_serves() {
    let redis = RedisServer::start().unwrap();
    let source = guest("counter").display().to_string();
    let running = Running::launch_by(
        |folder| {
            let mut command = parts(folder);
            command.env("REDIS_URL", redis.url());
            command
        },
        &["run", &source, "--address", "127.0.0.1:0"],
    );
    running.wait_for("is ready");
    let address = running.address("http-server");
    for expected in ["1", "2"] {
        let (status, text) = request(&address, "POST", "/visits", "");
        assert!(status == 200 && text.contains(expected), "{status} {text}");
    }
    running.stop();
}

#[test]
fn what_it_does_not_name_is_told() {
    let folder = TempDir::new().unwrap();
    let told = output(parts(folder.path()).arg("backends"));
    let text = String::from_utf8_lossy(&told.stdout).into_owned();
    let names: Vec<_> = text
        .lines()
        .filter_map(|line| line.split(' ').next())
        .collect();
    for named in ["azure", "http-server", "kafka", "opentelemetry", "redis"] {
        assert!(names.contains(&named), "{named}: {text}");
    }
    for other in ["mongodb", "nats", "postgres", "memory"] {
        assert!(!names.contains(&other), "{other}: {text}");
    }
    let source = guest("settings").display().to_string();
    let told = output(parts(folder.path()).args(["run", &source]));
    let error = String::from_utf8_lossy(&told.stderr).into_owned();
    assert_eq!(told.status.code(), Some(1), "{error}");
    assert!(error.contains("wasi:config"), "{error}");
}
