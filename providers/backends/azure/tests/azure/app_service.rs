//! The managed identity of an app service: it is in the environment of the process, and in the settings where a node's
//! operator lets it through.
//!
//! The SDK reads the environment, which a process does not change of itself: so each test is run once more, in a
//! process that has it.

use std::{env, net::TcpListener, process::Command};

use wrt_azure::{AzureConfig, Credential};
use wrt_contract::CallContext;
use wrt_identity::{Identity as _, IdentityError, IdentityName, Scopes, conformance};
use wrt_runtime::{FromEnv as _, Settings};

use crate::{
    double::{APP_SERVICE_HEADER, APP_SERVICE_PATH, Double},
    identity::issuer,
    support::{config, connect},
};

const ENDPOINT: &str = "IDENTITY_ENDPOINT";
const HEADER: &str = "IDENTITY_HEADER";
/// The port of the double in the process that is in an app service.
const PORT: &str = "APP_SERVICE_PORT_OF_TEST";

/// The double of the app service that this process is in. In one that is in none the test is run in one, and has
/// its result from there.
async fn in_app_service(test: &str) -> Option<Double> {
    if let Ok(port) = env::var(PORT) {
        return Some(Double::start_at(port.parse().expect("a port")).await);
    }
    let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = free.local_addr().expect("it is bound").port();
    drop(free);
    let mut again = Command::new(env::current_exe().expect("this test"));
    again
        .args(["--exact", &format!("app_service::{test}"), "--nocapture"])
        .env(PORT, port.to_string())
        .env(
            ENDPOINT,
            format!("https://localhost:{port}{APP_SERVICE_PATH}"),
        )
        .env(HEADER, APP_SERVICE_HEADER);
    let again = tokio::task::spawn_blocking(move || again.output());
    let ended = again.await.expect("it is waited for").expect("it starts");
    let told = String::from_utf8_lossy(&ended.stdout);
    assert!(ended.status.success(), "{told}");
    assert!(told.contains("1 passed"), "{told}");
    None
}

/// The settings that the environment fills as far as it is let through, beside those that lead to the double.
fn settings(double: &Double, allowed: &[&str]) -> AzureConfig {
    let environment = |variable: &str| {
        let is_allowed = allowed.contains(&variable);
        is_allowed.then(|| env::var(variable).ok()).flatten()
    };
    let filled = AzureConfig::load(Settings {
        environment: &environment,
        ..Settings::of_table(toml::Table::new())
    });
    let filled = filled.expect("they are sound");
    AzureConfig {
        identity_endpoint: filled.identity_endpoint,
        identity_header: filled.identity_header,
        ..config(double, Credential::ManagedIdentity)
    }
}

async fn ask(config: AzureConfig, scope: &str) -> Result<String, IdentityError> {
    let (context, own) = (CallContext::default(), IdentityName::own());
    let scopes = Scopes::new([scope]).expect("legal");
    let azure = connect(config).await;
    let token = azure.token(&context, &own, &scopes, None).await?;
    Ok(token.value.expose().to_owned())
}

/// The suite; and no token was asked for at the place of a machine.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_identity_conforms() {
    let Some(double) = in_app_service("its_identity_conforms").await else {
        return;
    };
    let config = AzureConfig {
        metadata_url: Some("https://localhost:1".to_owned()),
        ..settings(&double, &[ENDPOINT, HEADER])
    };
    conformance::run(connect(config).await, issuer(&double)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_asked_only_where_it_is_let_through() {
    let test = "it_is_asked_only_where_it_is_let_through";
    let Some(double) = in_app_service(test).await else {
        return;
    };
    let scope = "https://a.example/.default";
    let let_through = settings(&double, &[ENDPOINT, HEADER]);
    let elsewhere = AzureConfig {
        identity_endpoint: Some("https://localhost:1/msi/token".to_owned()),
        ..let_through.clone()
    };
    let another = AzureConfig {
        identity_header: Some("another".into()),
        ..let_through.clone()
    };
    for config in [settings(&double, &[]), elsewhere, another] {
        let refused = ask(config, scope).await.expect_err("nobody let it through");
        let told = refused.to_string();
        assert!(told.contains(ENDPOINT) && told.contains(HEADER), "{told}");
        assert!(!told.contains(APP_SERVICE_HEADER), "{told}");
    }
    assert_eq!(double.state.given(scope), 0);
    let token = ask(let_through.clone(), scope).await.expect("a token");
    assert!(token.starts_with(crate::double::TOKEN_MARK), "{token}");
    assert_eq!(double.state.given(scope), 1);

    let nobody = AzureConfig {
        client_id: Some("nobody".to_owned()),
        ..let_through
    };
    let refused = ask(nobody, scope).await.expect_err("it is not assigned");
    assert_eq!(refused, IdentityError::denied("status 400, no code"));
}
