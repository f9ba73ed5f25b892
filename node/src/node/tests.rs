//! Providers that are started on a node, without a lattice.

use std::{sync::Arc, time::Duration};

use wrt_component::{EngineOptions, Engines, Stdio};
use wrt_deployment::{ConfigValue, DesiredProvider, DesiredTarget, Reference, VariableReference};
use wrt_protocol::{ActorAddress, FaultKind, Name, NodeId};
use wrt_supervision::{Running, Start as _, StartError};
use wrt_test_kit::UnreachableCaller;

use super::{Parts, ownership::StoreSource, provider::ProviderStart, servers::Servers};
use crate::{AppEnvironment, Code, bell};

const PATIENCE: Duration = Duration::from_secs(1);

fn parts(environment: AppEnvironment) -> Arc<Parts> {
    Arc::new(Parts {
        engines: Engines::new(EngineOptions::default()).unwrap(),
        runtime: bell::runtime(),
        environment,
        directory: Arc::default(),
        caller: Arc::new(UnreachableCaller(FaultKind::Unavailable)),
        membership: None,
        code: Code::Local(Arc::default()),
        attempts: Arc::default(),
        servers: Arc::new(Servers::new(PATIENCE)),
        node: NodeId::new("here").unwrap(),
        stdio: Stdio::Log,
        store: StoreSource::new(),
        tenancies: Arc::default(),
        desired: tokio::sync::watch::channel(None).1,
        linked: Arc::default(),
    })
}

fn provider() -> ActorAddress {
    ActorAddress::provider(Name::new("app").unwrap(), Name::new("bell").unwrap())
}

/// A provider with one setting, as it is desired.
fn desired(setting: &str, value: ConfigValue) -> DesiredProvider {
    let mut desired = DesiredProvider::new("bell");
    desired.address = Some("127.0.0.1:0".to_owned());
    desired.config.0.insert(setting.to_owned(), value);
    desired.calls = vec![DesiredTarget {
        component: Name::new("ear").unwrap(),
        selection: wrt_deployment::Config::default(),
    }];
    desired
}

async fn start(parts: &Arc<Parts>, desired: DesiredProvider) -> Result<Running, StartError> {
    let start = ProviderStart {
        actor: provider(),
        desired,
        parts: Arc::clone(parts),
    };
    start.start().await
}

fn text(value: &str) -> ConfigValue {
    ConfigValue::Text(value.to_owned())
}

/// The port was dead until the manifest was mended.
#[tokio::test]
async fn a_server_keeps_its_address_while_its_new_settings_are_refused() {
    let parts = parts(AppEnvironment::nothing());
    start(&parts, desired("sound", text("dong"))).await.unwrap();
    let address = parts.servers.address(&provider());
    let unseen = ConfigValue::Reference(Reference::Variable(VariableReference {
        env: "SOUND_OF_TEST".to_owned(),
    }));
    for (setting, refused) in [
        ("sound", unseen),
        ("sound", ConfigValue::Integer(1)),
        ("sond", text("dong")),
    ] {
        let refused = start(&parts, desired(setting, refused)).await;
        assert!(matches!(refused, Err(StartError::Refused(_))), "{setting}");
        assert_eq!(parts.servers.address(&provider()), address, "{setting}");
        assert!(std::net::TcpStream::connect(address.unwrap()).is_ok());
    }
    // One that can serve takes over.
    start(&parts, desired("sound", text("gong"))).await.unwrap();
    assert_ne!(parts.servers.address(&provider()), address);
}

/// Its cause was not in the log.
#[tokio::test]
async fn a_failed_probe_says_why() {
    let parts = parts(AppEnvironment::nothing());
    let silent = start(&parts, desired("sound", text(""))).await.unwrap();
    let probe = silent.probe.expect("it is probed");
    let expected = "the bell is silent: its rope is gone";
    assert_eq!(probe().await, Err(expected.to_owned()));
}

/// All were said to speak HTTP.
#[tokio::test]
async fn a_server_says_what_its_url_is() {
    let parts = parts(AppEnvironment::nothing());
    start(&parts, desired("sound", text("dong"))).await.unwrap();
    let address = parts.servers.address(&provider()).unwrap();
    let url = parts.servers.url(&provider());
    assert_eq!(url, Some(format!("bell://{address}")));
}

/// The backend paid for it and no caller tried again; and a clash of addresses was told falsely, or
/// not at all.
#[tokio::test]
async fn what_others_must_know_is_not_filled_by_a_variable_of_one_node() {
    let environment = AppEnvironment::of(|variable| match variable {
        "BELL_ADDRESS" => Some("127.0.0.2:0".to_owned()),
        "BELL_DEDUPLICATE_FOR_MS" => Some("60000".to_owned()),
        _ => None,
    });
    let parts = parts(environment);
    let number = ConfigValue::Integer;
    let mut by_address = desired("deduplicate_for_ms", number(1000));
    by_address.deduplicates_for_ms = Some(1000);
    for (desired, expected) in [
        (
            &by_address,
            "`address` comes from BELL_ADDRESS, which only this node knows: write `address = { env = \
             \"BELL_ADDRESS\" }`, or its value, in the manifest",
        ),
        (
            &desired("address", text("127.0.0.1:0")),
            "`deduplicate_for_ms` comes from BELL_DEDUPLICATE_FOR_MS, which only this node knows: \
             write its value in the manifest",
        ),
    ] {
        match start(&parts, desired.clone()).await {
            Err(StartError::Refused(error)) => assert_eq!(error.to_string(), expected),
            other => panic!("{other:?}"),
        }
    }
    // By reference it is known to be an address; and as others know it, it may come from anywhere.
    let reference = Reference::Variable(VariableReference {
        env: "BELL_ADDRESS".to_owned(),
    });
    let mut known = desired("address", ConfigValue::Reference(reference));
    known.address = Some("env BELL_ADDRESS".to_owned());
    known.deduplicates_for_ms = Some(60_000);
    start(&parts, known).await.unwrap();
    let address = parts.servers.address(&provider());
    assert_eq!(address.unwrap().ip().to_string(), "127.0.0.2");
}

/// A provider that was there for its links alone stopped before the components that were still using it.
#[tokio::test]
async fn only_a_server_that_calls_somebody_goes_first() {
    let parts = parts(AppEnvironment::nothing());
    let mut linked = desired("sound", text("dong"));
    linked.calls.clear();
    start(&parts, linked).await.unwrap();
    assert!(parts.servers.address(&provider()).is_some(), "it serves");
    assert!(!parts.servers.calls_somebody(&provider()));
    start(&parts, desired("sound", text("dong"))).await.unwrap();
    assert!(parts.servers.calls_somebody(&provider()));
}
