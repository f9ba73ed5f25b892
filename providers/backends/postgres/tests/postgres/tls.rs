//! Connections over TLS: whom the client trusts, and who it says that it is.

use std::{fs, path::PathBuf};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::TempDir;
use wrt_contract::CallContext;
use wrt_postgres::{Postgres, PostgresConfig};
use wrt_runtime::Backend as _;
use wrt_test_servers::PostgresServer;

use super::support::config;

struct Files {
    folder: TempDir,
    authority: CertifiedIssuer<'static, KeyPair>,
}

impl Files {
    fn new() -> Self {
        let key = KeyPair::generate().expect("key");
        let mut params = CertificateParams::new(Vec::new()).expect("params");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, key).expect("authority");
        let folder = tempfile::tempdir().expect("folder");
        fs::write(folder.path().join("authority.pem"), authority.pem()).expect("write");
        Self { folder, authority }
    }

    /// A certificate of a name, and its key.
    fn signed(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().expect("key");
        let mut params = CertificateParams::new(vec![name.to_owned()]).expect("params");
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, name);
        let certificate = params.signed_by(&key, &self.authority).expect("sign");
        (certificate.pem(), key.serialize_pem())
    }

    fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }
}

/// A server of that name, which takes nobody without TLS and a certificate.
fn server(files: &Files, name: &str) -> PostgresServer {
    let server = PostgresServer::start().expect("postgres");
    let (certificate, key) = files.signed(name);
    server.write("server.crt", &certificate).expect("write");
    server.write("server.key", &key).expect("write");
    server
        .write("root.crt", &files.authority.pem())
        .expect("write");
    for line in ["ssl = on", "ssl_ca_file = 'root.crt'"] {
        server.configure(line).expect("configure");
    }
    let who = "hostssl all all 127.0.0.1/32 cert\n";
    server.write("pg_hba.conf", who).expect("write");
    server.restart().expect("restart");
    server
}

fn with_files(server: &PostgresServer, files: &Files, parameters: &str) -> PostgresConfig {
    let (certificate, key) = files.signed("postgres");
    fs::write(files.path("client.pem"), certificate).expect("write");
    fs::write(files.path("client.key"), key).expect("write");
    PostgresConfig {
        authority_file: Some(files.path("authority.pem")),
        certificate_file: Some(files.path("client.pem")),
        key_file: Some(files.path("client.key")),
        ..config(&format!("{}{parameters}", server.url()))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn both_sides_show_who_they_are() {
    let files = Files::new();
    let server = server(&files, "127.0.0.1");
    let verified = with_files(&server, &files, "?sslmode=verify-full");
    let postgres = Postgres::connect_with(verified.clone())
        .await
        .expect("connect");
    postgres
        .probe(&CallContext::default())
        .await
        .expect("probe");
    let nobody = PostgresConfig {
        certificate_file: None,
        key_file: None,
        ..verified.clone()
    };
    let plain = PostgresConfig {
        authority_file: None,
        ..nobody.clone()
    };
    let others = Files::new();
    let stranger = PostgresConfig {
        authority_file: Some(others.path("authority.pem")),
        ..verified
    };
    let unencrypted = config(&format!("{}?sslmode=disable", server.url()));
    for (what, config) in [
        ("without a certificate", nobody),
        ("of an authority of the system", plain),
        ("of another authority", stranger),
        ("without TLS", unencrypted),
    ] {
        let error = Postgres::connect_with(config).await.expect_err(what);
        assert!(!error.to_string().is_empty(), "{what}");
    }
}

/// `verify-full` and nothing less: an authority that is trusted says nothing of this name.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_another_name_is_refused() {
    let files = Files::new();
    let server = server(&files, "db.example.com");
    let config = with_files(&server, &files, "?sslmode=require");
    let error = Postgres::connect_with(config)
        .await
        .expect_err("another name");
    let words = error.to_string();
    assert!(words.contains("not valid for name"), "{words}");
}
