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

fn a_setting_is_what_the_vault_has(vault: &str, store: &str) {
    let redis = RedisServer::start().unwrap();
    let plain = redis.url();
    let with = |password: &str| plain.replace("redis://", &format!("redis://default:{password}@"));
    redis_cli(&plain, &["CONFIG", "SET", "requirepass", "first-password"]);

    let lattice = Lattice::start(&["a", "b"]);
    let [tokens, web] = [address(), address()];
    let text = manifest(vault, store, [&tokens, &web]);
    let path = write_manifest(lattice.folder(), &text);
    lattice.wrt_ok(&["up", path.to_str().unwrap(), "--timeout", "0"]);

    // It waits for what is not there yet, and says for what.
    let is_told = || {
        let missing =
            r#"config.url refers to secret "redis" of locker "tokens" of vault `secrets`"#;
        lattice.log(store).contains(missing).then_some(())
    };
    let told = Deadline::after(A_WHILE).poll(is_told);
    assert!(told.is_some(), "{}", lattice.log(store));
    let set = |password: &str| {
        let (status, text) = request(&tokens, "PUT", "/redis", &with(password));
        assert_eq!(status, 200, "{text}");
    };
    let counts = |expected: &str| {
        let has_counted = || {
            let answer = request(&web, "POST", "/visits", "");
            (answer == (200, expected.to_owned())).then_some(())
        };
        let counted = Deadline::after(A_WHILE).poll(has_counted);
        assert!(counted.is_some(), "{expected}: {}", lattice.log(store));
    };
    set("first-password");
    counts("1");

    // The service takes another one from now on, and the vault has it a little later.
    let first = with("first-password");
    redis_cli(&first, &["CONFIG", "SET", "requirepass", "second-password"]);
    redis_cli(
        &first.replace("first", "second"),
        &["CLIENT", "KILL", "TYPE", "normal"],
    );
    let refused = || (request(&web, "POST", "/visits", "").0 == 503).then_some(());
    assert!(Deadline::after(A_WHILE).poll(refused).is_some());
    set("second-password");
    counts("2");
    for node in ["a", "b"] {
        let log = lattice.log(node);
        assert!(!log.contains("-password"), "{log}");
    }
    let stored = lattice.wrt_ok(&["ps", "kept", "--output", "json"]);
    assert!(!stored.contains("-password"), "{stored}");
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
