//! The suite over each credential, and what Entra refuses.

use std::sync::Arc;

use wrt_azure::{Azure, AzureConfig, Credential};
use wrt_contract::CallContext;
use wrt_identity::{
    Identity as _, IdentityError, IdentityInterface, IdentityName, Scopes,
    conformance::{self, Behaviour, Issuer},
};
use wrt_protocol::{Execution, FaultKind};
use wrt_test_kit::everywhere;

use crate::{
    double::{Double, State},
    support::{by_secret, config, connect},
};

struct Entra(Arc<State>);

impl Issuer for Entra {
    fn scope(&self, case: &str) -> String {
        format!("https://{case}.example/.default")
    }

    fn other_identity(&self) -> IdentityName {
        IdentityName::new("reports").expect("legal")
    }

    fn behave(&self, scope: &str, behaviour: Behaviour) {
        let mut scopes = self.0.scopes.lock();
        scopes.entry(scope.to_owned()).or_default().0 = behaviour;
    }

    fn given(&self, scope: &str) -> usize {
        self.0.given(scope)
    }
}

pub fn issuer(double: &Double) -> Arc<dyn Issuer> {
    Arc::new(Entra(Arc::clone(&double.state)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_secret_conforms() {
    let double = Double::start().await;
    let (azure, issuer) = (by_secret(&double).await, issuer(&double));
    everywhere::<IdentityInterface>(azure, async |identity| {
        conformance::run(identity, Arc::clone(&issuer)).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_managed_identity_conforms() {
    let double = Double::start().await;
    let azure = connect(config(&double, Credential::ManagedIdentity)).await;
    conformance::run(azure, issuer(&double)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_workload_identity_conforms() {
    let double = Double::start().await;
    let azure = connect(config(&double, Credential::WorkloadIdentity)).await;
    conformance::run(azure, issuer(&double)).await;
}

async fn ask(azure: &Azure, scopes: &[&str]) -> Result<String, IdentityError> {
    let (context, own) = (CallContext::default(), IdentityName::own());
    let scopes = Scopes::new(scopes).expect("legal");
    let token = azure.token(&context, &own, &scopes, None).await?;
    Ok(token.value.expose().to_owned())
}

const SCOPE: &str = "https://a.example/.default";

#[tokio::test]
async fn what_entra_refuses_is_told_by_its_code() {
    let double = Double::start().await;
    let right = config(&double, Credential::ClientSecret);
    let wrong_secret = AzureConfig {
        client_secret: Some("hush".into()),
        ..right.clone()
    };
    let wrong_client = AzureConfig {
        client_id: Some("nobody".to_owned()),
        ..right.clone()
    };
    let no_machine = AzureConfig {
        client_id: Some("nobody".to_owned()),
        ..config(&double, Credential::ManagedIdentity)
    };
    for (config, scope, code) in [
        (wrong_secret, SCOPE, "AADSTS7000215"),
        (wrong_client, SCOPE, "AADSTS700016"),
        (right, "a.example", "AADSTS1002012"),
        (no_machine, SCOPE, "status 400, no code"),
    ] {
        let error = ask(&*connect(config).await, &[scope]).await.unwrap_err();
        assert_eq!(error, IdentityError::denied(code));
    }
}

#[tokio::test]
async fn what_is_no_answer_is_told_as_such() {
    let double = Double::start().await;
    let azure = connect(config(&double, Credential::ManagedIdentity)).await;
    for scopes in [&[][..], &[SCOPE, "https://b.example/.default"]] {
        let refused = ask(&azure, scopes).await;
        assert!(
            matches!(refused, Err(IdentityError::BadScopes(_))),
            "{refused:?}"
        );
    }
    let lost = config(&double, Credential::WorkloadIdentity);
    std::fs::remove_file(double.folder.path().join("token")).unwrap();
    let unreadable = ask(&*connect(lost).await, &[SCOPE]).await.unwrap_err();
    assert!(
        unreadable.to_string().contains("cannot be read"),
        "{unreadable}"
    );

    let away = AzureConfig {
        authority_host: "https://localhost:1".to_owned(),
        ..config(&double, Credential::ClientSecret)
    };
    let Err(IdentityError::Fault(fault)) = ask(&*connect(away).await, &[SCOPE]).await else {
        panic!("nobody is there");
    };
    let expected = (FaultKind::Unavailable, Execution::NotExecuted);
    assert_eq!((fault.kind(), fault.execution()), expected, "{fault}");
}
