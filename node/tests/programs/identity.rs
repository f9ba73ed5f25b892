//! The example of wrt:identity: tokens that are kept, replaced when they are refused, and never said.

use std::{path::Path, process::Command};

use tempfile::TempDir;
use wrt_test_servers::{TOKEN_MARK, TokenServer};

use super::running::{Running, guest, repository, request, write_manifest, wrt_node};

const SECRETS: [&str; 2] = ["s3cret-of-the-shop", "s3cret-of-reports"];
const VARIABLES: &str =
    "OAUTH2_TOKEN_URL,OAUTH2_CLIENT_ID,OAUTH2_CLIENT_SECRET,REPORTS_CLIENT_SECRET";

/// The manifest of the example, with the service where the test has it.
fn manifest(folder: &TempDir, server: &TokenServer) -> String {
    let text = std::fs::read_to_string(repository("examples/identity/app.toml")).unwrap();
    let source = guest("identity").display().to_string();
    let service = server.service_url();
    let host = service
        .trim_start_matches("http://")
        .trim_end_matches("/who");
    let text = text
        .replace("../target/wasm32-wasip2/release/identity.wasm", &source)
        .replace("http://127.0.0.1:9000/who", &service)
        .replace("127.0.0.1:9000", host);
    write_manifest(folder.path(), &text).display().to_string()
}

/// Neither tokens nor secrets are in what the node says, however much it says.
#[test]
fn identity_with_oauth2() {
    // What a compiler says of a component takes minutes to write: the second run has it compiled.
    for level in ["info", "trace"] {
        tokens(level);
    }
}

fn tokens(level: &str) {
    let [shop, reports] = SECRETS;
    let server = TokenServer::start(&[("shop", shop), ("reports", reports)]).unwrap();
    let folder = TempDir::new().unwrap();
    let manifest = manifest(&folder, &server);
    let command = |at: &Path| -> Command {
        let mut command = wrt_node(at);
        command
            .env("OAUTH2_TOKEN_URL", server.token_url())
            .env("OAUTH2_CLIENT_ID", "shop")
            .env("OAUTH2_CLIENT_SECRET", shop)
            .env("REPORTS_CLIENT_SECRET", reports)
            .env("RUST_LOG", level)
            .env("WRT_ALLOW_ENV", VARIABLES)
            .args(["run", &manifest]);
        command
    };
    let running = Running::launch_by(command, &["--address", "web=127.0.0.1:0"]);
    running.wait_for("is ready");
    let address = running.address("web");
    let ask = |path: &str| request(&address, "GET", path, "");
    for _ in 0..3 {
        assert_eq!(ask("/"), (200, "shop".to_owned()));
        assert_eq!(ask("/reports"), (200, "reports".to_owned()));
    }
    assert_eq!(ask("/nobody"), (404, "no such identity".to_owned()));
    assert_eq!(server.given("read"), 2, "one for each identity");

    server.revoke_all();
    for _ in 0..2 {
        assert_eq!(ask("/"), (200, "shop".to_owned()));
        assert_eq!(ask("/reports"), (200, "reports".to_owned()));
    }
    assert_eq!(server.given("read"), 4, "another one for each");

    let log = running.log();
    for secret in [shop, reports, TOKEN_MARK] {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
    running.stop();
}
