//! The suite over the default, against a token endpoint of the tests' own; its secrets; and the WIT.

use std::{
    collections::BTreeMap,
    io::{self, Read as _, Write as _},
    net::{Shutdown, TcpListener},
    sync::Arc,
    thread,
};

use wrt_contract::CallContext;
use wrt_identity::{
    ClientOptions, Identity as _, IdentityDefault, IdentityError, IdentityInterface, IdentityName,
    OAuth2Options, Scopes, WrtIdentity,
    conformance::{self, Behaviour, Issuer},
};
use wrt_protocol::{Execution, FaultKind};
use wrt_runtime::{Backend as _, FromEnv as _, Settings};
use wrt_test_kit::{
    Served::{By, Locally},
    WitCoverage, everywhere,
};
use wrt_test_servers::{TokenPlan, TokenServer};

/// A secret with all that an encoding may get wrong.
const SECRET: &str = "hush: %+&=/\u{e4}";
const CLIENTS: [(&str, &str); 2] = [("shop", SECRET), ("reports", "quiet")];

struct Ours(TokenServer);

impl Issuer for Ours {
    fn scope(&self, case: &str) -> String {
        format!("do:{case}")
    }

    fn other_identity(&self) -> IdentityName {
        IdentityName::new("reports").expect("legal")
    }

    fn behave(&self, scope: &str, behaviour: Behaviour) {
        let Behaviour {
            life,
            delay,
            refuses,
        } = behaviour;
        self.0.plan(
            scope,
            TokenPlan {
                life,
                delay,
                refuses,
            },
        );
    }

    fn given(&self, scope: &str) -> usize {
        self.0.given(scope)
    }
}

fn options(token_url: &str) -> OAuth2Options {
    let [(client_id, client_secret), (id, secret)] = CLIENTS;
    let reports = ClientOptions {
        client_id: id.to_owned(),
        client_secret: secret.into(),
    };
    OAuth2Options {
        token_url: token_url.to_owned(),
        client_id: client_id.to_owned(),
        client_secret: client_secret.into(),
        identities: BTreeMap::from([("reports".to_owned(), reports)]),
        secret_in_body: false,
        audience: None,
        authority_file: None,
    }
}

