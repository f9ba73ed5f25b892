//! A NATS that speaks TLS, with a certificate of an authority that nobody knows but from a file: for the
//! lattice itself, and for a provider whose manifest may not name that file.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    time::Duration,
};

use tempfile::TempDir;
use wrt_test_servers::{Process, free_port, nats_server_binary};

use super::{
    lattice::address,
    running::{guest, output, request, write_manifest, wrt, wrt_node},
};

const LIMIT: Duration = Duration::from_secs(30);

/// The variable of the node's operator.
const CA_OF_TEST: &str = "CA_OF_TEST";

/// Makes a certificate for the loopback address that vouches for itself, and its key.
fn certificate(folder: &Path, name: &str) -> (PathBuf, PathBuf) {
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let file = |kind: &str| folder.join(format!("{name}.{kind}"));
    fs::write(file("pem"), made.cert.pem()).unwrap();
    fs::write(file("key"), made.signing_key.serialize_pem()).unwrap();
    (file("pem"), file("key"))
}

/// NATS in the folder, its address, and the file with its authority.
fn nats(folder: &Path) -> (Process, String, PathBuf) {
    let port = free_port().unwrap();
    let (certificate, key) = certificate(folder, "server");
    let configuration = folder.join("nats.conf");
    let text = format!(
        "listen: \"127.0.0.1:{port}\"\njetstream {{ store_dir: {:?} }}\n\
         tls {{ cert_file: {certificate:?}, key_file: {key:?} }}\n",
        folder.join("jetstream"),
    );
    fs::write(&configuration, text).unwrap();
    let mut command = Command::new(nats_server_binary().unwrap());
    command.arg("--config").arg(&configuration);
    let server = Process::spawn("nats-server", command, folder.join("nats.log")).unwrap();
    server.wait_for_log("Server is ready", LIMIT).unwrap();
    (server, format!("127.0.0.1:{port}"), certificate)
}

/// The counter, whose store is that NATS as well.
fn counter(http: &str, nats: &str, authority: &str) -> String {
    let source = guest("counter");
    format!(
        "[app]\nname = \"counter\"\n\n[component.counter]\nsource = {source:?}\n\
         links = {{ \"wasi:keyvalue\" = \"store\" }}\n\n\
         [provider.store]\nbackend = \"nats\"\n\n\
         [provider.store.config]\nurl = \"tls://{nats}\"\nauthority_file = {authority}\n\n\
         [provider.web]\nbackend = \"http-server\"\nconfig = {{ address = {http:?} }}\n\
         calls = [{{ component = \"counter\" }}]\n"
    )
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn an_authority_by_file_is_believed_and_comes_from_the_operator() {
    let folder = TempDir::new().unwrap();
    let (_nats, nats, authority) = nats(folder.path());
    let authority = authority.display().to_string();
    for url in [format!("nats://{nats}"), format!("tls://{nats}")] {
        let mut node = wrt_node(folder.path());
        node.args(["join", "--name", "a", "--lattice", &url]);
        node.args(["--tls-ca", &authority, "--allow-env", CA_OF_TEST]);
        node.env("WRT_CACHE", folder.path().join("cache"));
        node.env(CA_OF_TEST, &authority);
        let node = Process::spawn("a", node, folder.path().join("a.log")).unwrap();
        node.wait_for_log("has joined", LIMIT).unwrap();
        let at_lattice = |arguments: &[&str]| {
            let mut wrt = wrt(folder.path());
            wrt.args(arguments).args(["--lattice", &url]);
            output(wrt.args(["--tls-ca", &authority]))
        };

        let http = address();
        let by_name = counter(&http, &nats, &format!("{authority:?}"));
        let manifest = write_manifest(folder.path(), &by_name);
        let manifest = manifest.display().to_string();
        let up = at_lattice(&["up", &manifest]);
        assert!(told(&up).contains("names no file"), "{}", told(&up));

        let referred = format!("{{ env = {CA_OF_TEST:?} }}");
        write_manifest(folder.path(), &counter(&http, &nats, &referred));
        let up = at_lattice(&["up", &manifest]);
        let log = node.log().unwrap();
        assert!(up.status.success(), "{}\n{log}", told(&up));
        assert_eq!(request(&http, "POST", "/visits", "").0, 200, "{log}");
        assert!(at_lattice(&["down", "counter"]).status.success());
        node.terminate().unwrap();
        assert!(node.wait(LIMIT).unwrap().is_some_and(|it| it.success()));
    }
}

#[test]
fn another_authority_is_told() {
    let folder = TempDir::new().unwrap();
    let (_nats, nats, _authority) = nats(folder.path());
    let (other, _key) = certificate(folder.path(), "other");
    let other = other.display().to_string();
    for arguments in [&["--tls-ca", other.as_str()][..], &[]] {
        let mut wrt = wrt(folder.path());
        wrt.args(["ps", "--lattice", &format!("tls://{nats}")]);
        let ps = output(wrt.args(arguments));
        let told = told(&ps);
        assert_eq!(ps.status.code(), Some(1), "{told}");
        assert!(
            told.contains("certificate") && told.contains("--tls-ca"),
            "{told}"
        );
    }
}
