//! How the provider is set up.

use std::{collections::BTreeMap, path::PathBuf};

use reqwest::Url;
use secrecy::SecretString;
use serde::Deserialize;
use wrt_identity::{IdentityName, https::keeps_secrets};
use wrt_runtime::SettingsError;

/// Who the app is in Azure, and its Key Vault.
#[derive(Debug, Clone, confique::Config)]
pub struct AzureConfig {
    /// The Key Vault: `https://<its name>.vault.azure.net`. Without it the provider gives tokens alone.
    #[config(env = "AZURE_KEYVAULT_URL")]
    pub vault_url: Option<String>,
    /// What proves who the app is: `managed-identity` of the machine, pod or app service that the node runs on;
    /// `client-secret`; or `workload-identity`, a token that Kubernetes or another issuer writes into a file.
    #[config(env = "AZURE_CREDENTIAL", default = "managed-identity")]
    pub credential: Credential,
    /// The directory (tenant) of the app. Not for `managed-identity`.
    #[config(env = "AZURE_TENANT_ID")]
    pub tenant_id: Option<String>,
    /// The app's id. For `managed-identity` it is that of a user-assigned one; without it the machine's own is
    /// used.
    #[config(env = "AZURE_CLIENT_ID")]
    pub client_id: Option<String>,
    /// The secret of `client-secret`.
    #[config(env = "AZURE_CLIENT_SECRET")]
    pub client_secret: Option<SecretString>,
    /// The file of `workload-identity`. A manifest names no file: it refers to a variable that the node's
    /// operator lets through.
    #[config(env = "AZURE_FEDERATED_TOKEN_FILE")]
    pub token_file: Option<PathBuf>,
    /// Other identities that the app may take on, by name, each with a `client_id`, and with a `client_secret`
    /// where that is the credential. Tokens are given for them; the vault is asked by the provider's own.
    #[config(default = {})]
    pub identities: BTreeMap<String, OtherIdentity>,
    /// Whether what is deleted from the vault is also purged, where the vault lets the app do that. What is not
    /// keeps its name taken until the vault forgets it, and whoever sets it anew recovers it first.
    #[config(env = "AZURE_KEYVAULT_PURGE", default = true)]
    pub purge: bool,
    /// Whether the vault's host must be one of the service that it asks a token for, so that none goes to
    /// somebody else. Off only for a vault by a name of one's own.
    #[config(env = "AZURE_KEYVAULT_CHECK_AUDIENCE", default = true)]
    pub check_audience: bool,
    /// Where Entra is: another one in the clouds of governments.
    #[config(
        env = "AZURE_AUTHORITY_HOST",
        default = "https://login.microsoftonline.com"
    )]
    pub authority_host: String,
    /// Where a machine's managed identity is asked for, in place of `http://169.254.169.254`.
    #[config(env = "AZURE_POD_IDENTITY_AUTHORITY_HOST")]
    pub metadata_url: Option<String>,
    /// Where an app service gives the tokens of its managed identity. It says that itself, in the environment of the
    /// node, whose operator lets this variable and the next one through.
    #[config(env = "IDENTITY_ENDPOINT")]
    pub identity_endpoint: Option<String>,
    /// What has to be shown there.
    #[config(env = "IDENTITY_HEADER")]
    pub identity_header: Option<SecretString>,
    /// A PEM file with the authority that signed the certificates of all of these, in place of the system's own.
    #[config(env = "AZURE_AUTHORITY_FILE")]
    pub authority_file: Option<PathBuf>,
}

/// What proves who the app is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Credential {
    /// Where the node runs.
    ManagedIdentity,
    /// A secret.
    ClientSecret,
    /// A token in a file.
    WorkloadIdentity,
}

/// An identity beside the provider's own.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OtherIdentity {
    /// Its id.
    pub client_id: String,
    /// Its secret, where that is the credential.
    #[serde(default)]
    pub client_secret: Option<SecretString>,
}

/// The same, checked.
pub(crate) struct Parsed {
    pub(crate) vault_url: Option<Url>,
    pub(crate) authority_host: Url,
    pub(crate) metadata_url: Option<Url>,
    pub(crate) app_service: Option<AppService>,
    pub(crate) identities: BTreeMap<IdentityName, Proof>,
}

/// Where an app service gives tokens.
#[derive(Debug, Clone)]
pub(crate) struct AppService {
    pub(crate) endpoint: Url,
    pub(crate) header: SecretString,
}

/// What one identity is proved with.
#[derive(Debug, Clone)]
pub(crate) enum Proof {
    Managed {
        client_id: Option<String>,
    },
    Secret {
        tenant_id: String,
        client_id: String,
        secret: SecretString,
    },
    File {
        tenant_id: String,
        client_id: String,
        path: PathBuf,
    },
}

const BOTH: &str = "an app service has both an endpoint and a header";

impl AzureConfig {
    pub(crate) fn parsed(&self) -> Result<Parsed, SettingsError> {
        let vault_url = self.vault_url.as_deref();
        let vault_url = vault_url.map(|text| over_tls("vault_url", text));
        let metadata_url = self.metadata_url.as_deref();
        let metadata_url = metadata_url.map(|text| address("metadata_url", text));
        let mut identities = BTreeMap::new();
        let own = self.proof(self.client_id.as_ref(), self.client_secret.as_ref())?;
        identities.insert(IdentityName::own(), own);
        for (name, other) in &self.identities {
            let key = IdentityName::new(name);
            let key = key.map_err(|error| refuse("identities", &error.to_string()))?;
            let proof = self.proof(Some(&other.client_id), other.client_secret.as_ref())?;
            if identities.insert(key, proof).is_some() {
                return Err(refuse("identities", "`default` is the provider's own"));
            }
        }
        Ok(Parsed {
            vault_url: vault_url.transpose()?,
            authority_host: over_tls("authority_host", &self.authority_host)?,
            metadata_url: metadata_url.transpose()?,
            app_service: self.app_service()?,
            identities,
        })
    }

