//! `wrt new`: what it writes builds and runs.

use std::{
    fs, net::TcpStream, os::unix::fs::symlink, path::Path, process::Command, time::Duration,
};

use tempfile::TempDir;
use tokio_tungstenite::tungstenite::{self, Message, WebSocket};
use wrt_test_servers::Deadline;

use super::running::{Running, output, repository, request, wrt};

/// A first build has a compiler to wait for, and who else builds.
const WITHIN: Duration = Duration::from_secs(300);

/// A component that was begun anew, and `wrt dev` that builds and runs it.
struct Begun {
    folder: TempDir,
    name: String,
    running: Running,
}

impl Begun {
    /// Builds by the manifest as it is, or by the profile of the examples, with whatever those have left of
    /// the crates that both need.
    fn start(template: &str, as_examples: bool) -> Self {
        let folder = TempDir::new().unwrap();
        let name = format!("my-{template}");
        let made = output(wrt(folder.path()).args(["new", &name, "--template", template]));
        let told = String::from_utf8_lossy(&made.stdout).into_owned();
        assert!(told.contains(&format!("cd {name} && wrt dev")), "{told}");
        let project = folder.path().join(&name);
        // The crates that are there anyhow; without asking a registry for later ones.
        fs::copy(
            repository("examples/Cargo.lock"),
            project.join("Cargo.lock"),
        )
        .unwrap();
        let target = match as_examples {
            true => repository("examples/target").canonicalize().unwrap(),
            false => Path::new(env!("CARGO_TARGET_TMPDIR")).join("templates"),
        };
        fs::create_dir_all(&target).unwrap();
        symlink(target, project.join("target")).unwrap();
        if as_examples {
            let manifest = fs::read_to_string(project.join("app.toml")).unwrap();
            let manifest = manifest.replace("wasip2/debug/", "wasip2/release/");
            fs::write(project.join("app.toml"), manifest).unwrap();
        }
        let command = |_: &Path| {
            let mut command = wrt(&project);
            command.env("RUSTC", guest_rustc());
            command.env("CARGO_NET_OFFLINE", "true");
            // This is a program of cargo's as well, and each workspace has its own.
            for variable in ["CARGO_TARGET_DIR", "RUSTFLAGS", "CARGO_BUILD_TARGET"] {
                command.env_remove(variable);
            }
            command
        };
        let running = Running::launch_by(command, &["dev", "--address", "127.0.0.1:0"]);
        let begun = Self {
            folder,
            name,
            running,
        };
        begun.wait_for("is ready");
        begun
    }

    fn wait_for(&self, text: &str) {
        let found =
            Deadline::after(WITHIN).poll(|| self.running.log().contains(text).then_some(()));
        assert!(found.is_some(), "{text}: {}", self.running.log());
    }

    fn address(&self) -> String {
        self.running.address("web")
    }
}

/// The compiler that the examples are built with.
fn guest_rustc() -> String {
    let script = repository("node/xtask/guest-toolchain.sh");
    let told = Command::new(script).output().expect("the script starts");
    assert!(told.status.success(), "{told:?}");
    let path = String::from_utf8(told.stdout).expect("a path");
    path.trim().to_owned()
}

#[test]
fn one_that_answers_requests() {
    let begun = Begun::start("http", false);
    let answer = request(&begun.address(), "GET", "/path", "");
    assert_eq!(answer, (200, "Hello from my-http\n".to_owned()));
    begun.wait_for("asked for /path");
    let source = begun.folder.path().join(&begun.name).join("src/lib.rs");
    let text = fs::read_to_string(&source).unwrap();
    fs::write(&source, text.replace("Hello from", "Greetings from")).unwrap();
    let greets = || {
        let (status, text) = request(&begun.address(), "GET", "/", "");
        assert_eq!(status, 200);
        text.starts_with("Greetings").then_some(())
    };
    let greeted = Deadline::after(WITHIN).poll(greets);
    assert!(greeted.is_some(), "{}", begun.running.log());
    // For whoever wants to know how long that takes.
    let log = begun.running.log();
    let took: Vec<_> = log
        .lines()
        .filter(|line| line.contains("after its build"))
        .collect();
    println!("{}", took.join("\n"));
    begun.running.stop();
}

#[test]
fn one_that_handles_messages() {
    let begun = Begun::start("messaging", true);
    let (status, _) = request(&begun.address(), "POST", "/", "me");
    assert_eq!(status, 202);
    begun.wait_for("my-messaging.asked: me");
    begun.wait_for("my-messaging.answered: Hello from my-messaging, me");
    begun.running.stop();
}

#[test]
fn one_that_has_peers() {
    let begun = Begun::start("websocket", true);
    let address = begun.address();
    let connect = || {
        let stream = TcpStream::connect(&address).unwrap();
        stream.set_read_timeout(Some(WITHIN)).unwrap();
        tungstenite::client(format!("ws://{address}/"), stream)
            .unwrap()
            .0
    };
    let next = |socket: &mut WebSocket<TcpStream>| socket.read().unwrap();
    let (mut one, mut two) = (connect(), connect());
    for socket in [&mut one, &mut two] {
        assert_eq!(next(socket), Message::text("Hello from my-websocket"));
    }
    one.send(Message::text("hello")).unwrap();
    for socket in [&mut one, &mut two] {
        assert_eq!(next(socket), Message::text("hello"));
    }
    drop((one, two));
    begun.running.stop();
}

#[test]
fn nothing_is_written_over() {
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join("shop")).unwrap();
    for (name, code, told) in [("shop", 1, "is there already"), ("Shop", 2, "no name")] {
        let refused = output(wrt(folder.path()).args(["new", name]));
        let error = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(code), "{error}");
        assert!(error.contains(told), "{error}");
    }
    assert_eq!(fs::read_dir(folder.path().join("shop")).unwrap().count(), 0);
    let wrong = output(wrt(folder.path()).args(["new", "shop", "--template", "cobol"]));
    assert_eq!(wrong.status.code(), Some(2));
}

#[test]
fn programs_are_told_in_json() {
    let folder = TempDir::new().unwrap();
    let json = |arguments: &[&str]| -> serde_json::Value {
        let told = output(wrt(folder.path()).args(arguments));
        assert!(told.status.success(), "{told:?}");
        serde_json::from_slice(&told.stdout).expect("it is JSON")
    };
    let list = json(&["new", "--list", "--output", "json"]);
    let names: Vec<_> = list
        .as_array()
        .expect("a list")
        .iter()
        .map(|it| &it["template"])
        .collect();
    let expected = ["http", "messaging", "websocket", "python", "javascript"];
    assert_eq!(names, expected);
    for name in expected {
        let made = json(&[
            "new",
            &format!("a-{name}"),
            "--template",
            name,
            "--output",
            "json",
        ]);
        assert_eq!(made["created"], format!("a-{name}"));
        for file in made["files"].as_array().expect("a list") {
            let file = file.as_str().expect("a path");
            let path = folder.path().join(format!("a-{name}")).join(file);
            assert!(path.is_file(), "{}", path.display());
        }
    }
}
