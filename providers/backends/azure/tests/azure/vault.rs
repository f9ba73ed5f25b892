//! The suite over the vault; and what a vault does that others do not.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use wrt_azure::{Azure, AzureConfig, Credential};
use wrt_contract::CallContext;
use wrt_protocol::{Execution, FaultKind};
use wrt_runtime::Backend as _;
use wrt_test_kit::everywhere;
use wrt_vault::{
    Cursor, LockerName, SecretName, SecretValue, Vault as _, VaultError, VaultInterface,
    conformance,
};

use crate::{
    double::{AUDIENCE, Double},
    support::{by_secret, config, connect},
};

fn names() -> (LockerName, SecretName) {
    let (locker, name) = (LockerName::new("shop"), SecretName::new("db-password"));
    (locker.expect("legal"), name.expect("legal"))
}

async fn set(azure: &Azure, value: &str) -> Result<(), VaultError> {
    let (context, (locker, name)) = (CallContext::default(), names());
    let value = SecretValue::new(value.into()).expect("short enough");
    azure.set(&context, &locker, &name, value).await.map(drop)
}

async fn get(azure: &Azure) -> Result<Option<String>, VaultError> {
    get_within(azure, Duration::from_secs(10)).await
}

async fn get_within(azure: &Azure, budget: Duration) -> Result<Option<String>, VaultError> {
    let (context, (locker, name)) = (CallContext::with_budget(budget), names());
    let secret = azure.get(&context, &locker, &name, None).await?;
    Ok(secret.map(|it| String::from_utf8(it.value.expose().to_vec()).expect("a text")))
}

async fn delete(azure: &Azure) -> Result<(), VaultError> {
    let (context, (locker, name)) = (CallContext::default(), names());
    azure.delete(&context, &locker, &name).await
}

/// Where its values lie.
const NAME: &str = "shop---db-password";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_vault_conforms() {
    let double = Double::start().await;
    everywhere::<VaultInterface>(by_secret(&double).await, conformance::run).await;
    assert_eq!(double.state.given(&format!("{AUDIENCE}/.default")), 1);
}

