//! A lattice whose NATS lets in whoever says who it is, and nobody else.

use std::{fs, process::Command, time::Duration};

use tempfile::TempDir;
use wrt_test_servers::{Process, free_port, nats_server_binary};

use super::running::{output, wrt, wrt_node};

const LIMIT: Duration = Duration::from_secs(30);
const PASSWORD: &str = "hush";

/// NATS for one user, in the folder, and its address.
fn nats(folder: &TempDir) -> (Process, String) {
    let port = free_port().unwrap();
    let path = folder.path();
    let configuration = path.join("nats.conf");
    let text = format!(
        "listen: \"127.0.0.1:{port}\"\njetstream {{ store_dir: \"{}\" }}\n\
         authorization {{ users = [ {{ user: bob, password: {PASSWORD} }} ] }}\n",
        path.join("jetstream").display()
    );
    fs::write(&configuration, text).unwrap();
    let mut command = Command::new(nats_server_binary().unwrap());
    command.arg("--config").arg(&configuration);
    let server = Process::spawn("nats-server", command, path.join("nats.log")).unwrap();
    server.wait_for_log("Server is ready", LIMIT).unwrap();
    (server, format!("127.0.0.1:{port}"))
}

#[test]
fn whoever_says_who_it_is_joins_and_nobody_else() {
    let folder = TempDir::new().unwrap();
    let (_nats, address) = nats(&folder);
    let plain = format!("nats://{address}");

    let mut node = wrt_node(folder.path());
    node.args(["join", "--name", "a", "--lattice", &plain]);
    node.env("WRT_CACHE", folder.path().join("cache"));
    node.env("WRT_NATS_USER", "bob")
        .env("WRT_NATS_PASSWORD", PASSWORD);
    let node = Process::spawn("a", node, folder.path().join("a.log")).unwrap();
    node.wait_for_log("has joined", LIMIT).unwrap();

    let in_url = format!("nats://bob:{PASSWORD}@{address}");
    let ps = output(wrt(folder.path()).args(["ps", "--lattice", &in_url]));
    let told = String::from_utf8_lossy(&ps.stdout).into_owned();
    assert!(ps.status.success() && told.contains("a "), "{ps:?}");

    let wrong = format!("nats://bob:no-{PASSWORD}@{address}");
    for arguments in [
        &["--lattice", &plain][..],
        &["--lattice", &wrong],
        &["--lattice", &plain, "--token", PASSWORD],
        &["--lattice", &plain, "--user", "bob"],
        &["--lattice", &plain, "--creds", "/absent.creds"],
    ] {
        let ps = output(wrt(folder.path()).arg("ps").args(arguments));
        let told = String::from_utf8_lossy(&ps.stderr).into_owned();
        assert_eq!(ps.status.code(), Some(1), "{told}");
        assert!(told.contains("say who it is with --creds"), "{told}");
        assert!(!told.contains(PASSWORD), "{told}");
    }
    node.terminate().unwrap();
    assert!(
        node.wait(LIMIT)
            .unwrap()
            .is_some_and(|status| status.success())
    );
}
