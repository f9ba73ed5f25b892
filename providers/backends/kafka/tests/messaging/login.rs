//! A broker that asks who one is.

use std::{
    fs,
    path::{Path, PathBuf},
};

use rcgen::CertifiedKey;
use wrt_contract::CallContext;
use wrt_kafka::{ConnectError, Kafka, KafkaConfig, KafkaSasl};
use wrt_runtime::{Backend as _, ServiceAddress};

use super::support::World;

const SECRET: &str = "hu-sh";
const OTHER: &str = "wrong-one";

/// A certificate that is its own authority, as PEM files: the certificate, its key, and both.
struct Identity {
    certificate: PathBuf,
    key: PathBuf,
    both: PathBuf,
}

impl Identity {
    fn of(name: &str, folder: &Path) -> Self {
        let made: CertifiedKey<_> =
            rcgen::generate_simple_self_signed(vec![name.to_owned()]).expect("made");
        let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        let write = |what: &str, text: &str| {
            let path = folder.join(format!("{name}-{what}.pem"));
            fs::write(&path, text).expect("a file");
            path
        };
        Self {
            both: write("both", &format!("{key}{certificate}")),
            certificate: write("certificate", &certificate),
            key: write("key", &key),
        }
    }
}

async fn refused(config: KafkaConfig) -> ConnectError {
    let connected = Kafka::connect_with(config).await;
    connected.expect_err("it is not let in")
}

async fn is_let_in(config: KafkaConfig) {
    let provider = Kafka::connect_with(config).await.expect("it is let in");
    let answers = provider.probe(&CallContext::default()).await;
    answers.expect("it answers");
}

/// It says what to do, and nothing secret; it does not go away by itself.
fn is_told_of_login(refused: &ConnectError, told: &str) {
    let text = format!("{refused} {refused:?}");
    let is_login = matches!(refused, ConnectError::Login { .. });
    assert!(is_login && Kafka::is_for_good(refused), "{text}");
    for part in [told, "`password`", "`certificate_file`"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains(OTHER) && !text.contains(SECRET), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_and_a_password_behind_tls() {
    let world = World::alone();
    let server = Identity::of("localhost", world.server.folder());
    let jaas = "listener.name.sasl_ssl";
    let module = "org.apache.kafka.common.security";
    let properties = format!(
        "ssl.keystore.type=PEM\nssl.keystore.location={}\n\
         sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512\n\
         {jaas}.plain.sasl.jaas.config={module}.plain.PlainLoginModule required user_bob=\"{SECRET}\";\n\
         {jaas}.scram-sha-256.sasl.jaas.config={module}.scram.ScramLoginModule required;\n\
         {jaas}.scram-sha-512.sasl.jaas.config={module}.scram.ScramLoginModule required;\n",
        server.both.display()
    );
    let port = world.server.listen_also("SASL_SSL", &properties);
    let port = port.expect("a listener");
    let begins = world.server.begins_with_user("bob", SECRET);
    begins.expect("it is formatted");
    world.server.restart().expect("restart");
    let config = |mechanism, user: &str, password: &str| KafkaConfig {
        brokers: ServiceAddress::new(format!("localhost:{port}")),
        authority_file: Some(server.certificate.clone()),
        sasl_mechanism: Some(mechanism),
        user: Some(user.to_owned()),
        password: Some(password.into()),
        ..world.config()
    };
    use KafkaSasl::{Plain, ScramSha256, ScramSha512};
    for mechanism in [Plain, ScramSha256, ScramSha512] {
        is_let_in(config(mechanism, "bob", SECRET)).await;
        for (user, password) in [("bob", OTHER), ("nobody", SECRET)] {
            let refused = refused(config(mechanism, user, password)).await;
            is_told_of_login(&refused, "uthentication");
        }
    }

    let other_authority = KafkaConfig {
        authority_file: None,
        tls: true,
        connect_timeout_ms: 1000,
        ..config(Plain, "bob", SECRET)
    };
    let refused = refused(other_authority).await;
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_of_its_own() {
    let world = World::alone();
    let folder = world.server.folder();
    let [server, bob, other] = ["localhost", "bob", "other"].map(|name| Identity::of(name, folder));
    let properties = format!(
        "ssl.keystore.type=PEM\nssl.keystore.location={}\nssl.client.auth=required\n\
         ssl.truststore.type=PEM\nssl.truststore.location={}\n",
        server.both.display(),
        bob.certificate.display()
    );
    let port = world.server.listen_also("SSL", &properties);
    let port = port.expect("a listener");
    world.server.restart().expect("restart");
    let config = |identity: Option<&Identity>| KafkaConfig {
        brokers: ServiceAddress::new(format!("localhost:{port}")),
        authority_file: Some(server.certificate.clone()),
        certificate_file: identity.map(|it| it.certificate.clone()),
        key_file: identity.map(|it| it.key.clone()),
        ..world.config()
    };
    is_let_in(config(Some(&bob))).await;
    for identity in [None, Some(&other)] {
        let refused = refused(config(identity)).await;
        is_told_of_login(&refused, "certificate");
    }
}
