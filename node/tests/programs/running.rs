//! The built programs, running, and a client for what they serve.

use std::{
    ffi::OsStr,
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Command, Output},
    time::Duration,
};

use tempfile::TempDir;
use wrt_test_servers::Process;

/// Compiling a guest with a compiler that is itself hardly optimised takes its time.
const READY_LIMIT: Duration = Duration::from_secs(120);
const STOP_LIMIT: Duration = Duration::from_secs(20);
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// A file of the repository.
pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// A built example guest.
pub fn guest(name: &str) -> PathBuf {
    let path = repository("examples/target/wasm32-wasip2/release")
        .join(name)
        .with_extension("wasm");
    assert!(
        path.is_file(),
        "{} is not built: run `cargo xtask guests`",
        path.display()
    );
    path
}

/// `wrt-node` with arguments and a folder of its own; nothing of the caller's settings gets in.
pub fn wrt_node(folder: &Path) -> Command {
    program(env!("CARGO_BIN_EXE_wrt-node"), folder)
}

/// `wrt-node` as a shell script starts it: with `"$0" "$@"`.
pub fn wrt_node_by_shell(folder: &Path, script: &str) -> Command {
    let mut shell = program("sh", folder);
    shell.args(["-c", script, env!("CARGO_BIN_EXE_wrt-node")]);
    shell
}

/// `wrt` with arguments.
pub fn wrt(folder: &Path) -> Command {
    program(env!("CARGO_BIN_EXE_wrt"), folder)
}

/// A program with a folder of its own.
pub fn program(path: impl AsRef<OsStr>, folder: &Path) -> Command {
    let mut command = Command::new(path);
    for variable in [
        "WRT_NATS_URL",
        "WRT_LATTICE_NAME",
        "WRT_NODE_NAME",
        "WRT_NODE_LABELS",
        "WRT_CAPACITY_MEMORY_MIB",
        "WRT_CAPACITY_CONCURRENCY",
    ] {
        command.env_remove(variable);
    }
    // One cache for all tests: the same guests are compiled once.
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache");
    command
        .env("WRT_CACHE", cache)
        .env("RUST_LOG", "info")
        // Nobody is there to be asked.
        .env("WRT_YES", "1")
        .current_dir(folder);
    command
}

/// Runs a program to its end.
pub fn output(command: &mut Command) -> Output {
    command.output().expect("the program starts")
}

/// `wrt-node run`, ready.
pub struct Running {
    process: Process,
    _folder: TempDir,
}

impl Running {
    pub fn start(arguments: &[&str]) -> Self {
        let running = Self::launch(&[&["run"], arguments].concat());
        running.wait_for("is ready");
        running
    }

    /// Starts it and does not wait.
    pub fn launch(arguments: &[&str]) -> Self {
        Self::launch_by(wrt_node, arguments)
    }

    /// Starts the command that is made for its folder, with arguments, and does not wait.
    pub fn launch_by(command: impl FnOnce(&Path) -> Command, arguments: &[&str]) -> Self {
        let folder = TempDir::new().unwrap();
        let mut command = command(folder.path());
        command.args(arguments);
        let process = Process::spawn("wrt-node", command, folder.path().join("log")).unwrap();
        Self {
            process,
            _folder: folder,
        }
    }

    pub fn wait_for(&self, text: &str) {
        self.process.wait_for_log(text, READY_LIMIT).unwrap();
    }

    /// Where a provider listens.
    pub fn address(&self, provider: &str) -> String {
        let start = format!("{provider} listens on http://");
        let log = self.process.log().unwrap();
        let line = log.lines().find_map(|line| line.strip_prefix(&start));
        line.expect("a provider that listens says so").to_owned()
    }

    /// All that it has said.
    pub fn log(&self) -> String {
        self.process.log().unwrap()
    }

    /// How many files and sockets it has open.
    pub fn descriptors(&self) -> usize {
        let folder = format!("/proc/{}/fd", self.process.pid());
        fs::read_dir(folder).expect("it runs").count()
    }

    /// Memory that it occupies.
    pub fn rss_bytes(&self) -> u64 {
        self.process.rss_bytes().unwrap()
    }

    /// Waits until it ends by itself, and answers its exit code.
    pub fn exit_code(self) -> Option<i32> {
        let status = self.process.wait(STOP_LIMIT).unwrap();
        status.expect("it ends by itself").code()
    }

    /// Asks it to end, and answers its exit code.
    pub fn stopped_with(self) -> Option<i32> {
        self.process.terminate().unwrap();
        self.exit_code()
    }

    /// Asks it to end; it must end well, and by itself.
    pub fn stop(self) {
        self.process.terminate().unwrap();
        let status = self.process.wait(STOP_LIMIT).unwrap();
        let log = self.process.log().unwrap();
        assert!(
            status.is_some_and(|status| status.success()),
            "{status:?}\n{log}"
        );
    }
}

/// One request; answers the status and the body.
pub fn request(address: &str, method: &str, path: &str, body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(ANSWER_LIMIT)).unwrap();
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .expect("a response has a head");
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    let is_chunked = head
        .to_ascii_lowercase()
        .contains("transfer-encoding: chunked");
    let body = if is_chunked {
        unchunked(body)
    } else {
        body.to_owned()
    };
    (status.expect("a response has a status"), body)
}

fn unchunked(mut body: &str) -> String {
    let mut whole = String::new();
    while let Some((length, rest)) = body.split_once("\r\n") {
        let length = usize::from_str_radix(length.trim(), 16).expect("a chunk has a length");
        whole += &rest[..length];
        body = rest[length..].trim_start_matches("\r\n");
        if length == 0 {
            break;
        }
    }
    whole
}

/// Writes a manifest in a folder.
pub fn write_manifest(folder: &Path, text: &str) -> PathBuf {
    let path = folder.join("app.toml");
    fs::write(&path, text).unwrap();
    path
}
