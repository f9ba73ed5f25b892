//! The provider, connected to the double.

use std::{collections::BTreeMap, sync::Arc};

use wrt_azure::{Azure, AzureConfig, Credential, OtherIdentity};
use wrt_runtime::Backend as _;

use crate::double::{ASSERTION, CLIENTS, Double, TENANT};

/// Settings for one of the credentials, as right as they can be.
pub fn config(double: &Double, credential: Credential) -> AzureConfig {
    let [(client_id, secret), (other_id, other_secret)] = CLIENTS;
    let token_file = double.folder.path().join("token");
    std::fs::write(&token_file, ASSERTION).expect("a temporary folder takes a file");
    let secret_of = |secret: &str| (credential == Credential::ClientSecret).then(|| secret.into());
    let other = OtherIdentity {
        client_id: other_id.to_owned(),
        client_secret: secret_of(other_secret),
    };
    AzureConfig {
        vault_url: Some(double.url.clone()),
        credential,
        tenant_id: Some(TENANT.to_owned()),
        client_id: (credential != Credential::ManagedIdentity).then(|| client_id.to_owned()),
        client_secret: secret_of(secret),
        token_file: Some(token_file),
        identities: BTreeMap::from([("reports".to_owned(), other)]),
        purge: true,
        check_audience: false,
        authority_host: double.url.clone(),
        metadata_url: Some(double.url.clone()),
        identity_endpoint: None,
        identity_header: None,
        authority_file: Some(double.authority()),
    }
}

pub async fn connect(config: AzureConfig) -> Arc<Azure> {
    Arc::new(Azure::connect_with(config).await.expect("sound settings"))
}

pub async fn by_secret(double: &Double) -> Arc<Azure> {
    connect(config(double, Credential::ClientSecret)).await
}
