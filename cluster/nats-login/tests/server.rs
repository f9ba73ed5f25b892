//! Every way to log in, at a real server.

#![cfg(test)]

use std::{fs, path::Path, process::Command, time::Duration};

use async_nats::{Client, ConnectErrorKind, ConnectOptions, ServerAddr};
use tempfile::TempDir;
use wrt_nats_login::{LoginError, NatsLogin, is_refusal};
use wrt_test_servers::{NatsAccount, NatsKey, Process, free_port, nats_server_binary};

const UP_WITHIN: Duration = Duration::from_secs(10);

struct Server {
    port: u16,
    folder: TempDir,
    _process: Process,
}

impl Server {
    fn start(authorization: &str) -> Self {
        Self::configured(&format!("authorization {{ {authorization} }}"))
    }

    fn configured(configuration: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = free_port().unwrap();
        let text = format!("listen: \"127.0.0.1:{port}\"\n{configuration}\n");
        let configuration = folder.path().join("nats.conf");
        fs::write(&configuration, text).unwrap();
        let mut command = Command::new(nats_server_binary().unwrap());
        command.arg("--config").arg(&configuration);
        let log = folder.path().join("log");
        let process = Process::spawn("nats-server", command, log).unwrap();
        process.wait_for_log("Server is ready", UP_WITHIN).unwrap();
        Self {
            port,
            folder,
            _process: process,
        }
    }

    /// As whoever the URL names before its host, or as `login` says.
    async fn connect(&self, named: &str, login: NatsLogin) -> Result<Client, ConnectErrorKind> {
        let url = format!("nats://{named}127.0.0.1:{}", self.port);
        let servers: Vec<ServerAddr> = vec![url.parse().unwrap()];
        let options = login.apply(ConnectOptions::new(), &servers).await.unwrap();
        let client = options.connect(&servers).await;
        client.map_err(|error| error.kind())
    }

    async fn takes(&self, named: &str, login: NatsLogin) {
        let connected = self.connect(named, login).await;
        assert!(connected.is_ok(), "{:?}", connected.err());
    }

    async fn refuses(&self, named: &str, login: NatsLogin) {
        let refused = self.connect(named, login).await.err();
        assert!(refused.is_some_and(is_refusal), "{refused:?}");
    }
}

fn user(password: &str) -> NatsLogin {
    NatsLogin {
        user: Some("bob".to_owned()),
        password: Some(password.into()),
        ..NatsLogin::default()
    }
}

fn token(token: &str) -> NatsLogin {
    NatsLogin {
        token: Some(token.into()),
        ..NatsLogin::default()
    }
}

fn nkey(file: &Path) -> NatsLogin {
    NatsLogin {
        nkey_file: Some(file.to_owned()),
        ..NatsLogin::default()
    }
}

#[tokio::test]
async fn a_user_and_a_password() {
    let server = Server::start("users = [ { user: bob, password: \"hu@sh\" } ]");
    server.takes("", user("hu@sh")).await;
    server.takes("bob:hu%40sh@", NatsLogin::default()).await;
    // What is said apart goes before the URL.
    server.takes("bob:wrong@", user("hu@sh")).await;
    server.refuses("", NatsLogin::default()).await;
    server.refuses("", user("wrong")).await;
    server.refuses("bob:wrong@", NatsLogin::default()).await;
}

#[tokio::test]
async fn a_token() {
    let server = Server::start("token: \"hush\"");
    server.takes("", token("hush")).await;
    server.takes("hush@", NatsLogin::default()).await;
    server.refuses("", token("wrong")).await;
}

#[tokio::test]
async fn an_nkey() {
    let (mine, other) = (NatsKey::of_user(), NatsKey::of_user());
    let server = Server::start(&format!("users = [ {{ nkey: {} }} ]", mine.public_key));
    for (key, is_taken) in [(mine, true), (other, false)] {
        let file = server.folder.path().join("seed.nk");
        fs::write(&file, format!("{}\n", key.seed)).unwrap();
        match is_taken {
            true => server.takes("", nkey(&file)).await,
            false => server.refuses("", nkey(&file)).await,
        }
    }
}

fn credentials(file: &Path) -> NatsLogin {
    NatsLogin {
        credentials_file: Some(file.to_owned()),
        ..NatsLogin::default()
    }
}

#[tokio::test]
async fn a_credentials_file() {
    let (mine, other) = (NatsAccount::default(), NatsAccount::default());
    let server = Server::configured(&mine.configuration());
    let file = server.folder.path().join("user.creds");
    for (account, is_taken) in [(mine, true), (other, false)] {
        fs::write(&file, account.credentials()).unwrap();
        match is_taken {
            true => server.takes("", credentials(&file)).await,
            false => server.refuses("", credentials(&file)).await,
        }
    }
    server.refuses("", NatsLogin::default()).await;
}

#[tokio::test]
async fn a_file_that_cannot_be_used_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty.creds");
    fs::write(&empty, "").unwrap();
    let absent = folder.path().join("absent");
    let authority = NatsLogin {
        authority_file: Some(absent.clone()),
        ..NatsLogin::default()
    };
    for (login, file) in [
        (credentials(&empty), &empty),
        (credentials(&absent), &absent),
        (nkey(&absent), &absent),
        (authority, &absent),
    ] {
        let refused = login.apply(ConnectOptions::new(), &[]).await.err();
        let Some(LoginError::File { path, .. }) = &refused else {
            panic!("{login:?}: {refused:?}");
        };
        assert_eq!(path, file);
    }
}
