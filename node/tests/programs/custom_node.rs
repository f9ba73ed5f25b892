//! `examples/custom-node`: a program that is no part of this workspace, with an interface, a backend
//! and a trigger of its own, and the mistakes that can be made in its `runtime!`.

mod mistakes;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
    time::Duration,
};

use tempfile::TempDir;
use wrt_test_servers::{NatsServer, Process, RedisServer};

use super::running::{Running, guest, output, program, repository, request};

const LIMIT: Duration = Duration::from_secs(60);

/// A cargo whose artefacts lie among this workspace's own, so that only what is new is built. It must
/// not inherit what tells a build script of whose tests these are: it would run again.
pub(super) fn cargo(arguments: &[&str]) -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
            cargo.env_remove(&*name);
        }
    }
    cargo.args(arguments).env("CARGO_TARGET_DIR", target());
    cargo
}

fn target() -> &'static Path {
    let temporary = Path::new(env!("CARGO_TARGET_TMPDIR"));
    temporary.parent().expect("it lies in the target folder")
}

/// The program, built once.
fn built() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let manifest = repository("examples/custom-node/Cargo.toml");
        let manifest = manifest.display().to_string();
        let built = output(&mut cargo(&[
            "build",
            "--locked",
            "--manifest-path",
            &manifest,
        ]));
        let told = String::from_utf8_lossy(&built.stderr).into_owned();
        assert!(built.status.success(), "{told}");
        target().join("debug/custom-node")
    })
}

/// What the guest says when it has read a body, as a stream, to its end.
fn recital(style: &str) -> String {
    let line = format!("{style}, {}\n", "la ".repeat(5_000));
    format!("a recital of {} bytes", 20 * line.len())
}

fn custom_node(folder: &Path) -> Command {
    program(built(), folder)
}

#[test]
fn a_component_alone_gets_what_the_program_names_set_up_by_the_environment() {
    let guest = guest("custom_guest").display().to_string();
    let with_style = |folder: &Path| {
        let mut command = custom_node(folder);
        command.env("GREETING_STYLE", "ahoy");
        command
    };
    let running = Running::launch_by(with_style, &["run", &guest]);
    running.wait_for("ahoy, tick ");
    running.wait_for(&recital("ahoy"));
    running.stop();
}

#[test]
fn a_standard_component_gets_the_backends_that_the_program_names() {
    let redis = RedisServer::start().unwrap();
    let guest = guest("counter").display().to_string();
    let with_redis = |folder: &Path| {
        let mut command = custom_node(folder);
        command.env("REDIS_URL", redis.url());
        command
    };
    let arguments = ["run", &guest, "--address", "127.0.0.1:0"];
    for expected in ["1", "2"] {
        // The second one finds what the first one has left in Redis.
        let running = Running::launch_by(with_redis, &arguments);
        running.wait_for("is ready");
        let answer = request(&running.address("http-server"), "POST", "/visits", "");
        assert_eq!(answer, (200, expected.to_owned()));
        running.stop();
    }
}

#[test]
fn it_joins_a_lattice_and_deploys_what_only_it_knows() {
    let (folder, nats) = (TempDir::new().unwrap(), NatsServer::start().unwrap());
    let url = nats.url();
    let join = |name: &str| {
        let mut command = custom_node(folder.path());
        command.args(["join", "--lattice", &url, "--name", name]);
        let log = folder.path().join(format!("{name}.log"));
        Process::spawn(name, command, log).unwrap()
    };
    // The component on one node, and whom it calls on the other.
    let nodes = [join("a"), join("b")];
    for node in &nodes {
        node.wait_for_log("has joined", LIMIT).unwrap();
    }
    let manifest = fs::read_to_string(repository("examples/custom-node/app.toml")).unwrap();
    let relative = "../target/wasm32-wasip2/release/custom_guest.wasm";
    assert!(manifest.contains(relative), "{manifest}");
    let manifest = manifest
        .replace(relative, &guest("custom_guest").display().to_string())
        .replace("[component.greets]", "[component.greets]\nnodes = [\"a\"]")
        .replace("[provider.greeter]", "[provider.greeter]\nnodes = [\"b\"]");
    let path = folder.path().join("app.toml");
    fs::write(&path, &manifest).unwrap();

    let at_lattice = |arguments: &[&str]| {
        let mut command = custom_node(folder.path());
        let done = output(command.args(arguments).args(["--lattice", &url]));
        let told = [done.stdout, done.stderr].map(|it| String::from_utf8_lossy(&it).into_owned());
        (done.status.code(), told.concat())
    };
    let (code, told) = at_lattice(&["up", "app.toml"]);
    assert_eq!(code, Some(0), "{told}\n{}", nodes[0].log().unwrap());
    nodes[0].wait_for_log("hello, tick ", LIMIT).unwrap();
    nodes[0].wait_for_log(&recital("hello"), LIMIT).unwrap();
    let (_, told) = at_lattice(&["ps"]);
    assert!(told.contains("provider/greetings/clock"), "{told}");
    let (code, told) = at_lattice(&["down", "greetings"]);
    assert_eq!(code, Some(0), "{told}");

    // The backend reads its own selection, and the mistake is told with its line.
    fs::write(&path, manifest.replace("every_ms = 500", "every_ms = 0")).unwrap();
    let (code, told) = at_lattice(&["up", "app.toml"]);
    assert_eq!(code, Some(1), "{told}");
    assert!(
        told.contains("use at least 1") && told.contains("app.toml:"),
        "{told}"
    );

    for node in &nodes {
        node.terminate().unwrap();
        let status = node.wait(LIMIT).unwrap();
        assert!(
            status.is_some_and(|it| it.success()),
            "{}",
            node.log().unwrap()
        );
    }
}

/// Otherwise everything would be built anew for it.
#[test]
fn it_is_built_with_the_versions_and_the_profile_of_this_workspace() {
    let table = |path: &str| -> toml::Table {
        let text = fs::read_to_string(repository(path)).unwrap();
        text.parse().unwrap()
    };
    let profile = |path: &str| table(path)["profile"].clone();
    assert_eq!(
        profile("examples/custom-node/Cargo.toml"),
        profile("Cargo.toml")
    );

    let packages = |path: &str| -> Vec<(String, String)> {
        let lock = table(path);
        let packages = lock["package"].as_array().unwrap().iter();
        let text = |package: &toml::Value, key| package[key].as_str().unwrap().to_owned();
        let from_outside = packages.filter(|package| package.get("source").is_some());
        from_outside
            .map(|it| (text(it, "name"), text(it, "version")))
            .collect()
    };
    let ours = packages("Cargo.lock");
    for package in packages("examples/custom-node/Cargo.lock") {
        assert!(ours.contains(&package), "{package:?} is not in Cargo.lock");
    }
}
