//! A broker that asks who one is, behind TLS.

use std::fs;

use wrt_contract::CallContext;
use wrt_kafka::{ConnectError, Kafka, KafkaConfig, KafkaSasl};
use wrt_runtime::{Backend as _, ServiceAddress};

use super::support::World;

const SECRET: &str = "hu-sh";
const OTHER: &str = "wrong-one";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_and_a_password_behind_tls() {
    let world = World::alone();
    let folder = world.server.folder().to_owned();
    let (authority, server) = (folder.join("authority.pem"), folder.join("server.pem"));
    // It is its own authority.
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("made");
    fs::write(&authority, made.cert.pem()).expect("a file");
    let both = format!("{}{}", made.signing_key.serialize_pem(), made.cert.pem());
    fs::write(&server, both).expect("a file");
    let properties = format!(
        "ssl.keystore.type=PEM\nssl.keystore.location={}\nsasl.enabled.mechanisms=PLAIN\n\
         listener.name.sasl_ssl.plain.sasl.jaas.config=\
         org.apache.kafka.common.security.plain.PlainLoginModule required user_bob=\"{SECRET}\";\n",
        server.display()
    );
    let port = world
        .server
        .listen_also("SASL_SSL", &properties)
        .expect("a listener");
    world.server.restart().expect("restart");
    let config = |password: &str| KafkaConfig {
        brokers: ServiceAddress::new(format!("localhost:{port}")),
        authority_file: Some(authority.clone()),
        sasl_mechanism: Some(KafkaSasl::Plain),
        user: Some("bob".to_owned()),
        password: Some(password.into()),
        ..world.config()
    };
    let provider = Kafka::connect_with(config(SECRET))
        .await
        .expect("it is let in");
    provider
        .probe(&CallContext::default())
        .await
        .expect("it answers");

    let refused = Kafka::connect_with(config(OTHER))
        .await
        .expect_err("it is not let in");
    let told = format!("{refused} {refused:?}");
    let is_login = matches!(refused, ConnectError::Login { .. });
    assert!(is_login && Kafka::is_for_good(&refused), "{told}");
    assert!(
        told.contains("uthentication") && !told.contains(OTHER),
        "{told}"
    );

    let other_authority = KafkaConfig {
        authority_file: None,
        tls: true,
        connect_timeout_ms: 1000,
        ..config(SECRET)
    };
    let refused = Kafka::connect_with(other_authority)
        .await
        .expect_err("it is not believed");
    let told = refused.to_string();
    assert!(
        matches!(refused, ConnectError::Unreachable { .. }),
        "{told}"
    );
    assert!(
        told.contains("certificate") && !told.contains(SECRET),
        "{told}"
    );
}