/// A vault that purges nothing, and takes its time: by setting, and as its operator has it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_keeps_what_was_deleted_conforms() {
    for purge in [false, true] {
        let double = Double::start().await;
        {
            let mut vault = double.state.vault.lock();
            (vault.keeps, vault.slow) = (true, 2);
        }
        let config = AzureConfig {
            purge,
            ..config(&double, Credential::ClientSecret)
        };
        conformance::run(connect(config).await).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_is_slow_to_purge_conforms() {
    let double = Double::start().await;
    double.state.vault.lock().slow = 3;
    conformance::run(connect(config(&double, Credential::ManagedIdentity)).await).await;
}

#[tokio::test]
async fn what_others_keep_there_is_read_under_its_documented_name() {
    let double = Double::start().await;
    let azure = by_secret(&double).await;
    double.state.vault.lock().set(NAME, "theirs");
    assert_eq!(get(&azure).await, Ok(Some("theirs".to_owned())));
    set(&azure, "ours").await.unwrap();
    let newest = double.state.vault.lock().newest(NAME).map(str::to_owned);
    assert_eq!(newest.as_deref(), Some("ours"), "as a text");
    delete(&azure).await.unwrap();
    assert_eq!(double.state.vault.lock().names(), Vec::<String>::new());
}

#[tokio::test]
async fn a_throttled_call_waits_for_as_long_as_it_is_told() {
    let double = Double::start().await;
    let azure = by_secret(&double).await;
    set(&azure, "hush").await.unwrap();
    let faults = [(429, Some(1)), (503, Some(1)), (429, None)];
    double.state.fail_with(&faults);
    let begun = Instant::now();
    assert_eq!(get(&azure).await, Ok(Some("hush".to_owned())));
    assert!(begun.elapsed() >= Duration::from_millis(2500));
}

#[tokio::test]
async fn one_that_has_no_time_to_wait_is_told_so_at_once() {
    let double = Double::start().await;
    let azure = by_secret(&double).await;
    set(&azure, "hush").await.unwrap();
    double.state.fail_with(&[(429, Some(60))]);
    let begun = Instant::now();
    let told = get_within(&azure, Duration::from_secs(20)).await;
    let Err(VaultError::Fault(fault)) = told else {
        panic!("{told:?}");
    };
    let expected = FaultKind::Overloaded {
        retry_after_ms: 60_000,
    };
    assert_eq!(fault.kind(), expected);
    assert_eq!(fault.execution(), Execution::NotExecuted);
    assert!(begun.elapsed() < Duration::from_secs(5));
    // What says nothing of waiting may have been done.
    double.state.fail_with(&[(500, None)]);
    let Err(VaultError::Fault(fault)) = get(&azure).await else {
        panic!("it was answered");
    };
    assert_eq!(fault.execution(), Execution::MaybeExecuted);
}

#[tokio::test]
async fn a_token_that_the_vault_refuses_is_asked_for_anew() {
    let double = Double::start().await;
    let azure = by_secret(&double).await;
    set(&azure, "hush").await.unwrap();
    double.state.revoke_all();
    set(&azure, "hush hush").await.unwrap();
    assert_eq!(get(&azure).await, Ok(Some("hush hush".to_owned())));
    assert_eq!(double.state.given(&format!("{AUDIENCE}/.default")), 2);
}

#[tokio::test]
async fn who_may_not_is_denied() {
    let double = Double::start().await;
    let config = AzureConfig {
        client_secret: Some("wrong".into()),
        ..config(&double, Credential::ClientSecret)
    };
    let azure = connect(config).await;
    assert_eq!(get(&azure).await, Err(VaultError::AccessDenied));
    assert!(azure.probe(&CallContext::default()).await.is_err());
    assert_eq!(*double.state.served.lock(), 0);
}

#[tokio::test]
async fn a_vault_that_asks_for_another_services_token_gets_none() {
    let double = Double::start().await;
    let config = AzureConfig {
        check_audience: true,
        ..config(&double, Credential::ClientSecret)
    };
    assert!(get(&*connect(config).await).await.is_err());
    assert_eq!(double.state.given(&format!("{AUDIENCE}/.default")), 0);
}

#[tokio::test]
async fn a_cursor_leads_nowhere_but_to_the_vault() {
    let double = Double::start().await;
    let azure = by_secret(&double).await;
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    other.set_nonblocking(true).unwrap();
    let address = other.local_addr().unwrap();
    for cursor in [
        format!("https://{address}/secrets"),
        format!("//{address}/"),
        "x&api-version=1#".to_owned(),
    ] {
        let (context, (locker, _)) = (CallContext::default(), names());
        let cursor = Cursor::new(&cursor).unwrap();
        let listed = azure.list(&context, &locker, Some(cursor)).await;
        assert_eq!(listed, Err(VaultError::BadCursor));
    }
    assert!(other.accept().is_err(), "nobody has come");
}

#[tokio::test]
async fn a_vault_that_is_away_or_not_set_is_told() {
    let double = Double::start().await;
    let away = AzureConfig {
        vault_url: Some("https://localhost:1".to_owned()),
        ..config(&double, Credential::ClientSecret)
    };
    let Err(VaultError::Fault(fault)) = get(&*connect(away).await).await else {
        panic!("nobody is there");
    };
    let expected = (FaultKind::Unavailable, Execution::NotExecuted);
    assert_eq!((fault.kind(), fault.execution()), expected, "{fault}");
    let none = AzureConfig {
        vault_url: None,
        ..config(&double, Credential::ClientSecret)
    };
    let azure: Arc<Azure> = connect(none).await;
    assert_eq!(get(&azure).await, Err(VaultError::NoSuchVault));
    azure.probe(&CallContext::default()).await.unwrap();
}
