//! Entra: tokens, for whoever asks by `wrt:identity`, and for the vault.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use azure_core::{
    cloud::CustomConfiguration,
    credentials::{AccessToken, Secret, TokenCredential, TokenRequestOptions},
    error::{Error, ErrorKind},
    http::ClientOptions,
    time::OffsetDateTime,
};
use azure_identity::{
    ClientAssertionCredentialOptions, ClientSecretCredential, ClientSecretCredentialOptions,
    ManagedIdentityCredential, ManagedIdentityCredentialOptions, UserAssignedId,
    WorkloadIdentityCredential, WorkloadIdentityCredentialOptions,
};
use secrecy::ExposeSecret as _;
use wrt_contract::{CallContext, async_trait};
use wrt_identity::{Identity, IdentityError, IdentityName, NewToken, Scopes, Token, TokenValue};

use crate::{
    Azure,
    answer::{Failure, NotLetThrough, What},
    config::{Parsed, Proof},
    transport::Transport,
};

/// Who asks, and how each is proved.
pub(crate) struct Entra {
    identities: BTreeMap<IdentityName, Proof>,
    options: ClientOptions,
    /// For managed identities.
    managed: ClientOptions,
}

impl Entra {
    pub(crate) fn new(settings: &Parsed, transport: Transport) -> Self {
        let mut cloud = CustomConfiguration::default();
        cloud.authority_host = settings.authority_host.to_string();
        Self {
            identities: settings.identities.clone(),
            options: ClientOptions {
                cloud: Some(Arc::new(cloud.into())),
                ..transport.clone().options()
            },
            managed: transport.managed(settings.metadata_url.clone(), settings.app_service.clone()),
        }
    }

    /// Asks for a token, each time.
    ///
    /// The SDK's credentials keep what they were given, so each request has one of its own.
    async fn ask(&self, proof: Proof, scopes: &[&str]) -> azure_core::Result<AccessToken> {
        let options = match proof {
            Proof::Managed { .. } => self.managed.clone(),
            Proof::Secret { .. } | Proof::File { .. } => self.options.clone(),
        };
        // It may read a file.
        let made = tokio::task::spawn_blocking(move || credential(proof, options));
        let made = made
            .await
            .map_err(|stopped| Error::new(ErrorKind::Other, stopped));
        made??.get_token(scopes, None).await
    }
}

fn credential(
    proof: Proof,
    client_options: ClientOptions,
) -> azure_core::Result<Arc<dyn TokenCredential>> {
    Ok(match proof {
        Proof::Managed { client_id } => {
            ManagedIdentityCredential::new(Some(ManagedIdentityCredentialOptions {
                user_assigned_id: client_id.map(UserAssignedId::ClientId),
                client_options,
            }))?
        }
        Proof::Secret {
            tenant_id,
            client_id,
            secret,
        } => ClientSecretCredential::new(
            &tenant_id,
            client_id,
            Secret::new(secret.expose_secret().to_owned()),
            Some(ClientSecretCredentialOptions { client_options }),
        )?,
        Proof::File {
            tenant_id,
            client_id,
            path,
        } => WorkloadIdentityCredential::new(Some(WorkloadIdentityCredentialOptions {
            credential_options: ClientAssertionCredentialOptions { client_options },
            client_id: Some(client_id),
            tenant_id: Some(tenant_id),
            token_file_path: Some(path),
        }))?,
    })
}

/// The provider's own identity, as the client of the vault wants it. That one keeps the token, and asks again when
/// the vault has refused it.
pub(crate) fn own(entra: &Arc<Entra>) -> Arc<dyn TokenCredential> {
    Arc::new(Own(Arc::clone(entra)))
}

struct Own(Arc<Entra>);

impl fmt::Debug for Own {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Own")
    }
}

#[async_trait]
impl TokenCredential for Own {
    async fn get_token(
        &self,
        scopes: &[&str],
        _: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        let proof = self.0.identities.get(&IdentityName::own()).cloned();
        let nobody = || Error::with_message(ErrorKind::Credential, "no identity");
        self.0.ask(proof.ok_or_else(nobody)?, scopes).await
    }
}

#[async_trait]
impl Identity for Azure {
    async fn token(
        &self,
        context: &CallContext,
        identity: &IdentityName,
        scopes: &Scopes,
        refused: Option<TokenValue>,
    ) -> Result<Token, IdentityError> {
        let proof = self.entra.identities.get(identity);
        let proof = proof.ok_or(IdentityError::NoSuchIdentity)?.clone();
        let wants_one = matches!(proof, Proof::Managed { .. });
        let asked_for: Vec<String> = scopes.iter().map(str::to_owned).collect();
        if asked_for.is_empty() || (wants_one && asked_for.len() > 1) {
            let words = "Entra gives a token for one scope: `https://<service>/.default`";
            return Err(IdentityError::BadScopes(words.into()));
        }
        let entra = Arc::clone(&self.entra);
        let request = || async move {
            let scopes: Vec<&str> = asked_for.iter().map(String::as_str).collect();
            let given = entra
                .ask(proof, &scopes)
                .await
                .map_err(|error| words(&error))?;
            new_token(&given)
        };
        self.tokens
            .token(context, (identity, scopes), refused.as_ref(), request)
            .await
    }
}

fn new_token(given: &AccessToken) -> Result<NewToken, IdentityError> {
    let left = given.expires_on - OffsetDateTime::now_utc();
    Ok(NewToken {
        value: TokenValue::new(given.token.secret().to_owned())?,
        life: Some(Duration::try_from(left).unwrap_or_default()),
    })
}

/// The one place where what the SDK says of a token becomes an error of the interface.
fn words(error: &Error) -> IdentityError {
    let failure = Failure::of(error);
    match &failure.what {
        What::Status { status, code, .. } if (400..500).contains(status) && *status != 429 => {
            match code.bytes().all(|byte| byte.is_ascii_digit()) {
                true => IdentityError::denied(format!("AADSTS{code}")),
                false => IdentityError::denied(format!("status {status}, {code}")),
            }
        }
        What::NotLetThrough => IdentityError::other(NotLetThrough.to_string()),
        What::Other => IdentityError::other(
            "no token could be asked for: the file of the token cannot be read, or the answer",
        ),
        _ => failure.fault().into(),
    }
}
