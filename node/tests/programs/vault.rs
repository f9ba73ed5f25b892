//! The example of wrt:vault: in memory, and in a file that outlives the process.

use std::process::Command;

use age::{secrecy::ExposeSecret as _, x25519::Identity};
use tempfile::TempDir;

use super::{
    examples::run_app,
    running::{Running, guest, repository, request, wrt_node},
};

/// The token before the newest still counts, the one before that does not.
fn tokens(address: &str) {
    let ask = |method: &str, token: &str| request(address, method, "/anna", token);
    assert_eq!(ask("GET", "").0, 404);
    for token in ["first", "second", "third"] {
        assert_eq!(ask("PUT", token), (200, "set".to_owned()));
    }
    for (token, expected) in [("third", 200), ("second", 200), ("first", 403), ("", 403)] {
        assert_eq!(ask("POST", token).0, expected, "{token:?}");
    }
    assert_eq!(ask("GET", ""), (200, "3".to_owned()));
    assert_eq!(request(address, "PUT", "/b%20b", "x").0, 200);
    let clients = request(address, "GET", "/", "");
    assert_eq!(clients, (200, "anna\nb%20b".to_owned()));
    let long = "n".repeat(257);
    let (status, text) = request(address, "PUT", &format!("/{long}"), "x");
    assert_eq!(status, 400, "{text}");
    assert!(
        text.contains("bytes of a secret's name: 257, of at most 256"),
        "{text}"
    );
}

#[test]
fn vault_in_memory() {
    let (running, address) = run_app("vault", "vault");
    tokens(&address);
    let (status, _) = request(&address, "DELETE", "/anna", "");
    assert_eq!(
        (status, request(&address, "GET", "/anna", "").0),
        (200, 404)
    );
    running.stop();
}

/// Neither the tokens nor the key are in what the node says, however much it says; and only where the
/// operator lets the two variables through.
#[test]
fn vault_with_age() {
    guest("vault");
    let (folder, identity) = (TempDir::new().unwrap(), Identity::generate().to_string());
    let identity = identity.expose_secret();
    let file = folder.path().join("tokens.age");
    let manifest = repository("examples/vault/age.toml").display().to_string();
    let node = |level: &'static str, allowed: &'static str| {
        let (file, manifest) = (file.clone(), manifest.clone());
        let command = move |at: &std::path::Path| -> Command {
            let mut command = wrt_node(at);
            command.env("AGE_FILE", file).env("AGE_IDENTITY", identity);
            command.env("RUST_LOG", level).env("WRT_ALLOW_ENV", allowed);
            command.args(["run", &manifest]);
            command
        };
        Running::launch_by(command, &["--address", "web=127.0.0.1:0"])
    };
    let refused = node("info", "AGE_FILE");
    refused.wait_for("AGE_IDENTITY");
    drop(refused);
    assert!(!file.exists());

    let running = node("trace", "AGE_FILE,AGE_IDENTITY");
    running.wait_for("is ready");
    tokens(&running.address("web"));
    let log = running.log();
    for secret in ["second", "c2Vjb25k", identity] {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
    running.stop();

    let again = node("info", "AGE_FILE,AGE_IDENTITY");
    again.wait_for("is ready");
    let address = again.address("web");
    assert_eq!(request(&address, "POST", "/anna", "third").0, 200);
    assert_eq!(request(&address, "GET", "/anna", ""), (200, "3".to_owned()));
    again.stop();
}
