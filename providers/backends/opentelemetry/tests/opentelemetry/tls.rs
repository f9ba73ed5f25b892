//! A collector with a certificate.

use std::{fs, sync::Arc};

use rcgen::{CertificateParams, KeyPair};
use tempfile::TempDir;
use wrt_opentelemetry::{ConnectError, OpenTelemetry, OpenTelemetryConfig};
use wrt_runtime::{Backend as _, ServiceAddress};
use wrt_test_servers::OtelCollector;

use super::{
    collected::Collected,
    support::{PROTOCOLS, come, config, connect, tell, told, until},
};

/// The same collector by a name, over TLS.
fn over_tls(config: OpenTelemetryConfig, authority: &std::path::Path) -> OpenTelemetryConfig {
    let endpoint = config.endpoint.as_ref().unwrap().reveal();
    let endpoint = endpoint.replace("http://127.0.0.1", "https://localhost");
    OpenTelemetryConfig {
        endpoint: Some(ServiceAddress::new(endpoint)),
        authority_file: Some(authority.to_owned()),
        ..config
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_is_known_by_its_certificate() {
    let folder = TempDir::new().unwrap();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap().pem();
    let authority = folder.path().join("authority.pem");
    fs::write(&authority, &certificate).unwrap();
    let another = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let another = another.self_signed(&KeyPair::generate().unwrap()).unwrap();
    let wrong = folder.path().join("wrong.pem");
    fs::write(&wrong, another.pem()).unwrap();

    let collector = Arc::new(OtelCollector::start().expect("otelcol"));
    collector
        .begins_with_tls(&certificate, &key.serialize_pem())
        .unwrap();
    collector.restart().unwrap();
    for (protocol, numbers) in PROTOCOLS.into_iter().zip([0..3, 3..6]) {
        let strange = connect(over_tls(config(&collector, protocol), &wrong)).await;
        tell(&strange, 7..9).await.unwrap();
        until(&strange, |counts| counts.retried > 0).await;
        let provider = connect(over_tls(config(&collector, protocol), &authority)).await;
        tell(&provider, numbers).await.unwrap();
        until(&provider, |counts| counts.sent == 3).await;
    }
    let collected = Collected::by(&collector);
    come(&collected, 6).await;
    assert_eq!(told(&collected).await, [0, 1, 2, 3, 4, 5]);
}

#[tokio::test]
async fn an_authority_that_is_none_is_told_by_its_path() {
    let config = OpenTelemetryConfig {
        authority_file: Some("/no/such/file".into()),
        ..OpenTelemetryConfig::default()
    };
    let error = OpenTelemetry::connect_with(config).await.unwrap_err();
    assert!(matches!(error, ConnectError::Exporter(_)), "{error}");
    let causes = format!("{error:?}");
    assert!(causes.contains("/no/such/file"), "{causes}");
}