async fn ask(options: OAuth2Options) -> Result<String, IdentityError> {
    let provider = IdentityDefault::connect_with(options).await.expect("sound");
    let (context, own) = (CallContext::default(), IdentityName::own());
    let scopes = Scopes::new(["read", "write"]).expect("legal");
    let token = provider.token(&context, &own, &scopes, None).await?;
    Ok(token.value.expose().to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_default_conforms() {
    let issuer = Arc::new(Ours(TokenServer::start(&CLIENTS).unwrap()));
    let options = options(&issuer.0.token_url());
    let provider = Arc::new(IdentityDefault::connect_with(options).await.unwrap());
    everywhere::<IdentityInterface>(provider, async |identity| {
        conformance::run(identity, Arc::clone(&issuer) as Arc<dyn Issuer>).await;
    })
    .await;
}

#[tokio::test]
async fn the_secret_goes_in_the_header_or_in_the_body() {
    let server = TokenServer::start(&CLIENTS).unwrap();
    for secret_in_body in [false, true] {
        let options = OAuth2Options {
            secret_in_body,
            ..options(&server.token_url())
        };
        ask(options).await.unwrap();
    }
    let wrong = OAuth2Options {
        client_secret: "wrong".into(),
        ..options(&server.token_url())
    };
    let denied = IdentityError::denied("invalid_client");
    assert_eq!(ask(wrong).await, Err(denied));
    assert_eq!(server.given("read write"), 2);
}

/// Answers one request with this head, and this body; with nothing if there is no head.
fn answering(head: &str, body: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let answer = match head {
        "" => String::new(),
        head => format!(
            "HTTP/1.1 {head}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        ),
    };
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("the provider comes");
        let _begun = stream.read(&mut [0; 4096]).expect("it asks");
        stream.write_all(answer.as_bytes()).expect("it reads");
        stream.shutdown(Shutdown::Write).expect("it is there");
        // The rest of what was asked is read too, so that the answer is not lost by a connection that is reset.
        let _read = io::copy(&mut stream, &mut io::sink());
    });
    format!("http://{address}/token")
}

#[tokio::test]
async fn what_an_endpoint_says_otherwise_is_told_without_its_words() {
    for (head, body, expected) in [
        (
            "200 OK",
            r#"{"access_token":"hush","oops"#,
            Err("none of OAuth2's answers"),
        ),
        (
            "200 OK",
            r#"{"access_token":"hush","token_type":"mac"}"#,
            Err("not one of a bearer"),
        ),
        (
            "200 OK",
            r#"{"access_token":"hu sh","token_type":"bearer"}"#,
            Err("visible ASCII"),
        ),
        (
            "400 X",
            r#"{"error":"invalid_scope","error_description":"hush"}"#,
            Err("denied: invalid_scope"),
        ),
        (
            "307 X\r\nlocation: http://127.0.0.1:1/",
            "hush",
            Err("none of OAuth2's answers"),
        ),
        (
            "429 X\r\nretry-after: 3",
            "hush",
            Ok(FaultKind::Overloaded {
                retry_after_ms: 3000,
            }),
        ),
        ("503 X", "hush", Ok(FaultKind::Unavailable)),
        ("", "", Ok(FaultKind::Unavailable)),
    ] {
        let error = ask(options(&answering(head, body))).await.unwrap_err();
        match (&error, expected) {
            (IdentityError::Fault(fault), Ok(kind)) => assert_eq!(fault.kind(), kind, "{head}"),
            (error, Err(words)) => assert!(error.to_string().contains(words), "{error}"),
            (error, Ok(_)) => panic!("{error} for {head}"),
        }
        let told = format!("{error} {error:?}");
        assert!(!told.contains("hush") && !told.contains("hu sh"), "{told}");
    }
}

#[tokio::test]
async fn an_endpoint_that_is_away_has_executed_nothing() {
    let Err(IdentityError::Fault(fault)) = ask(options("http://127.0.0.1:1/token")).await else {
        panic!("nobody is there");
    };
    assert_eq!(fault.execution(), Execution::NotExecuted, "{fault}");
}

#[test]
fn settings_that_make_no_sense_are_refused_and_no_secret_is_shown() {
    let load = |table| OAuth2Options::load(Settings::of_table(table));
    let missing = load(toml::toml! { client_id = "a" }).unwrap_err();
    assert!(missing.to_string().contains("OAUTH2_"), "{missing}");
    for (url, is_legal) in [
        ("https://login.example.com/token", true),
        ("http://login.example.com/token", false),
        ("https://a:hush@login.example.com/token", false),
        ("hush", false),
    ] {
        let checked = IdentityDefault::check(&options(url));
        assert_eq!(checked.is_ok(), is_legal, "{url}");
        let told = format!("{checked:?}");
        assert!(!told.contains("hush"), "{told}");
    }
    let table = toml::toml! {
        token_url = "https://login.example.com/token"
        client_id = "a"
        client_secret = "hush"
        identities = { default = { client_id = "b", client_secret = "hush" } }
    };
    let options = load(table).unwrap();
    assert!(!format!("{options:?}").contains("hush"));
    let twice = IdentityDefault::check(&options).unwrap_err();
    assert!(twice.to_string().contains("the provider's own"), "{twice}");
}

#[test]
fn each_function_is_served_and_each_interface_is_listed() {
    let coverage = WitCoverage {
        table: &[
            (
                "credentials.open",
                Locally("an identity is a name: looking up the link is all there is to it"),
            ),
            ("credentials.[method]identity.get-token", By("token")),
            ("credentials.[method]identity.replace-token", By("token")),
        ],
        ..WitCoverage::of(&["../../../wit/identity"])
    };
    coverage.check::<WrtIdentity, IdentityInterface>();
}
