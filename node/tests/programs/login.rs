//! A lattice whose NATS lets in whoever says who it is, and nobody else.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use tempfile::TempDir;
use wrt_test_servers::{NatsAccount, NatsKey, Process, free_port, nats_server_binary};

use super::running::{output, wrt, wrt_node};

const LIMIT: Duration = Duration::from_secs(30);
const PASSWORD: &str = "hush";

/// NATS for whom `authorization` names, in the folder, and its address.
fn nats(folder: &TempDir, authorization: &str) -> (Process, String) {
    let port = free_port().unwrap();
    let path = folder.path();
    let configuration = path.join("nats.conf");
    let text = format!("listen: \"127.0.0.1:{port}\"\n{authorization}\n");
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
    let bob = format!("{{ user: bob, password: {PASSWORD} }}");
    let (_nats, address) = nats(&folder, &format!("authorization {{ users = [ {bob} ] }}"));
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

/// A server's `authorization`, and by which variable the programs log in there: one that it takes, and one that
/// it does not.
struct Way {
    authorization: String,
    variable: &'static str,
    right: String,
    wrong: String,
}

fn ways(folder: &Path) -> [Way; 3] {
    let write = |name: &str, text: &str| -> String {
        let path: PathBuf = folder.join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let keys = [NatsKey::of_user(), NatsKey::of_user()];
    let accounts = [NatsAccount::default(), NatsAccount::default()];
    [
        Way {
            authorization: format!("authorization {{ token: {PASSWORD} }}"),
            variable: "WRT_NATS_TOKEN",
            right: PASSWORD.to_owned(),
            wrong: format!("no-{PASSWORD}"),
        },
        Way {
            authorization: format!(
                "authorization {{ users = [ {{ nkey: {} }} ] }}",
                keys[0].public_key
            ),
            variable: "WRT_NATS_NKEY",
            right: write("right.nk", &keys[0].seed),
            wrong: write("wrong.nk", &keys[1].seed),
        },
        Way {
            authorization: accounts[0].configuration(),
            variable: "WRT_NATS_CREDS",
            right: write("right.creds", &accounts[0].credentials()),
            wrong: write("wrong.creds", &accounts[1].credentials()),
        },
    ]
}

/// The other ways to log in, for nodes and for `wrt`.
#[test]
fn a_token_an_nkey_or_a_credentials_file_lets_programs_in() {
    let files = TempDir::new().unwrap();
    for way in ways(files.path()) {
        let folder = TempDir::new().unwrap();
        let (_nats, address) = nats(&folder, &way.authorization);
        let url = format!("nats://{address}");
        let join = |login: &str, name: &str| {
            let mut node = wrt_node(folder.path());
            node.args(["join", "--name", name, "--lattice", &url]);
            node.env("WRT_CACHE", folder.path().join("cache"));
            node.env(way.variable, login);
            Process::spawn(name, node, folder.path().join(format!("{name}.log"))).unwrap()
        };
        let node = join(&way.right, "a");
        node.wait_for_log("has joined", LIMIT).unwrap();
        let stranger = join(&way.wrong, "b");
        let ended = stranger.wait(LIMIT).unwrap().expect("it ends by itself");
        let told = stranger.log().unwrap();
        assert_eq!(ended.code(), Some(1), "{}: {told}", way.variable);
        assert!(told.contains("say who it is with --creds"), "{told}");

        let ps = |login: &str| {
            let mut ps = wrt(folder.path());
            ps.args(["ps", "--lattice", &url]);
            output(ps.env(way.variable, login))
        };
        let seen = ps(&way.right);
        let told = String::from_utf8_lossy(&seen.stdout).into_owned();
        assert!(seen.status.success() && told.contains("a "), "{seen:?}");
        let refused = ps(&way.wrong);
        let told = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(1), "{told}");
        assert!(told.contains("say who it is with --creds"), "{told}");
        for told in [told, node.log().unwrap(), stranger.log().unwrap()] {
            assert!(!told.contains(PASSWORD), "{told}");
        }
        node.terminate().unwrap();
        assert!(node.wait(LIMIT).unwrap().is_some_and(|it| it.success()));
    }
}
