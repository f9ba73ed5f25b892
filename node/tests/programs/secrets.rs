//! Settings that are secrets of a vault: they may be set after the deploy, and change after it.

use std::{process::Command, time::Duration};

use age::{secrecy::ExposeSecret as _, x25519::Identity};
use tempfile::TempDir;
use wrt_test_servers::{Deadline, RedisServer};

use super::{
    lattice::{Lattice, address},
    running::{Running, guest, repository, request, write_manifest, wrt_node},
};

const A_WHILE: Duration = Duration::from_secs(60);

/// The counter behind a password that the vault keeps, and a way to fill the vault.
fn manifest(vault: &str, store: &str, [tokens, counter]: [&str; 2]) -> String {
    format!(
        r#"
[app]
name = "kept"

[component.tokens]
source = {tokens_source:?}
links = {{ "wrt:vault" = "secrets" }}

[provider.secrets]
backend = "memory"
nodes = ["{vault}"]

[provider.vault-web]
backend = "http-server"
nodes = ["{vault}"]
config = {{ address = "{tokens}" }}
calls = [{{ component = "tokens" }}]

[component.counter]
source = {counter_source:?}
links = {{ "wasi:keyvalue" = "store" }}

[provider.store]
backend = "redis"
nodes = ["{store}"]
config = {{ url = {{ vault = "secrets", locker = "tokens", secret = "redis" }} }}

[provider.web]
backend = "http-server"
nodes = ["{store}"]
config = {{ address = "{counter}" }}
calls = [{{ component = "counter" }}]
"#,
        tokens_source = guest("vault"),
        counter_source = guest("counter"),
    )
}

/// Redis' own client on `url`.
fn redis_cli(url: &str, arguments: &[&str]) {
    let mut command = Command::new("redis-cli");
    command
        .args(["--no-auth-warning", "-u", url])
        .args(arguments);
    let output = command.output().expect("redis-cli");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        text.starts_with("OK") || text.trim().parse::<u32>().is_ok(),
        "{text}"
    );
}

/// The reader of a setting behind its vault.
struct Kept {
    redis: RedisServer,
    lattice: Lattice,
    /// The node of the vault, and that of the reader.
    nodes: [String; 2],
    tokens: String,
    web: String,
}

/// What is said of a secret that is not there yet, or not any more.
const MISSING: &str =
    r#"config.url refers to secret "redis" of locker "tokens" of vault `secrets`"#;
/// What is said of a vault that does not answer.
const NOT_READ: &str = "of vault `secrets` is not read";

impl Kept {
    /// Redis asks for `first-password`, and the vault has nothing yet.
    fn up(vault: &str, store: &str) -> Self {
        let redis = RedisServer::start().unwrap();
        let password = ["CONFIG", "SET", "requirepass", "first-password"];
        redis_cli(&redis.url(), &password);
        let lattice = Lattice::start(&["a", "b"]);
        let [tokens, web] = [address(), address()];
        let text = manifest(vault, store, [&tokens, &web]);
        let path = write_manifest(lattice.folder(), &text);
        lattice.wrt_ok(&["up", path.to_str().unwrap(), "--timeout", "0"]);
        Self {
            redis,
            lattice,
            nodes: [vault.to_owned(), store.to_owned()],
            tokens,
            web,
        }
    }

    fn log(&self) -> String {
        self.lattice.log(&self.nodes[1])
    }

    /// It is said in the reader's log, from a place on.
    fn is_told(&self, text: &str, from: usize) {
        let is_told = || self.log()[from..].contains(text).then_some(());
        let told = Deadline::after(A_WHILE).poll(is_told);
        assert!(told.is_some(), "{text}: {}", self.log());
    }

    fn url_with(&self, password: &str) -> String {
        let with = format!("redis://default:{password}@");
        self.redis.url().replace("redis://", &with)
    }

    fn set(&self, password: &str) {
        let set = || request(&self.tokens, "PUT", "/redis", &self.url_with(password));
        let (status, text) = set();
        assert_eq!(status, 200, "{text}");
    }

    fn counts(&self, expected: &str) {
        let has_counted = || {
            let answer = request(&self.web, "POST", "/visits", "");
            (answer == (200, expected.to_owned())).then_some(())
        };
        let counted = Deadline::after(A_WHILE).poll(has_counted);
        assert!(counted.is_some(), "{expected}: {}", self.log());
    }