    fn app_service(&self) -> Result<Option<AppService>, SettingsError> {
        let (endpoint, header) = match (&self.identity_endpoint, &self.identity_header) {
            (Some(endpoint), Some(header)) => (endpoint, header),
            (None, None) => return Ok(None),
            (None, _) => return Err(refuse("identity_endpoint", BOTH)),
            (_, None) => return Err(refuse("identity_header", BOTH)),
        };
        let endpoint = address("identity_endpoint", endpoint)?;
        let header = header.clone();
        Ok(Some(AppService { endpoint, header }))
    }

    fn proof(
        &self,
        client_id: Option<&String>,
        secret: Option<&SecretString>,
    ) -> Result<Proof, SettingsError> {
        Ok(match self.credential {
            Credential::ManagedIdentity => Proof::Managed {
                client_id: client_id.cloned(),
            },
            Credential::ClientSecret => Proof::Secret {
                tenant_id: self.tenant()?,
                client_id: given("client_id", client_id)?,
                secret: given("client_secret", secret)?,
            },
            Credential::WorkloadIdentity => Proof::File {
                tenant_id: self.tenant()?,
                client_id: given("client_id", client_id)?,
                path: given("token_file", self.token_file.as_ref())?,
            },
        })
    }

    /// It becomes a part of an address.
    fn tenant(&self) -> Result<String, SettingsError> {
        let tenant = given("tenant_id", self.tenant_id.as_ref())?;
        let is_legal = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-';
        match !tenant.is_empty() && tenant.chars().all(is_legal) {
            true => Ok(tenant),
            false => Err(refuse("tenant_id", "it is no id and no domain of a tenant")),
        }
    }
}

fn given<T: Clone>(field: &str, value: Option<&T>) -> Result<T, SettingsError> {
    value
        .cloned()
        .ok_or_else(|| refuse(field, "the credential needs it"))
}

fn refuse(field: &str, message: &str) -> SettingsError {
    SettingsError::Value {
        field: field.to_owned(),
        message: message.to_owned(),
    }
}

/// What the parser says may quote a password, so it is not told.
fn address(field: &str, text: &str) -> Result<Url, SettingsError> {
    let url = text.parse::<Url>().ok();
    url.ok_or_else(|| refuse(field, "it is no URL"))
}

fn over_tls(field: &str, text: &str) -> Result<Url, SettingsError> {
    let url = address(field, text)?;
    match url.scheme() == "https" && keeps_secrets(&url) {
        true => Ok(url),
        false => Err(refuse(field, "use https://, and no password")),
    }
}

#[cfg(test)]
mod tests {
    use wrt_runtime::{FromEnv as _, Settings};

    use super::*;

    fn check(table: toml::Table) -> Result<(), String> {
        let config = AzureConfig::load(Settings::of_table(table));
        let config = config.map_err(|error| error.to_string())?;
        assert!(!format!("{config:?}").contains("s3cr3t"));
        config.parsed().map(drop).map_err(|error| error.to_string())
    }

    #[test]
    fn each_credential_says_what_it_lacks() {
        for (table, expected) in [
            (toml::Table::new(), Ok(())),
            (
                toml::toml! {
                vault_url = "https://shop.vault.azure.net"
                identities = { reports = { client_id = "b" } }
                },
                Ok(()),
            ),
            (
                toml::toml! {
                credential = "client-secret"
                tenant_id = "t"
                client_id = "a"
                client_secret = "s3cr3t"
                },
                Ok(()),
            ),
            (
                toml::toml! {
                credential = "client-secret"
                tenant_id = "t"
                client_id = "a"
                client_secret = "s3cr3t"
                identities = { reports = { client_id = "b" } }
                },
                Err("`client_secret`: the credential needs it"),
            ),
            (
                toml::toml! {
                credential = "workload-identity"
                tenant_id = "t"
                client_id = "a"
                },
                Err("`token_file`: the credential needs it"),
            ),
            (
                toml::toml! {
                credential = "client-secret"
                tenant_id = "../hush"
                client_id = "a"
                client_secret = "s3cr3t"
                },
                Err("`tenant_id`: it is no id and no domain of a tenant"),
            ),
            (
                toml::toml! {
                vault_url = "http://127.0.0.1:1"
                },
                Err("`vault_url`: use https://, and no password"),
            ),
            (
                toml::toml! {
                authority_host = "https://a:hush@b"
                },
                Err("`authority_host`: use https://, and no password"),
            ),
            (
                toml::toml! {
                identities = { default = { client_id = "b" } }
                },
                Err("`identities`: `default` is the provider's own"),
            ),
        ] {
            assert_eq!(
                check(table).as_ref().map_err(|it| it.as_str()),
                expected.as_ref().map_err(|it| *it)
            );
        }
    }

    #[test]
    fn an_app_service_is_named_by_both_of_its_values() {
        let both = toml::toml! {
            identity_endpoint = "http://127.0.0.1:1/msi/token"
            identity_header = "s3cr3t"
        };
        assert_eq!(check(both.clone()), Ok(()));
        for (given, missing) in [
            ("identity_endpoint", "identity_header"),
            ("identity_header", "identity_endpoint"),
        ] {
            let mut one = both.clone();
            one.retain(|field, _| field == given);
            let words = "an app service has both an endpoint and a header";
            assert_eq!(check(one), Err(format!("`{missing}`: {words}")));
        }
    }
}