    /// The service takes another one from now on, and the reader hears it at once.
    fn changes_to(&self, before: &str, password: &str) {
        let change = ["CONFIG", "SET", "requirepass", password];
        redis_cli(&self.url_with(before), &change);
        let hang_up = ["CLIENT", "KILL", "TYPE", "normal"];
        redis_cli(&self.url_with(password), &hang_up);
        let refused = || (request(&self.web, "POST", "/visits", "").0 == 503).then_some(());
        assert!(Deadline::after(A_WHILE).poll(refused).is_some());
    }

    /// No password is in a log, or in what is stored.
    fn has_told_no_password(&self) {
        for node in ["a", "b"] {
            let log = self.lattice.log(node);
            assert!(!log.contains("-password"), "{log}");
        }
        let stored = self.lattice.wrt_ok(&["ps", "kept", "--output", "json"]);
        assert!(!stored.contains("-password"), "{stored}");
    }
}

fn a_setting_is_what_the_vault_has(vault: &str, store: &str) {
    let kept = Kept::up(vault, store);
    // It waits for what is not there yet, and says for what.
    kept.is_told(MISSING, 0);
    kept.set("first-password");
    kept.counts("1");
    // The vault has the next one a little later.
    kept.changes_to("first-password", "second-password");
    kept.set("second-password");
    kept.counts("2");
    kept.has_told_no_password();
}

/// What runs does not need its vault. What connects anew waits for it, says so, and has what the vault has when its
/// node is back.
#[test]
fn a_reader_goes_on_without_its_vault_until_it_connects_anew() {
    let mut kept = Kept::up("a", "b");
    kept.is_told(MISSING, 0);
    kept.set("first-password");
    kept.counts("1");
    let before = kept.log().len();
    kept.lattice.kill("a");
    for expected in ["2", "3"] {
        kept.counts(expected);
    }
    let meanwhile = &kept.log()[before..];
    assert!(!meanwhile.contains(NOT_READ), "{meanwhile}");

    kept.changes_to("first-password", "second-password");
    kept.is_told(NOT_READ, before);
    let ps = || {
        let ps = kept.lattice.wrt_ok(&["ps", "kept", "--output", "json"]);
        ps.contains(NOT_READ).then_some(ps)
    };
    let told = Deadline::after(A_WHILE).poll(ps);
    assert!(told.is_some(), "{}", kept.lattice.wrt_ok(&["ps", "kept"]));

    // It has lost what it had, as this one does; and is asked again.
    let before = kept.log().len();
    kept.lattice.start_again("a");
    kept.is_told(MISSING, before);
    kept.set("second-password");
    kept.counts("4");
    kept.has_told_no_password();
}

#[test]
fn a_setting_is_what_the_vault_beside_it_has() {
    a_setting_is_what_the_vault_has("a", "a");
}

#[test]
fn a_setting_is_what_the_vault_of_another_node_has() {
    a_setting_is_what_the_vault_has("a", "b");
}

/// In a process of its own, where servers come last: from a file that was filled before.
#[test]
fn a_setting_is_what_the_vault_of_its_process_has() {
    let redis = RedisServer::start().unwrap();
    guest("vault");
    let (folder, identity) = (TempDir::new().unwrap(), Identity::generate().to_string());
    let run = |manifest: &str, ready: &[&str]| {
        let command = |at: &std::path::Path| -> Command {
            let mut command = wrt_node(at);
            command.env("AGE_FILE", folder.path().join("secrets.age"));
            command.env("AGE_IDENTITY", identity.expose_secret());
            command.env("WRT_ALLOW_ENV", "AGE_FILE,AGE_IDENTITY");
            command.args(["run", manifest]);
            command
        };
        let running = Running::launch_by(command, ready);
        running.wait_for("is ready");
        running
    };
    let filling = repository("examples/vault/age.toml").display().to_string();
    let filling = run(&filling, &["--address", "web=127.0.0.1:0"]);
    let set = request(&filling.address("web"), "PUT", "/redis", &redis.url());
    assert_eq!(set.0, 200, "{}", set.1);
    filling.stop();

    let text = manifest("a", "a", ["127.0.0.1:0", "127.0.0.1:0"]);
    let age = r#"backend = "age"
config = { file = { env = "AGE_FILE" }, identity = { env = "AGE_IDENTITY" } }"#;
    let text = text.replace(r#"backend = "memory""#, age);
    let path = write_manifest(folder.path(), &text);
    let running = run(path.to_str().unwrap(), &[]);
    let counted = request(&running.address("web"), "POST", "/visits", "");
    assert_eq!(counted, (200, "1".to_owned()));
    running.stop();
}
